//! Layers with several inputs.

use super::{Problem, Shape};

/// The shape of a sum or product: axes must be equal, or 1 on one side, as in `[7, 7, 64] * [1, 1, 64]`.
pub(super) fn broadcast_shape(inputs: &[&[usize]]) -> Result<Shape, Problem> {
    let (first, rest) = split(inputs)?;
    let mut shape = first.to_vec();
    for &input in rest {
        let fits =
            input.len() == shape.len() && shape.iter().zip(input).all(|(&a, &b)| a == b || a == 1 || b == 1);
        if !fits {
            return Err(format!("inputs must have equal shapes, found {inputs:?}"));
        }
        for (size, &other) in shape.iter_mut().zip(input) {
            *size = if *size == 1 { other } else { *size };
        }
    }
    Ok(shape)
}

/// The shape of inputs side by side: all axes but the last must be equal.
pub(super) fn concatenate_shape(inputs: &[&[usize]]) -> Result<Shape, Problem> {
    let (first, _) = split(inputs)?;
    let Some((_, outer)) = first.split_last() else { return Err("inputs have no axes".to_owned()) };
    let mut channels = 0_usize;
    for &input in inputs {
        match input.split_last() {
            Some((&last, axes)) if axes == outer => channels = channels.saturating_add(last),
            _ => return Err(format!("inputs must differ in their channels alone, found {inputs:?}")),
        }
    }
    Ok(outer.iter().copied().chain([channels]).collect())
}

fn split<'a, 'b>(inputs: &'b [&'a [usize]]) -> Result<(&'a [usize], &'b [&'a [usize]]), Problem> {
    match inputs.split_first() {
        Some((first, rest)) if !rest.is_empty() => Ok((first, rest)),
        _ => Err(format!("takes at least two inputs, found {}", inputs.len())),
    }
}
