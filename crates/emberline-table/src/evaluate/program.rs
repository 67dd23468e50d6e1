//! Several calls as one program: what they have in common runs once.
//!
//! Pipelines are taken apart into their steps, equal steps are one, and networks over the same images that begin alike
//! run together: a featurizer and a predictor over one network, or two of its layers, cost one run.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StructArray};
use datafusion::arrow::datatypes::Field;

use super::Step;
use crate::error::{Result, TableError};
use crate::function::{ColumnFunction, Evaluated, RowError, reasons, struct_columns};
use crate::functions::{NetworkFunction, PipelineFunction};

/// What a program works on are values by number: first its inputs, then what its operations make.
#[derive(Debug)]
pub(crate) struct Program {
    operations: Vec<Operation>,
    values: usize,
    answers: Vec<Answer>,
}

#[derive(Debug)]
enum Operation {
    /// One function, or networks that run together; each makes a value, `first` and those after it.
    Call { functions: Vec<Arc<dyn ColumnFunction>>, args: Vec<usize>, made: Vec<usize> },
    /// The fields of a struct as `count` values, `first` and those after it.
    Split { from: usize, first: usize, count: usize },
    /// A struct of values by name.
    Pack { fields: Vec<(String, usize)>, made: usize },
    /// Why an answer is null.
    Explain { answer: Answer, made: usize },
}

/// A value that is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    value: usize,
    /// The values made by the calls that may say why it is null, in order.
    made_by: Vec<usize>,
}

impl Program {
    /// A program of so many inputs that does nothing yet.
    pub(crate) fn new(inputs: usize) -> Self {
        Self { operations: Vec::new(), values: inputs, answers: Vec::new() }
    }

    /// Adds a function of these values.
    pub(crate) fn add(&mut self, function: &Arc<dyn ColumnFunction>, args: Vec<usize>) -> Answer {
        if let Some(pipeline) = as_kind::<PipelineFunction>(function) {
            return pipeline.add_to(self, args);
        }
        let same = |operation: &Operation| match operation {
            Operation::Call { functions, args: known, made } => {
                (*known == args && Arc::ptr_eq(&functions[0], function)).then(|| made[0])
            }
            _ => None,
        };
        let value = self.operations.iter().find_map(same).unwrap_or_else(|| {
            let value = self.value();
            let functions = vec![function.clone()];
            self.operations.push(Operation::Call { functions, args, made: vec![value] });
            value
        });
        Answer { value, made_by: vec![value] }
    }

    /// Adds steps over named columns, of which `args` are the first; the answer is the column `output`, or a struct of all
    /// columns that the steps make.
    pub(crate) fn add_steps(
        &mut self,
        inputs: &[String],
        steps: &[Step],
        output: Option<&str>,
        args: Vec<usize>,
    ) -> Answer {
        let mut columns: HashMap<&str, usize> = inputs.iter().map(String::as_str).zip(args).collect();
        let mut made_by = Vec::new();
        for step in steps {
            // Who makes the steps checks that their columns are there.
            let args = step.inputs.iter().filter_map(|name| columns.get(name.as_str()).copied()).collect();
            let answer = self.add(&step.function, args);
            made_by.extend(&answer.made_by);
            if let Some(error) = &step.error {
                let made = self.value();
                self.operations.push(Operation::Explain { answer: answer.clone(), made });
                columns.insert(error, made);
            }
            match step.outputs.as_slice() {
                [only] => {
                    columns.insert(only, answer.value);
                }
                several => {
                    let first = self.split(answer.value, several.len());
                    columns.extend(several.iter().map(String::as_str).zip(first..));
                }
            }
        }
        let value = match output {
            Some(output) => columns.get(output).copied().unwrap_or_default(),
            None => {
                let names = steps.iter().flat_map(|step| step.outputs.iter().chain(&step.error));
                let fields = names.filter_map(|name| Some((name.clone(), *columns.get(name.as_str())?)));
                let (fields, made) = (fields.collect(), self.value());
                self.operations.push(Operation::Pack { fields, made });
                made
            }
        };
        Answer { value, made_by }
    }

    /// The number of a new value.
    fn value(&mut self) -> usize {
        self.values += 1;
        self.values - 1
    }

    /// The first of the values that hold the fields of a struct.
    fn split(&mut self, value: usize, fields: usize) -> usize {
        let same = |operation: &Operation| match operation {
            Operation::Split { from, first, count } => (*from == value && *count == fields).then_some(*first),
            _ => None,
        };
        self.operations.iter().find_map(same).unwrap_or_else(|| {
            let first = self.values;
            self.values += fields;
            self.operations.push(Operation::Split { from: value, first, count: fields });
            first
        })
    }

    /// Makes a value one that [`run`](Self::run) answers.
    pub(crate) fn ask(&mut self, answer: Answer) {
        self.answers.push(answer);
    }

    /// Lets networks over the same images run together, where the first of them stands.
    pub(crate) fn join_networks(&mut self) {
        let mut joined: Vec<Operation> = Vec::new();
        for operation in std::mem::take(&mut self.operations) {
            if !joined.iter_mut().any(|earlier| earlier.takes_in(&operation)) {
                joined.push(operation);
            }
        }
        self.operations = joined;
    }

    /// The answers for so many rows of inputs, in the order in which they were asked for.
    pub(crate) fn run(&self, inputs: Vec<ArrayRef>, rows: usize) -> Result<Vec<Evaluated>> {
        let mut values: Vec<Option<ArrayRef>> = inputs.into_iter().map(Some).collect();
        values.resize(self.values, None);
        let mut errors: Vec<Vec<RowError>> = vec![Vec::new(); self.values];
        for operation in &self.operations {
            match operation {
                Operation::Split { from, first, count } => {
                    let columns = struct_columns(&value(&values, *from)?)?;
                    for (place, column) in (*first..*first + count).zip(columns) {
                        values[place] = Some(column);
                    }
                }
                Operation::Pack { fields, made } => {
                    let field = |(name, place): &(String, usize)| {
                        let column = value(&values, *place)?;
                        Ok((Arc::new(Field::new(name, column.data_type().clone(), true)), column))
                    };
                    let fields = fields.iter().map(field).collect::<Result<Vec<_>>>()?;
                    values[*made] = Some(Arc::new(StructArray::from(fields)));
                }
                Operation::Explain { answer, made } => {
                    values[*made] = Some(reasons(&answer.reasons(&errors), rows));
                }
                Operation::Call { functions, args, made } => {
                    let args = args.iter().map(|arg| value(&values, *arg)).collect::<Result<Vec<_>>>()?;
                    for (place, evaluated) in made.iter().zip(evaluate(functions, &args)?) {
                        if evaluated.values.len() != rows {
                            let (kind, found) = (functions[0].describe().kind, evaluated.values.len());
                            let reason = format!("it gave {found} answers for {rows} rows");
                            return Err(TableError::description(&kind, reason));
                        }
                        values[*place] = Some(evaluated.values);
                        errors[*place] = evaluated.errors;
                    }
                }
            }
        }
        let answer = |answer: &Answer| {
            let values = value(&values, answer.value)?;
            Ok(Evaluated { values, errors: answer.reasons(&errors) })
        };
        self.answers.iter().map(answer).collect()
    }
}

impl Operation {
    /// Takes in another operation if both are networks over the same images.
    fn takes_in(&mut self, other: &Self) -> bool {
        let (Self::Call { functions, args, made }, Self::Call { functions: others, args: same, made: more }) =
            (self, other)
        else {
            return false;
        };
        let networks = as_kind::<NetworkFunction>(&functions[0]).zip(as_kind::<NetworkFunction>(&others[0]));
        let together = args == same && networks.is_some_and(|(a, b)| a.may_run_together(b));
        if together {
            functions.extend(others.iter().cloned());
            made.extend(more);
        }
        together
    }
}

impl Answer {
    /// The first reason of a row is the one that explains it.
    fn reasons(&self, errors: &[Vec<RowError>]) -> Vec<RowError> {
        let [first, rest @ ..] = self.made_by.as_slice() else { return Vec::new() };
        if rest.is_empty() {
            return errors[*first].clone();
        }
        let mut reasons: BTreeMap<usize, &RowError> = BTreeMap::new();
        for error in self.made_by.iter().flat_map(|made| &errors[*made]) {
            reasons.entry(error.row).or_insert(error);
        }
        reasons.into_values().cloned().collect()
    }
}

fn value(values: &[Option<ArrayRef>], place: usize) -> Result<ArrayRef> {
    let missing = || TableError::description("program", format!("nothing makes value {place}"));
    values.get(place).cloned().flatten().ok_or_else(missing)
}

fn evaluate(functions: &[Arc<dyn ColumnFunction>], args: &[ArrayRef]) -> Result<Vec<Evaluated>> {
    if let [only] = functions {
        return Ok(vec![only.evaluate(args)?]);
    }
    let networks: Vec<&NetworkFunction> = functions.iter().filter_map(as_kind).collect();
    NetworkFunction::evaluate_together(&networks, &args[0])
}

fn as_kind<T: ColumnFunction>(function: &Arc<dyn ColumnFunction>) -> Option<&T> {
    (function.as_ref() as &dyn Any).downcast_ref()
}
