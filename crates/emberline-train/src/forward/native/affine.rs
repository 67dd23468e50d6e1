//! A factor and an offset for every channel: batch normalization by statistics that stay.

use rayon::prelude::*;

use super::{
    Kernel, buffers,
    sums::{of_channels, pairs, values},
};

/// Of `[batch, channels, positions]`, with a factor and an offset for every channel.
#[derive(Clone, Debug)]
pub(in super::super) struct Affine {
    pub(in super::super) shape: [usize; 3],
}

impl Kernel<3> for Affine {
    type Found = ();

    fn forward(&self, [x, factor, offset]: [&[f32]; 3]) -> (Vec<f32>, ()) {
        (self.each_plane(x, |channel, x| x * factor[channel] + offset[channel]), ())
    }

    fn backward(
        &self,
        [x, factor, _]: [&[f32]; 3],
        (): &(),
        dy: &[f32],
        wanted: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let of_factor = |plane: std::ops::Range<usize>| pairs(&x[plane.clone()], &dy[plane], |x, dy| x * dy);
        [
            wanted[0].then(|| self.each_plane(dy, |channel, dy| dy * factor[channel])),
            wanted[1].then(|| of_channels(self.shape, of_factor)),
            wanted[2].then(|| of_channels(self.shape, |plane| values(&dy[plane], |dy| dy))),
        ]
    }

    fn output_shape(&self) -> [usize; 3] {
        self.shape
    }
}

impl Affine {
    fn each_plane(&self, from: &[f32], function: impl Fn(usize, f32) -> f32 + Sync) -> Vec<f32> {
        let [_, channels, positions] = self.shape;
        let mut to = buffers::any(from.len());
        let images = to.par_chunks_mut(channels * positions).zip(from.par_chunks(channels * positions));
        images.for_each(|(to, from)| {
            let planes = to.chunks_exact_mut(positions).zip(from.chunks_exact(positions)).enumerate();
            for (channel, (to, from)) in planes {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = function(channel, *from));
            }
        });
        to
    }
}
