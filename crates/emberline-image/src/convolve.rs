//! Antialiased resizing by convolution: `fast_image_resize`, with its loops for AVX2, SSE4.1 and NEON.
//!
//! Those loops are generic over pixels and over the views that hold them, and every combination is compiled in *this*
//! crate, with a copy for each number of fraction bits: some 20 CPU seconds each. Hence one combination for all
//! pictures, four channels: JPEGs are decoded to them, what has others is copied into buffers of our own, at 640x480 in
//! less than 0.2 ms.
//!
//! Rows are convolved first and columns second, in calls of their own, as Pillow does: where a cubic overshoots and is
//! cut off between the passes, their order shows by several levels. (The library by itself takes columns first. So
//! does Pillow 13 for some pictures that shrink more in height than in width, and there we differ from it.)

use std::fmt::Display;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x4;
use fast_image_resize::{FilterType, MulDiv, ResizeAlg, ResizeOptions, Resizer};

use crate::resize::{Crop, Source};
use crate::{Channels, ImageError};

/// Memory kept from image to image: pixels of four channels.
#[derive(Debug, Default)]
pub(crate) struct ConvolveScratch {
    resizer: Resizer,
    premultiply: MulDiv,
    /// Some rows of the source.
    band: Vec<u8>,
    /// The source's rows, as short as the target's.
    narrow: Vec<u8>,
    target: Vec<u8>,
}

/// Rows of the source are copied and made short in bands of at most this size (or one row), so that the copy does not
/// grow with the source. Weights are worked out anew for each band, hence not smaller.
const BAND_BYTES_MAX: usize = 8 << 20;

/// Fills `target` with `width` x `height` pixels. Colours of transparent pixels do not count.
pub(crate) fn resize(
    source: &Source<'_>,
    (width, height): (u32, u32),
    filter: FilterType,
    scratch: &mut ConvolveScratch,
    target: &mut [u8],
) -> Result<(), ImageError> {
    let ConvolveScratch { resizer, premultiply, band, narrow, target: wide_target } = scratch;
    let Crop { width: from_width, height: from_height, .. } = source.crop;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);

    let rows_max = (BAND_BYTES_MAX / (from_width as usize * 4)).max(1);
    let narrow_row_len = width as usize * 4;
    narrow.resize(from_height as usize * narrow_row_len, 0);
    let four = source.channels == Channels::Rgba;
    let transparent = four && !source.opaque;
    for (index, narrow_band) in narrow.chunks_mut(rows_max * narrow_row_len).enumerate() {
        let rows = index * rows_max..index * rows_max + narrow_band.len() / narrow_row_len;
        let count = rows.len() as u32;
        let ready = if four && source.opaque { source.rows(rows.clone()) } else { None };
        let pixels = match ready {
            Some(pixels) => pixels,
            None => {
                band.resize(rows.len() * from_width as usize * 4, 0);
                for (row, wide_row) in rows.zip(band.chunks_exact_mut(from_width as usize * 4)) {
                    widen(source.row(row), source.channels, wide_row);
                }
                if transparent {
                    let mut band = view_mut(from_width, count, band)?;
                    premultiply.multiply_alpha_inplace_typed(&mut band).map_err(refused)?;
                }
                &band[..]
            }
        };
        let mut narrow_band = view_mut(width, count, narrow_band)?;
        resizer
            .resize_typed(&view(from_width, count, pixels)?, &mut narrow_band, &options)
            .map_err(refused)?;
    }

    let result = if four {
        &mut *target
    } else {
        wide_target.resize(height as usize * narrow_row_len, 0);
        &mut wide_target[..]
    };
    let mut result = view_mut(width, height, result)?;
    resizer.resize_typed(&view(width, from_height, narrow)?, &mut result, &options).map_err(refused)?;
    if transparent {
        premultiply.divide_alpha_inplace_typed(&mut result).map_err(refused)?;
    }
    match source.channels {
        Channels::Gray => unwiden(wide_target, target, |[gray, ..]| [gray]),
        Channels::Rgb => unwiden(wide_target, target, |[red, green, blue, _]| [red, green, blue]),
        Channels::Rgba => {}
    }
    Ok(())
}

fn view(width: u32, height: u32, pixels: &[u8]) -> Result<TypedImageRef<'_, U8x4>, ImageError> {
    TypedImageRef::from_buffer(width, height, pixels).map_err(refused)
}

fn view_mut(width: u32, height: u32, pixels: &mut [u8]) -> Result<TypedImage<'_, U8x4>, ImageError> {
    TypedImage::from_buffer(width, height, pixels).map_err(refused)
}

/// The library checks once more what holds already; were it to disagree, that is told and not hidden.
fn refused(reason: impl Display) -> ImageError {
    let expected = "sizes that fast_image_resize accepts".to_owned();
    ImageError::Parameter { name: "resize", expected, found: reason.to_string() }
}

/// Gives each pixel four channels.
fn widen(pixels: &[u8], channels: Channels, wide: &mut [u8]) {
    let wide_pixels = wide.as_chunks_mut::<4>().0.iter_mut();
    match channels {
        Channels::Gray => wide_pixels.zip(pixels).for_each(|(wide, &gray)| *wide = [gray; 4]),
        Channels::Rgb => wide_pixels
            .zip(pixels.as_chunks::<3>().0)
            .for_each(|(wide, &[red, green, blue])| *wide = [red, green, blue, 255]),
        Channels::Rgba => wide.copy_from_slice(pixels),
    }
}

/// Keeps of each pixel the channels that it came with.
fn unwiden<const C: usize>(wide: &[u8], pixels: &mut [u8], keep: impl Fn([u8; 4]) -> [u8; C]) {
    let wide_pixels = wide.as_chunks::<4>().0;
    pixels.as_chunks_mut().0.iter_mut().zip(wide_pixels).for_each(|(pixel, &wide)| *pixel = keep(wide));
}
