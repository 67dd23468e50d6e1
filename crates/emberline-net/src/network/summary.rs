//! What a network consists of: kind, shape, parameters and multiply-adds per layer.

use std::collections::BTreeSet;

use super::Network;
use crate::layer::Shape;

/// One layer, and what it costs for one sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSummary {
    /// The layer's name.
    pub name: String,
    /// The layer's class in Keras, such as `Conv2D`.
    pub kind: &'static str,
    /// The shape of its output, without the batch.
    pub shape: Shape,
    /// Multiplications followed by an addition, of convolutions and dense layers.
    pub multiply_adds: u64,
    /// Numbers among the weights, stored means and variances included. Shared weights count for the first layer that uses them.
    pub parameters: u64,
}

impl Network {
    /// The layers, in topological order.
    #[must_use]
    pub fn summary(&self) -> Vec<LayerSummary> {
        let mut counted = BTreeSet::new();
        let of_node = |node: &super::Node| {
            let inputs = self.input_shapes(node);
            let is_first = counted.insert(node.weights_name().to_owned());
            let weights = node.layer.weight_shapes(&inputs).into_iter().filter(|_| is_first);
            LayerSummary {
                name: node.name.clone(),
                kind: node.layer.kind(),
                shape: self.shape(&node.name).to_vec(),
                multiply_adds: node.layer.multiply_adds(&inputs, self.shape(&node.name)),
                parameters: weights
                    .map(|(_, shape)| shape.iter().map(|&size| size as u64).product::<u64>())
                    .sum(),
            }
        };
        self.nodes.iter().map(of_node).collect()
    }
}
