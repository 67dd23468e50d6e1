//! The kinds of stage that can be loaded: an explicit table, kind name to constructor.

use std::sync::Arc;

use crate::classification::{LogisticRegression, LogisticRegressionModel};
use crate::error::Result;
use crate::evaluation::MulticlassClassificationEvaluator;
use crate::features::{
    IndexToString, MinMaxScaler, MinMaxScalerModel, Normalizer, OneHotEncoder, OneHotEncoderModel, Pca,
    PcaModel, SqlTransformer, StandardScaler, StandardScalerModel, StringIndexer, StringIndexerModel,
    VectorAssembler,
};
use crate::image::{DeepImageFeaturizer, DeepImagePredictor};
use crate::persistence::{Saved, StageReader};
use crate::pipeline::{Pipeline, PipelineModel};

type Load = fn(&StageReader) -> Result<Saved>;

const KINDS: &[(&str, Load)] = &[
    ("DeepImageFeaturizer", |reader| Ok(Saved::Transformer(Arc::new(DeepImageFeaturizer::load(reader)?)))),
    ("DeepImagePredictor", |reader| Ok(Saved::Transformer(Arc::new(DeepImagePredictor::load(reader)?)))),
    ("IndexToString", |reader| Ok(Saved::Transformer(Arc::new(IndexToString::load(reader)?)))),
    ("LogisticRegression", |reader| Ok(Saved::Estimator(Arc::new(LogisticRegression::load(reader)?)))),
    ("LogisticRegressionModel", |reader| {
        Ok(Saved::Transformer(Arc::new(LogisticRegressionModel::load(reader)?)))
    }),
    ("MinMaxScaler", |reader| Ok(Saved::Estimator(Arc::new(MinMaxScaler::load(reader)?)))),
    ("MinMaxScalerModel", |reader| Ok(Saved::Transformer(Arc::new(MinMaxScalerModel::load(reader)?)))),
    ("MulticlassClassificationEvaluator", |reader| {
        Ok(Saved::Evaluator(Arc::new(MulticlassClassificationEvaluator::load(reader)?)))
    }),
    ("Normalizer", |reader| Ok(Saved::Transformer(Arc::new(Normalizer::load(reader)?)))),
    ("OneHotEncoder", |reader| Ok(Saved::Estimator(Arc::new(OneHotEncoder::load(reader)?)))),
    ("OneHotEncoderModel", |reader| Ok(Saved::Transformer(Arc::new(OneHotEncoderModel::load(reader)?)))),
    ("PCA", |reader| Ok(Saved::Estimator(Arc::new(Pca::load(reader)?)))),
    ("PCAModel", |reader| Ok(Saved::Transformer(Arc::new(PcaModel::load(reader)?)))),
    ("Pipeline", |reader| Ok(Saved::Estimator(Arc::new(Pipeline::load(reader)?)))),
    ("PipelineModel", |reader| Ok(Saved::Transformer(Arc::new(PipelineModel::load(reader)?)))),
    ("SQLTransformer", |reader| Ok(Saved::Transformer(Arc::new(SqlTransformer::load(reader)?)))),
    ("StandardScaler", |reader| Ok(Saved::Estimator(Arc::new(StandardScaler::load(reader)?)))),
    ("StandardScalerModel", |reader| Ok(Saved::Transformer(Arc::new(StandardScalerModel::load(reader)?)))),
    ("StringIndexer", |reader| Ok(Saved::Estimator(Arc::new(StringIndexer::load(reader)?)))),
    ("StringIndexerModel", |reader| Ok(Saved::Transformer(Arc::new(StringIndexerModel::load(reader)?)))),
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
