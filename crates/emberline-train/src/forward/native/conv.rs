//! Convolutions over one to three axes as products of matrices: the values under every window become a column (Chellapilla, Puri
//! and Simard, 2006), so many columns at a time as a core's cache holds.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    Kernel, PARTS,
    matrix::{Matrix, multiply},
    sum,
};

/// How many values of columns are laid out at a time, and how many columns those are at least and at most.
const TILE_VALUES: usize = 1 << 18;
const TILE_COLUMNS: Range<usize> = 192..4096;

/// A convolution of `[batch, channels, positions]` with a kernel `[depth, height, width, channels / groups, filters]` and a bias
/// `[filters]`.
#[derive(Clone, Debug)]
pub(in super::super) struct Convolution {
    pub(in super::super) batch: usize,
    pub(in super::super) channels: usize,
    pub(in super::super) filters: usize,
    pub(in super::super) groups: usize,
    pub(in super::super) input: [usize; 3],
    pub(in super::super) output: [usize; 3],
    pub(in super::super) window: [usize; 3],
    pub(in super::super) strides: [usize; 3],
    pub(in super::super) dilation: [usize; 3],
    /// The padding before every axis.
    pub(in super::super) before: [usize; 3],
}

/// Windows whose values are columns together: some images, and some rows of their output. They are all rows where there are
/// several images.
struct Tile {
    images: Range<usize>,
    rows: Range<usize>,
}

impl Convolution {
    fn positions(&self) -> usize {
        self.output.iter().product()
    }

    fn input_positions(&self) -> usize {
        self.input.iter().product()
    }

    /// The values under a window.
    fn depth(&self) -> usize {
        self.window.iter().product::<usize>() * (self.channels / self.groups)
    }

    fn tile_columns(&self) -> usize {
        (TILE_VALUES / self.depth()).clamp(TILE_COLUMNS.start, TILE_COLUMNS.end)
    }

    /// How many images are worked on together.
    fn images_at_once(&self) -> usize {
        let filling = self.tile_columns() / self.positions();
        filling.min(self.batch.div_ceil(PARTS)).max(1)
    }

    /// The tiles of some images.
    fn tiles(&self, images: Range<usize>) -> impl Iterator<Item = Tile> {
        let rows = self.output[0] * self.output[1];
        let at_once = match images.len() {
            1 => (self.tile_columns() / self.output[2]).clamp(1, rows),
            _ => rows,
        };
        (0..rows)
            .step_by(at_once)
            .map(move |row| Tile { images: images.clone(), rows: row..(row + at_once).min(rows) })
    }

    /// Whether the values under the windows are the input as it is.
    fn is_pointwise(&self) -> bool {
        self.window == [1; 3] && self.strides == [1; 3] && self.before == [0; 3]
    }

    /// The kernel of a group as `[depth, filters / groups]`.
    fn kernel<'a>(&self, kernel: &'a [f32], group: usize) -> Matrix<'a> {
        let columns = self.filters / self.groups;
        Matrix { data: &kernel[group * columns..], rows: self.depth(), columns, strides: [self.filters, 1] }
    }

    /// The values under the windows of a tile, `[depth, columns]`, in `space` where they have to be laid out.
    fn columns<'a>(&self, x: &'a [f32], tile: &Tile, group: usize, space: &'a mut Vec<f32>) -> Matrix<'a> {
        let columns = tile.images.len() * tile.rows.len() * self.output[2];
        let rows = self.depth();
        if self.is_pointwise() && tile.images.len() == 1 {
            let channel = tile.images.start * self.channels + group * rows;
            let first = channel * self.input_positions() + tile.rows.start * self.output[2];
            return Matrix { data: &x[first..], rows, columns, strides: [self.input_positions(), 1] };
        }
        space.resize(rows * columns, 0.0);
        let width = self.output[2];
        self.each_line(tile, group, |line, source, offset| {
            let target = &mut space[line * width..][..width];
            match source {
                Some(source) => self.copy_line(target, &x[source..][..self.input[2]], offset),
                None => target.fill(0.0),
            }
        });
        Matrix { data: space, rows, columns, strides: [columns, 1] }
    }

    /// The reverse of `columns`: adds the values of columns where they come from. `x` begins with the tile's first image.
    fn add_columns(&self, x: &mut [f32], columns: &[f32], tile: &Tile, group: usize) {
        let width = self.output[2];
        let skipped = tile.images.start * self.channels * self.input_positions();
        self.each_line(tile, group, |line, source, offset| {
            let Some(source) = source else { return };
            let from = &columns[line * width..][..width];
            let to = &mut x[source - skipped..][..self.input[2]];
            let (inside, first, step) = self.inside(offset);
            let from = &from[inside];
            match step {
                1 => to[first..][..from.len()].iter_mut().zip(from).for_each(|(to, from)| *to += from),
                _ => to[first..].iter_mut().step_by(step).zip(from).for_each(|(to, from)| *to += from),
            }
        });
    }

    fn copy_line(&self, target: &mut [f32], source: &[f32], offset: isize) {
        let (inside, first, step) = self.inside(offset);
        target[..inside.start].fill(0.0);
        target[inside.end..].fill(0.0);
        let target = &mut target[inside];
        match step {
            1 => target.copy_from_slice(&source[first..][..target.len()]),
            _ => {
                target.iter_mut().zip(source[first..].iter().step_by(step)).for_each(|(to, from)| *to = *from)
            }
        }
    }

    /// Which places of a row of windows lie within the input's row, where the first of them does, and the step, when place 0 stands
    /// at `offset`.
    fn inside(&self, offset: isize) -> (Range<usize>, usize, usize) {
        let (step, width) = (self.strides[2], self.output[2]);
        let start = offset.min(0).unsigned_abs().div_ceil(step).min(width);
        let room = self.input[2] as isize - offset;
        let end = (room.max(0) as usize).div_ceil(step).clamp(start, width);
        let first = (offset + (start * step) as isize).max(0) as usize;
        (start..end, first.min(self.input[2]), step)
    }

    /// Every row of windows of every row of the columns: the number of the line, where the input's row begins, unless it lies in
    /// the padding, and at which of its places the first window has its value.
    fn each_line(&self, tile: &Tile, group: usize, mut line: impl FnMut(usize, Option<usize>, isize)) {
        let [_, height, _] = self.output;
        let [in_depth, in_height, in_width] = self.input;
        let channels = self.channels / self.groups;
        let along = |axis: usize, place: usize, tap: usize| {
            let place = place * self.strides[axis] + tap * self.dilation[axis];
            place.checked_sub(self.before[axis]).filter(|&place| place < self.input[axis])
        };
        let mut number = 0;
        for tap in 0..self.window.iter().product() {
            let [z, y, x] = [
                tap / (self.window[1] * self.window[2]),
                tap / self.window[2] % self.window[1],
                tap % self.window[2],
            ];
            let offset = (x * self.dilation[2]) as isize - self.before[2] as isize;
            for channel in 0..channels {
                for image in tile.images.clone() {
                    let plane = (image * self.channels + group * channels + channel) * in_depth;
                    for row in tile.rows.clone() {
                        let place = along(0, row / height, z).zip(along(1, row % height, y));
                        let source = place.map(|(z, y)| ((plane + z) * in_height + y) * in_width);
                        line(number, source, offset);
                        number += 1;
                    }
                }
            }
        }
    }

    /// The part of an output's gradient that belongs to a tile, `[filters / groups, columns]`, in `space` where it has to be
    /// gathered.
    fn gradient<'a>(&self, dy: &'a [f32], tile: &Tile, group: usize, space: &'a mut Vec<f32>) -> Matrix<'a> {
        let (filters, positions) = (self.filters / self.groups, self.positions());
        let columns = tile.images.len() * tile.rows.len() * self.output[2];
        let first = |image: usize| (image * self.filters + group * filters) * positions;
        if tile.images.len() == 1 {
            let data = &dy[first(tile.images.start) + tile.rows.start * self.output[2]..];
            return Matrix { data, rows: filters, columns, strides: [positions, 1] };
        }
        space.clear();
        for filter in 0..filters {
            for image in tile.images.clone() {
                space.extend_from_slice(&dy[first(image) + filter * positions..][..positions]);
            }
        }
        Matrix { data: space, rows: filters, columns, strides: [columns, 1] }
    }

    /// Some images, as many as are worked on together.
    fn images(&self, part: usize) -> Range<usize> {
        let at_once = self.images_at_once();
        part * at_once..((part + 1) * at_once).min(self.batch)
    }

    fn of_input(&self, kernel: &[f32], dy: &[f32]) -> Vec<f32> {
        let len = self.channels * self.input_positions();
        let mut dx = vec![0.0; self.batch * len];
        dx.par_chunks_mut(len * self.images_at_once()).enumerate().for_each(|(part, dx)| {
            let (mut columns, mut gathered) = (Vec::new(), Vec::new());
            for tile in self.tiles(self.images(part)) {
                for group in 0..self.groups {
                    let dy = self.gradient(dy, &tile, group, &mut gathered);
                    let kernel = self.kernel(kernel, group);
                    if self.is_pointwise() && tile.images.len() == 1 {
                        let first = group * kernel.rows * self.positions();
                        let first = first + tile.rows.start * self.output[2];
                        multiply(&mut dx[first..], self.positions(), false, kernel, dy);
                        continue;
                    }
                    columns.resize(kernel.rows * dy.columns, 0.0);
                    multiply(&mut columns, dy.columns, false, kernel, dy);
                    self.add_columns(dx, &columns, &tile, group);
                }
            }
        });
        dx
    }

    fn of_kernel(&self, x: &[f32], dy: &[f32]) -> Vec<f32> {
        let parts = self.batch.div_ceil(self.images_at_once());
        let each = parts.div_ceil(PARTS);
        let partial = |first: usize| {
            let mut kernel = vec![0.0; self.depth() * self.filters];
            let (mut space, mut gathered) = (Vec::new(), Vec::new());
            for part in first..(first + each).min(parts) {
                for tile in self.tiles(self.images(part)) {
                    for group in 0..self.groups {
                        let columns = self.columns(x, &tile, group, &mut space);
                        let dy = self.gradient(dy, &tile, group, &mut gathered);
                        let first = group * self.filters / self.groups;
                        multiply(&mut kernel[first..], self.filters, true, columns, dy.transposed());
                    }
                }
            }
            kernel
        };
        sum((0..parts).step_by(each).collect::<Vec<_>>().into_par_iter().map(partial).collect())
    }
}

impl Kernel<3> for Convolution {
    type Found = ();

    fn forward(&self, [x, kernel, bias]: [&[f32]; 3]) -> (Vec<f32>, ()) {
        let positions = self.positions();
        let (len, filters) = (self.filters * positions, self.filters / self.groups);
        let mut y = vec![0.0; self.batch * len];
        y.par_chunks_mut(len * self.images_at_once()).enumerate().for_each(|(part, y)| {
            for (channel, plane) in y.chunks_exact_mut(positions).enumerate() {
                plane.fill(bias[channel % self.filters]);
            }
            let (mut space, mut product) = (Vec::new(), Vec::new());
            for tile in self.tiles(self.images(part)) {
                for group in 0..self.groups {
                    let columns = self.columns(x, &tile, group, &mut space);
                    let kernel = self.kernel(kernel, group).transposed();
                    if tile.images.len() == 1 {
                        let first = group * filters * positions + tile.rows.start * self.output[2];
                        multiply(&mut y[first..], positions, true, kernel, columns);
                        continue;
                    }
                    product.resize(filters * columns.columns, 0.0);
                    multiply(&mut product, columns.columns, false, kernel, columns);
                    let planes = product.chunks_exact(positions).enumerate();
                    for (number, plane) in planes {
                        let (filter, image) = (number / tile.images.len(), number % tile.images.len());
                        let first = (image * self.filters + group * filters + filter) * positions;
                        y[first..][..positions].iter_mut().zip(plane).for_each(|(y, value)| *y += value);
                    }
                }
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
            wanted[2].then(|| sums_of_channels(dy, self.filters, self.positions())),
        ]
    }

    fn output_shape(&self) -> [usize; 3] {
        [self.batch, self.filters, self.positions()]
    }
}

/// The sum of every channel of `[batch, channels, positions]`.
pub(super) fn sums_of_channels(values: &[f32], channels: usize, positions: usize) -> Vec<f32> {
    let of = |channel: usize| {
        let planes = values.chunks_exact(positions).skip(channel).step_by(channels);
        planes.map(|plane| f64::from(plane.iter().sum::<f32>())).sum::<f64>() as f32
    };
    (0..channels).map(of).collect()
}
