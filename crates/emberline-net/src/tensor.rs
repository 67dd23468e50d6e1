//! Dense `f32` arrays: owned ([`Tensor`]) and borrowed ([`TensorView`]). No arithmetic lives here; runtimes do that.

use crate::{Error, Result};

/// An array of `f32` values in row-major order.
///
/// ```
/// use emberline_net::Tensor;
///
/// let kernel = Tensor::new(vec![2, 3], vec![1., 2., 3., 4., 5., 6.])?;
/// assert_eq!(kernel.permuted(&[1, 0])?.data(), [1., 4., 2., 5., 3., 6.]);
/// # Ok::<(), emberline_net::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// An array of this shape. Fails when the values are not as many as the shape holds.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Self> {
        check_len(&shape, data.len())?;
        Ok(Self { shape, data })
    }

    /// An array of this shape filled with zeros. Fails when the shape's size overflows.
    pub fn zeros(shape: Vec<usize>) -> Result<Self> {
        let len = len_of(&shape)?;
        Ok(Self { shape, data: vec![0.0; len] })
    }

    /// The size of every axis, outermost first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, last axis fastest.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The values, by value.
    #[must_use]
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The same array, borrowed.
    #[must_use]
    pub fn view(&self) -> TensorView<'_> {
        TensorView { shape: &self.shape, data: &self.data }
    }

    /// The same values under another shape of the same size.
    pub fn reshaped(self, shape: Vec<usize>) -> Result<Self> {
        Self::new(shape, self.data)
    }

    /// The array with its axes in another order: axis `i` of the result is axis `axes[i]` of this one.
    ///
    /// `permuted(&[2, 3, 1, 0])` turns a PyTorch convolution kernel `[out, in, h, w]` into Keras' `[h, w, in, out]`.
    pub fn permuted(&self, axes: &[usize]) -> Result<Self> {
        let rank = self.shape.len();
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..rank) {
            return Err(Error::Tensor {
                problem: format!("{axes:?} is not an order of the {rank} axes of shape {:?}", self.shape),
            });
        }
        let strides = row_major_strides(&self.shape);
        let shape: Vec<usize> = axes.iter().map(|&axis| self.shape[axis]).collect();
        let strides: Vec<usize> = axes.iter().map(|&axis| strides[axis]).collect();
        let mut data = Vec::with_capacity(self.data.len());
        gather(&self.data, &|value| *value, &shape, &strides, 0, &mut data);
        Ok(Self { shape, data })
    }
}

/// A borrowed array of `f32` values in row-major order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorView<'a> {
    shape: &'a [usize],
    data: &'a [f32],
}

impl<'a> TensorView<'a> {
    /// Values seen under a shape. Fails when the values are not as many as the shape holds.
    pub fn new(shape: &'a [usize], data: &'a [f32]) -> Result<Self> {
        check_len(shape, data.len())?;
        Ok(Self { shape, data })
    }

    /// The size of every axis, outermost first.
    #[must_use]
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// The values, last axis fastest.
    #[must_use]
    pub fn data(&self) -> &'a [f32] {
        self.data
    }
}

/// The number of values an array of this shape holds.
pub(crate) fn len_of(shape: &[usize]) -> Result<usize> {
    shape.iter().try_fold(1_usize, |len, &size| len.checked_mul(size)).ok_or_else(|| Error::Tensor {
        problem: format!("shape {shape:?} holds more values than a machine can address"),
    })
}

fn check_len(shape: &[usize], found: usize) -> Result<()> {
    match len_of(shape)? {
        expected if expected == found => Ok(()),
        expected => {
            Err(Error::Tensor { problem: format!("shape {shape:?} holds {expected} values, found {found}") })
        }
    }
}

fn row_major_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Reads the numbers of an array with these strides, last axis fastest.
pub(crate) fn gather<T>(
    source: &[T],
    read: &impl Fn(&T) -> f32,
    shape: &[usize],
    strides: &[usize],
    offset: usize,
    out: &mut Vec<f32>,
) {
    match (shape, strides) {
        ([], _) | (_, []) => out.push(read(&source[offset])),
        // Axes of one element, as 1x1 kernels have, cost a call for each number otherwise.
        ([1, shape @ ..], [_, strides @ ..]) => gather(source, read, shape, strides, offset, out),
        (&[size, ref ones @ ..], &[stride, ..]) if ones.iter().all(|one| *one == 1) => {
            out.extend((0..size).map(|i| read(&source[offset + i * stride])));
        }
        ([size, shape @ ..], [stride, strides @ ..]) => {
            for i in 0..*size {
                gather(source, read, shape, strides, offset + i * stride, out);
            }
        }
    }
}
