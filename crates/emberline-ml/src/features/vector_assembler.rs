//! MLlib's `VectorAssembler` (`ml/feature/VectorAssembler.scala`).

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, NullBufferBuilder, PrimitiveArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema};
use datafusion::dataframe::DataFrame;
use emberline_table::{
    Blobs, ColumnFunction, Description, Evaluated, FunctionKinds, Step, TableError, evaluate,
};
use serde::{Deserialize, Serialize};

use super::vector_column::with_output_vector;
use crate::error::{MlError, Result};
use crate::params::shared::{INPUT_COLS, OUTPUT_COL};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, ParamValue, Params, setters};
use crate::persistence::StageReader;
use crate::stage::{Stage, Transformer, apply_or_skip, copied, named_field, schema_after, stage_basics};
use crate::vectors::{Vectors, double_vector_type, double_vectors, vector_length};

/// The kind of the column function.
pub(super) const KIND: &str = "vector_assembler";
const EXPECTED_COLUMN: &str = "numbers, booleans or vectors of one length";

const HANDLE_INVALID: ParamSpec = ParamSpec::new(
    "handleInvalid",
    ParamKind::Text,
    "what to do with nulls and numbers that are NaN: fail, leave the row out, or put NaN in their place",
)
.default(ParamDefault::Text("error"))
.constraint(Constraint::OneOf(&["error", "skip", "keep"]));

/// Joins columns of numbers, booleans and vectors into one column of vectors, in the order of `inputCols`.
///
/// Output: `FixedSizeList<Float64>`, as long as all inputs together. The lengths of vectors are known from their
/// columns' types, so MLlib's `VectorSizeHint` is not needed. As in MLlib, NaN inside a vector is no invalid value.
///
/// ```
/// use emberline_ml::VectorAssembler;
/// let assembler =
///     VectorAssembler::new().input_cols(vec!["features".into(), "width".into()]).output_col("all");
/// ```
#[derive(Debug, Clone)]
pub struct VectorAssembler {
    params: Params,
}

impl VectorAssembler {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[OUTPUT_COL, INPUT_COLS.required(), HANDLE_INVALID];

    /// An assembler with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("VectorAssembler", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }
}

setters!(VectorAssembler {
    input_cols: Vec<String> => "inputCols", output_col: &str => "outputCol", handle_invalid: &str => "handleInvalid",
});

impl Stage for VectorAssembler {
    stage_basics!("VectorAssembler");
}

impl Transformer for VectorAssembler {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.params.validate()?;
        let columns = self.params.texts_if_defined("inputCols")?.unwrap_or_default();
        if columns.is_empty() {
            return Err(self.params.wrong("inputCols", "at least one column", &ParamValue::Texts(columns)));
        }
        for column in &columns {
            let field = named_field(&self.params, "inputCols", column, schema)?;
            if width(field.data_type()).is_none() {
                return Err(MlError::ColumnType {
                    stage: self.params.uid().into(),
                    column: column.clone(),
                    expected: EXPECTED_COLUMN.into(),
                    found: field.data_type().clone(),
                });
            }
        }
        let handle_invalid = self.params.text("handleInvalid")?;
        let function = AssemblerFunction { columns: columns.clone(), handle_invalid };
        Ok(vec![Step::new(Arc::new(function), columns, [self.params.text("outputCol")?])])
    }

    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        let steps = self.steps(schema)?;
        let unknown = |name: &String| {
            let field = schema.fields().find(name);
            field.is_some_and(|(_, field)| vector_length(field.data_type()) == Some(0))
        };
        if steps.iter().flat_map(|step| &step.inputs).any(unknown) {
            // A length that is known only once an estimator before has been fitted: then so is the sum.
            return with_output_vector(&self.params, schema, 0);
        }
        schema_after(self.params.uid(), schema, &steps)
    }

    fn transform(&self, table: DataFrame) -> Result<DataFrame> {
        let steps = self.steps(table.schema().as_arrow())?;
        match self.params.text("handleInvalid")?.as_str() {
            "skip" => apply_or_skip(table, &steps),
            _ => Ok(evaluate::apply(table, &steps)?),
        }
    }

    fn is_row_wise(&self) -> bool {
        self.params.text("handleInvalid").is_ok_and(|handling| handling != "skip")
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}

/// How many numbers a column of this type gives; `None` where it can't be assembled.
fn width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean => Some(1),
        number if number.is_numeric() => Some(1),
        other => vector_length(other),
    }
}

/// The columns of a row as one vector.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssemblerFunction {
    /// The columns' names, for errors.
    columns: Vec<String>,
    handle_invalid: String,
}

/// A column to assemble.
enum Part {
    Numbers(PrimitiveArray<Float64Type>),
    Vectors(Vectors),
}

impl Part {
    fn try_new(array: &ArrayRef) -> Result<Self, TableError> {
        match Vectors::try_new(array) {
            Some(vectors) => Ok(Self::Vectors(vectors)),
            None => Ok(Self::Numbers(cast(array, &DataType::Float64)?.as_primitive().clone())),
        }
    }

    /// Appends the numbers of a row; `Err` says what is invalid of it, with NaN in place of a null.
    fn append(&self, row: usize, output: &mut Vec<f64>, scratch: &mut Vec<f64>) -> Result<(), &'static str> {
        match self {
            Self::Vectors(vectors) if vectors.is_valid(row) => {
                output.extend_from_slice(vectors.row(row, scratch));
                Ok(())
            }
            Self::Vectors(vectors) => {
                output.resize(output.len() + vectors.length(), f64::NAN);
                Err("null")
            }
            Self::Numbers(numbers) if numbers.is_valid(row) => {
                let number = numbers.value(row);
                output.push(number);
                if number.is_nan() { Err("NaN") } else { Ok(()) }
            }
            Self::Numbers(_) => {
                output.push(f64::NAN);
                Err("null")
            }
        }
    }
}

impl ColumnFunction for AssemblerFunction {
    fn describe(&self) -> Description {
        Description::new(KIND, serde_json::to_value(self).unwrap_or_default())
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef, TableError> {
        if inputs.len() != self.columns.len() || inputs.is_empty() {
            let (function, expected, found) = (KIND.into(), self.columns.len(), inputs.len());
            return Err(TableError::ArgumentCount { function, expected, found });
        }
        let mut length = 0;
        for input in inputs {
            length += width(input.data_type()).ok_or_else(|| TableError::ColumnType {
                function: KIND.into(),
                column: input.name().clone(),
                expected: EXPECTED_COLUMN.into(),
                found: input.data_type().clone(),
            })?;
        }
        Ok(Arc::new(Field::new(KIND, double_vector_type(length), true)))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated, TableError> {
        let parts = inputs.iter().map(Part::try_new).collect::<Result<Vec<_>, _>>()?;
        let length = inputs.iter().filter_map(|input| width(input.data_type())).sum();
        let rows = inputs.first().map_or(0, |input| input.len());
        let (mut output, mut scratch) = (Vec::with_capacity(rows * length), Vec::new());
        let mut nulls = NullBufferBuilder::new(rows);
        for row in 0..rows {
            let mut valid = true;
            for (part, column) in parts.iter().zip(&self.columns) {
                match (part.append(row, &mut output, &mut scratch), self.handle_invalid.as_str()) {
                    (Ok(()), _) | (Err(_), "keep") => {}
                    (Err(_), "skip") => valid = false,
                    (Err(found), _) => return Err(invalid(column, found)),
                }
            }
            nulls.append(valid);
        }
        Ok(Evaluated::new(double_vectors(output, length, nulls.finish())?))
    }

    fn batch_rows(&self) -> usize {
        1_024
    }
}

fn invalid(column: &str, found: &str) -> TableError {
    TableError::Setting {
        parameter: format!("VectorAssembler's input `{column}`"),
        expected: "a value that is neither null nor NaN, or handleInvalid=\"skip\" or \"keep\"".into(),
        found: found.into(),
    }
}

pub(super) fn rebuild(
    description: &Description,
    _: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>, TableError> {
    Ok(Arc::new(description.params_as::<AssemblerFunction>()?))
}
