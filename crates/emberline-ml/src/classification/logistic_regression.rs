//! MLlib's `LogisticRegression`: the stage around [`fit_logistic`].

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;
use emberline_table::Step;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};

use super::logistic_summary::{LogisticRegressionSummary, LogisticRegressionTrainingSummary};
use crate::error::{MlError, Result};
use crate::linear::{
    Bounds, Decision, Family, LinearOptions, LogisticModel, LogisticOptions, LogisticProblem, fit_logistic,
    fit_logistic_many,
};
use crate::linear_predictors::linear_options;
use crate::params::shared::{
    ELASTIC_NET_PARAM, FEATURES_COL, FIT_INTERCEPT, LABEL_COL, MAX_ITER, PREDICTION_COL, PROBABILITY_COL,
    RAW_PREDICTION_COL, REG_PARAM, STANDARDIZATION, THRESHOLDS, TOL, WEIGHT_COL,
};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, ParamValue, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::predictor::{
    Fitted, TrainingSummary, decision_by_thresholds, label_names, number_field, schema_after_fit,
};
use crate::stage::{
    Estimator, FitResult, FoldJob, Stage, Transformer, copied, downcast, fit_one_by_one, fitted, stage_basics,
};
use crate::training_data::{TrainingColumns, TrainingData};
use crate::tuning::{FOLD, Folds};

const FAMILY: ParamSpec = ParamSpec::new(
    "family",
    ParamKind::Text,
    "auto: binomial for two classes, multinomial for more; or one of the two by name",
)
.default(ParamDefault::Text("auto"))
.constraint(Constraint::OneOf(&["auto", "binomial", "multinomial"]));
const THRESHOLD: ParamSpec =
    ParamSpec::new("threshold", ParamKind::Double, "binomial: class 1 is predicted above this probability")
        .default(ParamDefault::Double(0.5))
        .constraint(Constraint::Between(0.0, 1.0));

const LOWER_BOUNDS_ON_COEFFICIENTS: ParamSpec = ParamSpec::new(
    "lowerBoundsOnCoefficients",
    ParamKind::Doubles,
    "a bound for each coefficient, one class after the other (one set of them for two classes); 1e300 and more, either way, \
     bounds nothing; only with an L2 penalty alone",
);
const UPPER_BOUNDS_ON_COEFFICIENTS: ParamSpec = ParamSpec::new(
    "upperBoundsOnCoefficients",
    ParamKind::Doubles,
    "as lowerBoundsOnCoefficients, from above",
);
const LOWER_BOUNDS_ON_INTERCEPTS: ParamSpec = ParamSpec::new(
    "lowerBoundsOnIntercepts",
    ParamKind::Doubles,
    "a bound for the intercept of each class (one for two classes), as lowerBoundsOnCoefficients",
);
const UPPER_BOUNDS_ON_INTERCEPTS: ParamSpec =
    ParamSpec::new("upperBoundsOnIntercepts", ParamKind::Doubles, "as lowerBoundsOnIntercepts, from above");
/// A bound from here on bounds nothing: JSON has no infinity.
const UNBOUNDED: f64 = 1e300;

/// Logistic regression, binomial and multinomial, with MLlib's parameters, defaults and objective.
///
/// `(1/Σw) Σ w·loss + regParam · ((1-α)/2 · ‖β‖² + α · ‖β‖₁)` with α = `elasticNetParam`; see
/// [`fit_logistic`]. Rows whose features or label are null can't be learned from: they are left
/// out and counted in the model's [`summary`](LogisticRegressionModel::summary). The result does not depend on
/// the order of the rows, nor on batches and threads.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::LogisticRegression;
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT arrow_cast([x], 'FixedSizeList(1 x Float64)') AS features, y AS label
///                          FROM (VALUES (-1.0, 0.0), (-0.5, 0.0), (0.4, 1.0), (0.2, 0.0), (1.0, 1.0)) AS t (x, y)").await?;
/// let model = LogisticRegression::new().reg_param(0.01).fit_model(&table).await?;
/// assert!(model.coefficients()[0] > 0.0);
/// assert_eq!(model.num_classes(), 2);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct LogisticRegression {
    params: Params,
}

impl LogisticRegression {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[
        FEATURES_COL,
        LABEL_COL,
        WEIGHT_COL,
        PREDICTION_COL,
        RAW_PREDICTION_COL,
        PROBABILITY_COL,
        REG_PARAM,
        ELASTIC_NET_PARAM,
        MAX_ITER,
        TOL,
        FIT_INTERCEPT,
        STANDARDIZATION,
        FAMILY,
        THRESHOLD,
        THRESHOLDS,
        LOWER_BOUNDS_ON_COEFFICIENTS,
        UPPER_BOUNDS_ON_COEFFICIENTS,
        LOWER_BOUNDS_ON_INTERCEPTS,
        UPPER_BOUNDS_ON_INTERCEPTS,
    ];

    /// An estimator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("LogisticRegression", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    fn problem(&self, num_classes: Option<usize>) -> Result<LogisticOptions> {
        let family = match self.params.text("family")?.as_str() {
            "binomial" => Family::Binomial,
            "multinomial" => Family::Multinomial,
            _ => Family::Auto,
        };
        let bounds = |param| -> Result<Option<Vec<f64>>> {
            let infinite = |bound: f64| if bound.abs() >= UNBOUNDED { bound * f64::INFINITY } else { bound };
            let bounds = self.params.doubles_if_defined(param)?;
            Ok(bounds.map(|bounds| bounds.into_iter().map(infinite).collect()))
        };
        let bounds = Bounds {
            lower_coefficients: bounds("lowerBoundsOnCoefficients")?,
            upper_coefficients: bounds("upperBoundsOnCoefficients")?,
            lower_intercepts: bounds("lowerBoundsOnIntercepts")?,
            upper_intercepts: bounds("upperBoundsOnIntercepts")?,
        };
        Ok(LogisticOptions { family, num_classes, bounds })
    }

    /// Learns from the columns of features, labels and weights; reads no other.
    ///
    /// # Errors
    /// As [`Estimator::fit`].
    pub async fn fit_model(&self, table: &DataFrame) -> Result<LogisticRegressionModel> {
        let schema = table.schema().as_arrow();
        self.transform_schema(schema)?;
        let labels = label_names(&self.params, schema)?;
        let problem = self.problem(labels.as_ref().map(Vec::len))?;
        let options = linear_options(&self.params)?;
        let columns = TrainingColumns::of(&self.params)?;
        let data = TrainingData::collect(self.params.uid(), table, &columns).await?;
        let fit = data
            .matrix()
            .and_then(|x| fit_logistic(&x, &data.labels, data.weights.as_deref(), &problem, &options))
            .map_err(|source| MlError::Linear { stage: self.params.uid().into(), source })?;
        let mut model = self.model(fit.model, labels);
        model.summary = Some(LogisticRegressionTrainingSummary {
            metrics: model.metrics(&data)?,
            training: TrainingSummary::new(fit.objective_history, &data),
        });
        Ok(model)
    }

    fn model(&self, model: LogisticModel, labels: Option<Vec<String>>) -> LogisticRegressionModel {
        let table = LogisticRegressionModel::PARAMS;
        LogisticRegressionModel {
            params: Params::of_model("LogisticRegressionModel", table, &self.params),
            summary: None,
            fitted: Fitted::new(model, labels),
        }
    }

    /// Fits all jobs over one matrix at once. The table is read once, and a fold's training rows are a mask. The models
    /// have no summary.
    async fn fit_together(
        &self,
        folds: &Folds,
        jobs: &[FoldJob],
        memory_max: usize,
    ) -> Result<Vec<FitResult>> {
        let estimators: Vec<&Self> = jobs.iter().filter_map(|job| downcast(job.estimator.as_ref())).collect();
        let schema = folds.all()?.schema().as_arrow().clone();
        let labels = label_names(&self.params, &schema)?;
        // The fold's number is what tells rows apart here.
        let columns = TrainingColumns { name: Some(FOLD.into()), ..TrainingColumns::of(&self.params)? };
        let data = TrainingData::collect(self.params.uid(), folds.table(), &columns).await?;
        let weight = |row: usize| data.weights.as_ref().map_or(1.0, |weights| weights[row]);
        let mask = |fold: usize| -> Vec<f64> {
            let fold = fold.to_string();
            let rows = data.names.iter().enumerate();
            rows.map(|(row, own)| if *own == fold { 0.0 } else { weight(row) }).collect()
        };
        let masks: Vec<Vec<f64>> = (0..folds.count()).map(mask).collect();
        let parts: Vec<Option<&[f64]>> = masks.iter().map(|mask| Some(mask.as_slice())).collect();
        // What is wrong with one candidate is its own result.
        let mut results: Vec<Option<FitResult>> = Vec::new();
        let (mut problems, mut numbers) = (Vec::new(), Vec::new());
        for (i, (estimator, job)) in estimators.iter().zip(jobs).enumerate() {
            let problem = || {
                estimator.transform_schema(&schema)?;
                let logistic = estimator.problem(labels.as_ref().map(Vec::len))?;
                let options = LinearOptions { memory_max, ..linear_options(&estimator.params)? };
                Ok(LogisticProblem { logistic, options, part: job.fold })
            };
            let problem: Result<LogisticProblem> = problem();
            match problem {
                Ok(problem) => {
                    problems.push(problem);
                    numbers.push(i);
                    results.push(None);
                }
                Err(error) => results.push(Some(Err(error))),
            }
        }
        let failed = |source| MlError::Linear { stage: self.params.uid().into(), source };
        let x = data.matrix().map_err(failed)?;
        let fits = fit_logistic_many(&x, &data.labels, &parts, &problems).map_err(failed)?;
        for (i, fit) in numbers.into_iter().zip(fits) {
            let model = fit.map_err(failed).and_then(|fit| {
                let model = estimators[i].model(fit.model, labels.clone());
                model.decision()?;
                Ok(Arc::new(model) as Arc<dyn Transformer>)
            });
            results[i] = Some(model);
        }
        Ok(results.into_iter().flatten().collect())
    }

    /// Whether the jobs are all logistic regressions over the same columns.
    fn go_together(&self, jobs: &[FoldJob]) -> bool {
        let same = |job: &FoldJob| {
            let other: Option<&Self> = downcast(job.estimator.as_ref());
            other.is_some_and(|other| {
                let columns = ["featuresCol", "labelCol", "weightCol"];
                columns.into_iter().all(|column| other.params.value(column) == self.params.value(column))
            })
        };
        jobs.iter().all(same)
    }
}

setters!(LogisticRegression {
    features_col: &str => "featuresCol", label_col: &str => "labelCol", weight_col: &str => "weightCol",
    prediction_col: &str => "predictionCol", raw_prediction_col: &str => "rawPredictionCol",
    probability_col: &str => "probabilityCol", reg_param: f64 => "regParam",
    elastic_net_param: f64 => "elasticNetParam", max_iter: usize => "maxIter", tol: f64 => "tol",
    fit_intercept: bool => "fitIntercept", standardization: bool => "standardization", family: &str => "family",
    lower_bounds_on_coefficients: Vec<f64> => "lowerBoundsOnCoefficients",
    upper_bounds_on_coefficients: Vec<f64> => "upperBoundsOnCoefficients",
    lower_bounds_on_intercepts: Vec<f64> => "lowerBoundsOnIntercepts",
    upper_bounds_on_intercepts: Vec<f64> => "upperBoundsOnIntercepts",
});

/// Sets `threshold` or `thresholds`, each clearing the other, as in MLlib.
macro_rules! threshold_setters {
    ($($stage:ident),*) => {
        $(impl $stage {
            /// Sets `threshold`, and clears `thresholds`.
            #[must_use]
            pub fn threshold(mut self, value: f64) -> Self {
                self.params.clear("thresholds");
                self.params.put("threshold", value);
                self
            }

            /// Sets `thresholds`, and clears `threshold`.
            #[must_use]
            pub fn thresholds(mut self, values: Vec<f64>) -> Self {
                self.params.clear("threshold");
                self.params.put("thresholds", values);
                self
            }
        })*
    };
}
threshold_setters!(LogisticRegression, LogisticRegressionModel);

impl Stage for LogisticRegression {
    stage_basics!("LogisticRegression");
}

impl Estimator for LogisticRegression {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        schema_after_fit::<LogisticModel>(&self.params, schema)
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn fit_folds<'a>(
        &'a self,
        folds: &'a Folds,
        jobs: Vec<FoldJob>,
        memory_max: usize,
    ) -> BoxStream<'a, (usize, FitResult)> {
        if !self.go_together(&jobs) {
            return fit_one_by_one(folds, jobs);
        }
        let all = async move {
            let fitted = match self.fit_together(folds, &jobs, memory_max).await {
                Ok(fitted) => fitted,
                // What is wrong with the table is every job's error.
                Err(error) => {
                    let each = |_| Err(MlError::stage(self.params.uid(), &error));
                    jobs.iter().map(each).collect()
                }
            };
            stream::iter(fitted.into_iter().enumerate())
        };
        all.flatten_stream().boxed()
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        Ok(copied(self, extra)?)
    }
}

/// A fitted [`LogisticRegression`].
#[derive(Debug, Clone)]
pub struct LogisticRegressionModel {
    params: Params,
    fitted: Fitted<LogisticModel>,
    summary: Option<LogisticRegressionTrainingSummary>,
}

impl LogisticRegressionModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[
        FEATURES_COL,
        LABEL_COL,
        WEIGHT_COL,
        PREDICTION_COL,
        RAW_PREDICTION_COL,
        PROBABILITY_COL,
        THRESHOLD,
        THRESHOLDS,
    ];

    /// MLlib's `coefficientMatrix`, `[classes, features]` row major; one row for a binomial model.
    pub fn coefficient_matrix(&self) -> &[f64] {
        &self.fitted.model.coefficients
    }

    /// The coefficients of a binomial model, and all of them one class after the other of a multinomial one.
    pub fn coefficients(&self) -> &[f64] {
        &self.fitted.model.coefficients
    }

    /// MLlib's `interceptVector`: one per row of the coefficient matrix.
    pub fn intercept_vector(&self) -> &[f64] {
        &self.fitted.model.intercepts
    }

    /// Numbers per feature vector.
    pub fn num_features(&self) -> usize {
        self.fitted.model.num_features
    }

    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.fitted.model.num_classes
    }

    /// The names of the classes, where the label column had them.
    pub fn labels(&self) -> Option<&[String]> {
        self.fitted.labels.as_deref()
    }

    /// How training went; `None` for a model that was loaded.
    pub fn summary(&self) -> Option<&LogisticRegressionTrainingSummary> {
        self.summary.as_ref()
    }

    /// How well the model fits other rows: the columns of features, labels and weights are read. Rows with a null have no
    /// part in it.
    ///
    /// # Errors
    /// When a column is missing or of the wrong type, or there are no rows.
    pub async fn evaluate(&self, table: &DataFrame) -> Result<LogisticRegressionSummary> {
        self.params.validate()?;
        let schema = table.schema().as_arrow();
        self.fitted.check_input(&self.params, schema)?;
        for param in ["labelCol", "weightCol"] {
            if self.params.is_defined(param) {
                number_field(&self.params, param, schema)?;
            }
        }
        let columns = TrainingColumns::of(&self.params)?;
        self.metrics(&TrainingData::collect(self.params.uid(), table, &columns).await?)
    }

    fn metrics(&self, data: &TrainingData) -> Result<LogisticRegressionSummary> {
        let uid = self.params.uid();
        let x = data.matrix().map_err(|source| MlError::Linear { stage: uid.into(), source })?;
        let (model, weights) = (&self.fitted.model, data.weights.as_deref());
        LogisticRegressionSummary::new(model, &self.decision()?, &x, &data.labels, weights)
            .map_err(|e| MlError::stage(uid, e))
    }

    fn decision(&self) -> Result<Decision> {
        let Decision::Thresholds(thresholds) =
            decision_by_thresholds(&self.params, self.fitted.model.outputs())?
        else {
            return Ok(Decision::Threshold(self.params.double("threshold")?));
        };
        if self.params.is_set("threshold") {
            let threshold = self.params.double("threshold")?;
            let implied = match thresholds.as_slice() {
                [zero, one] => 1.0 / (1.0 + zero / one),
                _ => threshold,
            };
            if (implied - threshold).abs() > 1e-5 {
                let expected = format!("no value, or the {implied} that `thresholds` imply");
                return Err(self.params.wrong("threshold", expected, &ParamValue::Double(threshold)));
            }
        }
        Ok(Decision::Thresholds(thresholds))
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)?, fitted: Fitted::load(reader)?, summary: None })
    }
}

setters!(LogisticRegressionModel {
    features_col: &str => "featuresCol", prediction_col: &str => "predictionCol",
    raw_prediction_col: &str => "rawPredictionCol", probability_col: &str => "probabilityCol",
});

impl Stage for LogisticRegressionModel {
    stage_basics!("LogisticRegressionModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        self.fitted.write(writer)
    }
}

impl Transformer for LogisticRegressionModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.fitted.steps(&self.params, self.decision()?, schema)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}
