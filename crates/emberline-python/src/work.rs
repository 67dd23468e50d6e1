//! Work on threads of its own while Python waits: without the interpreter's lock, and so that Ctrl-C ends it.

use std::future::Future;
use std::sync::LazyLock;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::error::Failure;

/// How often signals are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Plans of queries are deep, as in the command.
const STACK_BYTES: usize = 8 << 20;

/// The threads of all sessions.
static RUNTIME: LazyLock<std::io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().thread_stack_size(STACK_BYTES).enable_all().build());

/// Runs `work` and waits for it. `tick`, if there is one, is called ten times a second meanwhile.
///
/// # Errors
/// Those of `work`; and what Python's handlers of signals and `tick` raise, after which `work` is dropped at the next point
/// where it waits.
pub(crate) fn wait<T, E>(
    py: Python<'_>,
    tick: Option<&Bound<'_, PyAny>>,
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> PyResult<T>
where
    T: Send + 'static,
    E: Into<Failure> + Send + 'static,
{
    let runtime = RUNTIME.as_ref().map_err(|e| PyOSError::new_err(e.to_string()))?;
    let (done, mut waiting) = sync_channel(1);
    let task = runtime.spawn(async move {
        // Nobody waits any more after an interrupt.
        let _ = done.send(work.await);
    });
    loop {
        let (receiver, news) = py.detach(move || {
            let news = waiting.recv_timeout(TICK);
            (waiting, news)
        });
        waiting = receiver;
        match news {
            Ok(result) => return result.map_err(|error| error.into().into()),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err(
                    "a computation ended unexpectedly; the message above says where",
                ));
            }
            Err(RecvTimeoutError::Timeout) => {
                let go_on =
                    py.check_signals().and_then(|()| tick.map_or(Ok(()), |tick| tick.call0().map(drop)));
                if let Err(error) = go_on {
                    task.abort();
                    return Err(error);
                }
            }
        }
    }
}
