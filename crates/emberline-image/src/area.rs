//! The exact area average: each pixel of the result is the mean over the box of source pixels that it covers.
//!
//! On an axis with `from` source and `to` target pixels, measured in units of `1/to` source pixels, a source pixel
//! is `to` units long and a target pixel `from` units. Every overlap is then an integer and all overlaps of a target
//! pixel add up to `from`, so that the sums below are exact and only the last division rounds: to nearest, ties up.

use std::ops::Range;

use crate::Channels;
use crate::resize::Source;

/// Memory kept from image to image.
#[derive(Debug, Default)]
pub(crate) struct AreaScratch {
    /// One row of sums over the box's height: at most 255 * 255 * `SIDE_MAX`, which fits.
    column_sums: Vec<u32>,
    spans: Vec<Span>,
}

/// The source pixels under one target pixel: a first and a last in part, those between in full.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    pixels: Range<usize>,
    first_weight: u32,
    last_weight: u32,
}

impl Span {
    /// The span of target pixel `index`.
    fn new(index: usize, from: usize, to: usize) -> Self {
        let (start, end) = (index * from, (index + 1) * from);
        let (first, last) = (start / to, (end - 1) / to);
        Self {
            pixels: first..last + 1,
            first_weight: (end.min((first + 1) * to) - start) as u32,
            // A span within one source pixel has no last pixel besides the first.
            last_weight: if last == first { 0 } else { (end - last * to) as u32 },
        }
    }

    /// The pixels between the first and the last, each covered in full.
    fn inner(&self) -> Range<usize> {
        self.pixels.start + 1..(self.pixels.end - 1).max(self.pixels.start + 1)
    }

    fn last(&self) -> usize {
        self.pixels.end - 1
    }
}

/// Fills `target` with `width` x `height` pixels. All sides are within `SIDE_MAX`.
pub(crate) fn resize(source: &Source<'_>, size: (u32, u32), scratch: &mut AreaScratch, target: &mut [u8]) {
    match source.channels {
        Channels::Gray => resize_pixels::<1>(source, size, scratch, target),
        Channels::Rgb => resize_pixels::<3>(source, size, scratch, target),
        Channels::Rgba => resize_pixels::<4>(source, size, scratch, target),
    }
}

/// Of four channels, the colours are weighted by the fourth, so that what cannot be seen does not count.
fn resize_pixels<const C: usize>(
    source: &Source<'_>,
    (width, height): (u32, u32),
    scratch: &mut AreaScratch,
    target: &mut [u8],
) {
    let (width, height) = (width as usize, height as usize);
    let (from_width, from_height) = (source.crop.width as usize, source.crop.height as usize);
    let AreaScratch { column_sums, spans } = scratch;
    spans.clear();
    spans.extend((0..width).map(|index| Span::new(index, from_width, width)));
    column_sums.resize(from_width * C, 0);
    let rounding = Rounding::new(from_width as u64 * from_height as u64);
    for (y, target_row) in target.chunks_exact_mut(width * C).enumerate() {
        let span = Span::new(y, from_height, height);
        column_sums.fill(0);
        for row in span.inner() {
            add_row::<C>(column_sums, source.row(row), height as u16);
        }
        add_row::<C>(column_sums, source.row(span.pixels.start), span.first_weight as u16);
        if span.last_weight > 0 {
            add_row::<C>(column_sums, source.row(span.last()), span.last_weight as u16);
        }
        let sums = column_sums.as_chunks::<C>().0;
        for (pixel, span) in target_row.as_chunks_mut::<C>().0.iter_mut().zip(spans.iter()) {
            let total = box_sum(sums, span, width as u64);
            *pixel = if C == 4 { unweighted(total, &rounding) } else { total.map(|sum| rounding.mean(sum)) };
        }
    }
}

/// Adds a row of pixels to the sums, with the widest vectors that the processor has.
fn add_row<const C: usize>(sums: &mut [u32], row: &[u8], weight: u16) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[target_feature(enable = "avx2")]
        fn with_avx2<const C: usize>(sums: &mut [u32], row: &[u8], weight: u16) {
            add_weighted::<C>(sums, row, weight);
        }
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        unsafe { with_avx2::<C>(sums, row, weight) };
        return;
    }
    add_weighted::<C>(sums, row, weight);
}

/// Factors of 16 bits let the compiler use vector multiplication on every x86-64.
#[inline(always)]
fn add_weighted<const C: usize>(sums: &mut [u32], row: &[u8], weight: u16) {
    if C == 4 {
        for (sums, pixel) in sums.as_chunks_mut::<4>().0.iter_mut().zip(row.as_chunks::<4>().0) {
            let alpha_weight = u32::from(pixel[3]) * u32::from(weight);
            for channel in 0..3 {
                sums[channel] += u32::from(pixel[channel]) * alpha_weight;
            }
            sums[3] += alpha_weight;
        }
    } else {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += u32::from(value) * u32::from(weight);
        }
    }
}

/// The sum over the box of one target pixel, per channel.
#[inline(always)]
fn box_sum<const C: usize>(sums: &[[u32; C]], span: &Span, inner_weight: u64) -> [u64; C] {
    let mut total = [0_u64; C];
    for pixel in &sums[span.inner()] {
        for channel in 0..C {
            total[channel] += u64::from(pixel[channel]);
        }
    }
    let (first, last) = (sums[span.pixels.start], sums[span.last()]);
    for channel in 0..C {
        total[channel] = total[channel] * inner_weight
            + u64::from(first[channel]) * u64::from(span.first_weight)
            + u64::from(last[channel]) * u64::from(span.last_weight);
    }
    total
}

/// A mean colour and opacity, the last channel, from sums of which the colours are weighted by opacity.
fn unweighted<const C: usize>(total: [u64; C], rounding: &Rounding) -> [u8; C] {
    let alpha = total[C - 1];
    if alpha == 0 {
        return [0; C];
    }
    let mut pixel = total.map(|sum| ((2 * sum + alpha) / (2 * alpha)) as u8);
    pixel[C - 1] = rounding.mean(alpha);
    pixel
}

/// Division of sums by the area of the box, as a multiplication.
struct Rounding {
    reciprocal: f64,
}

impl Rounding {
    /// Lifts ties, which `reciprocal` may push down by 1e-13, over the edge. Quotients that are no tie stay at least
    /// `0.5 / SIDE_MAX^2` = 1.1e-10 away from it.
    const TIE: f64 = 2e-11;

    fn new(area: u64) -> Self {
        Self { reciprocal: 1.0 / area as f64 }
    }

    /// `floor(sum / area + 0.5)`, exactly.
    #[inline(always)]
    fn mean(&self, sum: u64) -> u8 {
        (sum as f64 * self.reciprocal + (0.5 + Self::TIE)) as u8
    }
}
