//! Sessions.

use std::path::PathBuf;
use std::sync::Arc;

use emberline::arrow::array::RecordBatch;
use emberline::datafusion::datasource::MemTable;
use emberline::{LabelFrom, ReadOptions};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::Failure;
use crate::interchange::{self, Matrix};
use crate::stage::Stage;
use crate::table::Table;
use crate::work::wait;

/// Rows of a batch of a table that Python gave, so that all partitions get some.
const BATCH_ROWS: usize = 1_024;

/// A session.
#[pyclass(frozen, module = "emberline._emberline")]
pub(crate) struct Session {
    inner: emberline::Session,
    threads: usize,
}

#[pymethods]
impl Session {
    #[new]
    #[pyo3(signature = (threads=None))]
    fn new(threads: Option<usize>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { inner: emberline::session(threads), threads: threads.unwrap_or(cores).max(1) }
    }

    #[expect(clippy::too_many_arguments, reason = "they are Python's keyword arguments")]
    #[pyo3(signature = (uri, recursive, glob, label_from_folder, sample_ratio, seed, drop_invalid))]
    fn read_images(
        &self,
        py: Python<'_>,
        uri: String,
        recursive: bool,
        glob: Option<String>,
        label_from_folder: bool,
        sample_ratio: f64,
        seed: u64,
        drop_invalid: bool,
    ) -> PyResult<Table> {
        let label = if label_from_folder { LabelFrom::Folder } else { LabelFrom::Nothing };
        let options = ReadOptions {
            recursive,
            glob,
            label,
            sample_ratio,
            seed,
            drop_invalid,
            ..ReadOptions::default()
        };
        let session = self.inner.clone();
        wait(py, None, async move { session.read_images(&uri, options).await }).map(Table::from)
    }

    fn read_parquet(&self, py: Python<'_>, path: PathBuf) -> PyResult<Table> {
        let session = self.inner.clone();
        wait(py, None, async move { session.read_parquet(&path).await }).map(Table::from)
    }

    fn sql(&self, py: Python<'_>, query: String) -> PyResult<Table> {
        let session = self.inner.clone();
        wait(py, None, async move { session.sql(&query).await }).map(Table::from)
    }

    /// A table of the Arrow stream in the `size` bytes at `address`, which `owner` keeps there unchanged, and of matrices beside
    /// it. Neither is copied.
    #[pyo3(signature = (owner, address, size, matrices=Vec::new()))]
    fn table_of(
        &self,
        owner: Py<PyAny>,
        address: usize,
        size: usize,
        matrices: Vec<Matrix>,
    ) -> Result<Table, Failure> {
        // SAFETY: the package passes a `pyarrow.Buffer`, which nobody else has, with its own address and size.
        let (mut schema, mut batches) = unsafe { interchange::read(owner, address, size) }?;
        for matrix in matrices {
            // SAFETY: the package passes arrays of pyarrow, which are not changed, with their own addresses and sizes.
            (schema, batches) = unsafe { matrix.put_into(&schema, &batches) }?;
        }
        let table = MemTable::try_new(schema, partitions(&batches, self.threads))?;
        Ok(self.inner.context().read_table(Arc::new(table))?.into())
    }

    fn register_table(&self, name: &str, table: &Table) -> Result<(), Failure> {
        Ok(self.inner.register_table(name, table.frame.clone().into_view())?)
    }

    fn register_function(&self, name: &str, model: &Stage) -> Result<(), Failure> {
        self.inner.register_function(name, model.image_function()?.0);
        Ok(())
    }

    fn deregister_function(&self, name: &str) -> bool {
        self.inner.deregister_function(name)
    }

    /// The counts of rows so far.
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = self.inner.report().counts();
        let report = PyDict::new(py);
        report.set_item("read", counts.read)?;
        report.set_item("evaluated", counts.evaluated)?;
        report.set_item("failed", counts.failed)?;
        report.set_item("reasons", counts.reasons)?;
        report.set_item("samples", counts.samples)?;
        Ok(report)
    }

    fn reset_report(&self) {
        self.inner.report().reset();
    }
}

/// Batches dealt to partitions in runs, so that the order of the partitions is that of the rows.
fn partitions(batches: &[RecordBatch], count: usize) -> Vec<Vec<RecordBatch>> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let share = rows.div_ceil(count).max(1);
    let mut dealt = vec![Vec::new(); count];
    let mut before = 0;
    for batch in batches {
        let mut start = 0;
        while start < batch.num_rows() {
            let partition = (before / share).min(count - 1);
            let left = if partition + 1 == count { usize::MAX } else { (partition + 1) * share - before };
            let length = (batch.num_rows() - start).min(BATCH_ROWS).min(left);
            dealt[partition].push(batch.slice(start, length));
            start += length;
            before += length;
        }
    }
    dealt
}
