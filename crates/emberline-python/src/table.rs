//! Tables: lazy queries.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use emberline::arrow::array::RecordBatch;
use emberline::arrow::datatypes::SchemaRef;
use emberline::datafusion::dataframe::DataFrame;
use emberline::datafusion::error::DataFusionError;
use emberline::datafusion::execution::SendableRecordBatchStream;
use emberline::datafusion::prelude::{Expr, ident};
use emberline::ml::split;
use emberline::write_parquet;
use futures::TryStreamExt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::error::Failure;
use crate::interchange::{self, Bytes};
use crate::work::wait;

/// How many bytes of batches are handed over at once.
const CHUNK_BYTES: usize = 8 << 20;

/// A table. Nothing is read before it is collected, counted or streamed.
#[pyclass(frozen, module = "emberline._emberline")]
pub(crate) struct Table {
    pub(crate) frame: DataFrame,
}

impl From<DataFrame> for Table {
    fn from(frame: DataFrame) -> Self {
        Self { frame }
    }
}

impl Table {
    fn expressions(&self, texts: &[String]) -> Result<Vec<Expr>, DataFusionError> {
        texts.iter().map(|text| self.frame.parse_sql_expr(text)).collect()
    }
}

#[pymethods]
impl Table {
    /// The names of the columns.
    fn columns(&self) -> Vec<String> {
        self.frame.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The columns, as a stream without rows.
    fn schema(&self) -> Result<Bytes, Failure> {
        interchange::write(&self.frame.schema().as_arrow().clone().into(), &[])
    }

    fn select(&self, expressions: Vec<String>) -> Result<Self, Failure> {
        let expressions = self.expressions(&expressions)?;
        Ok(self.frame.clone().select(expressions)?.into())
    }

    fn filter(&self, condition: &str) -> Result<Self, Failure> {
        let condition = self.frame.parse_sql_expr(condition)?;
        Ok(self.frame.clone().filter(condition)?.into())
    }

    fn with_column(&self, name: &str, expression: &str) -> Result<Self, Failure> {
        let expression = self.frame.parse_sql_expr(expression)?;
        Ok(self.frame.clone().with_column(name, expression)?.into())
    }

    fn limit(&self, rows: usize) -> Result<Self, Failure> {
        Ok(self.frame.clone().limit(0, Some(rows))?.into())
    }

    /// Expressions, and whether each ascends.
    fn sort(&self, by: Vec<(String, bool)>) -> Result<Self, Failure> {
        let key = |(text, ascending): &(String, bool)| {
            Ok(self.frame.parse_sql_expr(text)?.sort(*ascending, *ascending))
        };
        let keys = by.iter().map(key).collect::<Result<Vec<_>, DataFusionError>>()?;
        Ok(self.frame.clone().sort(keys)?.into())
    }

    fn drop_columns(&self, names: Vec<String>) -> Result<Self, Failure> {
        let kept = self.columns().into_iter().filter(|name| !names.contains(name)).map(ident);
        Ok(self.frame.clone().select(kept.collect::<Vec<_>>())?.into())
    }

    fn union(&self, other: &Self) -> Result<Self, Failure> {
        Ok(self.frame.clone().union(other.frame.clone())?.into())
    }

    fn distinct(&self) -> Result<Self, Failure> {
        Ok(self.frame.clone().distinct()?.into())
    }

    #[pyo3(signature = (tick=None))]
    fn count(&self, py: Python<'_>, tick: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
        let frame = self.frame.clone();
        wait(py, tick, async move { frame.count().await })
    }

    /// The same rows, in memory.
    #[pyo3(signature = (tick=None))]
    fn cache(&self, py: Python<'_>, tick: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let frame = self.frame.clone();
        wait(py, tick, async move { frame.cache().await }).map(Self::from)
    }

    /// All rows as a stream, in the order of the partitions: the same each time.
    #[pyo3(signature = (tick=None))]
    fn collect(&self, py: Python<'_>, tick: Option<&Bound<'_, PyAny>>) -> PyResult<Bytes> {
        let frame = self.frame.clone();
        wait(py, tick, async move {
            let schema: SchemaRef = frame.schema().as_arrow().clone().into();
            let batches: Vec<RecordBatch> =
                frame.collect_partitioned().await?.into_iter().flatten().collect();
            // Columns that are never null by the plan may be so by what ran.
            let schema = batches.first().map_or(schema, RecordBatch::schema);
            interchange::write(&schema, &batches)
        })
    }

    /// The first rows by the order of the partitions: the same each time. Later partitions run only where earlier ones have
    /// too few.
    #[pyo3(signature = (rows, tick=None))]
    fn first(&self, py: Python<'_>, rows: usize, tick: Option<&Bound<'_, PyAny>>) -> PyResult<Bytes> {
        let frame = self.frame.clone();
        wait(py, tick, async move {
            let schema: SchemaRef = frame.schema().as_arrow().clone().into();
            let mut batches = Vec::new();
            let mut left = rows;
            for mut partition in frame.execute_stream_partitioned().await? {
                while left > 0
                    && let Some(batch) = partition.try_next().await?
                {
                    let batch = batch.slice(0, batch.num_rows().min(left));
                    left -= batch.num_rows();
                    batches.push(batch);
                }
            }
            let schema = batches.first().map_or(schema, RecordBatch::schema);
            interchange::write(&schema, &batches)
        })
    }

    /// The rows in two parts, in memory: those to learn from, and a share that is held out, the same of each label.
    #[pyo3(signature = (test_ratio, seed, label, tick=None))]
    fn split(
        &self,
        py: Python<'_>,
        test_ratio: f64,
        seed: u64,
        label: Option<String>,
        tick: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(Self, Self)> {
        let frame = self.frame.clone();
        let split = wait(py, tick, async move { split(&frame, test_ratio, seed, label.as_deref()).await })?;
        Ok((split.train.into(), split.test.into()))
    }

    /// A column of vectors as one matrix: bytes, rows, columns, type.
    #[pyo3(signature = (column, tick=None))]
    fn matrix(
        &self,
        py: Python<'_>,
        column: &str,
        tick: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(Bytes, usize, usize, &'static str)> {
        let frame = self.frame.clone().select(vec![ident(column)]).map_err(Failure::from)?;
        wait(py, tick, async move {
            let batches: Vec<RecordBatch> =
                frame.collect_partitioned().await?.into_iter().flatten().collect();
            interchange::matrix(&batches)
        })
    }

    /// The rows as they come, in no certain order.
    fn stream(&self, py: Python<'_>) -> PyResult<Batches> {
        let frame = self.frame.clone();
        let stream = wait(py, None, async move { frame.execute_stream().await })?;
        Ok(Batches { stream: Mutex::new(Some(stream)) })
    }

    /// Writes the rows as they come to a file, which appears when it is complete.
    #[pyo3(signature = (path, overwrite, tick=None))]
    fn write_parquet(
        &self,
        py: Python<'_>,
        path: PathBuf,
        overwrite: bool,
        tick: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let frame = self.frame.clone();
        let write =
            async move { write_parquet(frame.execute_stream().await?, &path, overwrite).await.map(drop) };
        wait(py, tick, write)
    }

    /// The plan, as text.
    fn plan(&self) -> String {
        self.frame.logical_plan().display_indent().to_string()
    }
}

/// The rows of a table as they come.
#[pyclass(frozen, module = "emberline._emberline")]
pub(crate) struct Batches {
    stream: Mutex<Option<SendableRecordBatchStream>>,
}

#[pymethods]
impl Batches {
    /// The next rows as a stream; none at the end.
    #[pyo3(signature = (tick=None))]
    fn next(&self, py: Python<'_>, tick: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Bytes>> {
        let lock = || self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut stream) = lock().take() else {
            return Err(PyRuntimeError::new_err(
                "the batches are at their end, or another thread reads them",
            ));
        };
        let (stream, bytes) = wait(py, tick, async move {
            let mut batches = Vec::new();
            let mut size = 0;
            while size < CHUNK_BYTES
                && let Some(batch) = stream.try_next().await?
            {
                size += batch.get_array_memory_size();
                batches.push(batch);
            }
            let bytes = match batches.first() {
                Some(first) => Some(interchange::write(&first.schema(), &batches)?),
                None => None,
            };
            Ok::<_, Failure>((stream, bytes))
        })?;
        *lock() = bytes.is_some().then_some(stream);
        Ok(bytes)
    }
}
