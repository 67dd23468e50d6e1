//! How a model does on the rows that it has not seen.

use anyhow::{Context, Result, bail};
use emberline::arrow::array::{AsArray, RecordBatch};
use emberline::arrow::compute::cast;
use emberline::arrow::datatypes::{DataType, Float64Type};
use emberline::datafusion::dataframe::DataFrame;
use emberline::datafusion::prelude::ident;
use emberline::ml::{Evaluator, Transformer, split};
use serde::Serialize;

use super::LABEL_INDEX;

/// How many mistakes are told.
const MISTAKES_MAX: usize = 10;

/// The measurement.
#[derive(Debug, Serialize)]
pub(super) struct HeldOut {
    pub(super) rows: u64,
    pub(super) accuracy: f64,
    /// The headers of the matrix.
    pub(super) labels: Vec<String>,
    /// Rows of each label (down) by the label predicted (across).
    pub(super) confusion: Vec<Vec<u64>>,
    /// The worst ones first: those whose right label got the least probability.
    pub(super) mistakes: Vec<Mistake>,
}

/// A row whose label was not predicted.
#[derive(Debug, Serialize)]
pub(super) struct Mistake {
    pub(super) origin: String,
    pub(super) label: String,
    pub(super) predicted: String,
    /// The probability that the model gives to the right label.
    pub(super) probability_of_label: f64,
}

/// The rows to train on, and a share of every label's to measure on; `None` for a share of 0.
pub(crate) async fn hold_out(
    table: &DataFrame,
    test_ratio: f64,
    seed: u64,
) -> Result<(DataFrame, Option<DataFrame>)> {
    if test_ratio == 0.0 {
        return Ok((table.clone(), None));
    }
    let split = split(table, test_ratio, seed, Some(LABEL_INDEX)).await?;
    if split.test.clone().count().await? == 0 {
        bail!(
            "--test-ratio: there are too few images to hold any out; pass more images, a larger share, or 0"
        );
    }
    Ok((split.train, Some(split.test)))
}

/// Applies a model to the rows held out.
pub(super) async fn measure(
    model: &dyn Transformer,
    test: DataFrame,
    labels: &[String],
    evaluator: &dyn Evaluator,
) -> Result<HeldOut> {
    let columns = ["origin", LABEL_INDEX, "prediction", "probability"].map(ident).to_vec();
    let predicted = model.transform(test)?.select(columns)?.cache().await?;
    let mut measured = HeldOut {
        rows: 0,
        accuracy: 0.0,
        labels: labels.to_vec(),
        confusion: vec![vec![0; labels.len()]; labels.len()],
        mistakes: Vec::new(),
    };
    for batch in predicted.clone().collect().await? {
        measured.add(&batch)?;
    }
    measured.accuracy = evaluator.evaluate(&predicted).await?;
    measured.mistakes.sort_by(|a, b| {
        a.probability_of_label.total_cmp(&b.probability_of_label).then_with(|| a.origin.cmp(&b.origin))
    });
    measured.mistakes.truncate(MISTAKES_MAX);
    Ok(measured)
}

impl HeldOut {
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let origins = cast(batch.column(0), &DataType::Utf8)?;
        let origins = origins.as_string::<i32>();
        let (labels, predictions) =
            (batch.column(1).as_primitive::<Float64Type>(), batch.column(2).as_primitive::<Float64Type>());
        let probabilities = batch.column(3).as_fixed_size_list();
        for row in 0..batch.num_rows() {
            let (label, prediction) = (labels.value(row) as usize, predictions.value(row) as usize);
            let name = |class: usize| self.labels.get(class).cloned().context("a class without a label");
            let (right, predicted) = (name(label)?, name(prediction)?);
            self.rows += 1;
            self.confusion[label][prediction] += 1;
            if label != prediction {
                let probabilities = probabilities.value(row);
                self.mistakes.push(Mistake {
                    origin: origins.value(row).to_string(),
                    label: right,
                    predicted,
                    probability_of_label: probabilities.as_primitive::<Float64Type>().value(label),
                });
            }
        }
        Ok(())
    }
}
