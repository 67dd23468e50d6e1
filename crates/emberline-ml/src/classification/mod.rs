//! Classifiers.

mod labelled;
mod logistic_function;
mod logistic_regression;

pub(crate) use labelled::rebuild as rebuild_labelled_prediction;
pub(crate) use labelled::{LABELLED_PREDICTION, LabelledPrediction};
pub(crate) use logistic_function::LOGISTIC_REGRESSION;
pub(crate) use logistic_function::rebuild as rebuild_logistic_regression;
pub use logistic_regression::{LogisticRegression, LogisticRegressionModel, TrainingSummary};
