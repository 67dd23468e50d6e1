//! Taking calls of column functions out of expressions.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::AnalyzerRule;
use datafusion::prelude::ident;

use super::node::{Call, Evaluate};
use super::udf::ColumnUdf;
use crate::function::ColumnFunction;

/// What the names of new columns begin with.
const PREFIX: &str = "__emberline_";

/// Replaces each call of a column function by a column of an [`Evaluate`] node below the node that calls it.
///
/// Filters, sorts, limits and projections pass the new columns on, so that what a `WHERE` computed serves the `SELECT`
/// and the `ORDER BY` too.
/// Calls in a join's condition stay where they are and run as ordinary scalar functions.
#[derive(Debug)]
pub(crate) struct ExtractCalls;

impl AnalyzerRule for ExtractCalls {
    fn name(&self) -> &'static str {
        "extract_column_function_calls"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        without_new_columns(&mut 0, plan)
    }
}

/// Rewrites a plan and hides the columns that this added.
fn without_new_columns(next_name: &mut usize, plan: LogicalPlan) -> Result<LogicalPlan> {
    let before = plan.schema().clone();
    let plan = rewrite(next_name, plan)?;
    if plan.schema().fields().len() == before.fields().len() {
        return Ok(plan);
    }
    LogicalPlanBuilder::from(plan).project(before.columns().into_iter().map(Expr::Column))?.build()
}

/// Rewrites a plan bottom-up; its output may have more columns at the end.
fn rewrite(next_name: &mut usize, plan: LogicalPlan) -> Result<LogicalPlan> {
    let keeps_columns =
        passes_columns_on(&plan) || matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_));
    let plan =
        plan.map_subqueries(|subquery| without_new_columns(next_name, subquery).map(Transformed::yes))?.data;
    let plan = plan
        .map_children(|child| {
            let child =
                if keeps_columns { rewrite(next_name, child) } else { without_new_columns(next_name, child) };
            child.map(Transformed::yes)
        })?
        .data;
    let inputs = plan.inputs();
    let [input] = inputs.as_slice() else { return Ok(plan) };
    if matches!(plan, LogicalPlan::Extension(_)) {
        return Ok(plan);
    }
    let mut input = (*input).clone();
    let names = NamePreserver::new(&plan);
    let saved: Vec<_> = plan.expressions().iter().map(|expr| names.save(expr)).collect();
    let mut expressions = plan.expressions();
    // One round per depth of nesting: g(f(x)) takes out f(x) first.
    while expressions.iter().any(has_call) {
        (expressions, input) = extract_innermost(next_name, expressions, input)?;
    }
    let mut expressions: Vec<Expr> =
        expressions.into_iter().zip(saved).map(|(expr, name)| name.restore(expr)).collect();
    if matches!(plan, LogicalPlan::Projection(_)) {
        expressions.extend(new_columns(&input).map(ident));
    }
    plan.with_new_exprs(expressions, vec![input])
}

/// The columns that this rule added to a plan.
fn new_columns(plan: &LogicalPlan) -> impl Iterator<Item = &String> {
    plan.schema().fields().iter().map(|field| field.name()).filter(|name| name.starts_with(PREFIX))
}

/// Replaces the calls that have no call in their arguments.
fn extract_innermost(
    next_name: &mut usize,
    exprs: Vec<Expr>,
    input: LogicalPlan,
) -> Result<(Vec<Expr>, LogicalPlan)> {
    let mut new_calls: Vec<Call> = Vec::new();
    let mut replace = |expr: Expr| {
        let Some((function, args)) = as_call(&expr) else { return Ok(Transformed::no(expr)) };
        if args.iter().any(has_call) {
            return Ok(Transformed::no(expr));
        }
        let call = Call { function: function.clone(), args: args.to_vec(), outputs: Vec::new(), error: None };
        let known =
            new_calls.iter().find(|known| known.computes_same(&call)).map(|known| known.outputs[0].clone());
        let name = known.or_else(|| computed_below(&input, &call)).unwrap_or_else(|| {
            *next_name += 1;
            let name = format!("{PREFIX}{next_name}");
            new_calls.push(Call { outputs: vec![name.clone()], ..call });
            name
        });
        Ok(Transformed::yes(ident(name)))
    };
    let exprs = exprs
        .into_iter()
        .map(|expr| Ok(expr.transform_down(&mut replace)?.data))
        .collect::<Result<Vec<_>>>()?;
    if new_calls.is_empty() {
        return Ok((exprs, input));
    }
    let node = Evaluate::try_new(new_calls, Arc::new(input))?;
    Ok((exprs, LogicalPlan::Extension(Extension { node: Arc::new(node) })))
}

/// The column that already holds the answer of `call`, if a node below computes it and every node between passes
/// it on.
fn computed_below(plan: &LogicalPlan, call: &Call) -> Option<String> {
    if let LogicalPlan::Extension(extension) = plan
        && let Some(evaluate) = extension.node.as_any().downcast_ref::<Evaluate>()
    {
        let known = evaluate.calls.iter().find(|known| known.computes_same(call) && known.outputs.len() == 1);
        return known.map(|known| known.outputs[0].clone()).or_else(|| computed_below(&evaluate.input, call));
    }
    if let LogicalPlan::Projection(projection) = plan {
        // Its columns may be others of the same name.
        let same = |column: &Column| projection.expr.contains(&Expr::Column(column.clone()));
        if !call.args.iter().flat_map(Expr::column_refs).all(same) {
            return None;
        }
    }
    if !passes_columns_on(plan) {
        return None;
    }
    computed_below(plan.inputs().first()?, call)
}

/// Whether a node's output has the columns that this rule added to its input.
fn passes_columns_on(plan: &LogicalPlan) -> bool {
    matches!(
        plan,
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_)
    )
}

fn as_call(expr: &Expr) -> Option<(&Arc<dyn ColumnFunction>, &[Expr])> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    let udf = (func.inner().as_ref() as &dyn std::any::Any).downcast_ref::<ColumnUdf>()?;
    Some((&udf.function, args))
}

fn has_call(expr: &Expr) -> bool {
    let mut found = false;
    // The closure never fails, so neither does the walk.
    let _ = expr.apply(|part| {
        found |= as_call(part).is_some();
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}
