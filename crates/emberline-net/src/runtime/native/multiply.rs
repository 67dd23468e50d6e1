//! Convolutions as products of matrices that are never copied together: a row of the left matrix is what a window sees, read
//! where it lies; the right matrix is the kernel, packed into panels of 8, 16 or 24 columns when a model is prepared.
//!
//! A tile of 6 windows by 16 channels, or 3 by 24, is summed in the processor's registers; 12 by 16 where they are wide.

use std::arch::x86_64::*;

use super::{
    memory::Buffer,
    vector::{Activation, LANES, Vector, has_wide},
};

/// Terms of a sum that are added in one go, so that their part of a panel (16 KiB of 16 channels) stays in the first cache.
const TERMS_MAX: usize = 192;

/// Windows that are multiplied with one panel after the other, as far as what they see is about this many numbers: half of
/// the second cache.
const NUMBERS_MAX: usize = 64 << 10;

/// Windows in a tile.
const ROWS_MAX: usize = 12;

/// Where the places of an image, numbered line by line, lie in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// Of the first.
    pub(super) start: usize,
    /// How many there are in a line.
    pub(super) width: usize,
    /// From one to the next in a line.
    pub(super) step: usize,
    /// From one line to the next.
    pub(super) line: usize,
}

impl Places {
    /// Where a place lies.
    pub(super) fn at(&self, i: usize) -> usize {
        self.start + i / self.width * self.line + i % self.width * self.step
    }

    /// The same places, seen from this one on lines.
    pub(super) fn line_on(self, line: usize) -> Self {
        Self { start: self.start + line * self.line, ..self }
    }

    /// The same places, some channels further.
    pub(super) fn channel_on(self, channel: usize) -> Self {
        Self { start: self.start + channel, ..self }
    }

    /// One long line where lines follow each other as places do.
    fn joined(self, other: Self, third: Self) -> [Self; 3] {
        let whole = |places: Self| places.line == places.width * places.step;
        let all = [self, other, third];
        if all.iter().all(|places| whole(*places)) {
            all.map(|places| Self { width: usize::MAX, ..places })
        } else {
            all
        }
    }
}

/// Numbers that lie one after the other in what a window sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Where they begin, seen from the window's place.
    pub(super) offset: usize,
    /// How many they are.
    pub(super) len: usize,
}

/// A kernel for [`multiply`].
#[derive(Debug)]
pub(super) struct Panels {
    /// Panel after panel: `[terms][columns of the panel]`.
    weights: Buffer,
    bias: Buffer,
    panels: Vec<Panel>,
    terms: usize,
    /// Whether tiles are summed in wide registers: what the processor has.
    wide: bool,
}

/// Some channels of the output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    /// The first of its channels.
    pub(super) channel: usize,
    /// Its channels in eights, 1 to 3.
    pub(super) vectors: usize,
}

impl Panel {
    /// How many channels it has.
    pub(super) fn width(&self) -> usize {
        self.vectors * LANES
    }
}

impl Panels {
    /// Packs a kernel for as many channels as the bias has numbers. The first channel's numbers are at the places that `places` tells, one
    /// for each term, the next channel's `apart` further on.
    pub(super) fn new(kernel: &[f32], apart: usize, bias: &[f32], places: &[usize]) -> Self {
        let (channels, terms) = (bias.len(), places.len());
        let panels = panels(channels);
        let padded = channels.next_multiple_of(LANES);
        let mut weights = Buffer::new(terms * padded);
        let mut rows = weights.numbers_mut();
        for panel in &panels {
            let present = panel.channel..channels.min(panel.channel + panel.width());
            for place in places {
                let (row, later) = rows.split_at_mut(panel.width());
                for (number, channel) in row.iter_mut().zip(present.clone()) {
                    *number = kernel[channel * apart + place];
                }
                rows = later;
            }
        }
        let mut padded_bias = Buffer::new(padded);
        padded_bias.numbers_mut()[..channels].copy_from_slice(bias);
        Self { weights, bias: padded_bias, panels, terms, wide: has_wide() }
    }

    /// The panels, in the order of their channels.
    pub(super) fn panels(&self) -> &[Panel] {
        &self.panels
    }
}

/// Panels of 16 channels; the last has 24 or 8 where they do not come out even.
fn panels(channels: usize) -> Vec<Panel> {
    let mut left = channels.div_ceil(LANES);
    let mut panels = Vec::new();
    let mut channel = 0;
    while left > 0 {
        let vectors = if left == 3 { 3 } else { left.min(2) };
        panels.push(Panel { channel, vectors });
        channel += vectors * LANES;
        left -= vectors;
    }
    panels
}

/// Windows of one convolution: where they look and where their sums go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows<'a> {
    /// What all windows see, in the order of the kernel's terms and [in groups](in_groups).
    pub(super) groups: &'a [Vec<Run>],
    pub(super) count: usize,
    pub(super) input: Places,
    pub(super) output: Places,
    pub(super) residual: Option<(&'a [f32], Places)>,
    pub(super) activation: Activation,
}

/// Cuts runs into groups of at most [`TERMS_MAX`] terms, all about as large.
pub(super) fn in_groups(runs: &[Run]) -> Vec<Vec<Run>> {
    let terms: usize = runs.iter().map(|run| run.len).sum();
    let each = terms.div_ceil(terms.div_ceil(TERMS_MAX).max(1));
    let mut groups = Vec::new();
    let mut room = 0;
    for run in runs {
        let mut run = *run;
        while run.len > 0 {
            if room == 0 {
                groups.push(Vec::new());
                room = each;
            }
            let len = run.len.min(room);
            if let Some(group) = groups.last_mut() {
                group.push(Run { offset: run.offset, len });
            }
            room -= len;
            run = Run { offset: run.offset + len, len: run.len - len };
        }
    }
    groups
}

/// Sums of all channels of some windows: `output[window, channel] = activation(bias + Σ input * kernel + residual)`. Channels are
/// written in eights, so that behind the last one up to seven more are.
///
/// # Panics
/// When places lie outside of their buffers, or terms are not those of the kernel.
pub(super) fn multiply(kernel: &Panels, windows: &Windows<'_>, input: &[f32], output: &mut [f32]) {
    let per_window = kernel.terms.max(1);
    let block = (NUMBERS_MAX / per_window).next_multiple_of(ROWS_MAX);
    for first in (0..windows.count).step_by(block) {
        let block = first..windows.count.min(first + block);
        for panel in &kernel.panels {
            let output_places = windows.output.channel_on(panel.channel);
            let residual = windows.residual.map(|(from, places)| (from, places.channel_on(panel.channel)));
            let windows = Windows { output: output_places, residual, ..*windows };
            multiply_panel(kernel, *panel, &windows, block.clone(), input, output);
        }
    }
}

/// As [`multiply`], of one panel's channels alone and some of the windows. The output's places are those of the panel's first
/// channel.
///
/// # Panics
/// As [`multiply`].
pub(super) fn multiply_panel(
    kernel: &Panels,
    panel: Panel,
    windows: &Windows<'_>,
    range: std::ops::Range<usize>,
    input: &[f32],
    output: &mut [f32],
) {
    let Some(last) = range.clone().next_back() else { return };
    let Panel { channel, vectors } = panel;
    let width = vectors * LANES;
    let groups = windows.groups;
    let runs = || groups.iter().flatten();
    assert_eq!(runs().map(|run| run.len).sum::<usize>(), kernel.terms);
    let seen = runs().map(|run| run.offset + run.len).max().unwrap_or(0);
    assert!(windows.input.at(last) + seen <= input.len());
    assert!(windows.output.at(last) + width <= output.len());
    let (residual, residual_places) = windows.residual.unwrap_or((&[], windows.output));
    assert!(windows.residual.is_none() || residual_places.at(last) + width <= residual.len());
    let places = windows.input.joined(windows.output, residual_places);
    let [input_places, output_places, residual_places] = places;
    let residual = windows.residual.map(|_| residual.as_ptr());
    let mut weights = &kernel.weights.numbers()[channel * kernel.terms..][..width * kernel.terms];
    for (g, group) in groups.iter().enumerate() {
        let terms: usize = group.iter().map(|run| run.len).sum();
        let (now, later) = weights.split_at(terms * width);
        weights = later;
        let job = Job {
            runs: group,
            terms,
            weights: now.as_ptr(),
            bias: (g == 0).then(|| kernel.bias.numbers()[channel..][..width].as_ptr()),
            finish: (g + 1 == groups.len()).then_some((residual, windows.activation)),
            input: input.as_ptr(),
            output: output.as_mut_ptr(),
            places: [input_places, output_places, residual_places],
        };
        // SAFETY: the processor has AVX2 and FMA, or there were no runtime that calls this. All places, which grow with the
        // number of the window, are within the buffers, as are the panel's weights and bias: asserted above.
        unsafe { cover(&job, tiles_of(vectors, kernel.wide), width, range.clone()) };
    }
}

/// The sums of a panel's channels for some windows, which lie at offsets behind a place of the input, the output and the residual.
type Tile = unsafe fn(&Job<'_>, [usize; 3], &[[usize; 3]; ROWS_MAX], Prefetch);

/// Tiles of one window, two windows and so on, for panels of as many eights of channels.
fn tiles_of(vectors: usize, wide: bool) -> &'static [Tile] {
    macro_rules! tiles {
        ($tile:ident, $vectors:literal, $($rows:literal)*) => { &[$($tile::<$rows, $vectors>),*] };
    }
    match vectors {
        1 => tiles!(tile, 1, 1 2 3 4 5 6),
        2 if wide => tiles!(wide_tile, 1, 1 2 3 4 5 6 7 8 9 10 11 12),
        2 => tiles!(tile, 2, 1 2 3 4 5 6),
        _ => tiles!(tile, 3, 1 2 3),
    }
}

/// What comes into the cache meanwhile.
#[derive(Clone, Copy)]
struct Prefetch {
    next: *const u8,
    /// Bytes with each term.
    step: usize,
}

/// A group of terms for one panel.
struct Job<'a> {
    runs: &'a [Run],
    terms: usize,
    weights: *const f32,
    /// What sums start from; without it, from what the output holds.
    bias: Option<*const f32>,
    /// What is added to sums that are complete, and their activation.
    finish: Option<(Option<*const f32>, Activation)>,
    input: *const f32,
    output: *mut f32,
    /// Of the input, the output and the residual.
    places: [Places; 3],
}

/// # Safety
/// The processor must have AVX2 and FMA; all that the job's places and runs point to must be within the buffers.
#[target_feature(enable = "avx2,fma")]
unsafe fn cover(job: &Job<'_>, tiles: &[Tile], width: usize, range: std::ops::Range<usize>) {
    let most = tiles.len();
    let mut column = range.start % job.places[0].width;
    let mut at = job.places.map(|places| places.at(range.start));
    let mut left = range.len();
    // The next group's weights, as many as this one's, a share of them with each tile.
    let mut prefetch = Prefetch {
        next: job.weights.wrapping_add(job.terms * width).cast(),
        step: width * size_of::<f32>() / left.div_ceil(most).max(1),
    };
    // Wrapping: behind the last place there is none.
    let further = |at: [usize; 3], places: usize| {
        [0, 1, 2].map(|i| at[i].wrapping_add(places.wrapping_mul(job.places[i].step)))
    };
    let in_line: [_; ROWS_MAX] = std::array::from_fn(|place| further([0; 3], place));
    while left > 0 {
        // Two even tiles for the last windows where they fill more than one.
        let rows = if left < 2 * most && left > most { left.div_ceil(2) } else { left.min(most) };
        let mut broken = [[0; 3]; ROWS_MAX];
        let (from, offsets) = if column + rows < job.places[0].width {
            let from = at;
            at = further(at, rows);
            column += rows;
            (from, &in_line)
        } else {
            for offset in &mut broken[..rows] {
                *offset = at;
                column += 1;
                at = further(at, 1);
                if column == job.places[0].width {
                    column = 0;
                    at = [0, 1, 2].map(|i| {
                        let Places { width, step, line, .. } = job.places[i];
                        at[i].wrapping_add(line).wrapping_sub(width.wrapping_mul(step))
                    });
                }
            }
            ([0; 3], &broken)
        };
        // SAFETY: as the caller promises.
        unsafe { tiles[rows - 1](job, from, offsets, prefetch) };
        prefetch.next = prefetch.next.wrapping_add(prefetch.step * job.terms);
        left -= rows;
    }
}

/// # Safety
/// As [`cover`].
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const ROWS: usize, const VECTORS: usize>(
    job: &Job<'_>,
    from: [usize; 3],
    offsets: &[[usize; 3]; ROWS_MAX],
    prefetch: Prefetch,
) {
    // SAFETY: as the caller promises.
    unsafe { sum::<__m256, ROWS, VECTORS>(job, from, offsets, prefetch) };
}

/// # Safety
/// As [`cover`]; the processor must have what [`has_wide`] asks for.
#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
unsafe fn wide_tile<const ROWS: usize, const VECTORS: usize>(
    job: &Job<'_>,
    from: [usize; 3],
    offsets: &[[usize; 3]; ROWS_MAX],
    prefetch: Prefetch,
) {
    // SAFETY: as the caller promises.
    unsafe { sum::<__m512, ROWS, VECTORS>(job, from, offsets, prefetch) };
}

/// The body of a [`Tile`], to be inlined where the processor's features are known.
///
/// # Safety
/// As [`cover`], and as [`Vector`] says.
#[expect(
    clippy::needless_range_loop,
    reason = "sums that are borrowed as a slice would not stay in registers"
)]
#[expect(clippy::inline_always, reason = "elsewhere the vectors' instructions were calls")]
#[inline(always)]
unsafe fn sum<V: Vector, const ROWS: usize, const VECTORS: usize>(
    job: &Job<'_>,
    from: [usize; 3],
    offsets: &[[usize; 3]; ROWS_MAX],
    Prefetch { mut next, step }: Prefetch,
) {
    let lanes = const { V::EIGHTS * LANES };
    let (input, output) = (job.input.wrapping_add(from[0]), job.output.wrapping_add(from[1]));
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = [[V::of(0.0); VECTORS]; ROWS];
        for r in 0..ROWS {
            for v in 0..VECTORS {
                let start = job.bias.unwrap_or(output.wrapping_add(offsets[r][1]));
                sums[r][v] = V::load(start.wrapping_add(v * lanes));
            }
        }
        let mut weights = job.weights;
        for run in job.runs {
            let mut rows = [input; ROWS];
            for r in 0..ROWS {
                rows[r] = input.wrapping_add(offsets[r][0]).wrapping_add(run.offset);
            }
            for term in 0..run.len {
                _mm_prefetch::<_MM_HINT_T1>(next.cast());
                next = next.wrapping_add(step);
                let mut columns = [V::of(0.0); VECTORS];
                for v in 0..VECTORS {
                    columns[v] = V::load(weights.wrapping_add(v * lanes));
                }
                weights = weights.wrapping_add(VECTORS * lanes);
                for r in 0..ROWS {
                    let number = V::of(*rows[r].wrapping_add(term));
                    for v in 0..VECTORS {
                        sums[r][v] = number.multiply_add(columns[v], sums[r][v]);
                    }
                }
            }
        }
        if let Some((residual, activation)) = job.finish {
            if let Some(residual) = residual {
                for r in 0..ROWS {
                    for v in 0..VECTORS {
                        let place = residual
                            .wrapping_add(from[2])
                            .wrapping_add(offsets[r][2])
                            .wrapping_add(v * lanes);
                        sums[r][v] = sums[r][v].add(V::load(place));
                    }
                }
            }
            if let Activation::Clip { low, high } = activation {
                let (low, high) = (V::of(low), V::of(high));
                for r in 0..ROWS {
                    for v in 0..VECTORS {
                        sums[r][v] = sums[r][v].clip(low, high);
                    }
                }
            }
        }
        for r in 0..ROWS {
            let place = output.wrapping_add(offsets[r][1]);
            for v in 0..VECTORS {
                sums[r][v].store(place.wrapping_add(v * lanes));
            }
        }
        match job.finish {
            None | Some((_, Activation::Clip { .. })) => {}
            Some((_, activation)) => activate(output, &offsets[..ROWS], VECTORS * V::EIGHTS, activation),
        }
    }
}

/// The activations that are no bounds, which would take the registers that sums are in.
///
/// # Safety
/// As [`cover`].
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
unsafe fn activate(output: *mut f32, offsets: &[[usize; 3]], vectors: usize, activation: Activation) {
    for offset in offsets {
        for v in 0..vectors {
            let place = output.wrapping_add(offset[1]).wrapping_add(v * LANES);
            // SAFETY: as the caller promises.
            unsafe { _mm256_storeu_ps(place, activation.of(_mm256_loadu_ps(place))) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between -1 and 1, another row for another seed.
    fn numbers(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    #[test]
    fn wide_tiles_sum_to_the_bit_what_narrow_ones_do() {
        if !has_wide() {
            println!("skipped: this processor has no AVX-512");
            return;
        }
        let (terms, channels) = (TERMS_MAX + 37, 40);
        let places: Vec<usize> = (0..terms).collect();
        let mut kernel = Panels::new(&numbers(channels * terms, 1), terms, &numbers(channels, 2), &places);
        let groups = in_groups(&[Run { offset: 0, len: 100 }, Run { offset: 103, len: terms - 100 }]);
        for (count, width) in [(1_usize, 1), (12, 12), (13, 5), (29, 29), (64, 7)] {
            let lines = count.div_ceil(width);
            let step = terms + 5;
            let input = numbers(lines * (width + 1) * step, 3);
            let all = |step: usize| Places { start: 0, width, step, line: (width + 1) * step };
            let residual = numbers(lines * (width + 1) * channels, 4);
            let windows = Windows {
                groups: &groups,
                count,
                input: all(step),
                output: all(channels),
                residual: Some((&residual, all(channels))),
                activation: Activation::Clip { low: -1.0, high: f32::INFINITY },
            };
            let mut of = |wide: bool| {
                kernel.wide = wide;
                let mut output = vec![f32::NAN; residual.len()];
                multiply(&kernel, &windows, &input, &mut output);
                output.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            let found = of(true);
            assert_eq!(found, of(false), "{count} windows in lines of {width}");
            let last = all(channels).at(count - 1);
            assert!(found[last..last + channels].iter().all(|bits| f32::from_bits(*bits) >= -1.0));
        }
    }
}
