//! The answer of a classifier in words: what a fitted pipeline gives as a SQL function.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Float64Builder, ListArray, ListBuilder, StringBuilder,
    StructArray, StructBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type};
use emberline_table::{Blobs, ColumnFunction, Description, Evaluated, FunctionKinds, TableError};
use serde_json::json;

use crate::vectors::{double_vector_type, vector_length};

/// The kind of the column function.
pub(crate) const LABELLED_PREDICTION: &str = "labelled_prediction";

/// Names a prediction.
///
/// Inputs: `probability`, `FixedSizeList<Float64>[labels]` (or `Float32`), and `prediction`, the class as a number. Output: a struct
/// of `label`, its `probability`, and `probabilities`, a list of `{label, probability}`, most probable first.
#[derive(Debug)]
pub(crate) struct LabelledPrediction {
    labels: Vec<String>,
}

impl LabelledPrediction {
    /// The function that gives class `i` the name `labels[i]`.
    pub(crate) fn new(labels: Vec<String>) -> Self {
        Self { labels }
    }

    fn item() -> Fields {
        Fields::from(vec![
            Field::new("label", DataType::Utf8, false),
            Field::new("probability", DataType::Float64, false),
        ])
    }

    fn fields() -> Fields {
        let item = Field::new("item", DataType::Struct(Self::item()), false);
        Fields::from(vec![
            Field::new("label", DataType::Utf8, true),
            Field::new("probability", DataType::Float64, true),
            Field::new("probabilities", DataType::List(Arc::new(item)), true),
        ])
    }

    /// For each row its probabilities by falling value; equal ones in the order of the labels.
    fn ranked(&self, rows: usize, probabilities: impl Fn(usize) -> Option<Vec<f64>>) -> ListArray {
        let fields: Vec<Box<dyn datafusion::arrow::array::ArrayBuilder>> =
            vec![Box::new(StringBuilder::new()), Box::new(Float64Builder::new())];
        let item = Field::new("item", DataType::Struct(Self::item()), false);
        let mut list = ListBuilder::new(StructBuilder::new(Self::item(), fields)).with_field(item);
        for row in 0..rows {
            let Some(values) = probabilities(row) else {
                list.append(false);
                continue;
            };
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|a, b| {
                values[*b].partial_cmp(&values[*a]).unwrap_or(Ordering::Equal).then(a.cmp(b))
            });
            for class in order {
                let entry = list.values();
                // The builders are those made above.
                if let Some(label) = entry.field_builder::<StringBuilder>(0) {
                    label.append_value(&self.labels[class]);
                }
                if let Some(probability) = entry.field_builder::<Float64Builder>(1) {
                    probability.append_value(values[class]);
                }
                entry.append(true);
            }
            list.append(true);
        }
        list.finish()
    }
}

impl ColumnFunction for LabelledPrediction {
    fn describe(&self) -> Description {
        Description::new(LABELLED_PREDICTION, json!(self.labels))
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef, TableError> {
        let [probability, prediction] = inputs else {
            let (function, found) = (LABELLED_PREDICTION.into(), inputs.len());
            return Err(TableError::ArgumentCount { function, expected: 2, found });
        };
        let wrong = |field: &FieldRef, expected: String| TableError::ColumnType {
            function: LABELLED_PREDICTION.into(),
            column: field.name().clone(),
            expected,
            found: field.data_type().clone(),
        };
        if vector_length(probability.data_type()) != Some(self.labels.len()) {
            let expected = double_vector_type(self.labels.len()).to_string();
            return Err(wrong(probability, expected));
        }
        if prediction.data_type() != &DataType::Float64 {
            return Err(wrong(prediction, "Float64".into()));
        }
        Ok(Arc::new(Field::new(LABELLED_PREDICTION, DataType::Struct(Self::fields()), true)))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated, TableError> {
        let doubles = cast(&inputs[0], &double_vector_type(self.labels.len()))?;
        let vectors = doubles.as_fixed_size_list();
        let predictions: &Float64Array = inputs[1].as_primitive::<Float64Type>();
        let values = |row: usize| {
            (vectors.is_valid(row) && predictions.is_valid(row))
                .then(|| vectors.value(row).as_primitive::<Float64Type>().values().to_vec())
        };
        let rows = predictions.len();
        let mut labels = StringBuilder::new();
        let mut best = Float64Builder::new();
        for row in 0..rows {
            let class = values(row).map(|values| (predictions.value(row) as usize, values));
            labels.append_option(class.as_ref().and_then(|(class, _)| self.labels.get(*class)));
            best.append_option(class.as_ref().and_then(|(class, values)| values.get(*class).copied()));
        }
        let columns: Vec<ArrayRef> =
            vec![Arc::new(labels.finish()), Arc::new(best.finish()), Arc::new(self.ranked(rows, values))];
        let nulls = datafusion::arrow::buffer::NullBuffer::union(vectors.nulls(), predictions.nulls());
        Ok(Evaluated::new(Arc::new(StructArray::try_new(Self::fields(), columns, nulls)?)))
    }
}

pub(crate) fn rebuild(
    description: &Description,
    _: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>, TableError> {
    Ok(Arc::new(LabelledPrediction::new(description.params_as()?)))
}
