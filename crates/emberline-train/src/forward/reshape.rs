//! Layers that move, repeat or leave out values.

use burn_tensor::{Tensor, TensorData};
use emberline_net::{CenterCrop, Cropping, Interpolation, Resizing, UpSampling, ZeroPadding};

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
        return scaled(layer.interpolation, input, output);
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

pub(super) fn resizing(layer: &Resizing, input: Value, output: &[usize]) -> Result<Value, String> {
    match layer.crop_to_aspect_ratio {
        true => Err("resizing that crops to an aspect ratio can't be trained yet".to_owned()),
        false => scaled(layer.interpolation, input, output),
    }
}

pub(super) fn center_crop(layer: &CenterCrop, input: Value, output: &[usize]) -> Result<Value, String> {
    let &[height, width, _] = input.shape() else { return Err(too_many_axes(output)) };
    let (Some(top), Some(left)) = (height.checked_sub(layer.height), width.checked_sub(layer.width)) else {
        return Err("a crop of a smaller image can't be trained yet".to_owned());
    };
    let crops = vec![(top / 2, top - top / 2), (left / 2, left - left / 2)];
    cropping(&Cropping { crops }, input, output)
}

/// An image of another size, as `tf.image.resize` makes it: pixel centres stand at halves, and nothing is smoothed.
fn scaled(interpolation: Interpolation, input: Value, output: &[usize]) -> Result<Value, String> {
    let share = |from: usize, to: usize, place: usize, other: usize| {
        let exact = (place as f32 + 0.5) * from as f32 / to as f32;
        let centre = (exact - 0.5).clamp(0.0, (from - 1) as f32);
        match interpolation {
            Interpolation::Bilinear => (1.0 - (centre - other as f32).abs()).max(0.0),
            _ => f32::from(u8::from(exact.floor() as usize == other)),
        }
    };
    match interpolation {
        Interpolation::Bicubic => Err("bicubic interpolation can't be trained yet".to_owned()),
        _ => mixed(input, output, share),
    }
}

/// Means of windows that share an axis evenly.
pub(super) fn adaptive_average(input: Value, output: &[usize]) -> Result<Value, String> {
    mixed(input, output, |from, to, place, other| {
        let window = window(from, to, place);
        if window.contains(&other) { 1.0 / window.len() as f32 } else { 0.0 }
    })
}

/// The greatest values of windows that share an axis evenly.
pub(super) fn adaptive_max(input: Value, output: &[usize]) -> Result<Value, String> {
    let mut data = input.unfolded()?;
    for (axis, &to) in output.iter().enumerate().take(output.len() - 1) {
        let from = data.dims()[axis + 2];
        let greatest = |place: usize| {
            let window = window(from, to, place);
            data.clone().narrow(axis + 2, window.start, window.len()).max_dim(axis + 2)
        };
        data = Tensor::cat((0..to).map(greatest).collect(), axis + 2);
    }
    Ok(Value::from_spatial(data, output))
}

/// Window `place` of `to` along an axis of this size.
fn window(from: usize, to: usize, place: usize) -> std::ops::Range<usize> {
    place * from / to..((place + 1) * from).div_ceil(to)
}

/// Every axis before the channels as sums of its places, by the share that `other` of `from` has in `place` of `to`.
fn mixed(
    input: Value,
    output: &[usize],
    share: impl Fn(usize, usize, usize, usize) -> f32,
) -> Result<Value, String> {
    let mut data = input.unfolded()?;
    for (axis, &to) in output.iter().enumerate().take(output.len() - 1) {
        let sizes = data.dims();
        let from = sizes[axis + 2];
        let shares: Vec<f32> = (0..to * from).map(|i| share(from, to, i / from, i % from)).collect();
        let shares =
            Tensor::<3>::from_data(TensorData::new(shares, [1, to, from]), &data.device().without_autodiff());
        let outer: usize = sizes[..axis + 2].iter().product();
        let inner: usize = sizes[axis + 3..].iter().product();
        let mut next = sizes;
        next[axis + 2] = to;
        data = shares.expand([outer, to, from]).matmul(data.reshape([outer, from, inner])).reshape(next);
    }
    Ok(Value::from_spatial(data, output))
}
