//! Processes that train networks together; `emberline.spark.runner` starts them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use emberline::ml::set_workers;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::Failure;

/// Where this process waits for the worker before it.
#[pyclass(frozen, module = "emberline._emberline")]
pub(crate) struct WorkerListener {
    port: u16,
    /// None after joining.
    inner: Mutex<Option<emberline::ml::WorkerListener>>,
}

#[pymethods]
impl WorkerListener {
    #[new]
    fn new(host: &str) -> Result<Self, Failure> {
        let inner = emberline::ml::WorkerListener::bind(host)?;
        Ok(Self { port: inner.port()?, inner: Mutex::new(Some(inner)) })
    }

    fn port(&self) -> u16 {
        self.port
    }

    /// Joins the workers at these addresses, this one with its number among them; networks are trained with them from now on.
    /// `timeout_s` is how long a worker waits for another.
    fn join(
        &self,
        py: Python<'_>,
        rank: usize,
        addresses: Vec<String>,
        secret: [u8; 32],
        timeout_s: f64,
    ) -> PyResult<()> {
        let timeout = Duration::try_from_secs_f64(timeout_s)
            .map_err(|error| PyValueError::new_err(format!("timeout {timeout_s}: {error}")))?;
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner).take();
        let inner = inner.ok_or_else(|| PyValueError::new_err("this worker has joined already"))?;
        let joined = py.detach(|| inner.join(rank, &addresses, secret, timeout)).map_err(Failure::from)?;
        set_workers(Some(Arc::new(joined)));
        Ok(())
    }
}

/// Trains networks alone from now on; who still trains with this process fails.
#[pyfunction]
pub(crate) fn leave_workers() {
    set_workers(None);
}
