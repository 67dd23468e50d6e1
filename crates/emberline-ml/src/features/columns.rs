//! Stages of one column or of several: `inputCol` and `outputCol`, or `inputCols` and `outputCols`.

use datafusion::arrow::datatypes::FieldRef;
use emberline_table::{TableError, check_arity};

use crate::error::{MlError, Result};
use crate::params::{ParamSpec, ParamValue, Params, shared};

/// `inputCol`, which `inputCols` may stand in for.
pub(super) const INPUT_COL: ParamSpec = ParamSpec { required: false, ..shared::INPUT_COL };

/// A column that a stage reads and the one that it makes of it.
pub(super) struct ColumnPair {
    /// The param that names the input column.
    pub(super) param: &'static str,
    pub(super) input: String,
    pub(super) output: String,
}

/// Checks the params of a stage and says which columns it reads and makes.
///
/// # Errors
/// When a param is out of its range; unless exactly one of `inputCol` and `inputCols` is set; when there are not as
/// many `outputCols`.
pub(super) fn column_pairs(params: &Params) -> Result<Vec<ColumnPair>> {
    params.validate()?;
    let single = params.text_if_defined("inputCol")?;
    let several = params.texts_if_defined("inputCols")?;
    let (param, other, inputs, outputs) = match (single, several) {
        (Some(input), None) => ("inputCol", "outputCols", vec![input], vec![params.text("outputCol")?]),
        (None, Some(inputs)) => {
            let outputs = params.texts_if_defined("outputCols")?.unwrap_or_default();
            ("inputCols", "outputCol", inputs, outputs)
        }
        (single, _) => {
            let found = if single.is_some() { "both" } else { "neither" };
            let reason = format!("expected one of the parameters `inputCol` and `inputCols`, found {found}");
            return Err(MlError::stage(params.uid(), reason));
        }
    };
    if params.is_set(other) {
        let reason = format!("parameter `{other}` does not go with `{param}`");
        return Err(MlError::stage(params.uid(), reason));
    }
    if inputs.is_empty() {
        return Err(params.wrong("inputCols", "at least one column", &ParamValue::Texts(inputs)));
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
