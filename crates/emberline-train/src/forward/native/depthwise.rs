//! Depthwise convolutions over one or two axes. A plane with its padding is one long row, in which every value of the kernel stands
//! at a fixed distance: so each of them is one pass over the row, however narrow the plane is.

use rayon::prelude::*;

use super::{
    Kernel, PARTS, buffers, sum,
    sums::{of_channels, pairs, values},
};

/// A depthwise convolution of `[batch, channels, positions]` with a kernel `[height, width, channels, multiplier]` and a bias
/// `[channels * multiplier]`.
#[derive(Clone, Debug)]
pub(in super::super) struct Depthwise {
    pub(in super::super) batch: usize,
    pub(in super::super) channels: usize,
    pub(in super::super) multiplier: usize,
    pub(in super::super) input: [usize; 2],
    pub(in super::super) output: [usize; 2],
    pub(in super::super) window: [usize; 2],
    pub(in super::super) strides: [usize; 2],
    pub(in super::super) dilation: [usize; 2],
    /// The padding before both axes.
    pub(in super::super) before: [usize; 2],
}

impl Depthwise {
    fn positions(&self) -> usize {
        self.output[0] * self.output[1]
    }

    fn input_positions(&self) -> usize {
        self.input[0] * self.input[1]
    }

    fn filters(&self) -> usize {
        self.channels * self.multiplier
    }

    /// The padded plane's height and width, no more than windows see.
    fn padded(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            (self.output[axis] - 1) * self.strides[axis] + (self.window[axis] - 1) * self.dilation[axis] + 1
        })
    }

    /// How long the row of windows is, those between the strides and at the row ends included.
    fn row_len(&self) -> usize {
        let [_, width] = self.padded();
        (self.output[0] - 1) * self.strides[0] * width + (self.output[1] - 1) * self.strides[1] + 1
    }

    /// Where in the padded plane a window's values stand beside its first.
    fn taps(&self) -> impl Iterator<Item = usize> {
        let [_, width] = self.padded();
        let Self { window, dilation, .. } = self;
        (0..window[0] * window[1])
            .map(move |tap| tap / window[1] * dilation[0] * width + tap % window[1] * dilation[1])
    }

    /// The rows of a plane that are in the padded one: where they lie there, where in the plane, and how long they are.
    fn rows(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let [height, width] = self.padded();
        let [top, left] = self.before;
        let len = self.input[1].min(width.saturating_sub(left));
        let rows = self.input[0].min(height.saturating_sub(top));
        (0..rows).map(move |row| ((row + top) * width + left, row * self.input[1], len))
    }

    /// The windows that stand at strides, as places in the row of windows.
    fn windows(&self) -> impl Iterator<Item = usize> {
        let [_, width] = self.padded();
        let Self { output, strides, .. } = self;
        (0..output[0] * output[1])
            .map(move |i| i / output[1] * strides[0] * width + i % output[1] * strides[1])
    }

    fn pad(&self, padded: &mut [f32], plane: &[f32]) {
        for (to, from, len) in self.rows() {
            padded[to..][..len].copy_from_slice(&plane[from..][..len]);
        }
    }

    fn spread(&self, row: &mut [f32], gradient: &[f32]) {
        self.windows().zip(gradient).for_each(|(place, value)| row[place] = *value);
    }

    fn of_input(&self, kernel: &[f32], dy: &[f32]) -> Vec<f32> {
        let (positions, filters) = (self.positions(), self.filters());
        let [height, width] = self.padded();
        let taps: Vec<usize> = self.taps().collect();
        // What no window sees has no gradient.
        let mut dx = buffers::zeros(self.batch * self.channels * self.input_positions());
        dx.par_chunks_mut(self.channels * self.input_positions())
            .zip(dy.par_chunks(filters * positions))
            .for_each(|(dx, dy)| {
                let mut padded = vec![0.0; height * width];
                let mut row = vec![0.0; self.row_len()];
                for (channel, dx) in dx.chunks_exact_mut(self.input_positions()).enumerate() {
                    padded.fill(0.0);
                    for filter in channel * self.multiplier..(channel + 1) * self.multiplier {
                        self.spread(&mut row, &dy[filter * positions..][..positions]);
                        for (tap, &place) in taps.iter().enumerate() {
                            add(&mut padded[place..], &row, kernel[tap * filters + filter]);
                        }
                    }
                    for (from, to, len) in self.rows() {
                        dx[to..][..len].copy_from_slice(&padded[from..][..len]);
                    }
                }
            });
        dx
    }

    fn of_kernel(&self, x: &[f32], dy: &[f32]) -> Vec<f32> {
        let (positions, filters) = (self.positions(), self.filters());
        let [height, width] = self.padded();
        let taps: Vec<usize> = self.taps().collect();
        let each = self.batch.div_ceil(PARTS);
        let partial = |first: usize| {
            let mut kernel = vec![0.0; taps.len() * filters];
            let mut padded = vec![0.0; height * width];
            let mut row = vec![0.0; self.row_len()];
            for image in first..(first + each).min(self.batch) {
                for channel in 0..self.channels {
                    let plane = (image * self.channels + channel) * self.input_positions();
                    self.pad(&mut padded, &x[plane..][..self.input_positions()]);
                    for filter in channel * self.multiplier..(channel + 1) * self.multiplier {
                        self.spread(&mut row, &dy[(image * filters + filter) * positions..][..positions]);
                        for (tap, &place) in taps.iter().enumerate() {
                            kernel[tap * filters + filter] += pairs(&padded[place..], &row, |x, dy| x * dy);
                        }
                    }
                }
            }
            kernel
        };
        sum((0..self.batch).step_by(each).collect::<Vec<_>>().into_par_iter().map(partial).collect())
    }
}

impl Kernel<3> for Depthwise {
    type Found = ();

    fn forward(&self, [x, kernel, bias]: [&[f32]; 3]) -> (Vec<f32>, ()) {
        let (positions, filters) = (self.positions(), self.filters());
        let [height, width] = self.padded();
        let taps: Vec<usize> = self.taps().collect();
        let mut y = buffers::any(self.batch * filters * positions);
        y.par_chunks_mut(filters * positions)
            .zip(x.par_chunks(self.channels * self.input_positions()))
            .for_each(|(y, x)| {
                let mut padded = vec![0.0; height * width];
                let mut row = vec![0.0; self.row_len()];
                for (filter, y) in y.chunks_exact_mut(positions).enumerate() {
                    if filter % self.multiplier == 0 {
                        let plane = filter / self.multiplier * self.input_positions();
                        self.pad(&mut padded, &x[plane..][..self.input_positions()]);
                    }
                    row.fill(bias[filter]);
                    for (tap, &place) in taps.iter().enumerate() {
                        add(&mut row, &padded[place..], kernel[tap * filters + filter]);
                    }
                    self.windows().zip(y).for_each(|(place, y)| *y = row[place]);
                }
            });
        (y, ())
    }

    fn backward(
        &self,
        [x, kernel, _]: [&[f32]; 3],
        (): &(),
        dy: &[f32],
        wanted: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        [
            wanted[0].then(|| self.of_input(kernel, dy)),
            wanted[1].then(|| self.of_kernel(x, dy)),
            wanted[2].then(|| of_channels(self.output_shape(), |plane| values(&dy[plane], |dy| dy))),
        ]
    }

    fn output_shape(&self) -> [usize; 3] {
        [self.batch, self.filters(), self.positions()]
    }
}

fn add(to: &mut [f32], from: &[f32], factor: f32) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
}
