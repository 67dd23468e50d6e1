//! MLlib's `BinaryClassificationEvaluator`: the stage around [`metrics::areas`](crate::metrics::areas).

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use futures::future::BoxFuture;

use super::Evaluator;
use super::scored::Scored;
use crate::error::{MlError, Result};
use crate::metrics::areas;
use crate::params::shared::{LABEL_COL, RAW_PREDICTION_COL, WEIGHT_COL};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::StageReader;
use crate::stage::{Stage, copied, stage_basics};

const METRIC_NAME: ParamSpec = ParamSpec::new("metricName", ParamKind::Text, "metric name")
    .default(ParamDefault::Text("areaUnderROC"))
    .constraint(Constraint::OneOf(&["areaUnderROC", "areaUnderPR"]));
const NUM_BINS: ParamSpec = ParamSpec::new(
    "numBins",
    ParamKind::Int,
    "about how many points the curves have where there are more different scores; 0 keeps all",
)
.default(ParamDefault::Int(1000))
.constraint(Constraint::AtLeast(0.0));

/// How well the scores of a classifier tell two classes apart: the area under a curve.
///
/// Scores are numbers, or vectors whose element 1 counts; rows whose label or score is null have no part in it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::{BinaryClassificationEvaluator, Evaluator};
/// let table = emberline_table::Session::new()
///     .sql("SELECT * FROM (VALUES (1.0, 0.9), (0.0, 0.8), (1.0, 0.3), (0.0, 0.1)) AS t (label, score)")
///     .await?;
/// let evaluator = BinaryClassificationEvaluator::new().raw_prediction_col("score");
/// assert_eq!(evaluator.evaluate(&table).await?, 0.75);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct BinaryClassificationEvaluator {
    params: Params,
}

impl BinaryClassificationEvaluator {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[LABEL_COL, RAW_PREDICTION_COL, WEIGHT_COL, METRIC_NAME, NUM_BINS];

    /// An evaluator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("BinaryClassificationEvaluator", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }
}

setters!(BinaryClassificationEvaluator {
    label_col: &str => "labelCol", raw_prediction_col: &str => "rawPredictionCol", weight_col: &str => "weightCol",
    metric_name: &str => "metricName", num_bins: usize => "numBins",
});

impl Stage for BinaryClassificationEvaluator {
    stage_basics!("BinaryClassificationEvaluator");
}

impl Evaluator for BinaryClassificationEvaluator {
    fn evaluate<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<f64>> {
        Box::pin(async move {
            self.params.validate()?;
            let scored = Scored::collect(&self.params, table, "rawPredictionCol", true).await?;
            let bins = self.params.count("numBins")?;
            let areas = areas(&scored.predictions, &scored.labels, scored.weights.as_deref(), bins)
                .map_err(|e| MlError::stage(self.params.uid(), e))?;
            let is_pr = self.params.text("metricName")? == "areaUnderPR";
            Ok(if is_pr { areas.pr } else { areas.roc })
        })
    }

    fn is_larger_better(&self) -> Result<bool> {
        self.params.validate().map(|()| true)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Evaluator>> {
        Ok(copied(self, extra)?)
    }
}
