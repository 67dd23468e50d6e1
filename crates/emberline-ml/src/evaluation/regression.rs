//! MLlib's `RegressionEvaluator`: the stage around [`metrics::Regression`](crate::metrics::Regression).

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use futures::future::BoxFuture;

use super::Evaluator;
use super::scored::Scored;
use crate::error::{MlError, Result};
use crate::metrics::{Regression, RegressionMetric};
use crate::params::shared::{LABEL_COL, PREDICTION_COL, WEIGHT_COL};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::StageReader;
use crate::stage::{Stage, copied, stage_basics};

const METRIC_NAME: ParamSpec = ParamSpec::new("metricName", ParamKind::Text, "metric name")
    .default(ParamDefault::Text("rmse"))
    .constraint(Constraint::OneOf(&["rmse", "mse", "r2", "mae", "var"]));
const THROUGH_ORIGIN: ParamSpec = ParamSpec::new(
    "throughOrigin",
    ParamKind::Bool,
    "whether r2 compares with predicting 0 instead of the mean, as suits a regression without an intercept",
)
.default(ParamDefault::Bool(false));

/// How far predicted numbers are from the labels, by one of MLlib's metrics; the root of the mean squared error unless
/// told otherwise.
///
/// Rows whose label or prediction is null have no part in it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::{Evaluator, RegressionEvaluator};
/// let table = emberline_table::Session::new()
///     .sql("SELECT * FROM (VALUES (1.0, 1.0), (2.0, 2.0), (3.0, 5.0), (4.0, 4.0)) AS t (label, prediction)")
///     .await?;
/// assert_eq!(RegressionEvaluator::new().evaluate(&table).await?, 1.0);
/// assert_eq!(RegressionEvaluator::new().metric_name("mae").evaluate(&table).await?, 0.5);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct RegressionEvaluator {
    params: Params,
}

impl RegressionEvaluator {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[LABEL_COL, PREDICTION_COL, WEIGHT_COL, METRIC_NAME, THROUGH_ORIGIN];

    /// An evaluator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("RegressionEvaluator", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    fn metric(&self) -> Result<RegressionMetric> {
        self.params.validate()?;
        let metric = self.params.text("metricName")?.parse();
        metric.map_err(|e| MlError::stage(self.params.uid(), e))
    }
}

setters!(RegressionEvaluator {
    label_col: &str => "labelCol", prediction_col: &str => "predictionCol", weight_col: &str => "weightCol",
    metric_name: &str => "metricName", through_origin: bool => "throughOrigin",
});

impl Stage for RegressionEvaluator {
    stage_basics!("RegressionEvaluator");
}

impl Evaluator for RegressionEvaluator {
    fn evaluate<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<f64>> {
        Box::pin(async move {
            let metric = self.metric()?;
            let scored = Scored::collect(&self.params, table, "predictionCol", false).await?;
            let compared = Regression::new(&scored.labels, &scored.predictions, scored.weights.as_deref())
                .map_err(|e| MlError::stage(self.params.uid(), e))?;
            Ok(compared.metric(metric, self.params.bool("throughOrigin")?))
        })
    }

    fn is_larger_better(&self) -> Result<bool> {
        Ok(self.metric()?.is_larger_better())
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Evaluator>> {
        Ok(copied(self, extra)?)
    }
}
