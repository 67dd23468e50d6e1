//! Layers that move values and change none.

use super::{Problem, Shape, image_shape};

/// A border of zeros, as `keras.layers.ZeroPadding2D`.
#[derive(Clone, Debug, PartialEq)]
pub struct ZeroPadding2D {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

impl ZeroPadding2D {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let [height, width, channels] = image_shape("ZeroPadding2D", input)?;
        let padded = |size: usize, before, after| {
            size.checked_add(before)
                .and_then(|size| size.checked_add(after))
                .ok_or_else(|| format!("padding {before} and {after} is too large"))
        };
        Ok(vec![padded(height, self.top, self.bottom)?, padded(width, self.left, self.right)?, channels])
    }
}

/// The same values under another shape, as `keras.layers.Reshape`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape {
    /// The new shape, without the batch.
    pub shape: Shape,
}

impl Reshape {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        match (size(input)?, size(&self.shape)?) {
            (found, expected) if found == expected => Ok(self.shape.clone()),
            (found, expected) => Err(format!(
                "{found} values of shape {input:?} can't take the shape {:?} of {expected} values",
                self.shape
            )),
        }
    }
}

/// The shape with its axes in another order.
pub(super) fn permuted_shape(axes: &[usize], input: &[usize]) -> Result<Shape, Problem> {
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..input.len()) {
        return Err(format!("{axes:?} is not an order of the axes of {input:?}, counted from 0"));
    }
    Ok(axes.iter().map(|&axis| input[axis]).collect())
}

pub(super) fn size(shape: &[usize]) -> Result<usize, Problem> {
    crate::tensor::len_of(shape).map_err(|error| error.to_string())
}
