//! Stages that prepare columns.

pub(crate) mod columns;
mod exact_sum;
mod index_to_string;
mod min_max_scaler;
mod normalizer;
mod one_hot_encoder;
mod pca;
mod sql_transformer;
mod standard_scaler;
mod string_indexer;
mod vector_assembler;
mod vector_column;
mod vector_function;

use emberline_table::FunctionKinds;
use vector_function::VectorMap;

pub use index_to_string::IndexToString;
pub use min_max_scaler::{MinMaxScaler, MinMaxScalerModel};
pub use normalizer::Normalizer;
pub use one_hot_encoder::{OneHotEncoder, OneHotEncoderModel};
pub use pca::{Pca, PcaModel};
pub use sql_transformer::SqlTransformer;
pub use standard_scaler::{StandardScaler, StandardScalerModel};
pub use string_indexer::{StringIndexer, StringIndexerModel};
pub use vector_assembler::VectorAssembler;

/// Adds the kinds of column function of the stages here.
pub(crate) fn add_function_kinds(kinds: &mut FunctionKinds) {
    kinds.add(index_to_string::KIND, index_to_string::rebuild);
    kinds.add(one_hot_encoder::KIND, one_hot_encoder::rebuild);
    kinds.add(string_indexer::KIND, string_indexer::rebuild);
    kinds.add(vector_assembler::KIND, vector_assembler::rebuild);
    kinds.add(min_max_scaler::Rescale::KIND, vector_function::rebuild::<min_max_scaler::Rescale>);
    kinds.add(normalizer::Normalize::KIND, vector_function::rebuild::<normalizer::Normalize>);
    kinds.add(pca::Project::KIND, vector_function::rebuild::<pca::Project>);
    kinds.add(standard_scaler::Standardize::KIND, vector_function::rebuild::<standard_scaler::Standardize>);
}
