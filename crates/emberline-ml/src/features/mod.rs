//! Stages that prepare columns.

mod index_to_string;
mod string_indexer;

pub use index_to_string::IndexToString;
pub(crate) use index_to_string::{INDEX_TO_STRING, rebuild as rebuild_index_to_string};
pub(crate) use string_indexer::{STRING_INDEXER, rebuild as rebuild_string_indexer};
pub use string_indexer::{StringIndexer, StringIndexerModel};
