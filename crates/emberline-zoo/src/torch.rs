//! From PyTorch's state dicts to a network's weights: names and axes.
//!
//! PyTorch keeps a convolution's kernel as `[out, in / groups, height, width]` and a dense layer's as `[out, in]`;
//! networks here have Keras' layouts.

use std::collections::BTreeMap;

use emberline_net::{Layer, Tensor};

use crate::family::Blueprint;

/// The end of the name of a counter that batch normalisations keep for training.
const COUNTER: &str = ".num_batches_tracked";

/// What a weight is called in a module, and the order of its axes there.
struct Origin {
    suffix: &'static str,
    axes: &'static [usize],
}

/// The weights of a blueprint out of a state dict, which must hold nothing else. On failure says which tensor is
/// missing, unknown or of the wrong shape.
pub(crate) fn weights(
    blueprint: &Blueprint,
    mut state: BTreeMap<String, Tensor>,
) -> Result<BTreeMap<String, Tensor>, String> {
    let mut weights = BTreeMap::new();
    for node in blueprint.network.nodes() {
        let Some(module) = blueprint.torch_modules.get(&node.name) else { continue };
        for (weight, origin) in origins(&node.layer) {
            let name = format!("{module}.{}", origin.suffix);
            let tensor = state.remove(&name).ok_or_else(|| {
                format!("the weights have no tensor `{name}`, which layer `{}` needs", node.name)
            })?;
            let weight = format!("{}/{weight}", node.name);
            let tensor = tensor.permuted(origin.axes).map_err(|error| format!("tensor `{name}`: {error}"))?;
            weights.insert(weight, tensor);
        }
    }
    match state.keys().find(|name| !name.ends_with(COUNTER)) {
        Some(name) => Err(format!("the weights have a tensor `{name}` that no layer takes")),
        None => Ok(weights),
    }
}

fn origins(layer: &Layer) -> Vec<(&'static str, Origin)> {
    let kernel = |axes| ("kernel", Origin { suffix: "weight", axes });
    let vector = |name, suffix| (name, Origin { suffix, axes: &[0] });
    let (kernel, use_bias) = match layer {
        Layer::Conv2D(layer) => (kernel(&[2, 3, 1, 0]), layer.use_bias),
        Layer::DepthwiseConv2D(layer) => (kernel(&[2, 3, 0, 1]), layer.use_bias),
        Layer::Dense(layer) => (kernel(&[1, 0]), layer.use_bias),
        Layer::BatchNormalization(layer) => {
            let gamma = layer.scale.then(|| vector("gamma", "weight"));
            let beta = layer.center.then(|| vector("beta", "bias"));
            let stored = [vector("moving_mean", "running_mean"), vector("moving_variance", "running_var")];
            return gamma.into_iter().chain(beta).chain(stored).collect();
        }
        _ => return Vec::new(),
    };
    [kernel].into_iter().chain(use_bias.then(|| vector("bias", "bias"))).collect()
}
