//! Which rows train and which validate: by a hash of the row, so that neither the order of the rows nor their
//! partitioning matters.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StructArray,
};
use datafusion::arrow::compute::{cast, filter_record_batch};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::{SessionContext, ident, lit};
use emberline_table::Digest;

use crate::error::{MlError, Result};
use crate::stage::missing;

/// The column, or the part of an image, that says where a row came from. Moving a folder must not change its folds, so it has no
/// part in them.
const ORIGIN: &str = "origin";
/// The column of a table's folds.
pub(crate) const FOLD: &str = "__fold";

/// A table in memory whose rows have a place in a stratified order.
pub(crate) struct Dealt {
    context: SessionContext,
    batches: Vec<RecordBatch>,
    /// The place of every row of every batch: rows of one label lie together, in the order of their hashes.
    places: Vec<Vec<usize>>,
    /// The hash of all rows in their order: equal for equal tables and seeds.
    digest: Digest,
    /// Rows of each label.
    label_counts: Vec<usize>,
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
    let dealt = Dealt::new(table, seed, label, |_| true).await?;
    let is_test = |place: usize| is_chosen(place, test_ratio);
    Ok(Split { train: dealt.part(|place| !is_test(place))?, test: dealt.part(is_test)? })
}

/// Whether a place is among `share` of all places, spread evenly.
fn is_chosen(place: usize, share: f64) -> bool {
    ((place + 1) as f64 * share).floor() > (place as f64 * share).floor()
}

/// How rows are dealt to folds.
#[derive(Debug, Clone)]
pub(crate) enum Dealing {
    /// To `folds` folds in turn, label by label.
    InTurn { folds: usize },
    /// The rows of a group together, to the smallest of `folds` folds, larger groups first.
    Groups { folds: usize, column: String },
    /// As a column of whole numbers says, from 0 to `folds - 1`.
    Column { folds: usize, column: String },
    /// A share of the rows, spread over the labels, to fold 1, which trains only; the others to fold 0.
    Share { train: f64 },
}

impl Dealing {
    /// The folds that are held out in turn.
    pub(crate) fn held_out(&self) -> usize {
        match self {
            Self::InTurn { folds } | Self::Groups { folds, .. } | Self::Column { folds, .. } => *folds,
            Self::Share { .. } => 1,
        }
    }
}

/// A table whose rows are dealt to folds. Fold `i` holds the rows that validate what the others trained.
#[derive(Debug, Clone)]
pub struct Folds {
    table: DataFrame,
    held_out: usize,
}

impl Folds {
    /// How many folds are held out in turn.
    #[must_use]
    pub fn count(&self) -> usize {
        self.held_out
    }

    /// All rows, with a column `__fold` of whole numbers.
    pub(crate) fn table(&self) -> &DataFrame {
        &self.table
    }

    /// Folds of a table that has their column, the first `count` of them held out in turn.
    pub(crate) fn held_out(table: DataFrame, count: usize) -> Self {
        Self { table, held_out: count }
    }

    /// The same folds of another table that has their column.
    pub(crate) fn of(&self, table: DataFrame) -> Self {
        Self { table, held_out: self.held_out }
    }

    /// The rows that train for fold `fold`.
    ///
    /// # Errors
    /// When the table has no such rows to offer.
    pub fn train(&self, fold: usize) -> Result<DataFrame> {
        Ok(self.table.clone().filter(ident(FOLD).not_eq(lit(fold as i64)))?.drop_columns(&[FOLD])?)
    }

    /// The rows that fold `fold` holds.
    ///
    /// # Errors
    /// As [`train`](Self::train).
    pub fn validation(&self, fold: usize) -> Result<DataFrame> {
        Ok(self.table.clone().filter(ident(FOLD).eq(lit(fold as i64)))?.drop_columns(&[FOLD])?)
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`train`](Self::train).
    pub fn all(&self) -> Result<DataFrame> {
        Ok(self.table.clone().drop_columns(&[FOLD])?)
    }
}

impl Dealt {
    /// Reads a table and finds each row's place; `is_content` names the columns that tell rows apart.
    pub(crate) async fn new(
        table: &DataFrame,
        seed: u64,
        label: Option<&str>,
        is_content: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let (state, _) = table.clone().into_parts();
        let batches = table.clone().collect().await?;
        let mut rows: Vec<(Vec<u8>, Digest, usize, usize)> = Vec::new();
        for (b, batch) in batches.iter().enumerate() {
            let content = encoded(batch, |name| name != ORIGIN && is_content(name))?;
            let labels = encoded(batch, |name| Some(name) == label)?;
            for (i, (content, label)) in content.into_iter().zip(labels).enumerate() {
                rows.push((label, Digest::of_parts([&seed.to_le_bytes()[..], &content]), b, i));
            }
        }
        rows.sort();
        let mut places: Vec<Vec<usize>> = batches.iter().map(|batch| vec![0; batch.num_rows()]).collect();
        let digest = Digest::of_parts(rows.iter().flat_map(|(label, row, ..)| [label, &row.as_bytes()[..]]));
        let label_counts = rows.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len).collect();
        for (place, (_, _, b, i)) in rows.into_iter().enumerate() {
            places[b][i] = place;
        }
        Ok(Self { context: SessionContext::new_with_state(state), batches, places, digest, label_counts })
    }

    /// Equal for tables of the same rows, labels and seed, in whatever order.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// How many labels have fewer rows than `folds`, so that some folds lack them.
    pub(crate) fn rare_labels(&self, folds: usize) -> usize {
        self.label_counts.iter().filter(|count| **count < folds).count()
    }

    /// The rows whose place is chosen.
    pub(crate) fn part(&self, chosen: impl Fn(usize) -> bool) -> Result<DataFrame> {
        let part = |(batch, places): (&RecordBatch, &Vec<usize>)| {
            let mask: BooleanArray = places.iter().map(|place| Some(chosen(*place))).collect();
            filter_record_batch(batch, &mask)
        };
        self.read(self.batches.iter().zip(&self.places).map(part).collect::<Result<Vec<_>, _>>()?)
    }

    fn read(&self, mut parts: Vec<RecordBatch>) -> Result<DataFrame> {
        let Some(schema) = parts.first().map(RecordBatch::schema) else {
            return Ok(self.context.read_empty()?);
        };
        parts.retain(|batch| batch.num_rows() > 0 || batch.num_columns() == 0);
        if parts.is_empty() {
            parts.push(RecordBatch::new_empty(schema));
        }
        Ok(self.context.read_batches(parts)?)
    }

    /// Deals `share` of the rows, spread over the labels, to folds.
    ///
    /// # Errors
    /// When a fold has no rows to validate or to train on, or a fold's number is none.
    pub(crate) fn deal(&self, uid: &str, dealing: &Dealing, share: f64) -> Result<Folds> {
        let folds = self.fold_numbers(uid, dealing, share)?;
        let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
        let mut parts = Vec::with_capacity(self.batches.len());
        for ((batch, places), folds) in self.batches.iter().zip(&self.places).zip(folds) {
            let chosen: BooleanArray = places.iter().map(|place| Some(is_chosen(*place, share))).collect();
            for (fold, chosen) in folds.iter().zip(chosen.values()) {
                *counts.entry(*fold).or_default() += usize::from(chosen);
            }
            let mut fields = batch.schema().fields().to_vec();
            fields.push(Arc::new(Field::new(FOLD, DataType::Int64, false)));
            let mut columns = batch.columns().to_vec();
            columns.push(Arc::new(Int64Array::from(folds)));
            let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
            parts.push(filter_record_batch(&batch, &chosen)?);
        }
        let rows: usize = counts.values().sum();
        for fold in 0..dealing.held_out() {
            let validating = counts.get(&(fold as i64)).copied().unwrap_or(0);
            if validating == 0 || validating == rows {
                let reason = format!(
                    "fold {fold} of {} holds {validating} of {rows} rows: expected rows on both sides, hence at \
                     least as many rows (or groups) as folds",
                    dealing.held_out()
                );
                return Err(MlError::stage(uid, reason));
            }
        }
        Ok(Folds { table: self.read(parts)?, held_out: dealing.held_out() })
    }

    fn fold_numbers(&self, uid: &str, dealing: &Dealing, share: f64) -> Result<Vec<Vec<i64>>> {
        // The places of chosen rows are spread evenly, so their numbers among the chosen ones are dealt.
        let rank = |place: usize| (place as f64 * share).floor() as usize;
        let by_place = |fold: &dyn Fn(usize) -> i64| {
            self.places.iter().map(|places| places.iter().map(|place| fold(rank(*place))).collect()).collect()
        };
        match dealing {
            Dealing::InTurn { folds } => Ok(by_place(&|place| (place % folds) as i64)),
            Dealing::Share { train } => Ok(by_place(&|place| i64::from(is_chosen(place, *train)))),
            Dealing::Groups { folds, column } => self.grouped(uid, *folds, column),
            Dealing::Column { folds, column } => {
                let numbers = |batch: &RecordBatch| {
                    let column = column_of(uid, "foldCol", batch, column)?;
                    let numbers = cast(column, &DataType::Int64)?;
                    let numbers = numbers.as_primitive::<Int64Type>();
                    let inside = |fold: Option<i64>| match fold {
                        Some(fold) if (0..*folds as i64).contains(&fold) => Ok(fold),
                        other => {
                            let found = other.map_or("null".to_string(), |fold| fold.to_string());
                            let reason = format!("foldCol: expected 0 to {}, found {found}", folds - 1);
                            Err(MlError::stage(uid, reason))
                        }
                    };
                    numbers.iter().map(inside).collect()
                };
                self.batches.iter().map(numbers).collect()
            }
        }
    }

    /// Groups, larger ones first and equal ones in the order of their first rows' hashes, each to the smallest fold.
    fn grouped(&self, uid: &str, folds: usize, column: &str) -> Result<Vec<Vec<i64>>> {
        let mut groups: BTreeMap<Vec<u8>, (usize, usize)> = BTreeMap::new();
        let mut keys = Vec::with_capacity(self.batches.len());
        for (batch, places) in self.batches.iter().zip(&self.places) {
            column_of(uid, "groupCol", batch, column)?;
            let own = encoded(batch, |name| name == column)?;
            for (key, place) in own.iter().zip(places) {
                let group = groups.entry(key.clone()).or_insert((0, *place));
                *group = (group.0 + 1, group.1.min(*place));
            }
            keys.push(own);
        }
        let mut order: Vec<(&Vec<u8>, (usize, usize))> =
            groups.iter().map(|(key, group)| (key, *group)).collect();
        order.sort_by_key(|(_, (size, first))| (std::cmp::Reverse(*size), *first));
        let mut sizes = vec![0; folds];
        let mut fold_of: BTreeMap<&Vec<u8>, i64> = BTreeMap::new();
        for (key, (size, _)) in order {
            let smallest = (0..folds).min_by_key(|fold| sizes[*fold]).unwrap_or(0);
            sizes[smallest] += size;
            fold_of.insert(key, smallest as i64);
        }
        Ok(keys.iter().map(|own| own.iter().map(|key| fold_of[key]).collect()).collect())
    }
}

fn column_of<'a>(uid: &str, param: &str, batch: &'a RecordBatch, column: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(column).ok_or_else(|| missing(uid, param, column, &batch.schema()))
}

/// A column without what it says of where its images came from.
fn placeless(column: &ArrayRef) -> Result<ArrayRef> {
    let Some(image) = column.as_struct_opt().filter(|image| image.column_by_name(ORIGIN).is_some()) else {
        return Ok(Arc::clone(column));
    };
    let kept = image.fields().iter().zip(image.columns()).filter(|(field, _)| field.name() != ORIGIN);
    let (fields, columns): (Vec<_>, Vec<_>) =
        kept.map(|(field, own)| (Arc::clone(field), Arc::clone(own))).unzip();
    let nulls = image.nulls().cloned();
    Ok(Arc::new(StructArray::try_new_with_length(fields.into(), columns, nulls, image.len())?))
}

/// The bytes of some columns, row by row: equal for equal rows.
fn encoded(batch: &RecordBatch, wanted: impl Fn(&str) -> bool) -> Result<Vec<Vec<u8>>> {
    let schema = batch.schema();
    let chosen: Vec<usize> = (0..schema.fields().len()).filter(|i| wanted(schema.field(*i).name())).collect();
    if chosen.is_empty() {
        return Ok(vec![Vec::new(); batch.num_rows()]);
    }
    let columns = chosen.iter().map(|i| placeless(batch.column(*i))).collect::<Result<Vec<_>>>()?;
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let rows = RowConverter::new(fields)?.convert_columns(&columns)?;
    Ok(rows.iter().map(|row| row.as_ref().to_vec()).collect())
}
