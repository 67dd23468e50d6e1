//! Keras' HDF5 files: the tensors of a file that `model.save_weights("...h5")` of Keras 2 wrote, as those of Keras
//! Applications, or of a whole model saved so.
//!
//! Such a file lists its layers in the attribute `layer_names` and has a group for each, which lists its tensors in
//! `weight_names`, mostly under the layer's name once more: `conv1/conv1/kernel:0`. Nothing but names, shapes and numbers is
//! read. The names that Keras 1 gave (`conv1_W:0`) are understood.

use std::borrow::Cow;

use hdf5_reader::{Dataset, Datatype, Hdf5File, OpenOptions, group::Group};

use crate::{Error, NamedTensors, Result, StoredTensor, Tensor, source::Source};

/// What a file may ask for. A file that asks for more is refused before anything is allocated for it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The bytes of the file.
    pub file_bytes: u64,
    /// The layers and tensors in it.
    pub members: u64,
    /// The numbers in all of its tensors together.
    pub elements: u64,
}

impl Default for Limits {
    /// Room for a network of a thousand million parameters.
    fn default() -> Self {
        Self { file_bytes: 4 << 30, members: 100_000, elements: 1 << 30 }
    }
}

const RANK_MAX: usize = 8;
const CHUNK_BYTES_MAX: usize = 1 << 28;

const FORMAT: &str = "HDF5";

/// The first bytes of such a file.
pub(crate) const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Reads a file's bytes, which are copied if they are only lent. Numbers of 64 bits become `f32`.
///
/// # Errors
/// When the file is damaged, exceeds a limit, or is not of this layout.
///
/// ```no_run
/// let file = std::fs::read("vgg16_weights_tf_dim_ordering_tf_kernels.h5")?;
/// let weights = emberline_net::h5::parse_weights(file, &Default::default())?;
/// assert_eq!(weights.tensors["block1_conv1/kernel"].shape(), [3, 3, 3, 64]);
/// assert_eq!(weights.layers[0], "block1_conv1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_weights<'a>(bytes: impl Into<Cow<'a, [u8]>>, limits: &Limits) -> Result<NamedTensors> {
    weights(&bytes.into().into_owned().into(), limits)
}

/// The tensors of a file, found and not yet read.
pub(crate) fn weights(source: &Source, limits: &Limits) -> Result<NamedTensors> {
    let root = open(source, limits)?;
    // A whole model has its weights in a group of their own.
    let root = root.group("model_weights").unwrap_or(root);
    let layers = names(&root, "layer_names")?.ok_or_else(|| {
        problem(
            "it has no attribute `layer_names`; Keras 3 writes files called `.weights.h5` in a layout that names no \
             layers: save the model with `model.save(\"...h5\")`",
        )
    })?;
    let mut reading = Reading { weights: NamedTensors::default(), budget: Budget::new(limits) };
    for layer in layers {
        reading.layer(&root, &layer)?;
    }
    Ok(reading.weights)
}

/// A file's outermost group.
pub(crate) fn open(source: &Source, limits: &Limits) -> Result<Group> {
    check_limit("file_bytes", limits.file_bytes, source.len())?;
    let number_bytes = usize::try_from(limits.elements.saturating_mul(8)).unwrap_or(usize::MAX);
    let options = OpenOptions::default()
        .with_max_chunk_bytes(CHUNK_BYTES_MAX.min(number_bytes))
        .with_max_read_bytes(number_bytes)
        .with_max_object_header_bytes(usize::try_from(source.len()).unwrap_or(usize::MAX))
        .with_chunk_cache_bytes(0);
    let file = Hdf5File::from_storage_with_options(source.storage(), options).map_err(damaged)?;
    file.root_group().map_err(damaged)
}

/// The text in an attribute; none if there is no such attribute.
pub(crate) fn text(group: &Group, attribute: &str) -> Result<Option<String>> {
    let attributes = group.attributes().map_err(damaged)?;
    let found = attributes.iter().find(|found| found.name == attribute);
    found.map(|found| Ok(found.read_strings().map_err(damaged)?.concat())).transpose()
}

/// The names in an attribute, or in the numbered attributes that Keras splits a long list into; none if there is neither.
pub(crate) fn names(group: &Group, attribute: &str) -> Result<Option<Vec<String>>> {
    let attributes = group.attributes().map_err(damaged)?;
    let read = |name: &str| {
        let attribute = attributes.iter().find(|attribute| attribute.name == name)?;
        // An empty list has no type to speak of.
        let is_empty = attribute.num_elements().is_ok_and(|count| count == 0);
        Some(if is_empty { Ok(Vec::new()) } else { attribute.read_strings().map_err(damaged) })
    };
    if let Some(names) = read(attribute) {
        return names.map(Some);
    }
    let mut parts = (0..).map_while(|number| read(&format!("{attribute}{number}"))).peekable();
    if parts.peek().is_none() {
        return Ok(None);
    }
    parts.collect::<Result<Vec<_>>>().map(|parts| Some(parts.concat()))
}

/// The group at the end of a path.
pub(crate) fn descend(from: &Group, path: &[&str]) -> Result<Group> {
    let mut group = from.clone();
    for name in path {
        group = group.group(name).map_err(damaged)?;
    }
    Ok(group)
}

/// What of a file's limits is used.
pub(crate) struct Budget<'a> {
    limits: &'a Limits,
    members: u64,
    elements: u64,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self { limits, members: 0, elements: 0 }
    }

    /// Counts layers and tensors.
    pub(crate) fn members(&mut self, count: usize) -> Result<()> {
        self.members = self.members.saturating_add(count as u64);
        check_limit("members", self.limits.members, self.members)
    }

    pub(crate) fn tensor(&mut self, name: &str, dataset: Dataset) -> Result<Tensor> {
        self.stored(name, dataset)?.read()
    }

    fn stored(&mut self, name: &str, dataset: Dataset) -> Result<StoredTensor> {
        let shape: Option<Vec<usize>> =
            dataset.shape().iter().map(|&size| usize::try_from(size).ok()).collect();
        let shape = shape.filter(|shape| shape.len() <= RANK_MAX);
        let shape = shape.ok_or_else(|| problem(format!("tensor `{name}` has an impossible shape")))?;
        let elements = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let elements = elements.unwrap_or(usize::MAX);
        self.elements = self.elements.saturating_add(elements as u64);
        check_limit("elements", self.limits.elements, self.elements)?;
        let (name, whole) = (name.to_owned(), shape.clone());
        let read = move || {
            let values = numbers(&dataset, elements);
            Tensor::new(shape.clone(), values.map_err(|error| problem(format!("tensor `{name}`: {error}")))?)
        };
        Ok(StoredTensor::new(whole, read))
    }
}

struct Reading<'a> {
    weights: NamedTensors,
    budget: Budget<'a>,
}

impl Reading<'_> {
    /// Reads the tensors of one layer, or of several layers that the file has put together.
    fn layer(&mut self, root: &Group, layer: &str) -> Result<()> {
        // Old names of layers have slashes.
        let group = descend(root, &layer.split('/').collect::<Vec<_>>())?;
        let paths = names(&group, "weight_names")?
            .ok_or_else(|| problem(format!("layer `{layer}` has no attribute `weight_names`")))?;
        self.budget.members(1 + paths.len())?;

        let parent = |path: &str| path.rsplit_once('/').map(|(parent, _)| parent.to_owned());
        let one_layer = paths.iter().all(|path| parent(path) == parent(&paths[0]));
        let separable = paths.iter().any(|path| weight_name(path) == "pointwise_kernel");
        for path in &paths {
            let mut parts: Vec<&str> = path.split('/').collect();
            let name = parts.pop().unwrap_or_default();
            let layer = if one_layer { layer } else { parts.last().copied().unwrap_or(layer) };
            let weight = match weight_name(name) {
                "depthwise_kernel" if !separable => "kernel",
                weight => weight,
            };
            let dataset = descend(&group, &parts)?.dataset(name).map_err(damaged)?;
            let name = format!("{layer}/{weight}");
            let tensor = self.budget.stored(&name, dataset)?;
            if self.weights.layers.last().is_none_or(|last| last != layer) {
                self.weights.layers.push(layer.to_owned());
            }
            if self.weights.tensors.insert(name.clone(), tensor).is_some() {
                return Err(problem(format!("tensor `{name}` is there twice")));
            }
        }
        Ok(())
    }
}

/// All numbers of a tensor, the last axis fastest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "weights are kept in 32 bits; integers are counters"
)]
fn numbers(dataset: &Dataset, count: usize) -> Result<Vec<f32>, String> {
    let text = |error: hdf5_reader::error::Error| error.to_string();
    match dataset.dtype() {
        Datatype::FloatingPoint { size: 4, .. } => {
            let mut values = vec![0_f32; count];
            dataset.read_into(&mut values).map_err(text)?;
            Ok(values)
        }
        Datatype::FloatingPoint { size: 8, .. } => {
            let values = dataset.read_array::<f64>().map_err(text)?;
            Ok(values.iter().map(|&value| value as f32).collect())
        }
        Datatype::FixedPoint { size: 8, signed: true, .. } => {
            let values = dataset.read_array::<i64>().map_err(text)?;
            Ok(values.iter().map(|&value| value as f32).collect())
        }
        other => Err(format!("expected floating-point numbers of 32 or 64 bits, found {other:?}")),
    }
}

/// `kernel` of `conv1/kernel:0`, of `conv1_W:0` and of `conv1_W_1:0`.
fn weight_name(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.split(':').next().unwrap_or(name);
    const KERAS_1: [(&str, &str); 8] = [
        ("W", "kernel"),
        ("b", "bias"),
        ("gamma", "gamma"),
        ("beta", "beta"),
        ("running_mean", "moving_mean"),
        ("running_std", "moving_variance"),
        ("depthwise_kernel", "depthwise_kernel"),
        ("pointwise_kernel", "pointwise_kernel"),
    ];
    let unnumbered = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_');
    // The only tensor of a layer scale has no name of its own.
    if unnumbered.eq_ignore_ascii_case("variable") {
        return "gamma";
    }
    for (theirs, ours) in KERAS_1 {
        if unnumbered.strip_suffix(theirs).is_some_and(|layer| layer.ends_with('_')) {
            return ours;
        }
    }
    name
}

pub(crate) fn damaged(error: hdf5_reader::error::Error) -> Error {
    problem(error.to_string())
}

fn problem(problem: impl Into<String>) -> Error {
    Error::Format { format: FORMAT, problem: problem.into() }
}

fn check_limit(limit: &'static str, allowed: u64, asked: u64) -> Result<()> {
    if asked > allowed { Err(Error::Limit { format: FORMAT, limit, allowed, asked }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::weight_name;

    #[test]
    fn names_of_all_versions_are_understood() {
        let check = |dataset, expected| assert_eq!(weight_name(dataset), expected);
        check("conv1/kernel:0", "kernel");
        check("moving_variance:0", "moving_variance");
        check("block1_conv1_W_1:0", "kernel");
        check("fc1_b_1:0", "bias");
        check("bn_conv1_running_mean:0", "moving_mean");
        check("depthwise_kernel:0", "depthwise_kernel");
        check("gamma", "gamma");
        check("Variable:0", "gamma");
        check("variable_17", "gamma");
    }
}
