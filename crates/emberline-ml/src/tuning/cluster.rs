//! Tuning on other machines: what a search hands over to them. It deals the rows, chooses, and fits the best candidate itself.

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use emberline_table::Step;
use futures::StreamExt;
use futures::future::BoxFuture;

use super::folds::Folds;
use crate::error::{MlError, Result};
use crate::evaluation::Evaluator;
use crate::stage::FoldJob;

/// Machines that run shared stages over all rows, and measure candidates on folds.
///
/// A validator that has one reads of its table the columns' types alone: the rows are where the cluster is.
pub trait Cluster: Send + Sync {
    /// The columns `columns` of all rows, after `steps` have added theirs. They come into memory.
    ///
    /// # Errors
    /// When the cluster can't run them.
    fn table(&self, steps: Vec<Step>, columns: Vec<String>) -> BoxFuture<'_, Result<DataFrame>>;

    /// The metric of each job, or why there is none, as [`measure`] gives it; `table` has its folds in a column.
    ///
    /// # Errors
    /// When the cluster can't run them.
    fn measure(
        &self,
        table: DataFrame,
        jobs: Vec<FoldJob>,
        evaluator: Arc<dyn Evaluator>,
    ) -> BoxFuture<'_, Result<Vec<Result<f64, String>>>>;
}

/// Bytes that a fit may take: one alone takes little.
const MEMORY_MAX: usize = 1 << 30;

/// Fits one candidate on the rows that train for a fold, and measures it on those that validate: what a machine of a
/// [`Cluster`] does.
///
/// # Errors
/// When the candidate can't be fitted or measured.
pub async fn measure(table: DataFrame, job: FoldJob, evaluator: &dyn Evaluator) -> Result<f64> {
    let fold = job.fold;
    let folds = Folds::held_out(table, fold + 1);
    let estimator = Arc::clone(&job.estimator);
    let mut fits = estimator.fit_folds(&folds, vec![job], MEMORY_MAX);
    let Some((_, fitted)) = fits.next().await else {
        return Err(MlError::stage(estimator.params().uid(), "it gave no model"));
    };
    evaluator.evaluate(&fitted?.transform(folds.validation(fold)?)?).await
}
