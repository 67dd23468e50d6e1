//! The kinds of stage that can be loaded: an explicit table, name to role, params and constructor.

use std::sync::Arc;

use crate::classification::{
    LinearSVC, LinearSVCModel, LogisticRegression, LogisticRegressionModel, NaiveBayes, NaiveBayesModel,
    OneVsRest, OneVsRestModel,
};
use crate::clustering::{KMeans, KMeansModel};
use crate::error::Result;
use crate::evaluation::{
    BinaryClassificationEvaluator, ClusteringEvaluator, MulticlassClassificationEvaluator,
    RegressionEvaluator,
};
use crate::features::{
    IndexToString, MinMaxScaler, MinMaxScalerModel, Normalizer, OneHotEncoder, OneHotEncoderModel, Pca,
    PcaModel, SqlTransformer, StandardScaler, StandardScalerModel, StringIndexer, StringIndexerModel,
    VectorAssembler,
};
use crate::image::{DeepImageFeaturizer, DeepImagePredictor};
use crate::model::{
    KerasImageFileTransformer, KerasTransformer, OnnxTransformer, TFImageTransformer, TFTransformer,
};
use crate::neighbors::{
    KNearestNeighborsClassifier, KNearestNeighborsClassifierModel, SimilarImages, SimilarImagesModel,
};
use crate::params::{ParamSpec, ParamValue};
use crate::persistence::{Saved, StageReader};
use crate::pipeline::{Pipeline, PipelineModel};
use crate::regression::{LinearRegression, LinearRegressionModel};
use crate::training::{KerasEstimator, KerasImageFileEstimator, KerasImageFileModel, KerasModel};
use crate::tuning::{CrossValidator, CrossValidatorModel, TrainValidationSplit, TrainValidationSplitModel};

type Load = fn(&StageReader) -> Result<Saved>;

/// What a stage of a kind is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Adds columns.
    Transformer,
    /// Learns.
    Estimator,
    /// Measures.
    Evaluator,
}

/// A kind of stage.
#[derive(Debug)]
pub struct Kind {
    /// Its name: `LogisticRegression`.
    pub name: &'static str,
    /// What it is.
    pub role: Role,
    /// The table of its params.
    pub params: &'static [ParamSpec],
    load: Load,
}

/// The kinds: role, name, type.
macro_rules! kinds {
    ($($role:ident $name:literal $stage:ident),+ $(,)?) => {
        const KINDS: &[Kind] = &[$(Kind {
            name: $name,
            role: Role::$role,
            params: $stage::PARAMS,
            load: |reader| Ok(Saved::$role(Arc::new($stage::load(reader)?))),
        }),+];
    };
}
kinds! {
    Evaluator "BinaryClassificationEvaluator" BinaryClassificationEvaluator,
    Evaluator "ClusteringEvaluator" ClusteringEvaluator,
    Estimator "CrossValidator" CrossValidator,
    Transformer "CrossValidatorModel" CrossValidatorModel,
    Transformer "DeepImageFeaturizer" DeepImageFeaturizer,
    Transformer "DeepImagePredictor" DeepImagePredictor,
    Transformer "IndexToString" IndexToString,
    Estimator "KMeans" KMeans,
    Transformer "KMeansModel" KMeansModel,
    Estimator "KNearestNeighborsClassifier" KNearestNeighborsClassifier,
    Transformer "KNearestNeighborsClassifierModel" KNearestNeighborsClassifierModel,
    Estimator "KerasEstimator" KerasEstimator,
    Estimator "KerasImageFileEstimator" KerasImageFileEstimator,
    Transformer "KerasImageFileModel" KerasImageFileModel,
    Transformer "KerasImageFileTransformer" KerasImageFileTransformer,
    Transformer "KerasModel" KerasModel,
    Transformer "KerasTransformer" KerasTransformer,
    Estimator "LinearRegression" LinearRegression,
    Transformer "LinearRegressionModel" LinearRegressionModel,
    Estimator "LinearSVC" LinearSVC,
    Transformer "LinearSVCModel" LinearSVCModel,
    Estimator "LogisticRegression" LogisticRegression,
    Transformer "LogisticRegressionModel" LogisticRegressionModel,
    Estimator "MinMaxScaler" MinMaxScaler,
    Transformer "MinMaxScalerModel" MinMaxScalerModel,
    Evaluator "MulticlassClassificationEvaluator" MulticlassClassificationEvaluator,
    Estimator "NaiveBayes" NaiveBayes,
    Transformer "NaiveBayesModel" NaiveBayesModel,
    Transformer "Normalizer" Normalizer,
    Estimator "OneHotEncoder" OneHotEncoder,
    Transformer "OneHotEncoderModel" OneHotEncoderModel,
    Estimator "OneVsRest" OneVsRest,
    Transformer "OneVsRestModel" OneVsRestModel,
    Transformer "OnnxTransformer" OnnxTransformer,
    Estimator "PCA" Pca,
    Transformer "PCAModel" PcaModel,
    Estimator "Pipeline" Pipeline,
    Transformer "PipelineModel" PipelineModel,
    Evaluator "RegressionEvaluator" RegressionEvaluator,
    Transformer "SQLTransformer" SqlTransformer,
    Estimator "SimilarImages" SimilarImages,
    Transformer "SimilarImagesModel" SimilarImagesModel,
    Estimator "StandardScaler" StandardScaler,
    Transformer "StandardScalerModel" StandardScalerModel,
    Estimator "StringIndexer" StringIndexer,
    Transformer "StringIndexerModel" StringIndexerModel,
    Transformer "TFImageTransformer" TFImageTransformer,
    Transformer "TFTransformer" TFTransformer,
    Estimator "TrainValidationSplit" TrainValidationSplit,
    Transformer "TrainValidationSplitModel" TrainValidationSplitModel,
    Transformer "VectorAssembler" VectorAssembler,
}

/// The kinds, in alphabetic order of their names.
pub fn kinds() -> &'static [Kind] {
    KINDS
}

/// A stage of that kind with these params and no others, under this uid: what a front end in another language asks for.
/// Stages that hold others, and models, whose numbers come from fitting, are not made this way.
///
/// ```
/// use emberline_ml::registry;
/// let stage = registry::make("LogisticRegression", "lr", [("regParam", 0.1.into())]).unwrap();
/// assert_eq!(stage.stage().params().double("regParam").unwrap(), 0.1);
/// assert!(registry::make("LogisticRegression", "lr", [("regparam", 0.1.into())]).is_err());
/// ```
///
/// # Errors
/// When the kind or a param is not known, or the kind takes more than params.
pub fn make<'a>(
    kind: &str,
    uid: &str,
    params: impl IntoIterator<Item = (&'a str, ParamValue)>,
) -> Result<Saved> {
    let mut stage = load(&StageReader::without_files(kind, uid))?;
    // Nobody else has the stage yet, so there is always one to set.
    if let Some(own) = stage.params_mut() {
        params.into_iter().try_for_each(|(name, value)| own.set(name, value))?;
    }
    Ok(stage)
}

/// Makes the stage that a saved directory holds.
pub(crate) fn load(reader: &StageReader) -> Result<Saved> {
    let found = KINDS.iter().find(|kind| kind.name == reader.kind());
    let kind = found.ok_or_else(|| {
        let known = KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
        reader.error(format!("unknown kind `{}`; this version knows {known}", reader.kind()))
    })?;
    (kind.load)(reader)
}
