//! One run: its steps, and how it is kept and gone on with.

use std::collections::{BTreeMap, BTreeSet};

use burn_tensor::{Tensor, TensorData};
use emberline_net::{Layer, Network};
use serde::{Deserialize, Serialize};

use super::{
    Epoch, Event, Trained,
    together::{self, Answered, Found, Joint},
};
use crate::{
    Batch, Batches, Device, Error, Result, TrainOptions, checkpoint,
    forward::{Forward, Mode, Pass, Value},
    metric::Answers,
    optimizer::State,
    options::{Monitor, options_of},
    weights::{Weights, names_of, numbers, on_device},
};

/// How far a run came: with the numbers of its tensors, all it needs to go on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The epochs done.
    pub(super) epoch: usize,
    /// The batches done of the next one.
    pub(super) batch: usize,
    pub(super) sums: Sums,
    /// What a plateau lowered the learning rate to.
    pub(super) learning_rate: Option<f64>,
    pub(super) steps: u64,
    pub(super) momentum_product: Option<f32>,
    pub(super) stopping: Watch,
    pub(super) plateau: Watch,
    pub(super) cooldown: u64,
    pub(super) stopped: bool,
    pub(super) history: Vec<Epoch>,
}

/// The sums that an epoch's values are made of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sums {
    pub(super) loss: f64,
    pub(super) samples: f64,
    pub(super) metrics: Vec<Vec<f64>>,
}

/// The best value so far, and for how many epochs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) best: Option<f64>,
    pub(super) wait: u64,
}

pub(super) struct Run<'a> {
    pub(super) network: &'a Network,
    pub(super) options: &'a TrainOptions,
    pub(super) forward: &'a Forward<'a>,
    pub(super) weights: Weights,
    pub(super) state: State,
    /// The weights of the best epoch, where they are to be restored.
    pub(super) best: Option<BTreeMap<String, emberline_net::Tensor>>,
    pub(super) progress: Progress,
    /// What makes this run this one, where checkpoints are kept or others train it, too.
    pub(super) identity: String,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        network: &'a Network,
        options: &'a TrainOptions,
        frozen: &BTreeSet<String>,
        forward: &'a Forward<'a>,
    ) -> Result<Self> {
        let mut weights = Weights::new(network, &options.device);
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        for node in network.nodes() {
            let shared = node.weights_name();
            let owner = *first.entry(shared).or_insert(&node.name);
            if owner != node.name {
                if options.layers.contains_key(&node.name) {
                    return Err(Error::Setting {
                        subject: format!("layer `{}`", node.name),
                        problem: format!("it is layer `{owner}` applied again; expected settings for that"),
                    });
                }
                continue;
            }
            let layer = options_of(&options.layers, node);
            for (own, name) in names_of(network, shared) {
                let Some(weight) = weights.get_mut(name) else { continue };
                let is_statistic =
                    own.starts_with("moving_") || matches!(node.layer, Layer::Normalization(_));
                weight.trainable = !frozen.contains(&node.name) && !is_statistic;
                let Some(layer) = layer else { continue };
                weight.learning_rate_factor = layer.learning_rate_factor;
                weight.regularizer = layer.regularizers.get(own).cloned();
                weight.constraint = layer.constraints.get(own).cloned();
                if let Some(regularizer) = &weight.regularizer {
                    regularizer.check(name, &weight.shape)?;
                }
                if let Some(constraint) = &weight.constraint {
                    constraint.check(name, &weight.shape)?;
                }
            }
            let settings =
                layer.into_iter().flat_map(|layer| layer.regularizers.keys().chain(layer.constraints.keys()));
            for own in settings {
                if weights.get(&format!("{shared}/{own}")).is_none() {
                    return Err(Error::Setting {
                        subject: format!("layer `{}`", node.name),
                        problem: format!("there is no weight `{own}` to have a regularizer or constraint"),
                    });
                }
            }
        }
        let mut run = Self {
            network,
            options,
            forward,
            weights,
            state: State::default(),
            best: None,
            progress: Progress::default(),
            identity: String::new(),
        };
        if options.checkpoint.is_some() || options.workers.is_some() {
            run.identity = run.identify();
        }
        run.try_out()?;
        Ok(run)
    }

    /// One sample of zeros, so that a layer that can't be trained is found before anything is read.
    fn try_out(&self) -> Result<()> {
        let zeros = |input: &emberline_net::Input| {
            emberline_net::Tensor::zeros([1].into_iter().chain(input.shape.iter().copied()).collect())
        };
        let inputs = self.network.inputs().iter().map(zeros).collect::<Result<Vec<_>, _>>()?;
        let inputs = values(self.network, &inputs, 1, &self.options.device)?;
        self.forward.pass(&self.weights, Mode::Inference).run(inputs).map(drop)
    }

    /// Loss and metrics of the epoch's steps, of all workers.
    pub(super) fn values(&self) -> Result<BTreeMap<String, f64>> {
        let sums = &self.progress.sums;
        match &self.options.workers {
            Some(workers) => Ok(sums.together(workers)?.values(self.options)),
            None => Ok(sums.values(self.options)),
        }
    }

    fn learning_rate(&self) -> f64 {
        let configured = self.options.optimizer.learning_rate();
        self.progress.learning_rate.unwrap_or_else(|| configured.at(self.state.steps))
    }

    /// The rest of an epoch's steps.
    pub(super) fn epoch(
        &mut self,
        batches: &mut dyn Batches,
        observer: &mut dyn FnMut(&Event<'_>),
    ) -> Result<()> {
        if self.weights.trainables().next().is_none() {
            return Err(Error::Setting {
                subject: format!("network `{}`", self.network.name()),
                problem: "no weight is to be trained: all layers are frozen, or have none".to_owned(),
            });
        }
        let (epoch, skipped) = (self.progress.epoch, self.progress.batch);
        let mut batches = batches.epoch(epoch, skipped)?;
        loop {
            let (batch, learning_rate) = (batches.next().transpose()?, self.learning_rate());
            let loss = match &self.options.workers {
                // On a thread of the pool, which kernels need not wake then.
                None => rayon::scope(|_| self.step(batch.as_ref(), learning_rate)),
                // Waiting for others takes no thread of the pool, which those in one process would have to share.
                Some(_) => self.step(batch.as_ref(), learning_rate),
            };
            let Some(loss) = loss? else { break };
            self.progress.batch += 1;
            let step = self.progress.batch;
            observer(&Event::Step { epoch: epoch + 1, step, loss, learning_rate });
            let every = self.options.checkpoint.as_ref().and_then(|checkpoint| checkpoint.every_steps);
            if every.is_some_and(|steps| self.state.steps.is_multiple_of(steps.max(1))) {
                self.keep()?;
            }
        }
        if self.progress.batch == 0 {
            return Err(Error::Data {
                what: format!("epoch {}", epoch + 1),
                problem: "expected at least one batch, found none".to_owned(),
            });
        }
        Ok(())
    }

    /// One step on one batch and those of the other workers; its loss before it, and none when nobody has a batch left.
    fn step(&mut self, batch: Option<&Batch>, learning_rate: f64) -> Result<Option<f64>> {
        let options = self.options;
        let workers = options.workers.as_deref();
        let mode = Mode::Training { seed: together::seed(options.seed, workers), step: self.state.steps };
        let mut pass = self.forward.pass(&self.weights, mode);
        let answered = match batch {
            Some(batch) => Some(self.answer(&mut pass, batch, self.sample_weights(batch)?)?),
            None => None,
        };
        let Some(joint) = Joint::of(workers, answered.as_ref())? else { return Ok(None) };
        let (mut found, answers) = match answered {
            Some(answered) => self.follow(pass, answered, &joint)?,
            None => Default::default(),
        };
        if let Some(workers) = workers {
            joint.sum(workers, &self.weights, &options.device, &mut found)?;
        }
        let Found { loss, gradients, statistics } = found;
        if !loss.is_finite() {
            return Err(Error::Diverged {
                epoch: self.progress.epoch + 1,
                step: self.progress.batch + 1,
                learning_rate,
                loss,
            });
        }
        let on_cpu = options.device.is_cpu();
        options.optimizer.step(&mut self.state, &mut self.weights, gradients, learning_rate, on_cpu);
        for (name, value) in statistics {
            if let Some(weight) = self.weights.get_mut(&name) {
                weight.set(value);
            }
        }
        if let Some((answers, samples)) = answers {
            self.progress.sums.add(options, loss, samples, &answers)?;
        }
        Ok(Some(loss))
    }

    /// Follows the loss of a batch back to the weights.
    fn follow(
        &self,
        pass: Pass<'_>,
        answered: Answered,
        joint: &Joint,
    ) -> Result<(Found, Option<(Answers, usize)>)> {
        let Answered { prediction, target, sum, divisor, samples } = answered;
        let loss = joint.loss(sum, divisor, pass.penalty(&self.weights));
        let mut found = Found { loss: scalar(loss.clone())?, ..Found::default() };
        if found.loss.is_finite() {
            if !loss.is_tracked() {
                return Err(Error::Setting {
                    subject: format!("network `{}`", self.network.name()),
                    problem: "the output depends on no weight that is to be trained".to_owned(),
                });
            }
            (found.gradients, found.statistics) = pass.finish(&mut loss.backward());
        }
        Ok((found, Some((Answers::new(prediction.detached(), &target)?, samples))))
    }

    /// What the network answers to a batch, and its losses.
    fn answer(&self, pass: &mut Pass<'_>, batch: &Batch, weights: Option<Tensor<3>>) -> Result<Answered> {
        let options = self.options;
        let inputs = values(self.network, &batch.inputs, batch.len(), &options.device)?;
        let target = self.target(batch)?;
        let prediction = pass.run(inputs)?;
        let (sum, divisor) = options.loss.sum(&prediction, &target, weights.as_ref());
        Ok(Answered { prediction, target, sum, divisor, samples: batch.len() })
    }

    /// Loss and metrics of the weights as they are.
    pub(super) fn look(&mut self, batches: &mut dyn Batches, epoch: usize) -> Result<BTreeMap<String, f64>> {
        let options = self.options;
        let workers = options.workers.as_deref();
        let mut sums = Sums::default();
        let mut batches = batches.epoch(epoch, 0)?;
        loop {
            let mut pass = self.forward.pass(&self.weights, Mode::Inference);
            let answered = match batches.next().transpose()? {
                Some(batch) => {
                    let positions =
                        |weights: &Vec<f32>| positions(weights.clone(), batch.len(), &options.device);
                    let weights = batch.weights.as_ref().map(positions).transpose()?;
                    Some(self.answer(&mut pass, &batch, weights)?)
                }
                None => None,
            };
            let Some(joint) = Joint::of(workers, answered.as_ref())? else { break };
            let (mut loss, mut answers) = ([0.0], None);
            if let Some(Answered { prediction, target, sum, divisor, samples }) = answered {
                loss = [scalar(joint.loss(sum, divisor, pass.penalty(&self.weights)))? as f32];
                answers = Some((Answers::new(prediction, &target)?, samples));
            }
            if let Some(workers) = workers {
                workers.sum(&mut loss)?;
            }
            if let Some((answers, samples)) = answers {
                sums.add(options, f64::from(loss[0]), samples, &answers)?;
            }
        }
        if let Some(workers) = workers {
            sums = sums.together(workers)?;
        }
        Ok(sums.values(options))
    }

    fn target(&self, batch: &Batch) -> Result<Value> {
        let output = self.network.output_shapes().first().map_or(&[][..], |shape| *shape);
        self.options.loss.target(&batch.targets, output, &self.options.device)
    }

    /// How much every sample counts: its weight times that of its class.
    fn sample_weights(&self, batch: &Batch) -> Result<Option<Tensor<3>>> {
        let classes = &self.options.class_weights;
        if batch.weights.is_none() && classes.is_empty() {
            return Ok(None);
        }
        let mut weights = batch.weights.clone().unwrap_or_else(|| vec![1.0; batch.len()]);
        if !classes.is_empty() {
            let width = match (batch.targets.shape(), self.options.loss.is_sparse()) {
                ([_], _) | ([_, 1], _) => 1,
                ([_, width], false) => *width,
                (shape, _) => {
                    return Err(Error::Setting {
                        subject: "class weights".to_owned(),
                        problem: format!(
                            "expected targets of one class for each sample, found shape {shape:?}"
                        ),
                    });
                }
            };
            for (weight, target) in weights.iter_mut().zip(batch.targets.data().chunks_exact(width)) {
                let class = match target {
                    [class] => class.round() as usize,
                    shares => {
                        let greatest = shares.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                        greatest.map_or(0, |(class, _)| class)
                    }
                };
                *weight *= classes.get(&class).copied().unwrap_or(1.0) as f32;
            }
        }
        positions(weights, batch.len(), &self.options.device).map(Some)
    }

    /// Writes an epoch into the history and asks what watches it.
    pub(super) fn end_epoch(&mut self, values: BTreeMap<String, f64>) -> Result<()> {
        let learning_rate = match self.progress.learning_rate {
            Some(rate) => rate,
            None => self.options.optimizer.learning_rate().at(self.state.steps.saturating_sub(1)),
        };
        self.progress.epoch += 1;
        let epoch = Epoch { epoch: self.progress.epoch, steps: self.progress.batch, learning_rate, values };
        self.progress.batch = 0;
        self.progress.sums = Sums::default();
        self.watch_stopping(&epoch)?;
        self.watch_plateau(&epoch);
        self.progress.history.push(epoch);
        Ok(())
    }

    /// What makes this run this one, and no other. Epochs and device are not part of it: a run may be continued for longer.
    fn identify(&self) -> String {
        let TrainOptions {
            optimizer,
            loss,
            metrics,
            seed,
            class_weights,
            layers,
            early_stopping,
            reduce_on_plateau,
            ..
        } = self.options;
        let trainable: Vec<&String> = self.weights.trainables().map(|(name, _)| name).collect();
        let settings = format!(
            "{optimizer:?} {loss:?} {metrics:?} {seed} {class_weights:?} {layers:?} {early_stopping:?} {reduce_on_plateau:?} \
             {trainable:?} {:?}",
            self.network.nodes()
        );
        let weights = self.network.weights_digest().to_string();
        emberline_net::Digest::of_parts([settings.as_bytes(), weights.as_bytes()]).to_string()
    }

    /// Writes a checkpoint where there is a place for it.
    pub(super) fn keep(&mut self) -> Result<()> {
        let Some(checkpoint) = &self.options.checkpoint else { return Ok(()) };
        self.progress.steps = self.state.steps;
        self.progress.momentum_product = self.state.momentum_product;
        let prefixed = |prefix: &str, tensors: BTreeMap<String, emberline_net::Tensor>| {
            tensors.into_iter().map(|(name, tensor)| (format!("{prefix}:{name}"), tensor)).collect::<Vec<_>>()
        };
        let mut tensors: BTreeMap<_, _> = prefixed("weight", self.weights.tensors()?).into_iter().collect();
        tensors.extend(prefixed("best", self.best.clone().unwrap_or_default()));
        for (name, slot) in &self.state.slots {
            let values = numbers(slot.clone())?;
            tensors.insert(format!("slot:{name}"), emberline_net::Tensor::new(vec![values.len()], values)?);
        }
        checkpoint::write(&checkpoint.directory, &self.identity, self.state.steps, &self.progress, &tensors)
    }

    /// Goes on from the checkpoint, if there is one.
    pub(super) fn resume(&mut self) -> Result<()> {
        let Some(checkpoint) = &self.options.checkpoint else { return Ok(()) };
        let Some((progress, tensors)) = checkpoint::read::<Progress>(&checkpoint.directory, &self.identity)?
        else {
            return Ok(());
        };
        let of = |prefix: &str| {
            let own = |(name, tensor): (&String, &emberline_net::Tensor)| {
                Some((name.strip_prefix(prefix)?.strip_prefix(':')?.to_owned(), tensor.clone()))
            };
            tensors.iter().filter_map(own).collect::<BTreeMap<_, _>>()
        };
        self.weights.load(&of("weight"), &self.options.device);
        self.best = Some(of("best")).filter(|best| !best.is_empty());
        let slot = |(name, tensor): (String, emberline_net::Tensor)| {
            (name, on_device(tensor.into_data(), &self.options.device))
        };
        self.state = State {
            steps: progress.steps,
            momentum_product: progress.momentum_product,
            slots: of("slot").into_iter().map(slot).collect(),
        };
        self.progress = progress;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Trained> {
        self.options.optimizer.finish(&self.state, &mut self.weights);
        if let Some(best) = &self.best {
            self.weights.load(best, &self.options.device);
        }
        let history = self.progress.history;
        let validated = history.first().is_some_and(|epoch| epoch.values.contains_key("val_loss"));
        let default = Monitor::of(if validated { "val_loss" } else { "loss" });
        let monitor = self.options.early_stopping.as_ref().map_or(&default, |stopping| &stopping.monitor);
        let mut best: (usize, Option<f64>) = (0, None);
        for epoch in &history {
            let Some(&value) = epoch.values.get(monitor.name()) else { continue };
            if monitor.is_better(value, best.1, &self.options.metrics) {
                best = (epoch.epoch, Some(value));
            }
        }
        Ok(Trained {
            network: self.network.clone().with_weights(self.weights.tensors()?)?,
            history,
            best_epoch: best.0,
            stopped_early: self.progress.stopped,
        })
    }
}

impl Sums {
    fn add(&mut self, options: &TrainOptions, loss: f64, samples: usize, answers: &Answers) -> Result<()> {
        self.loss += loss * samples as f64;
        self.samples += samples as f64;
        self.metrics.resize(options.metrics.len(), Vec::new());
        for (metric, sums) in options.metrics.iter().zip(&mut self.metrics) {
            metric.update(sums, answers)?;
        }
        Ok(())
    }

    pub(super) fn values(&self, options: &TrainOptions) -> BTreeMap<String, f64> {
        let loss = ("loss".to_owned(), self.loss / self.samples.max(1.0));
        let of = |(i, metric): (usize, &crate::Metric)| {
            (metric.name().to_owned(), metric.value(self.metrics.get(i).map_or(&[], Vec::as_slice)))
        };
        [loss].into_iter().chain(options.metrics.iter().enumerate().map(of)).collect()
    }
}

/// A batch's inputs on the device.
pub(super) fn values(
    network: &Network,
    inputs: &[emberline_net::Tensor],
    batch: usize,
    device: &Device,
) -> Result<Vec<Value>> {
    if inputs.len() != network.inputs().len() {
        return Err(Error::Data {
            what: format!("network `{}`", network.name()),
            problem: format!("expected {} inputs, found {}", network.inputs().len(), inputs.len()),
        });
    }
    let value = |(input, tensor): (&emberline_net::Input, &emberline_net::Tensor)| {
        let fits = tensor.shape().split_first() == Some((&batch, input.shape.as_slice())) && batch > 0;
        if !fits {
            let shape: String = input.shape.iter().map(|size| format!(", {size}")).collect();
            return Err(Error::Data {
                what: format!("input `{}`", input.name),
                problem: format!("expected shape [{}{shape}], found {:?}", batch.max(1), tensor.shape()),
            });
        }
        Ok(Value::from_numbers(tensor.data().to_vec(), batch, &input.shape, device))
    };
    network.inputs().iter().zip(inputs).map(value).collect()
}

/// Weights of samples, or of all their positions, as `[batch, 1, positions]`.
fn positions(weights: Vec<f32>, batch: usize, device: &Device) -> Result<Tensor<3>> {
    if batch == 0 || weights.is_empty() || !weights.len().is_multiple_of(batch) {
        return Err(Error::Data {
            what: "sample weights".to_owned(),
            problem: format!("expected one for each of the {batch} samples, found {}", weights.len()),
        });
    }
    let shape = [batch, 1, weights.len() / batch];
    Ok(Tensor::from_data(TensorData::new(weights, shape), device.plain()))
}

fn scalar(tensor: Tensor<1>) -> Result<f64> {
    Ok(numbers(tensor)?.first().copied().map_or(f64::NAN, f64::from))
}
