//! What can go wrong, named by who is at fault: a setting, the network, the data, the mathematics, a checkpoint.

use std::path::PathBuf;

/// An error of this crate. Every message names the parameter, layer, batch or file concerned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is wrong: unknown, of the wrong type, or out of its range.
    #[error("{subject}: {problem}")]
    Setting {
        /// What is being set, such as ``optimizer `adam` ``.
        subject: String,
        /// Which parameter, what was expected, what was found.
        problem: String,
    },

    /// A layer can't be trained, or not in this way.
    #[error("network `{network}`, layer `{layer}`: {problem}")]
    Layer {
        /// The network's name.
        network: String,
        /// The layer's name.
        layer: String,
        /// What is wrong.
        problem: String,
    },

    /// A batch does not fit the network or the loss.
    #[error("{what}: {problem}")]
    Data {
        /// Which part of which batch.
        what: String,
        /// What was expected and what was found.
        problem: String,
    },

    /// The loss is no number any more.
    #[error(
        "the loss is {loss} in epoch {epoch}, step {step}, with the learning rate {learning_rate}: training has diverged; \
         a lower learning rate or `clipnorm` may help"
    )]
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
        /// The step within the epoch, from 1.
        step: usize,
        /// The learning rate of that step.
        learning_rate: f64,
        /// What the loss is instead of a number.
        loss: f64,
    },

    /// A checkpoint is damaged or belongs to another run.
    #[error("checkpoint {}: {problem}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },

    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },

    /// The device failed while computing or handing over numbers.
    #[error("device: {problem}")]
    Device {
        /// What it said.
        problem: String,
    },

    /// Workers that train a network together lost each other, or do not train the same.
    #[error("training together: {problem}")]
    Workers {
        /// Who lost whom, or what differs, and what to do.
        problem: String,
    },

    /// The network or its weights are not valid.
    #[error(transparent)]
    Network(#[from] emberline_net::Error),
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
