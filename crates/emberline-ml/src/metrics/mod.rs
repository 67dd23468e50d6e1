//! Measures of how good predictions are, exactly as Spark's evaluators compute them. Slices in, a number out.
//!
//! One file per evaluator: [`Multiclass`], [`binary`](areas), [`Regression`] and [`clustering`](silhouette). Everything is weighted; sums run in the
//! order of the rows or of the labels, so the same rows always give the same bits.

mod binary;
mod clustering;
mod error;
mod multiclass;
mod regression;

pub use binary::{Areas, Curve, areas};
pub use clustering::{Dissimilarity, silhouette};
pub use error::MetricError;
pub use multiclass::{Multiclass, MulticlassMetric, log_loss};
pub use regression::{Regression, RegressionMetric};
