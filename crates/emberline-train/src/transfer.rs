//! Weights from elsewhere: a layer's weights copied into a layer of another network.

use std::collections::BTreeMap;

use emberline_net::{Network, Tensor};

use crate::{Error, Result, weights::names_of};

/// The network with the weights of some layers copied from layers of another: by the names of its own layers, those of the
/// other's. A layer's weights are matched by their names, such as `kernel`; those that one of the layers lacks, such as the
/// bias of a convolution without one, are an error.
///
/// ```
/// use emberline_net::{Dense, NetworkBuilder};
/// use emberline_train::{copy_weights, initialized};
///
/// let network = |name, seed| {
///     let mut layers = NetworkBuilder::new(name);
///     let features = layers.input("features", [4]);
///     let out = layers.apply("out", Dense::new(2), features);
///     initialized(layers.build(&[out])?, seed, &Default::default())
/// };
/// let (mine, other) = (network("mine", 1)?, network("other", 2)?);
/// let copied = copy_weights(mine, &[("out", &other, "out")])?;
/// assert_eq!(copied.weights(), other.weights());
/// # Ok::<(), emberline_train::Error>(())
/// ```
///
/// # Errors
/// When there is no such layer, or a weight's shapes differ; the message says both.
pub fn copy_weights(network: Network, layers: &[(&str, &Network, &str)]) -> Result<Network> {
    let mut weights: BTreeMap<String, Tensor> =
        network.weights().iter().map(|(name, tensor)| (name.clone(), tensor.as_ref().clone())).collect();
    for &(own, other, theirs) in layers {
        let error = |problem: String| Error::Layer {
            network: network.name().to_owned(),
            layer: own.to_owned(),
            problem,
        };
        let (ours, given) = (of_layer(&network, own), of_layer(other, theirs));
        for (network, layer, found) in [(&network, own, &ours), (other, theirs, &given)] {
            if found.is_empty() {
                let named = network.layer_names().any(|name| name == layer);
                let what = if named { "has no weights" } else { "is not there" };
                return Err(error(format!(
                    "can't copy weights: layer `{layer}` of `{}` {what}",
                    network.name()
                )));
            }
        }
        if ours.keys().ne(given.keys()) {
            let listed =
                |weights: &BTreeMap<&str, &Tensor>| weights.keys().copied().collect::<Vec<_>>().join(", ");
            return Err(error(format!(
                "expected the weights {}, found {} in layer `{theirs}` of `{}`",
                listed(&ours),
                listed(&given),
                other.name()
            )));
        }
        for (name, tensor) in given {
            let expected = ours.get(name).map_or(&[][..], |own| own.shape());
            if tensor.shape() != expected {
                return Err(error(format!(
                    "weight `{name}` has shape {expected:?}, but in layer `{theirs}` of `{}` it has shape {:?}",
                    other.name(),
                    tensor.shape()
                )));
            }
            weights.insert(format!("{}/{name}", weights_name(&network, own)), tensor.clone());
        }
    }
    Ok(network.with_weights(weights)?)
}

/// A layer's weights by their names without the layer's.
fn of_layer<'a>(network: &'a Network, layer: &str) -> BTreeMap<&'a str, &'a Tensor> {
    let weight = |(own, name): (&'a str, &String)| Some((own, network.weights().get(name)?.as_ref()));
    names_of(network, weights_name(network, layer)).filter_map(weight).collect()
}

/// Under which name a layer's weights are kept.
fn weights_name<'a>(network: &'a Network, layer: &'a str) -> &'a str {
    let node = network.nodes().iter().find(|node| node.name == layer);
    node.map_or(layer, |node| node.weights_name())
}
