//! Layers over sequences of vectors, `[tokens, features]`: what vision transformers are made of.

use super::{Problem, Shape};

/// Attention of every token to all tokens of its sample, as `keras.layers.MultiHeadAttention` and
/// `torch.nn.MultiheadAttention` with one input for query, key and value:
/// `softmax(Q Kᵀ / sqrt(features / heads)) V` in every head, and a projection of the heads side by side.
///
/// The weights are `query_kernel`, `key_kernel`, `value_kernel` and `output_kernel`, each `[features, features]` and
/// `[in, out]` with a head's features side by side, and a bias for each. Paper: <https://arxiv.org/abs/1706.03762>.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiHeadAttention {
    /// Into how many heads the features are split.
    pub heads: usize,
}

/// What a projection of [`MultiHeadAttention`] makes.
pub(crate) const PROJECTIONS: [[&str; 2]; 4] = [
    ["query_kernel", "query_bias"],
    ["key_kernel", "key_bias"],
    ["value_kernel", "value_bias"],
    ["output_kernel", "output_bias"],
];

impl MultiHeadAttention {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let [_, features] = sequence_shape("MultiHeadAttention", input)?;
        if self.heads == 0 || !features.is_multiple_of(self.heads) {
            return Err(format!("{features} features can't be split into {} heads", self.heads));
        }
        Ok(input.to_vec())
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let features = super::channels(input);
        let of_projection =
            |[kernel, bias]: [&'static str; 2]| [(kernel, vec![features, features]), (bias, vec![features])];
        PROJECTIONS.into_iter().flat_map(of_projection).collect()
    }

    /// Per value of the output: four projections, the scores and their product with the values.
    pub(super) fn multiply_adds_per_value(&self, input: &[usize]) -> usize {
        let [tokens, features] = input else { return 0 };
        features.saturating_mul(4).saturating_add(tokens.saturating_mul(2))
    }
}

/// The shape with one more token before the others.
pub(super) fn class_token_shape(input: &[usize]) -> Result<Shape, Problem> {
    let [tokens, features] = sequence_shape("ClassToken", input)?;
    Ok(vec![tokens.saturating_add(1), features])
}

/// The shape of one token alone.
pub(super) fn take_token_shape(index: usize, input: &[usize]) -> Result<Shape, Problem> {
    let [tokens, features] = sequence_shape("TakeToken", input)?;
    match index < tokens {
        true => Ok(vec![features]),
        false => Err(format!("there is no token {index} among {tokens}")),
    }
}

pub(super) fn sequence_shape(kind: &str, shape: &[usize]) -> Result<[usize; 2], Problem> {
    shape.try_into().map_err(|_| format!("{kind} takes [tokens, features], found {shape:?}"))
}
