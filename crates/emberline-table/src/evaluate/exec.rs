//! Running the calls of an [`Evaluate`] node.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{internal_err, plan_err};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr, PlanProperties,
    SendableRecordBatchStream,
};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use futures::future::{self, BoxFuture};
use futures::{StreamExt, stream};

use super::node::{Call, Evaluate};
use super::program::Program;
use crate::function::{Evaluated, reasons, struct_columns};
use crate::report::Report;

/// Makes the physical node of an [`Evaluate`].
#[derive(Debug)]
pub(crate) struct EvaluatePlanner;

impl ExtensionPlanner for EvaluatePlanner {
    // Written out for the compiler's sake: ARCHITECTURE.md, "Compile time".
    fn plan_extension<'own, 'planner, 'node, 'refs, 'logical, 'inputs, 'session, 'context, 'planning>(
        &'own self,
        planner: &'planner dyn PhysicalPlanner,
        node: &'node dyn UserDefinedLogicalNode,
        _: &'refs [&'logical LogicalPlan],
        inputs: &'inputs [Arc<dyn ExecutionPlan>],
        session: &'session dyn Session,
        context: &'context PhysicalPlanningContext,
    ) -> BoxFuture<'planning, Result<Option<Arc<dyn ExecutionPlan>>>>
    where
        'own: 'planning,
        'planner: 'planning,
        'node: 'planning,
        'refs: 'planning,
        'logical: 'planning,
        'inputs: 'planning,
        'session: 'planning,
        'context: 'planning,
        Self: 'planning,
    {
        let plan = node.as_any().downcast_ref::<Evaluate>().map(|node| {
            let [input] = inputs else { return plan_err!("Evaluate takes one input") };
            let schema = node.input.schema();
            let expr = |arg: &Expr| planner.create_physical_expr(arg, schema, session, context);
            let plan = EvaluateExec::try_new(node, input.clone(), expr)?;
            Ok(Arc::new(plan) as Arc<dyn ExecutionPlan>)
        });
        Box::pin(future::ready(plan.transpose()))
    }
}

/// Which columns a call's answer becomes.
#[derive(Debug, Clone)]
struct Answered {
    outputs: usize,
    wants_error: bool,
}

impl Answered {
    /// Adds the new columns of a batch of so many rows to `columns`.
    fn add_to(&self, columns: &mut Vec<ArrayRef>, evaluated: Evaluated, rows: usize) -> Result<()> {
        match self.outputs {
            1 => columns.push(evaluated.values),
            _ => columns.extend(struct_columns(&evaluated.values)?),
        }
        if self.wants_error {
            columns.push(reasons(&evaluated.errors, rows));
        }
        Ok(())
    }
}

/// The calls of a node, ready to run.
#[derive(Debug)]
struct Calls {
    kinds: Vec<String>,
    /// The distinct arguments of all calls, which are the program's inputs.
    args: Vec<Arc<dyn PhysicalExpr>>,
    program: Program,
    answered: Vec<Answered>,
    rows_max: usize,
}

impl Calls {
    fn try_new(calls: &[Call], physical: impl Fn(&Expr) -> Result<Arc<dyn PhysicalExpr>>) -> Result<Self> {
        let mut args: Vec<&Expr> = Vec::new();
        for arg in calls.iter().flat_map(|call| &call.args) {
            if !args.contains(&arg) {
                args.push(arg);
            }
        }
        let mut program = Program::new(args.len());
        for call in calls {
            let places = call.args.iter().filter_map(|arg| args.iter().position(|known| *known == arg));
            let answer = program.add(&call.function, places.collect());
            program.ask(answer);
        }
        program.join_networks();
        let answered =
            |call: &Call| Answered { outputs: call.outputs.len(), wants_error: call.error.is_some() };
        Ok(Self {
            kinds: calls.iter().map(|call| call.function.describe().kind).collect(),
            args: args.into_iter().map(physical).collect::<Result<_>>()?,
            program,
            answered: calls.iter().map(answered).collect(),
            rows_max: calls.iter().map(|call| call.function.batch_rows()).min().unwrap_or(1).max(1),
        })
    }

    /// A batch's columns and the new ones.
    fn run(&self, batch: &RecordBatch, report: &Report) -> Result<Vec<ArrayRef>> {
        let rows = batch.num_rows();
        let args =
            self.args.iter().map(|arg| arg.evaluate(batch)?.into_array(rows)).collect::<Result<Vec<_>>>()?;
        let mut columns = batch.columns().to_vec();
        for (answered, evaluated) in self.answered.iter().zip(self.program.run(args, rows)?) {
            report.add_errors(&evaluated.errors);
            answered.add_to(&mut columns, evaluated, rows)?;
        }
        report.add_evaluated(rows);
        Ok(columns)
    }
}

/// Runs column functions over batches, in the partitions and the order of its input.
#[derive(Debug)]
pub(crate) struct EvaluateExec {
    calls: Arc<Calls>,
    input: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl EvaluateExec {
    fn try_new(
        node: &Evaluate,
        input: Arc<dyn ExecutionPlan>,
        physical: impl Fn(&Expr) -> Result<Arc<dyn PhysicalExpr>>,
    ) -> Result<Self> {
        let calls = Arc::new(Calls::try_new(&node.calls, physical)?);
        let schema = Arc::new(UserDefinedLogicalNodeCore::schema(node).as_arrow().clone());
        Ok(Self::new(calls, input, schema))
    }

    fn new(calls: Arc<Calls>, input: Arc<dyn ExecutionPlan>, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            // The input's columns stay where they are, so what orders it orders the output.
            EquivalenceProperties::new_with_orderings(schema.clone(), input.output_ordering().cloned()),
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self { calls, input, schema, properties: Arc::new(properties) }
    }
}

impl DisplayAs for EvaluateExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EvaluateExec: {}", self.calls.kinds.join(", "))
    }
}

impl ExecutionPlan for EvaluateExec {
    fn name(&self) -> &'static str {
        "EvaluateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for arg in &self.calls.args {
            if f(arg)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = children.as_slice() else { return internal_err!("EvaluateExec takes one input") };
        Ok(Arc::new(Self::new(self.calls.clone(), input.clone(), self.schema.clone())))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mode = datafusion::physical_plan::execution_plan::ChildrenPropertiesMode::Recompute;
        self.replace_children(children, ReplaceChildrenOptions::new(mode))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let report = context
            .session_config()
            .get_extension::<Report>()
            .map(|r| r.as_ref().clone())
            .unwrap_or_default();
        let rows_max = self.calls.rows_max;
        let (calls, schema) = (self.calls.clone(), self.schema.clone());
        let run = move |batch: RecordBatch| {
            let columns = calls.run(&batch, &report)?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
        };
        let input = self.input.execute(partition, context)?;
        let parts = input.flat_map(move |batch| stream::iter(split(batch, rows_max)));
        let output = parts.map(move |batch| batch.and_then(&run));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), output)))
    }
}

/// A batch in parts of at most `rows_max` rows, sharing its memory.
fn split(batch: Result<RecordBatch>, rows_max: usize) -> Vec<Result<RecordBatch>> {
    let batch = match batch {
        Ok(batch) if batch.num_rows() > rows_max => batch,
        small_or_failed => return vec![small_or_failed],
    };
    let rows = batch.num_rows();
    (0..rows).step_by(rows_max).map(|from| Ok(batch.slice(from, rows_max.min(rows - from)))).collect()
}
