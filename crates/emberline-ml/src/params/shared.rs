//! Params that several stages have, declared once.

use super::ParamKind::{Double, Int, Text, Texts};
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
pub(crate) const ERROR_COL: ParamSpec =
    ParamSpec::new("errorCol", Text, "column that says why a row's output is null; if it is not set, none");
