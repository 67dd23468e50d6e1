//! The training loop: what is checked before it, its epochs, and what comes of it. One run's steps and what survives them live in
//! `run`, what watches its epochs in `watch`, what several workers
//! have in common in `together`.

mod run;
mod together;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use emberline_net::Network;
use serde::{Deserialize, Deserializer, Serialize};

use self::run::{Run, values};
use crate::{
    Batches, Device, Error, LearningRate, Result, TrainOptions,
    forward::{Forward, Mode, native},
    weights::{Weights, numbers},
};

/// A trained network and how it came about.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The network with its new weights.
    pub network: Network,
    /// One row for every epoch.
    pub history: Vec<Epoch>,
    /// The epoch, from 1, that was best by what early stopping watches, or by the loss, of the validation where there is one.
    pub best_epoch: usize,
    /// Whether early stopping ended it.
    pub stopped_early: bool,
}

/// What an epoch came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// Its steps.
    pub steps: usize,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// `loss` and the metrics, those of the validation with `val_` before their names.
    #[serde(deserialize_with = "null_is_nan")]
    pub values: BTreeMap<String, f64>,
}

/// What whoever watches is told.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A step is done.
    #[non_exhaustive]
    Step {
        /// The epoch, from 1.
        epoch: usize,
        /// The step within the epoch, from 1.
        step: usize,
        /// The loss of the batch, before the step.
        loss: f64,
        /// The learning rate.
        learning_rate: f64,
    },
    /// An epoch is done.
    Epoch(&'a Epoch),
}

/// Trains a network. With [`TrainOptions::checkpoint`], a run that was killed goes on where its last checkpoint stands, and ends,
/// on the processor, with the very weights of a run that was not.
///
/// With [`TrainOptions::workers`], each step is one on the batches of all workers side by side: their losses, regularizers and
/// gradients are those of one batch, up to the rounding of sums, and so is what optimizers, schedules and callbacks make of them.
/// All workers end with the same weights. They need not have as many batches: whoever has none left takes part in the others'
/// steps. What looks at several samples of a batch sees a worker's own: `BatchNormalization` normalises by their statistics, and
/// keeps the mean of what the workers find, weighted by samples. Each worker drops other values.
///
/// # Errors
/// When settings do not fit the network, a batch does not fit them, batches can't be read, the loss is no number any more,
/// a checkpoint can't be written or belongs to another run, or another worker is lost.
pub fn fit(
    network: &Network,
    options: &TrainOptions,
    batches: &mut dyn Batches,
    validation: Option<&mut dyn Batches>,
    observer: &mut dyn FnMut(&Event<'_>),
) -> Result<Trained> {
    let trained = train(network, options, batches, validation, observer);
    if let (Err(_), Some(workers)) = (&trained, &options.workers) {
        // They would wait for this one.
        workers.leave();
    }
    trained
}

fn train(
    network: &Network,
    options: &TrainOptions,
    batches: &mut dyn Batches,
    mut validation: Option<&mut dyn Batches>,
    observer: &mut dyn FnMut(&Event<'_>),
) -> Result<Trained> {
    check(network, options, validation.is_some())?;
    let frozen = options.frozen_layers(network)?;
    let forward = Forward::new(network, &options.device, &frozen, &options.layers);
    let _kept = native::Kept;
    let mut run = Run::new(network, options, &frozen, &forward)?;
    run.resume()?;
    run.agree(validation.is_some())?;
    while run.progress.epoch < options.epochs && !run.progress.stopped {
        run.epoch(batches, observer)?;
        let mut values = run.values()?;
        if let Some(validation) = &mut validation {
            let found = run.look(*validation, run.progress.epoch)?;
            values.extend(found.into_iter().map(|(name, value)| (format!("val_{name}"), value)));
        }
        run.end_epoch(values)?;
        if let Some(epoch) = run.progress.history.last() {
            observer(&Event::Epoch(epoch));
        }
        run.keep()?;
    }
    run.finish()
}

/// The loss and the metrics of a network over all batches, the first epoch's.
///
/// # Errors
/// When a batch does not fit the network or the loss, or can't be read.
pub fn evaluate(
    network: &Network,
    options: &TrainOptions,
    batches: &mut dyn Batches,
) -> Result<BTreeMap<String, f64>> {
    check(network, options, false)?;
    let frozen = options.frozen_layers(network)?;
    let forward = Forward::new(network, &options.device, &frozen, &options.layers);
    let _kept = native::Kept;
    Run::new(network, options, &frozen, &forward)?.look(batches, 0)
}

/// The network's answers as training computes them, `[batch, ...]`. [`Runtime`](emberline_net::Runtime) is for more than a look.
///
/// # Errors
/// When the inputs are not those that the network takes, or it has layers that can't be trained.
pub fn predict(
    network: &Network,
    inputs: &[emberline_net::Tensor],
    device: &Device,
) -> Result<emberline_net::Tensor> {
    let (frozen, layers) = (BTreeSet::new(), BTreeMap::new());
    let _kept = native::Kept;
    let forward = Forward::new(network, device, &frozen, &layers);
    let weights = Weights::new(network, device);
    let batch = inputs.first().and_then(|input| input.shape().first()).copied().unwrap_or_default();
    let prediction = forward.pass(&weights, Mode::Inference).run(values(network, inputs, batch, device)?)?;
    let shape = [batch].into_iter().chain(prediction.output.shape().iter().copied()).collect();
    Ok(emberline_net::Tensor::new(shape, numbers(prediction.output.channels_last())?)?)
}

/// What settings and network must be to each other, before anything moves.
fn check(network: &Network, options: &TrainOptions, validated: bool) -> Result<()> {
    let setting =
        |subject: &str, problem: String| Err(Error::Setting { subject: subject.to_owned(), problem });
    if !network.has_weights() {
        let problem = "expected weights to begin with, found none; see `initialized`".to_owned();
        return setting(&format!("network `{}`", network.name()), problem);
    }
    if network.outputs().len() != 1 {
        let problem = format!("expected one output, found {}; cut it at one", network.outputs().len());
        return setting(&format!("network `{}`", network.name()), problem);
    }
    if let Some(stopping) = &options.early_stopping {
        stopping.monitor.check(&options.metrics, validated)?;
    }
    if let Some(plateau) = &options.reduce_on_plateau {
        plateau.monitor.check(&options.metrics, validated)?;
        if matches!(options.optimizer.learning_rate(), LearningRate::Schedule(_)) {
            let problem = "expected a learning rate that is a number, found a schedule".to_owned();
            return setting("callback `ReduceLROnPlateau`", problem);
        }
    }
    for (layer, settings) in &options.layers {
        let factor = settings.learning_rate_factor;
        if !(factor.is_finite() && factor >= 0.0) {
            let problem =
                format!("parameter `learning_rate_factor`: expected a number of at least 0, found {factor}");
            return setting(&format!("layer `{layer}`"), problem);
        }
        if let Some(momentum) = settings.momentum.filter(|momentum| !(0.0..=1.0).contains(momentum)) {
            let problem = format!("parameter `momentum`: expected a number in [0, 1], found {momentum}");
            return setting(&format!("layer `{layer}`"), problem);
        }
    }
    Ok(())
}

/// JSON has no NaN, and writes null for it.
fn null_is_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let values: BTreeMap<String, Option<f64>> = Deserialize::deserialize(deserializer)?;
    Ok(values.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect())
}
