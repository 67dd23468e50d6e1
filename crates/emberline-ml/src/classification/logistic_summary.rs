//! How well a logistic regression fits some rows: MLlib's `LogisticRegressionSummary`.

use crate::linear::{Decision, LogisticModel, Matrix};
use crate::metrics::{Curve, MetricError, Multiclass, MulticlassMetric};
use crate::predictor::TrainingSummary;

/// Points that a curve has about, as in MLlib.
const BINS: usize = 1000;

/// How the training of a [`LogisticRegression`](crate::LogisticRegression) went, and how well the model fits the rows it learned
/// from. It is not saved.
#[derive(Debug, Clone)]
pub struct LogisticRegressionTrainingSummary {
    /// The objective, iterations and rows.
    pub training: TrainingSummary,
    /// The metrics of the training rows.
    pub metrics: LogisticRegressionSummary,
}

/// The metrics of a logistic regression over some rows.
#[derive(Debug, Clone)]
pub struct LogisticRegressionSummary {
    counts: Multiclass,
    curve: Option<Curve>,
}

impl LogisticRegressionSummary {
    pub(super) fn new(
        model: &LogisticModel,
        decision: &Decision,
        x: &Matrix<'_>,
        labels: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<Self, MetricError> {
        let raw = model.raw(x);
        let counts = Multiclass::new(labels, &model.predict(&raw, decision), weights)?;
        let curve = if model.outputs() == 2 {
            let scores: Vec<f64> = model.probability(&raw).chunks_exact(2).map(|p| p[1]).collect();
            Some(Curve::new(&scores, labels, weights, BINS)?)
        } else {
            None
        };
        Ok(Self { counts, curve })
    }

    /// The labels that occur, ascending: the order of what is by label.
    pub fn labels(&self) -> &[f64] {
        self.counts.labels()
    }

    /// Share of the rows predicted right.
    pub fn accuracy(&self) -> f64 {
        self.counts.accuracy()
    }

    /// Weighted mean precision.
    pub fn weighted_precision(&self) -> f64 {
        self.counts.average_by_label(MulticlassMetric::PrecisionByLabel, 1.0)
    }

    /// Weighted mean recall, which is also the weighted true positive rate.
    pub fn weighted_recall(&self) -> f64 {
        self.counts.average_by_label(MulticlassMetric::RecallByLabel, 1.0)
    }

    /// Weighted mean false positive rate.
    pub fn weighted_false_positive_rate(&self) -> f64 {
        self.counts.average_by_label(MulticlassMetric::FalsePositiveRateByLabel, 1.0)
    }

    /// Weighted mean F-measure.
    pub fn weighted_f_measure(&self, beta: f64) -> f64 {
        self.counts.average_by_label(MulticlassMetric::FMeasureByLabel, beta)
    }

    /// Precision of each label.
    pub fn precision_by_label(&self) -> Vec<f64> {
        self.counts.by_label(MulticlassMetric::PrecisionByLabel, 1.0)
    }

    /// Recall of each label, which is also its true positive rate.
    pub fn recall_by_label(&self) -> Vec<f64> {
        self.counts.by_label(MulticlassMetric::RecallByLabel, 1.0)
    }

    /// False positive rate of each label.
    pub fn false_positive_rate_by_label(&self) -> Vec<f64> {
        self.counts.by_label(MulticlassMetric::FalsePositiveRateByLabel, 1.0)
    }

    /// F-measure of each label.
    pub fn f_measure_by_label(&self, beta: f64) -> Vec<f64> {
        self.counts.by_label(MulticlassMetric::FMeasureByLabel, beta)
    }

    /// The curves that the probability of class 1 draws, and the area under them: MLlib's `roc`, `areaUnderROC`, `pr` and
    /// `...ByThreshold`. `None` with more than two classes.
    pub fn curve(&self) -> Option<&Curve> {
        self.curve.as_ref()
    }
}
