//! Sums of many values: side by side, so that the processor computes several at once, and each plane's in 32 bits.

use std::ops::Range;

use rayon::prelude::*;

/// How many values are summed side by side.
const LANES: usize = 8;

pub(super) fn values(values: &[f32], function: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += function(*value));
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| function(*value)).sum::<f32>()
}

/// The same over pairs, as many as the shorter side has.
pub(super) fn pairs(a: &[f32], b: &[f32], function: impl Fn(f32, f32) -> f32) -> f32 {
    let len = a.len().min(b.len());
    let ((a, rest_a), (b, rest_b)) = (a[..len].as_chunks::<LANES>(), b[..len].as_chunks::<LANES>());
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.iter().zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += function(*a, *b));
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| function(*a, *b)).sum::<f32>()
}

/// The sum of what a function makes of a channel's planes, for every channel of `[batch, channels, positions]`.
pub(super) fn of_channels(shape: [usize; 3], of_plane: impl Fn(Range<usize>) -> f32 + Sync) -> Vec<f32> {
    let channels = 0..shape[1];
    channels.into_par_iter().map(|channel| of_channel(shape, channel, &of_plane) as f32).collect()
}

/// The same for one channel.
pub(super) fn of_channel(shape: [usize; 3], channel: usize, of_plane: impl Fn(Range<usize>) -> f32) -> f64 {
    let [batch, channels, positions] = shape;
    let plane = |image: usize| (image * channels + channel) * positions;
    (0..batch).map(|image| f64::from(of_plane(plane(image)..plane(image) + positions))).sum()
}
