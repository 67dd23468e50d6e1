//! The images that could not be read: how many, why, and the first ones by name.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use emberline::Report;
use serde::Serialize;

use crate::output;

/// How many reasons are told.
const REASONS_SHOWN: usize = 5;
/// How many images are named for each reason.
const EXAMPLES_SHOWN: usize = 3;
/// How many images are named in JSON.
const EXAMPLES_IN_JSON: usize = 20;

/// What a command tells of them at its end.
#[derive(Debug, Serialize)]
pub(crate) struct BadImages {
    count: u64,
    of: u64,
    reasons: BTreeMap<String, u64>,
    examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
struct Example {
    origin: Option<String>,
    reason: String,
}

impl BadImages {
    /// Those of `total` images that a session has counted.
    pub(crate) fn of(report: &Report, total: u64) -> Self {
        let counts = report.counts();
        let example = |(origin, reason)| Example { origin, reason };
        Self {
            count: counts.failed,
            of: total,
            reasons: counts.reasons,
            examples: counts.samples.into_iter().take(EXAMPLES_IN_JSON).map(example).collect(),
        }
    }

    /// Those of `total` images that a session has read several times, of which `count` are bad. Reasons are counted over the
    /// images that are known by name.
    pub(crate) fn of_passes(report: &Report, total: u64, count: u64) -> Self {
        let samples: BTreeMap<Option<String>, String> = report.counts().samples.into_iter().collect();
        let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
        samples.values().for_each(|reason| *reasons.entry(reason.clone()).or_default() += 1);
        let example = |(origin, reason)| Example { origin, reason };
        let examples = samples.into_iter().take(EXAMPLES_IN_JSON).map(example).collect();
        Self { count, of: total, reasons, examples }
    }

    /// Writes them to standard error, if there are any; `json` for programs.
    pub(crate) fn note(&self, json: bool) {
        match serde_json::to_string(&serde_json::json!({ "bad_images": self })) {
            _ if self.count == 0 => {}
            Ok(line) if json => output::note(line),
            _ => output::note(self.text()),
        }
    }

    fn text(&self) -> String {
        let images = output::count(self.of, "image");
        let mut lines = vec![format!("{} of {images} could not be read:", output::thousands(self.count))];
        let mut reasons: Vec<(&String, u64)> =
            self.reasons.iter().map(|(reason, count)| (reason, *count)).collect();
        reasons.sort_by_key(|(_, count)| Reverse(*count));
        for (reason, count) in reasons.iter().take(REASONS_SHOWN) {
            let named = self.examples.iter().filter(|example| example.reason == **reason);
            let named = named.filter_map(|example| example.origin.as_deref()).map(output::short_path);
            let named: Vec<String> = named.take(EXAMPLES_SHOWN).collect();
            let more = if (named.len() as u64) < *count { ", ..." } else { "" };
            lines.push(format!(
                "  {}: {} ({}{more})",
                output::thousands(*count),
                output::printable(reason),
                named.join(", ")
            ));
        }
        if reasons.len() > REASONS_SHOWN {
            lines.push(format!(
                "  and {}",
                output::count((reasons.len() - REASONS_SHOWN) as u64, "other reason")
            ));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use emberline::RowError;

    use super::*;

    #[test]
    fn reasons_come_with_counts_and_names() {
        let report = Report::default();
        let error = |origin: &str, reason: &str| RowError {
            row: 0,
            origin: Some(origin.into()),
            reason: reason.into(),
        };
        report.add_errors(&[error("/a", "empty"), error("/b", "truncated"), error("/c", "truncated")]);
        let text = BadImages::of(&report, 1_200).text();
        assert_eq!(text, "3 of 1,200 images could not be read:\n  2: truncated (/b, /c)\n  1: empty (/a)");
    }
}
