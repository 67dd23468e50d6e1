//! What was measured before: one line of JSON per finished trial, in a file that several processes may add to.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use emberline_net::home_dir;
use emberline_table::Digest;
use serde::{Deserialize, Serialize};

use crate::error::{MlError, Result};

/// Finished trials, by what they measured: candidate, data, fold and metric. A trial that is in it need not be repeated,
/// whichever run it was part of.
///
/// Each line is written whole and at once, so that a process may end at any time and others may write as well.
/// A line that is cut off or damaged is left out.
///
/// ```
/// let dir = tempfile::tempdir().unwrap();
/// let ledger = emberline_ml::Ledger::open(&dir.path().join("trials.jsonl")).unwrap();
/// assert!(ledger.entries().is_empty());
/// ```
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    metrics: HashMap<Digest, f64>,
    entries: Vec<LedgerEntry>,
}

/// A finished trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// What was measured: the digest of candidate, data, fold and metric.
    pub key: Digest,
    /// The candidate's params, as `stage.param=value, ...`.
    pub candidate: String,
    /// The fold that was held out.
    pub fold: usize,
    /// The share of the rows that took part.
    pub share: f64,
    /// The metric's name.
    pub metric_name: String,
    /// The metric.
    pub metric: f64,
}

impl Ledger {
    /// Opens a ledger, and makes it if there is none.
    ///
    /// # Errors
    /// When the file can't be read or written.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |e: std::io::Error| MlError::saved(path, e);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        let mut entries = Vec::new();
        let mut ends_with_newline = true;
        for line in BufReader::new(&file).split(b'\n') {
            let line = line.map_err(failed)?;
            match serde_json::from_slice::<LedgerEntry>(&line) {
                Ok(entry) => entries.push(entry),
                Err(_) if line.is_empty() => {}
                Err(error) => {
                    ends_with_newline = false;
                    log::warn!("{}: a line is damaged and left out: {error}", path.display());
                }
            }
        }
        if !ends_with_newline {
            // What a process that was killed left unfinished must not swallow the next line.
            file.write_all(b"\n").map_err(failed)?;
        }
        let metrics = entries.iter().map(|entry| (entry.key, entry.metric)).collect();
        Ok(Self { path: path.into(), state: Mutex::new(State { file, metrics, entries }) })
    }

    /// The ledger that the command and the Python package share.
    #[must_use]
    pub fn default_path() -> PathBuf {
        home_dir().join("trials.jsonl")
    }

    /// All finished trials, in the order in which they finished.
    pub fn entries(&self) -> Vec<LedgerEntry> {
        self.lock().entries.clone()
    }

    /// All finished trials as a table: `candidate`, `fold`, `share`, `metric_name`, `metric`.
    ///
    /// # Errors
    /// When Arrow can't make a batch of them.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let entries = self.entries();
        let text = |get: fn(&LedgerEntry) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(entries.iter().map(get)))
        };
        let number = |get: fn(&LedgerEntry) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(entries.iter().map(get)))
        };
        let folds = Int64Array::from_iter_values(entries.iter().map(|entry| entry.fold as i64));
        Ok(RecordBatch::try_from_iter([
            ("candidate", text(|entry| &entry.candidate)),
            ("fold", Arc::new(folds) as ArrayRef),
            ("share", number(|entry| entry.share)),
            ("metric_name", text(|entry| &entry.metric_name)),
            ("metric", number(|entry| entry.metric)),
        ])?)
    }

    /// The same ledger, to which finished trials are added, and in which none are looked up.
    #[must_use]
    pub fn recording_only(self) -> Self {
        self.lock().metrics.clear();
        self
    }

    pub(super) fn metric(&self, key: &Digest) -> Option<f64> {
        self.lock().metrics.get(key).copied()
    }

    pub(super) fn record(&self, entry: LedgerEntry) -> Result<()> {
        let failed = |e: std::io::Error| MlError::saved(&self.path, e);
        let mut line = serde_json::to_vec(&entry).map_err(|e| MlError::saved(&self.path, e))?;
        line.push(b'\n');
        let mut state = self.lock();
        // One write of a file opened for appending: lines of several processes do not mix.
        state.file.write_all(&line).map_err(failed)?;
        state.metrics.insert(entry.key, entry.metric);
        state.entries.push(entry);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
