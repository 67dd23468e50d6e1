//! MLlib's `MulticlassClassificationEvaluator`: the stage around [`metrics::Multiclass`](crate::metrics::Multiclass).

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use futures::future::BoxFuture;

use super::Evaluator;
use super::scored::Scored;
use crate::error::{MlError, Result};
use crate::metrics::{MetricError, Multiclass, MulticlassMetric, log_loss};
use crate::params::shared::{LABEL_COL, PREDICTION_COL, PROBABILITY_COL, WEIGHT_COL};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::StageReader;
use crate::stage::{Stage, copied, input_field, stage_basics};
use crate::training_data::{TrainingColumns, TrainingData};
use crate::vectors::vector_length;

const METRIC_NAME: ParamSpec = ParamSpec::new("metricName", ParamKind::Text, "metric name")
    .default(ParamDefault::Text("f1"))
    .constraint(Constraint::OneOf(&[
        "f1",
        "accuracy",
        "weightedPrecision",
        "weightedRecall",
        "weightedTruePositiveRate",
        "weightedFalsePositiveRate",
        "weightedFMeasure",
        "truePositiveRateByLabel",
        "falsePositiveRateByLabel",
        "precisionByLabel",
        "recallByLabel",
        "fMeasureByLabel",
        "logLoss",
        "hammingLoss",
    ]));
const METRIC_LABEL: ParamSpec = ParamSpec::new(
    "metricLabel",
    ParamKind::Double,
    "the class whose metric is computed in ...ByLabel metrics",
)
.default(ParamDefault::Double(0.0))
.constraint(Constraint::AtLeast(0.0));
const BETA: ParamSpec = ParamSpec::new("beta", ParamKind::Double, "the beta of F-measures: recall's weight")
    .default(ParamDefault::Double(1.0))
    .constraint(Constraint::Inside(0.0, f64::INFINITY));
const EPS: ParamSpec =
    ParamSpec::new("eps", ParamKind::Double, "logLoss clips probabilities to [eps, 1 - eps]")
        .default(ParamDefault::Double(1e-15))
        .constraint(Constraint::Inside(0.0, 0.5));

/// How good the predictions of a classifier are, by one of MLlib's metrics; weighted F1 unless told otherwise.
///
/// Rows whose label or prediction is null have no part in it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::{Evaluator, MulticlassClassificationEvaluator};
/// let table = emberline_table::Session::new()
///     .sql("SELECT * FROM (VALUES (0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0)) AS t (label, prediction)")
///     .await?;
/// let evaluator = MulticlassClassificationEvaluator::new().metric_name("accuracy");
/// assert_eq!(evaluator.evaluate(&table).await?, 0.75);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct MulticlassClassificationEvaluator {
    params: Params,
}

impl MulticlassClassificationEvaluator {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[LABEL_COL, PREDICTION_COL, WEIGHT_COL, PROBABILITY_COL, METRIC_NAME, METRIC_LABEL, BETA, EPS];

    /// An evaluator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("MulticlassClassificationEvaluator", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    fn metric(&self) -> Result<MulticlassMetric> {
        self.params.validate()?;
        let name = self.params.text("metricName")?;
        // `validate` knows the same names.
        Ok(MulticlassMetric::ALL.into_iter().find(|metric| metric.name() == name).unwrap_or_default())
    }

    /// All the counts behind the metrics, the confusion matrix among them.
    ///
    /// # Errors
    /// As [`Evaluator::evaluate`].
    pub async fn counts(&self, table: &DataFrame) -> Result<Multiclass> {
        self.params.validate()?;
        let scored = Scored::collect(&self.params, table, "predictionCol", false).await?;
        Multiclass::new(&scored.labels, &scored.predictions, scored.weights.as_deref())
            .map_err(|e| self.failed(e))
    }

    fn failed(&self, error: MetricError) -> MlError {
        MlError::stage(self.params.uid(), error)
    }

    async fn log_loss(&self, table: &DataFrame) -> Result<f64> {
        let schema = table.schema().as_arrow();
        let probability = input_field(&self.params, "probabilityCol", schema)?;
        let columns = TrainingColumns {
            features: probability.name().clone(),
            label: Some(input_field(&self.params, "labelCol", schema)?.name().clone()),
            weight: self.params.text_if_defined("weightCol")?,
            name: None,
        };
        let data = TrainingData::collect(self.params.uid(), table, &columns).await?;
        let classes = vector_length(probability.data_type()).unwrap_or_default();
        let (weights, eps) = (data.weights.as_deref(), self.params.double("eps")?);
        log_loss(&data.labels, &data.features_as_doubles(), classes, weights, eps).map_err(|e| self.failed(e))
    }
}

setters!(MulticlassClassificationEvaluator {
    label_col: &str => "labelCol", prediction_col: &str => "predictionCol", weight_col: &str => "weightCol",
    probability_col: &str => "probabilityCol", metric_name: &str => "metricName", metric_label: f64 => "metricLabel",
    beta: f64 => "beta", eps: f64 => "eps",
});

impl Stage for MulticlassClassificationEvaluator {
    stage_basics!("MulticlassClassificationEvaluator");
}

impl Evaluator for MulticlassClassificationEvaluator {
    fn evaluate<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<f64>> {
        Box::pin(async move {
            let metric = self.metric()?;
            if metric == MulticlassMetric::LogLoss {
                return self.log_loss(table).await;
            }
            let (label, beta) = (self.params.double("metricLabel")?, self.params.double("beta")?);
            let value = self.counts(table).await?.metric(metric, label, beta).map_err(|e| self.failed(e))?;
            value.ok_or_else(|| MlError::stage(self.params.uid(), format!("{metric} needs probabilities")))
        })
    }

    fn is_larger_better(&self) -> Result<bool> {
        Ok(self.metric()?.is_larger_better())
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Evaluator>> {
        Ok(copied(self, extra)?)
    }
}
