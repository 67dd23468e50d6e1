//! [`NetworkBuilder`]: puts layers together one line each.

use super::{Input, Network, Node};
use crate::{Layer, Result, Shape};

/// Collects layers; [`build`](Self::build) checks them all at once, so that a table of layers reads without a `?` in
/// every line.
///
/// ```
/// use emberline_net::{Activation, Conv, Layer, NetworkBuilder, Padding};
///
/// let mut layers = NetworkBuilder::new("residual");
/// let image = layers.input("image", [32, 32, 16]);
/// let conv = layers.apply("conv", Conv::new_2d(16, 3).padding(Padding::Same), image);
/// let sum = layers.merge("add", Layer::Add, &[image, conv]);
/// let out = layers.apply("relu", Activation::Relu, sum);
/// assert_eq!(layers.build(&[out])?.output_shapes(), [[32, 32, 16]]);
/// # Ok::<(), emberline_net::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NetworkBuilder {
    name: String,
    inputs: Vec<Input>,
    nodes: Vec<Node>,
    /// The name of every value, by [`NodeId`].
    values: Vec<String>,
}

/// The output of an input or layer of one [`NetworkBuilder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(usize);

impl NetworkBuilder {
    /// An empty network of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), inputs: Vec::new(), nodes: Vec::new(), values: Vec::new() }
    }

    /// Adds an input of shape `[height, width, channels]` or `[features]`.
    pub fn input(&mut self, name: &str, shape: impl Into<Shape>) -> NodeId {
        self.inputs.push(Input { name: name.to_owned(), shape: shape.into() });
        self.value(name)
    }

    /// Adds a layer that takes one input.
    pub fn apply(&mut self, name: &str, layer: impl Into<Layer>, input: NodeId) -> NodeId {
        self.merge(name, layer, &[input])
    }

    /// Adds a layer that takes several inputs.
    pub fn merge(&mut self, name: &str, layer: impl Into<Layer>, inputs: &[NodeId]) -> NodeId {
        // An id of another builder names no value here; the empty name makes `build` refuse it.
        let inputs = inputs.iter().map(|id| self.values.get(id.0).cloned().unwrap_or_default()).collect();
        self.nodes.push(Node::new(name, layer, inputs));
        self.value(name)
    }

    /// Applies an earlier layer once more, with the same settings and weights, which the network has once.
    pub fn apply_again(&mut self, name: &str, layer: NodeId, inputs: &[NodeId]) -> NodeId {
        let first =
            self.values.get(layer.0).and_then(|name| self.nodes.iter().find(|node| node.name == *name));
        // The id of an input, or of another builder, names no layer here; the layer without inputs makes `build` refuse it.
        let again =
            first.map(|first| (first.layer.clone(), first.weights_name().to_owned(), first.trainable));
        match again {
            Some((layer, weights, trainable)) => {
                let value = self.merge(name, layer, inputs);
                if let Some(node) = self.nodes.last_mut() {
                    (node.weights, node.trainable) = (Some(weights), trainable);
                }
                value
            }
            None => self.merge(name, Layer::Flatten, &[]),
        }
    }

    /// The network with these outputs, without weights. Fails as [`Network::new`] does.
    pub fn build(self, outputs: &[NodeId]) -> Result<Network> {
        let outputs = outputs.iter().map(|id| self.values.get(id.0).cloned().unwrap_or_default()).collect();
        Network::new(&self.name, self.inputs, self.nodes, outputs)
    }

    fn value(&mut self, name: &str) -> NodeId {
        self.values.push(name.to_owned());
        NodeId(self.values.len() - 1)
    }
}
