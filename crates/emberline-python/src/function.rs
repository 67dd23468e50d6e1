//! Column functions by themselves: described as data where a pipeline is known, rebuilt and run where the rows are.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use emberline::arrow::array::{ArrayRef, RecordBatch};
use emberline::arrow::datatypes::{Schema, SchemaRef};
use emberline::functions::PipelineFunction;
use emberline::{Blob, Blobs, ColumnFunction, Description, Digest, Step, TableError};
use pyo3::prelude::*;

use crate::error::Failure;
use crate::interchange::{self, Bytes};

/// The name of a function's answers where a batch wants one.
const ANSWER: &str = "answer";

/// A column function.
#[pyclass(frozen, module = "emberline._emberline")]
pub(crate) struct Function(pub(crate) Arc<dyn ColumnFunction>);

impl Function {
    /// One function of all that steps read, which answers a struct of all that they make.
    pub(crate) fn of_steps(steps: Vec<Step>) -> Result<Self, TableError> {
        Ok(Self(Arc::new(PipelineFunction::of_steps(steps)?)))
    }

    fn answer_schema(&self, inputs: &Schema) -> Result<SchemaRef, TableError> {
        let answer = self.0.return_field(&inputs.fields().iter().cloned().collect::<Vec<_>>())?;
        Ok(Arc::new(Schema::new(vec![answer.as_ref().clone().with_name(ANSWER)])))
    }

    /// The answers for some rows.
    fn answers(&self, batch: &RecordBatch) -> Result<RecordBatch, Failure> {
        let values = self.0.evaluate(batch.columns())?.values;
        Ok(RecordBatch::try_from_iter_with_nullable([(ANSWER, values as ArrayRef, true)])?)
    }
}

/// Blobs in files by their digests, which are read when a function is rebuilt.
struct Files(HashMap<String, PathBuf>);

impl Blobs for Files {
    fn get(&self, digest: &Digest) -> Result<Arc<[u8]>, TableError> {
        let wrong = |path: &PathBuf, reason: String| TableError::Saved { path: path.clone(), reason };
        let Some(path) = self.0.get(&digest.to_string()) else {
            return Err(wrong(&PathBuf::from(digest.to_string()), "no such file is at hand".into()));
        };
        let bytes = fs::read(path).map_err(|source| TableError::Io { path: path.clone(), source })?;
        let blob = Blob::new(bytes.into());
        if blob.digest != *digest {
            return Err(wrong(path, format!("the file is damaged: its SHA-256 is {}", blob.digest)));
        }
        Ok(blob.bytes)
    }
}

#[pymethods]
impl Function {
    /// Makes a function of its description, and of files that hold the large values that it names by digest.
    #[staticmethod]
    fn rebuild(py: Python<'_>, description: &[u8], files: HashMap<String, PathBuf>) -> Result<Self, Failure> {
        let description = Description::from_bytes(description)?;
        let function = py.detach(|| emberline::ml::function_kinds().rebuild(&description, &Files(files)))?;
        Ok(Self(function))
    }

    /// What it is, as JSON.
    fn description(&self) -> Result<Vec<u8>, Failure> {
        Ok(self.0.describe().to_bytes()?)
    }

    /// The large values that the description names: digest and bytes.
    fn blobs(&self) -> Vec<(String, Bytes)> {
        let named = |blob: Blob| (blob.digest.to_string(), Bytes::of(blob.bytes.to_vec()));
        self.0.blobs().into_iter().map(named).collect()
    }

    /// The column of answers for columns like those of a stream, in that order; as a stream without rows.
    fn schema(&self, owner: Py<PyAny>, address: usize, size: usize) -> Result<Bytes, Failure> {
        // SAFETY: the package passes a `pyarrow.Buffer`, which nobody else has, with its own address and size.
        let (schema, _) = unsafe { interchange::read(owner, address, size) }?;
        interchange::write(&self.answer_schema(&schema)?, &[])
    }

    /// The answers for the rows of a stream, whose columns are the function's arguments.
    fn apply(&self, py: Python<'_>, owner: Py<PyAny>, address: usize, size: usize) -> Result<Bytes, Failure> {
        // SAFETY: as above.
        let (schema, batches) = unsafe { interchange::read(owner, address, size) }?;
        py.detach(|| {
            let mut answers = Vec::new();
            for batch in &batches {
                for from in (0..batch.num_rows()).step_by(self.0.batch_rows().max(1)) {
                    let rows = self.0.batch_rows().min(batch.num_rows() - from);
                    answers.push(self.answers(&batch.slice(from, rows))?);
                }
            }
            match answers.first() {
                Some(first) => interchange::write(&first.schema(), &answers),
                None => interchange::write(&self.answer_schema(&schema)?, &[]),
            }
        })
    }
}
