//! MLlib's `LinearSVC`: the stage around [`fit_hinge`].

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;
use emberline_table::Step;
use futures::future::BoxFuture;

use crate::error::{MlError, Result};
use crate::linear::{Decision, fit_hinge};
use crate::linear_predictors::{SupportVectors, linear_options};
use crate::params::shared::{
    FEATURES_COL, FIT_INTERCEPT, LABEL_COL, MAX_ITER, PREDICTION_COL, RAW_PREDICTION_COL, REG_PARAM,
    STANDARDIZATION, TOL, WEIGHT_COL,
};
use crate::params::{ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::predictor::{Fitted, TrainingSummary, label_names, schema_after_fit};
use crate::stage::{Estimator, Stage, Transformer, copied, fitted, stage_basics};
use crate::training_data::{TrainingColumns, TrainingData};

const THRESHOLD: ParamSpec =
    ParamSpec::new("threshold", ParamKind::Double, "class 1 is predicted above this margin")
        .default(ParamDefault::Double(0.0));

/// A linear support vector machine for two classes, with MLlib's parameters, defaults and objective.
///
/// `(1/Σw) Σ w·max(0, 1 - y·margin) + regParam/2 · ‖β‖²`; see [`fit_hinge`]. There are no probabilities. More classes take a
/// [`OneVsRest`](crate::OneVsRest). Rows whose features or label are null are left out and counted in the model's
/// [`summary`](LinearSVCModel::summary).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::LinearSVC;
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT arrow_cast([x], 'FixedSizeList(1 x Float64)') AS features, y AS label
///                          FROM (VALUES (-1.0, 0.0), (-0.5, 0.0), (0.4, 1.0), (1.0, 1.0)) AS t (x, y)").await?;
/// let model = LinearSVC::new().reg_param(0.01).fit_model(&table).await?;
/// assert!(model.coefficients()[0] > 0.0);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct LinearSVC {
    params: Params,
}

impl LinearSVC {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[
        FEATURES_COL,
        LABEL_COL,
        WEIGHT_COL,
        PREDICTION_COL,
        RAW_PREDICTION_COL,
        REG_PARAM,
        MAX_ITER,
        TOL,
        FIT_INTERCEPT,
        STANDARDIZATION,
        THRESHOLD,
    ];

    /// An estimator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("LinearSVC", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    /// Learns from the columns of features, labels and weights; reads no other.
    ///
    /// # Errors
    /// As [`Estimator::fit`].
    pub async fn fit_model(&self, table: &DataFrame) -> Result<LinearSVCModel> {
        let schema = table.schema().as_arrow();
        self.transform_schema(schema)?;
        let labels = label_names(&self.params, schema)?;
        let uid = self.params.uid();
        if let Some(labels) = labels.as_ref().filter(|labels| labels.len() > 2) {
            let reason = format!("it separates two classes, found {}; use a OneVsRest", labels.len());
            return Err(MlError::stage(uid, reason));
        }
        let options = linear_options(&self.params)?;
        let data = TrainingData::collect(uid, table, &TrainingColumns::of(&self.params)?).await?;
        let fit = data
            .matrix()
            .and_then(|x| fit_hinge(&x, &data.labels, data.weights.as_deref(), &options))
            .map_err(|source| MlError::Linear { stage: uid.into(), source })?;
        Ok(LinearSVCModel {
            params: Params::of_model("LinearSVCModel", LinearSVCModel::PARAMS, &self.params),
            summary: Some(TrainingSummary::new(fit.objective_history, &data)),
            fitted: Fitted::new(SupportVectors(fit.model), labels),
        })
    }
}

setters!(LinearSVC {
    features_col: &str => "featuresCol", label_col: &str => "labelCol", weight_col: &str => "weightCol",
    prediction_col: &str => "predictionCol", raw_prediction_col: &str => "rawPredictionCol",
    reg_param: f64 => "regParam", max_iter: usize => "maxIter", tol: f64 => "tol",
    fit_intercept: bool => "fitIntercept", standardization: bool => "standardization", threshold: f64 => "threshold",
});

impl Stage for LinearSVC {
    stage_basics!("LinearSVC");
}

impl Estimator for LinearSVC {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        schema_after_fit::<SupportVectors>(&self.params, schema)
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        Ok(copied(self, extra)?)
    }
}

/// A fitted [`LinearSVC`].
#[derive(Debug, Clone)]
pub struct LinearSVCModel {
    params: Params,
    fitted: Fitted<SupportVectors>,
    summary: Option<TrainingSummary>,
}

impl LinearSVCModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[FEATURES_COL, PREDICTION_COL, RAW_PREDICTION_COL, THRESHOLD];

    /// The coefficients, `[features]`.
    pub fn coefficients(&self) -> &[f64] {
        &self.fitted.model.0.coefficients
    }

    /// The intercept; 0 where none was fitted.
    pub fn intercept(&self) -> f64 {
        self.fitted.model.0.intercept
    }

    /// How training went; `None` for a model that was loaded.
    pub fn summary(&self) -> Option<&TrainingSummary> {
        self.summary.as_ref()
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)?, fitted: Fitted::load(reader)?, summary: None })
    }
}

setters!(LinearSVCModel {
    features_col: &str => "featuresCol", prediction_col: &str => "predictionCol",
    raw_prediction_col: &str => "rawPredictionCol", threshold: f64 => "threshold",
});

impl Stage for LinearSVCModel {
    stage_basics!("LinearSVCModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        self.fitted.write(writer)
    }
}

impl Transformer for LinearSVCModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.fitted.steps(&self.params, Decision::Threshold(self.params.double("threshold")?), schema)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}
