//! Using a part of a network: up to a layer, and pooled to one vector.

use std::collections::BTreeSet;

use super::{Network, Node};
use crate::{GlobalPooling, Layer, Result};

/// How the output of a cut network, `[height, width, channels]` or `[tokens, features]`, becomes a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// The mean of every channel.
    #[default]
    Avg,
    /// The greatest value of every channel.
    Max,
    /// All values in one row, channels fastest.
    Flatten,
    /// Not at all.
    None,
}

impl Network {
    /// The network up to and with this layer, without the layers and weights that it does not need. Its inputs stay,
    /// needed or not. Fails when there is no such layer.
    pub fn cut(&self, layer: &str) -> Result<Self> {
        self.cut_all(&[layer])
    }

    /// The network up to and with these layers, whose values it gives in this order from one run, without the layers and
    /// weights that none of them needs. Fails when there is no such layer.
    pub fn cut_all(&self, layers: &[&str]) -> Result<Self> {
        for layer in layers {
            if !self.nodes.iter().any(|node| node.name == *layer) {
                let last: Vec<&str> = self.layer_names().collect();
                let shown = last.iter().rev().take(8).rev();
                let names: Vec<&str> = shown.copied().collect();
                return Err(
                    self.error(format!("has no layer `{layer}`; its last layers are {}", names.join(", ")))
                );
            }
        }
        let mut needed: BTreeSet<&str> = layers.iter().copied().collect();
        for node in self.nodes.iter().rev() {
            if needed.contains(node.name.as_str()) {
                needed.extend(node.inputs.iter().map(String::as_str));
            }
        }
        let nodes = self.nodes.iter().filter(|node| needed.contains(node.name.as_str())).cloned().collect();
        self.with_graph(nodes, layers.iter().map(|&layer| layer.to_owned()).collect())
    }

    /// The network with its outputs of shape `[height, width, channels]` or `[tokens, features]` turned into vectors by a
    /// layer called `{output}_avg`, `{output}_max` or `{output}_flatten`. Outputs that are vectors stay as they are.
    pub fn pooled(&self, pooling: Pooling) -> Result<Self> {
        let suffix = match pooling {
            Pooling::Avg => "avg",
            Pooling::Max => "max",
            Pooling::Flatten => "flatten",
            Pooling::None => return Ok(self.clone()),
        };
        let mut nodes = self.nodes.clone();
        let mut outputs = Vec::new();
        for output in &self.outputs {
            let Some(dimensions @ 1..) = self.shape(output).len().checked_sub(1) else {
                outputs.push(output.clone());
                continue;
            };
            let channels = GlobalPooling { dimensions, keepdims: false };
            let layer = match pooling {
                Pooling::Avg => Layer::GlobalAveragePooling(channels),
                Pooling::Max => Layer::GlobalMaxPooling(channels),
                _ => Layer::Flatten,
            };
            let name = format!("{output}_{suffix}");
            nodes.push(Node::new(name.clone(), layer, vec![output.clone()]));
            outputs.push(name);
        }
        self.with_graph(nodes, outputs)
    }

    /// The same inputs with other nodes, and those of this network's weights that they need.
    fn with_graph(&self, nodes: Vec<Node>, outputs: Vec<String>) -> Result<Self> {
        let network = Self::new(&self.name, self.inputs.clone(), nodes, outputs)?;
        if self.weights.is_empty() {
            return Ok(network);
        }
        let needed = network.weight_shapes();
        let weights = self.weights.iter().filter(|(name, _)| needed.contains_key(*name));
        let weights = weights.map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        network.with_shared_weights(weights)
    }
}
