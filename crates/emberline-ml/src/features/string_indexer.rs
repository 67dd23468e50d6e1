//! Labels to numbers: MLlib's `StringIndexer` (spec: `StringIndexer.scala`, Spark 3).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Builder, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::ident;
use emberline_table::{
    Blobs, ColumnFunction, Description, Evaluated, FunctionKinds, Step, TableError, check_arity, evaluate,
};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::columns::{INPUT_COL, check_columns, column_pairs};
use crate::attributes::with_labels;
use crate::error::{MlError, Result};
use crate::params::shared::{INPUT_COLS, OUTPUT_COL, OUTPUT_COLS};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{
    Estimator, Stage, Transformer, apply_or_skip, copied, fitted, named_field, stage_basics, with_new_fields,
};

/// The kind of the column function.
pub(super) const KIND: &str = "string_indexer";
/// The label that stands for all others with `handleInvalid="keep"`.
const UNKNOWN: &str = "__unknown";

const HANDLE_INVALID: ParamSpec = ParamSpec::new(
    "handleInvalid",
    ParamKind::Text,
    "what to do with nulls and labels not seen in fitting: fail, leave the row out, or give them an index of their own",
)
.default(ParamDefault::Text("error"))
.constraint(Constraint::OneOf(&["error", "skip", "keep"]));

const STRING_ORDER_TYPE: ParamSpec =
    ParamSpec::new("stringOrderType", ParamKind::Text, "how labels are ordered; the first one gets index 0")
        .default(ParamDefault::Text("frequencyDesc"))
        .constraint(Constraint::OneOf(&["frequencyDesc", "frequencyAsc", "alphabetDesc", "alphabetAsc"]));

/// Learns an index for each label of a column: the most frequent gets 0, equally frequent ones in alphabetic order.
///
/// Input: text, booleans or numbers (as text), one column (`inputCol`) or several (`inputCols`). Output: `Float64` with
/// the labels in the column's metadata. Nulls and NaN are no labels.
///
/// ```
/// use emberline_ml::StringIndexer;
/// let indexer = StringIndexer::new().input_col("species").output_col("label");
/// ```
#[derive(Debug, Clone)]
pub struct StringIndexer {
    params: Params,
}

impl StringIndexer {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[INPUT_COL, OUTPUT_COL, INPUT_COLS, OUTPUT_COLS, HANDLE_INVALID, STRING_ORDER_TYPE];

    /// An indexer with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("StringIndexer", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    /// Learns the labels of the input columns; reads no other column.
    ///
    /// # Errors
    /// As [`Estimator::fit`].
    pub async fn fit_model(&self, table: &DataFrame) -> Result<StringIndexerModel> {
        self.transform_schema(table.schema().as_arrow())?;
        let pairs = column_pairs(&self.params)?;
        let columns: Vec<_> = pairs.iter().map(|pair| ident(&pair.input)).collect();
        let mut counts: Vec<BTreeMap<String, u64>> = vec![BTreeMap::new(); pairs.len()];
        let mut batches = table.clone().select(columns)?.execute_stream().await?;
        while let Some(batch) = batches.try_next().await? {
            for (counts, column) in counts.iter_mut().zip(batch.columns()) {
                for label in as_text(column)?.iter().flatten() {
                    *counts.entry(label.to_string()).or_default() += 1;
                }
            }
        }
        let order = self.params.text("stringOrderType")?;
        Ok(StringIndexerModel {
            params: Params::of_model("StringIndexerModel", StringIndexerModel::PARAMS, &self.params),
            labels_array: counts.into_iter().map(|counts| ordered(counts, &order).into()).collect(),
        })
    }
}

setters!(StringIndexer {
    input_col: &str => "inputCol", output_col: &str => "outputCol", input_cols: Vec<String> => "inputCols",
    output_cols: Vec<String> => "outputCols", handle_invalid: &str => "handleInvalid",
    string_order_type: &str => "stringOrderType",
});

/// The labels in the order of their indices. The map gives them in alphabetic order, and the sorts are stable.
fn ordered(counts: BTreeMap<String, u64>, order: &str) -> Vec<String> {
    let mut labels: Vec<(String, u64)> = counts.into_iter().collect();
    match order {
        "frequencyAsc" => labels.sort_by_key(|(_, count)| *count),
        "alphabetAsc" => {}
        "alphabetDesc" => labels.reverse(),
        _ => labels.sort_by_key(|(_, count)| std::cmp::Reverse(*count)),
    }
    labels.into_iter().map(|(label, _)| label).collect()
}

/// Labels as text. NaN is null: MLlib neither counts nor knows it.
fn as_text(array: &ArrayRef) -> Result<StringArray, TableError> {
    let text = cast(array, &DataType::Utf8)?;
    let text = text.as_string::<i32>();
    if array.data_type().is_floating() {
        return Ok(text.iter().map(|label| label.filter(|label| *label != "NaN")).collect());
    }
    Ok(text.clone())
}

fn is_label_type(data_type: &DataType) -> bool {
    data_type.is_string() || data_type.is_numeric() || *data_type == DataType::Boolean
}

fn check_labels(params: &Params, field: &Field) -> Result<()> {
    if is_label_type(field.data_type()) {
        return Ok(());
    }
    Err(MlError::ColumnType {
        stage: params.uid().into(),
        column: field.name().clone(),
        expected: "text or numbers".into(),
        found: field.data_type().clone(),
    })
}

impl Stage for StringIndexer {
    stage_basics!("StringIndexer");
}

impl Estimator for StringIndexer {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        let mut fields: Vec<FieldRef> = Vec::new();
        for pair in column_pairs(&self.params)? {
            check_labels(&self.params, &*named_field(&self.params, pair.param, &pair.input, schema)?)?;
            fields.push(Arc::new(Field::new(pair.output, DataType::Float64, true)));
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

/// A fitted [`StringIndexer`]: label → index. As in MLlib, an input column that a table has not got is passed over.
#[derive(Debug, Clone)]
pub struct StringIndexerModel {
    params: Params,
    /// The labels of every input column.
    labels_array: Vec<Arc<[String]>>,
}

impl StringIndexerModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = StringIndexer::PARAMS;

    /// The labels of the first input column; a label's place is its index.
    pub fn labels(&self) -> &[String] {
        self.labels_array.first().map_or(&[], |labels| labels)
    }

    /// The labels of every input column.
    pub fn labels_array(&self) -> impl ExactSizeIterator<Item = &[String]> {
        self.labels_array.iter().map(|labels| labels.as_ref())
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let labels_array: Vec<Vec<String>> = reader.value("labelsArray")?;
        let labels_array = labels_array.into_iter().map(Into::into).collect();
        Ok(Self { params: reader.params(Self::PARAMS)?, labels_array })
    }
}

setters!(StringIndexerModel {
    input_col: &str => "inputCol", output_col: &str => "outputCol", input_cols: Vec<String> => "inputCols",
    output_cols: Vec<String> => "outputCols", handle_invalid: &str => "handleInvalid",
});

impl Stage for StringIndexerModel {
    stage_basics!("StringIndexerModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        writer.value("labelsArray", &self.labels_array().collect::<Vec<_>>())
    }
}

impl Transformer for StringIndexerModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        let pairs = column_pairs(&self.params)?;
        check_columns(&self.params, self.labels_array.len(), pairs.len())?;
        let handle_invalid = self.params.text("handleInvalid")?;
        let mut steps = Vec::new();
        for (pair, labels) in pairs.into_iter().zip(&self.labels_array) {
            let Some((_, field)) = schema.fields().find(&pair.input) else { continue };
            check_labels(&self.params, field)?;
            let function = StringIndexerFunction::new(labels.clone(), handle_invalid.clone());
            steps.push(Step::new(Arc::new(function), [pair.input], [pair.output]));
        }
        Ok(steps)
    }

    fn transform(&self, table: DataFrame) -> Result<DataFrame> {
        let steps = self.steps(table.schema().as_arrow())?;
        match self.params.text("handleInvalid")?.as_str() {
            "skip" => apply_or_skip(table, &steps),
            _ => Ok(evaluate::apply(table, &steps)?),
        }
    }

    fn is_row_wise(&self) -> bool {
        self.params.text("handleInvalid").is_ok_and(|handling| handling != "skip")
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}

/// Label → index, as a column function.
#[derive(Debug)]
struct StringIndexerFunction {
    labels: Arc<[String]>,
    handle_invalid: String,
    indices: HashMap<String, usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionParams {
    labels: Vec<String>,
    handle_invalid: String,
}

impl StringIndexerFunction {
    fn new(labels: Arc<[String]>, handle_invalid: String) -> Self {
        let indices = labels.iter().enumerate().map(|(i, label)| (label.clone(), i)).collect();
        Self { labels, handle_invalid, indices }
    }

    fn invalid(&self, label: Option<&str>) -> TableError {
        let found = label.map_or("null".to_string(), |label| format!("`{label}`"));
        let shown: Vec<&str> = self.labels.iter().take(10).map(String::as_str).collect();
        let more = if self.labels.len() > shown.len() { ", ..." } else { "" };
        TableError::Setting {
            parameter: "StringIndexer's input".into(),
            expected: format!(
                "a label seen in fitting ({}{more}), or handleInvalid=\"skip\" or \"keep\"",
                shown.join(", ")
            ),
            found,
        }
    }
}

impl ColumnFunction for StringIndexerFunction {
    fn describe(&self) -> Description {
        let params =
            FunctionParams { labels: self.labels.to_vec(), handle_invalid: self.handle_invalid.clone() };
        Description::new(KIND, serde_json::to_value(params).unwrap_or_default())
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef, TableError> {
        check_arity(KIND, 1, inputs)?;
        let input = &inputs[0];
        if !is_label_type(input.data_type()) {
            return Err(TableError::ColumnType {
                function: KIND.into(),
                column: input.name().clone(),
                expected: "text or numbers".into(),
                found: input.data_type().clone(),
            });
        }
        let mut labels = self.labels.to_vec();
        if self.handle_invalid == "keep" {
            labels.push(UNKNOWN.into());
        }
        Ok(with_labels(Arc::new(Field::new(KIND, DataType::Float64, true)), &labels))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated, TableError> {
        let mut output = Float64Builder::with_capacity(inputs[0].len());
        for label in as_text(&inputs[0])?.iter() {
            match (label.and_then(|label| self.indices.get(label)), self.handle_invalid.as_str()) {
                (Some(index), _) => output.append_value(*index as f64),
                (None, "keep") => output.append_value(self.labels.len() as f64),
                (None, "skip") => output.append_null(),
                _ => return Err(self.invalid(label)),
            }
        }
        Ok(Evaluated::new(Arc::new(output.finish())))
    }
}

pub(super) fn rebuild(
    description: &Description,
    _: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>, TableError> {
    let FunctionParams { labels, handle_invalid } = description.params_as()?;
    Ok(Arc::new(StringIndexerFunction::new(labels.into(), handle_invalid)))
}
