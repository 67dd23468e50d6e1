//! What a column's metadata says: the labels behind an index.
//!
//! The field's metadata has Spark's key `ml_attr` and Spark's JSON, `{"type":"nominal","vals":[...]}`, so that it
//! means the same on both sides.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, FieldRef};
use serde_json::{Value, json};

const ML_ATTR: &str = "ml_attr";

/// The labels of a column of label indices, if its metadata has them.
pub(crate) fn labels_of(field: &Field) -> Option<Vec<String>> {
    let attributes: Value = serde_json::from_str(field.metadata().get(ML_ATTR)?).ok()?;
    let labels = attributes.get("vals")?.as_array()?;
    labels.iter().map(|label| label.as_str().map(String::from)).collect()
}

/// The field with labels in its metadata.
pub(crate) fn with_labels(field: FieldRef, labels: &[String]) -> FieldRef {
    let mut metadata = field.metadata().clone();
    metadata.insert(ML_ATTR.into(), json!({"type": "nominal", "vals": labels}).to_string());
    Arc::new(field.as_ref().clone().with_metadata(metadata))
}
