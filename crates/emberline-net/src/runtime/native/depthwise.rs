//! Depthwise convolutions: every channel by itself, eight or sixteen channels side by side. Some windows of a line are summed at once, so
//! that a number of the input is read once for all windows that see it.

use std::arch::x86_64::*;

use super::{
    memory::Buffer,
    multiply::Places,
    vector::{Activation, LANES, Vector, has_wide},
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
    /// Whether sixteen channels are summed side by side where there are as many: what the processor has.
    wide: bool,
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
        Self { weights, bias: padded, window, strides, dilations, wide: has_wide() }
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
    let lines: [Line; 2] = match (kernels.window[1], right, kernels.dilations[1]) {
        (3, 1, 1) => [line::<3, 1>, wide_line::<3, 1>],
        (3, 2, 1) => [line::<3, 2>, wide_line::<3, 2>],
        (5, 1, 1) => [line::<5, 1>, wide_line::<5, 1>],
        (5, 2, 1) => [line::<5, 2>, wide_line::<5, 2>],
        (7, 1, 1) => [line::<7, 1>, wide_line::<7, 1>],
        _ => [any_line, wide_any_line],
    };
    for y in 0..height {
        let mut vector = 0;
        while vector < vectors {
            let eights = if kernels.wide && vectors - vector >= 2 { 2 } else { 1 };
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
            // SAFETY: the processor has AVX2 and FMA, or there were no runtime that calls this, and wide vectors where they are
            // used. The line's windows and all that they see are within the buffers: asserted above for the last line, behind
            // which no other ends.
            unsafe { lines[eights - 1](&job, width) };
            vector += eights;
        }
    }
}

/// A line of windows for as many channels as a vector holds.
type Line = unsafe fn(&Job<'_>, usize);

/// One line of windows.
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

impl Job<'_> {
    /// How far the next eight channels' weights are.
    fn apart(&self) -> usize {
        self.kernels.window[0] * self.kernels.window[1] * LANES
    }
}

/// # Safety
/// The processor must have AVX2 and FMA; all that the line's windows see and write must be within the buffers.
#[target_feature(enable = "avx2,fma")]
unsafe fn line<const WINDOW: usize, const STRIDE: usize>(job: &Job<'_>, width: usize) {
    // SAFETY: as the caller promises.
    unsafe { line_of::<__m256, WINDOW, STRIDE>(job, width) };
}

/// # Safety
/// As [`line`]; the processor must have what [`has_wide`] asks for.
#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
unsafe fn wide_line<const WINDOW: usize, const STRIDE: usize>(job: &Job<'_>, width: usize) {
    // SAFETY: as the caller promises.
    unsafe { line_of::<__m512, WINDOW, STRIDE>(job, width) };
}

/// The body of a [`Line`], to be inlined where the processor's features are known.
///
/// # Safety
/// As [`line`], and as [`Vector`] says.
#[expect(clippy::inline_always, reason = "elsewhere the vectors' instructions were calls")]
#[inline(always)]
unsafe fn line_of<V: Vector, const WINDOW: usize, const STRIDE: usize>(job: &Job<'_>, width: usize) {
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
                (MANY, STEP) => some::<V, WINDOW, STRIDE, MANY, true>(job, x),
                (MANY, _) => some::<V, WINDOW, STRIDE, MANY, false>(job, x),
                (FEW, _) => some::<V, WINDOW, STRIDE, FEW, false>(job, x),
                _ => some::<V, WINDOW, STRIDE, 1, false>(job, x),
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
#[expect(clippy::inline_always, reason = "as of `line_of`")]
#[inline(always)]
unsafe fn some<V: Vector, const WINDOW: usize, const STRIDE: usize, const COUNT: usize, const STEPS: bool>(
    job: &Job<'_>,
    x: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let step = if STEPS { STEP } else { job.from.step };
        let mut sums = [V::load(job.bias); COUNT];
        let (mut weights, apart) = (job.weights, job.apart());
        let mut input = job.input.wrapping_add(x.wrapping_mul(STRIDE).wrapping_mul(step));
        let down = job.kernels.dilations[0].wrapping_mul(job.from.line);
        for _ in 0..job.kernels.window[0] {
            for column in 0..WINDOW {
                let weight = V::load_apart(weights.wrapping_add(column * LANES), apart);
                for i in 0..COUNT {
                    let number = V::load(input.wrapping_add((i * STRIDE + column).wrapping_mul(step)));
                    sums[i] = number.multiply_add(weight, sums[i]);
                }
            }
            weights = weights.wrapping_add(WINDOW * LANES);
            input = input.wrapping_add(down);
        }
        let output = job.output.wrapping_add(x.wrapping_mul(job.to.step));
        if let Activation::Clip { low, high } = job.activation {
            let (low, high) = (V::of(low), V::of(high));
            for i in 0..COUNT {
                sums[i] = sums[i].clip(low, high);
            }
        }
        for i in 0..COUNT {
            sums[i].store(output.wrapping_add(i.wrapping_mul(job.to.step)));
        }
        if !matches!(job.activation, Activation::Clip { .. }) {
            activate(job, output, COUNT, V::EIGHTS);
        }
    }
}

/// The activations that are no bounds, which would take the registers that sums are in.
///
/// # Safety
/// As [`line`].
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
unsafe fn activate(job: &Job<'_>, output: *mut f32, count: usize, eights: usize) {
    for i in 0..count {
        for eight in 0..eights {
            let place = output.wrapping_add(i * job.to.step + eight * LANES);
            // SAFETY: as the caller promises.
            unsafe { _mm256_storeu_ps(place, job.activation.of(_mm256_loadu_ps(place))) };
        }
    }
}

/// As [`line`], of any window.
///
/// # Safety
/// As [`line`].
#[target_feature(enable = "avx2,fma")]
unsafe fn any_line(job: &Job<'_>, width: usize) {
    // SAFETY: as the caller promises.
    unsafe { any_line_of::<__m256>(job, width) };
}

/// As [`wide_line`], of any window.
///
/// # Safety
/// As [`wide_line`].
#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
unsafe fn wide_any_line(job: &Job<'_>, width: usize) {
    // SAFETY: as the caller promises.
    unsafe { any_line_of::<__m512>(job, width) };
}

/// As [`line_of`], of any window.
///
/// # Safety
/// As [`line_of`].
#[expect(clippy::inline_always, reason = "as of `line_of`")]
#[inline(always)]
unsafe fn any_line_of<V: Vector>(job: &Job<'_>, width: usize) {
    let Kernels { window, strides, dilations, .. } = job.kernels;
    for x in 0..width {
        // SAFETY: as the caller promises.
        unsafe {
            let mut sum = V::load(job.bias);
            for place in 0..window[0] * window[1] {
                let (y, right) = (place / window[1] * dilations[0], place % window[1] * dilations[1]);
                let offset = y * job.from.line + (x * strides[1] + right) * job.from.step;
                let weight = V::load_apart(job.weights.add(place * LANES), job.apart());
                sum = V::load(job.input.add(offset)).multiply_add(weight, sum);
            }
            let output = job.output.add(x * job.to.step);
            sum.store(output);
            activate(job, output, 1, V::EIGHTS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_lines_sum_to_the_bit_what_narrow_ones_do() {
        if !has_wide() {
            println!("skipped: this processor has no AVX-512");
            return;
        }
        let number = |i: usize| (i * 7919 % 2003) as f32 / 1001.0 - 1.0;
        let (channels, height) = (24, 3);
        for (window, stride, dilation) in
            [(3, 1, 1), (3, 2, 1), (5, 1, 1), (5, 2, 1), (7, 1, 1), (3, 1, 2), (2, 3, 1)]
        {
            let weights: Vec<f32> = (0..channels * window * window).map(number).collect();
            let bias: Vec<f32> = (0..channels).map(number).collect();
            let mut kernels = Kernels::new(&weights, &bias, [window; 2], [stride; 2], [dilation; 2]);
            for (width, activation) in [
                (2, Activation::NONE),
                (5, Activation::Swish),
                (16, Activation::Clip { low: 0.0, high: 6.0 }),
            ] {
                let line = ((width - 1) * stride + kernels.width()) * channels;
                let lines = (height - 1) * stride + kernels.height();
                let input: Vec<f32> = (0..lines * line).map(number).collect();
                let from = Places { start: 0, width, step: channels, line };
                let to = Places { line: width * channels, ..from };
                let mut of = |wide: bool| {
                    kernels.wide = wide;
                    let mut output = vec![f32::NAN; height * width * channels];
                    let all = [0, channels / LANES];
                    convolve(&kernels, all, [height, width], activation, (&input, from), (&mut output, to));
                    output.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                let found = of(true);
                assert_eq!(found, of(false), "{window} {stride} {dilation} {width} {activation:?}");
                assert!(found.iter().all(|bits| !f32::from_bits(*bits).is_nan()));
            }
        }
    }
}
