//! MLlib's `OneHotEncoder` (`ml/feature/OneHotEncoder.scala`, Spark 3).

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::ident;
use emberline_table::{Blobs, ColumnFunction, Description, Evaluated, FunctionKinds, Step, TableError};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::columns::{ColumnPair, INPUT_COL, check_columns, check_number, column_pairs};
use crate::attributes::labels_of;
use crate::error::{MlError, Result};
use crate::params::shared::{INPUT_COLS, OUTPUT_COL, OUTPUT_COLS};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{
    Estimator, Stage, Transformer, copied, fitted, named_field, numeric, stage_basics, with_new_fields,
};
use crate::vectors::{double_vector_type, double_vectors};

/// The kind of the column function.
pub(super) const KIND: &str = "one_hot_encoder";
/// The most categories of a column: a vector of 8 MiB for every row.
const CATEGORIES_MAX: usize = 1 << 20;

const HANDLE_INVALID: ParamSpec = ParamSpec::new(
    "handleInvalid",
    ParamKind::Text,
    "what to do with categories not seen in fitting: fail, or give them a place of their own",
)
.default(ParamDefault::Text("error"))
.constraint(Constraint::OneOf(&["error", "keep"]));
const DROP_LAST: ParamSpec = ParamSpec::new(
    "dropLast",
    ParamKind::Bool,
    "whether the last category has no place of its own but is all zeros (set it to false for a network's targets)",
)
.default(ParamDefault::Bool(true));

/// Turns indices of categories into vectors that are 1 in the category's place and 0 elsewhere.
///
/// Input: one column of numbers (`inputCol`) or several (`inputCols`), such as a
/// [`StringIndexer`](crate::StringIndexer) makes. Output: `FixedSizeList<Float64>` with a place for every category but
/// the last; with all of them for `dropLast=false`; with `handleInvalid="keep"` invalid indices count as one more
/// category, which is then the last. A null index gives null.
///
/// The number of categories is that of the labels in the column's metadata, or else learned: the largest index and 1.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emberline_ml::Result<()> {
/// use emberline_ml::OneHotEncoder;
/// let session = emberline_table::Session::new();
/// let table = session.sql("SELECT * FROM (VALUES (0.0), (2.0), (1.0)) AS t (index)").await?;
/// let encoder = OneHotEncoder::new().input_col("index").output_col("target").drop_last(false);
/// assert_eq!(encoder.fit_model(&table).await?.category_sizes(), [3]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct OneHotEncoder {
    params: Params,
}

impl OneHotEncoder {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[INPUT_COL, OUTPUT_COL, INPUT_COLS, OUTPUT_COLS, HANDLE_INVALID, DROP_LAST];

    /// An encoder with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("OneHotEncoder", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    /// Learns the number of categories of the input columns; reads only those without labels in their metadata.
    ///
    /// # Errors
    /// As [`Estimator::fit`]; when a value to learn from is no index.
    pub async fn fit_model(&self, table: &DataFrame) -> Result<OneHotEncoderModel> {
        let schema = table.schema().as_arrow();
        self.transform_schema(schema)?;
        let mut category_sizes = Vec::new();
        for pair in column_pairs(&self.params)? {
            let labels = labels_of(indices_field(&self.params, &pair, schema)?.as_ref());
            category_sizes.push(match labels {
                Some(labels) => labels.len(),
                None => self.largest_index(table, &pair.input).await? + 1,
            });
        }
        Ok(OneHotEncoderModel {
            params: Params::of_model("OneHotEncoderModel", OneHotEncoderModel::PARAMS, &self.params),
            category_sizes,
        })
    }

    async fn largest_index(&self, table: &DataFrame, column: &str) -> Result<usize> {
        let wrong = |found: &str| MlError::Value {
            stage: self.params.uid().into(),
            column: column.into(),
            reason: format!("expected a whole number from 0 to {}, found {found}", CATEGORIES_MAX - 1),
        };
        let mut largest = 0;
        let mut batches = table.clone().select(vec![ident(column)])?.execute_stream().await?;
        while let Some(batch) = batches.try_next().await? {
            for index in cast(batch.column(0), &DataType::Float64)?.as_primitive::<Float64Type>() {
                let index = index.ok_or_else(|| wrong("null"))?;
                if !(0.0..CATEGORIES_MAX as f64).contains(&index) || index.fract() != 0.0 {
                    return Err(wrong(&index.to_string()));
                }
                largest = largest.max(index as usize);
            }
        }
        Ok(largest)
    }
}

setters!(OneHotEncoder {
    input_col: &str => "inputCol", output_col: &str => "outputCol", input_cols: Vec<String> => "inputCols",
    output_cols: Vec<String> => "outputCols", handle_invalid: &str => "handleInvalid", drop_last: bool => "dropLast",
});

/// The field of a column of indices.
fn indices_field(params: &Params, pair: &ColumnPair, schema: &Schema) -> Result<FieldRef> {
    numeric(params, named_field(params, pair.param, &pair.input, schema)?)
}

/// The column function for a column of `categories`.
fn encoding(params: &Params, column: &str, categories: usize) -> Result<OneHotFunction> {
    let function = OneHotFunction {
        categories,
        keep_invalid: params.text("handleInvalid")? == "keep",
        drop_last: params.bool("dropLast")?,
    };
    if function.length() > 0 {
        return Ok(function);
    }
    Err(MlError::Value {
        stage: params.uid().into(),
        column: column.into(),
        reason: format!("expected at least 2 categories, or dropLast=false, found {categories}"),
    })
}

impl Stage for OneHotEncoder {
    stage_basics!("OneHotEncoder");
}

impl Estimator for OneHotEncoder {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        let mut fields: Vec<FieldRef> = Vec::new();
        for pair in column_pairs(&self.params)? {
            let labels = labels_of(indices_field(&self.params, &pair, schema)?.as_ref());
            // Without labels the number of categories is known only once the indices have been read.
            let length = match labels {
                Some(labels) => encoding(&self.params, &pair.input, labels.len())?.length(),
                None => 0,
            };
            fields.push(Arc::new(Field::new(pair.output, double_vector_type(length), true)));
        }
        with_new_fields(self.params.uid(), schema, fields)
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        Ok(copied(self, extra)?)
    }
}

/// A fitted [`OneHotEncoder`].
#[derive(Debug, Clone)]
pub struct OneHotEncoderModel {
    params: Params,
    category_sizes: Vec<usize>,
}

impl OneHotEncoderModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = OneHotEncoder::PARAMS;

    /// The number of categories of every input column, without the one of invalid indices.
    pub fn category_sizes(&self) -> &[usize] {
        &self.category_sizes
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)?, category_sizes: reader.value("categorySizes")? })
    }
}

setters!(OneHotEncoderModel {
    input_col: &str => "inputCol", output_col: &str => "outputCol", input_cols: Vec<String> => "inputCols",
    output_cols: Vec<String> => "outputCols", handle_invalid: &str => "handleInvalid", drop_last: bool => "dropLast",
});

impl Stage for OneHotEncoderModel {
    stage_basics!("OneHotEncoderModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        writer.value("categorySizes", &self.category_sizes)
    }
}

impl Transformer for OneHotEncoderModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        let pairs = column_pairs(&self.params)?;
        check_columns(&self.params, self.category_sizes.len(), pairs.len())?;
        let mut steps = Vec::new();
        for (pair, &categories) in pairs.into_iter().zip(&self.category_sizes) {
            let field = indices_field(&self.params, &pair, schema)?;
            if let Some(labels) = labels_of(&field).filter(|labels| labels.len() != categories) {
                return Err(MlError::Value {
                    stage: self.params.uid().into(),
                    column: pair.input,
                    reason: format!(
                        "expected {categories} categories, found {} in its metadata",
                        labels.len()
                    ),
                });
            }
            let function = encoding(&self.params, &pair.input, categories)?;
            steps.push(Step::new(Arc::new(function), [pair.input], [pair.output]));
        }
        Ok(steps)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}

/// Index → vector, as a column function.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneHotFunction {
    categories: usize,
    keep_invalid: bool,
    drop_last: bool,
}

impl OneHotFunction {
    fn length(&self) -> usize {
        (self.categories + usize::from(self.keep_invalid)).saturating_sub(usize::from(self.drop_last))
    }

    /// The place of an index, which need not exist.
    fn place(&self, index: f64) -> Result<usize, TableError> {
        if index >= 0.0 && index < self.categories as f64 {
            // As in MLlib, which truncates.
            Ok(index as usize)
        } else if self.keep_invalid {
            Ok(self.categories)
        } else {
            Err(TableError::Setting {
                parameter: "OneHotEncoder's input".into(),
                expected: format!("an index below {}, or handleInvalid=\"keep\"", self.categories),
                found: index.to_string(),
            })
        }
    }
}

impl ColumnFunction for OneHotFunction {
    fn describe(&self) -> Description {
        Description::new(KIND, serde_json::to_value(self).unwrap_or_default())
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef, TableError> {
        check_number(KIND, inputs)?;
        Ok(Arc::new(Field::new(KIND, double_vector_type(self.length()), true)))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated, TableError> {
        let indices = cast(&inputs[0], &DataType::Float64)?;
        let (rows, length) = (indices.len(), self.length());
        let mut output = vec![0.0; rows * length];
        for (row, index) in indices.as_primitive::<Float64Type>().iter().enumerate() {
            let place = index.map(|index| self.place(index)).transpose()?;
            if let Some(place) = place.filter(|place| *place < length) {
                output[row * length + place] = 1.0;
            }
        }
        Ok(Evaluated::new(double_vectors(output, length, indices.nulls().cloned())?))
    }
}

pub(super) fn rebuild(
    description: &Description,
    _: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>, TableError> {
    let function: OneHotFunction = description.params_as()?;
    if function.length() == 0 || function.categories > CATEGORIES_MAX {
        let reason = format!("vectors of {} categories", function.categories);
        return Err(TableError::description(KIND, reason));
    }
    Ok(Arc::new(function))
}
