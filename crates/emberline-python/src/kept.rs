//! What is kept on disk for later processes: features, and trials of tuning.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use emberline::ml::set_feature_cache;
use pyo3::prelude::*;

use crate::error::Failure;
use crate::interchange::{self, Bytes};

/// The caches that this process has open: a folder is opened once, and shared.
static OPEN: Mutex<Option<HashMap<PathBuf, Weak<emberline::FeatureCache>>>> = Mutex::new(None);

fn open(folder: &Path, bytes_max: u64) -> Result<Arc<emberline::FeatureCache>, Failure> {
    std::fs::create_dir_all(folder).map_err(PyErr::from)?;
    let folder = folder.canonicalize().map_err(PyErr::from)?;
    let mut guard = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let caches = guard.get_or_insert_default();
    if let Some(cache) = caches.get(&folder).and_then(Weak::upgrade) {
        return Ok(cache);
    }
    let cache = Arc::new(emberline::FeatureCache::open(&folder, bytes_max)?);
    caches.insert(folder, Arc::downgrade(&cache));
    Ok(cache)
}

/// Features by image and network.
#[pyclass(frozen, module = "emberline._emberline")]
pub(crate) struct FeatureCache {
    inner: Arc<emberline::FeatureCache>,
    folder: PathBuf,
}

#[pymethods]
impl FeatureCache {
    #[new]
    #[pyo3(signature = (folder=None, bytes_max=None))]
    fn new(folder: Option<PathBuf>, bytes_max: Option<u64>) -> Result<Self, Failure> {
        let folder = folder.unwrap_or_else(emberline::FeatureCache::default_folder);
        let bytes_max = match bytes_max {
            Some(bytes_max) => bytes_max,
            None => emberline::FeatureCache::default_bytes_max()?,
        };
        Ok(Self { inner: open(&folder, bytes_max)?, folder })
    }

    fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    /// Entries, bytes and the limit on bytes; vectors found and added.
    fn stats(&self) -> Result<[u64; 5], Failure> {
        let stats = self.inner.stats()?;
        Ok([stats.entries, stats.bytes, stats.bytes_max, stats.found, stats.added])
    }

    fn clear(&self) -> Result<(), Failure> {
        Ok(self.inner.clear()?)
    }
}

/// Has stages look features up in a cache, or in none.
#[pyfunction]
#[pyo3(signature = (cache=None))]
pub(crate) fn use_feature_cache(cache: Option<&FeatureCache>) {
    set_feature_cache(cache.map(|cache| cache.inner.clone()));
}

/// Finished trials.
#[pyclass(frozen, module = "emberline._emberline")]
pub(crate) struct Ledger {
    pub(crate) inner: Arc<emberline::ml::Ledger>,
    path: PathBuf,
}

#[pymethods]
impl Ledger {
    #[new]
    #[pyo3(signature = (path=None))]
    fn new(path: Option<PathBuf>) -> Result<Self, Failure> {
        let path = path.unwrap_or_else(emberline::ml::Ledger::default_path);
        Ok(Self { inner: Arc::new(emberline::ml::Ledger::open(&path)?), path })
    }

    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// All trials as a table.
    fn trials(&self) -> Result<Bytes, Failure> {
        let trials = self.inner.to_batch()?;
        interchange::write(&trials.schema(), &[trials])
    }
}
