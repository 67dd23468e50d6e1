//! Batch normalization by the batch's own statistics: two passes forward, two back.

use rayon::prelude::*;

use super::{
    Kernel, buffers,
    sums::{of_channel, pairs, values},
};

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

    /// A function of all planes in place: of the channel and where the plane begins.
    fn each_plane(&self, function: impl Fn(usize, usize, &mut [f32]) + Sync) -> Vec<f32> {
        let [batch, channels, positions] = self.shape;
        let mut planes = buffers::any(batch * channels * positions);
        planes.par_chunks_mut(channels * positions).enumerate().for_each(|(image, planes)| {
            for (channel, plane) in planes.chunks_exact_mut(positions).enumerate() {
                function(channel, (image * channels + channel) * positions, plane);
            }
        });
        planes
    }
}

impl Kernel<3> for BatchNorm {
    type Found = Moments;

    fn forward(&self, [x, gamma, beta]: [&[f32]; 3]) -> (Vec<f32>, Moments) {
        let [_, channels, _] = self.shape;
        let moments = |channel: usize| {
            let sum = |of: &dyn Fn(&[f32]) -> f32| of_channel(self.shape, channel, |plane| of(&x[plane]));
            let mean = sum(&|x| values(x, |x| x)) / self.count();
            let centre = mean as f32;
            let squares = sum(&|x| values(x, |x| (x - centre) * (x - centre)));
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
        let [_, channels, _] = self.shape;
        let sums = |channel: usize| {
            let (mean, scale) = (found.mean[channel], found.scale[channel]);
            let plain = of_channel(self.shape, channel, |plane| values(&dy[plane], |dy| dy));
            let centred = of_channel(self.shape, channel, |plane| {
                pairs(&x[plane.clone()], &dy[plane], |x, dy| (x - mean) * dy)
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
