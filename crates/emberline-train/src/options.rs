//! How a network is to be trained.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use emberline_net::{Network, Node};
use serde_json::Value;

use crate::{
    CheckpointOptions, Constraint, Device, Error, Loss, Metric, Optimizer, Regularizer, Result, Workers,
    config::Config,
};

/// How a network is to be trained. Made by [`TrainOptions::new`], then changed field by field.
///
/// ```
/// use emberline_train::{Loss, Optimizer, TrainOptions};
///
/// let mut options = TrainOptions::new(Optimizer::parse(&"adam".into())?, Loss::parse(&"mse".into())?);
/// options.epochs = 5;
/// options.freeze_until = Some("head".to_owned());
/// # Ok::<(), emberline_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// What changes the weights.
    pub optimizer: Optimizer,
    /// What is made small.
    pub loss: Loss,
    /// What else is looked at, in training and validation.
    pub metrics: Vec<Metric>,
    /// How often all samples are seen.
    pub epochs: usize,
    /// What random numbers are a function of.
    pub seed: u64,
    /// Where it is computed.
    pub device: Device,
    /// How much samples of a class count; 1 for those that are not there.
    pub class_weights: BTreeMap<usize, f64>,
    /// Layers whose weights and statistics stay as they are, beside those that the network says are not trainable. A layer that
    /// is applied again is frozen at all places once it is at one.
    pub frozen: BTreeSet<String>,
    /// The first layer that trains: those before it, in the network's order, are frozen.
    pub freeze_until: Option<String>,
    /// What is special about layers, by name.
    pub layers: BTreeMap<String, LayerOptions>,
    /// When to stop before the last epoch.
    pub early_stopping: Option<EarlyStopping>,
    /// When to lower the learning rate.
    pub reduce_on_plateau: Option<ReduceOnPlateau>,
    /// Where to keep what a killed run goes on from.
    pub checkpoint: Option<CheckpointOptions>,
    /// Who else trains the network, on samples of their own.
    pub workers: Option<Arc<Workers>>,
}

/// What is special about a layer's training.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerOptions {
    /// What the learning rate is multiplied by, so that early layers can learn slower.
    pub learning_rate_factor: f64,
    /// What weights add to the loss, by their names without the layer's, such as `kernel`.
    pub regularizers: BTreeMap<String, Regularizer>,
    /// What weights are brought back to, by their names without the layer's.
    pub constraints: BTreeMap<String, Constraint>,
    /// How slowly the statistics of `BatchNormalization` follow those of batches, in `[0, 1]`; 0.99 otherwise.
    pub momentum: Option<f64>,
}

impl Default for LayerOptions {
    fn default() -> Self {
        Self {
            learning_rate_factor: 1.0,
            regularizers: BTreeMap::new(),
            constraints: BTreeMap::new(),
            momentum: None,
        }
    }
}

/// Which number is watched, and what counts as better.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Monitor {
    name: String,
    /// `None` where the name decides.
    increases: Option<bool>,
    min_delta: f64,
}

/// Stops when a number of the history has not become better for some epochs, as `keras.callbacks.EarlyStopping`.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlyStopping {
    pub(crate) monitor: Monitor,
    pub(crate) patience: u64,
    pub(crate) baseline: Option<f64>,
    pub(crate) restore_best_weights: bool,
    pub(crate) start_from_epoch: u64,
}

/// Lowers the learning rate when a number of the history has not become better for some epochs, as
/// `keras.callbacks.ReduceLROnPlateau`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceOnPlateau {
    pub(crate) monitor: Monitor,
    pub(crate) factor: f64,
    pub(crate) patience: u64,
    pub(crate) cooldown: u64,
    pub(crate) min_learning_rate: f64,
}

impl TrainOptions {
    /// One epoch on the processor, without metrics, all layers training.
    #[must_use]
    pub fn new(optimizer: Optimizer, loss: Loss) -> Self {
        Self {
            optimizer,
            loss,
            metrics: Vec::new(),
            epochs: 1,
            seed: 0,
            device: Device::cpu(),
            class_weights: BTreeMap::new(),
            frozen: BTreeSet::new(),
            freeze_until: None,
            layers: BTreeMap::new(),
            early_stopping: None,
            reduce_on_plateau: None,
            checkpoint: None,
            workers: None,
        }
    }

    /// Has layers learn with a part of the learning rate.
    pub fn scale_learning_rate<'a>(&mut self, layers: impl IntoIterator<Item = &'a str>, factor: f64) {
        for layer in layers {
            self.layers.entry(layer.to_owned()).or_default().learning_rate_factor = factor;
        }
    }

    /// All frozen layers.
    pub(crate) fn frozen_layers(&self, network: &Network) -> Result<BTreeSet<String>> {
        let known = |name: &String| network.layer_names().any(|layer| layer == name);
        let named = self.frozen.iter().chain(&self.freeze_until).chain(self.layers.keys());
        if let Some(name) = named.into_iter().find(|name| !known(name)) {
            return Err(Error::Setting {
                subject: "layers".to_owned(),
                problem: format!("network `{}` has no layer `{name}`", network.name()),
            });
        }
        let mut frozen = self.frozen.clone();
        if let Some(first) = &self.freeze_until {
            frozen.extend(network.layer_names().take_while(|layer| layer != first).map(str::to_owned));
        }
        let is_frozen = |node: &&Node| !node.trainable || frozen.contains(&node.name);
        let weights: BTreeSet<&str> =
            network.nodes().iter().filter(is_frozen).map(Node::weights_name).collect();
        let nodes = network.nodes().iter().filter(|node| weights.contains(node.weights_name()));
        Ok(nodes.map(|node| node.name.clone()).collect())
    }
}

/// What is special about a layer, said of it where it stands or where it is applied first.
pub(crate) fn options_of<'a>(
    layers: &'a BTreeMap<String, LayerOptions>,
    node: &Node,
) -> Option<&'a LayerOptions> {
    layers.get(&node.name).or_else(|| layers.get(node.weights_name()))
}

impl Monitor {
    fn parse(config: &mut Config, min_delta: f64) -> Result<Self> {
        let name = match config.take("monitor") {
            None => "val_loss".to_owned(),
            Some(Value::String(name)) => name,
            Some(found) => {
                return Err(config.error(format!(
                    "parameter `monitor`: expected a name such as \"val_loss\", found {found}"
                )));
            }
        };
        let increases = match config.choice("mode", "auto", &["auto", "min", "max"])? {
            "min" => Some(false),
            "max" => Some(true),
            _ => None,
        };
        Ok(Self { name, increases, min_delta: config.number("min_delta", min_delta)? })
    }

    /// Watches a loss.
    pub(crate) fn of(name: &str) -> Self {
        Self { name: name.to_owned(), increases: None, min_delta: 0.0 }
    }

    /// Fails when no such number will be there.
    pub(crate) fn check(&self, metrics: &[Metric], validated: bool) -> Result<()> {
        let plain = ["loss"].into_iter().chain(metrics.iter().map(Metric::name));
        let mut names: Vec<String> = plain.clone().map(str::to_owned).collect();
        if validated {
            names.extend(plain.map(|name| format!("val_{name}")));
        }
        if names.contains(&self.name) {
            return Ok(());
        }
        Err(Error::Setting {
            subject: "callback".to_owned(),
            problem: format!(
                "parameter `monitor`: expected one of {}, found `{}`",
                names.join(", "),
                self.name
            ),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a number is better than another by enough.
    pub(crate) fn is_better(&self, value: f64, than: Option<f64>, metrics: &[Metric]) -> bool {
        let Some(than) = than else { return true };
        let name = self.name.strip_prefix("val_").unwrap_or(&self.name);
        let metric = metrics.iter().find(|metric| metric.name() == name);
        match self.increases.unwrap_or_else(|| metric.is_some_and(Metric::increases)) {
            true => value - self.min_delta > than,
            false => value + self.min_delta < than,
        }
    }
}

impl EarlyStopping {
    /// Reads the settings of Keras' callback: `monitor`, `min_delta`, `patience`, `mode`, `baseline`,
    /// `restore_best_weights`, `start_from_epoch`.
    ///
    /// # Errors
    /// When a parameter is unknown or wrong.
    pub fn parse(settings: &Value) -> Result<Self> {
        let mut config = callback("EarlyStopping", settings)?;
        let stopping = Self {
            monitor: Monitor::parse(&mut config, 0.0)?,
            patience: config.count("patience", 0, 0)?,
            baseline: config.optional_number("baseline", f64::NEG_INFINITY, f64::INFINITY)?,
            restore_best_weights: config.flag("restore_best_weights", false)?,
            start_from_epoch: config.count("start_from_epoch", 0, 0)?,
        };
        config.take("verbose");
        config.finish()?;
        Ok(stopping)
    }
}

impl ReduceOnPlateau {
    /// Reads the settings of Keras' callback: `monitor`, `factor`, `patience`, `mode`, `min_delta`, `cooldown`, `min_lr`.
    ///
    /// # Errors
    /// When a parameter is unknown or wrong.
    pub fn parse(settings: &Value) -> Result<Self> {
        let mut config = callback("ReduceLROnPlateau", settings)?;
        let plateau = Self {
            monitor: Monitor::parse(&mut config, 1e-4)?,
            factor: config.number_within("factor", 0.1, 0.0, 1.0 - f64::EPSILON)?,
            patience: config.count("patience", 10, 0)?,
            cooldown: config.count("cooldown", 0, 0)?,
            min_learning_rate: config.number("min_lr", 0.0)?,
        };
        config.take("verbose");
        config.finish()?;
        Ok(plateau)
    }
}

/// The settings of a callback, given as an object.
fn callback(name: &str, settings: &Value) -> Result<Config> {
    Config::new("callback", &serde_json::json!({"class_name": name, "config": settings}))
}
