//! MLlib's `OneVsRest`: a classifier of two classes made one of many.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr as expr;
use datafusion::prelude::ident;
use emberline_table::functions::PipelineFunction;
use emberline_table::{
    Blob, Blobs, ColumnFunction, Description, Evaluated, FunctionKinds, RowError, Step, TableError,
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::attributes::with_labels;
use crate::error::{MlError, Result};
use crate::linear::first_largest;
use crate::params::shared::{FEATURES_COL, LABEL_COL, PREDICTION_COL, RAW_PREDICTION_COL, WEIGHT_COL};
use crate::params::{ParamMap, ParamSpec, Params, setters};
use crate::persistence::{Saved, StageReader, StageWriter};
use crate::predictor::{
    Answers, Layout, Output, check_vectors, columns_after_fit, features_length, label_names, wanted,
};
use crate::stage::{Estimator, Stage, Transformer, fitted, input_field, stage_basics};

/// The kind of the column function.
pub(crate) const ONE_VS_REST: &str = "one_vs_rest";
const OUTPUTS: &[Output] = &[Output::RawPrediction, Output::Prediction];
/// The column of labels that the classifier learns from: 1 for the class in question, 0 for the rest.
const ONE: &str = "__one_vs_rest";
/// Most classes: a label of 1e9 is a mistake, and must not start as many fits.
const CLASSES_MAX: usize = 10_000;

/// Makes a classifier of many classes of one that has raw predictions for two: one fit per class, of this class against the
/// rest, and the class whose fit scores highest is predicted.
///
/// `featuresCol`, `labelCol`, `predictionCol` and `weightCol` of the classifier are those of this stage. There are as many
/// classes as the labels' metadata names, or as the largest label plus one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use std::sync::Arc;
/// use emberline_ml::{LinearSVC, OneVsRest};
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT arrow_cast([x, x * x], 'FixedSizeList(2 x Float64)') AS features, y AS label
///                          FROM (VALUES (-2.0, 0.0), (-1.9, 0.0), (0.0, 1.0), (0.1, 1.0), (2.0, 2.0)) AS t (x, y)").await?;
/// let model = OneVsRest::new(Arc::new(LinearSVC::new().reg_param(0.01))).fit_model(&table).await?;
/// assert_eq!(model.models().len(), 3);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct OneVsRest {
    params: Params,
    classifier: Arc<dyn Estimator>,
}

impl OneVsRest {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[FEATURES_COL, LABEL_COL, WEIGHT_COL, PREDICTION_COL, RAW_PREDICTION_COL];

    /// Makes a classifier of many classes of `classifier`.
    pub fn new(classifier: Arc<dyn Estimator>) -> Self {
        Self { params: Params::new("OneVsRest", Self::PARAMS), classifier }
    }

    /// The classifier of two classes.
    pub fn classifier(&self) -> &Arc<dyn Estimator> {
        &self.classifier
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        match reader.stage("classifier")? {
            Saved::Estimator(classifier) => Ok(Self { params: reader.params(Self::PARAMS)?, classifier }),
            other => Err(reader.error(format!("classifier: a {} does not learn", other.stage().kind()))),
        }
    }

    /// The classifier with the columns of this stage.
    fn of_two(&self) -> Result<Arc<dyn Estimator>> {
        let params = self.classifier.params();
        let has = |name: &str| params.table().iter().any(|spec| spec.name == name);
        if !has("rawPredictionCol") {
            let kind = self.classifier.kind();
            let reason = format!("classifier: expected one with raw predictions, found a {kind}");
            return Err(MlError::stage(self.params.uid(), reason));
        }
        let mut columns = ParamMap::default();
        columns.put(params.param("labelCol")?, ONE);
        for name in ["featuresCol", "predictionCol"] {
            columns.put(params.param(name)?, self.params.text(name)?);
        }
        if let Some(weight) = self.params.text_if_defined("weightCol")? {
            if has("weightCol") {
                columns.put(params.param("weightCol")?, weight);
            } else {
                log::warn!(
                    "{}: weightCol is ignored: {} has none",
                    self.params.uid(),
                    self.classifier.kind()
                );
            }
        }
        self.classifier.copy(&columns)
    }

    /// Fits the classifier once per class; reads the columns of features, labels and weights, once.
    ///
    /// # Errors
    /// As [`Estimator::fit`]; and when the classifier has no raw predictions.
    pub async fn fit_model(&self, table: &DataFrame) -> Result<OneVsRestModel> {
        let schema = table.schema().as_arrow();
        self.transform_schema(schema)?;
        let classifier = self.of_two()?;
        let labels = label_names(&self.params, schema)?;
        let num_features = features_length(&self.params, schema)?;
        let label = self.params.text("labelCol")?;
        let mut columns = vec![ident(self.params.text("featuresCol")?), ident(&label)];
        columns.extend(self.params.text_if_defined("weightCol")?.map(ident));
        let table = table.clone().filter(ident(&label).is_not_null())?.select(columns)?.cache().await?;
        let classes = match &labels {
            Some(labels) => labels.len(),
            None => self.count_classes(&table, &label).await?,
        };
        let names = ["rest".to_string(), "class".to_string()];
        let field = with_labels(Arc::new(Field::new(ONE, DataType::Float64, true)), &names);
        let mut models = Vec::with_capacity(classes);
        for class in 0..classes {
            let is_class = expr::cast(ident(&label), DataType::Float64).eq(expr::lit(class as f64));
            let one = expr::when(is_class, expr::lit(1.0)).otherwise(expr::lit(0.0))?;
            let one = one.alias_with_metadata(ONE, Some(field.as_ref().into()));
            let mut columns: Vec<_> = table.schema().fields().iter().map(|f| ident(f.name())).collect();
            columns.push(one);
            models.push(classifier.fit(&table.clone().select(columns)?).await?);
        }
        Ok(OneVsRestModel {
            params: Params::of_model("OneVsRestModel", OneVsRestModel::PARAMS, &self.params),
            models,
            num_features,
            labels: labels.map(Into::into),
        })
    }

    /// The largest label plus one.
    async fn count_classes(&self, table: &DataFrame, label: &str) -> Result<usize> {
        let mut classes = 0;
        for batch in table.clone().select(vec![ident(label)])?.collect().await? {
            let labels = cast(batch.column(0), &DataType::Float64)?;
            for label in labels.as_primitive::<Float64Type>().iter().flatten() {
                if !(label >= 0.0 && label.fract() == 0.0 && label < CLASSES_MAX as f64) {
                    return Err(MlError::Value {
                        stage: self.params.uid().into(),
                        column: self.params.text("labelCol")?,
                        reason: format!(
                            "expected a whole number from 0 to {}, found {label}; StringIndexer turns names into such \
                             numbers",
                            CLASSES_MAX - 1
                        ),
                    });
                }
                classes = classes.max(label as usize + 1);
            }
        }
        if classes == 0 {
            return Err(MlError::stage(
                self.params.uid(),
                "expected at least one row with a label, found none",
            ));
        }
        Ok(classes)
    }
}

setters!(OneVsRest {
    features_col: &str => "featuresCol", label_col: &str => "labelCol", weight_col: &str => "weightCol",
    prediction_col: &str => "predictionCol", raw_prediction_col: &str => "rawPredictionCol",
});

impl Stage for OneVsRest {
    stage_basics!("OneVsRest");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        writer.stage("classifier", self.classifier.as_ref())
    }
}

impl Estimator for OneVsRest {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        columns_after_fit(&self.params, schema, OUTPUTS, DataType::Float64)
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        let mut copy = Self { params: self.params.clone(), classifier: self.classifier.copy(extra)? };
        copy.params.extend(extra)?;
        Ok(Arc::new(copy))
    }
}

/// A fitted [`OneVsRest`].
#[derive(Debug, Clone)]
pub struct OneVsRestModel {
    params: Params,
    models: Vec<Arc<dyn Transformer>>,
    num_features: usize,
    labels: Option<Arc<[String]>>,
}

impl OneVsRestModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[FEATURES_COL, PREDICTION_COL, RAW_PREDICTION_COL];

    /// The model of each class against the rest.
    pub fn models(&self) -> &[Arc<dyn Transformer>] {
        &self.models
    }

    /// The raw prediction of a model, as a function of the features.
    fn scores(&self, model: &dyn Transformer, features: &FieldRef) -> Result<Arc<dyn ColumnFunction>> {
        let mut columns = ParamMap::default();
        columns.put(model.params().param("featuresCol")?, features.name().as_str());
        let model = model.copy(&columns)?;
        let steps = model.steps(&Schema::new(vec![features.clone()]))?;
        let raw = model.params().text("rawPredictionCol")?;
        Ok(Arc::new(PipelineFunction::try_new(vec![features.name().clone()], steps, raw)?))
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let classes: usize = reader.value("numClasses")?;
        let num_features = reader.value("numFeatures")?;
        let labels: Option<Vec<String>> = reader.value("labels")?;
        if classes == 0 || classes > CLASSES_MAX || labels.as_ref().is_some_and(|l| l.len() != classes) {
            return Err(reader.error(format!("{classes} models, for labels {labels:?}")));
        }
        let model = |class| match reader.stage(&format!("models/{class}"))? {
            Saved::Transformer(model) => Ok(model),
            other => Err(reader.error(format!("model {class}: a {} is not fitted", other.stage().kind()))),
        };
        Ok(Self {
            params: reader.params(Self::PARAMS)?,
            models: (0..classes).map(model).collect::<Result<_>>()?,
            num_features,
            labels: labels.map(Into::into),
        })
    }
}

setters!(OneVsRestModel {
    features_col: &str => "featuresCol", prediction_col: &str => "predictionCol",
    raw_prediction_col: &str => "rawPredictionCol",
});

impl Stage for OneVsRestModel {
    stage_basics!("OneVsRestModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        for (class, model) in self.models.iter().enumerate() {
            writer.stage(&format!("models/{class}"), model.as_ref())?;
        }
        writer.value("numClasses", &self.models.len())?;
        writer.value("numFeatures", &self.num_features)?;
        writer.value("labels", &self.labels)
    }
}

impl Transformer for OneVsRestModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.params.validate()?;
        features_length(&self.params, schema)?;
        let (outputs, names) = wanted(&self.params, OUTPUTS)?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let features = input_field(&self.params, "featuresCol", schema)?;
        let scores = self.models.iter().map(|model| self.scores(model.as_ref(), &features));
        let function = OneVsRestFunction {
            scores: scores.collect::<Result<_>>()?,
            num_features: self.num_features,
            layout: Layout {
                outputs,
                classes: self.models.len(),
                prediction: DataType::Float64,
                labels: self.labels.clone(),
            },
        };
        Ok(vec![Step::new(Arc::new(function), [features.name()], names)])
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        let models = self.models.iter().map(|model| model.copy(extra)).collect::<Result<_>>()?;
        let mut copy = Self { models, ..self.clone() };
        copy.params.extend(extra)?;
        Ok(Arc::new(copy))
    }
}

/// Vectors to `rawPrediction`, the score of each class (element 1 of its model's raw prediction), and `prediction`, the class
/// of the highest score, the first among equals.
#[derive(Debug)]
struct OneVsRestFunction {
    scores: Vec<Arc<dyn ColumnFunction>>,
    num_features: usize,
    layout: Layout,
}

#[derive(Serialize, Deserialize)]
struct FunctionParams {
    num_features: usize,
    outputs: Vec<Output>,
    labels: Option<Vec<String>>,
}

impl ColumnFunction for OneVsRestFunction {
    fn describe(&self) -> Description {
        let params = FunctionParams {
            num_features: self.num_features,
            outputs: self.layout.outputs.clone(),
            labels: self.layout.labels.as_ref().map(|labels| labels.to_vec()),
        };
        Description {
            parts: self.scores.iter().map(|part| part.describe()).collect(),
            ..Description::new(ONE_VS_REST, serde_json::to_value(params).unwrap_or_default())
        }
    }

    fn blobs(&self) -> Vec<Blob> {
        self.scores.iter().flat_map(|part| part.blobs()).collect()
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef, TableError> {
        check_vectors(ONE_VS_REST, self.num_features, inputs)?;
        for part in &self.scores {
            part.return_field(inputs)?;
        }
        Ok(self.layout.return_field(ONE_VS_REST))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated, TableError> {
        let (rows, classes) = (inputs[0].len(), self.scores.len());
        let mut raw = vec![0.0; rows * classes];
        let mut valid = vec![true; rows];
        let mut errors: Vec<RowError> = Vec::new();
        for (class, part) in self.scores.iter().enumerate() {
            let answer = part.evaluate(inputs)?;
            let vectors = answer.values.as_fixed_size_list_opt().filter(|v| v.value_length() > 1);
            let Some(vectors) = vectors else {
                let reason =
                    format!("class {class}: expected raw predictions, found {}", answer.values.data_type());
                return Err(TableError::description(ONE_VS_REST, reason));
            };
            for row in 0..rows {
                valid[row] &= vectors.is_valid(row);
                if valid[row] {
                    raw[row * classes + class] = vectors.value(row).as_primitive::<Float64Type>().value(1);
                }
            }
            errors.extend(answer.errors);
        }
        // The first reason of a row is the one that explains it.
        errors.sort_by_key(|error| error.row);
        errors.dedup_by_key(|error| error.row);
        let prediction = raw.chunks_exact(classes).map(|row| first_largest(row.iter().copied()) as f64);
        let answers = Answers { prediction: prediction.collect(), raw, probability: Vec::new() };
        Ok(Evaluated { values: self.layout.column(answers, Some(valid.into()))?, errors })
    }

    fn batch_rows(&self) -> usize {
        self.scores.iter().map(|part| part.batch_rows()).min().unwrap_or(64)
    }
}

pub(crate) fn rebuild(
    description: &Description,
    blobs: &dyn Blobs,
    kinds: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>, TableError> {
    let params: FunctionParams = description.params_as()?;
    let scores =
        description.parts.iter().map(|part| kinds.rebuild(part, blobs)).collect::<Result<Vec<_>, _>>()?;
    if scores.is_empty() || params.outputs.is_empty() || params.outputs.contains(&Output::Probability) {
        let reason = format!("{} classes with the outputs {:?}", scores.len(), params.outputs);
        return Err(TableError::description(ONE_VS_REST, reason));
    }
    let layout = Layout {
        outputs: params.outputs,
        classes: scores.len(),
        prediction: DataType::Float64,
        labels: params.labels.map(Into::into),
    };
    Ok(Arc::new(OneVsRestFunction { scores, num_features: params.num_features, layout }))
}
