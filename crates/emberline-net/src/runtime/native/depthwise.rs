//! Depthwise convolutions: every channel by itself, eight channels side by side. Some windows of a line are summed at once, so
//! that a number of the input is read once for all windows that see it.

use std::arch::x86_64::*;

use super::{
    memory::Buffer,
    multiply::Places,
    vector::{Activation, LANES, clip},
};

/// Windows of a line that are summed at once: a factor of 224 and its halves, and enough for the processor to add without
/// waiting for sums.
const MANY: usize = 7;

/// The same in narrow images.
const FEW: usize = 4;

/// How far places of the input mostly are apart: that of a panel with 16 channels.
const STEP: usize = 2 * LANES;

/// Kernels for [`convolve`]: eight channels after eight, `[window, 8]`, and their bias.
#[derive(Debug)]
pub(super) struct Kernels {
    weights: Buffer,
    bias: Buffer,
    window: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
}

impl Kernels {
    /// Packs kernels `[channels, height, width]` with a bias for each channel.
    pub(super) fn new(
        kernels: &[f32],
        bias: &[f32],
        window: [usize; 2],
        strides: [usize; 2],
        dilations: [usize; 2],
    ) -> Self {
        let channels = bias.len();
        let places = window[0] * window[1];
        let mut weights = Buffer::new(channels.next_multiple_of(LANES) * places);
        for (channel, kernel) in kernels.chunks_exact(places).enumerate() {
            let eight = &mut weights.numbers_mut()[channel / LANES * LANES * places..][..LANES * places];
            for (place, number) in kernel.iter().enumerate() {
                eight[place * LANES + channel % LANES] = *number;
            }
        }
        let mut padded = Buffer::new(channels.next_multiple_of(LANES));
        padded.numbers_mut()[..channels].copy_from_slice(bias);
        Self { weights, bias: padded, window, strides, dilations }
    }

    /// Lines, and places of a line, from one window's first to the next one's.
    pub(super) fn strides(&self) -> [usize; 2] {
        self.strides
    }

    /// Lines that a window sees, those between its own included.
    pub(super) fn height(&self) -> usize {
        (self.window[0] - 1) * self.dilations[0] + 1
    }

    /// The same of a line's places.
    pub(super) fn width(&self) -> usize {
        (self.window[1] - 1) * self.dilations[1] + 1
    }
}

/// The sums of some windows, line by line, for channels from the kernel's `channel` on, `vectors` eights of them. The input's places are
/// those of the first window's first number; padding is part of the input.
///
/// # Panics
/// When places lie outside of their buffers, or channels outside of the kernel.
pub(super) fn convolve(
    kernels: &Kernels,
    [channel, vectors]: [usize; 2],
    [height, width]: [usize; 2],
    activation: Activation,
    (input, from): (&[f32], Places),
    (output, to): (&mut [f32], Places),
) {
    let ([down, right], places) = (kernels.strides, kernels.window[0] * kernels.window[1]);
    if height == 0 || width == 0 {
        return;
    }
    let channels = vectors * LANES;
    let (last_line, last_place) =
        ((height - 1) * down + kernels.height() - 1, (width - 1) * right + kernels.width() - 1);
    assert!(from.start + last_line * from.line + last_place * from.step + channels <= input.len());
    assert!(to.start + (height - 1) * to.line + (width - 1) * to.step + channels <= output.len());
    let weights = &kernels.weights.numbers()[channel * places..][..channels * places];
    let bias = &kernels.bias.numbers()[channel..][..channels];
    let line_of = match (kernels.window[1], right, kernels.dilations[1]) {
        (3, 1, 1) => line::<3, 1>,
        (3, 2, 1) => line::<3, 2>,
        (5, 1, 1) => line::<5, 1>,
        (5, 2, 1) => line::<5, 2>,
        (7, 1, 1) => line::<7, 1>,
        _ => any_line,
    };
    for y in 0..height {
        for vector in 0..vectors {
            let eight = vector * LANES;
            let job = Job {
                kernels,
                weights: weights[eight * places..].as_ptr(),
                bias: bias[eight..].as_ptr(),
                activation,
                input: input[from.start + y * down * from.line + eight..].as_ptr(),
                output: output[to.start + y * to.line + eight..].as_mut_ptr(),
                from,
                to,
            };
            // SAFETY: the processor has AVX2 and FMA, or there were no runtime that calls this. The line's windows and all
            // that they see are within the buffers: asserted above for the last line, behind which no other ends.
            unsafe { line_of(&job, width) };
        }
    }
}

/// One line of windows, for eight channels.
struct Job<'a> {
    kernels: &'a Kernels,
    weights: *const f32,
    bias: *const f32,
    activation: Activation,
    /// What the first window of the line begins with.
    input: *const f32,
    output: *mut f32,
    from: Places,
    to: Places,
}

/// # Safety
/// The processor must have AVX2 and FMA; all that the line's windows see and write must be within the buffers.
#[target_feature(enable = "avx2,fma")]
unsafe fn line<const WINDOW: usize, const STRIDE: usize>(job: &Job<'_>, width: usize) {
    let count = match width {
        0..FEW => 1,
        FEW..MANY => FEW,
        _ => MANY,
    };
    for x in (0..width).step_by(count) {
        // The last ones are summed twice where they do not come out even.
        let x = x.min(width - count);
        // SAFETY: as the caller promises; from `x` on there are `count` windows in the line.
        unsafe {
            match (count, job.from.step) {
                (MANY, STEP) => some::<WINDOW, STRIDE, MANY, true>(job, x),
                (MANY, _) => some::<WINDOW, STRIDE, MANY, false>(job, x),
                (FEW, _) => some::<WINDOW, STRIDE, FEW, false>(job, x),
                _ => some::<WINDOW, STRIDE, 1, false>(job, x),
            }
        }
    }
}

/// `COUNT` windows from the `x`th on; whether the places of the input are [`STEP`] numbers apart.
///
/// # Safety
/// As [`line`].
#[expect(
    clippy::needless_range_loop,
    reason = "sums that are borrowed as a slice would not stay in registers"
)]
#[target_feature(enable = "avx2,fma")]
unsafe fn some<const WINDOW: usize, const STRIDE: usize, const COUNT: usize, const STEPS: bool>(
    job: &Job<'_>,
    x: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let step = if STEPS { STEP } else { job.from.step };
        let mut sums = [_mm256_loadu_ps(job.bias); COUNT];
        let mut weights = job.weights;
        let mut input = job.input.wrapping_add(x.wrapping_mul(STRIDE).wrapping_mul(step));
        let down = job.kernels.dilations[0].wrapping_mul(job.from.line);
        for _ in 0..job.kernels.window[0] {
            for column in 0..WINDOW {
                let weight = _mm256_loadu_ps(weights.wrapping_add(column * LANES));
                for i in 0..COUNT {
                    let number =
                        _mm256_loadu_ps(input.wrapping_add((i * STRIDE + column).wrapping_mul(step)));
                    sums[i] = _mm256_fmadd_ps(number, weight, sums[i]);
                }
            }
            weights = weights.wrapping_add(WINDOW * LANES);
            input = input.wrapping_add(down);
        }
        let output = job.output.wrapping_add(x.wrapping_mul(job.to.step));
        if let Activation::Clip { low, high } = job.activation {
            let (low, high) = (_mm256_set1_ps(low), _mm256_set1_ps(high));
            for i in 0..COUNT {
                sums[i] = clip(sums[i], low, high);
            }
        }
        for i in 0..COUNT {
            _mm256_storeu_ps(output.wrapping_add(i.wrapping_mul(job.to.step)), sums[i]);
        }
        if !matches!(job.activation, Activation::Clip { .. }) {
            activate(job, output, COUNT);
        }
    }
}

/// The activations that are no bounds, which would take the registers that sums are in.
///
/// # Safety
/// As [`line`].
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
unsafe fn activate(job: &Job<'_>, output: *mut f32, count: usize) {
    for i in 0..count {
        let place = output.wrapping_add(i * job.to.step);
        // SAFETY: as the caller promises.
        unsafe { _mm256_storeu_ps(place, job.activation.of(_mm256_loadu_ps(place))) };
    }
}

/// As [`line`], of any window.
///
/// # Safety
/// As [`line`].
#[target_feature(enable = "avx2,fma")]
unsafe fn any_line(job: &Job<'_>, width: usize) {
    let Kernels { window, strides, dilations, .. } = job.kernels;
    for x in 0..width {
        // SAFETY: as the caller promises.
        unsafe {
            let mut sum = _mm256_loadu_ps(job.bias);
            for place in 0..window[0] * window[1] {
                let (y, right) = (place / window[1] * dilations[0], place % window[1] * dilations[1]);
                let offset = y * job.from.line + (x * strides[1] + right) * job.from.step;
                let weight = _mm256_loadu_ps(job.weights.add(place * LANES));
                sum = _mm256_fmadd_ps(_mm256_loadu_ps(job.input.add(offset)), weight, sum);
            }
            _mm256_storeu_ps(job.output.add(x * job.to.step), job.activation.of(sum));
        }
    }
}
