//! A logistic regression as a column function: vector → `{rawPrediction, probability, prediction}`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use emberline_table::{Blob, Blobs, ColumnFunction, Description, Evaluated, FunctionKinds, TableError};
use serde::{Deserialize, Serialize};

use crate::attributes::with_labels;
use crate::linear::{Decision, LogisticModel};
use crate::vectors::{EXPECTED, Vectors, double_vector_type, double_vectors, vector_length};

/// The kind of the column function.
pub(crate) const LOGISTIC_REGRESSION: &str = "logistic_regression";
const ROLE: &str = "numbers";

/// Applies a fitted logistic regression.
///
/// Input: vectors of `num_features` numbers. Output: a struct of `rawPrediction` and `probability`, both
/// `FixedSizeList<Float64>[classes]`, and `prediction`, the class as a `Float64` with the labels in its metadata.
/// A null vector gives null.
#[derive(Debug)]
pub(crate) struct LogisticFunction {
    model: Arc<LogisticModel>,
    decision: Decision,
    labels: Option<Arc<[String]>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    num_features: usize,
    num_classes: usize,
    is_multinomial: bool,
    threshold: Option<f64>,
    thresholds: Option<Vec<f64>>,
    labels: Option<Vec<String>>,
}

impl LogisticFunction {
    /// The function of a model; `labels` are the names of its classes.
    pub(crate) fn new(model: Arc<LogisticModel>, decision: Decision, labels: Option<Arc<[String]>>) -> Self {
        Self { model, decision, labels }
    }

    fn fields(&self) -> Fields {
        let vector = double_vector_type(self.model.outputs());
        let mut prediction: FieldRef = Arc::new(Field::new("prediction", DataType::Float64, true));
        if let Some(labels) = &self.labels {
            prediction = with_labels(prediction, labels);
        }
        Fields::from(vec![
            Arc::new(Field::new("rawPrediction", vector.clone(), true)),
            Arc::new(Field::new("probability", vector, true)),
            prediction,
        ])
    }

    /// The numbers of the model as bytes: coefficients, then intercepts, little endian.
    fn numbers(&self) -> Blob {
        let numbers = self.model.coefficients.iter().chain(&self.model.intercepts);
        Blob::new(numbers.flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>().into())
    }
}

impl ColumnFunction for LogisticFunction {
    fn describe(&self) -> Description {
        let LogisticModel { num_features, num_classes, is_multinomial, .. } = *self.model;
        let params = Params {
            num_features,
            num_classes,
            is_multinomial,
            threshold: if let Decision::Threshold(threshold) = self.decision {
                Some(threshold)
            } else {
                None
            },
            thresholds: if let Decision::Thresholds(all) = &self.decision { Some(all.clone()) } else { None },
            labels: self.labels.as_ref().map(|labels| labels.to_vec()),
        };
        Description {
            blobs: [(ROLE.to_string(), self.numbers().digest)].into(),
            ..Description::new(LOGISTIC_REGRESSION, serde_json::to_value(params).unwrap_or_default())
        }
    }

    fn blobs(&self) -> Vec<Blob> {
        vec![self.numbers()]
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef, TableError> {
        let [input] = inputs else {
            let (function, found) = (LOGISTIC_REGRESSION.into(), inputs.len());
            return Err(TableError::ArgumentCount { function, expected: 1, found });
        };
        if vector_length(input.data_type()) != Some(self.model.num_features) {
            return Err(TableError::ColumnType {
                function: LOGISTIC_REGRESSION.into(),
                column: input.name().clone(),
                expected: format!("{EXPECTED}, of {} numbers", self.model.num_features),
                found: input.data_type().clone(),
            });
        }
        Ok(Arc::new(Field::new(LOGISTIC_REGRESSION, DataType::Struct(self.fields()), true)))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated, TableError> {
        let failed = |reason: &dyn std::fmt::Display| TableError::description(LOGISTIC_REGRESSION, reason);
        let vectors = Vectors::try_new(&inputs[0]).ok_or_else(|| failed(&EXPECTED))?;
        let raw = self.model.raw(&vectors.matrix().map_err(|e| failed(&e))?);
        let probability = self.model.probability(&raw);
        let prediction = self.model.predict(&raw, &self.decision);
        let (n, nulls) = (self.model.outputs(), vectors.nulls.clone());
        let columns: Vec<ArrayRef> = vec![
            double_vectors(raw, n, nulls.clone())?,
            double_vectors(probability, n, nulls.clone())?,
            Arc::new(Float64Array::new(prediction.into(), nulls.clone())),
        ];
        Ok(Evaluated::new(Arc::new(StructArray::try_new(self.fields(), columns, nulls)?)))
    }

    fn batch_rows(&self) -> usize {
        1_024
    }
}

pub(crate) fn rebuild(
    description: &Description,
    blobs: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>, TableError> {
    let params: Params = description.params_as()?;
    let bytes = description.blob(ROLE, blobs)?;
    let sets = if params.is_multinomial { params.num_classes } else { 1 };
    let expected = sets.checked_mul(params.num_features).and_then(|n| n.checked_add(sets));
    let mut numbers: Vec<f64> =
        bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    if Some(numbers.len()) != expected || bytes.len() % 8 != 0 || params.num_features == 0 || sets == 0 {
        let reason = format!(
            "{} bytes of numbers do not fit {sets} x {} coefficients",
            bytes.len(),
            params.num_features
        );
        return Err(TableError::description(LOGISTIC_REGRESSION, reason));
    }
    let intercepts = numbers.split_off(sets * params.num_features);
    let model = LogisticModel {
        coefficients: numbers,
        intercepts,
        num_features: params.num_features,
        num_classes: params.num_classes,
        is_multinomial: params.is_multinomial,
    };
    let decision = match (params.threshold, params.thresholds) {
        (_, Some(thresholds)) => Decision::Thresholds(thresholds),
        (Some(threshold), None) => Decision::Threshold(threshold),
        (None, None) => Decision::Likeliest,
    };
    Ok(Arc::new(LogisticFunction::new(Arc::new(model), decision, params.labels.map(Into::into))))
}
