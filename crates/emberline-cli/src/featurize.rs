//! `emberline featurize`: a folder of images to a Parquet file of features.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use emberline::datafusion::prelude::ident;
use emberline::ml::Transformer;
use emberline::write_parquet;
use serde::Serialize;

use crate::images::ImagesArgs;
use crate::network::FeatureArgs;
use crate::progress::Progress;
use crate::summary::BadImages;
use crate::{Common, output};

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
    let batches = table.execute_stream().await?;
    let schema = batches.schema();
    write_parquet(batches, &args.out, args.overwrite).await?;
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
