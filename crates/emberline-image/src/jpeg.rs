//! JPEG, which most pictures are: `zune-jpeg` decodes straight into the buffer of the caller.

use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

use crate::{Channels, Format, ImageError, orient::Orientation};

/// A JPEG whose headers are read.
pub(crate) struct Jpeg<'a> {
    bytes: &'a [u8],
    decoder: JpegDecoder<ZCursor<&'a [u8]>>,
    /// Width and height as stored, in pixels.
    pub(crate) size: (u32, u32),
    /// Gray, or RGB for everything that has colours; RGBA where a fourth byte is asked for.
    pub(crate) channels: Channels,
}

impl<'a> Jpeg<'a> {
    /// Reads everything up to the first scan. With `padded`, pixels of the usual colour space get a fourth byte, 255.
    pub(crate) fn open(bytes: &'a [u8], padded: bool) -> Result<Self, ImageError> {
        // The decoder chooses its conversion of colours when it reads the headers.
        let colours = if padded { ColorSpace::RGBA } else { ColorSpace::RGB };
        // Strict, because otherwise data that does not decode turns into gray pixels without an error.
        let options = DecoderOptions::default()
            .jpeg_set_out_colorspace(colours)
            .set_strict_mode(true)
            .set_max_width(usize::from(u16::MAX))
            .set_max_height(usize::from(u16::MAX));
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        decoder.decode_headers().map_err(jpeg_error)?;
        let (width, height) = decoder.dimensions().unwrap_or((0, 0));
        let channels = match decoder.input_colorspace() {
            Some(ColorSpace::Luma) => {
                decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
                Channels::Gray
            }
            Some(ColorSpace::YCbCr) if padded => Channels::Rgba,
            _ if padded => return Self::open(bytes, false),
            _ => Channels::Rgb,
        };
        Ok(Self { bytes, decoder, size: (width as u32, height as u32), channels })
    }

    /// How the camera was held.
    pub(crate) fn orientation(&self) -> Orientation {
        let exif = self.decoder.exif();
        exif.and_then(|exif| Orientation::from_exif_chunk(exif)).unwrap_or(Orientation::NoTransforms)
    }

    /// Decodes into `pixels`, which has to be `width * height * channels` bytes long.
    pub(crate) fn read(mut self, pixels: &mut [u8]) -> Result<(), ImageError> {
        if !has_end(self.bytes) {
            return Err(ImageError::Truncated { format: Format::Jpeg });
        }
        self.decoder.decode_into(pixels).map_err(jpeg_error)
    }
}

fn jpeg_error(error: DecodeErrors) -> ImageError {
    match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => {
            ImageError::Truncated { format: Format::Jpeg }
        }
        DecodeErrors::Unsupported(scheme) => {
            ImageError::Unsupported { format: Format::Jpeg, reason: format!("{scheme:?}") }
        }
        other => ImageError::corrupt(Format::Jpeg, other),
    }
}

/// Whether the marker "end of image" is reached by walking segments and scans (ITU-T T.81, annex B).
///
/// The decoder fills what a cut-off file lacks, so this is looked at first. A search for the two bytes would find those
/// of a thumbnail inside a segment; segments are therefore skipped by their length.
fn has_end(bytes: &[u8]) -> bool {
    const END: u8 = 0xD9;
    let mut at = 2;
    loop {
        // In a scan, a 255 of the data is followed by a 0, and restart markers are part of it.
        let Some(offset) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xFF)) else {
            return false;
        };
        at += offset + 1;
        match bytes.get(at) {
            None => return false,
            Some(&END) => return true,
            Some(0x00 | 0x01 | 0xD0..=0xD8) => at += 1,
            Some(0xFF) => {}
            Some(_) => match bytes.get(at + 1..at + 3) {
                Some(len) => at += 1 + usize::from(u16::from_be_bytes([len[0], len[1]])),
                None => return false,
            },
        }
    }
}
