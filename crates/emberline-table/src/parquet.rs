//! Tables to Parquet files.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::schema::types::ColumnPath;
use futures::TryStreamExt;
use tempfile::TempPath;

use crate::error::{Result, TableError};
use crate::new_folder::NewFolder;

/// A row group is written when it has this many bytes: rows wait in memory until then.
const ROW_GROUP_BYTES: usize = 16 << 20;

/// Writes rows as they come to a Parquet file, which appears when it is complete, and tells how many there are. What a process
/// that was killed left of its own goes when the next one writes beside it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_table::Result<()> {
/// # let place = tempfile::tempdir().unwrap();
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT value AS x FROM generate_series(1, 3)").await?;
/// let path = place.path().join("x.parquet");
/// assert_eq!(emberline_table::write_parquet(table.execute_stream().await?, &path, false).await?, 3);
/// assert_eq!(session.read_parquet(&path).await?.count().await?, 3);
/// # Ok(()) }
/// ```
///
/// # Errors
/// Those of the rows; when nothing can be written there, and, without `overwrite`, when something is there.
pub async fn write_parquet(
    mut batches: SendableRecordBatchStream,
    path: &Path,
    overwrite: bool,
) -> Result<u64> {
    let io_failed = |error: io::Error| TableError::io(path, error);
    let failed = |error: ParquetError| TableError::io(path, io::Error::other(error));
    // Columns that are never null by the plan may be so by what ran.
    let planned = batches.schema();
    let fields = planned.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), planned.metadata().clone());
    let schema = Arc::new(schema);
    let folder = NewFolder::beside(path).map_err(io_failed)?;
    let place = folder.path().join("table.parquet");
    let file = File::create_new(&place).map_err(io_failed)?;
    let properties = Some(properties(&schema));
    let mut writer = ArrowWriter::try_new(file.try_clone().map_err(io_failed)?, schema.clone(), properties)
        .map_err(failed)?;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await? {
        rows += batch.num_rows() as u64;
        let batch =
            RecordBatch::try_new(schema.clone(), batch.columns().to_vec()).map_err(DataFusionError::from)?;
        writer.write(&batch).map_err(failed)?;
        if writer.in_progress_size() >= ROW_GROUP_BYTES {
            writer.flush().map_err(failed)?;
        }
    }
    writer.into_inner().map_err(failed)?.sync_all().map_err(io_failed)?;
    let written = TempPath::try_from_path(place).map_err(io_failed)?;
    let persisted = if overwrite { written.persist(path) } else { written.persist_noclobber(path) };
    persisted.map_err(|failed| io_failed(failed.error))?;
    Ok(rows)
}

/// Numbers of vectors hardly ever repeat, so that a dictionary of them would only cost.
fn properties(schema: &Schema) -> WriterProperties {
    let vectors = schema.fields().iter().filter_map(|field| match field.data_type() {
        DataType::FixedSizeList(item, _) => Some([field.name(), "list", item.name()].map(str::to_owned)),
        _ => None,
    });
    let builder = vectors.fold(WriterProperties::builder(), |builder, vector| {
        builder.set_column_dictionary_enabled(ColumnPath::new(vector.to_vec()), false)
    });
    builder.build()
}
