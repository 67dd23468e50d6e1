//! Not computing what nobody wants: neither a call's answer, nor a decoded column.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, ExprSchemable, Extension, LogicalPlan, TableScan, TableScanBuilder};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::node::{Call, Evaluate};
use crate::input::encoded_type;
use crate::reader::{IMAGE, IMAGE_ERROR, ImageTable};

/// Drops calls whose answers are not used, and where an image table's `image` goes only into functions that take
/// encoded images too, scans the files' bytes. Each worker then decodes, resizes and normalises an image in one
/// go, and no decoded column exists.
#[derive(Debug)]
pub(crate) struct EncodedImages;

/// The form in which a column is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it is.
    AsIs,
    /// By functions that take an image in any form.
    AnyImage,
}

/// The columns that the nodes above want; `None` when that is not known, so all of them as they are.
type Wanted = Option<HashMap<Column, Form>>;

impl OptimizerRule for EncodedImages {
    fn name(&self) -> &'static str {
        "encoded_images"
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        visit(plan, None)
    }
}

fn visit(plan: LogicalPlan, wanted: Wanted) -> Result<Transformed<LogicalPlan>> {
    let below = match &plan {
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) => Some(HashMap::new()),
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => wanted,
        LogicalPlan::Extension(extension) => match extension.node.as_any().downcast_ref::<Evaluate>() {
            Some(node) => return visit_evaluate(node, wanted),
            None => None,
        },
        LogicalPlan::TableScan(scan) => return scan_encoded(scan, wanted).map(|new| replaced(plan, new)),
        _ => None,
    };
    let below = below.map(|mut wanted| {
        want_all(&mut wanted, &plan.expressions());
        wanted
    });
    let visited = plan.map_children(|child| visit(child, below.clone()))?;
    if visited.transformed { visited.map_data(LogicalPlan::recompute_schema) } else { Ok(visited) }
}

fn replaced(old: LogicalPlan, new: Option<LogicalPlan>) -> Transformed<LogicalPlan> {
    new.map_or_else(|| Transformed::no(old), Transformed::yes)
}

fn visit_evaluate(node: &Evaluate, wanted: Wanted) -> Result<Transformed<LogicalPlan>> {
    let is_wanted = |call: &&Call| match &wanted {
        None => true,
        Some(wanted) => call.names().any(|name| wanted.contains_key(&Column::new_unqualified(name))),
    };
    let calls: Vec<Call> = node.calls.iter().filter(is_wanted).cloned().collect();
    let dropped = calls.len() < node.calls.len();
    let below = wanted.map(|mut wanted| {
        for call in &calls {
            match encoded_argument(call, node.input.schema()) {
                Some(image) => {
                    wanted.entry(image).or_insert(Form::AnyImage);
                }
                None => want_all(&mut wanted, &call.args),
            }
        }
        wanted
    });
    let input = visit(node.input.as_ref().clone(), below)?;
    let transformed = dropped || input.transformed;
    let plan = match (calls.is_empty(), transformed) {
        (true, _) => input.data,
        (false, true) => evaluate(calls, input.data)?,
        (false, false) => LogicalPlan::Extension(Extension { node: Arc::new(node.clone()) }),
    };
    Ok(Transformed::new_transformed(plan, transformed))
}

fn evaluate(calls: Vec<Call>, input: LogicalPlan) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(Evaluate::try_new(calls, Arc::new(input))?) }))
}

fn want_all(wanted: &mut HashMap<Column, Form>, exprs: &[Expr]) {
    for column in exprs.iter().flat_map(Expr::column_refs) {
        wanted.insert(column.clone(), Form::AsIs);
    }
}

/// The image column that a call takes as its only column, if it answers the same for encoded images.
fn encoded_argument(call: &Call, input: &DFSchema) -> Option<Column> {
    let columns: Vec<&Column> = call.args.iter().flat_map(Expr::column_refs).collect();
    let ([Expr::Column(image), ..], [_]) = (call.args.as_slice(), columns.as_slice()) else { return None };
    if image.name() != IMAGE {
        return None;
    }
    let fields = call.args.iter().map(|arg| Ok(arg.to_field(input)?.1)).collect::<Result<Vec<_>>>().ok()?;
    let mut encoded = fields.clone();
    encoded[0] = Arc::new(fields[0].as_ref().clone().with_data_type(encoded_type()));
    let same = call.function.return_field(&fields).ok()? == call.function.return_field(&encoded).ok()?;
    same.then(|| image.clone())
}

/// The scan of the files' bytes in place of the decoded column, if nobody wants that.
fn scan_encoded(scan: &TableScan, wanted: Wanted) -> Result<Option<LogicalPlan>> {
    let provider = source_as_provider(&scan.source).ok();
    let table =
        provider.as_ref().and_then(|p| (p.as_ref() as &dyn std::any::Any).downcast_ref::<ImageTable>());
    let (Some(table), Some(wanted)) = (table, wanted) else { return Ok(None) };
    let image = Column::new(Some(scan.table_name.clone()), IMAGE);
    let reads_errors = scan.projected_schema.has_column_with_unqualified_name(IMAGE_ERROR);
    if wanted.get(&image) != Some(&Form::AnyImage) || reads_errors {
        return Ok(None);
    }
    let Some(encoded) = table.encoded() else { return Ok(None) };
    let encoded: Arc<dyn TableProvider> = Arc::new(encoded);
    let scan = TableScanBuilder::new(scan.table_name.clone(), provider_as_source(encoded))
        .with_projection(scan.projection.clone())
        .with_filters(scan.filters.clone())
        .with_fetch(scan.fetch)
        .build()?;
    Ok(Some(LogicalPlan::TableScan(scan)))
}
