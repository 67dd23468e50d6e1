//! MLlib's `Pipeline`: stages in sequence.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::dataframe::DataFrame;
use emberline_table::functions::PipelineFunction;
use emberline_table::{Step, image_type};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::attributes::labels_of;
use crate::classification::{
    LabelledPrediction, LinearSVC, LinearSVCModel, LogisticRegression, LogisticRegressionModel, NaiveBayes,
    NaiveBayesModel, OneVsRest, OneVsRestModel,
};
use crate::clustering::{KMeans, KMeansModel};
use crate::error::{MlError, Result};
use crate::features::{
    IndexToString, MinMaxScaler, MinMaxScalerModel, Normalizer, OneHotEncoder, OneHotEncoderModel, Pca,
    PcaModel, SqlTransformer, StandardScaler, StandardScalerModel, StringIndexer, StringIndexerModel,
    VectorAssembler,
};
use crate::image::{DeepImageFeaturizer, DeepImagePredictor};
use crate::neighbors::{
    KNearestNeighborsClassifier, KNearestNeighborsClassifierModel, SimilarImages, SimilarImagesModel,
};
use crate::params::{ParamMap, ParamSpec, Params};
use crate::persistence::{StageReader, StageWriter};
use crate::regression::{LinearRegression, LinearRegressionModel};
use crate::stage::{
    Estimator, FitResult, FoldJob, PipelineStage, Stage, Transformer, downcast, fit_one_by_one, fitted,
    schema_after, stage_basics,
};
use crate::training::{KerasEstimator, KerasImageFileEstimator, KerasImageFileModel, KerasModel};
use crate::tuning::{
    CrossValidator, CrossValidatorModel, Folds, TrainValidationSplit, TrainValidationSplitModel,
};

/// The column that a pipeline's function answers.
const ANSWER: &str = "__answer";

/// Stages in sequence: fitting fits each estimator on what the stages before it give.
///
/// ```
/// use emberline_ml::{DeepImageFeaturizer, LogisticRegression, Pipeline, StringIndexer};
/// let pipeline = Pipeline::new()
///     .stage(StringIndexer::new().input_col("species").output_col("label"))
///     .stage(DeepImageFeaturizer::new().input_col("image").output_col("features").model_name("EfficientNetLite0"))
///     .stage(LogisticRegression::new().reg_param(0.01));
/// assert_eq!(pipeline.stages().len(), 3);
/// ```
#[derive(Debug, Clone)]
pub struct Pipeline {
    params: Params,
    stages: Vec<PipelineStage>,
}

impl Pipeline {
    pub(crate) const PARAMS: &'static [ParamSpec] = &[];

    /// A pipeline without stages, which changes nothing.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("Pipeline", Self::PARAMS), stages: Vec::new() }
    }

    /// Adds a stage at the end.
    #[must_use]
    pub fn stage(mut self, stage: impl Into<PipelineStage>) -> Self {
        self.stages.push(stage.into());
        self
    }

    /// The stages in order.
    pub fn stages(&self) -> &[PipelineStage] {
        &self.stages
    }

    /// Fits the estimators, the columns of the whole pipeline checked first.
    ///
    /// # Errors
    /// As [`Estimator::fit`].
    pub async fn fit_model(&self, table: &DataFrame) -> Result<PipelineModel> {
        self.transform_schema(table.schema().as_arrow())?;
        let last = self.stages.iter().rposition(|stage| matches!(stage, PipelineStage::Estimator(_)));
        let mut table = table.clone();
        let mut fitted: Vec<Arc<dyn Transformer>> = Vec::with_capacity(self.stages.len());
        for (i, stage) in self.stages.iter().enumerate() {
            let transformer = match stage {
                PipelineStage::Transformer(stage) => stage.clone(),
                PipelineStage::Estimator(stage) => stage.fit(&table).await?,
            };
            // What no estimator is going to see need not be planned.
            if Some(i) < last {
                table = transformer.transform(table)?;
            }
            fitted.push(transformer);
        }
        let mut model = PipelineModel::new(fitted);
        model.params.set_uid(self.params.uid().into());
        Ok(model)
    }

    /// The pipeline without some of its stages, told by their places.
    pub(crate) fn without(&self, left_out: impl Fn(usize) -> bool) -> Self {
        let stages = self.stages.iter().enumerate().filter(|(place, _)| !left_out(*place));
        Self { params: self.params.clone(), stages: stages.map(|(_, stage)| stage.clone()).collect() }
    }

    fn check_distinct(&self) -> Result<()> {
        let mut uids = HashSet::new();
        match self.stages.iter().find(|stage| !uids.insert(stage.stage().params().uid())) {
            None => Ok(()),
            Some(stage) => {
                let reason =
                    format!("stage {} is in it twice; make a second one", stage.stage().params().uid());
                Err(MlError::stage(self.params.uid(), reason))
            }
        }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let names: Vec<String> = reader.value("stages")?;
        let stages = names.iter().map(|name| reader.pipeline_stage(name)).collect::<Result<Vec<_>>>()?;
        Ok(Self { params: reader.params(Self::PARAMS)?, stages })
    }
}

/// The folder names of stages: their place, padded so that they sort, and their uid.
fn write_stages<'a>(
    writer: &mut StageWriter,
    stages: impl ExactSizeIterator<Item = &'a dyn Stage>,
) -> Result<()> {
    let digits = stages.len().to_string().len();
    let mut names = Vec::with_capacity(stages.len());
    for (i, stage) in stages.enumerate() {
        let name = format!("stages/{i:0digits$}_{}", stage.params().uid());
        writer.stage(&name, stage)?;
        names.push(name);
    }
    writer.value("stages", &names)
}

impl Stage for Pipeline {
    stage_basics!("Pipeline");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        write_stages(writer, self.stages.iter().map(PipelineStage::stage))
    }
}

impl Estimator for Pipeline {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        self.check_distinct()?;
        self.stages.iter().try_fold(schema.clone(), |schema, stage| stage.transform_schema(&schema))
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    /// A pipeline of one estimator hands all jobs to it.
    fn fit_folds<'a>(
        &'a self,
        folds: &'a Folds,
        jobs: Vec<FoldJob>,
        memory_max: usize,
    ) -> BoxStream<'a, (usize, FitResult)> {
        let only = |job: &FoldJob| match downcast::<Self>(job.estimator.as_ref())?.stages.as_slice() {
            [PipelineStage::Estimator(stage)] => Some(FoldJob { estimator: stage.clone(), fold: job.fold }),
            _ => None,
        };
        let (Some(inner), [PipelineStage::Estimator(stage)]) =
            (jobs.iter().map(only).collect::<Option<Vec<_>>>(), self.stages.as_slice())
        else {
            return fit_one_by_one(folds, jobs);
        };
        let whole = |fitted: Arc<dyn Transformer>| {
            let mut model = PipelineModel::new(vec![fitted]);
            model.params.set_uid(self.params.uid().into());
            Arc::new(model) as Arc<dyn Transformer>
        };
        stage.fit_folds(folds, inner, memory_max).map(move |(i, fitted)| (i, fitted.map(whole))).boxed()
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        let stages = self.stages.iter().map(|stage| stage.copy(extra)).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Self { params: self.params.clone(), stages }))
    }
}

/// What may be put into a pipeline by value. (A blanket implementation for each trait would overlap.)
macro_rules! pipeline_stages {
    ($($kind:ident: $($stage:ty),+;)*) => {
        $($(impl From<$stage> for PipelineStage {
            fn from(stage: $stage) -> Self {
                Self::$kind(Arc::new(stage))
            }
        })+)*
    };
}
pipeline_stages! {
    Transformer: CrossValidatorModel, DeepImageFeaturizer, DeepImagePredictor, IndexToString, KerasImageFileModel,
        KerasModel, LogisticRegressionModel, PipelineModel, StringIndexerModel, TrainValidationSplitModel;
    Estimator: CrossValidator, KerasEstimator, KerasImageFileEstimator, LogisticRegression, Pipeline, StringIndexer, TrainValidationSplit;
    Transformer: KMeansModel, KNearestNeighborsClassifierModel, LinearRegressionModel, LinearSVCModel, NaiveBayesModel,
        OneVsRestModel, SimilarImagesModel;
    Estimator: KMeans, KNearestNeighborsClassifier, LinearRegression, LinearSVC, NaiveBayes, OneVsRest, SimilarImages;
    Transformer: MinMaxScalerModel, Normalizer, OneHotEncoderModel, PcaModel, SqlTransformer, StandardScalerModel,
        VectorAssembler;
    Estimator: MinMaxScaler, OneHotEncoder, Pca, StandardScaler;
}

/// A fitted [`Pipeline`].
#[derive(Debug, Clone)]
pub struct PipelineModel {
    params: Params,
    stages: Vec<Arc<dyn Transformer>>,
}

impl PipelineModel {
    pub(crate) const PARAMS: &'static [ParamSpec] = &[];

    /// A pipeline of stages that need no fitting, or are fitted.
    pub fn new(stages: Vec<Arc<dyn Transformer>>) -> Self {
        Self { params: Params::new("PipelineModel", Self::PARAMS), stages }
    }

    /// The stages in order.
    pub fn stages(&self) -> &[Arc<dyn Transformer>] {
        &self.stages
    }

    /// The model with further stages at these places, given in ascending order.
    pub(crate) fn with_stages(&self, more: &[(usize, Arc<dyn Transformer>)]) -> Self {
        let mut model = self.clone();
        for (place, stage) in more {
            model.stages.insert(*place, stage.clone());
        }
        model
    }

    /// The whole pipeline as one function of an image.
    ///
    /// Stages that need what an image has not got, a label, say, are left out. Where the last stage is a classifier,
    /// the answer is a struct of `label`, its `probability`, and `probabilities`, a list of `{label, probability}`,
    /// most probable first; without names in its label column, a class is named by its number. Otherwise the answer is
    /// the last stage's output column, or its prediction.
    ///
    /// # Errors
    /// When no stage takes an image.
    pub fn as_function(&self) -> Result<PipelineFunction> {
        let image = self.image_column()?;
        let field: FieldRef = Arc::new(Field::new(&image, image_type(), true));
        let mut schema = Schema::new(vec![field]);
        let mut steps: Vec<Step> = Vec::new();
        for stage in &self.stages {
            // What it reads is not there: it serves fitting only, as an indexer of labels does.
            let Ok(more) = stage.steps(&schema) else { continue };
            schema = schema_after(stage.params().uid(), &schema, &more)?;
            steps.extend(more);
        }
        let output = self.answer(&schema, &mut steps)?;
        Ok(PipelineFunction::try_new(vec![image], steps, output)?)
    }

    /// The first input column that a stage takes images from.
    fn image_column(&self) -> Result<String> {
        for stage in &self.stages {
            let Some(column) = stage.params().text_if_defined("inputCol").ok().flatten() else { continue };
            let schema = Schema::new(vec![Field::new(&column, image_type(), true)]);
            match stage.steps(&schema) {
                Ok(steps) if !steps.is_empty() => return Ok(column),
                // A network that can't be had is the reason, not that no stage wants images.
                Err(error @ (MlError::Zoo(_) | MlError::Network(_))) => return Err(error),
                _ => {}
            }
        }
        Err(MlError::stage(self.params.uid(), "no stage takes images, so it is no function of an image"))
    }

    /// The column that the function answers; a step that names predictions is added for a classifier.
    fn answer(&self, schema: &Schema, steps: &mut Vec<Step>) -> Result<String> {
        let last = self.stages.last().map(|stage| {
            let defined = |param: &str| {
                let name = stage.params().text_if_defined(param).ok().flatten();
                name.filter(|name| !name.is_empty())
            };
            (defined("probabilityCol"), defined("predictionCol"), defined("outputCol"))
        });
        let (probability, prediction, output) = last.clone().unwrap_or_default();
        // The outputs of a network that was trained on named classes are their probabilities.
        let is_named =
            prediction.as_ref().and_then(|name| schema.field_with_name(name).ok()).and_then(labels_of);
        let probability = probability.or(output.filter(|_| is_named.is_some()));
        let (Some(probability), Some(prediction)) = (probability, prediction) else {
            // Without probabilities there is nothing to rank: a prediction answers as it is.
            return last
                .and_then(|(_, prediction, output)| output.or(prediction))
                .ok_or_else(|| MlError::stage(self.params.uid(), "its last stage has no output column"));
        };
        let vector = schema.field_with_name(&probability)?.data_type();
        let DataType::FixedSizeList(_, classes) = vector else {
            return Err(MlError::stage(self.params.uid(), format!("column `{probability}` is a {vector}")));
        };
        let labels = labels_of(schema.field_with_name(&prediction)?);
        let labels = labels.unwrap_or_else(|| (0..*classes).map(|class| class.to_string()).collect());
        let function = Arc::new(LabelledPrediction::new(labels));
        steps.push(Step::new(function, [probability, prediction], [ANSWER]));
        Ok(ANSWER.into())
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let names: Vec<String> = reader.value("stages")?;
        let stage = |name: &String| match reader.pipeline_stage(name)? {
            PipelineStage::Transformer(stage) => Ok(stage),
            PipelineStage::Estimator(stage) => {
                Err(reader.error(format!("`{name}` is a {}, which is not fitted", stage.kind())))
            }
        };
        let stages = names.iter().map(stage).collect::<Result<Vec<_>>>()?;
        Ok(Self { params: reader.params(Self::PARAMS)?, stages })
    }
}

impl Stage for PipelineModel {
    stage_basics!("PipelineModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        write_stages(writer, self.stages.iter().map(|stage| stage.as_ref() as &dyn Stage))
    }
}

impl Transformer for PipelineModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        let mut schema = schema.clone();
        let mut steps = Vec::new();
        for stage in &self.stages {
            let more = stage.steps(&schema)?;
            schema = schema_after(stage.params().uid(), &schema, &more)?;
            steps.extend(more);
        }
        Ok(steps)
    }

    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        self.stages.iter().try_fold(schema.clone(), |schema, stage| stage.transform_schema(&schema))
    }

    fn transform(&self, table: DataFrame) -> Result<DataFrame> {
        // Stage by stage: one that leaves rows out does more than its steps say.
        self.stages.iter().try_fold(table, |table, stage| stage.transform(table))
    }

    fn is_row_wise(&self) -> bool {
        self.stages.iter().all(|stage| stage.is_row_wise())
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        let stages = self.stages.iter().map(|stage| stage.copy(extra)).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Self { params: self.params.clone(), stages }))
    }
}
