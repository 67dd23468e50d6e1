//! The one error type: what is wrong with which file or parameter, in a line fit for a table's cell.

use crate::Format;

/// Why an image was not decoded, resized, encoded or turned into a tensor.
///
/// Messages are one line, in English, and name what was found and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There are no bytes at all.
    #[error("the file is empty (0 bytes)")]
    Empty,
    /// The content is of no known format. (What it begins with is not said, so that equal reasons can be counted.)
    #[error("not a JPEG, PNG, WebP, GIF, BMP or TIFF file")]
    UnknownFormat,
    /// One of the [`Limits`](crate::Limits) is exceeded.
    #[error("{what}, limit {limit}")]
    TooLarge {
        /// What is too large, with the figure, such as `PNG declares 50000x50000 = 2500000000 pixels`.
        what: String,
        /// The limit, in the unit that `what` ends with.
        limit: u64,
        /// The figure found, in the same unit.
        found: u64,
    },
    /// The data ends before the picture does.
    #[error("{format} is truncated: the data ends before the picture does")]
    Truncated {
        /// The format of the file.
        format: Format,
    },
    /// The data contradicts its format.
    #[error("{format} is corrupt: {reason}")]
    Corrupt {
        /// The format of the file.
        format: Format,
        /// What the decoder found.
        reason: String,
    },
    /// The file may be valid, but uses a feature that is not read or written here.
    #[error("{format} is not supported in this form: {reason}")]
    Unsupported {
        /// The format of the file.
        format: Format,
        /// The feature that is missing.
        reason: String,
    },
    /// A buffer's length does not follow from the size of the picture.
    #[error("{what} holds {found} values, expected {expected}")]
    Length {
        /// Which buffer, and the size it should have.
        what: String,
        /// The length that the size asks for.
        expected: usize,
        /// The length given.
        found: usize,
    },
    /// A parameter is out of its range.
    #[error("{name} is {found}, expected {expected}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// The values that are allowed.
        expected: String,
        /// The value given.
        found: String,
    },
}

impl ImageError {
    /// A [`Corrupt`](Self::Corrupt) error whose reason is put on one line.
    pub(crate) fn corrupt(format: Format, reason: impl std::fmt::Display) -> Self {
        let reason = reason.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self::Corrupt { format, reason }
    }
}
