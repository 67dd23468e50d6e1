//! Regressions.

mod linear_regression;

pub use linear_regression::{LinearRegression, LinearRegressionModel, LinearRegressionSummary};
