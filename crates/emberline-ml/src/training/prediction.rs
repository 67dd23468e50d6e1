//! What a network's output predicts: the likeliest class, or the value itself.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float32Type};
use emberline_table::{
    Blobs, ColumnFunction, Description, Evaluated, FunctionKinds, TableError, check_arity,
};
use serde::{Deserialize, Serialize};

use crate::attributes::with_labels;

/// The kind of the column function.
pub(crate) const OUTPUT_CLASS: &str = "output_class";

/// How an output becomes one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rule {
    /// The place of the greatest number; the first of equal ones.
    Greatest,
    /// 1 for more than a half, otherwise 0.
    Half,
    /// The number itself.
    Value,
}

/// Inputs: outputs of a network, `Float32` or fixed lists of it. Output: `Float64`, with the names of the classes where they are
/// known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OutputClass {
    pub(super) rule: Rule,
    pub(super) labels: Option<Vec<String>>,
}

impl OutputClass {
    fn of(&self, numbers: &[f32]) -> f64 {
        let first = numbers.first().copied().unwrap_or(f32::NAN);
        match self.rule {
            Rule::Half => f64::from(u8::from(first > 0.5)),
            Rule::Value => f64::from(first),
            Rule::Greatest => {
                let mut best = (0, f32::NEG_INFINITY);
                for (at, number) in numbers.iter().enumerate() {
                    if *number > best.1 {
                        best = (at, *number);
                    }
                }
                best.0 as f64
            }
        }
    }
}

fn numbers_per_row(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Float32 => Some(1),
        DataType::FixedSizeList(item, length) if item.data_type() == &DataType::Float32 => {
            usize::try_from(*length).ok()
        }
        _ => None,
    }
}

impl ColumnFunction for OutputClass {
    fn describe(&self) -> Description {
        Description::new(OUTPUT_CLASS, serde_json::to_value(self).unwrap_or_default())
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef, TableError> {
        check_arity(OUTPUT_CLASS, 1, inputs)?;
        if numbers_per_row(inputs[0].data_type()).is_none() {
            return Err(TableError::ColumnType {
                function: OUTPUT_CLASS.into(),
                column: inputs[0].name().clone(),
                expected: "Float32, or vectors of it".into(),
                found: inputs[0].data_type().clone(),
            });
        }
        let field: FieldRef = Arc::new(Field::new(OUTPUT_CLASS, DataType::Float64, true));
        Ok(match &self.labels {
            Some(labels) => with_labels(field, labels),
            None => field,
        })
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated, TableError> {
        let outputs = &inputs[0];
        let row = |row: usize| {
            if outputs.is_null(row) {
                return Ok(None);
            }
            let numbers = match outputs.as_fixed_size_list_opt() {
                Some(list) => list.value(row),
                None => outputs.slice(row, 1),
            };
            let numbers = cast(&numbers, &DataType::Float32)?;
            Ok(Some(self.of(numbers.as_primitive::<Float32Type>().values())))
        };
        let values = (0..outputs.len()).map(row).collect::<Result<Float64Array, TableError>>()?;
        Ok(Evaluated::new(Arc::new(values)))
    }
}

pub(crate) fn rebuild(
    description: &Description,
    _: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>, TableError> {
    Ok(Arc::new(description.params_as::<OutputClass>()?))
}
