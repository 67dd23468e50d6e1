//! The mean of every channel over all positions.

use rayon::prelude::*;

use super::{Kernel, buffers, sums::values};

/// Of `[batch, channels, positions]`.
#[derive(Clone, Debug)]
pub(in super::super) struct Mean {
    pub(in super::super) shape: [usize; 3],
}

impl Kernel<1> for Mean {
    type Found = ();

    fn forward(&self, [x]: [&[f32]; 1]) -> (Vec<f32>, ()) {
        let [_, _, positions] = self.shape;
        let mean = |plane: &[f32]| values(plane, |x| x) / positions as f32;
        (x.par_chunks(positions).with_min_len(PLANES).map(mean).collect(), ())
    }

    fn backward(&self, [x]: [&[f32]; 1], (): &(), dy: &[f32], [wanted]: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        let of_input = || {
            let [_, _, positions] = self.shape;
            let mut dx = buffers::any(x.len());
            let planes = dx.par_chunks_mut(positions).with_min_len(PLANES).zip(dy);
            planes.for_each(|(plane, dy)| plane.fill(dy / positions as f32));
            dx
        };
        [wanted.then(of_input)]
    }

    fn output_shape(&self) -> [usize; 3] {
        [self.shape[0], self.shape[1], 1]
    }
}

/// How many planes a thread takes at least.
const PLANES: usize = 64;
