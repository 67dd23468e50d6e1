//! What several workers have in common: the batches of a step as one, the sums of an epoch, and that they train the same.

use std::collections::BTreeMap;

use burn_tensor::Tensor;

use super::run::{Run, Sums};
use crate::{
    Device, Error, Result, Workers,
    forward::{Prediction, Value},
    loss::Divisor,
    random::Random,
    weights::{Weights, numbers, on_device},
};

/// What a network answered to a batch, and its losses.
pub(super) struct Answered {
    pub(super) prediction: Prediction,
    pub(super) target: Value,
    pub(super) sum: Tensor<1>,
    pub(super) divisor: Divisor,
    pub(super) samples: usize,
}

/// What a step found: its loss, and by weights where to go and what to keep.
#[derive(Default)]
pub(super) struct Found {
    pub(super) loss: f64,
    pub(super) gradients: BTreeMap<String, Tensor<1>>,
    pub(super) statistics: BTreeMap<String, Tensor<1>>,
}

/// The batches of all workers as one.
pub(super) struct Joint {
    /// The workers that have a batch.
    with_batch: f32,
    /// What makes the sum of all losses the loss; `None` where there is but one batch.
    divisor: Option<f32>,
    /// The share of the samples that this worker has.
    share: f32,
}

impl Joint {
    /// Of this worker's batch, if it has one left; `None` when nobody has.
    pub(super) fn of(workers: Option<&Workers>, answered: Option<&Answered>) -> Result<Option<Self>> {
        let Some(workers) = workers else {
            return Ok(answered.map(|_| Self { with_batch: 1.0, divisor: None, share: 1.0 }));
        };
        let own = match answered {
            Some(answered) => [1.0, answered.samples as f32, answered.divisor.number()?],
            None => [0.0; 3],
        };
        let mut all = own;
        workers.sum(&mut all)?;
        let [with_batch, samples, divisor] = all;
        let joint = || Self { with_batch, divisor: Some(divisor), share: own[1] / samples };
        Ok((with_batch > 0.0).then(joint))
    }

    /// This worker's part of the loss, `[1]`; a penalty counts once.
    pub(super) fn loss(&self, sum: Tensor<1>, divisor: Divisor, penalty: Option<Tensor<1>>) -> Tensor<1> {
        let divisor = match self.divisor {
            Some(of_all) => divisor.of_all(of_all),
            None => divisor,
        };
        let loss = divisor.divide(sum);
        match penalty {
            Some(penalty) if self.divisor.is_some() => loss + penalty / self.with_batch,
            Some(penalty) => loss + penalty,
            None => loss,
        }
    }

    /// Makes what this worker found what all of them did: the sum of gradients, and the mean of statistics.
    pub(super) fn sum(
        &self,
        workers: &Workers,
        weights: &Weights,
        device: &Device,
        found: &mut Found,
    ) -> Result<()> {
        let mut all = vec![found.loss as f32];
        for (name, weight) in weights.changing() {
            let (own, share) = match found.gradients.remove(name) {
                Some(gradient) => (Some(gradient), 1.0),
                None => (found.statistics.remove(name), self.share),
            };
            // Whether there are any comes first: a weight that no loss depends on has no gradient.
            all.push(f32::from(u8::from(own.is_some())));
            match own {
                Some(own) => all.extend(numbers(own)?.iter().map(|number| number * share)),
                None => all.resize(all.len() + weight.shape.iter().product::<usize>(), 0.0),
            }
        }
        workers.sum(&mut all)?;
        found.loss = f64::from(all[0]);
        let mut rest = &all[1..];
        for (name, weight) in weights.changing() {
            let (own, after) = rest.split_at(1 + weight.shape.iter().product::<usize>());
            rest = after;
            if own[0] > 0.0 {
                let kind = if weight.trainable { &mut found.gradients } else { &mut found.statistics };
                kind.insert(name.clone(), on_device(own[1..].to_vec(), device));
            }
        }
        Ok(())
    }
}

/// What a worker's random numbers are a function of: nobody drops the values that another drops.
pub(super) fn seed(seed: u64, workers: Option<&Workers>) -> u64 {
    match workers {
        Some(workers) if workers.size() > 1 => Random::new(&[seed, workers.rank() as u64]).bits(),
        _ => seed,
    }
}

impl Sums {
    /// The sums of all workers, the same bits everywhere.
    pub(super) fn together(&self, workers: &Workers) -> Result<Self> {
        let mut own = vec![self.loss, self.samples];
        for metric in &self.metrics {
            own.push(metric.len() as f64);
            own.extend(metric);
        }
        let bytes: Vec<u8> = own.iter().flat_map(|number| number.to_le_bytes()).collect();
        let mut all = Self::default();
        for said in workers.gather(&bytes)? {
            let mut numbers = said.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
            all.loss += numbers.next().unwrap_or_default();
            all.samples += numbers.next().unwrap_or_default();
            for metric in 0.. {
                let Some(len) = numbers.next() else { break };
                if all.metrics.len() <= metric {
                    all.metrics.push(Vec::new());
                }
                let sums = &mut all.metrics[metric];
                for (i, number) in numbers.by_ref().take(len as usize).enumerate() {
                    match sums.get_mut(i) {
                        Some(sum) => *sum += number,
                        None => sums.push(number),
                    }
                }
            }
        }
        Ok(all)
    }
}

impl Run<'_> {
    /// Fails when the workers do not begin alike.
    pub(super) fn agree(&self, validated: bool) -> Result<()> {
        let Some(workers) = &self.options.workers else { return Ok(()) };
        let (steps, epochs) = (self.state.steps, self.options.epochs);
        let own = format!("{} {epochs} {steps} {} {validated}", self.identity, self.progress.batch);
        let said = workers.gather(own.as_bytes())?;
        match said.iter().position(|said| said != own.as_bytes()) {
            None => Ok(()),
            Some(other) => Err(Error::Workers {
                problem: format!(
                    "workers {} and {other} do not begin alike: expected one network, the same settings, checkpoints of the same \
                     step, and samples to validate with all workers or with none",
                    workers.rank()
                ),
            }),
        }
    }
}
