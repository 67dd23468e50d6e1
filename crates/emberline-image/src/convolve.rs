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
    let ConvolveScratch { columns, rows, weighted, line, narrow } = scratch;
    columns.fill(from_width, width, kernel);
    rows.fill(from_height, height, kernel);
    if source.channels != Channels::Rgba {
        passes(source, columns, rows, line, narrow, target);
        return;
    }
    weighted.clear();
    for row in 0..from_height as usize {
        weighted.extend(source.row(row).as_chunks::<4>().0.iter().flat_map(|&pixel| premultiply(pixel)));
    }
    let whole = Crop { left: 0, top: 0, width: from_width, height: from_height };
    let source = Source { data: weighted, width: from_width, crop: whole, ..*source };
    passes(&source, columns, rows, line, narrow, target);
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

/// Runs both passes with the widest vectors that the processor has.
fn passes(
    source: &Source<'_>,
    columns: &Taps,
    rows: &Taps,
    line: &mut Vec<f32>,
    narrow: &mut Vec<u8>,
    target: &mut [u8],
) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[target_feature(enable = "avx2")]
        fn with_avx2(
            source: &Source<'_>,
            columns: &Taps,
            rows: &Taps,
            line: &mut Vec<f32>,
            narrow: &mut Vec<u8>,
            target: &mut [u8],
        ) {
            both_passes(source, columns, rows, line, narrow, target);
        }
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        unsafe { with_avx2(source, columns, rows, line, narrow, target) };
        return;
    }
    both_passes(source, columns, rows, line, narrow, target);
}

#[inline(always)]
fn both_passes(
    source: &Source<'_>,
    columns: &Taps,
    rows: &Taps,
    line: &mut Vec<f32>,
    narrow: &mut Vec<u8>,
    target: &mut [u8],
) {
    let channels = source.channels.count();
    let row_len = columns.spans.len() * channels;
    narrow.resize(row_len * source.crop.height as usize, 0);
    for (index, narrow_row) in narrow.chunks_exact_mut(row_len).enumerate() {
        line.clear();
        line.extend(source.row(index).iter().map(|&value| f32::from(value)));
        // Pixels are read four lanes at a time, whatever they have.
        line.extend([0.0; LANES]);
        for (pixel, (first, weights)) in narrow_row.chunks_exact_mut(channels).zip(columns.iter()) {
            let sums = dot(&line[first * channels..], channels, weights);
            for (value, sum) in pixel.iter_mut().zip(sums) {
                *value = to_byte(sum);
            }
        }
    }
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

const LANES: usize = 4;

/// The weighted sum of neighbouring pixels; only as many lanes as there are channels mean something.
#[inline(always)]
fn dot(pixels: &[f32], channels: usize, weights: &[f32]) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    for (index, weight) in weights.iter().enumerate() {
        let Some(pixel) = pixels[index * channels..].first_chunk::<LANES>() else { break };
        for lane in 0..LANES {
            sums[lane] += pixel[lane] * weight;
        }
    }
    sums
}

/// Rounds to nearest; casts stop at 0 and 255.
#[inline(always)]
fn to_byte(sum: f32) -> u8 {
    (sum + 0.5) as u8
}
