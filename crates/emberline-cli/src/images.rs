//! A folder of images as an argument: what is in it, and which column is the label.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use clap::Args;
use emberline::arrow::array::{Array, AsArray};
use emberline::arrow::compute::cast;
use emberline::arrow::datatypes::DataType;
use emberline::datafusion::dataframe::DataFrame;
use emberline::datafusion::prelude::ident;
use emberline::{LabelFrom, ReadOptions, Session};

/// The value of `--label-from` that means a folder's name.
const FOLDER: &str = "folder";
/// Columns of every image table, which are no labels.
const NO_LABELS: [&str; 5] = ["image", "origin", "width", "height", "image_error"];

/// Which images are read, and where their labels come from.
#[derive(Debug, Args)]
pub(crate) struct ImagesArgs {
    /// The folder of images, with the folders in it; or an address (s3://, gs://, az://)
    pub(crate) dir: String,
    /// Where labels come from: `folder`, the name of the folder directly below DIR; or the name of a column that
    /// `key=value` folders give
    #[arg(long, value_name = "folder|COLUMN", default_value = FOLDER)]
    pub(crate) label_from: String,
    /// Which files are images: a pattern such as `*.jpg` or `2024/**/*.png` [default: all but hidden ones]
    #[arg(long, value_name = "PATTERN")]
    pub(crate) glob: Option<String>,
}

/// A folder of images.
pub(crate) struct Images {
    /// The image table.
    pub(crate) table: DataFrame,
    /// Its column of labels.
    pub(crate) label: String,
    /// How many files it has.
    pub(crate) files: u64,
    /// How many files each label has; those without a label are not among them.
    pub(crate) labels: BTreeMap<String, u64>,
}

impl ImagesArgs {
    /// Lists the images. None is read.
    pub(crate) async fn open(&self, session: &Session) -> Result<Images> {
        let by_folder = self.label_from == FOLDER;
        let options = ReadOptions {
            glob: self.glob.clone(),
            label: if by_folder { LabelFrom::Folder } else { LabelFrom::Nothing },
            ..ReadOptions::default()
        };
        let label = if by_folder { "label" } else { self.label_from.as_str() };
        let table = session.read_images(&self.dir, options).await;
        let table = table.with_context(|| format!("images in {}", self.dir))?;
        let columns = table.schema().fields().iter().map(|field| field.name().as_str());
        let columns: Vec<&str> = columns.filter(|name| !NO_LABELS.contains(name)).collect();
        if !columns.contains(&label) {
            let known = if columns.is_empty() { "none".to_string() } else { columns.join(", ") };
            bail!(
                "--label-from: expected `folder` or a column that `key=value` folders give ({known}), found `{label}`"
            );
        }
        let (files, labels) = counts(&table, label).await?;
        if files == 0 {
            let looked_for =
                self.glob.as_ref().map_or("files that are not hidden".into(), |glob| format!("`{glob}`"));
            bail!("{}: no images there; looked for {looked_for} in it and in the folders below", self.dir);
        }
        // Listing is not reading.
        session.report().reset();
        Ok(Images { label: label.to_string(), table, files, labels })
    }
}

/// How many rows there are, and how many have each label.
async fn counts(table: &DataFrame, label: &str) -> Result<(u64, BTreeMap<String, u64>)> {
    let mut labels = BTreeMap::new();
    let mut rows = 0;
    for batch in table.clone().select(vec![ident(label)])?.collect().await? {
        let column = cast(batch.column(0), &DataType::Utf8)?;
        rows += column.len() as u64;
        for label in column.as_string::<i32>().iter().flatten() {
            *labels.entry(label.to_string()).or_default() += 1;
        }
    }
    Ok((rows, labels))
}
