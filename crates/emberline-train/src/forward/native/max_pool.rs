//! The greatest value of every window, over one to three axes. The gradient goes to the first of equal ones, as TensorFlow has it.

use std::ops::Range;

use rayon::prelude::*;

use super::{Kernel, buffers, overlap::Overlap};

/// Of `[batch, channels, positions]`.
#[derive(Clone, Debug)]
pub(in super::super) struct MaxPool {
    pub(in super::super) batch: usize,
    pub(in super::super) channels: usize,
    pub(in super::super) input: [usize; 3],
    pub(in super::super) output: [usize; 3],
    pub(in super::super) window: [usize; 3],
    pub(in super::super) strides: [usize; 3],
    /// The padding before every axis, which never wins.
    pub(in super::super) before: [usize; 3],
}

impl MaxPool {
    /// The values of all channels of a sample, before and after.
    fn lens(&self) -> [usize; 2] {
        [self.input, self.output].map(|sizes| self.channels * sizes.iter().product::<usize>())
    }

    /// What of the input a window sees along an axis.
    fn seen(&self, axis: usize, place: usize) -> Range<usize> {
        let start = place * self.strides[axis];
        let end = (start + self.window[axis]).saturating_sub(self.before[axis]);
        start.saturating_sub(self.before[axis])..end.min(self.input[axis])
    }

    /// The greatest values of a plane, and where they are. A row of windows at a time, each of their places in turn: so there is no
    /// branch within a row.
    fn pool(&self, plane: &[f32], values: &mut [f32], places: &mut [u32]) {
        let [_, height, width] = self.input;
        let [_, rows, columns] = self.output;
        let offset = |tap: usize| tap as isize - self.before[2] as isize;
        let taps: Vec<Overlap> = (0..self.window[2])
            .map(|tap| Overlap::new(offset(tap), self.strides[2], columns, width))
            .collect();
        values.fill(f32::NEG_INFINITY);
        places.fill(0);
        let found = values.chunks_exact_mut(columns).zip(places.chunks_exact_mut(columns));
        for (row_of_windows, (values, places)) in found.enumerate() {
            for depth in self.seen(0, row_of_windows / rows) {
                for row in self.seen(1, row_of_windows % rows) {
                    let line = (depth * height + row) * width;
                    for Overlap { inside, first, step } in &taps {
                        let found = values[inside.clone()].iter_mut().zip(&mut places[inside.clone()]);
                        let from = plane[line..][..width].iter().skip(*first).step_by(*step);
                        let place = (line + first..).step_by(*step);
                        for ((value, at), (x, place)) in found.zip(from.zip(place)) {
                            // A value that is none is kept, so that it is noticed.
                            let wins = *x > *value || x.is_nan();
                            *value = if wins { *x } else { *value };
                            *at = if wins { place as u32 } else { *at };
                        }
                    }
                }
            }
        }
    }
}

impl Kernel<1> for MaxPool {
    type Found = Vec<u32>;

    fn forward(&self, [x]: [&[f32]; 1]) -> (Vec<f32>, Vec<u32>) {
        let [before, after] = self.lens();
        let mut y = buffers::any(self.batch * after);
        let mut places = vec![0; self.batch * after];
        let samples = y.par_chunks_mut(after).zip(places.par_chunks_mut(after)).zip(x.par_chunks(before));
        samples.for_each(|((y, places), x)| {
            let (of_input, of_output) = (before / self.channels, after / self.channels);
            let planes = y.chunks_exact_mut(of_output).zip(places.chunks_exact_mut(of_output));
            planes.zip(x.chunks_exact(of_input)).for_each(|((y, places), x)| self.pool(x, y, places));
        });
        (y, places)
    }

    fn backward(
        &self,
        _: [&[f32]; 1],
        places: &Vec<u32>,
        dy: &[f32],
        [wanted]: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        let [before, after] = self.lens();
        let of_input = || {
            let mut dx = buffers::zeros(self.batch * before);
            let samples = dx.par_chunks_mut(before).zip(dy.par_chunks(after)).zip(places.par_chunks(after));
            samples.for_each(|((dx, dy), places)| {
                let (of_input, of_output) = (before / self.channels, after / self.channels);
                let planes = dy.chunks_exact(of_output).zip(places.chunks_exact(of_output));
                for (dx, (dy, places)) in dx.chunks_exact_mut(of_input).zip(planes) {
                    dy.iter().zip(places).for_each(|(dy, place)| dx[*place as usize] += dy);
                }
            });
            dx
        };
        [wanted.then(of_input)]
    }

    fn output_shape(&self) -> [usize; 3] {
        [self.batch, self.channels, self.output.iter().product()]
    }
}
