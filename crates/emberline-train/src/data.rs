//! What training is fed: batches, epoch by epoch, in an order that seed and epoch decide.

use emberline_net::Tensor;

use crate::{Error, Result, random::Random};

/// Some samples side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// For every input of the network, `[batch, ...]`.
    pub inputs: Vec<Tensor>,
    /// What the output should be, `[batch, ...]`: a number for every output, or for
    /// [sparse](crate::Loss::is_sparse) losses the numbers of classes.
    pub targets: Tensor,
    /// How much every sample counts, if not the same.
    pub weights: Option<Vec<f32>>,
}

impl Batch {
    /// The number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.shape().first().copied().unwrap_or_default()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The batches of an epoch.
pub type BatchIterator<'a> = Box<dyn Iterator<Item = Result<Batch>> + 'a>;

/// Where batches come from. Whoever reads images from disk implements it, and need not hold more than some batches at once.
pub trait Batches {
    /// The batches of an epoch, from 0, without the first `skipped` ones, which a resumed run has seen. Equal epochs must give
    /// equal batches, or a resumed run ends with other weights.
    ///
    /// # Errors
    /// When the batches can't be read.
    fn epoch(&mut self, epoch: usize, skipped: usize) -> Result<BatchIterator<'_>>;
}

/// Samples in memory.
///
/// ```
/// use emberline_net::Tensor;
/// use emberline_train::{Batches, Samples};
///
/// let inputs = Tensor::new(vec![3, 1], vec![1., 2., 3.])?;
/// let targets = Tensor::new(vec![3, 1], vec![0., 1., 1.])?;
/// let mut samples = Samples::new(vec![inputs], targets, 2)?.shuffled(7);
/// let sizes: Vec<usize> = samples.epoch(0, 0)?.map(|batch| Ok(batch?.len())).collect::<Result<_, emberline_train::Error>>()?;
/// assert_eq!(sizes, [2, 1]);
/// # Ok::<(), emberline_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Samples {
    inputs: Vec<Tensor>,
    targets: Tensor,
    weights: Option<Vec<f32>>,
    batch_size: usize,
    /// The seed of the order; without one, samples come as they are.
    seed: Option<u64>,
}

impl Samples {
    /// Samples in the order they have, `[samples, ...]` each.
    ///
    /// # Errors
    /// When inputs and targets are not of as many samples, or batches are of none.
    pub fn new(inputs: Vec<Tensor>, targets: Tensor, batch_size: usize) -> Result<Self> {
        let count = |tensor: &Tensor| tensor.shape().first().copied().unwrap_or_default();
        if let Some(input) = inputs.iter().find(|input| count(input) != count(&targets)) {
            return Err(Error::Data {
                what: "samples".to_owned(),
                problem: format!(
                    "expected as many inputs as targets, found shapes {:?} and {:?}",
                    input.shape(),
                    targets.shape()
                ),
            });
        }
        if batch_size == 0 {
            return Err(Error::Setting {
                subject: "samples".to_owned(),
                problem: "parameter `batch_size`: expected at least 1, found 0".to_owned(),
            });
        }
        Ok(Self { inputs, targets, weights: None, batch_size, seed: None })
    }

    /// In another order every epoch.
    #[must_use]
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// With how much every sample counts.
    ///
    /// # Errors
    /// When there are not as many weights as samples.
    pub fn weighted(mut self, weights: Vec<f32>) -> Result<Self> {
        let samples = self.targets.shape().first().copied().unwrap_or_default();
        if weights.len() != samples {
            return Err(Error::Data {
                what: "sample weights".to_owned(),
                problem: format!("expected one for each of the {samples} samples, found {}", weights.len()),
            });
        }
        self.weights = Some(weights);
        Ok(self)
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        let inputs = self.inputs.iter().map(|input| gather(input, rows)).collect::<Result<_>>()?;
        let weights = self.weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row]).collect());
        Ok(Batch { inputs, targets: gather(&self.targets, rows)?, weights })
    }
}

impl Batches for Samples {
    fn epoch(&mut self, epoch: usize, skipped: usize) -> Result<BatchIterator<'_>> {
        let samples = self.targets.shape().first().copied().unwrap_or_default();
        let rows = match self.seed {
            Some(seed) => shuffled_order(samples, seed, epoch),
            None => (0..samples).collect(),
        };
        let batches: Vec<Vec<usize>> =
            rows.chunks(self.batch_size).skip(skipped).map(<[usize]>::to_vec).collect();
        Ok(Box::new(batches.into_iter().map(|rows| self.batch(&rows))))
    }
}

/// The order of `samples` samples in an epoch: Fisher and Yates' shuffle with random numbers of seed and epoch.
///
/// ```
/// use emberline_train::shuffled_order;
///
/// assert_eq!(shuffled_order(5, 1, 0), shuffled_order(5, 1, 0));
/// assert_ne!(shuffled_order(50, 1, 0), shuffled_order(50, 1, 1));
/// ```
#[must_use]
pub fn shuffled_order(samples: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut random = Random::new(&[seed, epoch as u64]);
    let mut order: Vec<usize> = (0..samples).collect();
    for last in (1..samples).rev() {
        order.swap(last, random.below(last + 1));
    }
    order
}

/// Rows of a tensor, by their places along the first axis.
fn gather(tensor: &Tensor, rows: &[usize]) -> Result<Tensor> {
    let len = tensor.shape().iter().skip(1).product::<usize>();
    let values = rows.iter().flat_map(|row| &tensor.data()[row * len..(row + 1) * len]).copied().collect();
    let shape = [rows.len()].into_iter().chain(tensor.shape().iter().skip(1).copied()).collect();
    Ok(Tensor::new(shape, values)?)
}
