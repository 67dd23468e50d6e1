//! Layers that move, repeat or leave out values.

use emberline_net::{Cropping, Interpolation, UpSampling, ZeroPadding};

use super::{
    Value,
    value::{UNFOLDED, too_many_axes},
};

pub(super) fn zero_padding(layer: &ZeroPadding, input: Value, output: &[usize]) -> Result<Value, String> {
    let mut pads = [(0, 0); UNFOLDED];
    pads[2..].iter_mut().zip(&layer.pads).for_each(|(pad, given)| *pad = *given);
    Ok(Value::from_spatial(input.unfolded()?.pad(pads, 0.0), output))
}

pub(super) fn cropping(layer: &Cropping, input: Value, output: &[usize]) -> Result<Value, String> {
    let mut data = input.unfolded()?;
    for (axis, (&(before, _), &kept)) in layer.crops.iter().zip(output).enumerate() {
        data = data.narrow(axis + 2, before, kept);
    }
    Ok(Value::from_spatial(data, output))
}

pub(super) fn up_sampling(layer: &UpSampling, input: Value, output: &[usize]) -> Result<Value, String> {
    if layer.interpolation != Interpolation::Nearest {
        let found = layer.interpolation;
        return Err(format!(
            "expected the nearest values, since {found:?} interpolation can't be trained yet"
        ));
    }
    let mut data = input.unfolded()?;
    for (axis, &factor) in layer.size.iter().enumerate() {
        let mut sizes = data.dims();
        let outer: usize = sizes[..=axis + 2].iter().product();
        let inner: usize = sizes[axis + 3..].iter().product();
        sizes[axis + 2] *= factor;
        data = data.reshape([outer, 1, inner]).expand([outer, factor, inner]).reshape(sizes);
    }
    Ok(Value::from_spatial(data, output))
}

/// Axis `i` of the output is axis `axes[i]` of the input, both without the batch.
pub(super) fn permuted(axes: &[usize], input: Value, output: &[usize]) -> Result<Value, String> {
    if axes.len() >= UNFOLDED {
        return Err(too_many_axes(output));
    }
    let mut sizes = [1; UNFOLDED];
    let mut order: [isize; UNFOLDED] = std::array::from_fn(|axis| axis as isize);
    sizes[1..].iter_mut().zip(input.shape()).for_each(|(size, given)| *size = *given);
    order[1..].iter_mut().zip(axes).for_each(|(place, &axis)| *place = axis as isize + 1);
    let data = input.channels_last();
    let [batch, ..] = data.dims();
    sizes[0] = batch;
    let (positions, channels) = super::split(output);
    let data = data.reshape(sizes).permute(order).reshape([batch, positions, channels]);
    Ok(Value::from_channels_last(data, output))
}
