//! Reading a table of images: prefetch, decode, batch; a few batches are alive at a time, never a column.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use datafusion::arrow::array::{
    ArrayRef, BinaryBuilder, Int32Builder, RecordBatch, RecordBatchOptions, StringArray, StringBuilder,
};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
    SendableRecordBatchStream,
};
use emberline_image::{DecodeOptions, Image};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::ObjectStoreExt;

use super::{HEIGHT, IMAGE, IMAGE_ERROR, ImageTable, ORIGIN, View, WIDTH};
use crate::function::RowError;
use crate::image_column::ImageBuilder;
use crate::input::encoded_column;
use crate::report::Report;
use crate::source;

/// Files whose bytes are read ahead of decoding, per partition.
const PREFETCH_FILES: usize = 4;
/// A batch ends after this many rows,
const BATCH_ROWS_MAX: usize = 32;
/// or after the row with which it holds this many bytes of pixels or files.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// Partitions that share files leave at least this many batches to each other.
const BATCHES_LEFT: usize = 2;
/// How much of a file is read where only its header is wanted; the whole file if that is too little.
const HEADER_BYTES: u64 = 64 << 10;

/// What a query needs from each file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Nothing,
    Header,
    Bytes,
    Pixels,
}

/// Reads a part of an image table.
#[derive(Debug)]
pub(crate) struct ImageScanExec {
    table: ImageTable,
    files: Arc<Vec<usize>>,
    schema: SchemaRef,
    need: Need,
    properties: Arc<PlanProperties>,
    /// Where partitions share the files; otherwise each has its own.
    runs: Option<Mutex<Runs>>,
}

/// Lets a scan's partitions share its files where the rows are merged by the order of the scan, which is that of the paths:
/// then the rows do not tell which partition read them. Elsewhere the same partition has the same rows each time.
#[derive(Debug)]
pub(crate) struct ShareFiles;

impl PhysicalOptimizerRule for ShareFiles {
    fn name(&self) -> &'static str {
        "share_files"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let shared = plan.transform_down(|node| {
            if !node.is::<SortPreservingMergeExec>() {
                return Ok(Transformed::no(node));
            }
            let child = with_shared_files(node.children()[0])?;
            Ok(match child {
                Some(child) => Transformed::yes(over(node, child)?),
                None => Transformed::no(node),
            })
        })?;
        Ok(shared.data)
    }
}

/// The plan with files shared, if its order is that of a scan.
fn with_shared_files(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = plan.downcast_ref::<ImageScanExec>() {
        return Ok(Some(Arc::new(scan.shared())));
    }
    let ([child], [true]) = (&plan.children()[..], &plan.maintains_input_order()[..]) else {
        return Ok(None);
    };
    let child = with_shared_files(child)?;
    child.map(|child| over(plan.clone(), child)).transpose()
}

fn over(plan: Arc<dyn ExecutionPlan>, child: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.replace_children(vec![child], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

/// The executions in progress.
#[derive(Debug, Default)]
struct Runs(Vec<Run>);

/// One execution, whose partitions take their files from one queue: the faster core reads more of them.
#[derive(Debug)]
struct Run {
    context: Weak<TaskContext>,
    partitions: Vec<usize>,
    queue: Arc<Queue>,
}

/// Files of a scan, in its order, each given once.
#[derive(Debug)]
struct Queue {
    files: Arc<Vec<usize>>,
    /// Every so many-th file from this one on.
    first: usize,
    step: usize,
    given: AtomicUsize,
    /// How many partitions take from it.
    takers: usize,
}

impl Queue {
    fn new(files: &Arc<Vec<usize>>, first: usize, step: usize, takers: usize) -> Arc<Self> {
        Arc::new(Self { files: files.clone(), first, step, given: AtomicUsize::new(0), takers })
    }

    fn next(&self) -> Option<usize> {
        let place = self.first + self.step * self.given.fetch_add(1, Ordering::Relaxed);
        self.files.get(place).copied()
    }

    /// How many rows a batch may have: fewer when the files run out, so that all partitions end at about the same time.
    fn batch_rows_max(&self) -> usize {
        if self.takers == 1 {
            return BATCH_ROWS_MAX;
        }
        let left = self.files.len().saturating_sub(self.given.load(Ordering::Relaxed));
        (left / (self.takers * BATCHES_LEFT)).clamp(1, BATCH_ROWS_MAX)
    }
}

impl Runs {
    /// The queue for a partition. A context that is new, or has executed the partition before, begins another execution.
    fn queue(
        &mut self,
        partition: usize,
        context: &Arc<TaskContext>,
        new: impl FnOnce() -> Arc<Queue>,
    ) -> Arc<Queue> {
        let is_of = |run: &Run| std::ptr::eq(run.context.as_ptr(), Arc::as_ptr(context));
        self.0.retain(|run| {
            run.context.strong_count() > 0 && !(is_of(run) && run.partitions.contains(&partition))
        });
        if let Some(run) = self.0.iter_mut().find(|run| is_of(run)) {
            run.partitions.push(partition);
            return run.queue.clone();
        }
        let queue = new();
        let context = Arc::downgrade(context);
        self.0.push(Run { context, partitions: vec![partition], queue: queue.clone() });
        queue
    }
}

impl ImageScanExec {
    pub(crate) fn try_new(
        table: ImageTable,
        files: Vec<usize>,
        projection: Option<Vec<usize>>,
        partitions: usize,
    ) -> Result<Self> {
        let schema = match projection {
            Some(columns) => Arc::new(table.schema.project(&columns)?),
            None => table.schema.clone(),
        };
        let need = if table.options.drop_invalid { Need::Pixels } else { need(&schema, table.view) };
        let partitions = partitions.min(files.len()).max(1);
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(schema.clone(), by_origin(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (files, properties) = (Arc::new(files), Arc::new(properties));
        Ok(Self { table, files, schema, need, properties, runs: None })
    }

    fn shared(&self) -> Self {
        Self {
            table: self.table.clone(),
            files: self.files.clone(),
            schema: self.schema.clone(),
            need: self.need,
            properties: self.properties.clone(),
            runs: Some(Mutex::default()),
        }
    }
}

/// Files are listed in the order of their paths, and each partition reads those that it takes in that order.
fn by_origin(schema: &Schema) -> Option<[PhysicalSortExpr; 1]> {
    let origin: Arc<dyn PhysicalExpr> = Arc::new(Column::new(ORIGIN, schema.index_of(ORIGIN).ok()?));
    Some([PhysicalSortExpr::new(origin, SortOptions { descending: false, nulls_first: false })])
}

fn need(schema: &Schema, view: View) -> Need {
    let of = |name: &str| match name {
        IMAGE if view == View::Encoded => Need::Bytes,
        IMAGE | IMAGE_ERROR => Need::Pixels,
        WIDTH | HEIGHT => Need::Header,
        _ => Need::Nothing,
    };
    schema.fields().iter().map(|field| of(field.name())).max().unwrap_or(Need::Nothing)
}

impl DisplayAs for ImageScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<_> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(
            f,
            "ImageScanExec: files={}, reads={:?}, columns=[{}]",
            self.files.len(),
            self.need,
            columns.join(", ")
        )
    }
}

impl ExecutionPlan for ImageScanExec {
    fn name(&self) -> &'static str {
        "ImageScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let partitions = self.properties.partitioning.partition_count();
        let queue = match &self.runs {
            Some(runs) => {
                let mut runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
                runs.queue(partition, &context, || Queue::new(&self.files, 0, 1, partitions))
            }
            None => Queue::new(&self.files, partition, partitions, 1),
        };
        let reader = PartitionReader {
            table: self.table.clone(),
            schema: self.schema.clone(),
            need: self.need,
            queue: queue.clone(),
            report: context
                .session_config()
                .get_extension::<Report>()
                .map(|r| r.as_ref().clone())
                .unwrap_or_default(),
        };
        let files = fetch(self.table.clone(), queue, self.need);
        let batches = stream::try_unfold((reader, files), |(reader, mut files)| async move {
            let batch = reader.next_batch(&mut files).await?;
            Ok::<_, DataFusionError>(batch.map(|batch| (batch, (reader, files))))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches.boxed())))
    }
}

/// A file and its bytes, or why they can't be read; no bytes where none are needed.
type Fetched = (usize, Result<Option<Bytes>, String>);

/// Reads the files' bytes ahead of those who decode them.
fn fetch(table: ImageTable, queue: Arc<Queue>, need: Need) -> BoxStream<'static, Fetched> {
    let table = Arc::new(table);
    let one = move |file: usize| {
        let table = table.clone();
        async move {
            let bytes = match need {
                Need::Nothing => Ok(None),
                Need::Header => read_header(&table, file).await.map(Some),
                Need::Bytes | Need::Pixels => {
                    source::read(&table.files.location(file), encoded_bytes_max(&table)).await.map(Some)
                }
            };
            (file, bytes)
        }
    };
    stream::iter(std::iter::from_fn(move || queue.next())).map(one).buffered(PREFETCH_FILES).boxed()
}

fn encoded_bytes_max(table: &ImageTable) -> usize {
    table.options.decode.limits.encoded_bytes_max
}

/// The beginning of a file if its header is there, else all of it.
async fn read_header(table: &ImageTable, file: usize) -> Result<Bytes, String> {
    let location = table.files.location(file);
    let start = location.store.get_range(&location.path, 0..HEADER_BYTES).await.map_err(|e| e.to_string())?;
    let whole = (start.len() as u64) < HEADER_BYTES;
    if whole || emberline_image::read_header(&start, &table.options.decode).is_ok() {
        return Ok(start);
    }
    source::read(&location, encoded_bytes_max(table)).await
}

/// What was learned about one file.
#[derive(Default)]
struct Row {
    bytes: Option<Bytes>,
    image: Option<Image>,
    size: Option<(u32, u32)>,
    error: Option<String>,
}

struct PartitionReader {
    table: ImageTable,
    schema: SchemaRef,
    need: Need,
    queue: Arc<Queue>,
    report: Report,
}

impl PartitionReader {
    /// The next rows, `None` at the end.
    async fn next_batch(&self, files: &mut BoxStream<'static, Fetched>) -> Result<Option<RecordBatch>> {
        let mut rows = Rows::default();
        let rows_max = self.queue.batch_rows_max();
        while let Some((file, fetched)) = files.next().await {
            let row = self.row(fetched);
            if let Some(reason) = &row.error {
                let origin = Some(self.table.files.origin(file));
                self.report.add_errors(&[RowError { row: 0, origin, reason: reason.clone() }]);
            }
            self.report.add_read(1);
            if self.table.options.drop_invalid && row.image.is_none() {
                continue;
            }
            rows.push(file, row, &self.table);
            // Rows that need no file are cheap, but a batch of labels need not be long either.
            if rows.files.len() >= rows_max || rows.bytes() >= BATCH_BYTES_MAX {
                break;
            }
        }
        if rows.files.is_empty() { Ok(None) } else { self.batch(rows).map(Some) }
    }

    fn row(&self, fetched: Result<Option<Bytes>, String>) -> Row {
        let options: &DecodeOptions = &self.table.options.decode;
        let bytes = match fetched {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Row::default(),
            // Of an encoded image only its path is known then; who decodes it, reads it again and says why it fails.
            Err(_) if self.need < Need::Pixels => return Row::default(),
            Err(reason) => return Row { error: Some(reason), ..Row::default() },
        };
        if self.need == Need::Pixels {
            return match emberline_image::decode(&bytes, options) {
                Ok(image) => {
                    let size = Some((image.width(), image.height()));
                    Row { image: Some(image), size, ..Row::default() }
                }
                Err(error) => Row { error: Some(error.to_string()), ..Row::default() },
            };
        }
        let wanted =
            self.schema.column_with_name(WIDTH).is_some() || self.schema.column_with_name(HEIGHT).is_some();
        let header = wanted.then(|| emberline_image::read_header(&bytes, options).ok()).flatten();
        Row { bytes: Some(bytes), size: header.map(|h| (h.width, h.height)), ..Row::default() }
    }

    fn batch(&self, rows: Rows) -> Result<RecordBatch> {
        let Rows { files, images, mut contents, mut widths, mut heights, mut errors } = rows;
        let count = files.len();
        let mut image = Some(match self.table.view {
            View::Decoded => images.finish(),
            View::Encoded => {
                let origins =
                    StringArray::from_iter_values(files.iter().map(|file| self.table.files.origin(*file)));
                encoded_column(contents.finish(), origins)
            }
        });
        let columns: Vec<ArrayRef> = self
            .schema
            .fields()
            .iter()
            .filter_map(|field| match field.name().as_str() {
                IMAGE => image.take(),
                WIDTH => Some(Arc::new(widths.finish()) as ArrayRef),
                HEIGHT => Some(Arc::new(heights.finish())),
                IMAGE_ERROR => Some(Arc::new(errors.finish())),
                name => self.table.files.column(name, &files),
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

/// A batch in the making.
#[derive(Default)]
struct Rows {
    files: Vec<usize>,
    images: ImageBuilder,
    contents: BinaryBuilder,
    widths: Int32Builder,
    heights: Int32Builder,
    errors: StringBuilder,
}

impl Rows {
    fn push(&mut self, file: usize, row: Row, table: &ImageTable) {
        self.files.push(file);
        match row.image {
            Some(image) => self.images.append(Some(&table.files.origin(file)), image),
            None => self.images.append_null(),
        }
        self.contents.append_option(row.bytes.filter(|_| table.view == View::Encoded));
        let side = |value: u32| i32::try_from(value).ok();
        self.widths.append_option(row.size.and_then(|(width, _)| side(width)));
        self.heights.append_option(row.size.and_then(|(_, height)| side(height)));
        self.errors.append_option(row.error);
    }

    fn bytes(&self) -> usize {
        self.images.data_bytes() + self.contents.values_slice().len()
    }
}
