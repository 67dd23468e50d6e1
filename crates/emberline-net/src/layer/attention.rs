//! Attention over sequences of vectors, `[tokens, features]`, and what else vision transformers are made of.

use super::{Problem, Shape, channels};

/// Attention of every token of one sequence to those of another, as `keras.layers.MultiHeadAttention`,
/// `keras.layers.GroupQueryAttention` and `torch.nn.MultiheadAttention`: `softmax(Q Kᵀ / sqrt(key_dim)) V` in every head, and
/// a projection of the heads side by side. The inputs are query, value and key; the value stands for a missing key, the query
/// for both.
///
/// The weights are `query_kernel`, `key_kernel`, `value_kernel` and `output_kernel`, each `[in, out]` with a head's features
/// side by side, and a bias for each. Papers: <https://arxiv.org/abs/1706.03762>, <https://arxiv.org/abs/2305.13245>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiHeadAttention {
    /// Into how many heads the queries are split.
    pub heads: usize,
    /// How many heads the keys and values have: as many, or fewer that serve several queries each.
    pub key_value_heads: usize,
    /// Features of a head's queries and keys.
    pub key_dim: usize,
    /// Features of a head's values.
    pub value_dim: usize,
    /// Features of the output; nothing for those of the query.
    pub features: Option<usize>,
    /// Whether the projections add a bias.
    pub use_bias: bool,
    /// Whether a token sees none that come later.
    pub causal: bool,
}

/// What a projection of [`MultiHeadAttention`] makes.
pub(crate) const PROJECTIONS: [[&str; 2]; 4] = [
    ["query_kernel", "query_bias"],
    ["key_kernel", "key_bias"],
    ["value_kernel", "value_bias"],
    ["output_kernel", "output_bias"],
];

impl MultiHeadAttention {
    /// Attention with as many heads for keys as for queries, a bias, and an output as wide as the query.
    #[must_use]
    pub const fn new(heads: usize, key_dim: usize) -> Self {
        let (key_value_heads, value_dim) = (heads, key_dim);
        Self { heads, key_value_heads, key_dim, value_dim, features: None, use_bias: true, causal: false }
    }

    pub(super) fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Problem> {
        let [query, value, key] = query_value_key("MultiHeadAttention", inputs)?;
        for input in [query, value, key] {
            sequence_shape("MultiHeadAttention", input)?;
        }
        if self.heads == 0 || self.key_dim == 0 || self.value_dim == 0 {
            return Err("MultiHeadAttention needs at least one head of at least one feature".to_owned());
        }
        if self.key_value_heads == 0 || !self.heads.is_multiple_of(self.key_value_heads) {
            return Err(format!(
                "{} heads of queries can't share {} of keys",
                self.heads, self.key_value_heads
            ));
        }
        if value[0] != key[0] {
            return Err(format!("value and key must be of one length, found {value:?} and {key:?}"));
        }
        Ok(vec![query[0], self.features.unwrap_or(query[1])])
    }

    pub(super) fn weight_shapes(&self, inputs: &[&[usize]]) -> Vec<(&'static str, Shape)> {
        let Ok([query, value, key]) = query_value_key("", inputs) else { return Vec::new() };
        let kernels = [
            [channels(query), self.heads.saturating_mul(self.key_dim)],
            [channels(key), self.key_value_heads.saturating_mul(self.key_dim)],
            [channels(value), self.key_value_heads.saturating_mul(self.value_dim)],
            [self.heads.saturating_mul(self.value_dim), self.features.unwrap_or(channels(query))],
        ];
        let of_projection = |([kernel, bias], shape): ([&'static str; 2], [usize; 2])| {
            let bias = self.use_bias.then(|| (bias, vec![shape[1]]));
            [(kernel, shape.to_vec())].into_iter().chain(bias)
        };
        PROJECTIONS.into_iter().zip(kernels).flat_map(of_projection).collect()
    }

    /// Four projections, the scores and their product with the values.
    pub(super) fn multiply_adds(&self, inputs: &[&[usize]]) -> u64 {
        let Ok([query, value, _]) = query_value_key("", inputs) else { return 0 };
        let kernels: Vec<u64> = self
            .weight_shapes(inputs)
            .iter()
            .filter(|(name, _)| name.ends_with("kernel"))
            .map(|(_, shape)| shape.iter().fold(1_u64, |product, &size| product.saturating_mul(size as u64)))
            .collect();
        let (&[from, _], &[to, _], &[q, k, v, o]) = (query, value, kernels.as_slice()) else { return 0 };
        let (from, to) = (from as u64, to as u64);
        let scores = from.saturating_mul(to).saturating_mul(self.heads as u64);
        let mixed = scores.saturating_mul((self.key_dim.saturating_add(self.value_dim)) as u64);
        let projected =
            from.saturating_mul(q.saturating_add(o)).saturating_add(to.saturating_mul(k.saturating_add(v)));
        projected.saturating_add(mixed)
    }
}

/// How alike a query and a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// Their product; with `use_scale` times a learned number, the weight `scale`.
    Dot,
    /// The sum of the hyperbolic tangent of their sum, times the weight `concat_score_weight`; with `use_scale` the sum is
    /// multiplied by the weight `scale` first.
    Concat,
    /// The sum of the hyperbolic tangent of their sum; with `use_scale` times a learned vector, the weight `scale`.
    Additive,
}

/// Attention without projections, as `keras.layers.Attention` and `keras.layers.AdditiveAttention`: `softmax(scores) V`. The
/// inputs are query, value and perhaps key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attention {
    /// How queries and keys are compared.
    pub score: Score,
    /// Whether there is a learned scale.
    pub use_scale: bool,
    /// Whether a token sees none that come later.
    pub causal: bool,
}

impl Attention {
    pub(super) fn kind(&self) -> &'static str {
        if self.score == Score::Additive { "AdditiveAttention" } else { "Attention" }
    }

    pub(super) fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Problem> {
        let [query, value, key] = query_value_key(self.kind(), inputs)?;
        let ([from, a], [to, features]) =
            (sequence_shape(self.kind(), query)?, sequence_shape(self.kind(), value)?);
        let [keys, b] = sequence_shape(self.kind(), key)?;
        match a == b && to == keys {
            true => Ok(vec![from, features]),
            false => Err(format!("query, value and key don't go together: {query:?}, {value:?} and {key:?}")),
        }
    }

    pub(super) fn weight_shapes(&self, inputs: &[&[usize]]) -> Vec<(&'static str, Shape)> {
        let features = if self.score == Score::Additive {
            vec![inputs.first().map_or(1, |query| channels(query))]
        } else {
            vec![]
        };
        let scale = self.use_scale.then_some(("scale", features));
        let concat = (self.score == Score::Concat).then(|| ("concat_score_weight", vec![]));
        scale.into_iter().chain(concat).collect()
    }

    /// The scores, where they are products, and their product with the values.
    pub(super) fn multiply_adds(&self, inputs: &[&[usize]]) -> u64 {
        let Ok([query, value, _]) = query_value_key("", inputs) else { return 0 };
        let (&[from, a], &[to, b]) = (query, value) else { return 0 };
        let per_pair = if self.score == Score::Dot { a.saturating_add(b) } else { b };
        from.saturating_mul(to).saturating_mul(per_pair) as u64
    }
}

/// The three inputs of an attention, of which the last may be left out, and the value too where a sequence attends to itself.
pub(crate) fn query_value_key<'a>(kind: &str, inputs: &[&'a [usize]]) -> Result<[&'a [usize]; 3], Problem> {
    match *inputs {
        [query] if kind != "Attention" && kind != "AdditiveAttention" => Ok([query; 3]),
        [query, value] => Ok([query, value, value]),
        [query, value, key] => Ok([query, value, key]),
        _ => Err(format!("{kind} takes query, value and perhaps key, found {} inputs", inputs.len())),
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
