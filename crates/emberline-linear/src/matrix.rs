//! A borrowed matrix of features, as `f32` (images) or `f64` (MLlib's vectors).

use std::borrow::Cow;
use std::ops::Range;

use super::LinearError;

/// A view of `[rows, columns]` features, row major.
///
/// ```
/// # use emberline_linear::Matrix;
/// let x = Matrix::from_f32(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3)?;
/// assert_eq!((x.rows(), x.columns()), (2, 3));
/// # Ok::<(), emberline_linear::LinearError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: Values<'a>,
    rows: usize,
    columns: usize,
    /// The same values, column major, where somebody has made them.
    transposed: Option<&'a [f32]>,
    /// The column from which on the values are a lower triangle, if they are: row `i` has its last one in column `triangle + i`.
    triangle: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Values<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl<'a> Matrix<'a> {
    /// A view of single-precision features.
    ///
    /// # Errors
    /// [`LinearError::Length`] when `values` does not split into rows of `columns`.
    pub fn from_f32(values: &'a [f32], columns: usize) -> Result<Self, LinearError> {
        Ok(Self {
            rows: rows_of(values.len(), columns)?,
            columns,
            values: Values::F32(values),
            transposed: None,
            triangle: None,
        })
    }

    /// A view of double-precision features.
    ///
    /// # Errors
    /// [`LinearError::Length`] when `values` does not split into rows of `columns`.
    pub fn from_f64(values: &'a [f64], columns: usize) -> Result<Self, LinearError> {
        Ok(Self {
            rows: rows_of(values.len(), columns)?,
            columns,
            values: Values::F64(values),
            transposed: None,
            triangle: None,
        })
    }

    /// The same as [`from_f32`](Self::from_f32) for values that are known to split.
    pub(crate) fn of_f32(values: &'a [f32], columns: usize) -> Self {
        Self {
            rows: values.len() / columns,
            columns,
            values: Values::F32(values),
            transposed: None,
            triangle: None,
        }
    }

    /// The same as [`from_f64`](Self::from_f64) for values that are known to split.
    pub(crate) fn of_f64(values: &'a [f64], columns: usize) -> Self {
        Self {
            rows: values.len() / columns,
            columns,
            values: Values::F64(values),
            transposed: None,
            triangle: None,
        }
    }

    /// The same matrix with its values column major, too, which make products with few columns faster.
    pub(crate) fn with_transposed(self, transposed: &'a [f32]) -> Self {
        Self { transposed: Some(transposed), ..self }
    }

    /// The same matrix, of which it is known whether, and from which column on, it is a lower triangle.
    pub(crate) fn with_triangle(self, from: Option<usize>) -> Self {
        Self { triangle: from, ..self }
    }

    /// Whether the right part of the matrix is a triangle.
    pub(crate) fn has_triangle(&self) -> bool {
        self.triangle.is_some()
    }

    /// How many columns these rows have: what is right of them is 0.
    pub(crate) fn columns_of(&self, rows: &Range<usize>) -> usize {
        self.triangle.map_or(self.columns, |triangle| self.columns.min(triangle + rows.end))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns, that is of features.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The values where they are in single precision, row major.
    pub(crate) fn single(&self) -> Option<&'a [f32]> {
        match self.values {
            Values::F32(values) => Some(values),
            Values::F64(_) => None,
        }
    }

    /// The values column major, if they are there.
    pub(crate) fn transposed(&self) -> Option<&'a [f32]> {
        self.transposed
    }

    /// Consecutive rows in double precision; `scratch` holds them where they have to be widened.
    ///
    /// # Panics
    /// When there are no such rows.
    pub fn block<'s>(&self, rows: Range<usize>, scratch: &'s mut Vec<f64>) -> &'s [f64]
    where
        'a: 's,
    {
        let range = rows.start * self.columns..rows.end * self.columns;
        match self.values {
            Values::F64(values) => &values[range],
            Values::F32(values) => {
                scratch.clear();
                scratch.extend(values[range].iter().copied().map(f64::from));
                scratch
            }
        }
    }

    /// Appends a range of a row's columns in double precision.
    pub(crate) fn extend_from_row(&self, row: usize, columns: Range<usize>, out: &mut Vec<f64>) {
        let range = row * self.columns + columns.start..row * self.columns + columns.end;
        match self.values {
            Values::F64(values) => out.extend_from_slice(&values[range]),
            Values::F32(values) => out.extend(values[range].iter().copied().map(f64::from)),
        }
    }

    /// One row in double precision.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> Cow<'a, [f64]> {
        let range = row * self.columns..(row + 1) * self.columns;
        match self.values {
            Values::F64(values) => Cow::Borrowed(&values[range]),
            Values::F32(values) => Cow::Owned(values[range].iter().copied().map(f64::from).collect()),
        }
    }

    /// Refuses NaN and infinity, naming the first place.
    ///
    /// # Errors
    /// [`LinearError::Feature`].
    pub fn check_finite(&self) -> Result<(), LinearError> {
        let found = match self.values {
            Values::F32(values) => {
                values.iter().position(|v| !v.is_finite()).map(|at| (at, f64::from(values[at])))
            }
            Values::F64(values) => values.iter().position(|v| !v.is_finite()).map(|at| (at, values[at])),
        };
        match found {
            None => Ok(()),
            Some((at, found)) => {
                Err(LinearError::Feature { row: at / self.columns, feature: at % self.columns, found })
            }
        }
    }
}

fn rows_of(values: usize, columns: usize) -> Result<usize, LinearError> {
    let rows = values.checked_div(columns).unwrap_or(0);
    let expected = rows * columns;
    if expected == values {
        Ok(rows)
    } else {
        Err(LinearError::Length { what: "features (whole rows)", expected, found: values })
    }
}
