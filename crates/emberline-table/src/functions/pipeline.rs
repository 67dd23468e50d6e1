//! Functions in sequence, as one function.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use serde::{Deserialize, Serialize};

use crate::describe::{Blob, Blobs, Description, FunctionKinds};
use crate::error::{Result, TableError};
use crate::evaluate::Step;
use crate::evaluate::program::{Answer, Program};
use crate::function::{ColumnFunction, Evaluated, check_arity};

pub(super) const KIND: &str = "pipeline";

/// Steps over named columns as one function: a fitted pipeline, image → answer.
///
/// Its arguments are the columns `inputs`. Its answer is the column `output`, and what the steps make on the way never
/// leaves it; or a struct of all the columns that the steps make.
#[derive(Debug)]
pub struct PipelineFunction {
    inputs: Vec<String>,
    steps: Vec<Step>,
    output: Option<String>,
    program: Program,
}

#[derive(Serialize, Deserialize)]
struct Params {
    inputs: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    steps: Vec<StepParams>,
}

#[derive(Serialize, Deserialize)]
struct StepParams {
    inputs: Vec<String>,
    outputs: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl PipelineFunction {
    /// A function of the columns `inputs` that answers the column `output`.
    ///
    /// # Errors
    /// When a step uses a column that neither the inputs nor a step before it give, or nothing gives `output`.
    pub fn try_new(inputs: Vec<String>, steps: Vec<Step>, output: String) -> Result<Self> {
        Self::checked(inputs, steps, Some(output))
    }

    /// A function of all columns that `steps` read and do not make, in the order in which they are first read. It answers a
    /// struct of all the columns that the steps make, reasons of nulls among them where a step wants them.
    ///
    /// # Errors
    /// When there are no steps.
    pub fn of_steps(steps: Vec<Step>) -> Result<Self> {
        let mut inputs: Vec<String> = Vec::new();
        let mut made: Vec<&String> = Vec::new();
        for step in &steps {
            for input in &step.inputs {
                if !made.contains(&input) && !inputs.contains(input) {
                    inputs.push(input.clone());
                }
            }
            made.extend(step.outputs.iter().chain(&step.error));
        }
        if made.is_empty() {
            return Err(TableError::description(KIND, "no step makes a column"));
        }
        Self::checked(inputs, steps, None)
    }

    fn checked(inputs: Vec<String>, steps: Vec<Step>, output: Option<String>) -> Result<Self> {
        let mut known: Vec<&String> = inputs.iter().collect();
        for step in &steps {
            if let Some(missing) = step.inputs.iter().find(|input| !known.contains(input)) {
                let kind = step.function.describe().kind;
                return Err(TableError::description(KIND, format!("step `{kind}` needs column `{missing}`")));
            }
            known.extend(step.outputs.iter().chain(&step.error));
        }
        if let Some(output) = output.as_ref().filter(|output| !known.contains(output)) {
            return Err(TableError::description(KIND, format!("no step gives the column `{output}`")));
        }
        let mut program = Program::new(inputs.len());
        let answer = program.add_steps(&inputs, &steps, output.as_deref(), (0..inputs.len()).collect());
        program.ask(answer);
        program.join_networks();
        Ok(Self { inputs, steps, output, program })
    }

    /// Adds the steps to a program, instead of itself.
    pub(crate) fn add_to(&self, program: &mut Program, args: Vec<usize>) -> Answer {
        program.add_steps(&self.inputs, &self.steps, self.output.as_deref(), args)
    }

    /// The columns that steps make, in their order.
    fn made(&self) -> impl Iterator<Item = &String> {
        self.steps.iter().flat_map(|step| step.outputs.iter().chain(&step.error))
    }
}

impl ColumnFunction for PipelineFunction {
    fn describe(&self) -> Description {
        let steps = self.steps.iter();
        let params = Params {
            inputs: self.inputs.clone(),
            output: self.output.clone(),
            steps: steps
                .map(|s| StepParams {
                    inputs: s.inputs.clone(),
                    outputs: s.outputs.clone(),
                    error: s.error.clone(),
                })
                .collect(),
        };
        Description {
            parts: self.steps.iter().map(|step| step.function.describe()).collect(),
            ..Description::new(KIND, serde_json::to_value(&params).unwrap_or_default())
        }
    }

    fn blobs(&self) -> Vec<Blob> {
        self.steps.iter().flat_map(|step| step.function.blobs()).collect()
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef> {
        check_arity(KIND, self.inputs.len(), inputs)?;
        let mut fields: HashMap<&str, FieldRef> = HashMap::new();
        for (name, field) in self.inputs.iter().zip(inputs) {
            fields.insert(name, field.clone());
        }
        for step in &self.steps {
            let args: Vec<FieldRef> = step.inputs.iter().map(|name| fields[name.as_str()].clone()).collect();
            let answer = step.function.return_field(&args)?;
            for (name, field) in step.outputs.iter().zip(answer_fields(&answer, step.outputs.len())?) {
                fields.insert(name, field);
            }
            if let Some(error) = &step.error {
                fields.insert(error, Arc::new(Field::new(error, DataType::Utf8, true)));
            }
        }
        if let Some(output) = &self.output {
            return Ok(fields[output.as_str()].clone());
        }
        let made = |name: &String| fields[name.as_str()].as_ref().clone().with_name(name).with_nullable(true);
        Ok(Arc::new(Field::new(KIND, DataType::Struct(self.made().map(made).collect()), false)))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated> {
        let rows = inputs.first().map_or(0, |array| array.len());
        let mut answers = self.program.run(inputs.to_vec(), rows)?;
        answers.pop().ok_or_else(|| TableError::description(KIND, "it gave no answer"))
    }

    fn batch_rows(&self) -> usize {
        self.steps.iter().map(|step| step.function.batch_rows()).min().unwrap_or(64)
    }
}

/// The fields that an answer gives to `count` columns.
fn answer_fields(answer: &FieldRef, count: usize) -> Result<Vec<FieldRef>> {
    match answer.data_type() {
        _ if count == 1 => Ok(vec![answer.clone()]),
        DataType::Struct(fields) if fields.len() == count => Ok(fields.iter().cloned().collect()),
        other => {
            Err(TableError::description(KIND, format!("{count} columns from an answer of type {other}")))
        }
    }
}

pub(super) fn rebuild(
    description: &Description,
    blobs: &dyn Blobs,
    kinds: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>> {
    let params: Params = description.params_as()?;
    if params.steps.len() != description.parts.len() {
        return Err(TableError::description(KIND, "its steps and parts differ in number"));
    }
    let steps = params
        .steps
        .into_iter()
        .zip(&description.parts)
        .map(|(step, part)| {
            Ok(Step::new(kinds.rebuild(part, blobs)?, step.inputs, step.outputs).with_error(step.error))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(PipelineFunction::checked(params.inputs, steps, params.output)?))
}
