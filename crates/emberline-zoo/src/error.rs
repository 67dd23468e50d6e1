//! What can go wrong between a network's name and the network, worded for the person who asked for it.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No card has this name.
    #[error("unknown network `{name}`; the named networks are {}", known.join(", "))]
    UnknownNetwork {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<&'static str>,
    },

    /// The store has not got the file, and downloads are refused.
    #[error(
        "{} is not there, and downloads are refused (EMBERLINE_OFFLINE); fill the store on a machine with network \
         access, `cargo xtask setup` or `emberline models pull NAME`, and copy it",
        path.display()
    )]
    Offline {
        /// Where the store keeps the file.
        path: PathBuf,
    },

    /// The bytes are not those the card names. A downloaded file with wrong bytes is not kept.
    #[error("{origin}: expected {expected}, found {found}; {hint}")]
    Digest {
        /// The file or the source the bytes came from.
        origin: String,
        /// The checksum in the card.
        expected: String,
        /// The checksum of the bytes.
        found: String,
        /// What to do.
        hint: &'static str,
    },

    /// One source of a file did not give it.
    #[error("{origin}: {problem}")]
    Source {
        /// The source.
        origin: String,
        /// What it said, and what to do.
        problem: String,
    },

    /// No source of a file gave it.
    #[error("no source gave {file_name}:{}", attempts.iter().map(|error| format!("\n  {error}")).collect::<String>())]
    Unavailable {
        /// The file.
        file_name: String,
        /// What went wrong with each source, in the order in which they were tried.
        attempts: Vec<Error>,
    },

    /// A file of the store can't be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },

    /// A weights file does not hold the network's weights: a tensor is missing, unknown or of the wrong shape.
    #[error("{network}: {problem}")]
    Weights {
        /// The network's name.
        network: &'static str,
        /// Which tensor, what was expected, what was found.
        problem: String,
    },

    /// The golden values stored with a card can't be used: the card and they do not belong together.
    #[error("golden values of {network}: {problem}")]
    Golden {
        /// The network's name.
        network: &'static str,
        /// What is wrong.
        problem: String,
    },

    /// A model file can't be verified with the values at hand.
    #[error("{problem}")]
    File {
        /// What is missing, and what to do.
        problem: String,
    },

    /// The network can't be built, or its weights can't be read, or it can't be run.
    #[error(transparent)]
    Network(#[from] emberline_net::Error),

    /// A golden picture can't be prepared.
    #[error(transparent)]
    Image(#[from] emberline_image::ImageError),
}

/// A result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
