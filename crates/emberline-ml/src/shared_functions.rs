//! Functions that equal settings share, so that a prepared network is not held twice.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::Result;

/// The functions in use by their settings.
pub(crate) struct SharedFunctions<K, F>(LazyLock<Mutex<State<K, F>>>);

struct State<K, F> {
    in_use: HashMap<K, Weak<F>>,
    /// The one made last stays when nothing uses it: what asks for a column's type and lets go is followed by the next
    /// candidate or query that wants the same network.
    latest: Option<Arc<F>>,
}

impl<K: Eq + Hash + Clone, F> SharedFunctions<K, F> {
    pub(crate) const fn new() -> Self {
        Self(LazyLock::new(|| Mutex::new(State { in_use: HashMap::new(), latest: None })))
    }

    /// The function of a setting, made if none is there.
    pub(crate) fn get(&self, setting: &K, make: impl FnOnce() -> Result<F>) -> Result<Arc<F>> {
        let mut state = self.state();
        if let Some(function) = state.in_use.get(setting).and_then(Weak::upgrade) {
            return Ok(function);
        }
        let function = Arc::new(make()?);
        state.in_use.insert(setting.clone(), Arc::downgrade(&function));
        state.latest = Some(Arc::clone(&function));
        Ok(function)
    }

    /// Lets the one made last go, if nothing else uses it.
    pub(crate) fn forget_latest(&self) {
        self.state().latest = None;
    }

    fn state(&self) -> MutexGuard<'_, State<K, F>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
