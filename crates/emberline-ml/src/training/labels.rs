//! Labels as a network's targets: numbers of classes, texts, or vectors; checked before anything is trained.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type};

use super::workers::names_of_all;
use crate::attributes::labels_of;
use crate::error::{MlError, Result};

/// What a network that is there expects of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    /// The network's outputs; `None` where its head is made for the labels.
    pub(super) outputs: Option<usize>,
    /// Whether the loss takes numbers of classes.
    pub(super) sparse: bool,
    /// Whether the loss takes shares of classes, that is from 0 to 1.
    pub(super) shares: bool,
}

/// The label of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Label {
    Class(u32),
    Text(String),
    Values(Vec<f32>),
}

/// The targets of all examples.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Targets {
    /// Classes.
    Classes(Vec<u32>),
    /// So many numbers for each example.
    Values(usize, Vec<f32>),
}

/// Reads a column of labels.
#[derive(Debug)]
pub(super) struct LabelReader {
    stage: String,
    column: String,
    kind: Kind,
    expected: Expected,
    /// The names of the classes, where the column's metadata has them.
    names: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Vector,
}

impl LabelReader {
    /// A reader of a column of this field.
    ///
    /// # Errors
    /// When its type is none of a label, or vectors have another length than the network has outputs.
    pub(super) fn new(stage: &str, field: &Field, expected: Expected) -> Result<Self> {
        let wrong = |words: String| MlError::ColumnType {
            stage: stage.to_owned(),
            column: field.name().clone(),
            expected: words,
            found: field.data_type().clone(),
        };
        let kind = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
                Kind::Text
            }
            DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item)
                if item.data_type().is_numeric() =>
            {
                Kind::Vector
            }
            DataType::Boolean => Kind::Number,
            other if other.is_numeric() => Kind::Number,
            _ => return Err(wrong("labels: whole numbers, texts or one-hot vectors".into())),
        };
        if kind == Kind::Vector && expected.sparse {
            return Err(wrong(
                "numbers of classes, which sparse losses take; for one-hot vectors there is categorical_crossentropy"
                    .into(),
            ));
        }
        if let (DataType::FixedSizeList(_, length), Some(outputs)) = (field.data_type(), expected.outputs)
            && usize::try_from(*length) != Ok(outputs)
        {
            return Err(wrong(format!(
                "vectors of {outputs} numbers, one for each output of the network{}",
                if usize::try_from(*length) == Ok(outputs.saturating_sub(1)) {
                    "; OneHotEncoder needs dropLast=false"
                } else {
                    ""
                }
            )));
        }
        Ok(Self {
            stage: stage.to_owned(),
            column: field.name().clone(),
            kind,
            expected,
            names: labels_of(field).filter(|_| kind == Kind::Number),
        })
    }

    /// The labels of a batch, `None` for nulls.
    ///
    /// # Errors
    /// When one is outside of what the network can answer.
    pub(super) fn read(&self, array: &ArrayRef) -> Result<Vec<Option<Label>>> {
        match self.kind {
            Kind::Text => {
                let texts = cast(array, &DataType::Utf8)?;
                Ok(texts
                    .as_string::<i32>()
                    .iter()
                    .map(|text| text.map(|text| Label::Text(text.to_owned())))
                    .collect())
            }
            Kind::Number => {
                let numbers = cast(array, &DataType::Float64)?;
                numbers
                    .as_primitive::<Float64Type>()
                    .iter()
                    .map(|n| n.map(|n| self.number(n)).transpose())
                    .collect()
            }
            Kind::Vector => {
                let row = |i: usize| {
                    let row = (!array.is_null(i)).then(|| array.slice(i, 1));
                    row.map(|row| self.vector(&row)).transpose()
                };
                (0..array.len()).map(row).collect()
            }
        }
    }

    fn wrong(&self, reason: String) -> MlError {
        MlError::Value { stage: self.stage.clone(), column: self.column.clone(), reason }
    }

    fn number(&self, number: f64) -> Result<Label> {
        if self.expected.outputs == Some(1) && !self.expected.sparse {
            if !number.is_finite() || (self.expected.shares && !(0.0..=1.0).contains(&number)) {
                let expected = if self.expected.shares { "0 or 1" } else { "a number" };
                return Err(
                    self.wrong(format!("label {number}: the network's one output expects {expected}"))
                );
            }
            return Ok(Label::Values(vec![number as f32]));
        }
        let classes = self.expected.outputs.unwrap_or(CLASSES_MAX);
        if number.fract() != 0.0 || !(0.0..classes as f64).contains(&number) {
            let expected = match self.expected.outputs {
                Some(outputs) => format!("0 to {}, since the network has {outputs} outputs", outputs - 1),
                None => "a whole number from 0".to_owned(),
            };
            return Err(self.wrong(format!("label {number}: expected {expected}")));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        Ok(Label::Class(number as u32))
    }

    fn vector(&self, row: &ArrayRef) -> Result<Label> {
        let mut values = Vec::new();
        append_numbers(row, &mut values).map_err(|reason| self.wrong(format!("label: {reason}")))?;
        if let Some(outputs) = self.expected.outputs.filter(|outputs| *outputs != values.len()) {
            let reason = format!(
                "label of {} numbers: expected {outputs}, as many as the network's outputs",
                values.len()
            );
            return Err(self.wrong(reason));
        }
        let sum: f32 = values.iter().sum();
        let shares = values.iter().all(|value| (0.0..=1.0).contains(value))
            && (values.len() < 2 || (sum - 1.0).abs() < 1e-3);
        if self.expected.shares && !shares {
            let reason = format!(
                "label {values:?}: expected shares of classes from 0 to 1 that sum up to 1 (OneHotEncoder needs dropLast=false)"
            );
            return Err(self.wrong(reason));
        }
        Ok(Label::Values(values))
    }

    /// Targets of labels, and the names of the classes where they have any.
    ///
    /// # Errors
    /// When there are more texts than outputs, vectors of different lengths, or a worker is lost.
    pub(super) fn finish(&self, labels: Vec<Label>) -> Result<(Targets, Option<Vec<String>>)> {
        match self.kind {
            Kind::Text => {
                let texts = || {
                    labels.iter().filter_map(|label| {
                        if let Label::Text(text) = label { Some(text.as_str()) } else { None }
                    })
                };
                let own: BTreeSet<String> = texts().map(str::to_owned).collect();
                let failed = |source| MlError::Training { stage: self.stage.clone(), source };
                let names: Vec<String> = names_of_all(own).map_err(failed)?.into_iter().collect();
                let numbers: BTreeMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
                let outputs = self.expected.outputs.unwrap_or(CLASSES_MAX);
                let binary = outputs == 1 && !self.expected.sparse;
                if names.len() > if binary { 2 } else { outputs } {
                    let shown = names.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
                    return Err(self.wrong(format!(
                        "{} different labels ({shown}, ...): the network has {outputs} output(s)",
                        names.len()
                    )));
                }
                let classes: Vec<u32> = texts().filter_map(|text| numbers.get(text).copied()).collect();
                let targets = match binary {
                    true => Targets::Values(1, classes.iter().map(|class| *class as f32).collect()),
                    false => Targets::Classes(classes),
                };
                Ok((targets, Some(names)))
            }
            Kind::Number | Kind::Vector => {
                let mut classes = Vec::new();
                let mut values = Vec::new();
                let mut width = 0;
                for label in labels {
                    match label {
                        Label::Class(class) => classes.push(class),
                        Label::Values(numbers) => {
                            if width != 0 && numbers.len() != width {
                                let reason = format!("labels of {width} and of {} numbers", numbers.len());
                                return Err(self.wrong(reason));
                            }
                            width = numbers.len();
                            values.extend(numbers);
                        }
                        Label::Text(_) => {}
                    }
                }
                let targets =
                    if width > 0 { Targets::Values(width, values) } else { Targets::Classes(classes) };
                Ok((targets, self.names.clone()))
            }
        }
    }
}

/// The most classes that a head is made for.
const CLASSES_MAX: usize = 100_000;

impl Targets {
    /// How many outputs a head for them has.
    pub(super) fn outputs(&self, names: Option<&[String]>) -> usize {
        match self {
            Self::Classes(classes) => {
                let seen = classes.iter().max().map_or(0, |class| *class as usize + 1);
                seen.max(names.map_or(0, <[String]>::len))
            }
            Self::Values(width, _) => *width,
        }
    }
}

/// Appends the numbers of an array, lists in lists or not.
pub(super) fn append_numbers(array: &ArrayRef, out: &mut Vec<f32>) -> Result<(), String> {
    if array.null_count() > 0 {
        return Err("it holds a null".to_owned());
    }
    match array.data_type() {
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list();
            let length = usize::try_from(list.value_length()).unwrap_or(0);
            append_numbers(&list.values().slice(list.offset() * length, list.len() * length), out)
        }
        DataType::List(_) => {
            array.as_list::<i32>().iter().flatten().try_for_each(|part| append_numbers(&part, out))
        }
        DataType::LargeList(_) => {
            array.as_list::<i64>().iter().flatten().try_for_each(|part| append_numbers(&part, out))
        }
        _ => {
            let numbers = cast(array, &DataType::Float32).map_err(|error| error.to_string())?;
            out.extend_from_slice(
                numbers.as_primitive::<datafusion::arrow::datatypes::Float32Type>().values(),
            );
            Ok(())
        }
    }
}
