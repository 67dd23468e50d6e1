//! MLlib's `LinearRegression`: the stage around [`fit_least_squares`].

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;
use emberline_table::Step;
use futures::future::BoxFuture;

use crate::error::{MlError, Result};
use crate::linear::{Decision, LinearModel, Solver, fit_least_squares};
use crate::linear_predictors::linear_options;
use crate::metrics::{Regression, RegressionMetric};
use crate::params::shared::{
    ELASTIC_NET_PARAM, FEATURES_COL, FIT_INTERCEPT, LABEL_COL, MAX_ITER, PREDICTION_COL, REG_PARAM,
    STANDARDIZATION, TOL, WEIGHT_COL,
};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::predictor::{Fitted, TrainingSummary, schema_after_fit};
use crate::stage::{Estimator, Stage, Transformer, copied, fitted, stage_basics};
use crate::training_data::{TrainingColumns, TrainingData};

const SOLVER: ParamSpec = ParamSpec::new(
    "solver",
    ParamKind::Text,
    "normal: the normal equations, up to 4096 features; l-bfgs: by iterations over the rows; auto: the first that fits",
)
.default(ParamDefault::Text("auto"))
.constraint(Constraint::OneOf(&["auto", "normal", "l-bfgs"]));
const LOSS: ParamSpec =
    ParamSpec::new("loss", ParamKind::Text, "what is minimized; MLlib's huber is not there yet")
        .default(ParamDefault::Text("squaredError"))
        .constraint(Constraint::OneOf(&["squaredError"]));

/// Linear regression by least squares, with MLlib's parameters, defaults and objective; see [`fit_least_squares`].
///
/// Rows whose features or label are null can't be learned from: they are left out and counted in the model's
/// [`summary`](LinearRegressionModel::summary). The result does not depend on the order of the rows, nor on batches and
/// threads.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::LinearRegression;
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT arrow_cast([x], 'FixedSizeList(1 x Float64)') AS features, 2 * x + 1 AS label
///                          FROM (VALUES (0.0), (1.0), (2.0), (5.0)) AS t (x)").await?;
/// let model = LinearRegression::new().fit_model(&table).await?;
/// assert!((model.coefficients()[0] - 2.0).abs() < 1e-12 && (model.intercept() - 1.0).abs() < 1e-12);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct LinearRegression {
    params: Params,
}

impl LinearRegression {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[
        FEATURES_COL,
        LABEL_COL,
        WEIGHT_COL,
        PREDICTION_COL,
        REG_PARAM,
        ELASTIC_NET_PARAM,
        MAX_ITER,
        TOL,
        FIT_INTERCEPT,
        STANDARDIZATION,
        SOLVER,
        LOSS,
    ];

    /// An estimator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("LinearRegression", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    /// Learns from the columns of features, labels and weights; reads no other.
    ///
    /// # Errors
    /// As [`Estimator::fit`].
    pub async fn fit_model(&self, table: &DataFrame) -> Result<LinearRegressionModel> {
        self.transform_schema(table.schema().as_arrow())?;
        let uid = self.params.uid();
        let solver = match self.params.text("solver")?.as_str() {
            "normal" => Solver::Normal,
            "l-bfgs" => Solver::LBfgs,
            _ => Solver::Auto,
        };
        let options = linear_options(&self.params)?;
        let data = TrainingData::collect(uid, table, &TrainingColumns::of(&self.params)?).await?;
        let weights = data.weights.as_deref();
        let failed = |source| MlError::Linear { stage: uid.into(), source };
        let x = data.matrix().map_err(failed)?;
        let fit = fit_least_squares(&x, &data.labels, weights, solver, &options).map_err(failed)?;
        let compared = Regression::new(&data.labels, &fit.model.values(&x), weights)
            .map_err(|e| MlError::stage(uid, e))?;
        let summary = LinearRegressionSummary {
            training: TrainingSummary::new(fit.objective_history, &data),
            compared,
            through_origin: !options.fit_intercept,
        };
        Ok(LinearRegressionModel {
            params: Params::of_model("LinearRegressionModel", LinearRegressionModel::PARAMS, &self.params),
            summary: Some(summary),
            fitted: Fitted::new(fit.model, None),
        })
    }
}

setters!(LinearRegression {
    features_col: &str => "featuresCol", label_col: &str => "labelCol", weight_col: &str => "weightCol",
    prediction_col: &str => "predictionCol", reg_param: f64 => "regParam",
    elastic_net_param: f64 => "elasticNetParam", max_iter: usize => "maxIter", tol: f64 => "tol",
    fit_intercept: bool => "fitIntercept", standardization: bool => "standardization", solver: &str => "solver",
    loss: &str => "loss",
});

impl Stage for LinearRegression {
    stage_basics!("LinearRegression");
}

impl Estimator for LinearRegression {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        schema_after_fit::<LinearModel>(&self.params, schema)
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        Ok(copied(self, extra)?)
    }
}

/// How the training of a [`LinearRegression`] went, and how well the model fits the rows it learned from. It is not saved.
#[derive(Debug, Clone)]
pub struct LinearRegressionSummary {
    /// The objective, iterations and rows.
    pub training: TrainingSummary,
    compared: Regression,
    through_origin: bool,
}

impl LinearRegressionSummary {
    /// A metric over the training rows; `r2` compares with predicting 0 where no intercept was fitted.
    pub fn metric(&self, metric: RegressionMetric) -> f64 {
        self.compared.metric(metric, self.through_origin)
    }

    /// Root of the mean squared error.
    pub fn root_mean_squared_error(&self) -> f64 {
        self.metric(RegressionMetric::Rmse)
    }

    /// Mean squared error.
    pub fn mean_squared_error(&self) -> f64 {
        self.metric(RegressionMetric::Mse)
    }

    /// Mean absolute error.
    pub fn mean_absolute_error(&self) -> f64 {
        self.metric(RegressionMetric::Mae)
    }

    /// Coefficient of determination.
    pub fn r2(&self) -> f64 {
        self.metric(RegressionMetric::R2)
    }

    /// Explained variance.
    pub fn explained_variance(&self) -> f64 {
        self.metric(RegressionMetric::Var)
    }
}

/// A fitted [`LinearRegression`].
#[derive(Debug, Clone)]
pub struct LinearRegressionModel {
    params: Params,
    fitted: Fitted<LinearModel>,
    summary: Option<LinearRegressionSummary>,
}

impl LinearRegressionModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[FEATURES_COL, PREDICTION_COL];

    /// The coefficients, `[features]`.
    pub fn coefficients(&self) -> &[f64] {
        &self.fitted.model.coefficients
    }

    /// The intercept; 0 where none was fitted.
    pub fn intercept(&self) -> f64 {
        self.fitted.model.intercept
    }

    /// How training went; `None` for a model that was loaded.
    pub fn summary(&self) -> Option<&LinearRegressionSummary> {
        self.summary.as_ref()
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)?, fitted: Fitted::load(reader)?, summary: None })
    }
}

setters!(LinearRegressionModel { features_col: &str => "featuresCol", prediction_col: &str => "predictionCol" });

impl Stage for LinearRegressionModel {
    stage_basics!("LinearRegressionModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        self.fitted.write(writer)
    }
}

impl Transformer for LinearRegressionModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.fitted.steps(&self.params, Decision::Likeliest, schema)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}
