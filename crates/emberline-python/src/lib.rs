//! The extension module behind the Python package `emberline`: sessions, tables and stages, and nothing that Python can say
//! as well. What users see, with its docs, is in `python/emberline/`.

mod attributes;
mod cluster;
mod error;
mod function;
mod interchange;
mod kept;
mod network;
mod session;
mod stage;
mod summary;
mod table;
mod value;
mod work;
mod workers;

use pyo3::prelude::*;

/// The module.
#[pymodule]
mod _emberline {
    #[pymodule_export]
    use super::function::Function;
    #[pymodule_export]
    use super::interchange::Bytes;
    #[pymodule_export]
    use super::kept::{FeatureCache, Ledger, use_feature_cache};
    #[pymodule_export]
    use super::network::Network;
    #[pymodule_export]
    use super::session::Session;
    #[pymodule_export]
    use super::stage::{Stage, kinds};
    #[pymodule_export]
    use super::summary::ClassificationSummary;
    #[pymodule_export]
    use super::table::{Batches, Table};
    #[pymodule_export]
    use super::workers::{WorkerListener, leave_workers};
    #[pymodule_export]
    use super::{look_for_onnxruntime_in, networks, version};
}

/// Names the folder of the `onnxruntime` package's library; it is loaded when a network first runs.
#[pyfunction]
fn look_for_onnxruntime_in(folder: std::path::PathBuf) {
    emberline::net::look_for_library_in(folder);
}

/// The version of the crates.
#[pyfunction]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The names of the networks.
#[pyfunction]
fn networks() -> Vec<&'static str> {
    emberline::zoo::cards().iter().map(|card| card.name).collect()
}
