//! Examples as batches: read, augmented and put together by threads that are some batches ahead of the training steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use emberline_net::Tensor;
use emberline_train::{Batch, BatchIterator, Batches, Error, shuffled_order};

use super::augment::{Augmentation, Draws};
use super::examples::{Examples, RecordReader, failed};
use super::labels::Targets;

/// Batches that each thread is ahead of the training.
const BATCHES_AHEAD: usize = 2;
/// Numbers apart what random numbers are for.
const MIXUP: u64 = 1 << 40;

/// How examples become batches.
#[derive(Debug, Clone)]
pub(super) struct BatchSettings {
    pub(super) batch_size: usize,
    /// What the order of each epoch is a function of, beside the epoch; without it, the order is that of the rows' content.
    pub(super) shuffle: bool,
    pub(super) seed: u64,
    pub(super) augmentation: Augmentation,
    /// What is subtracted from each channel and what then divides it; the first ones where there are fewer channels.
    pub(super) mean: [f32; 3],
    pub(super) std: [f32; 3],
    /// Whether the loss takes numbers of classes.
    pub(super) sparse: bool,
    /// Of one sample.
    pub(super) output_shape: Vec<usize>,
}

/// Some of the examples, as training wants them.
#[derive(Debug, Clone)]
pub(super) struct ExampleBatches {
    maker: Arc<Maker>,
    /// Added to the numbers of epochs: the first phase's.
    pub(super) epochs_before: usize,
    /// Set when nobody waits for the training any more.
    cancelled: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Maker {
    examples: Arc<Examples>,
    /// Places in the order by content.
    places: Vec<u32>,
    settings: BatchSettings,
}

impl ExampleBatches {
    /// Batches of the examples at some places of their order.
    pub(super) fn new(
        examples: &Arc<Examples>,
        places: Vec<u32>,
        settings: BatchSettings,
        cancelled: &Arc<AtomicBool>,
    ) -> Self {
        let maker = Maker { examples: examples.clone(), places, settings };
        Self { maker: Arc::new(maker), epochs_before: 0, cancelled: cancelled.clone() }
    }

    /// Batches in an epoch.
    pub(super) fn steps(&self) -> usize {
        self.maker.places.len().div_ceil(self.maker.settings.batch_size.max(1))
    }
}

impl Batches for ExampleBatches {
    fn epoch(&mut self, epoch: usize, skipped: usize) -> Result<BatchIterator<'_>, Error> {
        let epoch = epoch + self.epochs_before;
        let Maker { places, settings, .. } = self.maker.as_ref();
        let order: Vec<u32> = match settings.shuffle {
            true => {
                shuffled_order(places.len(), settings.seed, epoch).into_iter().map(|i| places[i]).collect()
            }
            false => places.clone(),
        };
        let batches: Vec<Vec<u32>> =
            order.chunks(settings.batch_size.max(1)).skip(skipped).map(<[u32]>::to_vec).collect();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.div_ceil(2).min(batches.len());
        let batches = Arc::new(batches);
        let receivers = (0..threads)
            .map(|first| {
                let (sender, receiver) = sync_channel(BATCHES_AHEAD);
                let (maker, batches) = (self.maker.clone(), batches.clone());
                let make = move || maker.run(&batches, first, threads, epoch as u64, &sender);
                let spawned = thread::Builder::new().name("examples".into()).spawn(make);
                spawned.map(|_| receiver).map_err(failed)
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Box::new(Ahead { receivers, next: 0, left: batches.len(), cancelled: self.cancelled.clone() }))
    }
}

/// The batches of all threads in their order.
struct Ahead {
    receivers: Vec<Receiver<Result<Batch, Error>>>,
    next: usize,
    left: usize,
    cancelled: Arc<AtomicBool>,
}

impl Iterator for Ahead {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Some(Err(Error::Data {
                what: "training".into(),
                problem: "nobody waits for it any more".into(),
            }));
        }
        self.left = self.left.checked_sub(1)?;
        let receiver = self.receivers.get(self.next)?;
        self.next = (self.next + 1) % self.receivers.len();
        Some(receiver.recv().unwrap_or_else(|_| {
            Err(Error::Data {
                what: "examples".into(),
                problem: "the thread that reads them has ended".into(),
            })
        }))
    }
}

impl Maker {
    /// Every `step`th batch from `first` on, until nobody takes them.
    fn run(
        &self,
        batches: &[Vec<u32>],
        first: usize,
        step: usize,
        epoch: u64,
        sender: &SyncSender<Result<Batch, Error>>,
    ) {
        let mut reader = self.examples.records.reader();
        for places in batches.iter().skip(first).step_by(step) {
            let batch = self.batch(places, epoch, &mut reader);
            let ends = batch.is_err();
            if sender.send(batch).is_err() || ends {
                return;
            }
        }
    }

    fn batch(&self, places: &[u32], epoch: u64, reader: &mut RecordReader) -> Result<Batch, Error> {
        let Self { examples, settings, .. } = self;
        let shapes = &examples.records.shapes;
        let first = shapes.first().map_or(&[][..], Vec::as_slice);
        let mut inputs = Vec::with_capacity(places.len() * examples.records.len());
        let mut pixels = Vec::new();
        for place in places {
            pixels.clear();
            reader.read(examples.order[*place as usize], &mut pixels).map_err(failed)?;
            if let ([height, width, channels], false) = (first, settings.augmentation.is_none()) {
                let mut draws = Draws::of(&[settings.seed, epoch, u64::from(*place)]);
                settings.augmentation.apply(&mut pixels, [*height, *width, *channels], &mut draws);
            }
            let start = inputs.len();
            inputs.extend_from_slice(&pixels);
            self.normalise(&mut inputs[start..], first.last().copied().unwrap_or(1));
        }
        let mut targets = self.targets(places);
        if settings.augmentation.mixup > 0.0 {
            let purpose =
                [settings.seed, epoch, MIXUP, u64::from(places.first().copied().unwrap_or_default())];
            let share = Draws::of(&purpose).beta(settings.augmentation.mixup);
            mix(&mut inputs, places.len(), share);
            mix(&mut targets, places.len(), share);
        }
        let target_shape = match settings.sparse {
            true => vec![places.len()],
            false => [places.len()].into_iter().chain(settings.output_shape.iter().copied()).collect(),
        };
        Ok(Batch {
            inputs: apart(inputs, places.len(), shapes)?,
            targets: Tensor::new(target_shape, targets)?,
            weights: None,
        })
    }

    fn normalise(&self, numbers: &mut [f32], channels: usize) {
        let BatchSettings { mean, std, .. } = self.settings;
        if mean == [0.0; 3] && std == [1.0; 3] {
            return;
        }
        for pixel in numbers.chunks_exact_mut(channels.max(1)) {
            for (value, (mean, std)) in pixel.iter_mut().zip(mean.iter().zip(std)) {
                *value = (*value - mean) / std;
            }
        }
    }

    fn targets(&self, places: &[u32]) -> Vec<f32> {
        let records = places.iter().map(|place| self.examples.order[*place as usize] as usize);
        let width: usize = self.settings.output_shape.iter().product();
        match self.examples.targets.as_ref() {
            Targets::Values(width, values) => {
                records.flat_map(|record| values[record * width..][..*width].iter().copied()).collect()
            }
            Targets::Classes(classes) if self.settings.sparse => {
                records.map(|record| classes[record] as f32).collect()
            }
            Targets::Classes(classes) => {
                let mut one_hot = vec![0.0; places.len() * width];
                for (row, record) in records.enumerate() {
                    one_hot[row * width + classes[record] as usize] = 1.0;
                }
                one_hot
            }
        }
    }
}

/// The inputs of samples in which they lie one after the other.
fn apart(numbers: Vec<f32>, samples: usize, shapes: &[Vec<usize>]) -> Result<Vec<Tensor>, Error> {
    let of_batch = |shape: &[usize]| [samples].into_iter().chain(shape.iter().copied()).collect();
    if let [shape] = shapes {
        return Ok(vec![Tensor::new(of_batch(shape), numbers)?]);
    }
    let width = numbers.len() / samples.max(1);
    let mut before = 0;
    let input = |shape: &Vec<usize>| {
        let own = before..before + shape.iter().product::<usize>();
        before = own.end;
        let own =
            numbers.chunks_exact(width.max(1)).flat_map(|sample| &sample[own.clone()]).copied().collect();
        Ok(Tensor::new(of_batch(shape), own)?)
    };
    shapes.iter().map(input).collect()
}

/// Every sample becomes a share of itself and the rest of the sample opposite to it.
fn mix(numbers: &mut [f32], samples: usize, share: f32) {
    let len = numbers.len() / samples.max(1);
    for low in 0..samples / 2 {
        let (front, back) = numbers.split_at_mut((samples - 1 - low) * len);
        for (a, b) in front[low * len..][..len].iter_mut().zip(&mut back[..len]) {
            (*a, *b) = (*a * share + *b * (1.0 - share), *b * share + *a * (1.0 - share));
        }
    }
}
