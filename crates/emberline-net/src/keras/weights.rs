//! The arrays of Keras' files as a network's weights.

use std::collections::{BTreeMap, BTreeSet};

use hdf5_reader::group::Group;

use super::{
    Origin,
    graph::{LayerWeights, Variable},
    layers::Stored,
    problem,
};
use crate::{
    Error, Layer, Network, Normalization, Result, Tensor,
    h5::{self, Budget},
};

type Weights = BTreeMap<String, Tensor>;

/// Of the HDF5 file in a `.keras` file, where every object has its arrays by number: `layers/dense/vars/0`.
pub(super) fn of_archive(
    network: &str,
    layers: &[LayerWeights],
    root: &Group,
    limits: &h5::Limits,
) -> Result<Weights> {
    let mut budget = Budget::new(limits);
    let mut weights = Weights::new();
    for layer in layers {
        budget.members(1 + layer.variables.len())?;
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for variable in &layer.variables {
            let number = numbers.entry(&variable.owner).or_default();
            if variable.stored == Stored::Unused {
                *number += 1;
                continue;
            }
            let separator = if variable.owner.is_empty() { "" } else { "/" };
            let path = format!("{}{separator}{}/vars", layer.path, variable.owner);
            let missing = |error: Error| {
                problem(format!("array {number} of layer `{}` is not at `{path}`: {error}", layer.name))
            };
            let dataset = group_at(root, &path).map_err(missing)?;
            let dataset =
                dataset.dataset(&number.to_string()).map_err(|error| missing(h5::damaged(error)))?;
            let tensor = budget.tensor(&variable.weight, dataset)?;
            weights.insert(variable.weight.clone(), variable.adapt(network, tensor, layer, None)?);
            *number += 1;
        }
    }
    Ok(weights)
}

/// The group at a path of a `.keras` file. Keras before 3.0 had another name for the list of layers.
fn group_at(root: &Group, path: &str) -> Result<Group> {
    let parts: Vec<&str> = path.split('/').collect();
    h5::descend(root, &parts).or_else(|error| {
        let old =
            parts.iter().map(|part| if *part == "layers" { "_layer_checkpoint_dependencies" } else { part });
        h5::descend(root, &old.collect::<Vec<_>>()).map_err(|_| error)
    })
}

/// Of a whole model in HDF5: each of its layers has a group, a model inside it one for all of its layers.
pub(super) fn of_groups(
    network: &str,
    layers: &[LayerWeights],
    root: &Group,
    origin: &Origin,
    limits: &h5::Limits,
) -> Result<Weights> {
    let mut budget = Budget::new(limits);
    let mut groups: Vec<(&str, Vec<(&LayerWeights, &Variable)>)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for layer in layers {
        let place = *places.entry(&layer.group).or_insert(groups.len());
        if place == groups.len() {
            groups.push((&layer.group, Vec::new()));
        }
        groups[place].1.extend(layer.variables.iter().map(|variable| (layer, variable)));
    }
    let mut weights = Weights::new();
    for (group, mut variables) in groups {
        // What is trained is first, whichever of the layers inside a model it belongs to.
        variables.sort_by_key(|(_, variable)| !variable.trainable);
        let mut arrays = arrays(root, group, &mut budget)?;
        if origin.keras < 2 {
            let weights: Vec<&str> = variables.iter().map(|(_, variable)| variable.weight.as_str()).collect();
            arrays = gates_joined(arrays, &weights)?;
        }
        if arrays.len() != variables.len() {
            return Err(problem(format!(
                "layer `{group}` needs {} arrays, the file has {}",
                variables.len(),
                arrays.len()
            )));
        }
        let used =
            variables.into_iter().zip(arrays).filter(|((_, variable), _)| variable.stored != Stored::Unused);
        for ((layer, variable), tensor) in used {
            weights.insert(variable.weight.clone(), variable.adapt(network, tensor, layer, Some(origin))?);
        }
    }
    Ok(weights)
}

/// The arrays of one layer, in the file's order.
fn arrays(root: &Group, layer: &str, budget: &mut Budget<'_>) -> Result<Vec<Tensor>> {
    let group = h5::descend(root, &layer.split('/').collect::<Vec<_>>())?;
    let paths = h5::names(&group, "weight_names")?
        .ok_or_else(|| problem(format!("layer `{layer}` has no attribute `weight_names`")))?;
    budget.members(1 + paths.len())?;
    let tensor = |path: &String| {
        let mut parts: Vec<&str> = path.split('/').collect();
        let name = parts.pop().unwrap_or_default();
        let dataset = h5::descend(&group, &parts)?.dataset(name).map_err(h5::damaged)?;
        budget.tensor(path, dataset)
    };
    paths.iter().map(tensor).collect()
}

/// Arrays of a recurrent layer as they are since Keras 2. Keras 1 kept those of every gate by themselves: of an LSTM input, cell,
/// forget and output, of a GRU update, reset and candidate; those of both directions one after the other.
fn gates_joined(arrays: Vec<Tensor>, weights: &[&str]) -> Result<Vec<Tensor>> {
    let is_recurrent = weights.chunks(3).all(|triple| {
        let kinds = ["kernel", "recurrent_kernel", "bias"];
        triple.len() == 3 && triple.iter().zip(kinds).all(|(weight, kind)| weight.ends_with(kind))
    });
    let directions = weights.len() / 3;
    let order: &[usize] = match arrays.len().checked_div(directions) {
        Some(12) if is_recurrent => &[0, 2, 1, 3],
        Some(9) if is_recurrent => &[0, 1, 2],
        _ => return Ok(arrays),
    };
    let mut joined = Vec::with_capacity(weights.len());
    for direction in arrays.chunks(3 * order.len()) {
        for kind in 0..3 {
            let gates: Vec<&Tensor> =
                order.iter().filter_map(|gate| direction.get(3 * gate + kind)).collect();
            joined.push(side_by_side(&gates)?);
        }
    }
    Ok(joined)
}

/// Tensors of one shape along their last axis.
fn side_by_side(tensors: &[&Tensor]) -> Result<Tensor> {
    let first = tensors.first().map_or(&[][..], |tensor| tensor.shape());
    let (Some((last, outer)), true) =
        (first.split_last(), tensors.iter().all(|tensor| tensor.shape() == first))
    else {
        return Err(problem("the arrays of a recurrent layer's gates differ in shape"));
    };
    let rows: usize = outer.iter().product();
    let mut values = Vec::with_capacity(tensors.len() * rows * last);
    for row in 0..rows {
        values.extend(tensors.iter().flat_map(|tensor| &tensor.data()[row * last..][..*last]));
    }
    Tensor::new([outer, &[last * tensors.len()]].concat(), values)
}

impl Variable {
    /// The weight in an array, with the kernels of Keras 1 and of Theano as they are today.
    fn adapt(
        &self,
        network: &str,
        tensor: Tensor,
        layer: &LayerWeights,
        origin: Option<&Origin>,
    ) -> Result<Tensor> {
        let error = |found: &Tensor| Error::Weight {
            network: network.to_owned(),
            weight: self.weight.clone(),
            problem: format!("expected shape {:?}, found {:?}", self.shape, found.shape()),
        };
        let mut tensor = tensor;
        if let (Stored::Kernel { spatial }, Some(origin)) = (self.stored, origin) {
            if origin.keras < 2 {
                tensor = kernel_today(tensor, spatial, layer.is_channels_first, &self.shape)?;
            }
            if origin.is_theano {
                tensor = flipped(&tensor, spatial)?;
            }
        }
        if self.stored == Stored::Reshaped {
            let len = crate::tensor::len_of(&self.shape)?;
            tensor = if tensor.data().len() == len { tensor.reshaped(self.shape.clone())? } else { tensor };
        }
        if tensor.shape() == self.shape { Ok(tensor) } else { Err(error(&tensor)) }
    }
}

/// A kernel of Keras 1 with its axes as they are since Keras 2.
fn kernel_today(
    kernel: Tensor,
    spatial: usize,
    is_channels_first: bool,
    expected: &[usize],
) -> Result<Tensor> {
    // Convolutions over sequences had a second axis of 1: `[length, 1, in, out]`, or `[out, in, length, 1]` at first.
    if let (1, &[a, b, c, d]) = (spatial, kernel.shape()) {
        return match expected {
            [length, ..] if b == 1 && a == *length && expected[2..] == [d] => kernel.reshaped(vec![a, c, d]),
            _ if d == 1 => kernel.permuted(&[2, 3, 1, 0])?.reshaped(vec![c, b, a]),
            _ => Ok(kernel),
        };
    }
    if !is_channels_first || kernel.shape().len() != spatial + 2 {
        return Ok(kernel);
    }
    // `[out, in, height, width]`
    let axes: Vec<usize> = (2..spatial + 2).chain([1, 0]).collect();
    kernel.permuted(&axes)
}

/// A kernel with its first axes in reverse.
fn flipped(kernel: &Tensor, spatial: usize) -> Result<Tensor> {
    let shape = kernel.shape().to_vec();
    let window: usize = shape.iter().take(spatial).product();
    let rest = kernel.data().len() / window.max(1);
    // All of the window's axes in reverse are its places in reverse.
    let values = kernel.data().chunks(rest.max(1)).rev().flatten().copied().collect();
    Tensor::new(shape, values)
}

/// Of weights alone: the file's layers that have arrays, by their names where the network has them all, else in the order of the
/// network's layers that have weights.
pub(super) fn alone(
    network: &Network,
    root: &Group,
    origin: &Origin,
    limits: &h5::Limits,
) -> Result<Weights> {
    let mut budget = Budget::new(limits);
    let mut layers: Vec<(Vec<Tensor>, String)> = Vec::new();
    let names = h5::names(root, "layer_names")?;
    let is_numbered = names.is_none();
    match names {
        Some(names) => {
            budget.members(names.len())?;
            for name in names {
                layers.push((arrays(root, &name, &mut budget)?, name));
            }
        }
        None => numbered_layers(root, "", 0, &mut budget, &mut layers)?,
    }
    layers.retain(|(arrays, _)| !arrays.is_empty());

    let mut slots = slots(network);
    let is_of = |slot: &(String, Variable), layer: &str| {
        slot.0.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let by_name = layers.iter().all(|(_, name)| slots.iter().any(|slot| is_of(slot, name)));
    let mut weights = Weights::new();
    for (mut arrays, name) in layers {
        let mut taken: Vec<(String, Variable)> = match by_name || is_numbered {
            true => slots.extract_if(.., |slot| is_of(slot, &name)).collect(),
            false => slots.drain(..arrays.len().min(slots.len())).collect(),
        };
        if origin.keras < 2 {
            let weights: Vec<&str> = taken.iter().map(|(_, variable)| variable.weight.as_str()).collect();
            arrays = gates_joined(arrays, &weights)?;
        }
        if taken.len() != arrays.len() {
            let (needed, found) = (taken.len(), arrays.len());
            return Err(problem(format!(
                "layer `{name}` has {found} arrays in the file, the network takes {needed}"
            )));
        }
        if !is_numbered {
            taken.sort_by_key(|(_, variable)| !variable.trainable);
        }
        for ((layer, variable), tensor) in taken.into_iter().zip(arrays) {
            if variable.stored == Stored::Unused {
                continue;
            }
            // Weights alone do not say where Keras 1 kept the channels; what does not fit has them first.
            let is_channels_first = tensor.shape() != variable.shape;
            let layer = LayerWeights {
                name: layer,
                path: String::new(),
                group: name.clone(),
                variables: Vec::new(),
                is_channels_first,
            };
            weights.insert(
                variable.weight.clone(),
                variable.adapt(network.name(), tensor, &layer, Some(origin))?,
            );
        }
    }
    match slots.first() {
        None => Ok(weights),
        Some((layer, _)) => Err(problem(format!("the file has no arrays for layer `{layer}`"))),
    }
}

/// The objects that layers have inside, in the order of their weights.
const INNER: [&str; 12] = [
    "query_dense",
    "key_dense",
    "value_dense",
    "output_dense",
    "_query_dense",
    "_key_dense",
    "_value_dense",
    "_output_dense",
    "forward_layer",
    "backward_layer",
    "layer",
    "cell",
];

/// The most models inside each other in a file of weights.
const DEPTH_MAX: usize = 16;

/// The layers of a file called `.weights.h5`, Keras 3's way, whose groups have the layers' names as attributes.
fn numbered_layers(
    group: &Group,
    prefix: &str,
    depth: usize,
    budget: &mut Budget<'_>,
    layers: &mut Vec<(Vec<Tensor>, String)>,
) -> Result<()> {
    let list = group.group("layers").map_err(|_| {
        problem("it has neither an attribute `layer_names` nor a group `layers`, so it is not a file of weights of Keras")
    })?;
    if depth > DEPTH_MAX {
        return Err(problem(format!("more than {DEPTH_MAX} models are inside each other")));
    }
    for layer in list.groups().map_err(h5::damaged)? {
        budget.members(1)?;
        let vars = layer.group("vars").map_err(h5::damaged)?;
        let name = h5::text(&vars, "name")?.ok_or_else(|| {
            problem(
                "its layers have no names, as those of early versions of Keras 3 had not; save the whole model as \
                 `.keras`",
            )
        })?;
        let name = format!("{prefix}{name}");
        if layer.group("layers").is_ok() {
            numbered_layers(&layer, &format!("{name}/"), depth + 1, budget, layers)?;
            continue;
        }
        let mut arrays = Vec::new();
        numbered_arrays(&layer, &name, 0, budget, &mut arrays)?;
        layers.push((arrays, name));
    }
    Ok(())
}

/// The arrays of a layer of such a file, and of the objects inside it.
fn numbered_arrays(
    group: &Group,
    name: &str,
    depth: usize,
    budget: &mut Budget<'_>,
    arrays: &mut Vec<Tensor>,
) -> Result<()> {
    budget.members(1)?;
    if let Ok(vars) = group.group("vars") {
        for number in 0.. {
            let Ok(dataset) = vars.dataset(&number.to_string()) else { break };
            budget.members(1)?;
            arrays.push(budget.tensor(name, dataset)?);
        }
    }
    // A cell in a layer in a wrapper is the deepest there is.
    if depth < 3 {
        for inner in INNER {
            if let Ok(group) = group.group(inner) {
                numbered_arrays(&group, name, depth + 1, budget, arrays)?;
            }
        }
    }
    Ok(())
}

/// The weights of a network's layers as Keras would keep them, with the layer's name.
fn slots(network: &Network) -> Vec<(String, Variable)> {
    let mut seen = BTreeSet::new();
    let mut slots = Vec::new();
    for node in network.nodes() {
        let name = node.weights_name();
        if !seen.insert(name) {
            continue;
        }
        for (weight, shape) in node.layer.weight_shapes(&network.input_shapes(node)) {
            let stored = match node.layer {
                Layer::Conv(ref layer) if weight == "kernel" => {
                    Stored::Kernel { spatial: layer.kernel.len() }
                }
                Layer::MultiHeadAttention(_) => Stored::Reshaped,
                _ => Stored::Same,
            };
            let variable = Variable {
                weight: crate::network::weight_name(name, weight),
                shape,
                owner: String::new(),
                stored,
                trainable: node.trainable
                    && !weight.starts_with("moving_")
                    && !matches!(node.layer, Layer::Normalization(_)),
            };
            slots.push((name.to_owned(), variable));
        }
        // Keras also keeps how many values it has seen.
        if matches!(node.layer, Layer::Normalization(Normalization { moments: None, .. })) {
            let (weight, shape, owner) = (String::new(), Vec::new(), String::new());
            let count = Variable { weight, shape, owner, stored: Stored::Unused, trainable: false };
            slots.push((name.to_owned(), count));
        }
    }
    slots
}
