//! Columns of vectors: `FixedSizeList` of `Float32` (features) or `Float64` (probabilities).

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, PrimitiveArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use emberline_table::TableError;

use crate::linear::{LinearError, Matrix};

/// What a column of features may be, in words for an error.
pub(crate) const EXPECTED: &str = "vectors of one length: FixedSizeList<Float32> or FixedSizeList<Float64>";

/// The type of a column of vectors of `length` numbers in double precision.
pub(crate) fn double_vector_type(length: usize) -> DataType {
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float64, false)), length)
}

/// The length of the vectors of a column, if it is one of vectors.
pub(crate) fn vector_length(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::FixedSizeList(item, length)
            if matches!(item.data_type(), DataType::Float32 | DataType::Float64) =>
        {
            usize::try_from(*length).ok()
        }
        _ => None,
    }
}

/// A column of vectors; `values` has `length` numbers for every row, also for the null ones.
pub(crate) fn double_vectors(
    values: Vec<f64>,
    length: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, TableError> {
    let DataType::FixedSizeList(item, size) = double_vector_type(length) else {
        return Err(TableError::description("vector", "not a list"));
    };
    Ok(Arc::new(FixedSizeListArray::try_new(item, size, Arc::new(Float64Array::from(values)), nulls)?))
}

/// The numbers of a column of vectors, in the precision they have.
#[derive(Debug, Clone)]
pub(crate) enum VectorValues {
    Single(PrimitiveArray<Float32Type>),
    Double(PrimitiveArray<Float64Type>),
}

/// A column of vectors as a matrix `[rows, length]`; the rows of nulls hold anything.
#[derive(Debug, Clone)]
pub(crate) struct Vectors {
    pub(crate) values: VectorValues,
    length: usize,
    pub(crate) nulls: Option<NullBuffer>,
    rows: usize,
}

impl Vectors {
    /// A view of a column of vectors.
    pub(crate) fn try_new(array: &ArrayRef) -> Option<Self> {
        let length = vector_length(array.data_type())?;
        let list = array.as_fixed_size_list();
        let values = list.values().slice(list.offset() * length, list.len() * length);
        let values = match values.data_type() {
            DataType::Float32 => VectorValues::Single(values.as_primitive().clone()),
            _ => VectorValues::Double(values.as_primitive().clone()),
        };
        Some(Self { values, length, nulls: list.nulls().cloned(), rows: list.len() })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn length(&self) -> usize {
        self.length
    }

    pub(crate) fn is_valid(&self, row: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
    }

    /// One row in double precision; `scratch` holds it where it has to be widened.
    pub(crate) fn row<'a>(&'a self, row: usize, scratch: &'a mut Vec<f64>) -> &'a [f64] {
        let range = row * self.length..(row + 1) * self.length;
        match &self.values {
            VectorValues::Double(values) => &values.values()[range],
            VectorValues::Single(values) => {
                scratch.clear();
                scratch.extend(values.values()[range].iter().copied().map(f64::from));
                scratch
            }
        }
    }

    /// Row by row, without copying.
    pub(crate) fn matrix(&self) -> Result<Matrix<'_>, LinearError> {
        match &self.values {
            VectorValues::Single(values) => Matrix::from_f32(values.values(), self.length),
            VectorValues::Double(values) => Matrix::from_f64(values.values(), self.length),
        }
    }
}
