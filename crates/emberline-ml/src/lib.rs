//! MLlib's pipelines over image tables: params, transformers, estimators, evaluators, persistence.
//!
//! Names, defaults, formulas and errors follow `pyspark.ml` and `sparkdl`. Unfitted and fitted stages are different
//! types. What a stage adds to a table is a list of [`Step`](emberline_table::Step)s, applications of column functions;
//! the numbers behind them live in [`linear`] and [`metrics`], which know no tables.
//!
//! Nothing here knows how an image is decoded or how a network runs.

mod attributes;
mod classification;
mod error;
mod evaluation;
mod features;
mod functions;
mod image;
pub mod linear;
pub mod metrics;
mod params;
mod persistence;
mod pipeline;
pub mod registry;
mod stage;
mod training_data;
mod tuning;
mod vectors;

pub use classification::{LogisticRegression, LogisticRegressionModel, TrainingSummary};
pub use error::{MlError, Result};
pub use evaluation::{Evaluator, MulticlassClassificationEvaluator};
pub use features::{
    IndexToString, MinMaxScaler, MinMaxScalerModel, Normalizer, OneHotEncoder, OneHotEncoderModel, Pca,
    PcaModel, SqlTransformer, StandardScaler, StandardScalerModel, StringIndexer, StringIndexerModel,
    VectorAssembler,
};
pub use functions::{Functions, function_kinds};
pub use image::{DeepImageFeaturizer, DeepImagePredictor};
pub use params::{Constraint, Param, ParamDefault, ParamKind, ParamMap, ParamSpec, ParamValue, Params};
pub use persistence::{IfExists, Saved, StageReader, StageWriter, load, save};
pub use pipeline::{Pipeline, PipelineModel};
pub use stage::{Estimator, PipelineStage, Stage, Transformer, downcast};
pub use tuning::{CrossValidator, CrossValidatorModel, ParamGridBuilder, Split, split};
