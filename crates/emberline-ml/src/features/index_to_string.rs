//! Numbers back to labels: MLlib's `IndexToString`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema};
use emberline_table::{Blobs, ColumnFunction, Description, Evaluated, FunctionKinds, Step, TableError};
use serde_json::json;

use super::columns::check_number;
use crate::attributes::labels_of;
use crate::error::{MlError, Result};
use crate::params::shared::{INPUT_COL, OUTPUT_COL};
use crate::params::{ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::StageReader;
use crate::stage::{Stage, Transformer, copied, input_field, schema_after, stage_basics};

/// The kind of the column function.
pub(super) const KIND: &str = "index_to_string";

/// Gives each index its label: the labels set, or those that the column's metadata has.
///
/// Input: numbers, each a label's place. Output: text. An index outside the labels is an error, null stays null.
///
/// ```
/// use emberline_ml::IndexToString;
/// let to_label = IndexToString::new().input_col("prediction").output_col("predicted label");
/// ```
#[derive(Debug, Clone)]
pub struct IndexToString {
    params: Params,
}

impl IndexToString {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[
        INPUT_COL,
        OUTPUT_COL,
        ParamSpec::new(
            "labels",
            ParamKind::Texts,
            "labels; if not set, those in the input column's metadata",
        ),
    ];

    /// A stage with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("IndexToString", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }
}

setters!(IndexToString { input_col: &str => "inputCol", output_col: &str => "outputCol", labels: Vec<String> => "labels" });

impl Stage for IndexToString {
    stage_basics!("IndexToString");
}

impl IndexToString {
    fn with_labels(&self, labels: Vec<String>) -> Result<Vec<Step>> {
        let function: Arc<dyn ColumnFunction> = Arc::new(IndexToStringFunction { labels });
        Ok(vec![Step::new(function, [self.params.text("inputCol")?], [self.params.text("outputCol")?])])
    }
}

impl Transformer for IndexToString {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.params.validate()?;
        let field = input_field(&self.params, "inputCol", schema)?;
        let labels = self.params.texts_if_defined("labels")?.or_else(|| labels_of(&field));
        let labels = labels.ok_or_else(|| MlError::Param {
            stage: self.params.uid().into(),
            param: "labels".into(),
            expected: format!("labels, set or in the metadata of column `{}`", field.name()),
            found: "neither".into(),
        })?;
        self.with_labels(labels)
    }

    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        self.params.validate()?;
        input_field(&self.params, "inputCol", schema)?;
        // The column may get its labels only when an estimator before is fitted.
        schema_after(self.params.uid(), schema, &self.with_labels(Vec::new())?)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}

#[derive(Debug)]
struct IndexToStringFunction {
    labels: Vec<String>,
}

impl ColumnFunction for IndexToStringFunction {
    fn describe(&self) -> Description {
        Description::new(KIND, json!(self.labels))
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef, TableError> {
        check_number(KIND, inputs)?;
        Ok(Arc::new(Field::new(KIND, DataType::Utf8, true)))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated, TableError> {
        let indices = cast(&inputs[0], &DataType::Float64)?;
        let mut output = StringBuilder::new();
        for index in indices.as_primitive::<Float64Type>() {
            let Some(index) = index else {
                output.append_null();
                continue;
            };
            let label =
                (index >= 0.0 && index.fract() == 0.0).then(|| self.labels.get(index as usize)).flatten();
            let label = label.ok_or_else(|| TableError::Setting {
                parameter: "IndexToString's input".into(),
                expected: format!("a whole number from 0 to {}", self.labels.len().saturating_sub(1)),
                found: index.to_string(),
            })?;
            output.append_value(label);
        }
        Ok(Evaluated::new(Arc::new(output.finish())))
    }
}

pub(super) fn rebuild(
    description: &Description,
    _: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>, TableError> {
    Ok(Arc::new(IndexToStringFunction { labels: description.params_as()? }))
}
