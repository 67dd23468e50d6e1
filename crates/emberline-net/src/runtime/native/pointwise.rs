//! What is computed number by number, or over the places of a channel.

use std::arch::x86_64::*;

use super::{
    layout::Layout,
    vector::{Activation, LANES},
};

/// A line of numbers that begins here, and how far the same line of the next place is.
pub(super) type Input<'a> = (&'a [f32], Layout);

/// Calls `line` with where the places of every line of both values begin.
fn lines(from: &Layout, to: &Layout) -> impl Iterator<Item = (usize, usize)> + use<> {
    let (from, to) = (*from, *to);
    (0..to.shape.height)
        .map(move |y| (from.places().start + y * from.line(), to.places().start + y * to.line()))
}

/// `activation(factor * x + offset)` by channel; both are as many as channels and padded to eights.
pub(super) fn scale(
    (input, from): Input<'_>,
    [factors, offsets]: [&[f32]; 2],
    activation: Activation,
    (output, to): (&mut [f32], Layout),
) {
    let len = to.eights();
    for (start, end) in lines(&from, &to) {
        for x in 0..to.shape.width {
            let input = &input[start + x * from.step..][..len];
            let output = &mut output[end + x * to.step..][..len];
            // SAFETY: the processor has AVX2 and FMA, or there were no runtime that calls this.
            unsafe { scale_place(input, factors, offsets, activation, output) };
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn scale_place(input: &[f32], factors: &[f32], offsets: &[f32], activation: Activation, output: &mut [f32]) {
    let parts = input.as_chunks().0.iter().zip(factors.as_chunks().0).zip(offsets.as_chunks().0);
    for (((x, factor), offset), output) in parts.zip(output.as_chunks_mut().0) {
        store(output, activation.of(_mm256_fmadd_ps(load(x), load(factor), load(offset))));
    }
}

/// The sum or product of two values; the second's place is the same for all of the first's where it has only one.
pub(super) fn combine(
    multiply: bool,
    (left, from_left): Input<'_>,
    (right, from_right): Input<'_>,
    activation: Activation,
    (output, to): (&mut [f32], Layout),
) {
    let len = to.eights();
    let one = from_right.shape.places() == 1;
    for (y, (start, end)) in lines(&from_left, &to).enumerate() {
        let right_line = from_right.places().start + if one { 0 } else { y * from_right.line() };
        for x in 0..to.shape.width {
            let left = &left[start + x * from_left.step..][..len];
            let right = &right[right_line + if one { 0 } else { x * from_right.step }..][..len];
            let output = &mut output[end + x * to.step..][..len];
            // SAFETY: the processor has AVX2 and FMA, or there were no runtime that calls this.
            unsafe { combine_place(multiply, left, right, activation, output) };
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn combine_place(multiply: bool, left: &[f32], right: &[f32], activation: Activation, output: &mut [f32]) {
    let parts = left.as_chunks().0.iter().zip(right.as_chunks().0);
    for ((left, right), output) in parts.zip(output.as_chunks_mut().0) {
        let (left, right) = (load(left), load(right));
        let both = if multiply { _mm256_mul_ps(left, right) } else { _mm256_add_ps(left, right) };
        store(output, activation.of(both));
    }
}

/// The mean or the greatest number of every channel.
pub(super) fn global(greatest: bool, (input, from): Input<'_>, output: &mut [f32]) {
    let share = 1.0 / from.shape.places() as f32;
    let places = from.places();
    let output = &mut output[..from.eights()];
    output.fill(if greatest { f32::NEG_INFINITY } else { 0.0 });
    for place in 0..from.shape.places() {
        let numbers = &input[places.at(place)..][..output.len()];
        for (sum, number) in output.iter_mut().zip(numbers) {
            *sum = match greatest {
                true if *number > *sum || number.is_nan() => *number,
                true => *sum,
                false => *sum + number,
            };
        }
    }
    if !greatest {
        output.iter_mut().for_each(|sum| *sum *= share);
    }
}

/// `exp(x - m) / Σ exp(x - m)` over channels, where m is the greatest of them.
pub(super) fn softmax(input: &[f32], output: &mut [f32]) {
    let greatest = input.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (output, input) in output.iter_mut().zip(input) {
        *output = (input - greatest).exp();
        sum += *output;
    }
    output.iter_mut().for_each(|output| *output /= sum);
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(numbers: &[f32; LANES]) -> __m256 {
    // SAFETY: there are eight numbers.
    unsafe { _mm256_loadu_ps(numbers.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn store(numbers: &mut [f32; LANES], value: __m256) {
    // SAFETY: there is room for eight numbers.
    unsafe { _mm256_storeu_ps(numbers.as_mut_ptr(), value) }
}
