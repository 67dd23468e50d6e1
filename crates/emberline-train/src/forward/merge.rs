//! Layers with several inputs.

use burn_tensor::Tensor;

use super::{
    Value,
    value::{UNFOLDED, split},
};

/// A function of the inputs, one after the other, whose axes are equal or 1 on one side. Inputs of fewer axes get axes of 1 in
/// front.
pub(super) fn fold(
    inputs: Vec<Value>,
    function: impl Fn(Tensor<3>, Tensor<3>) -> Tensor<3>,
) -> Result<Value, String> {
    let mut inputs = inputs.into_iter();
    let first = inputs.next().ok_or("expected inputs")?;
    inputs.try_fold(first, |merged, input| {
        let rank = merged.shape().len().max(input.shape().len());
        let (a, b) = (aligned(merged.shape(), rank), aligned(input.shape(), rank));
        let shape: Vec<usize> = a.into_iter().zip(b).map(|(a, b)| a.max(b)).collect();
        let (merged, input) = (broadcast(merged, &shape)?, broadcast(input, &shape)?);
        Ok(Value::new(function(merged, input), &shape))
    })
}

/// The greater of two values, or the lesser. Of equal ones the first is followed, as TensorFlow does.
pub(super) fn greatest(a: Tensor<3>, b: Tensor<3>, sign: f32) -> Tensor<3> {
    let (a, b) = (broadcast_channels(a.clone(), &b), broadcast_channels(b, &a));
    let is_behind = (a.clone() * sign).lower(b.clone() * sign);
    a.mask_where(is_behind, b)
}

/// As many channels and positions as the other has.
fn broadcast_channels(data: Tensor<3>, other: &Tensor<3>) -> Tensor<3> {
    let (own, other) = (data.dims(), other.dims());
    data.expand(std::array::from_fn::<_, 3, _>(|axis| own[axis].max(other[axis])))
}

/// Values with as many positions as `shape` has, or with one where that is enough.
fn broadcast(value: Value, shape: &[usize]) -> Result<Tensor<3>, String> {
    let ((positions, _), (wanted, _)) = (split(value.shape()), split(shape));
    if positions == 1 || positions == wanted {
        return Ok(value.data());
    }
    // Along some of several axes, as `[7, 1, 64]` beside `[7, 7, 64]`.
    let aligned = aligned(value.shape(), shape.len());
    let data = Value::new(value.data(), &aligned).unfolded()?;
    let mut sizes = data.dims();
    let [batch, channels, ..] = sizes;
    sizes[2..].iter_mut().zip(&shape[..shape.len() - 1]).for_each(|(size, &wanted)| *size = wanted);
    Ok(data.expand(sizes).reshape([batch, channels, wanted]))
}

fn aligned(shape: &[usize], rank: usize) -> Vec<usize> {
    [vec![1; rank - shape.len()], shape.to_vec()].concat()
}

/// The inputs side by side along an axis as Keras counts it: the batch is axis 0, -1 the channels.
pub(super) fn concatenate(inputs: Vec<Value>, axis: isize, output: &[usize]) -> Result<Value, String> {
    let rank = output.len() as isize;
    let axis = if axis < 0 { axis + rank } else { axis - 1 };
    if axis == rank - 1 {
        return Ok(Value::new(Tensor::cat(inputs.into_iter().map(Value::data).collect(), 1), output));
    }
    let unfolded = inputs.into_iter().map(Value::unfolded).collect::<Result<Vec<Tensor<UNFOLDED>>, _>>()?;
    Ok(Value::from_spatial(Tensor::cat(unfolded, axis as usize + 2), output))
}
