//! Layers with several inputs.

use super::{Problem, Shape, place};

/// The shape of a sum or product: axes must be equal, or 1 on one side, as in `[7, 7, 64] * [1, 1, 64]`. Inputs of fewer
/// axes get axes of 1 in front.
pub(super) fn broadcast_shape(inputs: &[&[usize]]) -> Result<Shape, Problem> {
    let (first, rest) = split(inputs)?;
    let mut shape = first.to_vec();
    for &input in rest {
        let rank = shape.len().max(input.len());
        shape.splice(0..0, vec![1; rank - shape.len()]);
        let input = [vec![1; rank - input.len()], input.to_vec()].concat();
        let fits = shape.iter().zip(&input).all(|(&a, &b)| a == b || a == 1 || b == 1);
        if !fits {
            return Err(format!("inputs must have equal shapes, found {inputs:?}"));
        }
        for (size, other) in shape.iter_mut().zip(input) {
            *size = if *size == 1 { other } else { *size };
        }
    }
    Ok(shape)
}

/// The shape of inputs side by side along an axis: all other axes must be equal.
pub(super) fn concatenate_shape(axis: isize, inputs: &[&[usize]]) -> Result<Shape, Problem> {
    let (first, rest) = split(inputs)?;
    let axis = place(axis, first.len())?;
    let mut shape = first.to_vec();
    for &input in rest {
        let fits = input.len() == shape.len()
            && shape.iter().zip(input).enumerate().all(|(i, (a, b))| i == axis || a == b);
        if !fits {
            return Err(format!("inputs must differ in axis {} alone, found {inputs:?}", axis + 1));
        }
        shape[axis] = shape[axis].saturating_add(input[axis]);
    }
    Ok(shape)
}

fn split<'a, 'b>(inputs: &'b [&'a [usize]]) -> Result<(&'a [usize], &'b [&'a [usize]]), Problem> {
    match inputs.split_first() {
        Some((first, rest)) if !rest.is_empty() => Ok((first, rest)),
        _ => Err(format!("takes at least two inputs, found {}", inputs.len())),
    }
}

/// The products of two inputs' vectors along an axis of each, as `keras.layers.Dot`: the other axes of the first, then those
/// of the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dot {
    /// An axis of each input, the batch being axis 0; negative from the end.
    pub axes: [isize; 2],
    /// Whether the vectors are scaled to length 1, which makes the products cosines.
    pub normalize: bool,
}

impl Dot {
    pub(super) fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Problem> {
        let &[a, b] = inputs else { return Err(format!("Dot takes two inputs, found {}", inputs.len())) };
        let (i, j) = (place(self.axes[0], a.len())?, place(self.axes[1], b.len())?);
        if a[i] != b[j] {
            return Err(format!("axes {:?} of {a:?} and {b:?} must be of one size", self.axes));
        }
        let without = |shape: &[usize], axis: usize| [&shape[..axis], &shape[axis + 1..]].concat();
        let shape = [without(a, i), without(b, j)].concat();
        Ok(if shape.is_empty() { vec![1] } else { shape })
    }
}
