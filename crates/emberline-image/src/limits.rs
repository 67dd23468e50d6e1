//! How much of a file is accepted: a limit on everything that an untrusted header can ask for.

use serde::{Deserialize, Serialize};

use crate::{Format, ImageError};

/// What a file may ask for at most. Each is checked from the headers, before anything of that size is allocated.
///
/// ```
/// use emberline_image::{DecodeOptions, Limits, decode};
///
/// let small = DecodeOptions { limits: Limits { encoded_bytes_max: 4, ..Limits::default() }, ..Default::default() };
/// let error = decode(b"GIF89a...", &small).unwrap_err();
/// assert_eq!(error.to_string(), "the file has 9 bytes, limit 4");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Length of the encoded file, in bytes.
    pub encoded_bytes_max: usize,
    /// Width times height, in pixels.
    pub pixels_max: u64,
    /// Frames of an animation, or pages of a TIFF, that the file's index declares. Only the first is ever decoded, so
    /// more of them cost nothing but their bytes: the limit turns away what is a film rather than a picture.
    pub frames_max: u32,
}

impl Limits {
    /// 256 MiB: four times the largest JPEG of a 200 megapixel camera.
    pub const ENCODED_BYTES_MAX_DEFAULT: usize = 256 << 20;
    /// 178,956,970 pixels, half a GiB of RGB: where Pillow, too, refuses a "decompression bomb".
    pub const PIXELS_MAX_DEFAULT: u64 = 178_956_970;
    /// 4,096 frames: over two minutes at 30 per second.
    pub const FRAMES_MAX_DEFAULT: u32 = 4_096;

    /// Bytes that a decoder may hold at once: 16-bit RGBA of the largest picture allowed.
    pub(crate) fn decoder_bytes_max(&self) -> u64 {
        self.pixels_max.saturating_mul(8)
    }

    /// Refuses an empty or an overlong file.
    pub(crate) fn check_encoded(&self, len: usize) -> Result<(), ImageError> {
        if len == 0 {
            return Err(ImageError::Empty);
        }
        if len > self.encoded_bytes_max {
            let what = format!("the file has {len} bytes");
            return Err(ImageError::TooLarge {
                what,
                limit: self.encoded_bytes_max as u64,
                found: len as u64,
            });
        }
        Ok(())
    }

    /// Refuses a picture without pixels, or with too many.
    pub(crate) fn check_size(&self, format: Format, width: u32, height: u32) -> Result<(), ImageError> {
        let found = u64::from(width) * u64::from(height);
        if found == 0 {
            return Err(ImageError::corrupt(format, format_args!("it declares {width}x{height} pixels")));
        }
        if found > self.pixels_max {
            let what = format!("{format} declares {width}x{height} = {found} pixels");
            return Err(ImageError::TooLarge { what, limit: self.pixels_max, found });
        }
        Ok(())
    }

    /// Refuses an animation or a document; `found` counts no further than one over the limit.
    pub(crate) fn check_frames(&self, format: Format, found: u32) -> Result<(), ImageError> {
        if found > self.frames_max {
            let what = format!("{format} has at least {found} frames");
            return Err(ImageError::TooLarge {
                what,
                limit: u64::from(self.frames_max),
                found: u64::from(found),
            });
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            encoded_bytes_max: Self::ENCODED_BYTES_MAX_DEFAULT,
            pixels_max: Self::PIXELS_MAX_DEFAULT,
            frames_max: Self::FRAMES_MAX_DEFAULT,
        }
    }
}
