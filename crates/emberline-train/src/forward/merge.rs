//! Layers with several inputs.

use burn_tensor::{EinsumOperand, Tensor};
use emberline_net::Dot;

use super::{
    Value,
    norm::{place, unit},
    value::{UNFOLDED, split, too_many_axes},
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

/// The products of two inputs' vectors along an axis of each.
pub(super) fn dot(layer: &Dot, inputs: Vec<Value>, output: &[usize]) -> Result<Value, String> {
    let [a, b] = <[Value; 2]>::try_from(inputs).map_err(|_| "expected two inputs".to_owned())?;
    let [i, j] =
        [(&a, layer.axes[0]), (&b, layer.axes[1])].map(|(side, axis)| place(axis, side.shape().len()));
    let letters = |value: &Value, axis: usize, first: u8| -> String {
        let letter = |place: usize| if place == axis { 'y' } else { char::from(first + place as u8) };
        (0..value.shape().len()).map(letter).collect()
    };
    let (left, right) = (letters(&a, i, b'a'), letters(&b, j, b'm'));
    let equation =
        format!("z{left},z{right}->z{}", [left.as_str(), right.as_str()].concat().replace('y', ""));
    let normalized = |value: Value, axis: usize| match layer.normalize {
        true => {
            let shape = value.shape().to_vec();
            let dim = if axis + 1 == shape.len() { 1 } else { axis + 2 };
            Ok::<_, String>(Value::from_spatial(unit(value.unfolded()?, &[dim]), &shape))
        }
        false => Ok(value),
    };
    let (a, b) = (normalized(a, i)?, normalized(b, j)?);
    let shape: Vec<usize> = [vec![b.clone().data().dims()[0]], b.shape().to_vec()].concat();
    let [batch, positions, channels] = b.clone().channels_last().dims();
    let b = b.channels_last().reshape([batch * positions * channels]);
    einsum(&equation, a, operand(b, &shape)?, output)
}

/// Sums of products by a rule of letters, the first of which is the batch.
pub(super) fn einsum(
    equation: &str,
    input: Value,
    other: EinsumOperand,
    output: &[usize],
) -> Result<Value, String> {
    let data = input.clone().channels_last();
    let [batch, positions, channels] = data.dims();
    let shape = [&[batch], input.shape()].concat();
    let operands = [operand(data.reshape([batch * positions * channels]), &shape)?, other];
    let (positions, channels) = split(output);
    let sizes = [batch, positions, channels];
    let rank = equation.rsplit("->").next().unwrap_or("").chars().count();
    let product = match rank {
        1 => Tensor::<1>::einsum(equation, operands).reshape(sizes),
        2 => Tensor::<2>::einsum(equation, operands).reshape(sizes),
        3 => Tensor::<3>::einsum(equation, operands).reshape(sizes),
        4 => Tensor::<4>::einsum(equation, operands).reshape(sizes),
        5 => Tensor::<5>::einsum(equation, operands).reshape(sizes),
        _ => return Err(too_many_axes(output)),
    };
    Ok(Value::from_channels_last(product, output))
}

/// Numbers in their shape, as a rule of letters takes them.
pub(super) fn operand(numbers: Tensor<1>, shape: &[usize]) -> Result<EinsumOperand, String> {
    Ok(match *shape {
        [_] => numbers.into(),
        [a, b] => numbers.reshape([a, b]).into(),
        [a, b, c] => numbers.reshape([a, b, c]).into(),
        [a, b, c, d] => numbers.reshape([a, b, c, d]).into(),
        [a, b, c, d, e] => numbers.reshape([a, b, c, d, e]).into(),
        _ => return Err(too_many_axes(shape)),
    })
}
