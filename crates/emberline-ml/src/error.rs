//! What can go wrong in a pipeline.

use std::path::PathBuf;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use emberline_table::TableError;

use crate::linear::LinearError;

/// This crate's result.
pub type Result<T, E = MlError> = std::result::Result<T, E>;

/// What went wrong, naming the stage and the parameter or column.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MlError {
    /// A parameter is not what it may be.
    #[error("{stage}: parameter `{param}`: expected {expected}, found {found}")]
    Param {
        /// The stage's uid.
        stage: String,
        /// The parameter's name.
        param: String,
        /// What it may be.
        expected: String,
        /// What it was.
        found: String,
    },
    /// A stage has no parameter of that name.
    #[error("{stage}: no parameter `{param}`; it has {known}")]
    UnknownParam {
        /// The stage's uid.
        stage: String,
        /// The name asked for.
        param: String,
        /// The names there are.
        known: String,
    },
    /// A column that a stage needs is not there.
    #[error(
        "{stage}: parameter `{param}` names column `{column}`, which does not exist; the columns are {known}"
    )]
    MissingColumn {
        /// The stage's uid.
        stage: String,
        /// The parameter that names the column.
        param: String,
        /// The column's name.
        column: String,
        /// The columns there are.
        known: String,
    },
    /// A column has a type that a stage can't use.
    #[error("{stage}: column `{column}` has type {found}, expected {expected}")]
    ColumnType {
        /// The stage's uid.
        stage: String,
        /// The column's name.
        column: String,
        /// What it may be.
        expected: String,
        /// What it is.
        found: DataType,
    },
    /// A value in a column can't be used.
    #[error("{stage}: column `{column}`: {reason}")]
    Value {
        /// The stage's uid.
        stage: String,
        /// The column's name.
        column: String,
        /// The value, and what is wrong with it.
        reason: String,
    },
    /// The stages of a pipeline do not go together, or a model can't do what is asked.
    #[error("{stage}: {reason}")]
    Stage {
        /// The stage's uid.
        stage: String,
        /// What is wrong.
        reason: String,
    },
    /// Training a linear model failed.
    #[error("{stage}: {source}")]
    Linear {
        /// The stage's uid.
        stage: String,
        /// Why.
        source: LinearError,
    },
    /// Training a network failed.
    #[error("{stage}: {source}")]
    Training {
        /// The stage's uid.
        stage: String,
        /// Why.
        source: emberline_train::Error,
    },
    /// A saved stage can't be read or written.
    #[error("{}: {reason}", path.display())]
    Saved {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A named network can't be had.
    #[error(transparent)]
    Zoo(#[from] emberline_zoo::Error),
    /// A network can't be cut or run.
    #[error(transparent)]
    Network(#[from] emberline_net::Error),
    /// A table can't be read.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl From<DataFusionError> for MlError {
    fn from(error: DataFusionError) -> Self {
        Self::Table(error.into())
    }
}

impl From<datafusion::arrow::error::ArrowError> for MlError {
    fn from(error: datafusion::arrow::error::ArrowError) -> Self {
        Self::Table(error.into())
    }
}

impl MlError {
    /// A saved file that can't be used, and why.
    pub(crate) fn saved(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::Saved { path: path.into(), reason: reason.to_string() }
    }

    /// A stage that can't do what is asked, and why.
    pub(crate) fn stage(uid: &str, reason: impl ToString) -> Self {
        Self::Stage { stage: uid.into(), reason: reason.to_string() }
    }
}
