//! Labels and weights, checked and counted before training.

use super::{LinearError, Matrix};

/// Most coefficients that a model may have: 2 GiB of them in double precision. A label of 1e9 is a mistake, and must not
/// become an allocation.
const COEFFICIENTS_MAX: usize = 1 << 28;

/// Rows with their class and weight.
///
/// ```
/// # use emberline_linear::{Examples, Matrix};
/// let x = Matrix::from_f32(&[0.5, 1.5, 2.5], 1)?;
/// let examples = Examples::new(&x, &[0.0, 1.0, 1.0], None, None)?;
/// assert_eq!(examples.histogram, [1.0, 2.0]);
/// # Ok::<(), emberline_linear::LinearError>(())
/// ```
pub struct Examples {
    /// Class of each row.
    pub classes: Vec<usize>,
    /// Weight of each row; a row of weight 0 takes no part.
    pub weights: Vec<f64>,
    /// Total weight of each class.
    pub histogram: Vec<f64>,
}

impl Examples {
    /// Checks labels and weights and counts the classes.
    ///
    /// # Errors
    /// Labels that are not class numbers, weights that are not finite and non-negative, and lengths that differ.
    pub fn new(
        x: &Matrix<'_>,
        labels: &[f64],
        weights: Option<&[f64]>,
        num_classes: Option<usize>,
    ) -> Result<Self, LinearError> {
        let rows = x.rows();
        check_length("label", rows, labels.len())?;
        let weights = checked_weights(x, weights)?;
        let limit = COEFFICIENTS_MAX / x.columns();
        let largest = num_classes.unwrap_or(limit).saturating_sub(1);
        let outside = |l: &f64| !(*l >= 0.0 && l.fract() == 0.0 && *l <= largest as f64);
        if let Some(row) = labels.iter().position(outside) {
            return Err(LinearError::Label { row, found: labels[row], largest });
        }
        let classes: Vec<usize> = labels.iter().map(|&label| label as usize).collect();
        // As in MLlib, a class seen only in rows of weight 0 does not exist.
        let seen = classes.iter().zip(&weights).filter(|(_, w)| **w > 0.0).map(|(class, _)| class + 1).max();
        let count = num_classes.or(seen).unwrap_or(0);
        if count > limit {
            return Err(LinearError::TooManyCoefficients {
                classes: count,
                features: x.columns(),
                limit: COEFFICIENTS_MAX,
            });
        }
        let mut histogram = vec![0.0; count];
        for (&class, &weight) in classes.iter().zip(&weights) {
            if weight > 0.0 {
                histogram[class] += weight;
            }
        }
        Ok(Self { classes, weights, histogram })
    }
}

/// The weight of each row of `x`, 1 unless given.
///
/// ```
/// # use emberline_linear::{Matrix, checked_weights};
/// let x = Matrix::from_f32(&[0.5, 1.5], 1)?;
/// assert_eq!(checked_weights(&x, None)?, [1.0, 1.0]);
/// # Ok::<(), emberline_linear::LinearError>(())
/// ```
///
/// # Errors
/// Weights that are not finite and non-negative or too few, and data that nothing can be learned from.
pub fn checked_weights(x: &Matrix<'_>, weights: Option<&[f64]>) -> Result<Vec<f64>, LinearError> {
    let rows = x.rows();
    let weights = weights.map_or_else(|| vec![1.0; rows], <[f64]>::to_vec);
    check_length("weight", rows, weights.len())?;
    if let Some(row) = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
        return Err(LinearError::Weight { row, found: weights[row] });
    }
    // An empty sum is -0.0.
    let weight = weights.iter().sum::<f64>() + 0.0;
    if weight == 0.0 || x.columns() == 0 {
        return Err(LinearError::Empty { rows, features: x.columns(), weight });
    }
    Ok(weights)
}

pub(crate) fn check_length(what: &'static str, expected: usize, found: usize) -> Result<(), LinearError> {
    if found == expected { Ok(()) } else { Err(LinearError::Length { what, expected, found }) }
}
