//! Attention among the vectors of sequences.

use burn_tensor::{Tensor, TensorData, activation};
use emberline_net::{Attention, MultiHeadAttention, Node, Score};

use super::{Pass, Value, dense};

/// What is added to a score that must have no share.
const MASKED: f32 = -1e9;

impl Pass<'_> {
    /// The inputs are query, value and key; the value stands for a missing key, the query for both.
    pub(super) fn multi_head_attention(
        &self,
        node: &Node,
        layer: &MultiHeadAttention,
        inputs: Vec<Value>,
        output: &[usize],
    ) -> Result<Value, String> {
        let mut inputs = inputs.into_iter();
        let query = inputs.next().ok_or("expected a query")?;
        let value = inputs.next().unwrap_or_else(|| query.clone());
        let key = inputs.next().unwrap_or_else(|| value.clone());
        let project = |input: Value, name: &str| {
            let kernel = self.weight::<2>(node, &format!("{name}_kernel"));
            let bias = layer.use_bias.then(|| self.weight::<1>(node, &format!("{name}_bias")));
            let shape = [input.shape()[0], kernel.dims()[1]];
            dense(input, kernel, bias, &shape)
        };
        // `[batch, heads, tokens, width]`; a head of keys that serves several queries stands there for each.
        let split = |input: Value, name: &str, heads: usize, width: usize| {
            let projected = project(input, name).channels_last();
            let [batch, tokens, _] = projected.dims();
            let split = projected.reshape([batch, tokens, heads, width]).swap_dims(1, 2);
            if heads == layer.heads {
                return split;
            }
            let each = split.unsqueeze_dim::<5>(2).expand([batch, heads, layer.heads / heads, tokens, width]);
            each.reshape([batch, layer.heads, tokens, width])
        };
        let queries = split(query, "query", layer.heads, layer.key_dim);
        let keys = split(key, "key", layer.key_value_heads, layer.key_dim);
        let values = split(value, "value", layer.key_value_heads, layer.value_dim);
        let mut scores = queries.matmul(keys.swap_dims(2, 3)) / (layer.key_dim as f32).sqrt();
        let [batch, _, from, to] = scores.dims();
        if layer.causal {
            scores = scores + self.later(from, to);
        }
        let mixed = activation::softmax(scores, 3).matmul(values);
        let width = layer.heads * layer.value_dim;
        let mixed = mixed.swap_dims(1, 2).reshape([batch, from, width]);
        let projected = project(Value::from_channels_last(mixed, &[from, width]), "output");
        Ok(Value::new(projected.data(), output))
    }

    /// The inputs are query, value and perhaps key, which have no projections.
    pub(super) fn attention(
        &self,
        node: &Node,
        layer: &Attention,
        inputs: Vec<Value>,
        output: &[usize],
    ) -> Result<Value, String> {
        let mut inputs = inputs.into_iter().map(Value::channels_last);
        let query = inputs.next().ok_or("expected a query")?;
        let value = inputs.next().ok_or("expected a value")?;
        let key = inputs.next().unwrap_or_else(|| value.clone());
        let [_, from, _] = query.dims();
        let [_, to, _] = key.dims();
        let weight = |name: &str| {
            let weight = self.flat_weight(node, name);
            let len = weight.dims()[0];
            weight.reshape([1, 1, 1, len])
        };
        let scaled = |values: Tensor<4>| match layer.use_scale {
            true => values * weight("scale"),
            false => values,
        };
        let mut scores = match layer.score {
            Score::Dot => scaled(query.matmul(key.swap_dims(1, 2)).unsqueeze_dim(1)),
            Score::Concat => {
                let sums = scaled(query.unsqueeze_dim::<4>(2) + key.unsqueeze_dim::<4>(1));
                let scores = sums.tanh().sum_dim(3) * weight("concat_score_weight");
                scores.swap_dims(1, 3).swap_dims(2, 3)
            }
            Score::Additive => {
                let sums = query.unsqueeze_dim::<4>(2) + key.unsqueeze_dim::<4>(1);
                scaled(sums.tanh()).sum_dim(3).swap_dims(1, 3).swap_dims(2, 3)
            }
        };
        if layer.causal {
            scores = scores + self.later(from, to);
        }
        let shares = activation::softmax(scores, 3).squeeze_dim::<3>(1);
        Ok(Value::from_channels_last(shares.matmul(value), output))
    }

    /// What keeps a token from those that come later.
    fn later(&self, from: usize, to: usize) -> Tensor<4> {
        let score = |i: usize| if i % to > i / to { MASKED } else { 0.0 };
        let scores = TensorData::new((0..from * to).map(score).collect(), [1, 1, from, to]);
        Tensor::from_data(scores, self.forward.device.plain())
    }
}
