//! The column function: the one shape that everything loaded or learned has.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use datafusion::arrow::compute::nullif;
use datafusion::arrow::datatypes::FieldRef;

use crate::describe::{Blob, Description};
use crate::error::{Result, TableError};

/// Arrow arrays in, one Arrow array of the same length out, row by row independent.
///
/// What it answers for a row depends on that row alone, never on the batch around it; so batches may be split,
/// joined and sent elsewhere freely. A row it can't answer is null, with a reason in [`Evaluated::errors`]; a
/// null argument gives null without a reason.
///
/// ```
/// use std::sync::Arc;
/// use emberline_table::arrow::{array::{ArrayRef, Float32Array}, datatypes::{DataType, Field, FieldRef}};
/// use emberline_table::{Blob, ColumnFunction, Description, Evaluated, Result};
///
/// #[derive(Debug)]
/// struct Doubled;
///
/// impl ColumnFunction for Doubled {
///     fn describe(&self) -> Description {
///         Description::new("doubled", serde_json::json!({}))
///     }
///     fn return_field(&self, _inputs: &[FieldRef]) -> Result<FieldRef> {
///         Ok(Arc::new(Field::new("doubled", DataType::Float32, true)))
///     }
///     fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated> {
///         let input = emberline_table::arrow::array::AsArray::as_primitive::<
///             emberline_table::arrow::datatypes::Float32Type>(&inputs[0]);
///         let output: Float32Array = input.iter().map(|value| value.map(|v| 2.0 * v)).collect();
///         Ok(Evaluated::new(Arc::new(output)))
///     }
/// }
/// let input: ArrayRef = Arc::new(Float32Array::from(vec![1.5, 2.0]));
/// assert_eq!(Doubled.evaluate(&[input]).unwrap().values.len(), 2);
/// ```
pub trait ColumnFunction: Any + Debug + Send + Sync {
    /// What this function is, in a form that rebuilds it elsewhere.
    fn describe(&self) -> Description;

    /// The large values that [`describe`](Self::describe) names by digest.
    fn blobs(&self) -> Vec<Blob> {
        Vec::new()
    }

    /// The field of the answers for input columns of these fields.
    ///
    /// # Errors
    /// When an input's type does not fit, or there are too many or too few; before any row is read.
    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef>;

    /// The answers, one per row of `inputs` (arrays of one length, of types that `return_field` accepted).
    ///
    /// # Errors
    /// Only when no row could be answered for a reason that is not a row's: a missing library, say.
    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated>;

    /// How many rows suit one call. Bounds the memory of what the function makes on the way.
    fn batch_rows(&self) -> usize {
        64
    }
}

/// A row without an answer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The row's index in the batch.
    pub row: usize,
    /// Where the row's image came from, if it says.
    pub origin: Option<String>,
    /// Why it has no answer.
    pub reason: String,
}

/// Answers for a batch of rows.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// One answer per row; null where there is none.
    pub values: ArrayRef,
    /// The rows that failed, in order. Rows that are null because an argument is are not among them.
    pub errors: Vec<RowError>,
}

impl Evaluated {
    /// Answers without failures.
    pub fn new(values: ArrayRef) -> Self {
        Self { values, errors: Vec::new() }
    }
}

/// Checks the number of arguments of a function.
///
/// ```
/// assert!(emberline_table::check_arity("doubled", 1, &[]).is_err());
/// assert!(emberline_table::check_arity("now", 0, &[]).is_ok());
/// ```
///
/// # Errors
/// When it is not `expected`.
pub fn check_arity(function: &str, expected: usize, inputs: &[FieldRef]) -> Result<()> {
    if inputs.len() == expected {
        return Ok(());
    }
    Err(TableError::ArgumentCount { function: function.into(), expected, found: inputs.len() })
}

/// The column that says why answers for `rows` rows are null.
pub(crate) fn reasons(errors: &[RowError], rows: usize) -> ArrayRef {
    let mut reasons = vec![None; rows];
    for error in errors {
        reasons[error.row] = Some(error.reason.as_str());
    }
    Arc::new(StringArray::from(reasons))
}

/// The columns of a struct column, null where the struct is.
pub(crate) fn struct_columns(values: &ArrayRef) -> Result<Vec<ArrayRef>> {
    let Some(values) = values.as_struct_opt() else {
        let reason = format!("several columns from an answer of type {}", values.data_type());
        return Err(TableError::description("struct", reason));
    };
    let Some(nulls) = values.nulls() else { return Ok(values.columns().to_vec()) };
    let mask = BooleanArray::new(!nulls.inner(), None);
    values.columns().iter().map(|column| Ok(nullif(column, &mask)?)).collect()
}
