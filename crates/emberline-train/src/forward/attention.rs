//! Attention among the vectors of a sequence.

use burn_tensor::{Tensor, activation};
use emberline_net::{MultiHeadAttention, Node};

use super::{Pass, Value};

impl Pass<'_> {
    pub(super) fn attention(&self, node: &Node, layer: &MultiHeadAttention, input: Value) -> Value {
        let shape = input.shape().to_vec();
        let tokens = input.channels_last();
        let [batch, count, features] = tokens.dims();
        let flat = tokens.reshape([batch * count, features]);
        let project = |values: Tensor<2>, name: &str| {
            let kernel = self.weight::<2>(node, &format!("{name}_kernel"));
            let bias = self.weight::<1>(node, &format!("{name}_bias"));
            values.matmul(kernel) + bias.unsqueeze::<2>()
        };
        let width = features / layer.heads;
        let heads = |name: &str| {
            let values = project(flat.clone(), name).reshape([batch, count, layer.heads, width]);
            values.swap_dims(1, 2)
        };
        let scores = heads("query").matmul(heads("key").swap_dims(2, 3)) / (width as f32).sqrt();
        let mixed = activation::softmax(scores, 3).matmul(heads("value"));
        let mixed = mixed.swap_dims(1, 2).reshape([batch * count, features]);
        Value::from_channels_last(project(mixed, "output").reshape([batch, count, features]), &shape)
    }
}
