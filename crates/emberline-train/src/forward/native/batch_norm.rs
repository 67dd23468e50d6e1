//! Batch normalization by the batch's own statistics: two passes forward, two back.

use rayon::prelude::*;

use super::{Kernel, buffers};

/// Of `[batch, channels, positions]`, with `gamma` and `beta` of every channel. It finds mean and variance of every channel.
#[derive(Clone, Debug)]
pub(in super::super) struct BatchNorm {
    pub(in super::super) shape: [usize; 3],
    pub(in super::super) epsilon: f64,
}

#[derive(Clone, Debug)]
pub(in super::super) struct Moments {
    pub(in super::super) mean: Vec<f32>,
    /// Over the number of values, not one less.
    pub(in super::super) variance: Vec<f32>,
    /// One over the deviation.
    scale: Vec<f32>,
}

impl BatchNorm {
    fn count(&self) -> f64 {
        (self.shape[0] * self.shape[2]) as f64
    }

    /// The sum of a channel's values, each sample's summed in 32 bits.
    fn sum(&self, channel: usize, of_plane: impl Fn(usize) -> f32) -> f64 {
        let [batch, channels, positions] = self.shape;
        (0..batch).map(|image| f64::from(of_plane((image * channels + channel) * positions))).sum()
    }

    /// A function of all planes in place: of the channel and where the plane begins.
    fn each_plane(&self, function: impl Fn(usize, usize, &mut [f32]) + Sync) -> Vec<f32> {
        let [batch, channels, positions] = self.shape;
        let mut values = buffers::any(batch * channels * positions);
        values.par_chunks_mut(channels * positions).enumerate().for_each(|(image, planes)| {
            for (channel, plane) in planes.chunks_exact_mut(positions).enumerate() {
                function(channel, (image * channels + channel) * positions, plane);
            }
        });
        values
    }
}

impl Kernel<3> for BatchNorm {
    type Found = Moments;

    fn forward(&self, [x, gamma, beta]: [&[f32]; 3]) -> (Vec<f32>, Moments) {
        let [_, channels, positions] = self.shape;
        let moments = |channel: usize| {
            let mean = self.sum(channel, |plane| lanes(x, plane, positions, |x| x)) / self.count();
            let centre = mean as f32;
            let squares =
                self.sum(channel, |plane| lanes(x, plane, positions, |x| (x - centre) * (x - centre)));
            let variance = squares / self.count();
            (centre, variance as f32, (1.0 / (variance + self.epsilon).sqrt()) as f32)
        };
        let found: Vec<(f32, f32, f32)> = (0..channels).into_par_iter().map(moments).collect();
        let y = self.each_plane(|channel, first, y| {
            let (mean, _, scale) = found[channel];
            let factor = scale * gamma[channel];
            let offset = beta[channel];
            for (y, x) in y.iter_mut().zip(&x[first..]) {
                *y = (x - mean) * factor + offset;
            }
        });
        let moments = Moments {
            mean: found.iter().map(|found| found.0).collect(),
            variance: found.iter().map(|found| found.1).collect(),
            scale: found.iter().map(|found| found.2).collect(),
        };
        (y, moments)
    }

    fn backward(
        &self,
        [x, gamma, _]: [&[f32]; 3],
        found: &Moments,
        dy: &[f32],
        wanted: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let [_, channels, positions] = self.shape;
        let sums = |channel: usize| {
            let (mean, scale) = (found.mean[channel], found.scale[channel]);
            let plain = self.sum(channel, |plane| lanes(dy, plane, positions, |dy| dy));
            let centred = self.sum(channel, |plane| {
                let x = &x[plane..][..positions];
                pairs(x, &dy[plane..][..positions], |x, dy| (x - mean) * dy)
            });
            (plain as f32, (centred * f64::from(scale)) as f32)
        };
        let sums: Vec<(f32, f32)> = (0..channels).into_par_iter().map(sums).collect();
        let of_input = || {
            let count = self.count() as f32;
            self.each_plane(|channel, first, dx| {
                let (mean, scale) = (found.mean[channel], found.scale[channel]);
                let (plain, normal) = (sums[channel].0 / count, sums[channel].1 / count * scale);
                let factor = gamma[channel] * scale;
                for (dx, (x, dy)) in dx.iter_mut().zip(x[first..].iter().zip(&dy[first..])) {
                    *dx = factor * (dy - plain - (x - mean) * normal);
                }
            })
        };
        [
            wanted[0].then(of_input),
            wanted[1].then(|| sums.iter().map(|sums| sums.1).collect()),
            wanted[2].then(|| sums.iter().map(|sums| sums.0).collect()),
        ]
    }

    fn output_shape(&self) -> [usize; 3] {
        self.shape
    }
}

/// Values that are summed side by side, so that the processor does so at once.
const LANES: usize = 8;

fn lanes(values: &[f32], first: usize, len: usize, function: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values[first..][..len].as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += function(*value));
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| function(*value)).sum::<f32>()
}

fn pairs(a: &[f32], b: &[f32], function: impl Fn(f32, f32) -> f32) -> f32 {
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.iter().zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += function(*a, *b));
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| function(*a, *b)).sum::<f32>()
}
