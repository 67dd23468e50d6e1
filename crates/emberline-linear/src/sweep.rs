//! One pass over the rows of a matrix: margins, a row-wise loss, and the gradient.
//!
//! This is where training spends its time, and the seam for solving many problems at once: a column of the coefficients
//! is one class of one problem, and nothing here knows which columns belong together.

use std::ops::Range;

use gemm::Parallelism;

use super::Matrix;

/// Rows per block. Measured on `[5000, 1280]`: 64 to 512 rows are within noise of each other for few columns, and 256 or
/// more are faster for hundreds of columns.
const BLOCK_ROWS_MAX: usize = 256;
/// The same where the matrix is a triangle: of smaller blocks, less is 0.
const TRIANGLE_BLOCK_ROWS_MAX: usize = 128;
/// Smallest block, for very wide matrices.
const BLOCK_ROWS_MIN: usize = 16;
/// Values that a block aims not to exceed: 4 MiB in double precision.
const BLOCK_VALUES: usize = 1 << 19;
/// Upper bound of the partial sums, hence of useful threads. It fixes the order of summation.
const LANES_MAX: usize = 16;

/// In which precision products are computed. Losses and sums over blocks are always in double precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Twice as fast, with errors of about 1e-7 of the largest margin. Only for features that are in single precision.
    Single,
    Double,
}

impl Precision {
    /// The relative error of a sum of losses. Differences below it say nothing, so slopes decide instead (Hager and Zhang,
    /// *A New Conjugate Gradient Method with Guaranteed Descent*, 2005, "approximate Wolfe conditions").
    pub(crate) fn rounding(self) -> f64 {
        match self {
            Self::Single => 1e-7,
            Self::Double => 1e-14,
        }
    }
}

/// Repeated passes over one matrix with `columns` columns of coefficients, which belong to `problems` problems.
pub(crate) struct Sweep<'a> {
    x: Matrix<'a>,
    precision: Precision,
    columns: usize,
    lanes: Vec<Lane>,
    scratch: Vec<Scratch>,
}

/// The sums over a contiguous range of rows.
pub(crate) struct Lane {
    rows: Range<usize>,
    /// Sums of the row losses, `[problems]`.
    pub(crate) losses: Vec<f64>,
    /// `Xᵀ·R`, `[d, columns]`.
    pub(crate) gradient: Vec<f64>,
    /// Column sums of `R`, `[columns]`.
    pub(crate) residuals: Vec<f64>,
}

/// What one thread needs for one block.
#[derive(Default)]
struct Scratch {
    features: Vec<f64>,
    margins: Vec<f64>,
    single: Products<f32>,
    double: Products<f64>,
}

/// Margins `[rows, columns]` and a gradient `[d, columns]`. They are column major where the rows, or features, that a product
/// runs over lie side by side: registers then hold many of these, and not few columns.
#[derive(Default)]
struct Products<T> {
    margins: Vec<T>,
    gradient: Vec<T>,
}

impl<'a> Sweep<'a> {
    /// Plans passes over `x` on at most `threads` threads. The plan's sums do not depend on `threads`.
    pub(crate) fn new(
        x: Matrix<'a>,
        columns: usize,
        problems: usize,
        threads: usize,
        precision: Precision,
    ) -> Self {
        let blocks = x.rows().div_ceil(block_rows(&x));
        let count = blocks.clamp(1, LANES_MAX);
        let edge = |lane: usize| (lane * blocks / count * block_rows(&x)).min(x.rows());
        let lanes = (0..count)
            .map(|lane| Lane {
                rows: edge(lane)..edge(lane + 1),
                losses: vec![0.0; problems],
                gradient: vec![0.0; x.columns() * columns],
                residuals: vec![0.0; columns],
            })
            .collect();
        let scratch = (0..threads.clamp(1, count)).map(|_| Scratch::default()).collect();
        Self { x, precision, columns, lanes, scratch }
    }

    /// Computes margins `X·coefficients` block by block, lets `loss` turn them into residuals, and sums.
    ///
    /// `coefficients` is `[d, columns]`. `loss` gets the numbers of the rows and their margins `[rows, columns]`, replaces
    /// each margin by the derivative of the loss with respect to it, and adds the losses to `[problems]`.
    pub(crate) fn run(
        &mut self,
        coefficients: &[f64],
        loss: impl Fn(Range<usize>, &mut [f64], &mut [f64]) + Sync,
    ) -> &Lane {
        let Self { x, precision, columns, lanes, scratch } = self;
        let single: Option<(&[f32], Vec<f32>)> = match (precision, x.single()) {
            (Precision::Single, Some(features)) => Some((features, narrow(coefficients))),
            _ => None,
        };
        let share = lanes.len().div_ceil(scratch.len());
        let work = |lanes: &mut [Lane], scratch: &mut Scratch| {
            let Scratch { features: wide, margins, single: singles, double } = scratch;
            for lane in lanes {
                lane.clear();
                for rows in blocks(x, lane.rows.clone()) {
                    let shape = (rows.len(), x.columns_of(&rows), *columns);
                    margins.clear();
                    match &single {
                        None => {
                            let block = x.block(rows.clone(), wide);
                            double.multiply(shape, (block, x.columns(), 1), coefficients, margins);
                            loss(rows, margins, &mut lane.losses);
                            double.add_gradient(shape, (block, 1, x.columns()), margins, &mut lane.gradient);
                        }
                        Some((features, coefficients)) => {
                            let block = &features[rows.start * x.columns()..rows.end * x.columns()];
                            let transposed =
                                x.transposed().map(|transposed| (&transposed[rows.start..], 1, x.rows()));
                            let own = transposed.unwrap_or((block, x.columns(), 1));
                            singles.multiply(shape, own, coefficients, margins);
                            loss(rows, margins, &mut lane.losses);
                            singles.add_gradient(shape, (block, 1, x.columns()), margins, &mut lane.gradient);
                        }
                    }
                    lane.add_residuals(margins);
                }
            }
        };
        if let [scratch] = scratch.as_mut_slice() {
            work(lanes, scratch);
        } else {
            std::thread::scope(|scope| {
                for (lanes, scratch) in lanes.chunks_mut(share).zip(scratch) {
                    scope.spawn(|| work(lanes, scratch));
                }
            });
        }
        let (total, rest) = lanes.split_at_mut(1);
        for lane in rest {
            total[0].add(lane);
        }
        &total[0]
    }
}

impl<T: Float> Products<T> {
    /// The margins `[rows, columns]`, row major, of rows with these strides.
    fn multiply(
        &mut self,
        shape: (usize, usize, usize),
        features: (&[T], usize, usize),
        coefficients: &[T],
        margins: &mut Vec<f64>,
    ) {
        let (rows, _, columns) = shape;
        self.margins.resize(rows * columns, T::ZERO);
        let coefficients = (coefficients, columns, 1);
        let (_, row_stride, _) = features;
        if row_stride == 1 {
            product(shape, features, coefficients, (&mut self.margins, 1, rows), false);
            for row in 0..rows {
                margins.extend(self.margins[row..].iter().step_by(rows).map(|margin| margin.wide()));
            }
        } else {
            product(shape, features, coefficients, (&mut self.margins, columns, 1), false);
            margins.extend(self.margins.iter().map(|margin| margin.wide()));
        }
    }

    /// Adds the gradient `[d, columns]`, row major, by these derivatives of the margins.
    fn add_gradient(
        &mut self,
        (rows, d, columns): (usize, usize, usize),
        transposed_features: (&[T], usize, usize),
        derivatives: &[f64],
        gradient: &mut [f64],
    ) {
        self.gradient.resize(d * columns, T::ZERO);
        for (own, derivative) in self.margins.iter_mut().zip(derivatives) {
            *own = T::narrow(*derivative);
        }
        let derivatives = (&*self.margins, columns, 1);
        product((d, rows, columns), transposed_features, derivatives, (&mut self.gradient, 1, d), false);
        for (feature, sums) in gradient.chunks_exact_mut(columns).take(d).enumerate() {
            let own = self.gradient[feature..].iter().step_by(d);
            sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own.wide());
        }
    }
}

impl Lane {
    fn clear(&mut self) {
        self.losses.fill(0.0);
        self.gradient.fill(0.0);
        self.residuals.fill(0.0);
    }

    fn add_residuals(&mut self, margins: &[f64]) {
        for row in margins.chunks_exact(self.residuals.len()) {
            self.residuals.iter_mut().zip(row).for_each(|(sum, r)| *sum += r);
        }
    }

    fn add(&mut self, other: &Self) {
        self.losses.iter_mut().zip(&other.losses).for_each(|(sum, v)| *sum += v);
        self.gradient.iter_mut().zip(&other.gradient).for_each(|(sum, v)| *sum += v);
        self.residuals.iter_mut().zip(&other.residuals).for_each(|(sum, v)| *sum += v);
    }
}

/// The blocks of some rows of a matrix.
fn blocks(x: &Matrix<'_>, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let step = block_rows(x);
    rows.clone().step_by(step).map(move |start| start..rows.end.min(start + step))
}

/// Rows per block of a matrix.
fn block_rows(x: &Matrix<'_>) -> usize {
    let most = if x.has_triangle() { TRIANGLE_BLOCK_ROWS_MAX } else { BLOCK_ROWS_MAX };
    (BLOCK_VALUES / x.columns().max(1)).clamp(BLOCK_ROWS_MIN, most)
}

/// `out[rows, columns] = a[rows, inner] · b[inner, columns]`, all row major.
pub(crate) fn multiply(rows: usize, inner: usize, columns: usize, a: &[f64], b: &[f64], out: &mut [f64]) {
    product((rows, inner, columns), (a, inner, 1), (b, columns, 1), (out, columns, 1), false);
}

/// `out[rows, columns] = a[rows, inner] · b[columns, inner]ᵀ`, all row major.
///
/// ```
/// let mut out = [0.0; 2];
/// emberline_linear::multiply_transposed(1, 2, 2, &[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0], &mut out);
/// assert_eq!(out, [11.0, 17.0]);
/// ```
///
/// # Panics
/// When a slice has another length than its shape says.
pub fn multiply_transposed(rows: usize, inner: usize, columns: usize, a: &[f64], b: &[f64], out: &mut [f64]) {
    product((rows, inner, columns), (a, inner, 1), (b, 1, inner), (out, columns, 1), false);
}

/// `out[inner, columns] += aᵀ · r` for `a[rows, inner]` and `r[rows, columns]`, all row major.
pub(crate) fn add_transposed_product(
    rows: usize,
    inner: usize,
    columns: usize,
    a: &[f64],
    r: &[f64],
    out: &mut [f64],
) {
    product((inner, rows, columns), (a, 1, inner), (r, columns, 1), (out, columns, 1), true);
}

/// What `gemm` multiplies here.
trait Float: Copy + 'static {
    const ZERO: Self;
    const ONE: Self;
    fn wide(self) -> f64;
    fn narrow(value: f64) -> Self;
}

impl Float for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn wide(self) -> f64 {
        self.into()
    }

    fn narrow(value: f64) -> Self {
        value as Self
    }
}

impl Float for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn wide(self) -> f64 {
        self
    }

    fn narrow(value: f64) -> Self {
        value
    }
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// `out[rows, columns] = a[rows, inner] · b[inner, columns]`, or that added to `out`, of slices with the strides of their rows
/// and columns.
fn product<T: Float>(
    (rows, inner, columns): (usize, usize, usize),
    (a, a_rows, a_columns): (&[T], usize, usize),
    (b, b_rows, b_columns): (&[T], usize, usize),
    (out, out_rows, out_columns): (&mut [T], usize, usize),
    add: bool,
) {
    let ends = |rows: usize, columns: usize, (by_row, by_column): (usize, usize)| match (rows, columns) {
        (0, _) | (_, 0) => 0,
        _ => (rows - 1) * by_row + (columns - 1) * by_column + 1,
    };
    assert!(ends(rows, inner, (a_rows, a_columns)) <= a.len());
    assert!(ends(inner, columns, (b_rows, b_columns)) <= b.len());
    assert!(ends(rows, columns, (out_rows, out_columns)) <= out.len());
    assert!((out_rows, out_columns) == (columns, 1) || (out_rows, out_columns) == (1, rows));
    // SAFETY: the assertions tie every slice to the shape and its strides, and no two places of `out` are the same;
    // `out` is borrowed mutably, so it overlaps neither input.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            out_columns as isize,
            out_rows as isize,
            add,
            a.as_ptr(),
            a_columns as isize,
            a_rows as isize,
            b.as_ptr(),
            b_columns as isize,
            b_rows as isize,
            if add { T::ONE } else { T::ZERO },
            T::ONE,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
