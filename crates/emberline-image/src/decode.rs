//! Bytes to pixels: one way through for every format, with limits checked before pixels are allocated.

use std::error::Error as _;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::error::UnsupportedErrorKind;
use image::{ColorType, ImageDecoder, codecs};
use serde::{Deserialize, Serialize};

use crate::frames::{self, Frames};
use crate::jpeg::Jpeg;
use crate::orient::{self, Orientation};
use crate::{Channels, Format, Image, ImageError, Limits};

/// How to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecodeOptions {
    /// What a file may ask for at most.
    pub limits: Limits,
    /// Whether pictures are turned upright as their EXIF (or TIFF) orientation says; on by default.
    pub orient: bool,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { limits: Limits::default(), orient: true }
    }
}

/// What is known of a picture without reading its pixels: what [`decode`] would return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The format, told by content.
    pub format: Format,
    /// Pixels per row, after orientation if that is asked for.
    pub width: u32,
    /// Rows, after orientation if that is asked for.
    pub height: u32,
    /// What a decoded pixel is made of.
    pub channels: Channels,
}

/// Reads a file's headers, and none of its pixels.
///
/// # Errors
/// As [`decode`], as far as headers tell.
///
/// ```
/// use emberline_image::{Channels, DecodeOptions, Format, Image, encode, read_header};
///
/// let file = encode(&Image::new(3, 2, Channels::Gray, vec![0; 6])?, Format::Png)?;
/// let header = read_header(&file, &DecodeOptions::default())?;
/// assert_eq!((header.format, header.width, header.height), (Format::Png, 3, 2));
/// # Ok::<(), emberline_image::ImageError>(())
/// ```
pub fn read_header(bytes: &[u8], options: &DecodeOptions) -> Result<Header, ImageError> {
    contain_panics(bytes, || Ok(Opened::new(bytes, options, false)?.header()))
}

/// Decodes a file: gray, RGB or RGBA of 8 bits.
///
/// - 16 bits lose the lower eight, as in Pillow; palettes become RGB, or RGBA where a colour is transparent;
///   gray with alpha becomes RGBA.
/// - CMYK and YCCK become RGB as in Pillow, without a colour profile: `(255 - C) * (255 - K) / 255`.
/// - Of an animation or a document, the first frame or page.
///
/// # Errors
/// [`ImageError`], whose message says why: no known format, over a limit, truncated, corrupt, or not supported.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Image, ImageError> {
    let mut buffers = Buffers::default();
    let header = decode_into(bytes, options, false, &mut buffers)?;
    Ok(Image::from_parts(header.width, header.height, header.channels, buffers.pixels))
}

/// Memory that decoding needs, kept from image to image.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// The decoded picture.
    pub(crate) pixels: Vec<u8>,
    /// The picture before it is turned upright or brought to 8 bits.
    spare: Vec<u8>,
}

/// [`decode`] into memory that is used again. With `padded`, JPEGs become opaque RGBA where that costs nothing.
pub(crate) fn decode_into(
    bytes: &[u8],
    options: &DecodeOptions,
    padded: bool,
    buffers: &mut Buffers,
) -> Result<Header, ImageError> {
    contain_panics(bytes, || {
        let opened = Opened::new(bytes, options, padded)?;
        let (header, (width, height), orientation) = (opened.header(), opened.size, opened.orientation);
        opened.read(buffers)?;
        if orientation != Orientation::NoTransforms {
            std::mem::swap(&mut buffers.pixels, &mut buffers.spare);
            orient::orient(
                &buffers.spare,
                (width, height),
                header.channels,
                orientation,
                &mut buffers.pixels,
            );
        }
        Ok(header)
    })
}

/// A file whose headers are read and within limits.
struct Opened<'a> {
    format: Format,
    limits: Limits,
    decoder: Decoder<'a>,
    /// Width and height as stored, in pixels.
    size: (u32, u32),
    channels: Channels,
    orientation: Orientation,
}

enum Decoder<'a> {
    Jpeg(Box<Jpeg<'a>>),
    Other(Box<dyn ImageDecoder + 'a>),
}

impl<'a> Opened<'a> {
    fn new(bytes: &'a [u8], options: &DecodeOptions, padded: bool) -> Result<Self, ImageError> {
        let limits = &options.limits;
        limits.check_encoded(bytes.len())?;
        let Some(format) = Format::sniff(bytes) else {
            return Err(ImageError::UnknownFormat);
        };
        if format == Format::Jpeg {
            let jpeg = Jpeg::open(bytes, padded)?;
            limits.check_size(format, jpeg.size.0, jpeg.size.1)?;
            let orientation = if options.orient { jpeg.orientation() } else { Orientation::NoTransforms };
            let (size, channels) = (jpeg.size, jpeg.channels);
            let decoder = Decoder::Jpeg(Box::new(jpeg));
            return Ok(Self { format, limits: *limits, decoder, size, channels, orientation });
        }
        if format == Format::WebP && webp_is_truncated(bytes) {
            return Err(ImageError::Truncated { format });
        }
        let frames = frames::scan(format, bytes, limits.frames_max.saturating_add(1));
        limits.check_frames(format, frames.count)?;
        let decode_error = |error| image_error(format, limits, error);
        let mut decoder = open_other(format, bytes, limits).map_err(decode_error)?;
        let size = decoder.dimensions();
        limits.check_size(format, size.0, size.1)?;
        let mut decoder_limits = image::Limits::no_limits();
        decoder_limits.max_alloc = Some(limits.decoder_bytes_max());
        decoder.set_limits(decoder_limits).map_err(decode_error)?;
        let orientation = match options.orient {
            // An orientation that cannot be read is no reason to lose the picture.
            true => decoder.orientation().unwrap_or(Orientation::NoTransforms),
            false => Orientation::NoTransforms,
        };
        let channels = channels_of(format, decoder.color_type(), frames)?;
        Ok(Self { format, limits: *limits, decoder: Decoder::Other(decoder), size, channels, orientation })
    }

    fn header(&self) -> Header {
        let (mut width, mut height) = self.size;
        if orient::swaps_sides(self.orientation) {
            std::mem::swap(&mut width, &mut height);
        }
        Header { format: self.format, width, height, channels: self.channels }
    }

    /// Reads the pixels, not yet upright.
    fn read(self, buffers: &mut Buffers) -> Result<(), ImageError> {
        let pixels = self.size.0 as usize * self.size.1 as usize;
        let channels = self.channels;
        match self.decoder {
            // The buffer is zeroed each time, so that what a decoder leaves out never shows the previous picture.
            Decoder::Jpeg(jpeg) => jpeg.read(zeroed(&mut buffers.pixels, pixels * channels.count())),
            Decoder::Other(decoder) => {
                let colour = decoder.color_type();
                let stored = zeroed(&mut buffers.pixels, pixels * usize::from(colour.bytes_per_pixel()));
                decoder
                    .read_image_boxed(stored)
                    .map_err(|error| image_error(self.format, &self.limits, error))?;
                to_channels(colour, channels, buffers);
                Ok(())
            }
        }
    }
}

fn zeroed(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    buffer.resize(len, 0);
    buffer.fill(0);
    buffer
}

fn open_other<'a>(
    format: Format,
    bytes: &'a [u8],
    limits: &Limits,
) -> image::ImageResult<Box<dyn ImageDecoder + 'a>> {
    let reader = Cursor::new(bytes);
    let mut decoder_limits = image::Limits::no_limits();
    decoder_limits.max_alloc = Some(limits.decoder_bytes_max());
    Ok(match format {
        Format::Png => Box::new(codecs::png::PngDecoder::with_limits(reader, decoder_limits)?),
        Format::WebP => Box::new(codecs::webp::WebPDecoder::new(reader)?),
        Format::Gif => Box::new(codecs::gif::GifDecoder::new(reader)?),
        Format::Bmp => Box::new(codecs::bmp::BmpDecoder::new(reader)?),
        Format::Tiff => Box::new(codecs::tiff::TiffDecoder::new(reader)?),
        Format::Jpeg => Box::new(codecs::jpeg::JpegDecoder::new(reader)?),
    })
}

/// Whether a WebP file is shorter than its first eight bytes say. Its metadata stands behind the pixels, so that a file
/// cut off there would lose its orientation without an error.
fn webp_is_truncated(bytes: &[u8]) -> bool {
    let declared = bytes.get(4..8).map_or(0, |b| u64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    (bytes.len() as u64) < declared + 8
}

/// What a picture of a decoder's colour type becomes.
fn channels_of(format: Format, colour: ColorType, frames: Frames) -> Result<Channels, ImageError> {
    match colour {
        ColorType::L8 | ColorType::L16 => Ok(Channels::Gray),
        ColorType::Rgb8 | ColorType::Rgb16 => Ok(Channels::Rgb),
        ColorType::Rgba8 if format == Format::Gif && frames.first_is_opaque => Ok(Channels::Rgb),
        ColorType::La8 | ColorType::La16 | ColorType::Rgba8 | ColorType::Rgba16 => Ok(Channels::Rgba),
        other => Err(ImageError::Unsupported { format, reason: format!("pixels of type {other:?}") }),
    }
}

/// Brings pixels as a decoder stored them to 8 bits and 1, 3 or 4 channels.
fn to_channels(colour: ColorType, channels: Channels, buffers: &mut Buffers) {
    let Buffers { pixels, spare } = buffers;
    if usize::from(colour.bytes_per_pixel()) != usize::from(colour.channel_count()) {
        // The higher byte of each native-endian 16 bits.
        let high = usize::from(cfg!(target_endian = "little"));
        spare.clear();
        spare.extend(pixels.as_chunks::<2>().0.iter().map(|sample| sample[high]));
        std::mem::swap(pixels, spare);
    }
    match (colour.channel_count(), channels) {
        (2, Channels::Rgba) => {
            spare.clear();
            spare.extend(
                pixels.as_chunks::<2>().0.iter().flat_map(|&[gray, alpha]| [gray, gray, gray, alpha]),
            );
            std::mem::swap(pixels, spare);
        }
        (4, Channels::Rgb) => {
            spare.clear();
            spare.extend(
                pixels.as_chunks::<4>().0.iter().flat_map(|&[red, green, blue, _]| [red, green, blue]),
            );
            std::mem::swap(pixels, spare);
        }
        _ => {}
    }
}

fn image_error(format: Format, limits: &Limits, error: image::ImageError) -> ImageError {
    match error {
        image::ImageError::IoError(_) => ImageError::Truncated { format },
        image::ImageError::Limits(_) => ImageError::TooLarge {
            what: format!("{format} needs more memory to decode than its limit on pixels allows"),
            limit: limits.pixels_max,
            found: limits.pixels_max.saturating_add(1),
        },
        image::ImageError::Unsupported(error) => {
            let reason = match error.kind() {
                UnsupportedErrorKind::GenericFeature(feature) => feature,
                _ => error.to_string(),
            };
            ImageError::Unsupported { format, reason }
        }
        // The outer error only repeats the name of the format.
        error => match error.source() {
            // The GIF decoder has a variant for this, in a crate that is not ours to name.
            Some(source) if source.to_string() == "Unexpected End of File" => {
                ImageError::Truncated { format }
            }
            Some(source) => ImageError::corrupt(format, source),
            None => ImageError::corrupt(format, error),
        },
    }
}

/// Runs a decoder. Decoders are other people's code fed with strangers' bytes: should one panic, that is the error of
/// one file and not the end of a job over a million.
fn contain_panics<T>(bytes: &[u8], run: impl FnOnce() -> Result<T, ImageError>) -> Result<T, ImageError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let format = Format::sniff(bytes).unwrap_or(Format::Jpeg);
        Err(ImageError::corrupt(format, "its decoder panicked"))
    })
}
