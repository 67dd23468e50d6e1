//! Errors of Rust as exceptions of Python: the type that Python has for it, and the same message.

use std::io;
use std::path::Path;

use emberline::TableError;
use emberline::arrow::error::ArrowError;
use emberline::datafusion::error::DataFusionError;
use emberline::ml::{MlError, TrainError};
use pyo3::PyErr;
use pyo3::exceptions::{
    PyConnectionError, PyFileExistsError, PyFileNotFoundError, PyMemoryError, PyOSError, PyPermissionError,
    PyRuntimeError, PyValueError,
};

/// An error of one of the crates, on its way to Python.
pub(crate) struct Failure(PyErr);

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self(error)
    }
}

impl From<MlError> for Failure {
    fn from(error: MlError) -> Self {
        Self(of_ml(&error))
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        Self(of_train(&error, error.to_string()))
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        Self(of_table(&error))
    }
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        Self(of_datafusion(&error))
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        Self(PyValueError::new_err(error.to_string()))
    }
}

fn of_ml(error: &MlError) -> PyErr {
    let message = error.to_string();
    match error {
        MlError::Saved { path, .. } => of_path(path, message),
        MlError::Zoo(error) => of_zoo(error, message),
        MlError::Network(error) => of_network(error, message),
        MlError::Training { source, .. } => of_train(source, message),
        MlError::Table(error) => of_table(error),
        _ => PyValueError::new_err(message),
    }
}

fn of_train(error: &TrainError, message: String) -> PyErr {
    match error {
        TrainError::Workers { .. } => PyConnectionError::new_err(message),
        _ => PyValueError::new_err(message),
    }
}

fn of_table(error: &TableError) -> PyErr {
    let message = error.to_string();
    match error {
        TableError::Source { uri, .. } => {
            let is_local = !uri.contains("://") && !uri.contains(['*', '?', '[']);
            if is_local { of_path(Path::new(uri), message) } else { PyOSError::new_err(message) }
        }
        TableError::Saved { path, .. } => of_path(path, message),
        TableError::Io { source, .. } => of_io(source, message),
        TableError::Network(error) => of_network(error, message),
        TableError::DataFusion(error) => of_datafusion(error),
        _ => PyValueError::new_err(message),
    }
}

fn of_datafusion(error: &DataFusionError) -> PyErr {
    match error {
        DataFusionError::External(inner) => {
            if let Some(inner) = inner.downcast_ref::<TableError>() {
                return of_table(inner);
            }
            if let Some(inner) = inner.downcast_ref::<MlError>() {
                return of_ml(inner);
            }
            PyRuntimeError::new_err(inner.to_string())
        }
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => of_datafusion(inner),
        DataFusionError::Shared(inner) => of_datafusion(inner),
        DataFusionError::IoError(source) => of_io(source, error.to_string()),
        DataFusionError::ObjectStore(_) => PyOSError::new_err(error.to_string()),
        DataFusionError::ResourcesExhausted(_) => PyMemoryError::new_err(error.to_string()),
        DataFusionError::Internal(_) | DataFusionError::ExecutionJoin(_) => {
            PyRuntimeError::new_err(error.to_string())
        }
        _ => PyValueError::new_err(error.strip_backtrace()),
    }
}

fn of_zoo(error: &emberline::zoo::Error, message: String) -> PyErr {
    use emberline::zoo::Error;
    match error {
        Error::Offline { .. } => PyFileNotFoundError::new_err(message),
        Error::Unavailable { .. } | Error::Source { .. } => PyOSError::new_err(message),
        Error::Io { source, .. } => of_io(source, message),
        Error::Network(error) => of_network(error, message),
        _ => PyValueError::new_err(message),
    }
}

fn of_network(error: &emberline::net::Error, message: String) -> PyErr {
    use emberline::net::Error;
    match error {
        Error::Io { source, .. } => of_io(source, message),
        Error::Library { .. } | Error::Runtime { .. } => PyRuntimeError::new_err(message),
        _ => PyValueError::new_err(message),
    }
}

/// What is wrong with a path that can't be used: most often, that nothing is there.
fn of_path(path: &Path, message: String) -> PyErr {
    match path.try_exists() {
        Ok(true) => PyValueError::new_err(message),
        Ok(false) => PyFileNotFoundError::new_err(message),
        Err(source) => of_io(&source, message),
    }
}

fn of_io(source: &io::Error, message: String) -> PyErr {
    match source.kind() {
        io::ErrorKind::NotFound => PyFileNotFoundError::new_err(message),
        io::ErrorKind::AlreadyExists => PyFileExistsError::new_err(message),
        io::ErrorKind::PermissionDenied => PyPermissionError::new_err(message),
        _ => PyOSError::new_err(message),
    }
}
