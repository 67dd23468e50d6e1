//! Which rows train and which validate: by a hash of the row, so that neither the order of the rows nor their
//! partitioning matters.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::SessionContext;
use emberline_table::Digest;

use crate::error::Result;

/// The column that says where a row came from. Moving a folder must not change its folds, so it has no part in them.
const ORIGIN: &str = "origin";

/// A table in memory whose rows have a place in a stratified order.
pub(crate) struct Dealt {
    context: SessionContext,
    batches: Vec<RecordBatch>,
    /// The place of every row of every batch: rows of one label lie together, in the order of their hashes.
    places: Vec<Vec<usize>>,
}

/// A table in two parts.
#[derive(Debug, Clone)]
pub struct Split {
    /// The rows to learn from.
    pub train: DataFrame,
    /// The rows held out.
    pub test: DataFrame,
}

/// Holds out a share of a table's rows, the same share of each label, chosen by a hash of row and seed. Reads the
/// table once, into memory.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT value AS x, value % 2 AS label FROM generate_series(1, 100)").await?;
/// let split = emberline_ml::split(&table, 0.2, 0, Some("label")).await?;
/// assert_eq!(split.test.count().await?, 20);
/// assert_eq!(split.train.count().await?, 80);
/// # Ok(()) }
/// ```
///
/// # Errors
/// When the table can't be read.
pub async fn split(table: &DataFrame, test_ratio: f64, seed: u64, label: Option<&str>) -> Result<Split> {
    let dealt = Dealt::new(table, seed, label).await?;
    let is_test =
        |place: usize| ((place + 1) as f64 * test_ratio).floor() > (place as f64 * test_ratio).floor();
    Ok(Split { train: dealt.part(|place| !is_test(place))?, test: dealt.part(is_test)? })
}

impl Dealt {
    /// Reads a table and finds each row's place.
    pub(crate) async fn new(table: &DataFrame, seed: u64, label: Option<&str>) -> Result<Self> {
        let (state, _) = table.clone().into_parts();
        let batches = table.clone().collect().await?;
        let mut rows: Vec<(Vec<u8>, Digest, usize, usize)> = Vec::new();
        for (b, batch) in batches.iter().enumerate() {
            let content = encoded(batch, |name| name != ORIGIN)?;
            let labels = encoded(batch, |name| Some(name) == label)?;
            for (i, (content, label)) in content.into_iter().zip(labels).enumerate() {
                rows.push((label, Digest::of_parts([&seed.to_le_bytes()[..], &content]), b, i));
            }
        }
        rows.sort();
        let mut places: Vec<Vec<usize>> = batches.iter().map(|batch| vec![0; batch.num_rows()]).collect();
        for (place, (_, _, b, i)) in rows.into_iter().enumerate() {
            places[b][i] = place;
        }
        Ok(Self { context: SessionContext::new_with_state(state), batches, places })
    }

    /// The rows whose place is chosen.
    pub(crate) fn part(&self, chosen: impl Fn(usize) -> bool) -> Result<DataFrame> {
        let part = |(batch, places): (&RecordBatch, &Vec<usize>)| {
            let mask: BooleanArray = places.iter().map(|place| Some(chosen(*place))).collect();
            filter_record_batch(batch, &mask)
        };
        let mut parts = self.batches.iter().zip(&self.places).map(part).collect::<Result<Vec<_>, _>>()?;
        if parts.is_empty() {
            return Ok(self.context.read_empty()?);
        }
        parts.retain(|batch| batch.num_rows() > 0 || batch.num_columns() == 0);
        let schema = self.batches[0].schema();
        if parts.is_empty() {
            parts.push(RecordBatch::new_empty(schema));
        }
        Ok(self.context.read_batches(parts)?)
    }
}

/// The bytes of some columns, row by row: equal for equal rows.
fn encoded(batch: &RecordBatch, wanted: impl Fn(&str) -> bool) -> Result<Vec<Vec<u8>>> {
    let schema = batch.schema();
    let chosen: Vec<usize> = (0..schema.fields().len()).filter(|i| wanted(schema.field(*i).name())).collect();
    if chosen.is_empty() {
        return Ok(vec![Vec::new(); batch.num_rows()]);
    }
    let fields = chosen.iter().map(|i| SortField::new(schema.field(*i).data_type().clone())).collect();
    let columns: Vec<ArrayRef> = chosen.iter().map(|i| Arc::clone(batch.column(*i))).collect();
    let rows = RowConverter::new(fields)?.convert_columns(&columns)?;
    Ok(rows.iter().map(|row| row.as_ref().to_vec()).collect())
}
