//! Keras' HDF5 files: the tensors of a file that `model.save_weights("...h5")` of Keras 2 wrote, as those of Keras
//! Applications, or of a whole model saved so.
//!
//! Such a file has a group for every layer, and below it the layer's tensors, mostly under the layer's name once more:
//! `conv1/conv1/kernel:0`. Nothing but names, shapes and numbers is read. The names that Keras 1 gave (`conv1_W:0`) are
//! understood.

use std::collections::BTreeMap;

use hdf5_reader::{Dataset, Datatype, Hdf5File, OpenOptions, group::Group};

use crate::{Error, Result, Tensor};

/// What a file may ask for. A file that asks for more is refused before anything is allocated for it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The bytes of the file.
    pub file_bytes: u64,
    /// The groups and tensors in it.
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

/// The group in which Keras 3 keeps the tensors of a layer.
const KERAS_3_GROUP: &str = "vars";

const RANK_MAX: usize = 8;
const DEPTH_MAX: u64 = 8;
const CHUNK_BYTES_MAX: usize = 1 << 28;

const FORMAT: &str = "HDF5";

/// The first bytes of such a file.
pub(crate) const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// The tensors of a file's bytes by `layer/kernel`. Numbers of 64 bits become `f32`.
///
/// # Errors
/// When the file is damaged, exceeds a limit, or holds no layers with weights.
///
/// ```no_run
/// let file = std::fs::read("vgg16_weights_tf_dim_ordering_tf_kernels.h5")?;
/// let weights = emberline_net::h5::parse_weights(&file, &Default::default())?;
/// assert_eq!(weights["block1_conv1/kernel"].shape(), [3, 3, 3, 64]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_weights(bytes: &[u8], limits: &Limits) -> Result<BTreeMap<String, Tensor>> {
    check_limit("file_bytes", limits.file_bytes, bytes.len() as u64)?;
    let options = OpenOptions::default().with_max_chunk_bytes(CHUNK_BYTES_MAX).with_chunk_cache_bytes(0);
    let file = Hdf5File::from_bytes_with_options(bytes, options).map_err(damaged)?;
    let root = file.root_group().map_err(damaged)?;
    let (groups, _) = root.members().map_err(damaged)?;
    let whole_model = groups.into_iter().find(|group| group.name() == "model_weights");
    let (groups, _) = whole_model.unwrap_or(root).members().map_err(damaged)?;
    let mut reading = Reading { limits, tensors: BTreeMap::new(), members: 0, elements: 0 };
    for group in groups {
        let mut found = Vec::new();
        reading.collect(&group, "", 0, &mut found)?;
        reading.take(group.name(), found)?;
    }
    if reading.tensors.is_empty() {
        return Err(problem("it holds no layers with weights"));
    }
    Ok(reading.tensors)
}

struct Reading<'a> {
    limits: &'a Limits,
    tensors: BTreeMap<String, Tensor>,
    members: u64,
    elements: u64,
}

impl Reading<'_> {
    /// All tensors below a group: the last group above each, and the tensor.
    fn collect(
        &mut self,
        group: &Group,
        parent: &str,
        depth: u64,
        found: &mut Vec<(String, Dataset)>,
    ) -> Result<()> {
        check_limit("depth", DEPTH_MAX, depth)?;
        if group.name() == KERAS_3_GROUP {
            return Err(problem(
                "it is in the layout of Keras 3 (`.weights.h5`), which numbers tensors and does not name them; save the \
                 model with `model.save(\"...h5\")`",
            ));
        }
        let (groups, datasets) = group.members().map_err(damaged)?;
        self.members += (groups.len() + datasets.len()) as u64;
        check_limit("members", self.limits.members, self.members)?;
        found.extend(datasets.into_iter().map(|dataset| (parent.to_owned(), dataset)));
        for group in groups {
            self.collect(&group, group.name(), depth + 1, found)?;
        }
        Ok(())
    }

    /// Reads the tensors of one layer, or of several layers that the file has put together.
    fn take(&mut self, layer: &str, found: Vec<(String, Dataset)>) -> Result<()> {
        let one_layer = found.iter().all(|(parent, _)| *parent == found[0].0);
        let separable = found.iter().any(|(_, dataset)| weight_name(dataset.name()) == "pointwise_kernel");
        for (parent, dataset) in found {
            let layer = if one_layer || parent.is_empty() { layer } else { &parent };
            let weight = match weight_name(dataset.name()) {
                "depthwise_kernel" if !separable => "kernel",
                // A layer scale's only tensor has no name of its own.
                "Variable" | "variable" => "gamma",
                name => name,
            };
            let name = format!("{layer}/{weight}");
            let tensor = self.tensor(&name, &dataset)?;
            if self.tensors.insert(name.clone(), tensor).is_some() {
                return Err(problem(format!("tensor `{name}` is there twice")));
            }
        }
        Ok(())
    }

    fn tensor(&mut self, name: &str, dataset: &Dataset) -> Result<Tensor> {
        let shape: Option<Vec<usize>> =
            dataset.shape().iter().map(|&size| usize::try_from(size).ok()).collect();
        let shape = shape.filter(|shape| shape.len() <= RANK_MAX);
        let shape = shape.ok_or_else(|| problem(format!("tensor `{name}` has an impossible shape")))?;
        let elements = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let elements = elements.unwrap_or(usize::MAX);
        self.elements = self.elements.saturating_add(elements as u64);
        check_limit("elements", self.limits.elements, self.elements)?;
        Tensor::new(
            shape,
            numbers(dataset, elements).map_err(|error| problem(format!("tensor `{name}`: {error}")))?,
        )
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

/// `kernel` of `kernel:0`, of `conv1_W:0` and of `conv1_W_1:0`.
fn weight_name(dataset: &str) -> &str {
    let name = dataset.split(':').next().unwrap_or(dataset);
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
    for (theirs, ours) in KERAS_1 {
        if unnumbered.strip_suffix(theirs).is_some_and(|layer| layer.ends_with('_')) {
            return ours;
        }
    }
    name
}

fn damaged(error: hdf5_reader::error::Error) -> Error {
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
        check("kernel:0", "kernel");
        check("moving_variance:0", "moving_variance");
        check("block1_conv1_W_1:0", "kernel");
        check("fc1_b_1:0", "bias");
        check("bn_conv1_running_mean:0", "moving_mean");
        check("depthwise_kernel:0", "depthwise_kernel");
        check("gamma", "gamma");
        check("Variable:0", "Variable");
    }
}
