//! Losses by Keras' names and definitions: <https://keras.io/api/losses/>.

use burn_tensor::{Bool, Tensor, activation};
use emberline_net::Activation;
use serde_json::Value as Json;

use crate::{
    Error, Result,
    config::Config,
    forward::{Prediction, Value, softplus, split},
    penalty::{EPSILON, normalized},
    weights::numbers,
};

const NAMES: &str = "CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy, \
    CategoricalFocalCrossentropy, BinaryFocalCrossentropy, MeanSquaredError (mse), MeanAbsoluteError (mae), \
    MeanAbsolutePercentageError (mape), MeanSquaredLogarithmicError (msle), Huber, LogCosh, Poisson, KLDivergence (kld), \
    Hinge, SquaredHinge, CategoricalHinge, CosineSimilarity";

/// A loss with its settings, read from Keras' name or configuration.
///
/// ```
/// use emberline_train::Loss;
/// use serde_json::json;
///
/// assert!(Loss::parse(&"sparse_categorical_crossentropy".into())?.is_sparse());
/// let error = Loss::parse(&json!({"name": "huber", "delta": "wide"})).unwrap_err();
/// assert_eq!(error.to_string(), "loss `huber`: parameter `delta`: expected a number of at least 0, found \"wide\"");
/// # Ok::<(), emberline_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    kind: Kind,
    reduction: Reduction,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    CategoricalCrossentropy { from_logits: bool, smoothing: f64 },
    SparseCategoricalCrossentropy { from_logits: bool, ignored: Option<f64> },
    BinaryCrossentropy { from_logits: bool, smoothing: f64 },
    CategoricalFocalCrossentropy { alpha: f64, gamma: f64, from_logits: bool, smoothing: f64 },
    BinaryFocalCrossentropy { alpha: Option<f64>, gamma: f64, from_logits: bool, smoothing: f64 },
    MeanSquaredError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    Huber { delta: f64 },
    LogCosh,
    Poisson,
    KlDivergence,
    Hinge,
    SquaredHinge,
    CategoricalHinge,
    CosineSimilarity,
}

/// What makes a sum of losses a loss.
pub(crate) enum Divisor {
    None,
    Count(f64),
    /// `[1]`, and the least that is divided by.
    Weight(Box<Tensor<1>>, f32),
}

/// How the losses of samples become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    Mean,
    /// The sum, divided by the sum of the samples' weights.
    WeightedMean,
    Sum,
}

impl Loss {
    /// Reads a loss's name or configuration.
    ///
    /// # Errors
    /// When there is no such loss, or a parameter is wrong.
    pub fn parse(value: &Json) -> Result<Self> {
        let mut config = Config::new("loss", value)?;
        let kind = Kind::parse(&mut config)?;
        config.only("axis", &Json::from(-1))?;
        config.take("fn");
        let reductions = ["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum"];
        let reduction = match config.choice("reduction", "sum_over_batch_size", &reductions)? {
            "sum" => Reduction::Sum,
            "mean_with_sample_weight" => Reduction::WeightedMean,
            _ => Reduction::Mean,
        };
        config.finish()?;
        Ok(Self { kind, reduction })
    }

    /// Whether targets are numbers of classes rather than a number for every output.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        matches!(self.kind, Kind::SparseCategoricalCrossentropy { .. })
    }

    /// The sum of a batch's losses, `[1]`, and what divides it. `weights` has a number for every sample or for every position of
    /// every sample.
    pub(crate) fn sum(
        &self,
        prediction: &Prediction,
        target: &Value,
        weights: Option<&Tensor<3>>,
    ) -> (Tensor<1>, Divisor) {
        let (mut values, mask) = self.kind.values(prediction, target);
        let count = values.shape().num_elements() as f64;
        if let Some(weights) = weights {
            values = values * weights.clone();
        }
        // Positions that do not count are left out of the mean, too.
        let divisor = match (self.reduction, weights, &mask) {
            (Reduction::Sum, ..) => Divisor::None,
            (_, _, Some(mask)) => Divisor::Weight(Box::new(mask.clone().sum()), 1.0),
            (Reduction::WeightedMean, Some(weights), None) => {
                let repeated = count / weights.shape().num_elements() as f64;
                Divisor::Weight(Box::new(weights.clone().sum() * repeated), f32::MIN_POSITIVE)
            }
            _ => Divisor::Count(count),
        };
        let values = if let Some(mask) = mask { values * mask } else { values };
        (values.sum(), divisor)
    }

    /// The losses of samples, all positions in one row: what the metric of the same name is the mean of.
    pub(crate) fn values(&self, prediction: &Prediction, target: &Value) -> Tensor<3> {
        self.kind.values(prediction, target).0
    }

    /// A batch's target as values beside those of the output, from numbers of a shape with the batch.
    ///
    /// # Errors
    /// When the shape is not that of the output, or a class is none of the output's.
    pub(crate) fn target(
        &self,
        target: &emberline_net::Tensor,
        output: &[usize],
        device: &crate::Device,
    ) -> Result<Value> {
        let [batch, given @ ..] = target.shape() else {
            return Err(shape_error("[batch, ...]", target.shape()));
        };
        let (positions, classes) = split(output);
        let outer = output.split_last().map_or(&[][..], |(_, outer)| outer);
        if let Kind::SparseCategoricalCrossentropy { ignored, .. } = self.kind {
            if given != outer && given.split_last() != Some((&1, outer)) {
                return Err(shape_error(
                    &format!("[batch{}] of class numbers", listed(outer)),
                    target.shape(),
                ));
            }
            let mut one_hot = vec![0.0; batch * positions * classes];
            for (i, &label) in target.data().iter().enumerate() {
                if ignored == Some(f64::from(label)) {
                    continue;
                }
                if label.fract() != 0.0 || !(0.0..classes as f32).contains(&label) {
                    return Err(Error::Data {
                        what: format!("target of sample {}", i / positions),
                        problem: format!("expected a class from 0 to {}, found {label}", classes - 1),
                    });
                }
                one_hot[i * classes + label as usize] = 1.0;
            }
            return Ok(Value::from_numbers(one_hot, *batch, output, device));
        }
        if given != output && !(classes == 1 && given == outer) {
            let hint = match given.len() < output.len() || given.last() == Some(&1) {
                true => "; for class numbers there is sparse_categorical_crossentropy",
                false => "",
            };
            return Err(shape_error(&format!("[batch{}]{hint}", listed(output)), target.shape()));
        }
        Ok(Value::from_numbers(target.data().to_vec(), *batch, output, device))
    }
}

impl Divisor {
    pub(crate) fn divide(self, sum: Tensor<1>) -> Tensor<1> {
        match self {
            Self::None => sum,
            Self::Count(count) => sum / count,
            Self::Weight(weight, least) => sum / weight.clamp_min(least),
        }
    }

    /// As a number, which is 0 where nothing divides.
    pub(crate) fn number(&self) -> Result<f32> {
        match self {
            Self::None => Ok(0.0),
            Self::Count(count) => Ok(*count as f32),
            Self::Weight(weight, _) => {
                Ok(numbers(weight.as_ref().clone())?.first().copied().unwrap_or_default())
            }
        }
    }

    /// The same of several batches, whose numbers have this sum.
    #[must_use]
    pub(crate) fn of_all(&self, sum: f32) -> Self {
        match self {
            Self::None => Self::None,
            Self::Count(_) => Self::Count(f64::from(sum)),
            Self::Weight(_, least) => Self::Count(f64::from(sum.max(*least))),
        }
    }
}

impl Kind {
    fn parse(config: &mut Config) -> Result<Self> {
        Ok(match config.name() {
            "categoricalcrossentropy" => Self::CategoricalCrossentropy {
                from_logits: config.flag("from_logits", false)?,
                smoothing: smoothing(config)?,
            },
            "sparsecategoricalcrossentropy" => Self::SparseCategoricalCrossentropy {
                from_logits: config.flag("from_logits", false)?,
                ignored: config.optional_number("ignore_class", f64::NEG_INFINITY, f64::INFINITY)?,
            },
            "binarycrossentropy" | "bce" => Self::BinaryCrossentropy {
                from_logits: config.flag("from_logits", false)?,
                smoothing: smoothing(config)?,
            },
            "categoricalfocalcrossentropy" => Self::CategoricalFocalCrossentropy {
                alpha: config.number("alpha", 0.25)?,
                gamma: config.number("gamma", 2.0)?,
                from_logits: config.flag("from_logits", false)?,
                smoothing: smoothing(config)?,
            },
            "binaryfocalcrossentropy" => {
                let alpha = config.number_within("alpha", 0.25, 0.0, 1.0)?;
                Self::BinaryFocalCrossentropy {
                    alpha: config.flag("apply_class_balancing", false)?.then_some(alpha),
                    gamma: config.number("gamma", 2.0)?,
                    from_logits: config.flag("from_logits", false)?,
                    smoothing: smoothing(config)?,
                }
            }
            "meansquarederror" | "mse" => Self::MeanSquaredError,
            "meanabsoluteerror" | "mae" => Self::MeanAbsoluteError,
            "meanabsolutepercentageerror" | "mape" => Self::MeanAbsolutePercentageError,
            "meansquaredlogarithmicerror" | "msle" => Self::MeanSquaredLogarithmicError,
            "huber" | "huberloss" => Self::Huber { delta: config.number("delta", 1.0)? },
            "logcosh" => Self::LogCosh,
            "poisson" => Self::Poisson,
            "kldivergence" | "kld" | "kullbackleiblerdivergence" => Self::KlDivergence,
            "hinge" => Self::Hinge,
            "squaredhinge" => Self::SquaredHinge,
            "categoricalhinge" => Self::CategoricalHinge,
            "cosinesimilarity" => Self::CosineSimilarity,
            _ => return Err(config.unknown(NAMES)),
        })
    }

    /// `[batch, 1, positions]`, and which of them count where not all do.
    fn values(&self, prediction: &Prediction, target: &Value) -> (Tensor<3>, Option<Tensor<3>>) {
        let (output, wanted) = (prediction.output.clone().data(), target.clone().data());
        let difference = || output.clone() - wanted.clone();
        let values = match *self {
            Self::CategoricalCrossentropy { from_logits, smoothing } => {
                (smoothed(wanted, smoothing) * log_softmax(prediction, from_logits, true)).sum_dim(1).neg()
            }
            Self::SparseCategoricalCrossentropy { from_logits, ignored } => {
                let losses = (wanted.clone() * log_softmax(prediction, from_logits, false)).sum_dim(1).neg();
                // What is ignored has no class.
                return (losses, ignored.map(|_| wanted.sum_dim(1)));
            }
            Self::BinaryCrossentropy { from_logits, smoothing } => {
                let smooth = wanted * (1.0 - smoothing) + 0.5 * smoothing;
                match logits(prediction, Activation::Sigmoid, from_logits) {
                    Some(logits) => (softplus(logits.clone()) - logits * smooth).mean_dim(1),
                    None => binary_crossentropy(output, smooth).mean_dim(1),
                }
            }
            Self::CategoricalFocalCrossentropy { .. } => self.categorical_focal(output, wanted),
            Self::BinaryFocalCrossentropy { .. } => self.binary_focal(prediction, output, wanted),
            Self::MeanSquaredError => difference().square().mean_dim(1),
            Self::MeanAbsoluteError => difference().abs().mean_dim(1),
            Self::MeanAbsolutePercentageError => {
                (difference().abs() / wanted.clone().abs().clamp_min(EPSILON)).mean_dim(1) * 100.0
            }
            Self::MeanSquaredLogarithmicError => {
                let log = |values: Tensor<3>| (values.clamp_min(EPSILON) + 1.0).log();
                (log(output) - log(wanted)).square().mean_dim(1)
            }
            Self::Huber { delta } => {
                let error = difference().abs();
                let near = error.clone().lower_equal_elem(delta);
                let far = error.clone() * delta - 0.5 * delta * delta;
                far.mask_where(near, error.square() * 0.5).mean_dim(1)
            }
            Self::LogCosh => {
                let error = difference();
                (error.clone() + softplus(error * -2.0) - std::f64::consts::LN_2).mean_dim(1)
            }
            Self::Poisson => (output.clone() - wanted * (output + EPSILON).log()).mean_dim(1),
            Self::KlDivergence => {
                let (output, wanted) = (output.clamp(EPSILON, 1.0), wanted.clamp(EPSILON, 1.0));
                (wanted.clone() * (wanted.log() - output.log())).sum_dim(1)
            }
            Self::Hinge => hinge(output, wanted).mean_dim(1),
            Self::SquaredHinge => hinge(output, wanted).square().mean_dim(1),
            Self::CategoricalHinge => {
                let right = (wanted.clone() * output.clone()).sum_dim(1);
                let wrong = ((wanted.neg() + 1.0) * output).max_dim(1);
                (wrong - right + 1.0).clamp_min(0.0)
            }
            Self::CosineSimilarity => (normalized(output, 1) * normalized(wanted, 1)).sum_dim(1).neg(),
        };
        (values, None)
    }

    fn categorical_focal(&self, output: Tensor<3>, wanted: Tensor<3>) -> Tensor<3> {
        let Self::CategoricalFocalCrossentropy { alpha, gamma, from_logits, smoothing } = *self else {
            return output;
        };
        let smooth = smoothed(wanted, smoothing);
        let output = if from_logits { activation::softmax(output, 1) } else { output };
        let shares = clipped(output.clone() / output.sum_dim(1));
        let factor = (shares.clone().neg() + 1.0).powf_scalar(gamma) * alpha;
        (factor * smooth * shares.log()).sum_dim(1).neg()
    }

    fn binary_focal(&self, prediction: &Prediction, output: Tensor<3>, wanted: Tensor<3>) -> Tensor<3> {
        let Self::BinaryFocalCrossentropy { alpha, gamma, from_logits, smoothing } = *self else {
            return output;
        };
        let smooth = wanted * (1.0 - smoothing) + 0.5 * smoothing;
        let output = if from_logits { activation::sigmoid(output) } else { output };
        // Of a sigmoid's output Keras takes the entropy of what went in.
        let entropy = match logits(prediction, Activation::Sigmoid, false).filter(|_| !from_logits) {
            Some(logits) => softplus(logits.clone()) - logits * smooth.clone(),
            None => binary_crossentropy(output.clone(), smooth.clone()),
        };
        let not = |values: Tensor<3>| values.neg() + 1.0;
        let right = smooth.clone() * output.clone() + not(smooth.clone()) * not(output);
        let focal = not(right).powf_scalar(gamma) * entropy;
        match alpha {
            Some(alpha) => ((smooth.clone() * alpha + not(smooth) * (1.0 - alpha)) * focal).mean_dim(1),
            None => focal.mean_dim(1),
        }
    }
}

/// Targets with a part of them spread over all classes.
fn smoothed(wanted: Tensor<3>, smoothing: f64) -> Tensor<3> {
    let classes = wanted.dims()[1] as f64;
    wanted * (1.0 - smoothing) + smoothing / classes
}

fn smoothing(config: &mut Config) -> Result<f64> {
    config.number_within("label_smoothing", 0.0, 0.0, 1.0)
}

/// What an activation's output is made of, or the output itself where the loss is told so.
fn logits(prediction: &Prediction, activation: Activation, from_logits: bool) -> Option<Tensor<3>> {
    match &prediction.logits {
        Some((found, logits)) if *found == activation => Some(logits.clone().data()),
        _ => from_logits.then(|| prediction.output.clone().data()),
    }
}

/// The logarithms of the classes' shares.
fn log_softmax(prediction: &Prediction, from_logits: bool, divided: bool) -> Tensor<3> {
    if let Some(logits) = logits(prediction, Activation::Softmax, from_logits) {
        return activation::log_softmax(logits, 1);
    }
    let output = prediction.output.clone().data();
    match divided {
        true => clipped(output.clone() / output.sum_dim(1)).log(),
        // Keras takes the logarithms of probabilities for logits here, which divides by their sum.
        false => activation::log_softmax(clipped(output).log(), 1),
    }
}

fn binary_crossentropy(output: Tensor<3>, wanted: Tensor<3>) -> Tensor<3> {
    let output = clipped(output);
    let not = |values: Tensor<3>| values.neg() + 1.0;
    (wanted.clone() * output.clone().log() + not(wanted) * not(output).log()).neg()
}

fn clipped(shares: Tensor<3>) -> Tensor<3> {
    shares.clamp(EPSILON, 1.0 - EPSILON)
}

/// `max(1 - wanted * output, 0)`, where targets of 0 and 1 alone are taken for -1 and 1.
fn hinge(output: Tensor<3>, wanted: Tensor<3>) -> Tensor<3> {
    let other: Tensor<3, Bool> =
        wanted.clone().not_equal_elem(0.0).bool_and(wanted.clone().not_equal_elem(1.0));
    let mixed = other.any().expand::<3, _>(wanted.dims());
    let signs = (wanted.clone() * 2.0 - 1.0).mask_where(mixed, wanted);
    ((signs * output).neg() + 1.0).clamp_min(0.0)
}

fn listed(shape: &[usize]) -> String {
    shape.iter().map(|size| format!(", {size}")).collect()
}

fn shape_error(expected: &str, found: &[usize]) -> Error {
    Error::Data { what: "targets".to_owned(), problem: format!("expected shape {expected}, found {found:?}") }
}
