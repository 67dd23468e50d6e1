//! What fitted predictors have in common, whatever they learned: vectors in, `{rawPrediction, probability,
//! prediction}` out, row by row, and a description as data. A model brings its arithmetic as a [`Predictor`]; the column
//! function, the steps and the saved form are here, once.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{ArrayRef, Float64Array, Int32Array, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use emberline_table::{
    Blob, Blobs, ColumnFunction, Description, Evaluated, FunctionKinds, RowError, Step, TableError,
    check_arity,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::attributes::{labels_of, with_labels};
use crate::error::{MlError, Result};
use crate::linear::{Decision, Matrix};
use crate::params::{ParamValue, Params};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{input_field, numeric, with_new_fields};
use crate::tensors::Tensors;
use crate::training_data::TrainingData;
use crate::vectors::{EXPECTED, Vectors, double_vector_type, double_vectors, vector_length};

const ROLE: &str = "numbers";

/// A thing that a predictor answers of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Output {
    /// One number per class.
    RawPrediction,
    /// One probability per class.
    Probability,
    /// The class, the cluster or the value.
    Prediction,
}

impl Output {
    /// The param that names the column; without a name, there is no column.
    fn param(self) -> &'static str {
        match self {
            Self::RawPrediction => "rawPredictionCol",
            Self::Probability => "probabilityCol",
            Self::Prediction => "predictionCol",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::RawPrediction => "rawPrediction",
            Self::Probability => "probability",
            Self::Prediction => "prediction",
        }
    }

    fn data_type(self, classes: usize, prediction: DataType) -> DataType {
        if self == Self::Prediction { prediction } else { double_vector_type(classes) }
    }
}

/// The answers to some rows; what a model does not answer stays empty.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// `[rows, classes]`.
    pub(crate) raw: Vec<f64>,
    /// `[rows, classes]`.
    pub(crate) probability: Vec<f64>,
    /// `[rows]`.
    pub(crate) prediction: Vec<f64>,
}

/// A fitted model's arithmetic, and the model as data.
pub(crate) trait Predictor: Debug + Send + Sync + Sized + 'static {
    /// The kind of its column function.
    const KIND: &'static str;
    /// What it answers, in the order of the columns.
    const OUTPUTS: &'static [Output];
    /// The type of its predictions: `Float64`, or `Int32`.
    const PREDICTION: DataType = DataType::Float64;
    /// What its tensors do not say.
    type Settings: Serialize + DeserializeOwned;

    /// What the tensors do not say.
    fn settings(&self) -> Self::Settings;

    /// The numbers learned, by MLlib's names.
    fn tensors(&self) -> Tensors;

    /// The model of settings and tensors; `Err` says what does not fit.
    fn rebuild(settings: Self::Settings, tensors: Tensors) -> Result<Self, String>;

    /// Numbers per vector.
    fn num_features(&self) -> usize;

    /// Length of raw predictions and probabilities.
    fn classes(&self) -> usize {
        0
    }

    /// Answers each row of `x` by itself. Where there is nothing to decide, `decision` has no meaning.
    fn answer(&self, x: &Matrix<'_>, decision: &Decision) -> Answers;

    /// Why there is no answer to a row, if there is none.
    fn refuses(&self, _row: &[f64]) -> Option<String> {
        None
    }
}

/// How the training of a model by iterations went. It is not saved.
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

impl TrainingSummary {
    pub(crate) fn new(objective_history: Vec<f64>, data: &TrainingData) -> Self {
        Self {
            total_iterations: objective_history.len().saturating_sub(1),
            objective_history,
            rows: data.rows,
            rows_left_out: data.rows_left_out,
        }
    }
}

/// A model and the names of its classes: what every stage that predicts holds.
#[derive(Debug)]
pub(crate) struct Fitted<P> {
    pub(crate) model: Arc<P>,
    pub(crate) labels: Option<Arc<[String]>>,
}

impl<P> Clone for Fitted<P> {
    fn clone(&self) -> Self {
        Self { model: self.model.clone(), labels: self.labels.clone() }
    }
}

impl<P: Predictor> Fitted<P> {
    pub(crate) fn new(model: P, labels: Option<Vec<String>>) -> Self {
        Self { model: Arc::new(model), labels: labels.map(Into::into) }
    }

    pub(crate) fn write(&self, writer: &mut StageWriter) -> Result<()> {
        writer.tensors(self.model.tensors());
        writer.value("model", &self.model.settings())?;
        writer.value("labels", &self.labels)
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let model =
            P::rebuild(reader.value("model")?, reader.tensors()?).map_err(|reason| reader.error(reason))?;
        let labels: Option<Vec<String>> = reader.value("labels")?;
        if labels.as_ref().is_some_and(|labels| labels.len() > model.classes()) {
            return Err(reader.error(format!("labels: expected at most {}", model.classes())));
        }
        Ok(Self::new(model, labels))
    }

    /// Checks that the column of features suits the model.
    pub(crate) fn check_input(&self, params: &Params, schema: &Schema) -> Result<()> {
        features_length(params, schema)?;
        check_vectors(P::KIND, self.model.num_features(), &[input_field(params, "featuresCol", schema)?])?;
        Ok(())
    }

    /// The step that adds the columns which `params` name.
    pub(crate) fn steps(&self, params: &Params, decision: Decision, schema: &Schema) -> Result<Vec<Step>> {
        params.validate()?;
        features_length(params, schema)?;
        let (outputs, names) = wanted(params, P::OUTPUTS)?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let function = PredictorFunction::new(self.clone(), decision, outputs);
        Ok(vec![Step::new(Arc::new(function), [params.text("featuresCol")?], names)])
    }
}

/// The outputs that have a column, and the columns' names.
pub(crate) fn wanted(params: &Params, outputs: &[Output]) -> Result<(Vec<Output>, Vec<String>)> {
    let named = outputs.iter().map(|output| Ok((*output, params.text(output.param())?)));
    let named = named.collect::<Result<Vec<_>>>()?;
    Ok(named.into_iter().filter(|(_, name)| !name.is_empty()).unzip())
}

/// The length of the vectors in `featuresCol`.
pub(crate) fn features_length(params: &Params, schema: &Schema) -> Result<usize> {
    let field = input_field(params, "featuresCol", schema)?;
    vector_length(field.data_type()).ok_or_else(|| MlError::ColumnType {
        stage: params.uid().into(),
        column: field.name().clone(),
        expected: EXPECTED.into(),
        found: field.data_type().clone(),
    })
}

/// The columns after fitting a `P`; see [`columns_after_fit`].
pub(crate) fn schema_after_fit<P: Predictor>(params: &Params, schema: &Schema) -> Result<Schema> {
    columns_after_fit(params, schema, P::OUTPUTS, P::PREDICTION)
}

/// The columns after fitting with these params: features, and label and weight where the stage has them, are checked.
pub(crate) fn columns_after_fit(
    params: &Params,
    schema: &Schema,
    outputs: &[Output],
    prediction: DataType,
) -> Result<Schema> {
    params.validate()?;
    features_length(params, schema)?;
    for param in ["labelCol", "weightCol"] {
        if params.is_defined(param) {
            number_field(params, param, schema)?;
        }
    }
    // The number of classes is known from the labels' metadata, or only once the labels have been read.
    let classes = label_names(params, schema)?.map_or(0, |labels| labels.len());
    let (outputs, names) = wanted(params, outputs)?;
    let field = |(output, name): (&Output, String)| -> FieldRef {
        Arc::new(Field::new(name, output.data_type(classes, prediction.clone()), true))
    };
    with_new_fields(params.uid(), schema, outputs.iter().zip(names).map(field).collect())
}

/// The field of a column of numbers that a param names.
pub(crate) fn number_field(params: &Params, param: &str, schema: &Schema) -> Result<FieldRef> {
    numeric(params, input_field(params, param, schema)?)
}

/// The names of the classes, where the label column has them.
pub(crate) fn label_names(params: &Params, schema: &Schema) -> Result<Option<Vec<String>>> {
    if !params.is_defined("labelCol") {
        return Ok(None);
    }
    Ok(labels_of(input_field(params, "labelCol", schema)?.as_ref()))
}

/// The decision of a model with a probability per class: MLlib's `thresholds`, or the likeliest class.
pub(crate) fn decision_by_thresholds(params: &Params, classes: usize) -> Result<Decision> {
    let Some(thresholds) = params.doubles_if_defined("thresholds")? else { return Ok(Decision::Likeliest) };
    let zeros = thresholds.iter().filter(|threshold| **threshold == 0.0).count();
    if thresholds.len() != classes || zeros > 1 {
        let expected = format!("{classes} numbers, one per class, at most one of them 0");
        return Err(params.wrong("thresholds", expected, &ParamValue::Doubles(thresholds)));
    }
    Ok(Decision::Thresholds(thresholds))
}

/// The columns of answers.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) outputs: Vec<Output>,
    /// Length of raw predictions and probabilities.
    pub(crate) classes: usize,
    /// The type of predictions.
    pub(crate) prediction: DataType,
    /// The names of the classes.
    pub(crate) labels: Option<Arc<[String]>>,
}

impl Layout {
    fn fields(&self) -> Fields {
        let field = |output: &Output| -> FieldRef {
            let data_type = output.data_type(self.classes, self.prediction.clone());
            let field: FieldRef = Arc::new(Field::new(output.name(), data_type, true));
            match &self.labels {
                Some(labels) if *output == Output::Prediction => with_labels(field, labels),
                _ => field,
            }
        };
        self.outputs.iter().map(field).collect()
    }

    /// A struct of the outputs; of a single output, that itself.
    pub(crate) fn return_field(&self, kind: &str) -> FieldRef {
        let fields = self.fields();
        match fields.as_ref() {
            [only] => only.clone(),
            _ => Arc::new(Field::new(kind, DataType::Struct(fields), true)),
        }
    }

    /// The answers as a column of that field.
    pub(crate) fn column(&self, answers: Answers, nulls: Option<NullBuffer>) -> Result<ArrayRef, TableError> {
        let Answers { mut raw, mut probability, mut prediction } = answers;
        let column = |output: &Output| -> Result<ArrayRef, TableError> {
            let nulls = nulls.clone();
            match output {
                Output::RawPrediction => double_vectors(std::mem::take(&mut raw), self.classes, nulls),
                Output::Probability => double_vectors(std::mem::take(&mut probability), self.classes, nulls),
                Output::Prediction if self.prediction == DataType::Int32 => {
                    let whole: Vec<i32> = prediction.iter().map(|value| *value as i32).collect();
                    Ok(Arc::new(Int32Array::new(whole.into(), nulls)))
                }
                Output::Prediction => {
                    Ok(Arc::new(Float64Array::new(std::mem::take(&mut prediction).into(), nulls)))
                }
            }
        };
        let columns = self.outputs.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        match columns.as_slice() {
            [only] => Ok(only.clone()),
            _ => Ok(Arc::new(StructArray::try_new(self.fields(), columns, nulls)?)),
        }
    }
}

/// Applies a fitted model to vectors of `num_features` numbers.
///
/// Vectors per class are `FixedSizeList<Float64>[classes]`; the prediction of a class has the labels in its metadata. A null
/// vector gives null.
#[derive(Debug)]
struct PredictorFunction<P> {
    model: Arc<P>,
    decision: Decision,
    layout: Layout,
    /// The model's numbers as bytes, once they are asked for.
    numbers: OnceLock<Blob>,
}

#[derive(Serialize, Deserialize)]
struct FunctionParams<S> {
    model: S,
    decision: Decision,
    outputs: Vec<Output>,
    labels: Option<Vec<String>>,
}

impl<P: Predictor> PredictorFunction<P> {
    fn new(fitted: Fitted<P>, decision: Decision, outputs: Vec<Output>) -> Self {
        let Fitted { model, labels } = fitted;
        let layout = Layout { outputs, classes: model.classes(), prediction: P::PREDICTION, labels };
        Self { model, decision, layout, numbers: OnceLock::new() }
    }

    fn numbers(&self) -> Blob {
        // Writing to memory fails for no tensor there is.
        let bytes = || Blob::new(self.model.tensors().to_bytes().unwrap_or_default().into());
        self.numbers.get_or_init(bytes).clone()
    }
}

impl<P: Predictor> ColumnFunction for PredictorFunction<P> {
    fn describe(&self) -> Description {
        let params = FunctionParams {
            model: self.model.settings(),
            decision: self.decision.clone(),
            outputs: self.layout.outputs.clone(),
            labels: self.layout.labels.as_ref().map(|labels| labels.to_vec()),
        };
        Description {
            blobs: [(ROLE.to_string(), self.numbers().digest)].into(),
            ..Description::new(P::KIND, serde_json::to_value(params).unwrap_or_default())
        }
    }

    fn blobs(&self) -> Vec<Blob> {
        vec![self.numbers()]
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef, TableError> {
        check_vectors(P::KIND, self.model.num_features(), inputs)?;
        Ok(self.layout.return_field(P::KIND))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated, TableError> {
        let failed = |reason: &dyn std::fmt::Display| TableError::description(P::KIND, reason);
        let vectors = Vectors::try_new(&inputs[0]).ok_or_else(|| failed(&EXPECTED))?;
        let x = vectors.matrix().map_err(|e| failed(&e))?;
        let (nulls, errors) = refusals(&vectors, &x, |row| self.model.refuses(row));
        let answers = self.model.answer(&x, &self.decision);
        Ok(Evaluated { values: self.layout.column(answers, nulls)?, errors })
    }

    fn batch_rows(&self) -> usize {
        1_024
    }
}

/// Checks that there is one argument, of vectors of a certain length.
pub(crate) fn check_vectors(kind: &str, length: usize, inputs: &[FieldRef]) -> Result<(), TableError> {
    check_arity(kind, 1, inputs)?;
    let input = &inputs[0];
    if vector_length(input.data_type()) == Some(length) {
        return Ok(());
    }
    Err(TableError::ColumnType {
        function: kind.into(),
        column: input.name().clone(),
        expected: format!("{EXPECTED}, of {length} numbers"),
        found: input.data_type().clone(),
    })
}

/// Which rows have an answer, and why those that are not null have none.
pub(crate) fn refusals(
    vectors: &Vectors,
    x: &Matrix<'_>,
    refuses: impl Fn(&[f64]) -> Option<String>,
) -> (Option<NullBuffer>, Vec<RowError>) {
    let error = |row: usize| {
        let reason = vectors.is_valid(row).then(|| refuses(&x.row(row))).flatten()?;
        Some(RowError { row, origin: None, reason })
    };
    let errors: Vec<RowError> = (0..x.rows()).filter_map(error).collect();
    if errors.is_empty() {
        return (vectors.nulls.clone(), errors);
    }
    let mut valid: Vec<bool> = (0..x.rows()).map(|row| vectors.is_valid(row)).collect();
    errors.iter().for_each(|error| valid[error.row] = false);
    (Some(valid.into()), errors)
}

/// Rebuilds the column function of a `P`.
pub(crate) fn rebuild<P: Predictor>(
    description: &Description,
    blobs: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>, TableError> {
    let params: FunctionParams<P::Settings> = description.params_as()?;
    let bytes = description.blob(ROLE, blobs)?;
    let failed = |reason: String| TableError::description(P::KIND, reason);
    let tensors = Tensors::from_bytes(&bytes).map_err(failed)?;
    let model = P::rebuild(params.model, tensors).map_err(failed)?;
    if let Decision::Thresholds(thresholds) = &params.decision
        && thresholds.len() != model.classes()
    {
        return Err(failed(format!("{} thresholds for {} classes", thresholds.len(), model.classes())));
    }
    if params.outputs.is_empty() || params.outputs.iter().any(|output| !P::OUTPUTS.contains(output)) {
        return Err(failed(format!("outputs {:?}, expected some of {:?}", params.outputs, P::OUTPUTS)));
    }
    let fitted = Fitted::new(model, params.labels);
    Ok(Arc::new(PredictorFunction::new(fitted, params.decision, params.outputs)))
}
