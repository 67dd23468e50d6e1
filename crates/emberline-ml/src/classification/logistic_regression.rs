//! MLlib's `LogisticRegression`: the stage around [`linear::fit`](crate::linear::fit).

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::dataframe::DataFrame;
use emberline_table::Step;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};

use super::logistic_function::LogisticFunction;
use crate::attributes::labels_of;
use crate::error::{MlError, Result};
use crate::linear::{self, Decision, Family, LogisticFit, LogisticModel, LogisticOptions, Problem};
use crate::params::shared::{
    ELASTIC_NET_PARAM, FEATURES_COL, LABEL_COL, PREDICTION_COL, PROBABILITY_COL, RAW_PREDICTION_COL,
    REG_PARAM, WEIGHT_COL,
};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, ParamValue, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{
    Estimator, Fitted, FoldJob, Stage, Transformer, copied, downcast, fit_one_by_one, fitted, input_field,
    stage_basics, with_new_fields,
};
use crate::training_data::{TrainingColumns, TrainingData};
use crate::tuning::{FOLD, Folds};
use crate::vectors::{EXPECTED, double_vector_type, vector_length};

const MAX_ITER: ParamSpec = ParamSpec::new("maxIter", ParamKind::Int, "maximum number of iterations")
    .default(ParamDefault::Int(100))
    .constraint(Constraint::AtLeast(0.0));
const TOL: ParamSpec = ParamSpec::new("tol", ParamKind::Double, "convergence tolerance")
    .default(ParamDefault::Double(1e-6))
    .constraint(Constraint::AtLeast(0.0));
const FIT_INTERCEPT: ParamSpec =
    ParamSpec::new("fitIntercept", ParamKind::Bool, "whether to fit an intercept")
        .default(ParamDefault::Bool(true));
const STANDARDIZATION: ParamSpec = ParamSpec::new(
    "standardization",
    ParamKind::Bool,
    "whether the penalty is on coefficients of standardized features; coefficients are returned as of the features \
     themselves either way",
)
.default(ParamDefault::Bool(true));
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
const THRESHOLDS: ParamSpec = ParamSpec::new(
    "thresholds",
    ParamKind::Doubles,
    "one per class, at most one of them 0: the class with the largest probability / threshold is predicted",
)
.constraint(Constraint::AtLeast(0.0));

/// Logistic regression, binomial and multinomial, with MLlib's parameters, defaults and objective.
///
/// `(1/Σw) Σ w·loss + regParam · ((1-α)/2 · ‖β‖² + α · ‖β‖₁)` with α = `elasticNetParam`; see
/// [`linear::fit`](crate::linear::fit). Rows whose features or label are null can't be learned from: they are left
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
    ];

    /// An estimator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("LogisticRegression", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    fn options(&self) -> Result<LogisticOptions> {
        let params = &self.params;
        Ok(LogisticOptions {
            reg_param: params.double("regParam")?,
            elastic_net_param: params.double("elasticNetParam")?,
            max_iter: params.count("maxIter")?,
            tol: params.double("tol")?,
            fit_intercept: params.bool("fitIntercept")?,
            standardization: params.bool("standardization")?,
            family: match params.text("family")?.as_str() {
                "binomial" => Family::Binomial,
                "multinomial" => Family::Multinomial,
                _ => Family::Auto,
            },
            ..LogisticOptions::default()
        })
    }

    /// Learns from the columns of features, labels and weights; reads no other.
    ///
    /// # Errors
    /// As [`Estimator::fit`].
    pub async fn fit_model(&self, table: &DataFrame) -> Result<LogisticRegressionModel> {
        let schema = table.schema().as_arrow();
        self.transform_schema(schema)?;
        let labels = labels_of(input_field(&self.params, "labelCol", schema)?.as_ref());
        let columns = self.columns(None)?;
        let data = TrainingData::collect(self.params.uid(), table, &columns).await?;
        let options = self.options()?;
        let fitted = data
            .matrix()
            .and_then(|x| {
                linear::fit(
                    &x,
                    &data.labels,
                    data.weights.as_deref(),
                    labels.as_ref().map(Vec::len),
                    &options,
                )
            })
            .map_err(|source| MlError::Linear { stage: self.params.uid().into(), source })?;
        self.model(fitted, labels, data.labels.len(), data.rows_left_out)
    }

    fn columns(&self, fold: Option<&'static str>) -> Result<TrainingColumns> {
        Ok(TrainingColumns {
            features: self.params.text("featuresCol")?,
            label: self.params.text("labelCol")?,
            weight: self.params.text_if_defined("weightCol")?,
            fold,
        })
    }

    fn model(
        &self,
        fitted: LogisticFit,
        labels: Option<Vec<String>>,
        rows: usize,
        rows_left_out: usize,
    ) -> Result<LogisticRegressionModel> {
        let mut params = Params::new("LogisticRegressionModel", LogisticRegressionModel::PARAMS);
        params.set_uid(self.params.uid().into());
        params.copy_values(&self.params);
        let model = LogisticRegressionModel {
            params,
            labels: labels.map(Into::into),
            summary: Some(TrainingSummary {
                objective_history: fitted.objective_history,
                total_iterations: fitted.iterations,
                rows,
                rows_left_out,
            }),
            model: Arc::new(fitted.model),
        };
        model.decision()?;
        Ok(model)
    }

    /// Fits all jobs over one matrix at once. The table is read once, and a fold's training rows are a mask.
    async fn fit_together(&self, folds: &Folds, jobs: &[FoldJob]) -> Result<Vec<Fitted>> {
        let estimators: Vec<&Self> = jobs.iter().filter_map(|job| downcast(job.estimator.as_ref())).collect();
        let schema = folds.all()?.schema().as_arrow().clone();
        let columns = self.columns(Some(FOLD))?;
        let data = TrainingData::collect(self.params.uid(), folds.table(), &columns).await?;
        let labels = labels_of(input_field(&self.params, "labelCol", &schema)?.as_ref());
        let in_fold = data.folds.as_deref().unwrap_or_default();
        let weight = |row: usize| data.weights.as_ref().map_or(1.0, |weights| weights[row]);
        let mask = |fold: usize| -> Vec<f64> {
            let rows = in_fold.iter().enumerate();
            rows.map(|(row, of)| if *of == fold as i64 { 0.0 } else { weight(row) }).collect()
        };
        let masks: Vec<Vec<f64>> = (0..folds.count()).map(mask).collect();
        let parts: Vec<Option<&[f64]>> = masks.iter().map(|mask| Some(mask.as_slice())).collect();
        // What is wrong with one candidate is its own result.
        let mut results: Vec<Option<Fitted>> = Vec::new();
        let (mut problems, mut numbers) = (Vec::new(), Vec::new());
        for (i, (estimator, job)) in estimators.iter().zip(jobs).enumerate() {
            match estimator.transform_schema(&schema).and_then(|_| estimator.options()) {
                Ok(options) => {
                    problems.push(Problem { options, part: job.fold });
                    numbers.push(i);
                    results.push(None);
                }
                Err(error) => results.push(Some(Err(error))),
            }
        }
        let failed = |source| MlError::Linear { stage: self.params.uid().into(), source };
        let classes = labels.as_ref().map(Vec::len);
        let x = data.matrix().map_err(failed)?;
        let fits = linear::fit_many(&x, &data.labels, &parts, classes, &problems).map_err(failed)?;
        for (i, fit) in numbers.into_iter().zip(fits) {
            let rows = in_fold.iter().filter(|of| **of != jobs[i].fold as i64).count();
            let model = fit
                .map_err(failed)
                .and_then(|fit| estimators[i].model(fit, labels.clone(), rows, data.rows_left_out));
            results[i] = Some(model.map(|model| Arc::new(model) as Arc<dyn Transformer>));
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

fn features_length(params: &Params, schema: &Schema) -> Result<usize> {
    let field = input_field(params, "featuresCol", schema)?;
    vector_length(field.data_type()).ok_or_else(|| MlError::ColumnType {
        stage: params.uid().into(),
        column: field.name().clone(),
        expected: EXPECTED.into(),
        found: field.data_type().clone(),
    })
}

impl Estimator for LogisticRegression {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        self.params.validate()?;
        features_length(&self.params, schema)?;
        for param in ["labelCol", "weightCol"] {
            if !self.params.is_defined(param) {
                continue;
            }
            let field = input_field(&self.params, param, schema)?;
            if !field.data_type().is_numeric() {
                return Err(MlError::ColumnType {
                    stage: self.params.uid().into(),
                    column: field.name().clone(),
                    expected: "numbers (a StringIndexer makes them of text)".into(),
                    found: field.data_type().clone(),
                });
            }
        }
        let labels = labels_of(input_field(&self.params, "labelCol", schema)?.as_ref());
        // The number of classes is known from the labels' metadata, or only once the labels have been read.
        let vector = double_vector_type(labels.map_or(0, |labels| labels.len()));
        let new = |param: &str, data_type: DataType| -> Result<FieldRef> {
            Ok(Arc::new(Field::new(self.params.text(param)?, data_type, true)))
        };
        let new = vec![
            new("rawPredictionCol", vector.clone())?,
            new("probabilityCol", vector)?,
            new("predictionCol", DataType::Float64)?,
        ];
        with_new_fields(self.params.uid(), schema, new)
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn fit_folds<'a>(&'a self, folds: &'a Folds, jobs: Vec<FoldJob>) -> BoxStream<'a, (usize, Fitted)> {
        if !self.go_together(&jobs) {
            return fit_one_by_one(folds, jobs);
        }
        let all = async move {
            let fitted = match self.fit_together(folds, &jobs).await {
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

/// How the training of a [`LogisticRegression`] went. It is not saved.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSummary {
    /// The objective at the start and after every iteration.
    pub objective_history: Vec<f64>,
    /// Iterations made.
    pub total_iterations: usize,
    /// Rows learned from.
    pub rows: usize,
    /// Rows left out because their features, label or weight is null.
    pub rows_left_out: usize,
}

/// A fitted [`LogisticRegression`].
#[derive(Debug, Clone)]
pub struct LogisticRegressionModel {
    params: Params,
    model: Arc<LogisticModel>,
    labels: Option<Arc<[String]>>,
    summary: Option<TrainingSummary>,
}

impl LogisticRegressionModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[FEATURES_COL, PREDICTION_COL, RAW_PREDICTION_COL, PROBABILITY_COL, THRESHOLD, THRESHOLDS];

    /// MLlib's `coefficientMatrix`, `[classes, features]` row major; one row for a binomial model.
    pub fn coefficient_matrix(&self) -> &[f64] {
        &self.model.coefficients
    }

    /// The coefficients of a binomial model, and all of them one class after the other of a multinomial one.
    pub fn coefficients(&self) -> &[f64] {
        &self.model.coefficients
    }

    /// MLlib's `interceptVector`: one per row of the coefficient matrix.
    pub fn intercept_vector(&self) -> &[f64] {
        &self.model.intercepts
    }

    /// Numbers per feature vector.
    pub fn num_features(&self) -> usize {
        self.model.num_features
    }

    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.model.num_classes
    }

    /// The names of the classes, where the label column had them.
    pub fn labels(&self) -> Option<&[String]> {
        self.labels.as_deref()
    }

    /// How training went; `None` for a model that was loaded.
    pub fn summary(&self) -> Option<&TrainingSummary> {
        self.summary.as_ref()
    }

    fn decision(&self) -> Result<Decision> {
        let Some(thresholds) = self.params.doubles_if_defined("thresholds")? else {
            return Ok(Decision::Threshold(self.params.double("threshold")?));
        };
        let zeros = thresholds.iter().filter(|threshold| **threshold == 0.0).count();
        if thresholds.len() != self.model.outputs() || zeros > 1 {
            let expected = format!("{} numbers, one per class, at most one of them 0", self.model.outputs());
            return Err(self.params.wrong("thresholds", expected, &ParamValue::Doubles(thresholds)));
        }
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
        let (shape, coefficients) = reader.tensor("coefficientMatrix")?;
        let (_, intercepts) = reader.tensor("interceptVector")?;
        let num_classes: usize = reader.value("numClasses")?;
        let is_multinomial: bool = reader.value("isMultinomial")?;
        let labels: Option<Vec<String>> = reader.value("labels")?;
        let sets = if is_multinomial { num_classes } else { 1 };
        let [rows, num_features] = shape[..] else {
            return Err(reader.error(format!("coefficientMatrix: expected two axes, found {}", shape.len())));
        };
        if rows != sets || intercepts.len() != sets || num_features == 0 || num_classes == 0 {
            return Err(
                reader.error(format!("{rows} x {num_features} coefficients for {num_classes} classes"))
            );
        }
        let model = LogisticModel { coefficients, intercepts, num_features, num_classes, is_multinomial };
        if labels.as_ref().is_some_and(|labels| labels.len() != num_classes) {
            return Err(reader.error(format!("labels: expected {num_classes}")));
        }
        Ok(Self {
            params: reader.params(Self::PARAMS)?,
            model: Arc::new(model),
            labels: labels.map(Into::into),
            summary: None,
        })
    }
}

setters!(LogisticRegressionModel {
    features_col: &str => "featuresCol", prediction_col: &str => "predictionCol",
    raw_prediction_col: &str => "rawPredictionCol", probability_col: &str => "probabilityCol",
});

impl Stage for LogisticRegressionModel {
    stage_basics!("LogisticRegressionModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        let rows = self.model.intercepts.len();
        writer.tensor("coefficientMatrix", &[rows, self.model.num_features], &self.model.coefficients);
        writer.tensor("interceptVector", &[rows], &self.model.intercepts);
        writer.value("numClasses", &self.model.num_classes)?;
        writer.value("isMultinomial", &self.model.is_multinomial)?;
        writer.value("labels", &self.labels)
    }
}

impl Transformer for LogisticRegressionModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.params.validate()?;
        features_length(&self.params, schema)?;
        let function = LogisticFunction::new(self.model.clone(), self.decision()?, self.labels.clone());
        let name = |param: &str| self.params.text(param);
        let outputs = [name("rawPredictionCol")?, name("probabilityCol")?, name("predictionCol")?];
        Ok(vec![Step::new(Arc::new(function), [name("featuresCol")?], outputs)])
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}
