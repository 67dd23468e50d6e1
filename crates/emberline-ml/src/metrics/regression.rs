//! Metrics of predicted numbers: MLlib's `RegressionMetrics`.

use std::fmt;
use std::str::FromStr;

use super::MetricError;
use super::error::{check_length, check_values, checked_weights};

/// Weighted sums over (label, prediction) pairs, and what follows from them.
///
/// ```
/// # use emberline_ml::metrics::{Regression, RegressionMetric};
/// let r = Regression::new(&[1.0, 2.0, 3.0], &[1.0, 2.0, 5.0], None)?;
/// assert_eq!(r.metric(RegressionMetric::Mae, false), 2.0 / 3.0);
/// # Ok::<(), emberline_ml::metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Regression {
    weight: f64,
    /// `Σ w·|label - prediction|`.
    absolute: f64,
    /// `Σ w·(label - prediction)²`.
    squared: f64,
    /// `Σ w·label²`.
    label_squared: f64,
    /// Weighted unbiased variance of the labels times `Σw - 1`, which is Spark's total sum of squares.
    total: f64,
    /// `Σ w·(prediction - mean label)²`.
    explained: f64,
}

/// The names of `RegressionEvaluator.metricName`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegressionMetric {
    /// Root of the mean squared error.
    #[default]
    Rmse,
    /// Mean squared error.
    Mse,
    /// Coefficient of determination.
    R2,
    /// Mean absolute error.
    Mae,
    /// Explained variance.
    Var,
}

impl Regression {
    /// Compares `labels` with `predictions`, one pair per row.
    ///
    /// # Errors
    /// Columns of different lengths, NaN or infinite values, weights that are negative or all 0.
    pub fn new(labels: &[f64], predictions: &[f64], weights: Option<&[f64]>) -> Result<Self, MetricError> {
        check_length("prediction", labels.len(), predictions.len())?;
        check_values("label", labels, "a finite number", f64::is_finite)?;
        check_values("prediction", predictions, "a finite number", f64::is_finite)?;
        let weights = checked_weights(labels.len(), weights)?;

        let weight: f64 = weights.iter().sum();
        let weight_squares: f64 = weights.iter().map(|w| w * w).sum();
        let mean = weights.iter().zip(labels).map(|(w, label)| w * label).sum::<f64>() / weight;
        let mut sums =
            Self { weight, absolute: 0.0, squared: 0.0, label_squared: 0.0, total: 0.0, explained: 0.0 };
        for ((label, prediction), w) in labels.iter().zip(predictions).zip(&weights) {
            let error = label - prediction;
            sums.absolute += w * error.abs();
            sums.squared += w * error * error;
            sums.label_squared += w * label * label;
            sums.total += w * (label - mean) * (label - mean);
            sums.explained += w * (prediction - mean) * (prediction - mean);
        }
        // 1 without weights. With weights Spark mixes two conventions; its figures are kept.
        sums.total *= (weight - 1.0) / (weight - weight_squares / weight);
        Ok(sums)
    }

    /// A metric by name. `through_origin` compares R² with predicting 0 instead of the mean.
    pub fn metric(&self, metric: RegressionMetric, through_origin: bool) -> f64 {
        match metric {
            RegressionMetric::Rmse => (self.squared / self.weight).sqrt(),
            RegressionMetric::Mse => self.squared / self.weight,
            RegressionMetric::R2 if through_origin => 1.0 - self.squared / self.label_squared,
            RegressionMetric::R2 => 1.0 - self.squared / self.total,
            RegressionMetric::Mae => self.absolute / self.weight,
            RegressionMetric::Var => self.explained / self.weight,
        }
    }
}

impl RegressionMetric {
    /// All of them, in Spark's order.
    pub const ALL: [Self; 5] = [Self::Rmse, Self::Mse, Self::R2, Self::Mae, Self::Var];

    /// Spark's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rmse => "rmse",
            Self::Mse => "mse",
            Self::R2 => "r2",
            Self::Mae => "mae",
            Self::Var => "var",
        }
    }

    /// Whether a larger value is better.
    pub fn is_larger_better(self) -> bool {
        matches!(self, Self::R2 | Self::Var)
    }
}

impl fmt::Display for RegressionMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RegressionMetric {
    type Err = MetricError;

    fn from_str(name: &str) -> Result<Self, MetricError> {
        Self::ALL.into_iter().find(|metric| metric.name() == name).ok_or_else(|| MetricError::Name {
            expected: Self::ALL.map(Self::name).join(", "),
            found: name.to_owned(),
        })
    }
}
