//! Stages of one column or of several: `inputCol` and `outputCol`, or `inputCols` and `outputCols`.

use datafusion::arrow::datatypes::FieldRef;
use emberline_table::{TableError, check_arity};

use crate::error::{MlError, Result};
use crate::params::{ParamSpec, ParamValue, Params, shared};

/// `inputCol`, which `inputCols` may stand in for.
pub(crate) const INPUT_COL: ParamSpec = ParamSpec { required: false, ..shared::INPUT_COL };

/// A column that a stage reads and the one that it makes of it.
pub(super) struct ColumnPair {
    /// The param that names the input column.
    pub(super) param: &'static str,
    pub(super) input: String,
    pub(super) output: String,
}

/// The columns that a stage reads, and the param that names them.
///
/// # Errors
/// Unless exactly one of `inputCol` and `inputCols` is set, to one column at least.
pub(crate) fn input_columns(params: &Params) -> Result<(&'static str, Vec<String>)> {
    match (params.text_if_defined("inputCol")?, params.texts_if_defined("inputCols")?) {
        (Some(input), None) => Ok(("inputCol", vec![input])),
        (None, Some(inputs)) if inputs.is_empty() => {
            Err(params.wrong("inputCols", "at least one column", &ParamValue::Texts(inputs)))
        }
        (None, Some(inputs)) => Ok(("inputCols", inputs)),
        (single, _) => {
            let found = if single.is_some() { "both" } else { "neither" };
            let reason = format!("expected one of the parameters `inputCol` and `inputCols`, found {found}");
            Err(MlError::stage(params.uid(), reason))
        }
    }
}

/// Checks the params of a stage and says which columns it reads and makes.
///
/// # Errors
/// When a param is out of its range; unless exactly one of `inputCol` and `inputCols` is set; when there are not as
/// many `outputCols`.
pub(super) fn column_pairs(params: &Params) -> Result<Vec<ColumnPair>> {
    params.validate()?;
    let (param, inputs) = input_columns(params)?;
    let (other, outputs) = match param {
        "inputCol" => ("outputCols", vec![params.text("outputCol")?]),
        _ => ("outputCol", params.texts_if_defined("outputCols")?.unwrap_or_default()),
    };
    if params.is_set(other) {
        let reason = format!("parameter `{other}` does not go with `{param}`");
        return Err(MlError::stage(params.uid(), reason));
    }
    if outputs.len() != inputs.len() {
        let expected = format!("{} columns, as many as inputCols", inputs.len());
        return Err(params.wrong("outputCols", expected, &ParamValue::Texts(outputs)));
    }
    Ok(inputs.into_iter().zip(outputs).map(|(input, output)| ColumnPair { param, input, output }).collect())
}

/// Checks that a model is still set to as many columns as it was fitted on.
///
/// # Errors
/// When it is not.
pub(super) fn check_columns(params: &Params, fitted: usize, found: usize) -> Result<()> {
    if fitted == found {
        return Ok(());
    }
    Err(MlError::stage(params.uid(), format!("it was fitted on {fitted} input columns, found {found}")))
}

/// Checks that a column function has one argument, of numbers.
///
/// # Errors
/// When it has not.
pub(super) fn check_number(kind: &str, inputs: &[FieldRef]) -> Result<(), TableError> {
    check_arity(kind, 1, inputs)?;
    let input = &inputs[0];
    if input.data_type().is_numeric() {
        return Ok(());
    }
    Err(TableError::ColumnType {
        function: kind.into(),
        column: input.name().clone(),
        expected: "numbers".into(),
        found: input.data_type().clone(),
    })
}
