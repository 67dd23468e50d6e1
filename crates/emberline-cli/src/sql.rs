//! `emberline sql`: a query over folders of images and Parquet files, with models as functions.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use emberline::arrow::array::RecordBatch;
use emberline::arrow::datatypes::SchemaRef;
use emberline::datafusion::datasource::MemTable;
use emberline::datafusion::execution::SendableRecordBatchStream;
use emberline::ml::Ledger;
use emberline::{FunctionResolver, ImageTable, ReadOptions, Session};
use futures::TryStreamExt;
use serde_json::{Map, Value};

use crate::progress::{self, Progress};
use crate::summary::BadImages;
use crate::{Common, display, output};

/// A table on the screen is at most this long; the next one has columns of its own width.
const PAGE_ROWS: usize = 1_000;

/// What `emberline sql --help` says after the options.
const DETAILS: &str = r#"Statements are separated by `;`, and the last one's answer is shown. Beside SQL as Apache DataFusion knows it:
  CREATE EXTERNAL TABLE t STORED AS IMAGES LOCATION 'DIR';
  CREATE FUNCTION f(image) LANGUAGE EMBERLINE AS 'MODEL';
  SELECT * FROM read_images('DIR' [, 'folder']);

With --json: one object per line and row, all rows; an image is {"origin", "width", "height", "nChannels"} and
bytes are {"bytes": how many}."#;

/// `emberline sql`.
#[derive(Debug, Args)]
#[command(after_help = DETAILS)]
pub(crate) struct SqlArgs {
    /// The query
    query: String,
    /// Gives a folder of images or a Parquet file a name in SQL
    #[arg(long = "table", value_name = "NAME=DIR|FILE.parquet|URL")]
    tables: Vec<Named>,
    /// Gives a trained model or a named network a name in SQL
    #[arg(long = "function", value_name = "NAME=MODEL")]
    functions: Vec<Named>,
    /// How many rows are shown; 0 for all. The query stops there
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit_rows: usize,
}

/// `NAME=PLACE`.
#[derive(Debug, Clone)]
struct Named {
    name: String,
    place: String,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, place)) if !name.is_empty() && !place.is_empty() => {
                Ok(Self { name: name.into(), place: place.into() })
            }
            _ => Err("expected NAME=..., a name in SQL and what it means".into()),
        }
    }
}

pub(crate) async fn run(args: SqlArgs, common: Common) -> Result<()> {
    let session = common.session();
    register_trials(&session)?;
    for table in &args.tables {
        register_table(&session, table).await.with_context(|| format!("--table {}", table.name))?;
    }
    for function in args.functions {
        let name = function.name.clone();
        register_function(&session, function).await.with_context(|| format!("--function {name}"))?;
    }
    let progress = Progress::query(session.report());
    let rows = session.sql(&args.query).await?.execute_stream().await?;
    if common.json {
        print_json(rows).await?;
    } else {
        print_tables(rows, args.limit_rows).await?;
    }
    drop(progress);
    BadImages::of(session.report(), session.report().counts().read).note(common.json);
    Ok(())
}

/// `emberline.trials`: what `emberline tune` measured so far.
fn register_trials(session: &Session) -> Result<()> {
    let path = Ledger::default_path();
    if !path.exists() {
        return Ok(());
    }
    let trials = Ledger::open(&path)?.to_batch()?;
    let table = MemTable::try_new(trials.schema(), vec![vec![trials]])?;
    Ok(session.register_table("emberline.trials", Arc::new(table))?)
}

async fn register_table(session: &Session, table: &Named) -> Result<()> {
    let Named { name, place } = table;
    if Path::new(place).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet")) {
        let rows = session.read_parquet(Path::new(place)).await?;
        return Ok(session.register_table(name, rows.into_view())?);
    }
    let images = ImageTable::open(place, ReadOptions::default()).await?;
    Ok(session.register_table(name, Arc::new(images))?)
}

async fn register_function(session: &Session, function: Named) -> Result<()> {
    let Named { name, place } = function;
    // Loading reads files, and may fetch weights.
    let resolve = move || emberline::ml::Functions.resolve(&place);
    session.register_function(&name, tokio::task::spawn_blocking(resolve).await??);
    Ok(())
}

async fn print_json(mut rows: SendableRecordBatchStream) -> Result<()> {
    let schema = rows.schema();
    while let Some(batch) = rows.try_next().await? {
        for row in 0..batch.num_rows() {
            let columns = schema.fields().iter().zip(batch.columns());
            let values =
                columns.map(|(field, column)| Ok((field.name().clone(), display::json(column, row)?)));
            let object: Map<String, Value> = values.collect::<Result<_>>()?;
            progress::suspend(|| output::json(&object))?;
        }
    }
    Ok(())
}

/// Prints the first `limit` rows. No batch outlives its turn: what waits for a table's end is text.
async fn print_tables(mut rows: SendableRecordBatchStream, limit: usize) -> Result<()> {
    let schema = rows.schema();
    let mut page: Vec<Vec<String>> = Vec::new();
    let mut printed = 0;
    while let Some(batch) = rows.try_next().await? {
        for row in 0..batch.num_rows() {
            if limit > 0 && printed + page.len() == limit {
                print_page(&schema, &mut page)?;
                return Ok(progress::suspend(|| {
                    output::line("... and more rows; --limit-rows N shows N, 0 all")
                })?);
            }
            page.push(cells(&batch, row)?);
            if page.len() == PAGE_ROWS {
                printed += page.len();
                print_page(&schema, &mut page)?;
            }
        }
    }
    // A query without rows still has columns; a statement such as CREATE FUNCTION has not.
    if !schema.fields().is_empty() && (!page.is_empty() || printed == 0) {
        print_page(&schema, &mut page)?;
    }
    Ok(())
}

fn cells(batch: &RecordBatch, row: usize) -> Result<Vec<String>> {
    batch.columns().iter().map(|column| display::text(column, row)).collect()
}

fn print_page(schema: &SchemaRef, page: &mut Vec<Vec<String>>) -> Result<()> {
    let mut table =
        output::table_of(schema.fields().iter().map(|field| output::printable(field.name())).collect());
    for row in page.drain(..) {
        table.add_row(row);
    }
    Ok(progress::suspend(|| output::print(&table))?)
}
