//! Antialiased resizing by convolution, in the two passes of Pillow (libImaging `Resample.c`): along the rows, rounded
//! to 8 bits, then along the columns. Where a picture shrinks, the kernel is widened to cover every source pixel.
//!
//! Weights are 32-bit floats where Pillow has fixed point, which is a level apart at most. (Pillow 13 takes the columns
//! first for some pictures that shrink more in height than in width; where a cubic overshoots and is cut off between
//! the passes, more levels may differ.) Nothing is contracted to fused operations, so that
//! results are the same on every processor.

use crate::Channels;
use crate::resize::{Crop, Source};

/// A filter's shape, and how far it reaches to each side, in pixels of the larger grid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel {
    reach: f64,
    weight: fn(f64) -> f64,
}

/// The triangle of linear interpolation.
pub(crate) const BILINEAR: Kernel = Kernel { reach: 1.0, weight: |x| (1.0 - x.abs()).max(0.0) };

/// Keys' cubic convolution (IEEE TASSP 29, 1981) with a = -0.5.
pub(crate) const BICUBIC: Kernel = Kernel {
    reach: 2.0,
    weight: |x| {
        const A: f64 = -0.5;
        match x.abs() {
            x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    },
};

/// Memory kept from image to image.
#[derive(Debug, Default)]
pub(crate) struct ConvolveScratch {
    columns: Taps,
    rows: Taps,
    /// The source with colours multiplied by alpha.
    weighted: Vec<u8>,
    /// One row of the source in floats, then one row of sums.
    line: Vec<f32>,
    /// The source's rows, as short as the target's.
    narrow: Vec<u8>,
}

/// For each target pixel of an axis, the first of the source pixels that it is made of and their weights.
#[derive(Debug, Default)]
struct Taps {
    spans: Vec<(usize, std::ops::Range<usize>)>,
    weights: Vec<f32>,
}

impl Taps {
    fn fill(&mut self, from: u32, to: u32, kernel: Kernel) {
        self.spans.clear();
        self.weights.clear();
        let scale = f64::from(from) / f64::from(to);
        let widening = scale.max(1.0);
        let reach = kernel.reach * widening;
        for index in 0..to {
            let centre = (f64::from(index) + 0.5) * scale;
            // Casts cut off at 0 on the left.
            let first = (centre - reach + 0.5) as usize;
            let end = ((centre + reach + 0.5) as usize).min(from as usize);
            let weight = |pixel: usize| (kernel.weight)((pixel as f64 - centre + 0.5) / widening);
            let sum: f64 = (first..end).map(weight).sum();
            let start = self.weights.len();
            self.weights.extend((first..end).map(|pixel| (weight(pixel) / sum) as f32));
            self.spans.push((first, start..self.weights.len()));
        }
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.spans.iter().map(|(first, weights)| (*first, &self.weights[weights.clone()]))
    }
}

/// Fills `target` with `width` x `height` pixels. Colours of transparent pixels do not count.
pub(crate) fn resize(
    source: &Source<'_>,
    (width, height): (u32, u32),
    kernel: Kernel,
    scratch: &mut ConvolveScratch,
    target: &mut [u8],
) {
    let Crop { width: from_width, height: from_height, .. } = source.crop;
    scratch.columns.fill(from_width, width, kernel);
    scratch.rows.fill(from_height, height, kernel);
    if source.channels != Channels::Rgba {
        passes(source, scratch, target);
        return;
    }
    let mut weighted = std::mem::take(&mut scratch.weighted);
    weighted.clear();
    for row in 0..from_height as usize {
        weighted.extend(source.row(row).as_chunks::<4>().0.iter().flat_map(|&pixel| premultiply(pixel)));
    }
    let whole = Crop { left: 0, top: 0, width: from_width, height: from_height };
    let source = Source { data: &weighted, width: from_width, crop: whole, ..*source };
    passes(&source, scratch, target);
    scratch.weighted = weighted;
    target.as_chunks_mut::<4>().0.iter_mut().for_each(|pixel| *pixel = unpremultiply(*pixel));
}

fn premultiply([red, green, blue, alpha]: [u8; 4]) -> [u8; 4] {
    let [red, green, blue] =
        [red, green, blue].map(|colour| ((u32::from(colour) * u32::from(alpha) + 127) / 255) as u8);
    [red, green, blue, alpha]
}

fn unpremultiply([red, green, blue, alpha]: [u8; 4]) -> [u8; 4] {
    let [red, green, blue] = [red, green, blue].map(|colour| match alpha {
        0 => 0,
        alpha => (u32::from(colour) * 255 / u32::from(alpha)).min(255) as u8,
    });
    [red, green, blue, alpha]
}

/// Both passes, with the widest vectors that the processor has.
fn passes(source: &Source<'_>, scratch: &mut ConvolveScratch, target: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[target_feature(enable = "avx2")]
        fn with_avx2(source: &Source<'_>, scratch: &mut ConvolveScratch, target: &mut [u8]) {
            both_passes(source, scratch, target);
        }
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        unsafe { with_avx2(source, scratch, target) };
        return;
    }
    both_passes(source, scratch, target);
}

#[inline(always)]
fn both_passes(source: &Source<'_>, scratch: &mut ConvolveScratch, target: &mut [u8]) {
    let ConvolveScratch { columns, rows, line, narrow, .. } = scratch;
    match source.channels {
        Channels::Gray => along_rows::<1>(source, columns, line, narrow),
        Channels::Rgb => along_rows::<3>(source, columns, line, narrow),
        Channels::Rgba => along_rows::<4>(source, columns, line, narrow),
    }
    along_columns(narrow, columns.spans.len() * source.channels.count(), rows, line, target);
}

/// Floats that are added and multiplied at once: a pixel, whatever its channels.
const LANES: usize = 4;

/// Makes every row of the box as short as the target's.
#[inline(always)]
fn along_rows<const C: usize>(
    source: &Source<'_>,
    columns: &Taps,
    line: &mut Vec<f32>,
    narrow: &mut Vec<u8>,
) {
    let row_len = columns.spans.len() * C;
    narrow.resize(row_len * source.crop.height as usize, 0);
    line.clear();
    // The last pixel of less than four channels finds the rest of its lanes behind the row.
    line.resize(source.crop.width as usize * C + LANES, 0.0);
    for (index, narrow_row) in narrow.chunks_exact_mut(row_len).enumerate() {
        for (float, &value) in line.iter_mut().zip(source.row(index)) {
            *float = f32::from(value);
        }
        for (pixel, (first, weights)) in narrow_row.as_chunks_mut::<C>().0.iter_mut().zip(columns.iter()) {
            let mut sums = [0.0; LANES];
            for (lanes, weight) in line[first * C..].windows(LANES).step_by(C).zip(weights) {
                for lane in 0..LANES {
                    sums[lane] += lanes[lane] * weight;
                }
            }
            let bytes = sums.map(to_byte);
            *pixel = std::array::from_fn(|channel| bytes[channel]);
        }
    }
}

/// Sums up rows, whole rows at a time.
#[inline(always)]
fn along_columns(narrow: &[u8], row_len: usize, rows: &Taps, line: &mut Vec<f32>, target: &mut [u8]) {
    for (target_row, (first, weights)) in target.chunks_exact_mut(row_len).zip(rows.iter()) {
        line.clear();
        line.resize(row_len, 0.0);
        let narrow_rows = narrow[first * row_len..].chunks_exact(row_len);
        for (narrow_row, &weight) in narrow_rows.zip(weights) {
            for (sum, &value) in line.iter_mut().zip(narrow_row) {
                *sum += f32::from(value) * weight;
            }
        }
        for (value, &sum) in target_row.iter_mut().zip(line.iter()) {
            *value = to_byte(sum);
        }
    }
}

/// Rounds to nearest, ties up, and stops at 0 and 255.
#[inline(always)]
fn to_byte(sum: f32) -> u8 {
    // From 256 to 512, a float's highest eight fraction bits are the integer above 256. Unlike a cast, this vectorises.
    ((sum.clamp(0.0, 255.0) + 256.5).to_bits() >> 15) as u8
}
