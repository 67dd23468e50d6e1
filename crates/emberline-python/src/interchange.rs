//! Arrow between Rust and Python: as a stream of Arrow's IPC format in memory, whose arrays either side uses in place.
//!
//! `pyarrow` makes of it what other packages take (`__arrow_c_stream__`) and gives it for what they give. Writing the stream is
//! the one copy; reading makes none. Matrices that Python gives stay out of the stream and are not copied at all ([`Matrix`]).
//! (Arrow's C interface would copy nothing, but `arrow` has it as a feature that DataFusion does not ask for.)

use std::panic::AssertUnwindSafe;
use std::ptr::NonNull;
use std::sync::Arc;

use emberline::arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, PrimitiveArray, RecordBatch};
use emberline::arrow::buffer::{Buffer, ScalarBuffer};
use emberline::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Float32Type, Float64Type, Schema, SchemaRef,
};
use emberline::arrow::ipc::reader::StreamDecoder;
use emberline::arrow::ipc::writer::StreamWriter;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::Failure;

/// Memory that Python may look at, as long as it holds this object.
#[pyclass(frozen, module = "emberline._emberline")]
pub(crate) struct Bytes {
    data: Vec<u8>,
}

impl Bytes {
    pub(crate) fn of(data: Vec<u8>) -> Self {
        Self { data }
    }
}

#[pymethods]
impl Bytes {
    /// Where it starts.
    #[getter]
    fn address(&self) -> usize {
        self.data.as_ptr().addr()
    }

    fn __len__(&self) -> usize {
        self.data.len()
    }
}

/// Batches as a stream.
pub(crate) fn write(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Bytes, Failure> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    Ok(Bytes { data: writer.into_inner()? })
}

/// Keeps a Python object alive while Arrow uses its memory.
struct Owner {
    /// Nothing but its end is ever asked of it, so that a panic can't leave it half changed.
    _object: AssertUnwindSafe<Py<PyAny>>,
}

/// The `size` bytes at `address`, which `owner` holds.
///
/// # Safety
/// `owner` keeps these bytes readable, unchanged and in place as long as it lives.
unsafe fn buffer(owner: Py<PyAny>, address: usize, size: usize) -> PyResult<Buffer> {
    let start = NonNull::new(std::ptr::with_exposed_provenance_mut::<u8>(address))
        .ok_or_else(|| PyValueError::new_err("an Arrow array without bytes"))?;
    let owner = Arc::new(Owner { _object: AssertUnwindSafe(owner) });
    // SAFETY: by this function's contract; `Owner` holds the object as long as a buffer of these bytes lives.
    Ok(unsafe { Buffer::from_custom_allocation(start, size, owner) })
}

/// The batches of the stream in the `size` bytes at `address`, which `owner` holds.
///
/// # Safety
/// `owner` keeps these bytes readable, unchanged and in place as long as it lives.
pub(crate) unsafe fn read(
    owner: Py<PyAny>,
    address: usize,
    size: usize,
) -> Result<(SchemaRef, Vec<RecordBatch>), Failure> {
    // SAFETY: by this function's contract.
    let mut bytes = unsafe { buffer(owner, address, size) }?;
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    while let Some(batch) = decoder.decode(&mut bytes)? {
        batches.push(batch);
    }
    match decoder.schema() {
        Some(schema) => Ok((schema, batches)),
        None => Err(PyValueError::new_err("an Arrow stream without a schema").into()),
    }
}

/// A row-major matrix without nulls in the memory of a Python object: a column of vectors that is not in the stream of its
/// table, which has a column of nulls in its place.
#[derive(FromPyObject)]
pub(crate) struct Matrix(
    /// The column's place in the table.
    usize,
    /// What holds the numbers.
    Py<PyAny>,
    /// Where they are.
    usize,
    /// Rows.
    usize,
    /// Numbers per row.
    usize,
    /// Whether they are `f64`, and not `f32`.
    bool,
);

impl Matrix {
    /// The table with this column in its place. Nothing is copied.
    ///
    /// # Safety
    /// The matrix' object keeps its numbers readable, unchanged and in place as long as it lives.
    pub(crate) unsafe fn put_into(
        self,
        schema: &SchemaRef,
        batches: &[RecordBatch],
    ) -> Result<(SchemaRef, Vec<RecordBatch>), Failure> {
        let Self(place, owner, address, rows, width, is_double) = self;
        let wrong = || PyValueError::new_err("a matrix that is not of its table's size");
        let size = if is_double { 8 } else { 4 };
        let bytes = rows.checked_mul(width).and_then(|count| count.checked_mul(size)).ok_or_else(wrong)?;
        // SAFETY: by this function's contract.
        let bytes = unsafe { buffer(owner, address, bytes) }?;
        let column = if is_double {
            vectors::<Float64Type>(bytes, rows, width)
        } else {
            vectors::<Float32Type>(bytes, rows, width)
        }?;
        let replaced = schema.fields().get(place).ok_or_else(wrong)?;
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        let field = Field::new(replaced.name(), column.data_type().clone(), replaced.is_nullable());
        fields[place] = Arc::new(field.with_metadata(replaced.metadata().clone()));
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        if batches.iter().map(RecordBatch::num_rows).sum::<usize>() != rows {
            return Err(wrong().into());
        }
        let mut start = 0;
        let put = |batch: &RecordBatch| {
            let mut columns = batch.columns().to_vec();
            columns[place] = column.slice(start, batch.num_rows());
            start += batch.num_rows();
            RecordBatch::try_new(schema.clone(), columns)
        };
        let batches = batches.iter().map(put).collect::<Result<_, _>>()?;
        Ok((schema, batches))
    }
}

fn vectors<T: ArrowPrimitiveType>(numbers: Buffer, rows: usize, width: usize) -> Result<ArrayRef, Failure> {
    let size = i32::try_from(width).map_err(|_| PyValueError::new_err("a matrix with too many columns"))?;
    let numbers = PrimitiveArray::<T>::new(ScalarBuffer::new(numbers, 0, rows * width), None);
    let item = Arc::new(Field::new_list_field(T::DATA_TYPE, true));
    Ok(Arc::new(FixedSizeListArray::try_new(item, size, Arc::new(numbers), None)?))
}

/// A column of vectors as one row-major matrix: its bytes, rows, columns, and NumPy's name of the type. Joining the batches
/// is the one copy; nulls are rows of NaN.
pub(crate) fn matrix(batches: &[RecordBatch]) -> Result<(Bytes, usize, usize, &'static str), Failure> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let Some(first) = batches.first() else { return Ok((Bytes { data: Vec::new() }, 0, 0, "<f4")) };
    let wrong =
        |found: &DataType| PyValueError::new_err(format!("expected a column of vectors, found {found}"));
    let DataType::FixedSizeList(item, width) = first.column(0).data_type().clone() else {
        return Err(wrong(first.column(0).data_type()).into());
    };
    let (size, name) = match item.data_type() {
        DataType::Float32 => (4, "<f4"),
        DataType::Float64 => (8, "<f8"),
        other => return Err(wrong(other).into()),
    };
    let columns = usize::try_from(width).unwrap_or_default();
    let mut data = Vec::with_capacity(rows * columns * size);
    for batch in batches {
        let lists = batch.column(0).as_fixed_size_list();
        let start = data.len();
        let values = lists.values();
        match item.data_type() {
            DataType::Float32 => {
                data.extend(
                    values.as_primitive::<Float32Type>().values().iter().flat_map(|v| v.to_le_bytes()),
                );
            }
            _ => data
                .extend(values.as_primitive::<Float64Type>().values().iter().flat_map(|v| v.to_le_bytes())),
        }
        for row in (0..lists.len()).filter(|row| lists.is_null(*row)) {
            let at = start + row * columns * size;
            let nan =
                if size == 4 { f32::NAN.to_le_bytes().to_vec() } else { f64::NAN.to_le_bytes().to_vec() };
            data[at..at + columns * size].chunks_exact_mut(size).for_each(|cell| cell.copy_from_slice(&nan));
        }
    }
    Ok((Bytes { data }, rows, columns, name))
}
