//! A cluster that Python knows how to reach, for tuning.

use std::sync::Arc;

use emberline::Step;
use emberline::datafusion::dataframe::DataFrame;
use emberline::ml::{Cluster, Evaluator, FoldJob, MlError, Saved};
use futures::FutureExt;
use futures::future::BoxFuture;
use pyo3::prelude::*;

use crate::error::Failure;
use crate::function::Function;
use crate::stage::Stage;
use crate::table::Table;

/// A Python object with `table(function or None, columns) -> Table` and `measure(table, [(estimator, fold)], evaluator)`,
/// which gives a metric or a reason, the other being None, for each pair.
#[derive(Clone)]
pub(crate) struct PythonCluster {
    uid: String,
    object: Arc<Py<PyAny>>,
}

impl PythonCluster {
    pub(crate) fn new(uid: String, object: Py<PyAny>) -> Self {
        Self { uid, object: Arc::new(object) }
    }

    /// Calls Python on a thread that may wait as long as the cluster takes.
    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, MlError>> {
        let failed = |reason: String| MlError::Stage { stage: self.uid.clone(), reason };
        let object = Arc::clone(&self.object);
        let called = tokio::task::spawn_blocking(move || {
            Python::attach(|py| work(py, object.bind(py)).map_err(|error| error.to_string()))
        });
        async move { called.await.map_err(|error| failed(error.to_string()))?.map_err(failed) }.boxed()
    }
}

impl Cluster for PythonCluster {
    fn table(&self, steps: Vec<Step>, columns: Vec<String>) -> BoxFuture<'_, Result<DataFrame, MlError>> {
        self.call(move |_, object| {
            let function = match steps.is_empty() {
                true => None,
                false => Some(Function::of_steps(steps).map_err(Failure::from)?),
            };
            let table = object.call_method1("table", (function, columns))?;
            Ok(table.cast::<Table>()?.get().frame.clone())
        })
    }

    fn measure(
        &self,
        table: DataFrame,
        jobs: Vec<FoldJob>,
        evaluator: Arc<dyn Evaluator>,
    ) -> BoxFuture<'_, Result<Vec<Result<f64, String>>, MlError>> {
        self.call(move |_, object| {
            let jobs: Vec<(Stage, usize)> =
                jobs.into_iter().map(|job| (Saved::Estimator(job.estimator).into(), job.fold)).collect();
            let count = jobs.len();
            let evaluator: Stage = Saved::Evaluator(evaluator).into();
            let outcomes = object.call_method1("measure", (Table::from(table), jobs, evaluator))?;
            let outcomes: Vec<(Option<f64>, Option<String>)> = outcomes.extract()?;
            let missing = || "the cluster gave no answer".to_string();
            let of = |(metric, reason): (Option<f64>, Option<String>)| {
                metric.ok_or_else(|| reason.unwrap_or_else(missing))
            };
            let mut outcomes: Vec<Result<f64, String>> = outcomes.into_iter().map(of).collect();
            outcomes.resize_with(count, || Err(missing()));
            Ok(outcomes)
        })
    }
}
