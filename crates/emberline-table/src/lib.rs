//! Tables of images: Apache Arrow batches in Apache DataFusion.
//!
//! The idea everything hangs on is the [`ColumnFunction`]: Arrow arrays in, one Arrow array of the same length
//! out, row by row independent, plus a [`Description`] from which it can be rebuilt elsewhere. A network, a
//! fitted classifier and a whole fitted pipeline are column functions; a [`Session`] runs them in SQL, and
//! [`evaluate::apply`] runs them in a `DataFrame`, once per row either way.
//!
//! This is the only crate that names DataFusion's extension points. It knows nothing about estimators, nor
//! where a network's weights come from.

mod describe;
mod error;
pub mod evaluate;
mod feature_cache;
mod function;
pub mod functions;
mod image_column;
mod input;
mod new_folder;
mod parquet;
mod reader;
mod report;
mod select;
mod session;
mod source;
mod sql;

pub use describe::{Blob, Blobs, Description, FunctionKinds, Rebuild, load_function, save_function};
pub use emberline_net::Digest;
pub use error::{Result, TableError};
pub use evaluate::Step;
pub use feature_cache::{CacheStats, FeatureCache};
pub use function::{ColumnFunction, Evaluated, RowError, check_arity};
pub use image_column::{ImageBuilder, ImageColumn, ImageRow, image_type, is_image_type};
pub use input::{ImageInput, PixelSource};
pub use new_folder::NewFolder;
pub use parquet::write_parquet;
pub use reader::{ImageTable, LabelFrom, ReadOptions};
pub use report::{Report, RowCounts};
pub use select::select;
pub use session::{FunctionResolver, Session, SessionOptions};

/// The DataFusion this crate speaks.
pub use datafusion;
/// The Arrow this crate speaks, so that callers build arrays of the same version.
pub use datafusion::arrow;
