//! Convolutions over one to three axes as products of matrices: the values under every window become a column (Chellapilla, Puri
//! and Simard, 2006), so many columns at a time as a core's cache holds.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    Kernel, PARTS, buffers,
    buffers::Scratch,
    matrix::{Matrix, multiply},
    overlap::Overlap,
    sum,
    sums::{of_channels, values},
};

/// How many values of columns are laid out at a time, and how many columns those are at least and at most.
const TILE_VALUES: usize = 1 << 16;
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

    /// How many images are worked on together: several where one alone has few columns.
    fn images_at_once(&self) -> usize {
        let filling = TILE_COLUMNS.start / self.positions();
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

    /// The numbers of columns of the largest tile.
    fn columns_len(&self) -> usize {
        let columns = match self.images_at_once() {
            1 => self.tile_columns().max(self.output[2]).min(self.positions()),
            images => images * self.positions(),
        };
        self.depth() * columns
    }

    /// Whether columns have to be laid out for images that are worked on together.
    fn is_laid_out(&self, images: &Range<usize>) -> bool {
        !self.is_pointwise() || images.len() > 1
    }

    /// The values under the windows of a tile, `[depth, columns]`, in `space` where they have to be laid out.
    fn columns<'a>(&self, x: &'a [f32], tile: &Tile, group: usize, space: &'a mut [f32]) -> Matrix<'a> {
        let columns = tile.images.len() * tile.rows.len() * self.output[2];
        let rows = self.depth();
        if !self.is_laid_out(&tile.images) {
            let channel = tile.images.start * self.channels + group * rows;
            let first = channel * self.input_positions() + tile.rows.start * self.output[2];
            return Matrix { data: &x[first..], rows, columns, strides: [self.input_positions(), 1] };
        }
        let space = &mut space[..rows * columns];
        let mut lines = space.chunks_exact_mut(self.output[2]);
        self.each_line(tile, group, |source, overlap| {
            let Some(target) = lines.next() else { return };
            match source {
                Some(source) => overlap.copy(target, &x[source..][..self.input[2]]),
                None => target.fill(0.0),
            }
        });
        Matrix { data: space, rows, columns, strides: [columns, 1] }
    }

    /// The reverse of `columns`: adds the values of columns where they come from. `x` begins with the tile's first image.
    fn add_columns(&self, x: &mut [f32], columns: &[f32], tile: &Tile, group: usize) {
        let skipped = tile.images.start * self.channels * self.input_positions();
        let mut lines = columns.chunks_exact(self.output[2]);
        self.each_line(tile, group, |source, overlap| {
            if let (Some(from), Some(source)) = (lines.next(), source) {
                overlap.add(&mut x[source - skipped..][..self.input[2]], from);
            }
        });
    }

    /// Every row of windows of every row of the columns, in their order: where the input's row begins, unless it lies in the padding,
    /// and what of it the windows see.
    fn each_line(&self, tile: &Tile, group: usize, mut line: impl FnMut(Option<usize>, &Overlap)) {
        let [_, height, _] = self.output;
        let [in_depth, in_height, in_width] = self.input;
        let channels = self.channels / self.groups;
        let along = |axis: usize, place: usize, tap: usize| {
            let place = place * self.strides[axis] + tap * self.dilation[axis];
            place.checked_sub(self.before[axis]).filter(|&place| place < self.input[axis])
        };
        let overlaps: Vec<Overlap> = (0..self.window[2])
            .map(|tap| {
                let offset = (tap * self.dilation[2]) as isize - self.before[2] as isize;
                Overlap::new(offset, self.strides[2], self.output[2], self.input[2])
            })
            .collect();
        for tap in 0..self.window[0] * self.window[1] {
            let [z, y] = [tap / self.window[1], tap % self.window[1]];
            let start = |row: usize| {
                let place = along(0, row / height, z).zip(along(1, row % height, y));
                place.map(|(z, y)| (z * in_height + y) * in_width)
            };
            let starts: Vec<Option<usize>> = tile.rows.clone().map(start).collect();
            for overlap in &overlaps {
                for channel in 0..channels {
                    for image in tile.images.clone() {
                        let volume = image * self.channels + group * channels + channel;
                        let volume = volume * in_depth * in_height * in_width;
                        for start in &starts {
                            line(start.map(|start| volume + start), overlap);
                        }
                    }
                }
            }
        }
    }

    /// The part of an output's gradient that belongs to a tile, `[filters / groups, columns]`, in `space` where it has to be
    /// gathered.
    fn gradient<'a>(&self, dy: &'a [f32], tile: &Tile, group: usize, space: &'a mut [f32]) -> Matrix<'a> {
        let (filters, positions) = (self.filters / self.groups, self.positions());
        let columns = tile.images.len() * tile.rows.len() * self.output[2];
        let first = |image: usize| (image * self.filters + group * filters) * positions;
        if tile.images.len() == 1 {
            let data = &dy[first(tile.images.start) + tile.rows.start * self.output[2]..];
            return Matrix { data, rows: filters, columns, strides: [positions, 1] };
        }
        let space = &mut space[..filters * columns];
        let mut planes = space.chunks_exact_mut(positions);
        for filter in 0..filters {
            for (image, plane) in tile.images.clone().zip(&mut planes) {
                plane.copy_from_slice(&dy[first(image) + filter * positions..][..positions]);
            }
        }
        Matrix { data: space, rows: filters, columns, strides: [columns, 1] }
    }

    /// The numbers of the gathered gradient of the largest tile of several images.
    fn gathered_len(&self) -> usize {
        match self.images_at_once() {
            1 => 0,
            images => self.filters / self.groups * images * self.positions(),
        }
    }

    /// Some images, as many as are worked on together.
    fn images(&self, part: usize) -> Range<usize> {
        let at_once = self.images_at_once();
        part * at_once..((part + 1) * at_once).min(self.batch)
    }

    fn of_input(&self, kernel: &[f32], dy: &[f32]) -> Vec<f32> {
        let len = self.channels * self.input_positions();
        let mut dx = buffers::any(self.batch * len);
        dx.par_chunks_mut(len * self.images_at_once()).enumerate().for_each(|(part, dx)| {
            let mut columns = Scratch::new(self.columns_len());
            let mut gathered = Scratch::new(self.gathered_len());
            if self.is_laid_out(&self.images(part)) {
                dx.fill(0.0);
            }
            for tile in self.tiles(self.images(part)) {
                for group in 0..self.groups {
                    let dy = self.gradient(dy, &tile, group, &mut gathered);
                    let kernel = self.kernel(kernel, group);
                    if !self.is_laid_out(&tile.images) {
                        let first = group * kernel.rows * self.positions();
                        let first = first + tile.rows.start * self.output[2];
                        multiply(&mut dx[first..], self.positions(), false, kernel, dy);
                        continue;
                    }
                    let columns = &mut columns[..kernel.rows * dy.columns];
                    multiply(columns, dy.columns, false, kernel, dy);
                    self.add_columns(dx, columns, &tile, group);
                }
            }
        });
        dx
    }

    fn of_kernel(&self, x: &[f32], dy: &[f32]) -> Vec<f32> {
        let parts = self.batch.div_ceil(self.images_at_once());
        let each = parts.div_ceil(PARTS);
        let partial = |first: usize| {
            let mut kernel = buffers::zeros(self.depth() * self.filters);
            let mut space = Scratch::new(self.columns_len());
            let mut gathered = Scratch::new(self.gathered_len());
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
        let mut y = buffers::any(self.batch * len);
        y.par_chunks_mut(len * self.images_at_once()).enumerate().for_each(|(part, y)| {
            let mut space = Scratch::new(self.columns_len());
            let mut product = Scratch::new(self.gathered_len());
            for tile in self.tiles(self.images(part)) {
                for group in 0..self.groups {
                    let columns = self.columns(x, &tile, group, &mut space);
                    let kernel = self.kernel(kernel, group).transposed();
                    let width = columns.columns;
                    if tile.images.len() == 1 {
                        let first = group * filters * positions + tile.rows.start * self.output[2];
                        let y = &mut y[first..];
                        for (filter, bias) in bias[group * filters..][..filters].iter().enumerate() {
                            y[filter * positions..][..width].fill(*bias);
                        }
                        multiply(y, positions, true, kernel, columns);
                        continue;
                    }
                    let product = &mut product[..filters * width];
                    multiply(product, width, false, kernel, columns);
                    for (number, plane) in product.chunks_exact(positions).enumerate() {
                        let (filter, image) = (number / tile.images.len(), number % tile.images.len());
                        let filter = group * filters + filter;
                        let y = &mut y[(image * self.filters + filter) * positions..][..positions];
                        y.iter_mut().zip(plane).for_each(|(y, value)| *y = value + bias[filter]);
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
            wanted[2].then(|| of_channels(self.output_shape(), |plane| values(&dy[plane], |dy| dy))),
        ]
    }

    fn output_shape(&self) -> [usize; 3] {
        [self.batch, self.filters, self.positions()]
    }
}
