//! `emberline featurize`: a folder of images to a Parquet file of features.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use emberline::arrow::array::RecordBatch;
use emberline::arrow::datatypes::SchemaRef;
use emberline::datafusion::parquet::arrow::ArrowWriter;
use emberline::datafusion::parquet::file::properties::WriterProperties;
use emberline::datafusion::parquet::schema::types::ColumnPath;
use emberline::datafusion::prelude::ident;
use emberline::ml::Transformer;
use futures::TryStreamExt;
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::images::ImagesArgs;
use crate::network::FeatureArgs;
use crate::progress::Progress;
use crate::summary::BadImages;
use crate::{Common, output};

/// A row group is written when it has this many bytes: rows wait in memory until then.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// What `emberline featurize --help` says after the options.
const DETAILS: &str = "\
Columns: origin, label (if folders give any), features (null where an image could not be read), error (why).
The file appears when it is complete.";

/// `emberline featurize`.
#[derive(Debug, Args)]
#[command(after_help = DETAILS)]
pub(crate) struct FeaturizeArgs {
    #[command(flatten)]
    images: ImagesArgs,
    #[command(flatten)]
    features: FeatureArgs,
    /// The Parquet file to write
    #[arg(long, value_name = "FILE.parquet")]
    out: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    overwrite: bool,
}

/// What was written, for `--json`.
#[derive(Serialize)]
struct Written {
    out: PathBuf,
    rows: u64,
    columns: Vec<String>,
    bad_images: BadImages,
}

pub(crate) async fn run(args: FeaturizeArgs, common: Common) -> Result<()> {
    check_out(&args.out, args.overwrite)?;
    let session = common.session();
    let images = args.images.open(&session).await?;
    let featurizer = args.features.featurizer().await?.error_col("error");
    let mut columns = vec![ident("origin")];
    if !images.labels.is_empty() {
        columns.push(ident(&images.label));
    }
    columns.extend([ident("features"), ident("error")]);
    let table =
        featurizer.transform(images.table)?.select(columns)?.sort(vec![ident("origin").sort(true, false)])?;

    let progress = Progress::images("Featurizing", session.report(), images.files);
    let mut batches = table.execute_stream().await?;
    let schema = batches.schema();
    let mut file = ParquetFile::create(&args.out, schema.clone())?;
    while let Some(batch) = batches.try_next().await? {
        file.write(&batch)?;
    }
    file.publish(args.overwrite)?;
    drop(progress);

    let bad_images = BadImages::of(session.report(), images.files);
    let columns: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    if common.json {
        return output::json(&Written { out: args.out, rows: images.files, columns, bad_images });
    }
    let rows = output::count(images.files, "row");
    output::line(format!("{rows} of {} in {}", columns.join(", "), args.out.display()))?;
    bad_images.note(false);
    Ok(())
}

/// Finds before any work that a file or folder can't be written.
pub(crate) fn check_out(out: &Path, overwrite: bool) -> Result<()> {
    if out.exists() && !overwrite {
        bail!("--out: {} exists already; choose another name, or pass --overwrite", out.display());
    }
    let folder = folder_of(out);
    if !folder.is_dir() {
        bail!("--out: the folder {} does not exist", folder.display());
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A Parquet file that appears under its name when it is complete; until then, and if it never is, it has a
/// temporary one beside it, which goes when this is dropped.
struct ParquetFile {
    path: PathBuf,
    temporary: NamedTempFile,
    writer: ArrowWriter<File>,
}

impl ParquetFile {
    fn create(path: &Path, schema: SchemaRef) -> Result<Self> {
        let failed = || format!("writing {}", path.display());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".emberline-").suffix(".parquet");
        #[cfg(unix)]
        {
            // As any new file; temporary ones are otherwise readable by their owner alone.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(folder_of(path)).with_context(failed)?;
        let file = temporary.as_file().try_clone().with_context(failed)?;
        // Features hardly ever repeat, so that a dictionary of them would only cost.
        let features = ColumnPath::new(["features", "list", "item"].map(String::from).to_vec());
        let properties = WriterProperties::builder().set_column_dictionary_enabled(features, false).build();
        let writer = ArrowWriter::try_new(file, schema, Some(properties)).with_context(failed)?;
        Ok(Self { path: path.into(), temporary, writer })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let failed = || format!("writing {}", self.path.display());
        self.writer.write(batch).with_context(failed)?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
            self.writer.flush().with_context(failed)?;
        }
        Ok(())
    }

    fn publish(self, overwrite: bool) -> Result<()> {
        let failed = || format!("writing {}", self.path.display());
        self.writer.close().with_context(failed)?;
        self.temporary.as_file().sync_all().with_context(failed)?;
        let persisted = match overwrite {
            true => self.temporary.persist(&self.path),
            false => self.temporary.persist_noclobber(&self.path),
        };
        persisted.map_err(|e| e.error).with_context(failed)?;
        Ok(())
    }
}
