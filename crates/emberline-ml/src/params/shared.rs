//! Params that several stages have, declared once.

use super::ParamKind::{Bool, Double, Doubles, Int, Text, Texts};
use super::spec::Default as D;
use super::{Constraint, ParamSpec};

pub(crate) const INPUT_COL: ParamSpec = ParamSpec::new("inputCol", Text, "input column name").required();
pub(crate) const OUTPUT_COL: ParamSpec =
    ParamSpec::new("outputCol", Text, "output column name").default(D::UidAnd("__output"));
pub(crate) const INPUT_COLS: ParamSpec = ParamSpec::new("inputCols", Texts, "input column names");
pub(crate) const OUTPUT_COLS: ParamSpec = ParamSpec::new("outputCols", Texts, "output column names");
pub(crate) const FEATURES_COL: ParamSpec =
    ParamSpec::new("featuresCol", Text, "features column name").default(D::Text("features"));
pub(crate) const LABEL_COL: ParamSpec =
    ParamSpec::new("labelCol", Text, "label column name").default(D::Text("label"));
pub(crate) const WEIGHT_COL: ParamSpec =
    ParamSpec::new("weightCol", Text, "weight column name; if it is not set, all weights are 1");
pub(crate) const PREDICTION_COL: ParamSpec =
    ParamSpec::new("predictionCol", Text, "prediction column name").default(D::Text("prediction"));
pub(crate) const RAW_PREDICTION_COL: ParamSpec =
    ParamSpec::new("rawPredictionCol", Text, "raw prediction (confidence) column name")
        .default(D::Text("rawPrediction"));
pub(crate) const PROBABILITY_COL: ParamSpec =
    ParamSpec::new("probabilityCol", Text, "column name for class probabilities")
        .default(D::Text("probability"));
pub(crate) const SEED: ParamSpec = ParamSpec::new("seed", Int, "random seed").default(D::Int(0));
pub(crate) const REG_PARAM: ParamSpec = ParamSpec::new("regParam", Double, "regularization parameter")
    .default(D::Double(0.0))
    .constraint(Constraint::AtLeast(0.0));
pub(crate) const ELASTIC_NET_PARAM: ParamSpec =
    ParamSpec::new("elasticNetParam", Double, "share of the L1 penalty: 0 is ridge, 1 is lasso")
        .default(D::Double(0.0))
        .constraint(Constraint::Between(0.0, 1.0));
pub(crate) const MAX_ITER: ParamSpec = ParamSpec::new("maxIter", Int, "maximum number of iterations")
    .default(D::Int(100))
    .constraint(Constraint::AtLeast(0.0));
pub(crate) const TOL: ParamSpec = ParamSpec::new("tol", Double, "convergence tolerance")
    .default(D::Double(1e-6))
    .constraint(Constraint::AtLeast(0.0));
pub(crate) const FIT_INTERCEPT: ParamSpec =
    ParamSpec::new("fitIntercept", Bool, "whether to fit an intercept").default(D::Bool(true));
pub(crate) const STANDARDIZATION: ParamSpec = ParamSpec::new(
    "standardization",
    Bool,
    "whether the penalty is on coefficients of standardized features; coefficients are returned as of the features \
     themselves either way",
)
.default(D::Bool(true));
pub(crate) const THRESHOLDS: ParamSpec = ParamSpec::new(
    "thresholds",
    Doubles,
    "one per class, at most one of them 0: the class with the largest probability / threshold is predicted",
)
.constraint(Constraint::AtLeast(0.0));
pub(crate) const ERROR_COL: ParamSpec =
    ParamSpec::new("errorCol", Text, "column that says why a row's output is null; if it is not set, none");
pub(crate) const PARALLELISM: ParamSpec = ParamSpec::new(
    "parallelism",
    Int,
    "taken from MLlib and not needed: what runs at once is chosen by the cores, and does not change the answers",
)
.default(D::Int(1))
.constraint(Constraint::AtLeast(1.0));
pub(crate) const MAX_MEMORY: ParamSpec = ParamSpec::new(
    "maxMemoryInMB",
    Int,
    "MiB that candidates fitted together may take beside the features and the models, if that is at all possible: less is \
fitted at a time",
)
.default(D::Int(1024))
.constraint(Constraint::AtLeast(1.0));
pub(crate) const COLLECT_SUB_MODELS: ParamSpec =
    ParamSpec::new("collectSubModels", Bool, "whether the models of every fold and candidate are kept")
        .default(D::Bool(false));
pub(crate) const HALVING_FACTOR: ParamSpec = ParamSpec::new(
    "halvingFactor",
    Int,
    "successive halving: each round keeps one of so many candidates and takes so many times the rows, the last one all; \
     if not set, every candidate is measured on all rows",
)
.constraint(Constraint::AtLeast(2.0));
