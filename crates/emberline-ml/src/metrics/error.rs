//! What can be wrong with the input of a metric.

use thiserror::Error;

/// A problem with the columns or the settings given to a metric. Rows are numbered from 0.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MetricError {
    /// There is nothing to measure.
    #[error("expected at least one row with a positive weight, found {rows} rows of weight 0")]
    Empty {
        /// Number of rows.
        rows: usize,
    },
    /// Nothing to tell apart.
    #[error("prediction: expected at least two clusters, found {found}")]
    Clusters {
        /// Number of clusters.
        found: usize,
    },
    /// Two columns differ in length.
    #[error("{column}: expected {expected} values, found {found}")]
    Length {
        /// The column in question.
        column: &'static str,
        /// How many values it should have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// A value is outside its range.
    #[error("{column}: expected {expected}, found {found} in row {row}")]
    Value {
        /// The column in question.
        column: &'static str,
        /// The row.
        row: usize,
        /// What is allowed.
        expected: &'static str,
        /// The value there.
        found: f64,
    },
    /// A setting is outside its range.
    #[error("{name}: expected {expected}, found {found}")]
    Setting {
        /// The evaluator's name of the parameter.
        name: &'static str,
        /// What is allowed.
        expected: String,
        /// What was given.
        found: f64,
    },
    /// A metric has no such name.
    #[error("metricName: expected one of {expected}, found {found:?}")]
    Name {
        /// The names there are.
        expected: String,
        /// What was given.
        found: String,
    },
}

/// Weights of `rows` rows: finite and not negative, 1 unless given, not all 0.
pub(super) fn checked_weights(rows: usize, weights: Option<&[f64]>) -> Result<Vec<f64>, MetricError> {
    let weights = weights.map_or_else(|| vec![1.0; rows], <[f64]>::to_vec);
    check_length("weight", rows, weights.len())?;
    check_values("weight", &weights, "a finite number of at least 0", |w| w.is_finite() && w >= 0.0)?;
    if weights.iter().any(|&w| w > 0.0) { Ok(weights) } else { Err(MetricError::Empty { rows }) }
}

pub(super) fn check_length(column: &'static str, expected: usize, found: usize) -> Result<(), MetricError> {
    if found == expected { Ok(()) } else { Err(MetricError::Length { column, expected, found }) }
}

pub(super) fn check_values(
    column: &'static str,
    values: &[f64],
    expected: &'static str,
    valid: impl Fn(f64) -> bool,
) -> Result<(), MetricError> {
    match values.iter().position(|&value| !valid(value)) {
        None => Ok(()),
        Some(row) => Err(MetricError::Value { column, row, expected, found: values[row] }),
    }
}
