//! Arrow between Rust and Python: as a stream of Arrow's IPC format in memory, whose arrays either side uses in place.
//!
//! `pyarrow` makes of it what other packages take (`__arrow_c_stream__`) and gives it for what they give. Writing the stream is
//! the one copy; reading makes none. (Arrow's C interface would make none at all, but `arrow` has it as a feature that
//! DataFusion does not ask for.)

use std::panic::AssertUnwindSafe;
use std::ptr::NonNull;
use std::sync::Arc;

use emberline::arrow::array::{Array, AsArray, RecordBatch};
use emberline::arrow::buffer::Buffer;
use emberline::arrow::datatypes::{DataType, Float32Type, Float64Type, SchemaRef};
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

/// The batches of the stream in the `size` bytes at `address`, which `owner` holds.
///
/// # Safety
/// `owner` keeps these bytes readable, unchanged and in place as long as it lives.
pub(crate) unsafe fn read(
    owner: Py<PyAny>,
    address: usize,
    size: usize,
) -> Result<(SchemaRef, Vec<RecordBatch>), Failure> {
    let Some(start) = NonNull::new(std::ptr::with_exposed_provenance_mut::<u8>(address)) else {
        return Err(PyValueError::new_err("an Arrow stream without bytes").into());
    };
    let owner = Arc::new(Owner { _object: AssertUnwindSafe(owner) });
    // SAFETY: by this function's contract; `Owner` holds the object as long as a buffer of these bytes lives.
    let mut bytes = unsafe { Buffer::from_custom_allocation(start, size, owner) };
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
