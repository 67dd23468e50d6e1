//! What happened to the rows: how many were read, how many have no answer, and why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::function::RowError;

/// How many failed rows are kept with their origin; the rest are only counted.
const SAMPLES_MAX: usize = 100;
/// How many different reasons are told apart; the rest are counted together.
const REASONS_MAX: usize = 1_000;

/// Counts of rows of a session, growing while its queries run. Cheap to clone: clones share the counts.
///
/// ```
/// use emberline_table::{Report, RowError};
/// let report = Report::default();
/// report.add_read(3);
/// report.add_errors(&[RowError { row: 1, origin: Some("a.jpg".into()), reason: "not an image".into() }]);
/// let counts = report.counts();
/// assert_eq!((counts.read, counts.failed), (3, 1));
/// assert_eq!(counts.reasons["not an image"], 1);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Report(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    read: AtomicU64,
    evaluated: AtomicU64,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    count: u64,
    reasons: BTreeMap<String, u64>,
    samples: Vec<(Option<String>, String)>,
}

/// The counts at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Files read.
    pub read: u64,
    /// Rows that a column function was run on.
    pub evaluated: u64,
    /// Rows without an answer, for a reason.
    pub failed: u64,
    /// The failed rows by reason.
    pub reasons: BTreeMap<String, u64>,
    /// The first failed rows: where the image came from, and the reason.
    pub samples: Vec<(Option<String>, String)>,
}

impl Report {
    /// Counts files read.
    pub fn add_read(&self, rows: usize) {
        self.0.read.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Counts rows a function was run on.
    pub fn add_evaluated(&self, rows: usize) {
        self.0.evaluated.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Counts failed rows.
    pub fn add_errors(&self, errors: &[RowError]) {
        if errors.is_empty() {
            return;
        }
        let mut failures = self.0.failures.lock();
        for RowError { origin, reason, .. } in errors {
            failures.count += 1;
            let known = failures.reasons.contains_key(reason) || failures.reasons.len() < REASONS_MAX;
            let key = if known { reason.as_str() } else { "other reasons" };
            *failures.reasons.entry(key.to_string()).or_default() += 1;
            if failures.samples.len() < SAMPLES_MAX {
                failures.samples.push((origin.clone(), reason.clone()));
            }
        }
    }

    /// The counts so far; the samples in the order of their origins.
    pub fn counts(&self) -> RowCounts {
        let failures = self.0.failures.lock();
        let mut samples = failures.samples.clone();
        samples.sort();
        RowCounts {
            read: self.0.read.load(Ordering::Relaxed),
            evaluated: self.0.evaluated.load(Ordering::Relaxed),
            failed: failures.count,
            reasons: failures.reasons.clone(),
            samples,
        }
    }

    /// Starts again from nothing.
    pub fn reset(&self) {
        self.0.read.store(0, Ordering::Relaxed);
        self.0.evaluated.store(0, Ordering::Relaxed);
        *self.0.failures.lock() = Failures::default();
    }
}
