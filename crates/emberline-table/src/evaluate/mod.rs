//! Running column functions in a query: each once per row, however often its result is used.
//!
//! DataFusion evaluates a scalar function wherever its expression stands, and may copy the expression (into a
//! filter and a projection, say: its issue 4030). A network is too dear for that. So calls are taken out of
//! expressions into a node of their own, `Evaluate`, whose results are columns like any other:
//!
//! 1. `ExtractCalls`, an analyzer rule, replaces every call by a column of an `Evaluate`
//!    node below. Equal calls share one.
//! 2. DataFusion's own rules push filters, limits and projections through it.
//! 3. `EncodedImages`, an optimizer rule, drops calls whose results nobody wants, and
//!    where only functions want an image, gives them the file's bytes instead of a decoded column.
//! 4. `EvaluateExec` runs the calls batch by batch, on the partitions' own threads, as one `Program`: what they have in
//!    common, a network that two of them cut or the same step of two pipelines, runs once.

pub(crate) mod encoded;
mod exec;
pub(crate) mod extract;
pub(crate) mod node;
pub(crate) mod program;
pub(crate) mod udf;

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::expr_rewriter::normalize_col;
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion::prelude::ident;

pub(crate) use exec::EvaluatePlanner;
pub(crate) use udf::ColumnUdf;

use crate::error::Result;
use crate::function::ColumnFunction;
use node::{Call, Evaluate};

/// One application of a function to columns of a table, giving one or several new columns.
///
/// ```no_run
/// # async fn example(session: emberline_table::Session, function: std::sync::Arc<dyn emberline_table::ColumnFunction>)
/// # -> emberline_table::Result<()> {
/// use emberline_table::{ReadOptions, Step, evaluate};
/// let images = session.read_images("photos/", ReadOptions::default()).await?;
/// let step = Step::new(function, ["image"], ["features"]);
/// let with_features = evaluate::apply(images, &[step])?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Step {
    /// What is applied.
    pub function: Arc<dyn ColumnFunction>,
    /// The columns it is applied to.
    pub inputs: Vec<String>,
    /// The new columns. One holds the function's answer; several hold the fields of its answer, a struct.
    pub outputs: Vec<String>,
    /// A new column that says why an answer is null, if wanted.
    pub error: Option<String>,
}

impl Step {
    /// Applies `function` to the columns `inputs`, giving the columns `outputs`.
    pub fn new<I: Into<String>, O: Into<String>>(
        function: Arc<dyn ColumnFunction>,
        inputs: impl IntoIterator<Item = I>,
        outputs: impl IntoIterator<Item = O>,
    ) -> Self {
        Self {
            function,
            inputs: inputs.into_iter().map(Into::into).collect(),
            outputs: outputs.into_iter().map(Into::into).collect(),
            error: None,
        }
    }

    /// Adds a column that says why an answer is null.
    pub fn with_error(mut self, column: Option<String>) -> Self {
        self.error = column;
        self
    }
}

/// Adds the columns of `steps` to a table, lazily; a step may use the columns of those before it.
///
/// # Errors
/// When a column is missing or of a type that its function does not take, or a new column exists already.
pub fn apply(table: DataFrame, steps: &[Step]) -> Result<DataFrame> {
    let (state, mut plan) = table.into_parts();
    for step in steps {
        let args =
            step.inputs.iter().map(|name| normalize_col(ident(name), &plan)).collect::<Result<_, _>>()?;
        let call = Call {
            function: step.function.clone(),
            args,
            outputs: step.outputs.clone(),
            error: step.error.clone(),
        };
        let node = Evaluate::with_call(plan, call)?;
        plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
    }
    Ok(DataFrame::new(state, plan))
}
