//! A session: where tables and functions have names and queries run.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use datafusion::catalog::{MemorySchemaProvider, Session as CatalogSession, TableProvider};
use datafusion::common::TableReference;
use datafusion::dataframe::DataFrame;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::{LogicalPlan, ScalarUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::future::BoxFuture;

use crate::error::{Result, TableError};
use crate::evaluate::encoded::EncodedImages;
use crate::evaluate::extract::ExtractCalls;
use crate::evaluate::{ColumnUdf, EvaluatePlanner};
use crate::function::ColumnFunction;
use crate::functions;
use crate::reader::{ImageTable, ReadOptions, ShareFiles};
use crate::report::Report;
use crate::sql;

/// Rows per batch between operators. Small, because a row may hold a decoded image; what computes on rows, our
/// functions, does not gain from longer batches.
const BATCH_ROWS: usize = 32;

/// Finds the function that a name or path in SQL means.
pub trait FunctionResolver: fmt::Debug + Send + Sync {
    /// The function that `CREATE FUNCTION ... AS '<source>'` names.
    ///
    /// # Errors
    /// When there is none, or it can't be loaded.
    fn resolve(&self, source: &str) -> Result<Arc<dyn ColumnFunction>>;
}

/// How a session runs.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// How many threads compute, and into how many parts tables are split; as many as the machine has cores by
    /// default.
    pub threads: Option<usize>,
    /// What `CREATE FUNCTION ... LANGUAGE EMBERLINE AS '...'` may name; saved functions only by default.
    pub functions: Option<Arc<dyn FunctionResolver>>,
}

/// Named tables and functions, and the queries over them. Cheap to clone: clones share everything.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_table::Result<()> {
/// let session = emberline_table::Session::new();
/// let batches = session.sql("SELECT 1 + 1 AS two").await?.collect().await?;
/// assert_eq!(batches[0].num_rows(), 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Session {
    context: SessionContext,
    report: Report,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.context.session_id())
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A session with the default options.
    pub fn new() -> Self {
        Self::with_options(SessionOptions::default())
    }

    /// A session.
    pub fn with_options(options: SessionOptions) -> Self {
        let report = Report::default();
        let threads =
            options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let config = SessionConfig::new()
            .with_target_partitions(threads.max(1))
            .with_batch_size(BATCH_ROWS)
            .with_information_schema(true)
            .with_extension(Arc::new(report.clone()));
        let state = SessionStateBuilder::new_with_default_features()
            .with_config(config)
            .with_analyzer_rule(Arc::new(ExtractCalls))
            .with_optimizer_rule(Arc::new(EncodedImages))
            .with_physical_optimizer_rule(Arc::new(ShareFiles))
            .with_query_planner(Arc::new(Planner))
            .with_table_factory("IMAGES".into(), Arc::new(sql::ImageTableFactory))
            .with_function_factory(Some(Arc::new(sql::EmberlineFunctions::new(options.functions))))
            .build();
        let context = SessionContext::new_with_state(state);
        context.register_udtf("read_images", Arc::new(sql::ReadImages));
        let session = Self { context, report };
        for (name, function) in functions::built_in() {
            session.register_function(name, function);
        }
        session
    }

    /// A query; of several statements separated by `;`, the last one's answer.
    ///
    /// Beside SQL as DataFusion knows it:
    ///
    /// ```sql
    /// CREATE EXTERNAL TABLE traffic_imgs STORED AS IMAGES LOCATION 'photos/';
    /// CREATE FUNCTION my_object_recognition_function(image) LANGUAGE EMBERLINE AS 'model.ember';
    /// SELECT image, my_object_recognition_function(image) AS objects FROM traffic_imgs;
    /// SELECT * FROM read_images('photos/');
    /// DROP FUNCTION my_object_recognition_function;
    /// ```
    ///
    /// # Errors
    /// When a statement does not parse, names something unknown, or fails.
    pub async fn sql(&self, query: &str) -> Result<DataFrame> {
        sql::run(&self.context, query).await
    }

    /// A folder of images as a table: see [`ImageTable`] for its columns. Nothing is decoded until the table is
    /// collected or written.
    ///
    /// # Errors
    /// When the place does not exist or an option is out of its range.
    pub async fn read_images(&self, uri: &str, options: ReadOptions) -> Result<DataFrame> {
        let table = ImageTable::open(uri, options).await?;
        Ok(self.context.read_table(Arc::new(table))?)
    }

    /// A Parquet file as a table.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn read_parquet(&self, path: &Path) -> Result<DataFrame> {
        let path = path.to_str().ok_or_else(|| TableError::saved(path, "the path is not UTF-8"))?;
        Ok(self.context.read_parquet(path, ParquetReadOptions::default()).await?)
    }

    /// Gives a table a name in SQL, in place of the one that had it.
    ///
    /// # Errors
    /// When the name is not one.
    pub fn register_table(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        let reference = TableReference::from(name);
        let catalogs = self.context.state().config().options().catalog.default_catalog.clone();
        let catalog = self.context.catalog(reference.catalog().unwrap_or(&catalogs));
        if let (Some(catalog), Some(schema)) = (catalog, reference.schema())
            && catalog.schema(schema).is_none()
        {
            catalog.register_schema(schema, Arc::new(MemorySchemaProvider::new()))?;
        }
        self.context.deregister_table(reference.clone())?;
        self.context.register_table(reference, table)?;
        Ok(())
    }

    /// Gives a function a name in SQL, in place of the one that had it. Names are case-insensitive.
    pub fn register_function(&self, name: &str, function: Arc<dyn ColumnFunction>) {
        let udf = ColumnUdf::new(name.to_ascii_lowercase(), function);
        self.context.register_udf(ScalarUDF::new_from_impl(udf));
    }

    /// Takes a function's name away; false if it had none.
    pub fn deregister_function(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let known = self.context.state().scalar_functions().contains_key(&name);
        self.context.deregister_udf(&name);
        known
    }

    /// The counts of rows read and failed so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// DataFusion's own context, for what this type does not wrap.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }
}

/// DataFusion's planner, which also knows how to run column functions.
#[derive(Debug)]
struct Planner;

impl QueryPlanner for Planner {
    // Written out for the compiler's sake: ARCHITECTURE.md, "Compile time".
    fn create_physical_plan<'planner, 'plan, 'session, 'planning>(
        &'planner self,
        plan: &'plan LogicalPlan,
        session: &'session dyn CatalogSession,
    ) -> BoxFuture<'planning, DataFusionResult<Arc<dyn ExecutionPlan>>>
    where
        'planner: 'planning,
        'plan: 'planning,
        'session: 'planning,
        Self: 'planning,
    {
        physical_plan(plan, session)
    }
}

fn physical_plan<'a>(
    plan: &'a LogicalPlan,
    session: &'a dyn CatalogSession,
) -> BoxFuture<'a, DataFusionResult<Arc<dyn ExecutionPlan>>> {
    Box::pin(async move {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(EvaluatePlanner)]);
        planner.create_physical_plan(plan, session).await
    })
}
