//! What a network costs: multiply-adds and parameters per layer.

use std::collections::BTreeSet;

use super::Network;

/// What one layer costs for one sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerCost {
    /// The layer's name.
    pub name: String,
    /// Multiplications followed by an addition, of convolutions and dense layers.
    pub multiply_adds: u64,
    /// Numbers among the weights, stored means and variances included. Shared weights count for the first layer that uses them.
    pub parameters: u64,
}

impl Network {
    /// What every layer costs, in topological order.
    #[must_use]
    pub fn cost(&self) -> Vec<LayerCost> {
        let mut counted = BTreeSet::new();
        let of_node = |node: &super::Node| {
            let inputs = self.input_shapes(node);
            let is_first = counted.insert(node.weights_name().to_owned());
            let weights = node.layer.weight_shapes(&inputs).into_iter().filter(|_| is_first);
            LayerCost {
                name: node.name.clone(),
                multiply_adds: node.layer.multiply_adds(&inputs, self.shape(&node.name)),
                parameters: weights
                    .map(|(_, shape)| shape.iter().map(|&size| size as u64).product::<u64>())
                    .sum(),
            }
        };
        self.nodes.iter().map(of_node).collect()
    }
}
