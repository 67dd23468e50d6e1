//! Which file formats there are, and how to tell them apart by their first bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A file format, told by content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JPEG: baseline and progressive; gray, YCbCr, RGB, CMYK and YCCK.
    Jpeg,
    /// PNG: every colour type and bit depth, interlaced or not; of an APNG, the default image.
    Png,
    /// WebP: lossy and lossless; of an animation, the first frame.
    WebP,
    /// GIF: the first frame.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// TIFF: the first page.
    Tiff,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Jpeg, Self::Png, Self::WebP, Self::Gif, Self::Bmp, Self::Tiff];

    /// Tells the format from the first bytes of a file (32 are enough), or `None`.
    ///
    /// ```
    /// use emberline_image::Format;
    ///
    /// assert_eq!(Format::sniff(b"GIF89a\x01\x00"), Some(Format::Gif));
    /// assert_eq!(Format::sniff(b"<!DOCTYPE html>"), None);
    /// ```
    #[must_use]
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            // 42 marks TIFF, 43 its variant for files over 4 GiB.
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            // "BM" alone also opens many a text; the length of the second header settles it.
            [b'B', b'M', rest @ ..] => {
                let header_len = rest.get(12..16).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                matches!(header_len, Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124)).then_some(Self::Bmp)
            }
            _ => None,
        }
    }

    /// The customary file extension, without a dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Gif => "gif",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
        })
    }
}

/// Reads a format's name in any case, with `jpg` and `tif` as other names of `jpeg` and `tiff`.
impl std::str::FromStr for Format {
    type Err = crate::ImageError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.to_ascii_lowercase().as_str() {
            "jpeg" | "jpg" => Ok(Self::Jpeg),
            "png" => Ok(Self::Png),
            "webp" => Ok(Self::WebP),
            "gif" => Ok(Self::Gif),
            "bmp" => Ok(Self::Bmp),
            "tiff" | "tif" => Ok(Self::Tiff),
            _ => Err(crate::ImageError::Parameter {
                name: "format",
                expected: "one of jpeg, png, webp, gif, bmp, tiff".to_owned(),
                found: format!("{name:?}"),
            }),
        }
    }
}
