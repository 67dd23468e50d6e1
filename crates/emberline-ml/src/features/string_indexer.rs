//! Labels to numbers: MLlib's `StringIndexer` (spec: `StringIndexer.scala`, Spark 3).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Builder, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::ident;
use emberline_table::{Blobs, ColumnFunction, Description, Evaluated, FunctionKinds, Step, TableError};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::attributes::with_labels;
use crate::error::{MlError, Result};
use crate::params::shared::{INPUT_COL, OUTPUT_COL};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{
    Estimator, Stage, Transformer, copied, fitted, input_field, stage_basics, with_new_fields,
};

/// The kind of the column function.
pub(crate) const STRING_INDEXER: &str = "string_indexer";
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
/// Input: text, or numbers (as text). Output: `Float64` with the labels in the column's metadata.
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
    pub const PARAMS: &'static [ParamSpec] = &[INPUT_COL, OUTPUT_COL, HANDLE_INVALID, STRING_ORDER_TYPE];

    /// An indexer with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new("StringIndexer", Self::PARAMS) }
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(Self::PARAMS)? })
    }

    /// Learns the labels of the input column; reads no other column.
    ///
    /// # Errors
    /// As [`Estimator::fit`].
    pub async fn fit_model(&self, table: &DataFrame) -> Result<StringIndexerModel> {
        self.transform_schema(table.schema().as_arrow())?;
        let column = self.params.text("inputCol")?;
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut batches = table.clone().select(vec![ident(&column)])?.execute_stream().await?;
        while let Some(batch) = batches.try_next().await? {
            for label in as_text(batch.column(0))?.iter().flatten() {
                *counts.entry(label.to_string()).or_default() += 1;
            }
        }
        let labels = ordered(counts, &self.params.text("stringOrderType")?);
        let mut params = Params::new("StringIndexerModel", StringIndexerModel::PARAMS);
        params.set_uid(self.params.uid().into());
        params.copy_values(&self.params);
        Ok(StringIndexerModel { params, labels: labels.into() })
    }
}

setters!(StringIndexer {
    input_col: &str => "inputCol", output_col: &str => "outputCol",
    handle_invalid: &str => "handleInvalid", string_order_type: &str => "stringOrderType",
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

fn as_text(array: &ArrayRef) -> Result<StringArray, TableError> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn is_label_type(data_type: &DataType) -> bool {
    data_type.is_string() || data_type.is_numeric() || *data_type == DataType::Boolean
}

fn check_input(params: &Params, schema: &Schema) -> Result<FieldRef> {
    params.validate()?;
    let field = input_field(params, "inputCol", schema)?;
    if is_label_type(field.data_type()) {
        return Ok(field);
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
        check_input(&self.params, schema)?;
        let output = self.params.text("outputCol")?;
        with_new_fields(
            self.params.uid(),
            schema,
            vec![Arc::new(Field::new(output, DataType::Float64, true))],
        )
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        Ok(copied(self, extra)?)
    }
}

/// A fitted [`StringIndexer`]: label → index.
#[derive(Debug, Clone)]
pub struct StringIndexerModel {
    params: Params,
    labels: Arc<[String]>,
}

impl StringIndexerModel {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[INPUT_COL, OUTPUT_COL, HANDLE_INVALID];

    /// The labels; a label's place is its index.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let labels: Vec<String> = reader.value("labels")?;
        Ok(Self { params: reader.params(Self::PARAMS)?, labels: labels.into() })
    }
}

impl Stage for StringIndexerModel {
    stage_basics!("StringIndexerModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        writer.value("labels", &self.labels)
    }
}

impl Transformer for StringIndexerModel {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        check_input(&self.params, schema)?;
        let function = StringIndexerFunction::new(self.labels.clone(), self.params.text("handleInvalid")?);
        let (input, output) = (self.params.text("inputCol")?, self.params.text("outputCol")?);
        Ok(vec![Step::new(Arc::new(function), [input], [output])])
    }

    fn transform(&self, table: DataFrame) -> Result<DataFrame> {
        let steps = self.steps(table.schema().as_arrow())?;
        let table = emberline_table::evaluate::apply(table, &steps)?;
        if self.params.text("handleInvalid")? != "skip" {
            return Ok(table);
        }
        Ok(table.filter(ident(self.params.text("outputCol")?).is_not_null())?)
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
        Description::new(STRING_INDEXER, serde_json::to_value(params).unwrap_or_default())
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef, TableError> {
        let [input] = inputs else {
            return Err(TableError::ArgumentCount {
                function: STRING_INDEXER.into(),
                expected: 1,
                found: inputs.len(),
            });
        };
        if !is_label_type(input.data_type()) {
            return Err(TableError::ColumnType {
                function: STRING_INDEXER.into(),
                column: input.name().clone(),
                expected: "text or numbers".into(),
                found: input.data_type().clone(),
            });
        }
        let mut labels = self.labels.to_vec();
        if self.handle_invalid == "keep" {
            labels.push(UNKNOWN.into());
        }
        Ok(with_labels(Arc::new(Field::new(STRING_INDEXER, DataType::Float64, true)), &labels))
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

pub(crate) fn rebuild(
    description: &Description,
    _: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>, TableError> {
    let FunctionParams { labels, handle_invalid } = description.params_as()?;
    Ok(Arc::new(StringIndexerFunction::new(labels.into(), handle_invalid)))
}
