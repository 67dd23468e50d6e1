//! MLlib's `SQLTransformer` (`ml/feature/SQLTransformer.scala`).

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::LogicalPlan;
use emberline_table::{Step, TableError, select};

use crate::error::{MlError, Result};
use crate::params::{ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::StageReader;
use crate::stage::{Stage, Transformer, copied, stage_basics};

/// What stands for the table in a statement.
const THIS: &str = "__THIS__";

const STATEMENT: ParamSpec =
    ParamSpec::new("statement", ParamKind::Text, "SELECT statement in which __THIS__ stands for the table")
        .required();

/// The answer of a `SELECT` statement over the table, which it calls `__THIS__`.
///
/// The statement knows that table and DataFusion's functions, and nothing else: unlike MLlib's it can't name other
/// tables, functions, files or addresses, so a saved pipeline means the same everywhere. Names of columns are written
/// as they are, upper and lower case. A statement may leave rows out and join them, so a fitted pipeline's
/// [`as_function`](crate::PipelineModel::as_function) leaves this stage out.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::{SqlTransformer, Transformer};
/// let table = emberline_table::Session::new().sql("SELECT 1.0 AS v1, 3.0 AS v2").await?;
/// let sql = SqlTransformer::new().statement("SELECT *, v1 + v2 AS v3, v1 * v2 AS v4 FROM __THIS__");
/// assert_eq!(sql.transform(table)?.schema().field_names().len(), 4);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct SqlTransformer {
    params: Params,
}

impl SqlTransformer {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[STATEMENT];

    /// A stage with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("SQLTransformer", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    fn plan(&self, table: Arc<dyn TableProvider>) -> Result<LogicalPlan> {
        self.params.validate()?;
        let statement = self.params.text("statement")?;
        select(table, THIS, &statement).map_err(|error| match error {
            TableError::Setting { parameter, expected, found } => {
                MlError::Param { stage: self.params.uid().into(), param: parameter, expected, found }
            }
            other => MlError::stage(self.params.uid(), format!("parameter `statement`: {other}")),
        })
    }
}

setters!(SqlTransformer { statement: &str => "statement" });

impl Stage for SqlTransformer {
    stage_basics!("SQLTransformer");
}

impl Transformer for SqlTransformer {
    fn steps(&self, _: &Schema) -> Result<Vec<Step>> {
        let reason = "a statement is no function of a row; it works in `transform` only";
        Err(MlError::stage(self.params.uid(), reason))
    }

    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        let plan = self.plan(Arc::new(EmptyTable::new(Arc::new(schema.clone()))))?;
        Ok(plan.schema().as_arrow().clone())
    }

    fn transform(&self, table: DataFrame) -> Result<DataFrame> {
        let (state, plan) = table.into_parts();
        let view = DataFrame::new(state.clone(), plan).into_view();
        Ok(DataFrame::new(state, self.plan(view)?))
    }

    fn is_row_wise(&self) -> bool {
        false
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}
