//! Vector in, vector out, row by row: the one column function behind the stages that rescale or project vectors.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{Field, FieldRef, Schema};
use emberline_table::{
    Blob, Blobs, ColumnFunction, Description, Evaluated, FunctionKinds, Step, TableError, check_arity,
};

use super::vector_column::input_vector;
use crate::error::{MlError, Result};
use crate::params::Params;
use crate::vectors::{EXPECTED, Vectors, double_vector_type, double_vectors, vector_length};

/// What such a stage does to one vector, in double precision.
pub(super) trait VectorMap: Debug + Send + Sync + Sized + 'static {
    /// The kind of the column function.
    const KIND: &'static str;

    /// The length of the vectors it takes; `None` where any will do.
    fn input_length(&self) -> Option<usize>;

    /// The length of what it makes of a vector of `input` numbers.
    fn output_length(&self, input: usize) -> usize {
        input
    }

    /// Appends what it makes of `vector`.
    fn map(&self, vector: &[f64], output: &mut Vec<f64>);

    /// The numbers that it is made of, each list under the name of its role.
    fn numbers(&self) -> Vec<(&'static str, &[f64])>;

    /// Made again of [`numbers`](Self::numbers); `None` where they do not go together.
    fn from_numbers(
        numbers: impl Fn(&str) -> Result<Vec<f64>, TableError>,
    ) -> Result<Option<Self>, TableError>;
}

/// The step of a stage that applies `map` to its `inputCol`.
///
/// # Errors
/// When a param is out of its range, or the column is missing or not of vectors of the right length.
pub(super) fn vector_steps<M: VectorMap>(params: &Params, schema: &Schema, map: M) -> Result<Vec<Step>> {
    params.validate()?;
    let (field, length) = input_vector(params, schema)?;
    if map.input_length().is_some_and(|expected| expected != length) {
        return Err(MlError::ColumnType {
            stage: params.uid().into(),
            column: field.name().clone(),
            expected: expected_vectors(&map),
            found: field.data_type().clone(),
        });
    }
    Ok(vec![Step::new(Arc::new(VectorFunction(map)), [field.name()], [params.text("outputCol")?])])
}

fn expected_vectors(map: &impl VectorMap) -> String {
    map.input_length().map_or(EXPECTED.into(), |length| format!("{EXPECTED}, of {length} numbers"))
}

/// A [`VectorMap`] as a column function. Input: vectors in either precision. Output: `FixedSizeList<Float64>`. A null
/// vector gives null.
#[derive(Debug)]
struct VectorFunction<M>(M);

impl<M: VectorMap> VectorFunction<M> {
    fn named_blobs(&self) -> impl Iterator<Item = (&'static str, Blob)> {
        let blob = |numbers: &[f64]| {
            Blob::new(numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>().into())
        };
        self.0.numbers().into_iter().map(move |(role, numbers)| (role, blob(numbers)))
    }
}

impl<M: VectorMap> ColumnFunction for VectorFunction<M> {
    fn describe(&self) -> Description {
        Description {
            blobs: self.named_blobs().map(|(role, blob)| (role.to_string(), blob.digest)).collect(),
            ..Description::new(M::KIND, serde_json::Value::Null)
        }
    }

    fn blobs(&self) -> Vec<Blob> {
        self.named_blobs().map(|(_, blob)| blob).collect()
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef, TableError> {
        check_arity(M::KIND, 1, inputs)?;
        let input = &inputs[0];
        match (vector_length(input.data_type()), self.0.input_length()) {
            (Some(length), expected) if expected.is_none_or(|expected| expected == length) => {
                Ok(Arc::new(Field::new(M::KIND, double_vector_type(self.0.output_length(length)), true)))
            }
            _ => Err(TableError::ColumnType {
                function: M::KIND.into(),
                column: input.name().clone(),
                expected: expected_vectors(&self.0),
                found: input.data_type().clone(),
            }),
        }
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated, TableError> {
        let vectors =
            Vectors::try_new(&inputs[0]).ok_or_else(|| TableError::description(M::KIND, EXPECTED))?;
        let length = self.0.output_length(vectors.length());
        let (mut output, mut scratch) = (Vec::with_capacity(vectors.rows() * length), Vec::new());
        for row in 0..vectors.rows() {
            self.0.map(vectors.row(row, &mut scratch), &mut output);
        }
        Ok(Evaluated::new(double_vectors(output, length, vectors.nulls)?))
    }

    fn batch_rows(&self) -> usize {
        1_024
    }
}

/// Rebuilds the column function of a kind of map.
pub(super) fn rebuild<M: VectorMap>(
    description: &Description,
    blobs: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>, TableError> {
    let numbers = |role: &str| {
        let bytes = description.blob(role, blobs)?;
        let (numbers, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            let reason = format!("`{role}`: {} bytes are no numbers of 8 bytes", bytes.len());
            return Err(TableError::description(M::KIND, reason));
        }
        Ok(numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
    };
    let map = M::from_numbers(numbers)?;
    let map = map.ok_or_else(|| TableError::description(M::KIND, "its numbers do not go together"))?;
    Ok(Arc::new(VectorFunction(map)))
}
