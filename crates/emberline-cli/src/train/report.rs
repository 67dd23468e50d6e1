//! What `emberline train` tells at its end, for people and, field by field, as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use emberline::arrow::array::AsArray;
use emberline::arrow::compute::cast;
use emberline::arrow::datatypes::DataType;
use emberline::datafusion::dataframe::DataFrame;
use emberline::datafusion::prelude::ident;
use serde::Serialize;

use super::held_out::{HeldOut, Mistake};
use crate::output;
use crate::summary::BadImages;

/// The answer of `emberline train --json`.
#[derive(Debug, Serialize)]
pub(super) struct TrainReport {
    /// Files found.
    pub(super) images: u64,
    /// The rows of each label that were used, in training or held out.
    pub(super) labels: BTreeMap<String, u64>,
    /// Rows left out because they have no label.
    pub(super) without_label: u64,
    /// Rows that the saved model learned from.
    pub(super) trained_on: u64,
    pub(super) folds: u16,
    pub(super) candidates: Vec<Candidate>,
    /// The place of the best candidate.
    pub(super) best: usize,
    /// Not with `--test-ratio 0`.
    pub(super) held_out: Option<HeldOut>,
    pub(super) out: PathBuf,
    pub(super) bad_images: BadImages,
}

/// A setting, and its accuracy over the folds.
#[derive(Debug, Serialize)]
pub(super) struct Candidate {
    pub(super) reg_param: f64,
    pub(super) elastic_net: f64,
    pub(super) accuracy: f64,
    pub(super) std: f64,
}

/// How many rows each label has.
pub(super) async fn counts(rows: &DataFrame, labels: &[String]) -> Result<BTreeMap<String, u64>> {
    let mut counts: BTreeMap<String, u64> = labels.iter().map(|label| (label.clone(), 0)).collect();
    for batch in rows.clone().select(vec![ident("label")])?.collect().await? {
        for label in cast(batch.column(0), &DataType::Utf8)?.as_string::<i32>().iter().flatten() {
            *counts.entry(label.into()).or_default() += 1;
        }
    }
    Ok(counts)
}

impl TrainReport {
    pub(super) fn print(&self) -> Result<()> {
        let labels = self.labels.iter().map(|(label, rows)| format!("{} {rows}", output::printable(label)));
        let labels = labels.collect::<Vec<_>>().join(", ");
        output::line(format!(
            "{}, {} labels: {labels}",
            output::count(self.images, "image"),
            self.labels.len()
        ))?;
        if self.without_label > 0 {
            output::line(format!("{} without a label left out", output::count(self.without_label, "image")))?;
        }
        self.print_candidates()?;
        match &self.held_out {
            Some(held_out) => held_out.print()?,
            None => output::line("\nNo rows were held out: the accuracy is that of the cross-validation.")?,
        }
        let trained_on = output::count(self.trained_on, "image");
        output::line(format!("\nThe model, trained on {trained_on}, is in {}.", self.out.display()))?;
        self.bad_images.note(false);
        Ok(())
    }

    fn print_candidates(&self) -> Result<()> {
        output::line(format!("\nCandidates, by {}-fold cross-validation", self.folds))?;
        let mut table = output::table(["reg-param", "elastic-net", "accuracy", ""]);
        for (i, candidate) in self.candidates.iter().enumerate() {
            table.add_row([
                candidate.reg_param.to_string(),
                candidate.elastic_net.to_string(),
                format!("{:.3} ± {:.3}", candidate.accuracy, candidate.std),
                if i == self.best { "best".into() } else { String::new() },
            ]);
        }
        Ok(output::print(&table)?)
    }
}

impl HeldOut {
    fn print(&self) -> Result<()> {
        output::line(format!(
            "\nAccuracy {:.3} on {} held out",
            self.accuracy,
            output::count(self.rows, "image")
        ))?;
        let labels: Vec<String> = self.labels.iter().map(|label| output::printable(label)).collect();
        let mut table = output::table_of([vec!["label \\ predicted".to_string()], labels.clone()].concat());
        for (label, counts) in labels.into_iter().zip(&self.confusion) {
            table.add_row([vec![label], counts.iter().map(ToString::to_string).collect()].concat());
        }
        output::print(&table)?;
        if self.mistakes.is_empty() {
            return Ok(());
        }
        output::line("\nWorst mistakes")?;
        let mut table = output::table(["image", "label", "predicted", "probability of the label"]);
        for Mistake { origin, label, predicted, probability_of_label } in &self.mistakes {
            let (label, predicted) = (output::printable(label), output::printable(predicted));
            table.add_row([
                output::short_path(origin),
                label,
                predicted,
                format!("{probability_of_label:.3}"),
            ]);
        }
        Ok(output::print(&table)?)
    }
}
