//! What can go wrong, named by who is at fault: the network's description, its weights, a file, or a runtime.

use std::path::PathBuf;

/// An error of this crate. Every message names the layer, weight, file or library concerned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The graph is not a valid network: a name twice, an unknown input, a shape a layer can't take.
    #[error("network `{network}`, layer `{layer}`: {problem}")]
    Layer {
        /// The network's name.
        network: String,
        /// The layer's name.
        layer: String,
        /// What is wrong, what was expected, what was found.
        problem: String,
    },

    /// The network as a whole can't be used as asked.
    #[error("network `{network}`: {problem}")]
    Network {
        /// The network's name.
        network: String,
        /// What is wrong.
        problem: String,
    },

    /// Weights are missing, unknown or of the wrong shape.
    #[error("network `{network}`, weight `{weight}`: {problem}")]
    Weight {
        /// The network's name.
        network: String,
        /// The weight's name, `layer/kernel`.
        weight: String,
        /// What is wrong, what was expected, what was found.
        problem: String,
    },

    /// A tensor's shape and its number of values disagree, or an axis does not exist.
    #[error("tensor: {problem}")]
    Tensor {
        /// What is wrong.
        problem: String,
    },

    /// A weights file can't be read: it is damaged, or holds what this reader refuses.
    #[error("{format} file: {problem}")]
    Format {
        /// The file's format, such as `PyTorch`.
        format: &'static str,
        /// What is wrong and where.
        problem: String,
    },

    /// A weights file is larger than a named limit allows.
    #[error("{format} file: {limit} is limited to {allowed}, the file asks for {asked}")]
    Limit {
        /// The file's format.
        format: &'static str,
        /// The limit's name, a field of the reader's `Limits`.
        limit: &'static str,
        /// The most that is allowed.
        allowed: u64,
        /// What the file asks for.
        asked: u64,
    },

    /// A file can't be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },

    /// A runtime's library can't be used.
    #[error("ONNX Runtime: {problem}")]
    Library {
        /// What is wrong with which file, and what to do.
        problem: String,
    },

    /// A runtime refused the ONNX bytes or failed while running them.
    #[error("{runtime}: {problem}")]
    Runtime {
        /// The runtime's name.
        runtime: &'static str,
        /// What it said.
        problem: String,
    },

    /// The tensors given to a prepared network are not those it takes.
    #[error("input `{input}`: expected shape {expected}, found {found:?}")]
    Input {
        /// The input's name.
        input: String,
        /// The shape expected, `?` where any size will do.
        expected: String,
        /// The shape given.
        found: Vec<usize>,
    },

    /// The number of tensors given to a prepared network is wrong.
    #[error("expected {expected} input tensors, found {found}")]
    InputCount {
        /// How many the network takes.
        expected: usize,
        /// How many were given.
        found: usize,
    },
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
