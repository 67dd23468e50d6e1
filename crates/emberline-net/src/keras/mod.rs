//! Keras' model files, read and written: `.keras` of Keras 3, whole models in `.h5` of Keras 1, 2 and 3, from any of their
//! backends, and weights alone for a network that is there.
//!
//! Nothing in a file is run: a description names layers, which are looked up in a table (`layers.rs`), and a class that is not
//! there is refused by name. Models inside models become layers called `outer/inner`; a layer that is called several times
//! becomes several that share their weights, the later ones called `layer_call_1` and so on. A model over channels first
//! becomes one over channels last: its inputs and outputs stay as they were, behind layers that put their axes in order
//! (or see [`Options::channels_last_inputs`]).
//!
//! ```
//! use emberline_net::{Dense, NetworkBuilder, Tensor, keras};
//!
//! let mut layers = NetworkBuilder::new("scores");
//! let features = layers.input("features", [3]);
//! let scores = layers.apply("dense", Dense::new(2), features);
//! let network = layers.build(&[scores])?;
//! let weights = network.weight_shapes().into_iter();
//! let zeros = weights.map(|(name, shape)| Ok((name, Tensor::zeros(shape)?))).collect::<Result<_, emberline_net::Error>>()?;
//! let network = network.with_weights(zeros)?;
//!
//! let file = network.to_keras()?;
//! let model = keras::parse_model(&file, &keras::Options::default())?;
//! assert_eq!(model.network, network);
//! # Ok::<(), emberline_net::Error>(())
//! ```

mod archive;
mod calls;
mod config;
mod describe;
mod functions;
#[cfg(test)]
mod goldens;
mod graph;
mod hdf5;
pub(crate) mod layers;
mod operations;
mod weights;
mod words;
mod write;

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use hdf5_reader::group::Group;
use serde_json::Value;

use crate::{Error, Network, Result, Shape, Tensor, h5};

const FORMAT: &str = "Keras";

/// What a file may ask for. A file that asks for more is refused before anything is allocated for it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The bytes of the model's description.
    pub config_bytes: usize,
    /// How many times its packed size a large part of a `.keras` file may be. Keras does not pack them at all.
    pub inflation: u64,
    /// The layers, those of models inside the model counted at every call.
    pub layers: usize,
    /// How many models may be inside each other.
    pub depth: usize,
    /// What the HDF5 file, or the one in a `.keras` file, may ask for.
    pub weights: h5::Limits,
}

impl Default for Limits {
    /// Room for a network of a thousand million parameters in ten thousand layers.
    fn default() -> Self {
        Self {
            config_bytes: 64 << 20,
            inflation: 200,
            layers: 10_000,
            depth: 16,
            weights: h5::Limits::default(),
        }
    }
}

/// What Keras computed with when the file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// TensorFlow, CNTK, JAX or PyTorch, whose convolutions multiply kernels as they are.
    Correlation,
    /// Theano, whose convolutions flip them.
    Theano,
}

/// Choices in reading a model.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the file may ask for.
    pub limits: Limits,
    /// The shapes of inputs, without the batch, by their names: for files that leave other sizes than the batch open.
    pub input_shapes: BTreeMap<String, Shape>,
    /// Whether a model over channels first takes its images as `[height, width, channels]` all the same.
    pub channels_last_inputs: bool,
    /// What the file was written with, for files that do not say it: Keras 1 kept silent, and then its kernels are taken as they
    /// are, as Keras itself does.
    pub backend: Option<Backend>,
}

/// A model from a file.
#[derive(Clone, Debug)]
pub struct Model {
    /// The graph with its weights. [`Node::trainable`](crate::Node::trainable) says which layers were frozen.
    pub network: Network,
    /// The version of Keras that wrote the file, such as `2.2.4`; `1` where it does not say.
    pub keras_version: String,
    /// How the model was to be trained, if it was compiled.
    pub training: Option<Training>,
    /// The model as Keras describes it, with all settings of its layers: `{"class_name": ..., "config": {"layers": [...]}}`.
    pub description: Value,
}

/// What a model was compiled with, as Keras describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// The optimizer's class and settings: `{"class_name": "Adam", "config": {"learning_rate": 0.001, ...}}`.
    pub optimizer: Value,
    /// A loss, or one for each output.
    pub loss: Value,
    /// The metrics.
    pub metrics: Value,
}

/// Reads a model from a file of any of the formats.
///
/// # Errors
/// When the file can't be read, is damaged, exceeds a limit, or has a layer that is not supported, which is named.
///
/// ```
/// use emberline_net::keras;
///
/// let error = keras::read_model("no-such-file.keras", &keras::Options::default()).unwrap_err();
/// assert!(error.to_string().starts_with("no-such-file.keras: "));
/// ```
pub fn read_model(path: impl AsRef<Path>, options: &Options) -> Result<Model> {
    let path = path.as_ref();
    let io = |source| Error::Io { path: path.to_owned(), source };
    let asked = std::fs::metadata(path).map_err(io)?.len();
    check_limit("file_bytes", options.limits.weights.file_bytes, asked)?;
    parse_model(std::fs::read(path).map_err(io)?, options)
}

/// [`read_model`] of a file's bytes, which are copied if they are only lent and the file is HDF5.
///
/// # Errors
/// As [`read_model`].
pub fn parse_model<'a>(bytes: impl Into<Cow<'a, [u8]>>, options: &Options) -> Result<Model> {
    let bytes = bytes.into();
    check_limit("file_bytes", options.limits.weights.file_bytes, bytes.len() as u64)?;
    if bytes.starts_with(h5::SIGNATURE) { parse_h5(bytes, options) } else { parse_archive(&bytes, options) }
}

fn parse_archive(bytes: &[u8], options: &Options) -> Result<Model> {
    let parts = archive::open(bytes, &options.limits)?;
    let description = parse_description(&parts.config, &options.limits)?;
    let metadata = parse_description(&parts.metadata, &options.limits)?;
    let version = metadata.get("keras_version").and_then(Value::as_str).unwrap_or("3").to_owned();
    let name = model_name(&description);
    let graph = graph::read(&name, &description, major(&version).max(2), options)?;
    let root = h5::open(&parts.weights.into(), &options.limits.weights)?;
    let weights = weights::of_archive(&name, &graph.layers, &root, &options.limits.weights)?;
    let training =
        description.get("compile_config").and_then(|config| training(config, config.get("optimizer")));
    finish(&name, graph, weights, version, training, description)
}

fn parse_h5(bytes: Cow<'_, [u8]>, options: &Options) -> Result<Model> {
    let root = h5::open(&bytes.into_owned().into(), &options.limits.weights)?;
    let description = h5::text(&root, "model_config")?.ok_or_else(|| {
        problem(
            "the HDF5 file has weights alone and no description of the model; build the model's network first and use \
             `Network::with_keras_weights`, or save the model with `model.save(...)`",
        )
    })?;
    let description = parse_description(description.as_bytes(), &options.limits)?;
    let name = model_name(&description);
    let group = root.group("model_weights").map_err(h5::damaged)?;
    let origin = Origin::of(&[&group, &root], options)?;
    let graph = graph::read(&name, &description, origin.keras, options)?;
    let weights = weights::of_groups(&name, &graph.layers, &group, &origin, &options.limits.weights)?;
    let training = match h5::text(&root, "training_config")? {
        Some(config) => {
            let config = parse_description(config.as_bytes(), &options.limits)?;
            training(&config, config.get("optimizer_config"))
        }
        None => None,
    };
    finish(&name, graph, weights, origin.version, training, description)
}

impl Network {
    /// The network with the weights of a file that `model.save_weights` of Keras 1, 2 or 3 wrote, which calls it `.weights.h5`,
    /// or of a whole model in HDF5. The file's layers are found by their names; where a name is not this network's, the layers
    /// that have weights are taken in their order, as Keras does, which files of Keras 3 do not have.
    ///
    /// # Errors
    /// When the file is damaged or exceeds a limit, and when its layers are not this network's, which names the first that
    /// differs.
    pub fn with_keras_weights<'a>(self, bytes: impl Into<Cow<'a, [u8]>>, options: &Options) -> Result<Self> {
        let limits = &options.limits.weights;
        let root = h5::open(&bytes.into().into_owned().into(), limits)?;
        let group = root.group("model_weights").unwrap_or_else(|_| root.clone());
        let origin = Origin::of(&[&group, &root], options)?;
        let weights = weights::alone(&self, &group, &origin, limits)?;
        self.with_weights(weights)
    }
}

/// Who wrote an HDF5 file.
struct Origin {
    version: String,
    keras: u32,
    is_theano: bool,
}

impl Origin {
    fn of(groups: &[&Group], options: &Options) -> Result<Self> {
        let find = |attribute: &str| -> Result<Option<String>> {
            for group in groups {
                if let Some(text) = h5::text(group, attribute)? {
                    return Ok(Some(text));
                }
            }
            Ok(None)
        };
        let version = find("keras_version")?.unwrap_or_else(|| "1".to_owned());
        let is_theano = match find("backend")? {
            Some(backend) => backend == "theano",
            None => options.backend == Some(Backend::Theano),
        };
        Ok(Self { keras: major(&version), version, is_theano })
    }
}

/// 2 of `2.2.4-tf`.
fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(1)
}

fn model_name(description: &Value) -> String {
    let name = description.pointer("/config/name").and_then(Value::as_str);
    name.map_or("keras".to_owned(), |name| name.chars().take(200).collect())
}

fn parse_description(text: &[u8], limits: &Limits) -> Result<Value> {
    check_limit("config_bytes", limits.config_bytes as u64, text.len() as u64)?;
    // Keras writes numbers that JSON has not got.
    serde_json::from_slice(text)
        .map_err(|error| problem(format!("the model's description is no JSON: {error}")))
}

fn training(config: &Value, optimizer: Option<&Value>) -> Option<Training> {
    let of = |name: &str| config.get(name).cloned().unwrap_or_default();
    let optimizer = optimizer.filter(|optimizer| !optimizer.is_null())?.clone();
    Some(Training { optimizer, loss: of("loss"), metrics: of("metrics") })
}

fn finish(
    name: &str,
    graph: graph::Graph,
    weights: BTreeMap<String, Tensor>,
    keras_version: String,
    training: Option<Training>,
    description: Value,
) -> Result<Model> {
    let network = Network::new(name, graph.inputs, graph.nodes, graph.outputs)?.with_weights(weights)?;
    Ok(Model { network, keras_version, training, description })
}

fn problem(problem: impl Into<String>) -> Error {
    Error::Format { format: FORMAT, problem: problem.into() }
}

fn check_limit(limit: &'static str, allowed: u64, asked: u64) -> Result<()> {
    if asked > allowed { Err(Error::Limit { format: FORMAT, limit, allowed, asked }) } else { Ok(()) }
}
