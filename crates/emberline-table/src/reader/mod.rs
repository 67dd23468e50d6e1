//! Folders of images as tables: one row per file, listed at once, read when asked for.

mod listing;
mod scan;

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session as CatalogSession, TableProvider};
use datafusion::common::ToDFSchema;
use datafusion::datasource::TableType;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, utils::conjunction};
use datafusion::physical_plan::ExecutionPlan;
use emberline_image::DecodeOptions;
use futures::future::{self, BoxFuture};

use crate::error::{Result, TableError};
use crate::image_column::image_type;
use crate::input::encoded_type;
pub(crate) use listing::FileTable;
use scan::ImageScanExec;
pub(crate) use scan::ShareFiles;

/// The decoded image.
pub(crate) const IMAGE: &str = "image";
/// Where it came from.
pub(crate) const ORIGIN: &str = "origin";
/// Pixels per row, from the file's header.
pub(crate) const WIDTH: &str = "width";
/// Rows of pixels, from the file's header.
pub(crate) const HEIGHT: &str = "height";
/// Why the image is null.
pub(crate) const IMAGE_ERROR: &str = "image_error";
/// The label that a folder's name gives.
pub(crate) const LABEL: &str = "label";

/// Where the `label` column comes from, beside `key=value` folders, which always become columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LabelFrom {
    /// There is none.
    #[default]
    Nothing,
    /// The name of the folder directly under the root that the file is in; null for a file in the root itself.
    Folder,
}

/// How a folder of images is read.
///
/// ```
/// use emberline_table::{LabelFrom, ReadOptions};
/// let options = ReadOptions { label: LabelFrom::Folder, glob: Some("*.jpg".into()), ..Default::default() };
/// assert!(options.recursive);
/// ```
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Whether folders in the folder are read. Default: true.
    pub recursive: bool,
    /// Which files are rows: a pattern over the path below the root, or over the file's name alone if it has no
    /// `/`. Default: all. Hidden files (whose name, or a folder's, begins with `.` or `_`) never are.
    pub glob: Option<String>,
    /// Where the label column comes from. Default: nowhere.
    pub label: LabelFrom,
    /// The share of files that are rows, 0 to 1, chosen by a hash of path and seed. Default: 1.
    pub sample_ratio: f64,
    /// Chooses another sample. Default: 0.
    pub seed: u64,
    /// Whether rows whose image can't be decoded are left out. Default: false, they stay with a null image.
    pub drop_invalid: bool,
    /// Orientation and limits of decoding.
    pub decode: DecodeOptions,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            recursive: true,
            glob: None,
            label: LabelFrom::Nothing,
            sample_ratio: 1.0,
            seed: 0,
            drop_invalid: false,
            decode: DecodeOptions::default(),
        }
    }
}

/// What a scan gives as the `image` column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// Decoded pixels, in Spark's struct.
    Decoded,
    /// The file's bytes with its origin, for a function that decodes them itself: see
    /// [`ImageTable::encoded`].
    Encoded,
}

/// A folder of images as a table.
///
/// Columns: `image` (Spark's struct; null where a file can't be decoded), `origin` (the path or URI), `width` and
/// `height` (in pixels as oriented, from the header alone), one column per `key=value` folder, `label` if asked
/// for, and `image_error` (why `image` is null). Only what a query asks for is read: `origin` and labels touch no
/// file, `width` and `height` only headers.
#[derive(Debug, Clone)]
pub struct ImageTable {
    files: Arc<FileTable>,
    options: Arc<ReadOptions>,
    schema: SchemaRef,
    view: View,
}

impl ImageTable {
    /// Lists the files of `uri`: a folder, a file, or a pattern such as `photos/*/*.jpg`; local, or at
    /// `s3://`, `gs://`, `az://`, `http://` or `https://`.
    ///
    /// # Errors
    /// When the place does not exist or can't be listed, or an option is out of its range.
    pub async fn open(uri: &str, options: ReadOptions) -> Result<Self> {
        if !(0.0..=1.0).contains(&options.sample_ratio) {
            return Err(TableError::Setting {
                parameter: "sampleRatio".into(),
                expected: "a number from 0 to 1".into(),
                found: options.sample_ratio.to_string(),
            });
        }
        let files = FileTable::list(uri, &options).await?;
        let mut fields = vec![
            Field::new(IMAGE, image_type(), true),
            Field::new(ORIGIN, DataType::Utf8, false),
            Field::new(WIDTH, DataType::Int32, true),
            Field::new(HEIGHT, DataType::Int32, true),
        ];
        fields.extend(
            files.columns().fields().iter().filter(|f| f.name() != ORIGIN).map(|f| f.as_ref().clone()),
        );
        fields.push(Field::new(IMAGE_ERROR, DataType::Utf8, true));
        Ok(Self {
            files: Arc::new(files),
            options: Arc::new(options),
            schema: Arc::new(Schema::new(fields)),
            view: View::Decoded,
        })
    }

    /// How many rows it has, those that `dropInvalid` will leave out included.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// The same table with the files' bytes in place of decoded pixels, if that loses nothing: what a function
    /// gets that decodes, resizes and normalises in one go.
    pub(crate) fn encoded(&self) -> Option<Self> {
        if self.options.drop_invalid || self.view == View::Encoded {
            return None;
        }
        let replace = |field: &Arc<Field>| match field.name().as_str() {
            IMAGE => Arc::new(Field::new(IMAGE, encoded_type(), true)),
            _ => field.clone(),
        };
        let schema = Schema::new(self.schema.fields().iter().map(replace).collect::<Vec<_>>());
        Some(Self { schema: Arc::new(schema), view: View::Encoded, ..self.clone() })
    }

    /// The files that pass `filters`, which are about columns known without reading any.
    fn prune(&self, state: &dyn CatalogSession, filters: &[Expr]) -> DataFusionResult<Vec<usize>> {
        let Some(filter) = conjunction(filters.iter().cloned()) else {
            return Ok((0..self.files.len()).collect());
        };
        let schema = self.files.columns();
        let columns = self.files.all_columns();
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        let predicate = state.create_physical_expr(filter, &schema.clone().to_dfschema()?)?;
        let passed: ArrayRef = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
        let passed: &BooleanArray = datafusion::common::cast::as_boolean_array(&passed)?;
        Ok((0..self.files.len()).filter(|i| passed.is_valid(*i) && passed.value(*i)).collect())
    }

    fn plan(
        &self,
        state: &dyn CatalogSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<ImageScanExec> {
        let mut files = self.prune(state, filters)?;
        if let Some(limit) = limit.filter(|_| !self.options.drop_invalid) {
            files.truncate(limit);
        }
        let partitions = state.config().target_partitions();
        ImageScanExec::try_new(self.clone(), files, projection.cloned(), partitions)
    }
}

impl TableProvider for ImageTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// A filter over the origin, labels and partition columns alone is answered before any file is read.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let known = self.files.columns();
        let about_files = |filter: &Expr| {
            !filter.is_volatile() && filter.column_refs().iter().all(|c| known.index_of(&c.name).is_ok())
        };
        Ok(filters
            .iter()
            .map(|filter| match about_files(filter) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    // Written out for the compiler's sake: ARCHITECTURE.md, "Compile time".
    fn scan<'table, 'state, 'projection, 'filters, 'scan>(
        &'table self,
        state: &'state dyn CatalogSession,
        projection: Option<&'projection Vec<usize>>,
        filters: &'filters [Expr],
        limit: Option<usize>,
    ) -> BoxFuture<'scan, DataFusionResult<Arc<dyn ExecutionPlan>>>
    where
        'table: 'scan,
        'state: 'scan,
        'projection: 'scan,
        'filters: 'scan,
        Self: 'scan,
    {
        let plan = self.plan(state, projection, filters, limit);
        Box::pin(future::ready(plan.map(|plan| Arc::new(plan) as Arc<dyn ExecutionPlan>)))
    }
}
