//! What can be wrong with the input of a linear model.

use thiserror::Error;

/// A problem with the data or the settings given to a linear model. Rows and features are numbered from 0.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum LinearError {
    /// There is nothing to learn from.
    #[error(
        "training data: expected at least one row with a positive weight and one feature, found {rows} rows \
             of {features} features with a total weight of {weight}"
    )]
    Empty {
        /// Number of rows.
        rows: usize,
        /// Number of features.
        features: usize,
        /// Sum of the weights.
        weight: f64,
    },
    /// Two parts of the input do not fit together.
    #[error("{what}: expected {expected} values, found {found}")]
    Length {
        /// The part in question.
        what: &'static str,
        /// How many values it should have.
        expected: usize,
        /// How many values it has.
        found: usize,
    },
    /// A feature is NaN or infinite.
    #[error("features: expected finite numbers, found {found} in row {row}, feature {feature}")]
    Feature {
        /// The row.
        row: usize,
        /// The column of the matrix.
        feature: usize,
        /// The value there.
        found: f64,
    },
    /// A covariance matrix whose eigenvalues can't be found, which finite numbers do not cause.
    #[error("features: the eigenvalues of the covariances of {features} features can't be found")]
    Eigenvalues {
        /// Number of features.
        features: usize,
    },
    /// A label is not a class number.
    #[error(
        "label: expected a whole number from 0 to {largest}, found {found} in row {row}; \
             StringIndexer turns names into such numbers"
    )]
    Label {
        /// The row.
        row: usize,
        /// The value there.
        found: f64,
        /// The largest label allowed.
        largest: usize,
    },
    /// A weight is negative, NaN or infinite.
    #[error("weight: expected a finite number of at least 0, found {found} in row {row}")]
    Weight {
        /// The row.
        row: usize,
        /// The value there.
        found: f64,
    },
    /// A setting is outside its range.
    #[error("{name}: expected {expected}, found {found}")]
    Setting {
        /// MLlib's name of the parameter.
        name: &'static str,
        /// What is allowed.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The binomial family was asked to tell more than two classes apart.
    #[error("family: binomial separates at most 2 classes, found {classes}; use auto or multinomial")]
    TooManyClasses {
        /// Number of classes in the labels.
        classes: usize,
    },
    /// Labels that do not vary can't be scaled to unit deviation, which a penalty is relative to.
    #[error(
        "label: expected labels that differ, found {found} in every row; with regParam {reg_param} and without an \
             intercept there is no solution"
    )]
    ConstantLabel {
        /// The label of all rows.
        found: f64,
        /// The strength of the penalty.
        reg_param: f64,
    },
    /// The normal equations would not fit in memory.
    #[error("solver: normal takes at most {limit} features, found {features}; use auto or l-bfgs")]
    TooManyFeatures {
        /// Number of features.
        features: usize,
        /// Largest number supported.
        limit: usize,
    },
    /// A label is NaN or infinite.
    #[error("label: expected a finite number, found {found} in row {row}")]
    Value {
        /// The row.
        row: usize,
        /// The value there.
        found: f64,
    },
    /// The model would not fit in memory.
    #[error(
        "label: {classes} classes x {features} features is more than the {limit} coefficients supported; \
             are the labels class numbers?"
    )]
    TooManyCoefficients {
        /// Number of classes in the labels.
        classes: usize,
        /// Number of features.
        features: usize,
        /// Largest supported product of both.
        limit: usize,
    },
}
