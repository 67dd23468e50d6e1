//! MLlib's `ClusteringEvaluator`: the stage around [`metrics::silhouette`](crate::metrics::silhouette).

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use futures::future::BoxFuture;

use super::Evaluator;
use crate::error::{MlError, Result};
use crate::metrics::{Dissimilarity, silhouette};
use crate::params::shared::{FEATURES_COL, PREDICTION_COL, WEIGHT_COL};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::StageReader;
use crate::predictor::{features_length, number_field};
use crate::stage::{Stage, copied, stage_basics};
use crate::training_data::{TrainingColumns, TrainingData};

const METRIC_NAME: ParamSpec = ParamSpec::new("metricName", ParamKind::Text, "metric name")
    .default(ParamDefault::Text("silhouette"))
    .constraint(Constraint::OneOf(&["silhouette"]));
const DISTANCE_MEASURE: ParamSpec =
    ParamSpec::new("distanceMeasure", ParamKind::Text, "how far vectors are apart")
        .default(ParamDefault::Text("squaredEuclidean"))
        .constraint(Constraint::OneOf(&["squaredEuclidean", "cosine"]));

/// How close the members of a cluster are compared with those of the next one: the silhouette, from -1 to 1.
///
/// Rows whose features or cluster are null have no part in it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::{ClusteringEvaluator, Evaluator};
/// let table = emberline_table::Session::new()
///     .sql("SELECT arrow_cast([x], 'FixedSizeList(1 x Float64)') AS features, c AS prediction
///           FROM (VALUES (0.0, 0), (0.1, 0), (9.0, 1), (9.1, 1)) AS t (x, c)")
///     .await?;
/// assert!(ClusteringEvaluator::new().evaluate(&table).await? > 0.999);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct ClusteringEvaluator {
    params: Params,
}

impl ClusteringEvaluator {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[FEATURES_COL, PREDICTION_COL, WEIGHT_COL, METRIC_NAME, DISTANCE_MEASURE];

    /// An evaluator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("ClusteringEvaluator", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }
}

setters!(ClusteringEvaluator {
    features_col: &str => "featuresCol", prediction_col: &str => "predictionCol", weight_col: &str => "weightCol",
    metric_name: &str => "metricName", distance_measure: &str => "distanceMeasure",
});

impl Stage for ClusteringEvaluator {
    stage_basics!("ClusteringEvaluator");
}

impl Evaluator for ClusteringEvaluator {
    fn evaluate<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<f64>> {
        Box::pin(async move {
            self.params.validate()?;
            let schema = table.schema().as_arrow();
            let length = features_length(&self.params, schema)?;
            let label = Some(number_field(&self.params, "predictionCol", schema)?.name().clone());
            if self.params.is_defined("weightCol") {
                number_field(&self.params, "weightCol", schema)?;
            }
            let columns = TrainingColumns { label, ..TrainingColumns::of(&self.params)? };
            let data = TrainingData::collect(self.params.uid(), table, &columns).await?;
            let measure = match self.params.text("distanceMeasure")?.as_str() {
                "cosine" => Dissimilarity::Cosine,
                _ => Dissimilarity::SquaredEuclidean,
            };
            let (features, weights) = (data.features_as_doubles(), data.weights.as_deref());
            silhouette(&features, length, &data.labels, weights, measure)
                .map_err(|e| MlError::stage(self.params.uid(), e))
        })
    }

    fn is_larger_better(&self) -> Result<bool> {
        self.params.validate().map(|()| true)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Evaluator>> {
        Ok(copied(self, extra)?)
    }
}
