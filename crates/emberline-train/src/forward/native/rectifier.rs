//! Values brought between zero and a greatest one. The gradient is zero at both, as TensorFlow has it.

use rayon::prelude::*;

use super::{Kernel, buffers};

/// How many values a thread takes at a time.
const CHUNK: usize = 1 << 14;

/// Of `[batch, channels, positions]`.
#[derive(Clone, Debug)]
pub(in super::super) struct Rectifier {
    pub(in super::super) shape: [usize; 3],
    pub(in super::super) max: f32,
}

impl Kernel<1> for Rectifier {
    type Found = ();

    fn forward(&self, [x]: [&[f32]; 1]) -> (Vec<f32>, ()) {
        let mut y = buffers::any(x.len());
        y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
            // A value that is none is kept, so that it is noticed.
            y.iter_mut().zip(x).for_each(|(y, x)| *y = x.clamp(0.0, self.max));
        });
        (y, ())
    }

    fn backward(&self, [x]: [&[f32]; 1], (): &(), dy: &[f32], [wanted]: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        let of_input = || {
            let mut dx = buffers::any(x.len());
            dx.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).zip(dy.par_chunks(CHUNK)).for_each(
                |((dx, x), dy)| {
                    for (dx, (x, dy)) in dx.iter_mut().zip(x.iter().zip(dy)) {
                        *dx = if *x <= 0.0 || *x >= self.max { 0.0 } else { *dy };
                    }
                },
            );
            dx
        };
        [wanted.then(of_input)]
    }

    fn output_shape(&self) -> [usize; 3] {
        self.shape
    }
}
