//! One `SELECT` over one table, planned with nothing else in sight.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast;
use futures::FutureExt;

use crate::error::{Result, TableError};

/// Plans a `SELECT` statement in which `name` stands for `table`.
///
/// The statement knows that table and DataFusion's functions, and nothing else: no other table, no file, no address,
/// whoever wrote it; so not the image functions either, which read addresses. Names of columns mean what they say,
/// upper and lower case, with or without quotes.
///
/// ```
/// use std::sync::Arc;
/// use emberline_table::arrow::datatypes::{DataType, Field, Schema};
/// use emberline_table::datafusion::datasource::empty::EmptyTable;
/// let schema = Schema::new(vec![Field::new("rawScore", DataType::Float64, true)]);
/// let table = Arc::new(EmptyTable::new(Arc::new(schema)));
/// let plan = emberline_table::select(table.clone(), "t", "SELECT rawScore * 2 AS score FROM t").unwrap();
/// assert_eq!(plan.schema().field(0).name(), "score");
/// assert!(emberline_table::select(table, "t", "SELECT * FROM 'passwords.csv'").is_err());
/// ```
///
/// # Errors
/// When it is not one `SELECT` statement, or names something unknown.
pub fn select(table: Arc<dyn TableProvider>, name: &str, statement: &str) -> Result<LogicalPlan> {
    let not_a_select = |found: &str| TableError::Setting {
        parameter: "statement".into(),
        expected: "one SELECT statement".into(),
        found: found.into(),
    };
    let mut statements = DFParser::parse_sql(statement)?;
    let parsed = match (statements.pop_front(), statements.len()) {
        (Some(parsed), 0) => parsed,
        (None, _) => return Err(not_a_select("nothing")),
        (Some(_), more) => return Err(not_a_select(&format!("{} statements", more + 1))),
    };
    let is_query = matches!(
        &parsed,
        Statement::Statement(inner) if matches!(inner.as_ref(), ast::Statement::Query(_))
    );
    if !is_query {
        return Err(not_a_select(&format!("`{parsed}`")));
    }
    let config = SessionConfig::new().set_bool("datafusion.sql_parser.enable_ident_normalization", false);
    let state = SessionStateBuilder::new_with_default_features().with_config(config).build();
    let context = SessionContext::new_with_state(state);
    context.register_table(TableReference::bare(name), table)?;
    // All there is to look up is in memory, so planning never waits.
    let plan = context.state().statement_to_plan(parsed).now_or_never();
    let plan = plan.ok_or_else(|| TableError::description("select", "planning waits"))??;
    // A query may hide other statements, in its `WITH`, say.
    let only_reads =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    only_reads.verify_plan(&plan)?;
    Ok(plan)
}
