//! From the tensors of a file to a network's weights: names and axes, by rules that follow from a layer's kind and the
//! file's origin.
//!
//! Keras' files name a tensor `layer/kernel` and lay it out as networks here do. PyTorch's name it `module.weight`, and
//! keep a convolution's kernel as `[out, in / groups, height, width]` and a dense layer's as `[out, in]`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use emberline_net::{Layer, NamedTensors, Network, StoredTensor, Tensor};

use crate::family::{Blueprint, Origin, Place};

/// The tensor of a file that a weight is taken from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Taken {
    /// Its name.
    pub(crate) name: String,
    /// The shape it has in the file.
    pub(crate) shape: Vec<usize>,
    /// Whose file it is.
    origin: Origin,
    /// What is done to it, in this order.
    steps: Vec<Step>,
}

impl Taken {
    /// Whether a kernel's last axis is the output's channels, as in Keras' files. PyTorch's have it first.
    pub(crate) fn is_channels_last(&self) -> bool {
        self.origin == Origin::Keras
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// These rows alone.
    Rows(Range<usize>),
    Permute(Vec<usize>),
    Reshape(Vec<usize>),
}

/// The ends of names of tensors that training needs and inference does not: counters of batches and samples.
const COUNTERS: [&str; 2] = [".num_batches_tracked", "/count"];

/// For every weight of a network, the tensor of a file of its origin that it is taken from.
pub(crate) fn taken(
    network: &Network,
    origin: Origin,
    places: &BTreeMap<String, Place>,
) -> BTreeMap<String, Taken> {
    let shapes = network.weight_shapes();
    let mut taken = BTreeMap::new();
    for node in network.nodes() {
        let own_name = Place { module: node.name.clone(), flattened: None };
        let place = places.get(&node.name).unwrap_or(&own_name);
        let prefix = format!("{}/", node.name);
        for (weight, shape) in shapes.range(prefix.clone()..) {
            let Some(kind) = weight.strip_prefix(&prefix) else { break };
            let from = match origin {
                Origin::Keras => keras(&node.layer, kind, shape, place),
                Origin::PyTorch => pytorch(&node.layer, kind, shape, place),
            };
            taken.insert(weight.clone(), from);
        }
    }
    taken
}

fn keras(layer: &Layer, kind: &str, shape: &[usize], place: &Place) -> Taken {
    let module = &place.module;
    let taken =
        |name: String| Taken { name, shape: shape.to_vec(), origin: Origin::Keras, steps: Vec::new() };
    match (layer, kind) {
        // The two halves of a separable convolution say which they are.
        (Layer::Conv(_) | Layer::DepthwiseConv(_), "kernel")
            if module.ends_with("/depthwise") || module.ends_with("/pointwise") =>
        {
            taken(format!("{module}_kernel"))
        }
        // Keras' `Normalization`, the only one without an epsilon.
        (Layer::BatchNormalization(norm), _) if norm.epsilon == 0.0 => {
            taken(format!("{module}/{}", kind.trim_start_matches("moving_")))
        }
        _ => taken(format!("{module}/{kind}")),
    }
}

fn pytorch(layer: &Layer, kind: &str, shape: &[usize], place: &Place) -> Taken {
    let module = &place.module;
    let origin = Origin::PyTorch;
    let permuted = |suffix: &str, axes: &[usize]| {
        let mut theirs = vec![0; shape.len()];
        for (&axis, &size) in axes.iter().zip(shape) {
            theirs[axis] = size;
        }
        let steps = if axes.is_sorted() { vec![] } else { vec![Step::Permute(axes.to_vec())] };
        Taken { name: format!("{module}.{suffix}"), shape: theirs, origin, steps }
    };
    let reshaped = |name: String, theirs: Vec<usize>| {
        let steps = vec![Step::Reshape(shape.to_vec())];
        Taken { name, shape: theirs, origin, steps }
    };
    match (layer, kind) {
        (Layer::MultiHeadAttention(_), _) => attention(kind, shape, module),
        (Layer::ClassToken, _) => reshaped(module.clone(), vec![1, 1, shape[0]]),
        (Layer::PositionEmbedding, _) => reshaped(module.clone(), [&[1], shape].concat()),
        (Layer::Dense(_), "kernel") => match place.flattened {
            None => permuted("weight", &[1, 0]),
            Some([height, width, channels]) => Taken {
                name: format!("{module}.weight"),
                shape: vec![shape[1], shape[0]],
                origin,
                steps: vec![
                    Step::Reshape(vec![shape[1], channels, height, width]),
                    Step::Permute(vec![2, 3, 1, 0]),
                    Step::Reshape(shape.to_vec()),
                ],
            },
        },
        (Layer::DepthwiseConv(_), "kernel") => permuted("weight", &[2, 3, 0, 1]),
        (_, "kernel") => permuted("weight", &[2, 3, 1, 0]),
        (_, "gamma") => permuted("weight", &[0]),
        (_, "moving_mean") => permuted("running_mean", &[0]),
        (_, "moving_variance") => permuted("running_var", &[0]),
        _ => permuted("bias", &[0]),
    }
}

/// PyTorch stacks the projections to query, key and value in one tensor.
fn attention(kind: &str, shape: &[usize], module: &str) -> Taken {
    let (features, origin) = (shape[0], Origin::PyTorch);
    let (part, is_kernel) = match kind.split_once('_') {
        Some((part, weight)) => (part, weight == "kernel"),
        None => (kind, false),
    };
    let transpose = || Step::Permute(vec![1, 0]);
    let index = match part {
        "query" => 0,
        "key" => 1,
        "value" => 2,
        _ => {
            let (suffix, steps) = if is_kernel { ("weight", vec![transpose()]) } else { ("bias", vec![]) };
            let name = format!("{module}.out_proj.{suffix}");
            return Taken { name, shape: shape.to_vec(), origin, steps };
        }
    };
    let mut steps = vec![Step::Rows(index * features..(index + 1) * features)];
    let mut stacked = shape.to_vec();
    stacked[0] *= 3;
    if is_kernel {
        steps.push(transpose());
    }
    let suffix = if is_kernel { "weight" } else { "bias" };
    Taken { name: format!("{module}.in_proj_{suffix}"), shape: stacked, origin, steps }
}

/// The weights of a blueprint's network, or of a part of it, out of the tensors of a file, which must hold those of the whole
/// and nothing else. On failure says which tensor is missing, unknown or of the wrong shape.
pub(crate) fn weights(
    blueprint: &Blueprint,
    part: &Network,
    state: &NamedTensors,
) -> Result<BTreeMap<String, Tensor>, String> {
    let state = renamed(blueprint, state);
    let missing = |(weight, taken): (&String, &Taken)| {
        let layer = weight.rsplit_once('/').map_or(weight.as_str(), |(layer, _)| layer);
        let problem = || format!("the weights have no tensor `{}`, which layer `{layer}` needs", taken.name);
        (!state.contains_key(&taken.name)).then(problem)
    };
    if let Some(problem) = blueprint.taken.iter().find_map(missing) {
        return Err(problem);
    }
    let names: BTreeSet<&str> = blueprint.taken.values().map(|taken| taken.name.as_str()).collect();
    let is_known =
        |name: &str| names.contains(name) || COUNTERS.iter().any(|counter| name.ends_with(counter));
    if let Some(name) = state.keys().find(|name| !is_known(name)) {
        return Err(format!("the weights have a tensor `{name}` that no layer takes"));
    }
    let needed = part.weight_shapes();
    let mut weights = BTreeMap::new();
    for (weight, Taken { name, shape, steps, .. }) in &blueprint.taken {
        let Some(tensor) = state.get(name) else { continue };
        if tensor.shape() != shape {
            return Err(format!("tensor `{name}`: expected shape {shape:?}, found {:?}", tensor.shape()));
        }
        if needed.contains_key(weight) {
            let read =
                tensor.read().and_then(|read| steps.iter().try_fold(read, |read, step| step.apply(read)));
            let tensor = read.map_err(|error| format!("tensor `{name}`: {error}"))?;
            weights.insert(weight.clone(), tensor);
        }
    }
    Ok(weights)
}

/// How many of a blueprint's tensors are in a file, by name.
pub(crate) fn found(blueprint: &Blueprint, state: &BTreeMap<String, StoredTensor>) -> usize {
    blueprint.taken.values().filter(|taken| state.contains_key(&taken.name)).count()
}

impl Step {
    fn apply(&self, tensor: Tensor) -> emberline_net::Result<Tensor> {
        match self {
            Self::Permute(axes) => tensor.permuted(axes),
            Self::Reshape(shape) => tensor.reshaped(shape.clone()),
            Self::Rows(rows) => {
                let row: usize = tensor.shape()[1..].iter().product();
                let shape = [&[rows.len()], &tensor.shape()[1..]].concat();
                Tensor::new(shape, tensor.data()[rows.start * row..rows.end * row].to_vec())
            }
        }
    }
}

/// Names of today for those of files written long ago.
///
/// Keras numbers layers without a name (`conv2d_7`) on through a session, so a file may begin anywhere; the order is
/// what counts. It has also renamed layers since it wrote some of its files, which it reads by the order of layers and not
/// by names: layers that the network has not got are taken, in the file's order, for those that the file has not got.
/// torchvision named DenseNet's parts `norm.1` before PyTorch forbade dots in names of modules, and the two dense layers
/// of a transformer's block `mlp.linear_1` and `mlp.linear_2`.
fn renamed<'a>(blueprint: &Blueprint, state: &'a NamedTensors) -> BTreeMap<String, &'a StoredTensor> {
    let mut names = renumbered(blueprint, &state.tensors);
    names.extend(left_over(blueprint, &state.layers, &names));
    let rename = |name: &str| {
        if let Some((layer, weight)) = name.rsplit_once('/') {
            return names.get(layer).map_or(name.to_owned(), |layer| format!("{layer}/{weight}"));
        }
        let mut name = name.replace(".mlp.linear_1.", ".mlp.0.").replace(".mlp.linear_2.", ".mlp.3.");
        if name.contains(".denselayer") {
            for part in ["norm", "conv"] {
                name = name.replace(&format!(".{part}."), &format!(".{part}"));
            }
        }
        name
    };
    state.tensors.iter().map(|(name, tensor)| (rename(name), tensor)).collect()
}

/// For layers of the file that the network has not got under their names, those of the network that the file has not got:
/// in the order of both, if they are as many.
fn left_over(
    blueprint: &Blueprint,
    layers: &[String],
    renumbered: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let theirs: Vec<&String> = layers.iter().map(|layer| renumbered.get(layer).unwrap_or(layer)).collect();
    let mut ours: Vec<&str> = Vec::new();
    for node in blueprint.network.nodes() {
        let prefix = format!("{}/", node.name);
        let mut taken =
            blueprint.taken.range(prefix.clone()..).take_while(|(weight, _)| weight.starts_with(&prefix));
        let layer = taken.next().and_then(|(_, taken)| Some(taken.name.rsplit_once('/')?.0));
        // The halves of a separable convolution are one layer of the file.
        ours.extend(layer.filter(|layer| ours.last() != Some(layer)));
    }
    let unknown: Vec<&String> = layers
        .iter()
        .zip(&theirs)
        .filter_map(|(layer, name)| (!ours.contains(&name.as_str())).then_some(layer))
        .collect();
    let missing: Vec<&str> =
        ours.into_iter().filter(|layer| !theirs.iter().any(|name| name == layer)).collect();
    if unknown.len() != missing.len() {
        return BTreeMap::new();
    }
    unknown.into_iter().cloned().zip(missing.into_iter().map(str::to_owned)).collect()
}

/// For layers that Keras named by number in the file, the name that a new session gives them.
fn renumbered(blueprint: &Blueprint, state: &BTreeMap<String, StoredTensor>) -> BTreeMap<String, String> {
    let mut found: BTreeMap<&str, BTreeMap<usize, &str>> = BTreeMap::new();
    for layer in state.keys().filter_map(|name| Some(name.rsplit_once('/')?.0)) {
        let (kind, number) = match layer.rsplit_once('_') {
            Some((kind, number)) => match number.parse() {
                Ok(number) => (kind, number),
                Err(_) => (layer, 0),
            },
            None => (layer, 0),
        };
        // Only a kind that the network has without a number is one of Keras' own.
        let own = |taken: &Taken| taken.name.rsplit_once('/').is_some_and(|(layer, _)| layer == kind);
        if blueprint.taken.values().any(own) {
            found.entry(kind).or_default().insert(number, layer);
        }
    }
    let mut names = BTreeMap::new();
    for (kind, layers) in found {
        for (rank, layer) in layers.into_values().enumerate() {
            let name = if rank == 0 { kind.to_owned() } else { format!("{kind}_{rank}") };
            names.insert(layer.to_owned(), name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{card, formula};

    type State = BTreeMap<String, Tensor>;

    /// A network small enough for a test, of an origin with a few tensors that are moved about.
    fn blueprint(name: &str, side: u32) -> Blueprint {
        card(name).unwrap().blueprint_of(side).unwrap()
    }

    #[test]
    fn a_tensor_that_is_missing_unknown_or_of_another_shape_is_named() {
        let blueprint = blueprint("ResNet18", 32);
        let tensors = formula::tensors(&blueprint, 1.0).unwrap();
        let check = |change: &dyn Fn(&mut State), expected: &str| {
            let mut tensors = tensors.clone();
            change(&mut tensors);
            assert_eq!(
                weights(&blueprint, &blueprint.network, &tensors.into()).map(|_| ()),
                Err(expected.to_owned())
            );
        };
        check(
            &|tensors| drop(tensors.remove("layer2.0.bn1.running_var")),
            "the weights have no tensor `layer2.0.bn1.running_var`, which layer `layer2.0.bn1` needs",
        );
        check(
            &|tensors| drop(tensors.insert("fc.weight".into(), Tensor::zeros(vec![10, 512]).unwrap())),
            "tensor `fc.weight`: expected shape [1000, 512], found [10, 512]",
        );
        check(
            &|tensors| drop(tensors.insert("head.weight".into(), Tensor::zeros(vec![1]).unwrap())),
            "the weights have a tensor `head.weight` that no layer takes",
        );
        let mut counted = tensors.clone();
        counted.insert("bn1.num_batches_tracked".into(), Tensor::zeros(vec![]).unwrap());
        assert!(weights(&blueprint, &blueprint.network, &counted.into()).is_ok());
    }

    #[test]
    fn numbers_that_keras_gave_are_counted_from_where_they_begin() {
        let check = |found: &[&str], expected: &[(&str, &str)]| {
            let state = found
                .iter()
                .map(|name| ((*name).to_owned(), Tensor::zeros(vec![0]).unwrap().into()))
                .collect();
            let expected = expected.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect();
            assert_eq!(renumbered(&blueprint("Xception", 71), &state), expected);
        };
        check(&["conv2d_9/kernel", "conv2d_10/kernel"], &[("conv2d_10", "conv2d_1"), ("conv2d_9", "conv2d")]);
        check(&["conv2d/kernel", "conv2d_1/kernel"], &[("conv2d", "conv2d"), ("conv2d_1", "conv2d_1")]);
        check(&["block1_conv1/kernel"], &[("block1_conv1", "block1_conv1")]);
    }

    #[test]
    fn names_of_old_files_are_understood() {
        let check = |network: &str, side, old: &str, new: &str| {
            let state = BTreeMap::from([(old.to_owned(), Tensor::zeros(vec![0]).unwrap())]).into();
            assert!(renamed(&blueprint(network, side), &state).contains_key(new), "{old}");
        };
        let layer = "features.denseblock1.denselayer2";
        let dense = crate::cards::SECOND_ORIGINS.iter().find(|card| card.name == "DenseNet121").unwrap();
        let state =
            BTreeMap::from([(format!("{layer}.norm.1.weight"), Tensor::zeros(vec![0]).unwrap())]).into();
        let state = renamed(&dense.blueprint_of(32).unwrap(), &state);
        assert!(state.contains_key(&format!("{layer}.norm1.weight")));
        let layer = "encoder.layers.encoder_layer_7.mlp";
        check("ViTB16", 32, &format!("{layer}.linear_1.bias"), &format!("{layer}.0.bias"));
        check("ViTB16", 32, &format!("{layer}.linear_2.bias"), &format!("{layer}.3.bias"));
    }
    /// The tensors of a file whose layers have other names, in the order of the network's layers.
    fn with_other_names(blueprint: &Blueprint, name: &dyn Fn(usize, &str) -> String) -> NamedTensors {
        let tensors = formula::tensors(blueprint, 1.0).unwrap();
        let has_weights = |layer: &&str| {
            blueprint.taken.contains_key(&format!("{layer}/kernel"))
                || blueprint.taken.contains_key(&format!("{layer}/gamma"))
        };
        let layers = blueprint.network.layer_names().filter(has_weights);
        let layers: Vec<&str> =
            layers.map(|layer| if layer == "logits" { "predictions" } else { layer }).collect();
        let names: BTreeMap<&str, String> =
            layers.iter().enumerate().map(|(i, &layer)| (layer, name(i, layer))).collect();
        let rename = |(path, tensor): (String, Tensor)| {
            let (layer, weight) = path.rsplit_once('/').unwrap();
            (format!("{}/{weight}", names[layer]), tensor.into())
        };
        let layers = layers.iter().map(|layer| names[layer].clone()).collect();
        NamedTensors { tensors: tensors.into_iter().map(rename).collect(), layers }
    }

    /// Of its own files Keras has renamed the classifier of ResNets (`probs`) and all layers of MobileNetV3.
    #[test]
    fn layers_that_keras_renamed_are_taken_in_their_order() {
        let check = |network: &str, name: &dyn Fn(usize, &str) -> String| {
            let blueprint = blueprint(network, 64);
            let expected =
                weights(&blueprint, &blueprint.network, &formula::tensors(&blueprint, 1.0).unwrap().into())
                    .unwrap();
            let found = weights(&blueprint, &blueprint.network, &with_other_names(&blueprint, name)).unwrap();
            assert!(found == expected, "{network}");
        };
        check("MobileNetV2", &|_, layer| layer.replace("predictions", "Logits"));
        check("MobileNetV2", &|i, _| format!("MobilenetV2/layer{}", 1000 - i));
        check("DenseNet121", &|_, layer| layer.replace("conv1_", "conv1/").replace("predictions", "fc1000"));
        let blueprint = blueprint("MobileNetV2", 64);
        let mut short = with_other_names(&blueprint, &|_, layer| layer.replace("predictions", "Logits"));
        short.layers.retain(|layer| layer != "Conv1");
        short.tensors.remove("Conv1/kernel");
        let error = "the weights have no tensor `Conv1/kernel`, which layer `Conv1` needs";
        assert_eq!(weights(&blueprint, &blueprint.network, &short).map(|_| ()), Err(error.to_owned()));
    }
}
