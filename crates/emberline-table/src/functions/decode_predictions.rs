//! Probabilities with names: vector → the best classes.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float32Builder, ListBuilder, StringBuilder, StructBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Float32Type};
use serde::{Deserialize, Serialize};

use super::column_type;
use crate::describe::{Blobs, Description, FunctionKinds};
use crate::error::{Result, TableError};
use crate::function::{ColumnFunction, Evaluated, check_arity};

pub(super) const KIND: &str = "decode_predictions";
const EXPECTED: &str = "a vector of probabilities, one per class";

/// A class that a network knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its identifier; a WordNet id for ImageNet's classes.
    pub class: String,
    /// Its name.
    pub description: String,
}

/// The `top_k` most probable classes, most probable first.
///
/// Input: `FixedSizeList<Float32>[classes]`. Output: a list of `{class, description, probability}` as in sparkdl
/// and Keras' `decode_predictions`; equal probabilities in the order of the classes. Null stays null.
///
/// ```
/// use emberline_table::functions::{Class, DecodePredictions};
/// let classes = ["cat", "dog"].map(|name| Class { class: name.into(), description: name.into() });
/// assert!(DecodePredictions::try_new(classes.to_vec(), 5).is_ok());
/// assert!(DecodePredictions::try_new(classes.to_vec(), 0).is_err());
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DecodePredictions {
    classes: Arc<[Class]>,
    top_k: usize,
}

impl DecodePredictions {
    /// A function that names the best `top_k` classes; all of them if there are fewer.
    ///
    /// # Errors
    /// When `top_k` is 0.
    pub fn try_new(classes: Vec<Class>, top_k: usize) -> Result<Self> {
        if top_k == 0 {
            return Err(TableError::Setting {
                parameter: "topK".into(),
                expected: "at least 1".into(),
                found: "0".into(),
            });
        }
        Ok(Self { classes: classes.into(), top_k })
    }

    /// The indices of the best classes, best first.
    fn best(&self, probabilities: &[f32]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|a, b| {
            probabilities[*b].partial_cmp(&probabilities[*a]).unwrap_or(Ordering::Equal).then(a.cmp(b))
        });
        order.truncate(self.top_k);
        order
    }

    fn builder() -> ListBuilder<StructBuilder> {
        let builder = StructBuilder::new(
            fields(),
            vec![
                Box::new(StringBuilder::new()),
                Box::new(StringBuilder::new()),
                Box::new(Float32Builder::new()),
            ],
        );
        ListBuilder::new(builder).with_field(item())
    }

    fn append(&self, probabilities: &[f32], list: &mut ListBuilder<StructBuilder>) {
        let row = list.values();
        for i in self.best(probabilities) {
            let Class { class, description } = &self.classes[i];
            // The fields are those of `builder`, so each is there.
            if let Some(field) = row.field_builder::<StringBuilder>(0) {
                field.append_value(class);
            }
            if let Some(field) = row.field_builder::<StringBuilder>(1) {
                field.append_value(description);
            }
            if let Some(field) = row.field_builder::<Float32Builder>(2) {
                field.append_value(probabilities[i]);
            }
            row.append(true);
        }
        list.append(true);
    }
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("class", DataType::Utf8, false),
        Field::new("description", DataType::Utf8, false),
        Field::new("probability", DataType::Float32, false),
    ])
}

fn item() -> FieldRef {
    Arc::new(Field::new("item", DataType::Struct(fields()), false))
}

impl ColumnFunction for DecodePredictions {
    fn describe(&self) -> Description {
        Description::new(KIND, serde_json::to_value(self).unwrap_or_default())
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef> {
        check_arity(KIND, 1, inputs)?;
        match inputs[0].data_type() {
            DataType::FixedSizeList(item, n)
                if item.data_type() == &DataType::Float32
                    && usize::try_from(*n) == Ok(self.classes.len()) =>
            {
                Ok(Arc::new(Field::new(KIND, DataType::List(self::item()), true)))
            }
            _ => Err(column_type(KIND, &inputs[0], &format!("{EXPECTED} ({})", self.classes.len()))),
        }
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated> {
        let vectors: &FixedSizeListArray = inputs[0].as_fixed_size_list();
        let n = self.classes.len();
        let values = vectors.values().as_primitive::<Float32Type>().values();
        let mut list = Self::builder();
        for row in 0..vectors.len() {
            match vectors.is_valid(row) {
                true => self.append(&values[(vectors.offset() + row) * n..][..n], &mut list),
                false => list.append(false),
            }
        }
        Ok(Evaluated::new(Arc::new(list.finish())))
    }
}

pub(super) fn rebuild(
    description: &Description,
    _: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>> {
    let DecodePredictions { classes, top_k } = description.params_as()?;
    Ok(Arc::new(DecodePredictions::try_new(classes.to_vec(), top_k)?))
}
