//! The kinds of stage that can be loaded: an explicit table, kind name to constructor.

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
use crate::persistence::{Saved, StageReader};
use crate::pipeline::{Pipeline, PipelineModel};
use crate::regression::{LinearRegression, LinearRegressionModel};
use crate::tuning::{CrossValidator, CrossValidatorModel, TrainValidationSplit, TrainValidationSplitModel};

type Load = fn(&StageReader) -> Result<Saved>;

const KINDS: &[(&str, Load)] = &[
    ("BinaryClassificationEvaluator", |reader| {
        Ok(Saved::Evaluator(Arc::new(BinaryClassificationEvaluator::load(reader)?)))
    }),
    ("ClusteringEvaluator", |reader| Ok(Saved::Evaluator(Arc::new(ClusteringEvaluator::load(reader)?)))),
    ("CrossValidator", |reader| Ok(Saved::Estimator(Arc::new(CrossValidator::load(reader)?)))),
    ("CrossValidatorModel", |reader| Ok(Saved::Transformer(Arc::new(CrossValidatorModel::load(reader)?)))),
    ("DeepImageFeaturizer", |reader| Ok(Saved::Transformer(Arc::new(DeepImageFeaturizer::load(reader)?)))),
    ("DeepImagePredictor", |reader| Ok(Saved::Transformer(Arc::new(DeepImagePredictor::load(reader)?)))),
    ("IndexToString", |reader| Ok(Saved::Transformer(Arc::new(IndexToString::load(reader)?)))),
    ("KMeans", |reader| Ok(Saved::Estimator(Arc::new(KMeans::load(reader)?)))),
    ("KMeansModel", |reader| Ok(Saved::Transformer(Arc::new(KMeansModel::load(reader)?)))),
    ("KNearestNeighborsClassifier", |reader| {
        Ok(Saved::Estimator(Arc::new(KNearestNeighborsClassifier::load(reader)?)))
    }),
    ("KNearestNeighborsClassifierModel", |reader| {
        Ok(Saved::Transformer(Arc::new(KNearestNeighborsClassifierModel::load(reader)?)))
    }),
    ("KerasImageFileTransformer", |reader| {
        Ok(Saved::Transformer(Arc::new(KerasImageFileTransformer::load(reader)?)))
    }),
    ("KerasTransformer", |reader| Ok(Saved::Transformer(Arc::new(KerasTransformer::load(reader)?)))),
    ("LinearRegression", |reader| Ok(Saved::Estimator(Arc::new(LinearRegression::load(reader)?)))),
    ("LinearRegressionModel", |reader| {
        Ok(Saved::Transformer(Arc::new(LinearRegressionModel::load(reader)?)))
    }),
    ("LinearSVC", |reader| Ok(Saved::Estimator(Arc::new(LinearSVC::load(reader)?)))),
    ("LinearSVCModel", |reader| Ok(Saved::Transformer(Arc::new(LinearSVCModel::load(reader)?)))),
    ("LogisticRegression", |reader| Ok(Saved::Estimator(Arc::new(LogisticRegression::load(reader)?)))),
    ("LogisticRegressionModel", |reader| {
        Ok(Saved::Transformer(Arc::new(LogisticRegressionModel::load(reader)?)))
    }),
    ("MinMaxScaler", |reader| Ok(Saved::Estimator(Arc::new(MinMaxScaler::load(reader)?)))),
    ("MinMaxScalerModel", |reader| Ok(Saved::Transformer(Arc::new(MinMaxScalerModel::load(reader)?)))),
    ("MulticlassClassificationEvaluator", |reader| {
        Ok(Saved::Evaluator(Arc::new(MulticlassClassificationEvaluator::load(reader)?)))
    }),
    ("NaiveBayes", |reader| Ok(Saved::Estimator(Arc::new(NaiveBayes::load(reader)?)))),
    ("NaiveBayesModel", |reader| Ok(Saved::Transformer(Arc::new(NaiveBayesModel::load(reader)?)))),
    ("Normalizer", |reader| Ok(Saved::Transformer(Arc::new(Normalizer::load(reader)?)))),
    ("OneHotEncoder", |reader| Ok(Saved::Estimator(Arc::new(OneHotEncoder::load(reader)?)))),
    ("OneHotEncoderModel", |reader| Ok(Saved::Transformer(Arc::new(OneHotEncoderModel::load(reader)?)))),
    ("OneVsRest", |reader| Ok(Saved::Estimator(Arc::new(OneVsRest::load(reader)?)))),
    ("OneVsRestModel", |reader| Ok(Saved::Transformer(Arc::new(OneVsRestModel::load(reader)?)))),
    ("OnnxTransformer", |reader| Ok(Saved::Transformer(Arc::new(OnnxTransformer::load(reader)?)))),
    ("PCA", |reader| Ok(Saved::Estimator(Arc::new(Pca::load(reader)?)))),
    ("PCAModel", |reader| Ok(Saved::Transformer(Arc::new(PcaModel::load(reader)?)))),
    ("Pipeline", |reader| Ok(Saved::Estimator(Arc::new(Pipeline::load(reader)?)))),
    ("PipelineModel", |reader| Ok(Saved::Transformer(Arc::new(PipelineModel::load(reader)?)))),
    ("RegressionEvaluator", |reader| Ok(Saved::Evaluator(Arc::new(RegressionEvaluator::load(reader)?)))),
    ("SQLTransformer", |reader| Ok(Saved::Transformer(Arc::new(SqlTransformer::load(reader)?)))),
    ("SimilarImages", |reader| Ok(Saved::Estimator(Arc::new(SimilarImages::load(reader)?)))),
    ("SimilarImagesModel", |reader| Ok(Saved::Transformer(Arc::new(SimilarImagesModel::load(reader)?)))),
    ("StandardScaler", |reader| Ok(Saved::Estimator(Arc::new(StandardScaler::load(reader)?)))),
    ("StandardScalerModel", |reader| Ok(Saved::Transformer(Arc::new(StandardScalerModel::load(reader)?)))),
    ("StringIndexer", |reader| Ok(Saved::Estimator(Arc::new(StringIndexer::load(reader)?)))),
    ("StringIndexerModel", |reader| Ok(Saved::Transformer(Arc::new(StringIndexerModel::load(reader)?)))),
    ("TFImageTransformer", |reader| Ok(Saved::Transformer(Arc::new(TFImageTransformer::load(reader)?)))),
    ("TFTransformer", |reader| Ok(Saved::Transformer(Arc::new(TFTransformer::load(reader)?)))),
    ("TrainValidationSplit", |reader| Ok(Saved::Estimator(Arc::new(TrainValidationSplit::load(reader)?)))),
    ("TrainValidationSplitModel", |reader| {
        Ok(Saved::Transformer(Arc::new(TrainValidationSplitModel::load(reader)?)))
    }),
    ("VectorAssembler", |reader| Ok(Saved::Transformer(Arc::new(VectorAssembler::load(reader)?)))),
];

/// The names of the kinds, in alphabetic order.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(kind, _)| *kind)
}

/// Makes the stage that a saved directory holds.
pub(crate) fn load(reader: &StageReader) -> Result<Saved> {
    let found = KINDS.iter().find(|(kind, _)| *kind == reader.kind());
    let (_, load) = found.ok_or_else(|| {
        let known = kinds().collect::<Vec<_>>().join(", ");
        reader.error(format!("unknown kind `{}`; this version knows {known}", reader.kind()))
    })?;
    load(reader)
}
