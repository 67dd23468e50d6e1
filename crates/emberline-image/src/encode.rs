//! Pixels to a file.

use std::io::Cursor;

use image::{ExtendedColorType, ImageEncoder, codecs};

use crate::{Channels, Format, Image, ImageError};

/// Quality of JPEG files, 1 to 100.
const JPEG_QUALITY: u8 = 90;

/// Writes a picture: PNG, WebP (lossless), BMP and TIFF keep every byte, JPEG (quality 90) does not.
///
/// # Errors
/// JPEG holds no alpha ([`Image::flatten`] first); WebP and JPEG have a longest side; GIF is not written, for its 256
/// colours would not be the image's.
///
/// ```
/// use emberline_image::{Channels, Format, Image, encode};
///
/// let image = Image::new(1, 1, Channels::Rgba, vec![1, 2, 3, 4])?;
/// assert!(encode(&image, Format::Png)?.starts_with(b"\x89PNG"));
/// assert!(encode(&image, Format::Jpeg).unwrap_err().to_string().contains("no alpha"));
/// # Ok::<(), emberline_image::ImageError>(())
/// ```
pub fn encode(image: &Image, format: Format) -> Result<Vec<u8>, ImageError> {
    let colour = match image.channels() {
        Channels::Gray => ExtendedColorType::L8,
        Channels::Rgb => ExtendedColorType::Rgb8,
        Channels::Rgba => ExtendedColorType::Rgba8,
    };
    let unsupported = |reason: String| ImageError::Unsupported { format, reason };
    if format == Format::Jpeg && image.channels() == Channels::Rgba {
        return Err(unsupported("it holds no alpha; flatten the image first".to_owned()));
    }
    let mut bytes = Cursor::new(Vec::new());
    let (data, width, height) = (image.data(), image.width(), image.height());
    let written = match format {
        Format::Jpeg => codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
            .write_image(data, width, height, colour),
        Format::Png => codecs::png::PngEncoder::new(&mut bytes).write_image(data, width, height, colour),
        Format::WebP => {
            codecs::webp::WebPEncoder::new_lossless(&mut bytes).write_image(data, width, height, colour)
        }
        Format::Bmp => codecs::bmp::BmpEncoder::new(&mut bytes).write_image(data, width, height, colour),
        Format::Tiff => codecs::tiff::TiffEncoder::new(&mut bytes).write_image(data, width, height, colour),
        Format::Gif => return Err(unsupported("it is only read, not written".to_owned())),
    };
    written.map_err(|error| unsupported(error.to_string()))?;
    Ok(bytes.into_inner())
}
