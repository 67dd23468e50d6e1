//! One training: the head first, then all layers that may, each phase over the values that frozen layers before it give, computed
//! once where pictures stay the same in all epochs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use emberline_net::{Network, OnnxOptions, PrepareOptions, Prepared, Tensor, TensorView, default_runtime};
use emberline_train::{
    CheckpointOptions, Epoch, Error, Event, FrozenTrunk, LayerOptions, Result, Trained, fit,
};

use super::augment::Augmentation;
use super::batches::{BatchSettings, ExampleBatches};
use super::estimator::TrainingEvent;
use super::examples::{Element, Examples, RecordWriter, failed};
use super::settings::{ChosenLoss, Settings};
use super::workers::workers;

/// Examples that a thread runs frozen layers over at once.
const FEATURE_BATCH: usize = 16;

/// All that a training needs.
pub(super) struct Job {
    pub(super) network: Network,
    pub(super) settings: Settings,
    pub(super) loss: ChosenLoss,
    pub(super) examples: Arc<Examples>,
    pub(super) mean: [f32; 3],
    pub(super) std: [f32; 3],
    /// What the file says of single layers.
    pub(super) layers: BTreeMap<String, LayerOptions>,
    /// The folder of this run's checkpoints.
    pub(super) checkpoints: Option<PathBuf>,
    pub(super) observer: Box<dyn Fn(&TrainingEvent) + Send + Sync>,
    /// Set when nobody waits for it any more.
    pub(super) cancelled: Arc<AtomicBool>,
}

impl Job {
    /// Trains.
    pub(super) fn run(&self) -> Result<Trained> {
        let Settings { epochs, head_epochs, freeze_until, .. } = &self.settings;
        let mut network = self.network.clone();
        let mut history = Vec::new();
        if *head_epochs > 0 {
            let head = self.head()?;
            let first = self.phase(&network, Some(&head), *head_epochs, 0)?;
            if *epochs == 0 {
                return Ok(first);
            }
            (network, history) = (first.network, first.history);
        }
        let before = history.len();
        let mut last = self.phase(&network, freeze_until.as_deref(), *epochs, before)?;
        last.best_epoch += before;
        history.append(&mut last.history);
        Ok(Trained { history, ..last })
    }

    /// The last layer with weights.
    fn head(&self) -> Result<String> {
        let weighted = weighted_layers(&self.network);
        let head = self.network.nodes().iter().rev().find(|node| weighted.contains(node.weights_name()));
        head.map(|node| node.name.clone()).ok_or_else(|| Error::Setting {
            subject: format!("network `{}`", self.network.name()),
            problem: "no layer has weights to train".to_owned(),
        })
    }

    /// Some epochs in which the layers from `freeze_until` on train. Numbers of epochs go on from those `before`.
    fn phase(
        &self,
        network: &Network,
        freeze_until: Option<&str>,
        epochs: usize,
        before: usize,
    ) -> Result<Trained> {
        let mut options = self.settings.options(&self.loss);
        options.epochs = epochs;
        options.freeze_until = freeze_until.map(str::to_owned);
        let has = |layer: &str| network.layer_names().any(|name| name == layer);
        let described = self.layers.iter().filter(|(layer, _)| has(layer));
        options.layers = described.map(|(layer, options)| (layer.clone(), options.clone())).collect();
        for (layers, factor) in self.groups(network)? {
            options.scale_learning_rate(layers.iter().map(String::as_str), factor);
        }
        let every_steps = self.settings.checkpoint.as_ref().and_then(|checkpoint| checkpoint.every_steps);
        options.checkpoint = self.checkpoints.as_ref().map(|folder| CheckpointOptions {
            every_steps,
            ..CheckpointOptions::new(folder.join(format!("from-epoch-{}", before + 1)))
        });
        options.workers = workers();
        let stay_the_same = self.settings.augmentation == Augmentation::default();
        let parts = match stay_the_same && network.inputs().len() == 1 {
            true => FrozenTrunk::of(network, &options)?,
            false => None,
        };
        let (learning, options, examples) = match &parts {
            Some(parts) => (&parts.head, &parts.options, Arc::new(self.features(&parts.trunk)?)),
            None => (network, &options, self.examples.clone()),
        };
        let (mut training, mut validation) = self.batches(learning, &examples, parts.is_some());
        training.epochs_before = before;
        let steps = training.steps();
        let mut observe = |event: &Event<'_>| match event {
            Event::Step { epoch, step, loss, learning_rate, .. } => (self.observer)(&TrainingEvent::Step {
                epoch: epoch + before,
                step: *step,
                steps,
                loss: *loss,
                learning_rate: *learning_rate,
            }),
            Event::Epoch(epoch) => (self.observer)(&TrainingEvent::Epoch(later(epoch, before))),
            _ => {}
        };
        let validation = validation.as_mut().map(|batches| batches as &mut dyn emberline_train::Batches);
        let mut trained = fit(learning, options, &mut training, validation, &mut observe)?;
        trained.history.iter_mut().for_each(|epoch| *epoch = later(epoch, before));
        if let Some(parts) = &parts {
            trained.network = parts.join(network, &trained.network)?;
        }
        Ok(trained)
    }

    /// The batches to train on and to look at, of which there may be none.
    fn batches(
        &self,
        network: &Network,
        examples: &Arc<Examples>,
        features: bool,
    ) -> (ExampleBatches, Option<ExampleBatches>) {
        let (mean, std) = if features { ([0.0; 3], [1.0; 3]) } else { (self.mean, self.std) };
        let output = network.output_shapes().first().map_or(&[][..], |shape| *shape);
        let settings = BatchSettings {
            batch_size: self.settings.batch_size,
            shuffle: self.settings.shuffle,
            seed: self.settings.seed,
            augmentation: self.settings.augmentation,
            mean,
            std,
            sparse: self.loss.loss.is_sparse(),
            output_shape: output.to_vec(),
        };
        let (count, held_out) = (examples.count(), examples.held_out(self.settings.validation_split));
        let places = |from: u32, to: u32| (from..to).collect::<Vec<u32>>();
        let validation = (held_out > 0).then(|| {
            let settings =
                BatchSettings { shuffle: false, augmentation: Augmentation::default(), ..settings.clone() };
            ExampleBatches::new(examples, places(count - held_out, count), settings, &self.cancelled)
        });
        (ExampleBatches::new(examples, places(0, count - held_out), settings, &self.cancelled), validation)
    }

    /// The layers of each group and their factor.
    fn groups(&self, network: &Network) -> Result<Vec<(Vec<String>, f64)>> {
        let names: Vec<&str> = network.layer_names().collect();
        let place = |(layer, factor): &(String, f64)| match names.iter().position(|name| name == layer) {
            Some(place) => Ok((place, *factor)),
            None => Err(Error::Setting {
                subject: "learning rate factors".to_owned(),
                problem: format!("network `{}` has no layer `{layer}`", network.name()),
            }),
        };
        let mut starts = self.settings.factors.iter().map(place).collect::<Result<Vec<_>>>()?;
        starts.sort_by_key(|(place, _)| *place);
        let ends = starts.iter().skip(1).map(|(place, _)| *place).chain([names.len()]);
        let groups = starts.iter().zip(ends).map(|((from, factor), to)| {
            (names[*from..to].iter().map(|name| (*name).to_owned()).collect(), *factor)
        });
        Ok(groups.collect())
    }

    /// What the trunk makes of the examples, under the same numbers.
    fn features(&self, trunk: &Network) -> Result<Examples> {
        let onnx = trunk.fold_batch_norms()?.to_onnx(&OnnxOptions::default())?;
        let prepared = default_runtime().prepare(&onnx, &PrepareOptions::default())?;
        let shape = trunk.output_shapes().first().map_or(Vec::new(), |shape| shape.to_vec());
        let mut writer = RecordWriter::new(Element::Number, &[shape]).map_err(failed)?;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let count = self.examples.count();
        let chunks: Vec<(u32, u32)> = (0..count)
            .step_by(FEATURE_BATCH)
            .map(|from| (from, count.min(from + FEATURE_BATCH as u32)))
            .collect();
        let mut bytes = Vec::new();
        for (at, round) in chunks.chunks(threads).enumerate() {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Error::Data {
                    what: "training".into(),
                    problem: "nobody waits for it any more".into(),
                });
            }
            let answers = thread::scope(|scope| {
                let spawn = |&(from, to): &(u32, u32)| {
                    let prepared = &prepared;
                    scope.spawn(move || self.answers(prepared.as_ref(), from, to))
                };
                let running: Vec<_> = round.iter().map(spawn).collect();
                running.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
            });
            for answer in answers {
                let ended = |_| Error::Data {
                    what: "frozen layers".into(),
                    problem: "their thread has ended".into(),
                };
                writer.write(&answer.map_err(ended)??, &mut bytes).map_err(failed)?;
            }
            let done = (at + 1) * threads * FEATURE_BATCH;
            (self.observer)(&TrainingEvent::Features { done: done.min(count as usize), of: count as usize });
        }
        let Examples { targets, names, order, digest, left_out, .. } = self.examples.as_ref();
        Ok(Examples {
            records: writer.finish().map_err(failed)?,
            targets: targets.clone(),
            names: names.clone(),
            order: order.clone(),
            digest: *digest,
            left_out: left_out.clone(),
        })
    }

    /// The trunk's answers to some records.
    fn answers(&self, trunk: &dyn Prepared, from: u32, to: u32) -> Result<Vec<f32>> {
        let records = &self.examples.records;
        let mut reader = records.reader();
        let mut numbers = Vec::with_capacity((to - from) as usize * records.len());
        (from..to).try_for_each(|record| reader.read(record, &mut numbers)).map_err(failed)?;
        // A trunk is computed apart where there is one input.
        let shape = records.shapes.first().map_or(&[][..], Vec::as_slice);
        let channels = shape.last().copied().unwrap_or(1).max(1);
        for pixel in numbers.chunks_exact_mut(channels) {
            for (value, (mean, std)) in pixel.iter_mut().zip(self.mean.iter().zip(self.std)) {
                *value = (*value - mean) / std;
            }
        }
        let shape: Vec<usize> = [(to - from) as usize].into_iter().chain(shape.iter().copied()).collect();
        let answers = trunk.run(&[TensorView::new(&shape, &numbers)?])?;
        Ok(answers.into_iter().next().map_or(Vec::new(), Tensor::into_data))
    }
}

fn later(epoch: &Epoch, before: usize) -> Epoch {
    Epoch { epoch: epoch.epoch + before, ..epoch.clone() }
}

/// The names under which layers keep weights.
fn weighted_layers(network: &Network) -> BTreeSet<String> {
    network.weight_shapes().keys().filter_map(|name| Some(name.rsplit_once('/')?.0.to_owned())).collect()
}
