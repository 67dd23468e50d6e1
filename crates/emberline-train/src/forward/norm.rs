//! Layers that normalise over axes of their own choice, and the axes they name: the batch is axis 0, negative from the end.

use burn_tensor::Tensor;
use emberline_net::{GroupNormalization, LayerNormalization, Node, Normalization, RmsNormalization};

use super::{
    Pass, Value, split,
    value::{UNFOLDED, too_many_axes},
};

/// The least length and the least deviation that Keras divides by.
const SQUARES_MIN: f32 = 1e-12;
const DEVIATION_MIN: f32 = 1e-7;

impl Pass<'_> {
    pub(super) fn layer_normalization_over(
        &self,
        node: &Node,
        layer: &LayerNormalization,
        input: Value,
    ) -> Result<Value, String> {
        let shape = input.shape().to_vec();
        let axes = places(&layer.axes, shape.len());
        let dims = unfolded_axes(&axes, shape.len());
        let data = input.unfolded()?;
        let centred = data.clone() - mean_over(data.clone(), &dims);
        let variance = mean_over(centred.clone().square(), &dims);
        // The deprecated scaling takes no mean off, and adds no `beta`.
        let kept = if layer.rms_scaling { data } else { centred };
        let mut normal = kept / (variance + layer.epsilon as f32).sqrt();
        if layer.scale {
            normal = normal * self.along(node, "gamma", &axes, &shape)?;
        }
        if layer.center && !layer.rms_scaling {
            normal = normal + self.along(node, "beta", &axes, &shape)?;
        }
        Ok(Value::from_spatial(normal, &shape))
    }

    pub(super) fn rms_normalization(
        &self,
        node: &Node,
        layer: &RmsNormalization,
        input: Value,
    ) -> Result<Value, String> {
        let shape = input.shape().to_vec();
        let axes = places(&layer.axes, shape.len());
        let data = input.unfolded()?;
        let mean = mean_over(data.clone().square(), &unfolded_axes(&axes, shape.len()));
        let normal = data / (mean + layer.epsilon as f32).sqrt();
        Ok(Value::from_spatial(normal * self.along(node, "scale", &axes, &shape)?, &shape))
    }

    pub(super) fn group_normalization(
        &self,
        node: &Node,
        layer: &GroupNormalization,
        input: Value,
    ) -> Result<Value, String> {
        if places(&[layer.axis], input.shape().len()) != [input.shape().len() - 1] {
            return Err("groups along another axis than the last one can't be trained yet".to_owned());
        }
        let gamma = layer.scale.then(|| self.per_channel(node, "gamma"));
        let beta = layer.center.then(|| self.per_channel(node, "beta"));
        Ok(input.map(|data| {
            let [batch, channels, positions] = data.dims();
            let groups = layer.groups.unwrap_or(channels).max(1);
            let data = data.reshape([batch, groups, channels / groups * positions]);
            let centred = data.clone() - data.mean_dim(2);
            let variance = centred.clone().square().mean_dim(2);
            let normal = centred / (variance + layer.epsilon as f32).sqrt();
            let mut normal = normal.reshape([batch, channels, positions]);
            if let Some(gamma) = gamma {
                normal = normal * gamma;
            }
            match beta {
                Some(beta) => normal + beta,
                None => normal,
            }
        }))
    }

    /// By a mean and a variance that no step changes.
    pub(super) fn normalization(
        &self,
        node: &Node,
        layer: &Normalization,
        input: Value,
    ) -> Result<Value, String> {
        let shape = input.shape().to_vec();
        let axes: Vec<usize> = layer.axes.iter().map(|&axis| place(axis, shape.len())).collect();
        if !axes.is_sorted() {
            return Err(format!("expected the axes in their order, found {:?}", layer.axes));
        }
        let moment = |i: usize, name: &str| match &layer.moments {
            Some(moments) => {
                let numbers = Tensor::<1>::from_floats(moments[i].as_slice(), self.forward.device.plain());
                match moments[i].len() {
                    1 => Ok(numbers.reshape([1; UNFOLDED])),
                    _ => spread(numbers, &axes, &shape),
                }
            }
            None => self.along(node, name, &axes, &shape),
        };
        let mean = moment(0, "mean")?;
        let deviation = moment(1, "variance")?.sqrt().clamp_min(DEVIATION_MIN);
        let data = input.unfolded()?;
        let normal = match layer.invert {
            true => data * deviation + mean,
            false => (data - mean) / deviation,
        };
        Ok(Value::from_spatial(normal, &shape))
    }

    /// A weight with a number for every place of some axes, ready to be broadcast.
    fn along(
        &self,
        node: &Node,
        name: &str,
        axes: &[usize],
        shape: &[usize],
    ) -> Result<Tensor<UNFOLDED>, String> {
        spread(self.flat_weight(node, name), axes, shape)
    }
}

/// Vectors along axes scaled to length 1.
pub(super) fn unit_normalization(axes: &[isize], input: Value) -> Result<Value, String> {
    let shape = input.shape().to_vec();
    let dims = unfolded_axes(&places(axes, shape.len()), shape.len());
    let data = input.unfolded()?;
    Ok(Value::from_spatial(unit(data, &dims), &shape))
}

/// The same for axes of a tensor.
pub(super) fn unit<const D: usize>(data: Tensor<D>, dims: &[usize]) -> Tensor<D> {
    let squares = dims.iter().fold(data.clone().square(), |sum, &dim| sum.sum_dim(dim));
    data / squares.clamp_min(SQUARES_MIN).sqrt()
}

/// `exp(x) / sum(exp(x))` over axes.
pub(super) fn softmax(axes: &[isize], input: Value) -> Result<Value, String> {
    let shape = input.shape().to_vec();
    let dims = unfolded_axes(&places(axes, shape.len()), shape.len());
    let data = input.unfolded()?;
    let greatest = dims.iter().fold(data.clone().detach(), |most, &dim| most.max_dim(dim));
    let powers = (data - greatest).exp();
    let sum = dims.iter().fold(powers.clone(), |sum, &dim| sum.sum_dim(dim));
    Ok(Value::from_spatial(powers / sum, &shape))
}

fn mean_over(data: Tensor<UNFOLDED>, dims: &[usize]) -> Tensor<UNFOLDED> {
    dims.iter().fold(data, |mean, &dim| mean.mean_dim(dim))
}

/// Numbers for every place of some axes as `[1, channels, ...]` with axes of 1 for the others.
fn spread(numbers: Tensor<1>, axes: &[usize], shape: &[usize]) -> Result<Tensor<UNFOLDED>, String> {
    if shape.len() >= UNFOLDED {
        return Err(too_many_axes(shape));
    }
    let size = |(axis, &size): (usize, &usize)| if axes.contains(&axis) { size } else { 1 };
    let sizes: Vec<usize> = shape.iter().enumerate().map(size).collect();
    let (positions, channels) = split(&sizes);
    Value::from_channels_last(numbers.reshape([1, positions, channels]), &sizes).unfolded()
}

/// Where the axes stand, from 0 and without the batch; none stand for the last one.
pub(super) fn places(axes: &[isize], rank: usize) -> Vec<usize> {
    let axes = if axes.is_empty() { &[-1] } else { axes };
    let mut places: Vec<usize> = axes.iter().map(|&axis| place(axis, rank)).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// Where an axis stands. A network has no axes that are not there.
pub(super) fn place(axis: isize, rank: usize) -> usize {
    let place = if axis < 0 { axis + rank as isize } else { axis - 1 };
    usize::try_from(place).unwrap_or(0)
}

/// Places of axes as those of an unfolded value.
fn unfolded_axes(places: &[usize], rank: usize) -> Vec<usize> {
    places.iter().map(|&place| if place + 1 == rank { 1 } else { place + 2 }).collect()
}
