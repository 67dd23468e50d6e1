//! The workers that networks are trained with: processes that make the same fits at the same time, each on rows of its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use emberline_train::{Error, Result, Workers};

static WORKERS: Mutex<Option<Arc<Workers>>> = Mutex::new(None);

/// Has networks that this process fits from now on be trained with other workers, as one network on the rows of all; `None` for
/// alone, which is how a process starts.
///
/// All workers make the same fits in the same order, whatever stages or pipelines they belong to.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use emberline_ml::{WorkerListener, set_workers};
/// let listener = WorkerListener::bind("127.0.0.1").unwrap();
/// let addresses = [format!("127.0.0.1:{}", listener.port().unwrap())];
/// let alone = listener.join(0, &addresses, [0; 32], Duration::from_secs(1)).unwrap();
/// set_workers(Some(Arc::new(alone)));
/// # set_workers(None);
/// ```
pub fn set_workers(workers: Option<Arc<Workers>>) {
    *WORKERS.lock().unwrap_or_else(PoisonError::into_inner) = workers;
}

pub(super) fn workers() -> Option<Arc<Workers>> {
    WORKERS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The names that any worker has.
pub(super) fn names_of_all(own: BTreeSet<String>) -> Result<BTreeSet<String>> {
    let Some(workers) = workers() else { return Ok(own) };
    let failed = |error: serde_json::Error| Error::Workers { problem: format!("names of classes: {error}") };
    let mut all = BTreeSet::new();
    for said in workers.gather(&serde_json::to_vec(&own).map_err(failed)?)? {
        all.extend(serde_json::from_slice::<BTreeSet<String>>(&said).map_err(failed)?);
    }
    Ok(all)
}

/// The greatest number that any worker has.
pub(super) fn greatest_of_all(own: usize) -> Result<usize> {
    let Some(workers) = workers() else { return Ok(own) };
    let said = workers.gather(&(own as u64).to_le_bytes())?;
    let numbers = said.iter().filter_map(|said| Some(u64::from_le_bytes(said.as_slice().try_into().ok()?)));
    Ok(numbers.max().and_then(|number| usize::try_from(number).ok()).unwrap_or(own))
}
