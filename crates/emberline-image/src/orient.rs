//! The eight orientations of EXIF: a camera stores what its sensor saw and notes how it was held.

pub(crate) use image::metadata::Orientation;

use crate::Channels;

/// Side of the square that is moved at a time, so that rows read and columns written both stay in the cache.
const TILE: usize = 32;

/// Whether width and height change places.
pub(crate) fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH)
}

/// Turns `source`, of `width` x `height` pixels, upright into `target`, which is resized to fit.
pub(crate) fn orient(
    source: &[u8],
    (width, height): (u32, u32),
    channels: Channels,
    orientation: Orientation,
    target: &mut Vec<u8>,
) {
    target.clear();
    target.resize(source.len(), 0);
    let sides = (width as usize, height as usize);
    match channels {
        Channels::Gray => orient_pixels::<1>(source, sides, orientation, target),
        Channels::Rgb => orient_pixels::<3>(source, sides, orientation, target),
        Channels::Rgba => orient_pixels::<4>(source, sides, orientation, target),
    }
}

fn orient_pixels<const C: usize>(
    source: &[u8],
    (width, height): (usize, usize),
    orientation: Orientation,
    target: &mut [u8],
) {
    let (source, target) = (source.as_chunks::<C>().0, target.as_chunks_mut::<C>().0);
    let (row, last_row, last) =
        (width as isize, (height as isize - 1) * width as isize, source.len() as isize - 1);
    // The upright pixel (x, y) is the stored pixel `start + x * right + y * down`.
    let (start, right, down) = match orientation {
        Orientation::NoTransforms => (0, 1, row),
        Orientation::FlipHorizontal => (row - 1, -1, row),
        Orientation::Rotate180 => (last, -1, -row),
        Orientation::FlipVertical => (last_row, 1, -row),
        Orientation::Rotate90FlipH => (0, row, 1),
        Orientation::Rotate90 => (last_row, -row, 1),
        Orientation::Rotate270FlipH => (last, -row, -1),
        Orientation::Rotate270 => (row - 1, row, -1),
    };
    let (target_width, target_height) =
        if swaps_sides(orientation) { (height, width) } else { (width, height) };
    for tile_y in (0..target_height).step_by(TILE) {
        for tile_x in (0..target_width).step_by(TILE) {
            for y in tile_y..(tile_y + TILE).min(target_height) {
                for x in tile_x..(tile_x + TILE).min(target_width) {
                    let from = start + x as isize * right + y as isize * down;
                    target[y * target_width + x] = source[from as usize];
                }
            }
        }
    }
}
