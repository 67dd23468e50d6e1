//! Evaluators: from a table with predictions to a number.

mod binary;
mod clustering;
mod multiclass;
mod regression;
mod scored;

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use futures::future::BoxFuture;

pub use binary::BinaryClassificationEvaluator;
pub use clustering::ClusteringEvaluator;
pub use multiclass::MulticlassClassificationEvaluator;
pub use regression::RegressionEvaluator;

use crate::error::Result;
use crate::params::ParamMap;
use crate::stage::Stage;

/// Measures how good predictions are.
pub trait Evaluator: Stage {
    /// The metric over all rows of a table.
    ///
    /// # Errors
    /// When a param is out of its range, a column is missing or of the wrong type, or there are no rows.
    fn evaluate<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<f64>>;

    /// Whether a larger metric is a better one.
    ///
    /// # Errors
    /// When the metric's name is not one.
    fn is_larger_better(&self) -> Result<bool>;

    /// A copy with the values of `extra` that are of this evaluator.
    ///
    /// # Errors
    /// When `extra` has a param that does not exist.
    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Evaluator>>;
}
