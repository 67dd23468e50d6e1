//! Metrics of predicted classes: MLlib's `MulticlassMetrics`, behind `MulticlassClassificationEvaluator`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::MetricError;
use super::error::{check_length, check_values, checked_weights};

/// Weighted counts of (label, prediction) pairs, and everything that follows from them.
///
/// Labels are those that occur as labels. A class that is only ever predicted lowers the others' figures but has none of
/// its own, as in MLlib. Rows of weight 0 take no part.
///
/// ```
/// # use emberline_ml::metrics::{Multiclass, MulticlassMetric};
/// let m = Multiclass::new(&[0.0, 1.0, 1.0, 0.0], &[0.0, 1.0, 0.0, 0.0], None)?;
/// assert_eq!(m.accuracy(), 0.75);
/// assert_eq!(m.confusion(), [2.0, 0.0, 1.0, 1.0]);
/// # Ok::<(), emberline_ml::metrics::MetricError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Multiclass {
    labels: Vec<f64>,
    classes: Vec<Class>,
    confusion: Vec<f64>,
    total: f64,
}

/// Weights that concern one label.
#[derive(Debug, Clone, Copy, Default)]
struct Class {
    /// Rows with the label.
    label: f64,
    /// Rows with the label predicted.
    true_positive: f64,
    /// Rows without the label predicted to have it.
    false_positive: f64,
}

/// The names of `MulticlassClassificationEvaluator.metricName`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names are Spark's, and `Multiclass` documents what they measure")]
pub enum MulticlassMetric {
    #[default]
    F1,
    Accuracy,
    WeightedPrecision,
    WeightedRecall,
    WeightedTruePositiveRate,
    WeightedFalsePositiveRate,
    WeightedFMeasure,
    TruePositiveRateByLabel,
    FalsePositiveRateByLabel,
    PrecisionByLabel,
    RecallByLabel,
    FMeasureByLabel,
    LogLoss,
    HammingLoss,
}

impl Multiclass {
    /// Counts `labels` against `predictions`, both class numbers, one pair per row.
    ///
    /// # Errors
    /// Columns of different lengths, NaN or infinite values, weights that are negative or all 0.
    pub fn new(labels: &[f64], predictions: &[f64], weights: Option<&[f64]>) -> Result<Self, MetricError> {
        check_length("prediction", labels.len(), predictions.len())?;
        check_values("label", labels, "a finite number", f64::is_finite)?;
        check_values("prediction", predictions, "a finite number", f64::is_finite)?;
        let weights = checked_weights(labels.len(), weights)?;

        let rows = labels.iter().zip(predictions).zip(&weights).filter(|(_, weight)| **weight > 0.0);
        let mut ascending: Vec<f64> = rows.clone().map(|((&label, _), _)| label).collect();
        ascending.sort_by(f64::total_cmp);
        ascending.dedup();
        let index = |value: f64| ascending.iter().position(|&label| label == value);
        let mut pairs: BTreeMap<(Option<usize>, Option<usize>), f64> = BTreeMap::new();
        for ((&label, &prediction), weight) in rows {
            *pairs.entry((index(label), index(prediction))).or_default() += weight;
        }
        let count = ascending.len();
        let mut counted = Self {
            labels: ascending,
            classes: vec![Class::default(); count],
            confusion: vec![0.0; count * count],
            total: 0.0,
        };
        for ((label, prediction), weight) in pairs {
            counted.add(label, prediction, weight);
        }
        counted.total = counted.classes.iter().map(|class| class.label).sum();
        Ok(counted)
    }

    fn add(&mut self, label: Option<usize>, prediction: Option<usize>, weight: f64) {
        if let Some(label) = label {
            self.classes[label].label += weight;
        }
        match (label, prediction) {
            (Some(label), Some(prediction)) => {
                self.confusion[label * self.labels.len() + prediction] = weight;
                if label == prediction {
                    self.classes[label].true_positive += weight;
                } else {
                    self.classes[prediction].false_positive += weight;
                }
            }
            (None, Some(prediction)) => self.classes[prediction].false_positive += weight,
            (_, None) => {}
        }
    }

    /// The labels, ascending.
    pub fn labels(&self) -> &[f64] {
        &self.labels
    }

    /// Confusion matrix `[labels, labels]`: labels in rows, predictions in columns.
    pub fn confusion(&self) -> &[f64] {
        &self.confusion
    }

    /// Share of the rows predicted right.
    pub fn accuracy(&self) -> f64 {
        self.classes.iter().map(|class| class.true_positive).sum::<f64>() / self.total
    }

    /// Share of the rows predicted wrong.
    pub fn hamming_loss(&self) -> f64 {
        let wrong: f64 = self.classes.iter().map(|class| class.label - class.true_positive).sum();
        wrong / self.total
    }

    /// A metric by name. `label` is the class of the `...ByLabel` metrics, `beta` weighs recall against precision in
    /// F-measures. Returns `None` for the log-loss, which needs probabilities: see [`log_loss`].
    ///
    /// # Errors
    /// A `label` that no row has, where it matters.
    pub fn metric(
        &self,
        metric: MulticlassMetric,
        label: f64,
        beta: f64,
    ) -> Result<Option<f64>, MetricError> {
        use MulticlassMetric as M;
        let f_measure = |class: &Class, beta: f64| class.f_measure(beta);
        Ok(Some(match metric {
            M::F1 => self.average(|class| f_measure(class, 1.0)),
            M::Accuracy => self.accuracy(),
            M::WeightedPrecision => self.average(Class::precision),
            M::WeightedRecall | M::WeightedTruePositiveRate => self.average(Class::recall),
            M::WeightedFalsePositiveRate => self.average(|class| class.false_positive_rate(self.total)),
            M::WeightedFMeasure => self.average(|class| f_measure(class, beta)),
            M::TruePositiveRateByLabel | M::RecallByLabel => self.class(label)?.recall(),
            M::FalsePositiveRateByLabel => self.class(label)?.false_positive_rate(self.total),
            M::PrecisionByLabel => self.class(label)?.precision(),
            M::FMeasureByLabel => f_measure(self.class(label)?, beta),
            M::HammingLoss => self.hamming_loss(),
            M::LogLoss => return Ok(None),
        }))
    }

    /// A `...ByLabel` metric of each label, in the order of [`labels`](Self::labels).
    pub fn by_label(&self, metric: MulticlassMetric, beta: f64) -> Vec<f64> {
        self.labels.iter().filter_map(|label| self.metric(metric, *label, beta).ok().flatten()).collect()
    }

    /// Mean of a `...ByLabel` metric over the labels, weighted by how often they occur.
    pub fn average_by_label(&self, metric: MulticlassMetric, beta: f64) -> f64 {
        let shares = self.classes.iter().map(|class| class.label / self.total);
        self.by_label(metric, beta).into_iter().zip(shares).map(|(value, share)| value * share).sum()
    }

    /// Mean over the labels, weighted by how often they occur.
    fn average(&self, of: impl Fn(&Class) -> f64) -> f64 {
        self.classes.iter().map(|class| of(class) * class.label / self.total).sum()
    }

    fn class(&self, label: f64) -> Result<&Class, MetricError> {
        match self.labels.iter().position(|&l| l == label) {
            Some(index) => Ok(&self.classes[index]),
            None => Err(MetricError::Setting {
                name: "metricLabel",
                expected: format!("a label of the data, one of {:?}", self.labels),
                found: label,
            }),
        }
    }
}

impl Class {
    /// Share of the predictions of the label that are right; 0 without any.
    fn precision(&self) -> f64 {
        let predicted = self.true_positive + self.false_positive;
        if predicted == 0.0 { 0.0 } else { self.true_positive / predicted }
    }

    /// Share of the rows with the label that were predicted to have it.
    fn recall(&self) -> f64 {
        self.true_positive / self.label
    }

    /// Share of the rows without the label that were predicted to have it.
    fn false_positive_rate(&self, total: f64) -> f64 {
        self.false_positive / (total - self.label)
    }

    fn f_measure(&self, beta: f64) -> f64 {
        let (precision, recall, square) = (self.precision(), self.recall(), beta * beta);
        if precision + recall == 0.0 {
            0.0
        } else {
            (1.0 + square) * precision * recall / (square * precision + recall)
        }
    }
}

/// Weighted mean of `-log(probability of the label)`, probabilities clipped to `[eps, 1 - eps]`.
///
/// `probabilities` is `[rows, classes]`; labels are its columns.
///
/// # Errors
/// Columns of different lengths, labels that are no columns, weights that are negative or all 0, `eps` outside (0, 0.5).
pub fn log_loss(
    labels: &[f64],
    probabilities: &[f64],
    classes: usize,
    weights: Option<&[f64]>,
    eps: f64,
) -> Result<f64, MetricError> {
    if !(eps > 0.0 && eps < 0.5) {
        return Err(MetricError::Setting {
            name: "eps",
            expected: "a number between 0 and 0.5".into(),
            found: eps,
        });
    }
    check_length("probability", labels.len().saturating_mul(classes), probabilities.len())?;
    let valid = |label: f64| label >= 0.0 && label.fract() == 0.0 && label < classes as f64;
    check_values("label", labels, "the number of a probability", valid)?;
    let weights = checked_weights(labels.len(), weights)?;
    let mut sum = 0.0;
    for (row, (&label, weight)) in labels.iter().zip(&weights).enumerate() {
        let probability = probabilities[row * classes + label as usize];
        let loss = if probability < eps {
            -eps.ln()
        } else if probability > 1.0 - eps {
            -(-eps).ln_1p()
        } else {
            -probability.ln()
        };
        sum += loss * weight;
    }
    Ok(sum / weights.iter().sum::<f64>())
}

impl MulticlassMetric {
    /// All of them, in Spark's order.
    pub const ALL: [Self; 14] = [
        Self::F1,
        Self::Accuracy,
        Self::WeightedPrecision,
        Self::WeightedRecall,
        Self::WeightedTruePositiveRate,
        Self::WeightedFalsePositiveRate,
        Self::WeightedFMeasure,
        Self::TruePositiveRateByLabel,
        Self::FalsePositiveRateByLabel,
        Self::PrecisionByLabel,
        Self::RecallByLabel,
        Self::FMeasureByLabel,
        Self::LogLoss,
        Self::HammingLoss,
    ];

    /// Spark's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F1 => "f1",
            Self::Accuracy => "accuracy",
            Self::WeightedPrecision => "weightedPrecision",
            Self::WeightedRecall => "weightedRecall",
            Self::WeightedTruePositiveRate => "weightedTruePositiveRate",
            Self::WeightedFalsePositiveRate => "weightedFalsePositiveRate",
            Self::WeightedFMeasure => "weightedFMeasure",
            Self::TruePositiveRateByLabel => "truePositiveRateByLabel",
            Self::FalsePositiveRateByLabel => "falsePositiveRateByLabel",
            Self::PrecisionByLabel => "precisionByLabel",
            Self::RecallByLabel => "recallByLabel",
            Self::FMeasureByLabel => "fMeasureByLabel",
            Self::LogLoss => "logLoss",
            Self::HammingLoss => "hammingLoss",
        }
    }

    /// Whether a larger value is better.
    pub fn is_larger_better(self) -> bool {
        use MulticlassMetric as M;
        !matches!(
            self,
            M::WeightedFalsePositiveRate | M::FalsePositiveRateByLabel | M::LogLoss | M::HammingLoss
        )
    }
}

impl fmt::Display for MulticlassMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for MulticlassMetric {
    type Err = MetricError;

    fn from_str(name: &str) -> Result<Self, MetricError> {
        Self::ALL.into_iter().find(|metric| metric.name() == name).ok_or_else(|| MetricError::Name {
            expected: Self::ALL.map(Self::name).join(", "),
            found: name.to_owned(),
        })
    }
}
