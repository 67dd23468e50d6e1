//! Classifiers.

mod labelled;
mod linear_svc;
mod logistic_regression;
mod logistic_summary;
mod naive_bayes;
mod one_vs_rest;

pub(crate) use labelled::rebuild as rebuild_labelled_prediction;
pub(crate) use labelled::{LABELLED_PREDICTION, LabelledPrediction};
pub use linear_svc::{LinearSVC, LinearSVCModel};
pub use logistic_regression::{LogisticRegression, LogisticRegressionModel};
pub use logistic_summary::{LogisticRegressionSummary, LogisticRegressionTrainingSummary};
pub use naive_bayes::{NaiveBayes, NaiveBayesModel};
pub(crate) use one_vs_rest::{ONE_VS_REST, rebuild as rebuild_one_vs_rest};
pub use one_vs_rest::{OneVsRest, OneVsRestModel};
