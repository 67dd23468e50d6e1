//! MLlib's pipelines over image tables: params, transformers, estimators, evaluators, persistence.
//!
//! Names, defaults, formulas and errors follow `pyspark.ml` and `sparkdl`. Unfitted and fitted stages are different
//! types. What a stage adds to a table is a list of [`Step`](emberline_table::Step)s, applications of column functions;
//! the numbers behind them live in [`linear`] and [`metrics`], which know no tables.
//!
//! Nothing here knows how an image is decoded or how a network runs.

mod attributes;
mod bayes;
mod classification;
mod clustering;
mod clusters;
mod distance;
mod error;
mod evaluation;
mod features;
mod functions;
mod image;
mod linear_predictors;
pub mod metrics;
mod model;
mod neighbors;
mod params;
mod persistence;
mod pipeline;
mod predictor;
mod random;
pub mod registry;
mod regression;
mod shared_functions;
mod stage;
mod tensors;
mod training;
mod training_data;
mod tuning;
mod vectors;

/// Linear models in memory, which the stages fit and save.
pub use emberline_linear as linear;
/// What an epoch of training came to; how workers that train together reach each other; what goes wrong in training.
pub use emberline_train::{Epoch, Error as TrainError, WorkerListener, Workers};

pub use classification::{
    LinearSVC, LinearSVCModel, LogisticRegression, LogisticRegressionModel, LogisticRegressionSummary,
    LogisticRegressionTrainingSummary, NaiveBayes, NaiveBayesModel, OneVsRest, OneVsRestModel,
};
pub use clustering::{KMeans, KMeansModel, KMeansSummary};
pub use error::{MlError, Result};
pub use evaluation::{
    BinaryClassificationEvaluator, ClusteringEvaluator, Evaluator, MulticlassClassificationEvaluator,
    RegressionEvaluator,
};
pub use features::{
    IndexToString, MinMaxScaler, MinMaxScalerModel, Normalizer, OneHotEncoder, OneHotEncoderModel, Pca,
    PcaModel, SqlTransformer, StandardScaler, StandardScalerModel, StringIndexer, StringIndexerModel,
    VectorAssembler,
};
pub use functions::{Functions, function_kinds};
pub use image::{DeepImageFeaturizer, DeepImagePredictor, set_feature_cache};
pub use model::{
    ImageSource, Keras, KerasImageFileTransformer, KerasTransformer, ModelRequest, ModelSource,
    NetworkImageTransformer, NetworkTransformer, Onnx, OnnxTransformer, TFImageTransformer, TFTransformer,
    TensorFlow,
};
pub use neighbors::{
    KNearestNeighborsClassifier, KNearestNeighborsClassifierModel, SimilarImages, SimilarImagesModel,
};
pub use params::{Constraint, Param, ParamDefault, ParamKind, ParamMap, ParamSpec, ParamValue, Params};
pub use persistence::{IfExists, Saved, StageReader, StageWriter, load, save};
pub use pipeline::{Pipeline, PipelineModel};
pub use predictor::TrainingSummary;
pub use regression::{LinearRegression, LinearRegressionModel, LinearRegressionSummary};
pub use stage::{Estimator, FitResult, FoldJob, PipelineStage, Stage, Transformer, downcast};
pub use training::{
    ExampleSource, Images, KerasEstimator, KerasImageFileEstimator, KerasImageFileModel, KerasModel,
    NetworkEstimator, NetworkModel, NetworkTrainingSummary, Tensors, TrainingEvent, TrainingObserver,
    set_workers,
};
pub use tuning::{
    Cluster, CrossValidator, CrossValidatorModel, Folds, Ledger, LedgerEntry, ParamGridBuilder,
    ParamRandomBuilder, Split, SubModels, TrainValidationSplit, TrainValidationSplitModel, Trial,
    TuningEvent, TuningObserver, TuningPlan, measure, split,
};
