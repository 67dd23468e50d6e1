//! The network that training begins with: a user's file or a named network with a new head, and weights from elsewhere.

use std::collections::BTreeMap;

use emberline_net::keras;
use emberline_net::{Activation, Dense, Network, Node, Pooling, Tensor};
use emberline_table::functions::ImageTensor;
use emberline_train::{Constraint, LayerOptions, Regularizer, copy_weights, initialized};
use emberline_zoo::{Card, Cut, ModelStore};
use serde_json::Value;

use super::labels::{Expected, Targets};
use super::settings::{ChosenLoss, Settings};
use super::source::{ExampleSource, Pixels, input_columns};
use super::workers::greatest_of_all;
use crate::error::{MlError, Result};
use crate::params::{ParamValue, Params};

/// The layer that a named network gets.
const HEAD: &str = "head";

/// What is there before the labels are known.
#[derive(Debug, Clone)]
pub(super) struct Start {
    /// The whole network, or a named one without its head.
    network: Network,
    has_head: bool,
    pub(super) loss: ChosenLoss,
    /// Of networks over images.
    pub(super) pixels: Option<Pixels>,
    /// What the file says of single layers.
    pub(super) layers: BTreeMap<String, LayerOptions>,
}

impl Start {
    /// Reads the network that the params name.
    ///
    /// # Errors
    /// When there is none, or it can't be trained on such inputs.
    pub(super) fn read<S: ExampleSource>(params: &Params) -> Result<Self> {
        let file = params.text_if_defined("modelFile")?;
        if params.is_set("modelName") {
            return Self::named(params, file.as_deref());
        }
        let Some(file) = file else {
            let words = if S::IMAGES { "modelFile or modelName" } else { "modelFile" };
            return Err(MlError::stage(
                params.uid(),
                format!("parameter `modelFile`: expected {words}, found none"),
            ));
        };
        let model = read_keras(&file)?;
        let network = model.network;
        let (inputs, outputs) = (network.inputs().len(), network.outputs().len());
        let columns = input_columns::<S>(params)?.1.len();
        if inputs != columns || outputs != 1 {
            let reason = format!(
                "{file}: expected a network with one output and as many inputs as there are input columns ({columns}), found \
                 {outputs} and {inputs}"
            );
            return Err(MlError::stage(params.uid(), reason));
        }
        let loss = ChosenLoss::of(params, model.training.as_ref())?;
        let shape = network.inputs().first().map_or(&[][..], |input| input.shape.as_slice());
        let pixels = S::IMAGES.then(|| Pixels::by(params, shape)).transpose()?;
        let mut layers = BTreeMap::new();
        add_layers(&model.description, "", &network, &mut layers)
            .map_err(|reason| MlError::stage(params.uid(), format!("{file}: {reason}")))?;
        Ok(Self { network, has_head: true, loss, pixels, layers })
    }

    fn named(params: &Params, file: Option<&str>) -> Result<Self> {
        let name = params.text("modelName")?;
        let card = card_of(params, &name)?;
        for param in ["channelOrder", "scale", "offset"] {
            if params.is_set(param) {
                let reason = format!("parameter `{param}`: {name} has a preprocessing of its own; clear it");
                return Err(MlError::stage(params.uid(), reason));
            }
        }
        let (card, network) = match file {
            Some(file) => card.load_file(file, &Cut::Features)?,
            None => (card, card.load(&ModelStore::open(), &Cut::Features)?),
        };
        let network = network.pooled(Pooling::Avg)?;
        let mut preprocessing = card.preprocessing.clone();
        if let Some(rule) = params.text_if_defined("scaleHint")? {
            preprocessing.resize = rule
                .parse()
                .map_err(|e| MlError::stage(params.uid(), format!("parameter `scaleHint`: {e}")))?;
        }
        let tensor = ImageTensor::of_preprocessing(&preprocessing)?;
        let pixels = Pixels { tensor: tensor.into(), mean: preprocessing.mean, std: preprocessing.std };
        let loss = ChosenLoss::of(params, None)?;
        Ok(Self { network, has_head: false, loss, pixels: Some(pixels), layers: BTreeMap::new() })
    }

    /// Of one sample, for each input, `[height, width, channels]` for images.
    pub(super) fn input_shapes(&self) -> Vec<Vec<usize>> {
        self.network.inputs().iter().map(|input| input.shape.clone()).collect()
    }

    /// The length of the network's output, if it is known before the labels are.
    pub(super) fn outputs(&self) -> Option<usize> {
        let shape = self.network.output_shapes().first().map(|shape| shape.iter().product());
        shape.filter(|_| self.has_head)
    }

    /// What labels have to be.
    pub(super) fn expected(&self) -> Expected {
        Expected { outputs: self.outputs(), sparse: self.loss.loss.is_sparse(), shares: self.loss.shares }
    }

    /// The network, with a head for the labels if it has none, and the weights that come from elsewhere.
    ///
    /// # Errors
    /// When weights from elsewhere are not there, or do not fit.
    pub(super) fn network(
        &self,
        params: &Params,
        settings: &Settings,
        targets: &Targets,
        names: Option<&[String]>,
    ) -> Result<Network> {
        let failed = |source| MlError::Training { stage: params.uid().to_owned(), source };
        let mut network = self.network.clone();
        if !self.has_head {
            let outputs = greatest_of_all(targets.outputs(names)).map_err(failed)?;
            if outputs < 2 {
                let reason = format!("expected labels of at least 2 classes, found {outputs}");
                return Err(MlError::stage(params.uid(), reason));
            }
            network = with_head(&network, outputs, settings.seed).map_err(failed)?;
        }
        let mut others: BTreeMap<&str, Network> = BTreeMap::new();
        let mut copies = Vec::new();
        for (layer, place) in &settings.initial_weights {
            let (origin, theirs) = place_of(params, place)?;
            if !others.contains_key(origin) {
                let other = match emberline_zoo::card(origin) {
                    Ok(card) => card.load(&ModelStore::open(), &Cut::Last)?,
                    Err(_) => read_keras(origin)?.network,
                };
                others.insert(origin, other);
            }
            copies.push((layer.as_str(), origin, theirs));
        }
        let copies: Vec<(&str, &Network, &str)> = copies
            .iter()
            .filter_map(|(layer, origin, theirs)| Some((*layer, others.get(origin)?, *theirs)))
            .collect();
        copy_weights(network, &copies).map_err(failed)
    }
}

/// What a model's description says of its layers' training: regularizers, constraints, the momentum of statistics.
fn add_layers(
    model: &Value,
    outer: &str,
    network: &Network,
    found: &mut BTreeMap<String, LayerOptions>,
) -> Result<(), String> {
    let layers = model.pointer("/config/layers").and_then(Value::as_array);
    for layer in layers.into_iter().flatten() {
        let Some(config) = layer.get("config").and_then(Value::as_object) else { continue };
        let name = config.get("name").or(layer.get("name")).and_then(Value::as_str).unwrap_or_default();
        let name = format!("{outer}{name}");
        add_layers(layer, &format!("{name}/"), network, found)?;
        if !network.layer_names().any(|known| known == name) {
            continue;
        }
        let mut options = LayerOptions::default();
        if layer.get("class_name").and_then(Value::as_str) == Some("BatchNormalization") {
            options.momentum = config.get("momentum").and_then(Value::as_f64);
        }
        for (setting, value) in config.iter().filter(|(_, value)| !value.is_null()) {
            let failed = |error: emberline_train::Error| format!("layer `{name}`, `{setting}`: {error}");
            if let Some(weight) = setting.strip_suffix("_regularizer").map(weight_of) {
                options.regularizers.insert(weight, Regularizer::parse(value).map_err(failed)?);
            } else if let Some(weight) = setting.strip_suffix("_constraint").map(weight_of) {
                options.constraints.insert(weight, Constraint::parse(value).map_err(failed)?);
            }
        }
        if options != LayerOptions::default() {
            found.insert(name, options);
        }
    }
    Ok(())
}

/// The weight that Keras' settings call so.
fn weight_of(setting: &str) -> String {
    match setting {
        "depthwise" | "pointwise" => format!("{setting}_kernel"),
        other => other.to_owned(),
    }
}

/// The card of a named network.
fn card_of(params: &Params, name: &str) -> Result<&'static Card> {
    emberline_zoo::card(name).map_err(|_| {
        let known: Vec<&str> = emberline_zoo::cards().iter().map(|card| card.name).collect();
        params.wrong("modelName", format!("one of {}", known.join(", ")), &ParamValue::Text(name.to_owned()))
    })
}

/// A network from a file; images enter it channels last.
fn read_keras(file: &str) -> Result<keras::Model> {
    let options = keras::Options { channels_last_inputs: true, ..Default::default() };
    Ok(keras::read_model(file, &options)?)
}

/// A network's name or file, and a layer of it: `AlexNet/features.0`, `mine.keras/conv1`.
fn place_of<'a>(params: &Params, place: &'a str) -> Result<(&'a str, &'a str)> {
    let of_file = [".keras/", ".h5/", ".hdf5/"].iter().find_map(|end| {
        let at = place.find(end)? + end.len();
        Some((&place[..at - 1], &place[at..]))
    });
    of_file.or_else(|| place.split_once('/')).ok_or_else(|| {
        let expected = "places as `network/layer`, such as AlexNet/features.0 or mine.keras/conv1";
        params.wrong("initialWeights", expected, &ParamValue::Text(place.to_owned()))
    })
}

/// The network with a softmax of so many classes behind it.
fn with_head(network: &Network, classes: usize, seed: u64) -> Result<Network, emberline_train::Error> {
    let mut nodes = network.nodes().to_vec();
    let dense = Dense::new(classes).activation(Activation::Softmax);
    nodes.push(Node::new(HEAD, dense, network.outputs().to_vec()));
    let whole = Network::new(network.name(), network.inputs().to_vec(), nodes, vec![HEAD.to_owned()])?;
    // Only the head's weights are drawn; drawing those of the whole network would take longer than reading them.
    let width = network.output_shapes().first().and_then(|shape| shape.last()).copied().unwrap_or_default();
    let mut alone = emberline_net::NetworkBuilder::new(network.name());
    let features = alone.input("features", [width]);
    let head = alone.apply(HEAD, Dense::new(classes), features);
    let drawn = initialized(alone.build(&[head])?, seed, &BTreeMap::new())?;
    let weights = network.weights().iter().chain(drawn.weights());
    let weights: BTreeMap<String, Tensor> =
        weights.map(|(name, tensor)| (name.clone(), tensor.as_ref().clone())).collect();
    Ok(whole.with_weights(weights)?)
}
