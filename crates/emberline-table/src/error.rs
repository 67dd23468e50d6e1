//! What can go wrong with a table, named by who is at fault.

use std::path::PathBuf;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;

/// This crate's result.
pub type Result<T, E = TableError> = std::result::Result<T, E>;

/// What went wrong. A bad *row* is never one of these: it is a null with a reason (see
/// [`RowError`](crate::RowError)).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// A function was given a column it can't take.
    #[error("{function}: column `{column}` has type {found}, expected {expected}")]
    ColumnType {
        /// The function's kind.
        function: String,
        /// The column's name.
        column: String,
        /// What the function takes.
        expected: String,
        /// What the column is.
        found: DataType,
    },
    /// A function was called with the wrong number of arguments.
    #[error("{function}: expected {expected} argument(s), found {found}")]
    ArgumentCount {
        /// The function's kind.
        function: String,
        /// How many it takes.
        expected: usize,
        /// How many it got.
        found: usize,
    },
    /// A setting is outside what it may be.
    #[error("{parameter}: expected {expected}, found {found}")]
    Setting {
        /// The setting's name.
        parameter: String,
        /// What it may be.
        expected: String,
        /// What it was.
        found: String,
    },
    /// A place to read images from can't be used.
    #[error("{uri}: {reason}")]
    Source {
        /// The place, as given.
        uri: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A described function can't be rebuilt.
    #[error("cannot rebuild a `{kind}` function: {reason}")]
    Description {
        /// The function's kind.
        kind: String,
        /// What is wrong with the description.
        reason: String,
    },
    /// A saved file can't be used.
    #[error("{}: {reason}", path.display())]
    Saved {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A network failed to load or run.
    #[error(transparent)]
    Network(#[from] emberline_net::Error),
    /// DataFusion's own error.
    #[error(transparent)]
    DataFusion(#[from] DataFusionError),
}

impl TableError {
    /// An I/O error with the path it happened at.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    /// A saved file that can't be used, and why.
    pub fn saved(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Saved { path: path.into(), reason: reason.into() }
    }

    /// A description that can't be turned into a function, and why.
    pub fn description(kind: impl Into<String>, reason: impl ToString) -> Self {
        Self::Description { kind: kind.into(), reason: reason.to_string() }
    }
}

impl From<TableError> for DataFusionError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::DataFusion(inner) => inner,
            other => Self::External(Box::new(other)),
        }
    }
}

impl From<datafusion::arrow::error::ArrowError> for TableError {
    fn from(error: datafusion::arrow::error::ArrowError) -> Self {
        Self::DataFusion(error.into())
    }
}
