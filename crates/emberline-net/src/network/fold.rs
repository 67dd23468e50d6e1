//! Folding batch normalisations into the convolutions before them: fewer passes, the same values up to rounding.

use std::sync::Arc;

use super::{Network, Node, weight_name};
use crate::{Activation, BatchNormalization, Layer, Result, Tensor};

impl Network {
    /// The network with every batch normalisation folded into the convolution or dense layer right before it, where
    /// nothing else uses that layer's output. The folded layer takes the normalisation's name, so a name that is left
    /// still stands for the same values. The arithmetic is in 64 bits. Fails when the network has no weights.
    pub fn fold_batch_norms(&self) -> Result<Self> {
        let mut nodes: Vec<Node> = Vec::with_capacity(self.nodes.len());
        let mut weights = self.weights.clone();
        for node in &self.nodes {
            let Some((norm, before)) = self.foldable(node) else {
                nodes.push(node.clone());
                continue;
            };
            let Folded { layer, kernel, bias } = self.folded(node, norm, before)?;
            nodes.retain(|earlier| earlier.name != before.name);
            let trainable = node.trainable || before.trainable;
            nodes.push(Node { trainable, ..Node::new(node.name.clone(), layer, before.inputs.clone()) });
            let prefix = |node: &Node| weight_name(node.weights_name(), "");
            let (prefix_a, prefix_b) = (prefix(node), prefix(before));
            weights.retain(|name, _| !is_of_layer(name, &prefix_a) && !is_of_layer(name, &prefix_b));
            weights.insert(weight_name(&node.name, "kernel"), Arc::new(kernel));
            weights.insert(weight_name(&node.name, "bias"), Arc::new(bias));
        }
        let network = Self::new(&self.name, self.inputs.clone(), nodes, self.outputs.clone())?;
        network.with_shared_weights(weights)
    }

    /// The batch normalisation in a node and the node it can be folded into.
    fn foldable<'a>(&'a self, node: &'a Node) -> Option<(&'a BatchNormalization, &'a Node)> {
        let Layer::BatchNormalization(norm) = &node.layer else { return None };
        let before = self.nodes.iter().find(|before| Some(&before.name) == node.inputs.first())?;
        let uses = self.nodes.iter().flat_map(|node| &node.inputs).chain(&self.outputs);
        let used_once = uses.filter(|&name| *name == before.name).count() == 1;
        let linear = match &before.layer {
            Layer::Conv(layer) => layer.activation == Activation::Linear,
            Layer::DepthwiseConv(layer) => layer.activation == Activation::Linear,
            Layer::Dense(layer) => layer.activation == Activation::Linear,
            _ => false,
        };
        // Shared weights stand for other layers, too.
        let own = |node: &Node| {
            self.nodes.iter().filter(|other| other.weights_name() == node.weights_name()).count() == 1
        };
        (norm.axis == -1 && used_once && linear && own(node) && own(before)).then_some((norm, before))
    }

    fn folded(&self, norm_node: &Node, norm: &BatchNormalization, before: &Node) -> Result<Folded> {
        let kernel = self.weight(before, "kernel")?;
        let mut layer = before.layer.clone();
        // The kernel's trailing axes that make up the output channels: one, or (in, multiplier).
        let (use_bias, channel_axes) = match &mut layer {
            Layer::Conv(layer) => (&mut layer.use_bias, 1),
            Layer::Dense(layer) => (&mut layer.use_bias, 1),
            Layer::DepthwiseConv(layer) => (&mut layer.use_bias, 2),
            _ => return Err(self.error("a layer without a kernel can't take a batch normalisation")),
        };
        let had_bias = std::mem::replace(use_bias, true);
        let shape = kernel.shape();
        let channels: usize = shape[shape.len() - channel_axes..].iter().product();

        let mean = self.weight(norm_node, "moving_mean")?.data();
        let variance = self.weight(norm_node, "moving_variance")?.data();
        let gamma = norm.scale.then(|| self.weight(norm_node, "gamma")).transpose()?;
        let beta = norm.center.then(|| self.weight(norm_node, "beta")).transpose()?;
        let bias = had_bias.then(|| self.weight(before, "bias")).transpose()?;
        let value = |tensor: Option<&Tensor>, channel: usize, default: f64| {
            tensor.map_or(default, |tensor| f64::from(tensor.data()[channel]))
        };

        let scale: Vec<f64> = (0..channels)
            .map(|c| value(gamma, c, 1.0) / (f64::from(variance[c]) + norm.epsilon).sqrt())
            .collect();
        let shift = |c: usize| (value(bias, c, 0.0) - f64::from(mean[c])) * scale[c] + value(beta, c, 0.0);
        let scaled =
            kernel.data().iter().enumerate().map(|(i, &w)| narrow(f64::from(w) * scale[i % channels]));
        Ok(Folded {
            kernel: Tensor::new(shape.to_vec(), scaled.collect())?,
            bias: Tensor::new(vec![channels], (0..channels).map(|c| narrow(shift(c))).collect())?,
            layer,
        })
    }
}

struct Folded {
    layer: Layer,
    kernel: Tensor,
    bias: Tensor,
}

/// Whether `name` is `prefix` and a last part without another `/`, for layers may have `/` in their names.
fn is_of_layer(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|weight| !weight.contains('/'))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "weights are kept in 32 bits; this is where they are rounded"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}
