//! The logical node that runs column functions.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, DFSchemaRef, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::function::ColumnFunction;

/// One call of a column function.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) function: Arc<dyn ColumnFunction>,
    pub(crate) args: Vec<Expr>,
    /// One name takes the answer, several take the fields of it.
    pub(crate) outputs: Vec<String>,
    /// The column of reasons, if wanted.
    pub(crate) error: Option<String>,
}

impl Call {
    /// The fields of the new columns.
    pub(crate) fn fields(&self, input: &DFSchema) -> Result<Vec<FieldRef>> {
        let args = self.args.iter().map(|arg| Ok(arg.to_field(input)?.1)).collect::<Result<Vec<_>>>()?;
        let answer = self.function.return_field(&args)?;
        let mut fields = match self.outputs.as_slice() {
            [only] => vec![Arc::new(answer.as_ref().clone().with_name(only).with_nullable(true))],
            several => {
                let DataType::Struct(parts) = answer.data_type() else {
                    return plan_err!(
                        "{} columns from an answer of type {}",
                        several.len(),
                        answer.data_type()
                    );
                };
                if parts.len() != several.len() {
                    return plan_err!("{} columns from an answer of {} fields", several.len(), parts.len());
                }
                let named = |(part, name): (&FieldRef, &String)| {
                    Arc::new(part.as_ref().clone().with_name(name).with_nullable(true))
                };
                parts.iter().zip(several).map(named).collect()
            }
        };
        fields.extend(self.error.iter().map(|name| Arc::new(Field::new(name, DataType::Utf8, true))));
        Ok(fields)
    }

    /// The names of the new columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.outputs.iter().chain(&self.error)
    }

    /// Whether two calls compute the same.
    pub(crate) fn computes_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.function, &other.function) && self.args == other.args
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.computes_same(other) && self.outputs == other.outputs && self.error == other.error
    }
}

impl Eq for Call {}

impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.args.hash(state);
        self.outputs.hash(state);
    }
}

/// Adds the answers of calls to the columns of its input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Evaluate {
    pub(crate) calls: Vec<Call>,
    pub(crate) input: Arc<LogicalPlan>,
    schema: DFSchemaRef,
}

impl Evaluate {
    pub(crate) fn try_new(calls: Vec<Call>, input: Arc<LogicalPlan>) -> Result<Self> {
        let mut fields: Vec<_> = input.schema().iter().map(|(q, f)| (q.cloned(), f.clone())).collect();
        for call in &calls {
            for field in call.fields(input.schema())? {
                if fields.iter().any(|(_, known)| known.name() == field.name()) {
                    return plan_err!(
                        "column `{}` exists already; choose another output column",
                        field.name()
                    );
                }
                fields.push((None, field));
            }
        }
        let schema = DFSchema::new_with_metadata(fields, input.schema().metadata().clone())?;
        Ok(Self { calls, input, schema: Arc::new(schema) })
    }

    /// A node that adds a call's answer to a plan: the plan's own last node with the call, if the call uses none of its
    /// answers, so that calls with something in common may run together.
    pub(crate) fn with_call(plan: LogicalPlan, call: Call) -> Result<Self> {
        if let LogicalPlan::Extension(extension) = &plan
            && let Some(last) = extension.node.as_any().downcast_ref::<Self>()
            && !call.args.iter().flat_map(Expr::column_refs).any(|c| last.names().any(|name| *name == c.name))
        {
            let calls = last.calls.iter().cloned().chain([call]).collect();
            return Self::try_new(calls, last.input.clone());
        }
        Self::try_new(vec![call], Arc::new(plan))
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.calls.iter().flat_map(Call::names)
    }
}

impl PartialOrd for Evaluate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for Evaluate {
    fn name(&self) -> &'static str {
        "Evaluate"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.calls.iter().flat_map(|call| call.args.iter().cloned()).collect()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.names().cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Evaluate:")?;
        for call in &self.calls {
            let args: Vec<_> = call.args.iter().map(ToString::to_string).collect();
            write!(
                f,
                " {}({}) AS {};",
                call.function.describe().kind,
                args.join(", "),
                call.outputs.join(", ")
            )?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Ok([input]) = <[LogicalPlan; 1]>::try_from(inputs) else {
            return plan_err!("Evaluate takes one input");
        };
        let mut exprs = exprs.into_iter();
        let mut calls = self.calls.clone();
        for call in &mut calls {
            call.args = exprs.by_ref().take(call.args.len()).collect();
        }
        Self::try_new(calls, Arc::new(input))
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        // The columns that the calls read are added by the caller.
        let passed_on = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|i| *i < passed_on).collect()])
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }
}
