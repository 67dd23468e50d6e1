//! Convolutions as products of matrices that are never copied together: a row of the left matrix is what a window sees, read
//! where it lies; the right matrix is the kernel, packed into panels of 8, 16 or 24 columns when a model is prepared.
//!
//! A tile of 6 windows by 16 channels, or 3 by 24, is summed in the processor's registers.

use std::arch::x86_64::*;

use super::{
    memory::{Buffer, LINE},
    vector::{Activation, LANES, clip},
};

/// Terms of a sum that are added in one go, so that their part of a panel (16 KiB of 16 channels) stays in the first cache.
const TERMS_MAX: usize = 192;

/// Windows that are multiplied with one panel after the other, as far as what they see is about this many numbers: half of
/// the second cache.
const NUMBERS_MAX: usize = 64 << 10;

/// Windows in a tile.
const ROWS_MAX: usize = 6;

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
        Self { weights, bias: padded_bias, panels, terms }
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
        unsafe {
            match vectors {
                1 => tiles::<6, 1>(&job, range.clone()),
                2 => tiles::<6, 2>(&job, range.clone()),
                _ => tiles::<3, 3>(&job, range.clone()),
            }
        }
    }
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
unsafe fn tiles<const ROWS: usize, const VECTORS: usize>(job: &Job<'_>, range: std::ops::Range<usize>) {
    let mut column = range.start % job.places[0].width;
    let mut at = job.places.map(|places| places.at(range.start));
    let mut left = range.len();
    // The next group's weights, as many as this one's, come into the cache meanwhile.
    let numbers = job.terms * VECTORS * LANES;
    let (mut next, mut lines) = (job.weights.wrapping_add(numbers), numbers.div_ceil(LINE));
    let each = lines.div_ceil(left.div_ceil(ROWS).max(1));
    // Wrapping: behind the last place there is none.
    let further = |at: [usize; 3], places: usize| {
        [0, 1, 2].map(|i| at[i].wrapping_add(places.wrapping_mul(job.places[i].step)))
    };
    let in_line = [0, 1, 2, 3, 4, 5].map(|place| further([0; 3], place));
    while left > 0 {
        for _ in 0..each.min(lines) {
            _mm_prefetch::<_MM_HINT_T1>(next.cast());
            next = next.wrapping_add(LINE);
        }
        lines -= each.min(lines);
        // Two even tiles for the last windows where they fill more than one.
        let rows = if left < 2 * ROWS && left > ROWS { left.div_ceil(2) } else { left.min(ROWS) };
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
        unsafe {
            match rows {
                1 => tile::<1, VECTORS>(job, from, offsets),
                2 => tile::<2, VECTORS>(job, from, offsets),
                3 => tile::<3, VECTORS>(job, from, offsets),
                4 if ROWS > 3 => tile::<4, VECTORS>(job, from, offsets),
                5 if ROWS > 3 => tile::<5, VECTORS>(job, from, offsets),
                _ => tile::<ROWS, VECTORS>(job, from, offsets),
            }
        }
        left -= rows;
    }
}

/// The windows of a tile lie at `offsets` behind `from`.
///
/// # Safety
/// As [`tiles`].
#[expect(
    clippy::needless_range_loop,
    reason = "sums that are borrowed as a slice would not stay in registers"
)]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const ROWS: usize, const VECTORS: usize>(
    job: &Job<'_>,
    from: [usize; 3],
    offsets: &[[usize; 3]; ROWS_MAX],
) {
    let (input, output) = (job.input.wrapping_add(from[0]), job.output.wrapping_add(from[1]));
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = [[_mm256_setzero_ps(); VECTORS]; ROWS];
        for r in 0..ROWS {
            for v in 0..VECTORS {
                let start = job.bias.unwrap_or(output.wrapping_add(offsets[r][1]));
                sums[r][v] = _mm256_loadu_ps(start.wrapping_add(v * LANES));
            }
        }
        let mut weights = job.weights;
        for run in job.runs {
            let mut rows = [input; ROWS];
            for r in 0..ROWS {
                rows[r] = input.wrapping_add(offsets[r][0]).wrapping_add(run.offset);
            }
            for term in 0..run.len {
                let mut columns = [_mm256_setzero_ps(); VECTORS];
                for v in 0..VECTORS {
                    columns[v] = _mm256_loadu_ps(weights.wrapping_add(v * LANES));
                }
                weights = weights.wrapping_add(VECTORS * LANES);
                for r in 0..ROWS {
                    let number = _mm256_broadcast_ss(&*rows[r].wrapping_add(term));
                    for v in 0..VECTORS {
                        sums[r][v] = _mm256_fmadd_ps(number, columns[v], sums[r][v]);
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
                            .wrapping_add(v * LANES);
                        sums[r][v] = _mm256_add_ps(sums[r][v], _mm256_loadu_ps(place));
                    }
                }
            }
            if let Activation::Clip { low, high } = activation {
                let (low, high) = (_mm256_set1_ps(low), _mm256_set1_ps(high));
                for r in 0..ROWS {
                    for v in 0..VECTORS {
                        sums[r][v] = clip(sums[r][v], low, high);
                    }
                }
            }
        }
        for r in 0..ROWS {
            let place = output.wrapping_add(offsets[r][1]);
            for v in 0..VECTORS {
                _mm256_storeu_ps(place.wrapping_add(v * LANES), sums[r][v]);
            }
        }
        match job.finish {
            None | Some((_, Activation::Clip { .. })) => {}
            Some((_, activation)) => activate(output, &offsets[..ROWS], VECTORS, activation),
        }
    }
}

/// The activations that are no bounds, which would take the registers that sums are in.
///
/// # Safety
/// As [`tiles`].
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
