//! Products of matrices that lie in slices with strides, on the calling thread.

use gemm::Parallelism;

/// A matrix within a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// From a row to the next, and from a column to the next.
    pub(super) strides: [usize; 2],
}

impl Matrix<'_> {
    pub(super) fn transposed(self) -> Self {
        let Self { data, rows, columns, strides: [down, right] } = self;
        Self { data, rows: columns, columns: rows, strides: [right, down] }
    }

    fn fits(&self) -> bool {
        self.rows > 0
            && self.columns > 0
            && (self.rows - 1) * self.strides[0] + (self.columns - 1) * self.strides[1] < self.data.len()
    }
}

/// Writes `a * b` to rows that lie `stride` apart, or adds it to what is there.
pub(super) fn multiply(out: &mut [f32], stride: usize, add: bool, a: Matrix<'_>, b: Matrix<'_>) {
    let (rows, columns) = (a.rows, b.columns);
    assert!(
        a.fits()
            && b.fits()
            && a.columns == b.rows
            && columns <= stride
            && (rows - 1) * stride + columns <= out.len()
    );
    // SAFETY: the assertion ties every slice to sizes and strides, and `out` is borrowed mutably, so it overlaps neither input.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            a.columns,
            out.as_mut_ptr(),
            1,
            stride as isize,
            add,
            a.data.as_ptr(),
            a.strides[1] as isize,
            a.strides[0] as isize,
            b.data.as_ptr(),
            b.strides[1] as isize,
            b.strides[0] as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
