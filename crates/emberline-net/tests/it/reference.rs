//! A network evaluated as its definition reads: channels last, loops over every index, 64-bit sums. Slow and plain.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use emberline_net::{Activation, Layer, Network, Node, Padding, Tensor};

/// The outputs for one sample.
pub(crate) fn evaluate(network: &Network, sample: &Tensor) -> Result<Vec<Tensor>> {
    let mut values = BTreeMap::from([(network.inputs()[0].name.clone(), sample.clone())]);
    for node in network.nodes() {
        let inputs: Vec<&Tensor> = node.inputs.iter().map(|name| &values[name]).collect();
        let value = layer(network, node, &inputs)?;
        values.insert(node.name.clone(), value);
    }
    Ok(network.outputs().iter().map(|name| values[name].clone()).collect())
}

fn layer(network: &Network, node: &Node, inputs: &[&Tensor]) -> Result<Tensor> {
    let x = inputs[0];
    let shape = &network.shapes()[&node.name];
    Ok(match &node.layer {
        Layer::Conv(_) | Layer::DepthwiseConv(_) | Layer::Dense(_) => weighted(network, node, x, shape)?,
        Layer::BatchNormalization(_) | Layer::Rescaling(_) => per_channel(network, node, x)?,
        Layer::Activation(function) => activation(*function, x)?,
        Layer::LayerNormalization(l) => layer_normalization(network, node, x, l.epsilon)?,
        Layer::LayerScale | Layer::PositionEmbedding => {
            let (scale, offset) = (weight(network, node, "gamma"), weight(network, node, "embeddings"));
            let at = |values: Option<&[f32]>, i: usize| values.map(|values| values[i % values.len()]);
            let f = |(i, &v): (usize, &f32)| v * at(scale, i).unwrap_or(1.) + at(offset, i).unwrap_or(0.);
            Tensor::new(shape.clone(), x.data().iter().enumerate().map(f).collect())?
        }
        Layer::ClassToken => {
            let token = weight(network, node, "token").unwrap_or_default();
            Tensor::new(shape.clone(), [token, x.data()].concat())?
        }
        Layer::TakeToken { index } => {
            let width = shape[0];
            Tensor::new(shape.clone(), x.data()[index * width..][..width].to_vec())?
        }
        Layer::MultiHeadAttention(l) => attention(network, node, x, l.heads)?,
        Layer::ZeroPadding(_) | Layer::MaxPooling(_) | Layer::AveragePooling(_) => {
            windowed(&node.layer, x, shape)?
        }
        Layer::GlobalAveragePooling(_) | Layer::GlobalMaxPooling(_) => global(&node.layer, x, shape)?,
        Layer::Flatten | Layer::Reshape(_) | Layer::Dropout { .. } => x.clone().reshaped(shape.clone())?,
        Layer::Add | Layer::Multiply => {
            let add = matches!(node.layer, Layer::Add);
            let values = (0..shape.iter().product()).map(|i| {
                let values = inputs.iter().map(|input| broadcast(input, shape, i));
                if add { values.sum() } else { values.product::<f32>() }
            });
            Tensor::new(shape.clone(), values.collect())?
        }
        Layer::Concatenate { axis: -1 } => {
            let pixels = shape.iter().product::<usize>() / shape.last().unwrap_or(&1);
            let row = |input: &Tensor, pixel: usize| {
                let channels = input.data().len() / pixels;
                input.data()[pixel * channels..][..channels].to_vec()
            };
            let rows = (0..pixels).flat_map(|pixel| inputs.iter().flat_map(move |input| row(input, pixel)));
            Tensor::new(shape.clone(), rows.collect())?
        }
        other => bail!("the reference does not know {other:?}"),
    })
}

fn weight<'a>(network: &'a Network, node: &Node, name: &str) -> Option<&'a [f32]> {
    network.weights().get(&format!("{}/{name}", node.name)).map(|tensor| tensor.data())
}

/// Layers with a kernel: a sum of products, a bias, an activation.
fn weighted(network: &Network, node: &Node, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let kernel = weight(network, node, "kernel").unwrap_or_default();
    let channels = *x.shape().last().unwrap_or(&1);
    let (sum, function) = match &node.layer {
        Layer::Conv(l) => {
            let (depth, per_group) = (channels / l.groups, l.filters / l.groups);
            let product = |&(k, row, column): &Pixel, c: usize, o: usize| {
                let value = at(x, row, column, o / per_group * depth + c);
                f64::from(value) * f64::from(kernel[(k * depth + c) * l.filters + o])
            };
            let at_pixel = |pixel: &Pixel, o: usize| (0..depth).map(|c| product(pixel, c, o)).sum::<f64>();
            let slide = Slide::new(&l.kernel, &l.strides, &l.dilation, l.padding);
            (
                slide.map(x, shape, &|window, o| window.iter().map(|pixel| at_pixel(pixel, o)).sum())?,
                l.activation,
            )
        }
        Layer::DepthwiseConv(l) => {
            let product = |&(k, row, column): &Pixel, o: usize| {
                let value = at(x, row, column, o / l.depth_multiplier);
                f64::from(value) * f64::from(kernel[k * channels * l.depth_multiplier + o])
            };
            let slide = Slide::new(&l.kernel, &l.strides, &l.dilation, l.padding);
            (
                slide.map(x, shape, &|window, o| window.iter().map(|pixel| product(pixel, o)).sum())?,
                l.activation,
            )
        }
        Layer::Dense(l) => {
            let product = |row: &[f32], o: usize| -> f64 {
                row.iter()
                    .zip(kernel.iter().skip(o).step_by(l.units))
                    .map(|(&v, &w)| f64::from(v) * f64::from(w))
                    .sum()
            };
            let rows =
                x.data().chunks(channels).flat_map(|row| (0..l.units).map(move |o| product(row, o) as f32));
            (Tensor::new(shape.to_vec(), rows.collect())?, l.activation)
        }
        other => bail!("{other:?} has no kernel"),
    };
    let Some(bias) = weight(network, node, "bias") else { return activation(function, &sum) };
    let biased = sum.data().iter().enumerate().map(|(i, value)| value + bias[i % bias.len()]);
    activation(function, &Tensor::new(shape.to_vec(), biased.collect())?)
}

/// Layers that shift and scale every channel.
fn per_channel(network: &Network, node: &Node, x: &Tensor) -> Result<Tensor> {
    let channels = *x.shape().last().unwrap_or(&1);
    let stored = |name: &str, c: usize, default: f64| {
        weight(network, node, name).map_or(default, |values| f64::from(values[c]))
    };
    let f = |v: f64, c: usize| match &node.layer {
        Layer::BatchNormalization(l) => {
            let deviation = (stored("moving_variance", c, 1.) + l.epsilon).sqrt();
            (v - stored("moving_mean", c, 0.)) / deviation * stored("gamma", c, 1.) + stored("beta", c, 0.)
        }
        Layer::Rescaling(l) => {
            v * f64::from(l.scale[c % l.scale.len()]) + f64::from(l.offset[c % l.offset.len()])
        }
        _ => v,
    };
    let values = x.data().iter().enumerate().map(|(i, &value)| f(f64::from(value), i % channels) as f32);
    Ok(Tensor::new(x.shape().to_vec(), values.collect())?)
}

/// Every row by its own mean and variance.
fn layer_normalization(network: &Network, node: &Node, x: &Tensor, epsilon: f64) -> Result<Tensor> {
    let (gamma, beta) = (weight(network, node, "gamma"), weight(network, node, "beta"));
    let (gamma, beta) = (gamma.unwrap_or_default(), beta.unwrap_or_default());
    let row = |row: &[f32]| -> Vec<f32> {
        let count = row.len() as f64;
        let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let variance = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
        let one = |(i, &v): (usize, &f32)| {
            let normal = (f64::from(v) - mean) / (variance + epsilon).sqrt();
            (normal * f64::from(gamma[i]) + f64::from(beta[i])) as f32
        };
        row.iter().enumerate().map(one).collect()
    };
    Ok(Tensor::new(x.shape().to_vec(), x.data().chunks(gamma.len()).flat_map(row).collect())?)
}

/// `softmax(Q Kᵀ / sqrt(width)) V`, head by head and token by token.
fn attention(network: &Network, node: &Node, x: &Tensor, heads: usize) -> Result<Tensor> {
    let (tokens, features) = (x.shape()[0], x.shape()[1]);
    let project = |values: &[f64], name: &str| -> Vec<f64> {
        let kernel = weight(network, node, &format!("{name}_kernel")).unwrap_or_default();
        let bias = weight(network, node, &format!("{name}_bias")).unwrap_or_default();
        let one = |t: usize, o: usize| {
            let row = &values[t * features..][..features];
            let products = row.iter().enumerate().map(|(i, v)| v * f64::from(kernel[i * features + o]));
            products.sum::<f64>() + f64::from(bias[o])
        };
        (0..tokens * features).map(|i| one(i / features, i % features)).collect()
    };
    let input: Vec<f64> = x.data().iter().map(|&v| f64::from(v)).collect();
    let (query, key, value) = (project(&input, "query"), project(&input, "key"), project(&input, "value"));
    let width = features / heads;
    let mut mixed = vec![0.; tokens * features];
    for head in 0..heads {
        let at = |values: &[f64], t: usize, i: usize| values[t * features + head * width + i];
        for t in 0..tokens {
            let score = |s: usize| {
                let product: f64 = (0..width).map(|i| at(&query, t, i) * at(&key, s, i)).sum();
                product / (width as f64).sqrt()
            };
            let scores: Vec<f64> = (0..tokens).map(score).collect();
            let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let shares: Vec<f64> = scores.iter().map(|score| (score - max).exp()).collect();
            let sum: f64 = shares.iter().sum();
            for i in 0..width {
                let total: f64 = (0..tokens).map(|s| shares[s] / sum * at(&value, s, i)).sum();
                mixed[t * features + head * width + i] = total;
            }
        }
    }
    let output = project(&mixed, "output").into_iter().map(|v| v as f32);
    Ok(Tensor::new(x.shape().to_vec(), output.collect())?)
}

/// Layers without weights that look through windows.
fn windowed(layer: &Layer, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let slide = match layer {
        Layer::MaxPooling(l) | Layer::AveragePooling(l) => {
            Slide::new(&l.window, &l.strides, &[1, 1], l.padding)
        }
        Layer::ZeroPadding(l) => {
            let [(top, bottom), (left, right)] = l.pads[..] else {
                bail!("a border of an image has two axes")
            };
            Slide::new(&[1, 1], &[1, 1], &[1, 1], Padding::Explicit { top, bottom, left, right })
        }
        other => bail!("{other:?} has no window"),
    };
    slide.map(x, shape, &|window, c| {
        let values = window.iter().map(|&(_, row, column)| f64::from(at(x, row, column, c)));
        match layer {
            Layer::MaxPooling(_) => values.fold(f64::NEG_INFINITY, f64::max),
            Layer::AveragePooling(_) => values.sum::<f64>() / window.len() as f64,
            _ => values.sum(),
        }
    })
}

fn global(layer: &Layer, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let channels = *x.shape().last().unwrap_or(&1);
    let pixels = x.data().len() / channels;
    let of_channel = |c: usize| {
        let values = x.data().iter().skip(c).step_by(channels).map(|&v| f64::from(v));
        match layer {
            Layer::GlobalMaxPooling(_) => values.fold(f64::NEG_INFINITY, f64::max) as f32,
            _ => (values.sum::<f64>() / pixels as f64) as f32,
        }
    };
    Ok(Tensor::new(shape.to_vec(), (0..channels).map(of_channel).collect())?)
}

/// Where in its window a pixel is, and its row and column in the image.
type Pixel = (usize, usize, usize);

#[derive(Clone, Copy)]
struct Pair {
    height: usize,
    width: usize,
}

struct Slide {
    size: Pair,
    strides: Pair,
    dilation: Pair,
    padding: Padding,
}

impl Slide {
    fn new(size: &[usize], strides: &[usize], dilation: &[usize], padding: Padding) -> Self {
        let pair = |sizes: &[usize]| Pair { height: sizes[0], width: sizes[1] };
        Self { size: pair(size), strides: pair(strides), dilation: pair(dilation), padding }
    }

    /// Calls `f` for every output pixel and channel with the window's pixels inside the image.
    fn map(&self, x: &Tensor, output: &[usize], f: &dyn Fn(&[Pixel], usize) -> f64) -> Result<Tensor> {
        let (height, width) = (x.shape()[0], x.shape()[1]);
        // TensorFlow's rule, in its own words: pad = max((ceil(n / s) - 1) * s + k - n, 0), the smaller half first.
        let same = |n: usize, k: usize, s: usize, d: usize| {
            ((n.div_ceil(s) - 1) * s + (k - 1) * d + 1).saturating_sub(n) / 2
        };
        let Self { size, strides, dilation, padding } = *self;
        let (top, left) = match padding {
            Padding::Valid => (0, 0),
            Padding::Same => (
                same(height, size.height, strides.height, dilation.height),
                same(width, size.width, strides.width, dilation.width),
            ),
            Padding::Explicit { top, left, .. } => (top, left),
            Padding::Causal => bail!("causal padding is for sequences"),
        };
        let mut data = Vec::new();
        for pixel in 0..output[0] * output[1] {
            let (oy, ox) = (pixel / output[1], pixel % output[1]);
            let inside = |k: usize| {
                let row = (oy * strides.height + k / size.width * dilation.height).checked_sub(top)?;
                let column = (ox * strides.width + k % size.width * dilation.width).checked_sub(left)?;
                (row < height && column < width).then_some((k, row, column))
            };
            let window: Vec<Pixel> = (0..size.height * size.width).filter_map(inside).collect();
            data.extend((0..output[2]).map(|channel| f(&window, channel) as f32));
        }
        Ok(Tensor::new(output.to_vec(), data)?)
    }
}

fn at(x: &Tensor, row: usize, column: usize, channel: usize) -> f32 {
    x.data()[(row * x.shape()[1] + column) * x.shape()[2] + channel]
}

fn broadcast(input: &Tensor, output: &[usize], mut index: usize) -> f32 {
    let (mut offset, mut stride) = (0, 1);
    for (&size, &out) in input.shape().iter().zip(output).rev() {
        offset += if size == 1 { 0 } else { index % out * stride };
        stride *= size;
        index /= out;
    }
    input.data()[offset]
}

fn activation(function: Activation, x: &Tensor) -> Result<Tensor> {
    let sigmoid = |v: f64| 1. / (1. + (-v).exp());
    let f = |v: f64| match function {
        Activation::Relu => v.max(0.),
        Activation::Relu6 => v.clamp(0., 6.),
        Activation::LeakyRelu { slope } => {
            if v > 0. {
                v
            } else {
                v * f64::from(slope)
            }
        }
        Activation::Elu { alpha } => {
            if v > 0. {
                v
            } else {
                f64::from(alpha) * v.exp_m1()
            }
        }
        Activation::Sigmoid => sigmoid(v),
        Activation::Tanh => v.tanh(),
        Activation::Softplus => v.exp().ln_1p(),
        Activation::Swish => v * sigmoid(v),
        Activation::HardSigmoid => (v + 3.).clamp(0., 6.) / 6.,
        Activation::HardSigmoidOfKeras2 => (0.2 * v + 0.5).clamp(0., 1.),
        Activation::HardSwish => v * (v + 3.).clamp(0., 6.) / 6.,
        Activation::Gelu => v * normal_distribution(v),
        _ => v,
    };
    let mut data: Vec<f32> = x.data().iter().map(|&v| f(f64::from(v)) as f32).collect();
    if function == Activation::Softmax {
        for row in data.chunks_mut(*x.shape().last().unwrap_or(&1)) {
            let sum: f64 = row.iter().map(|&v| f64::from(v).exp()).sum();
            row.iter_mut().for_each(|v| *v = (f64::from(*v).exp() / sum) as f32);
        }
    }
    Ok(Tensor::new(x.shape().to_vec(), data)?)
}

/// The normal distribution function: Simpson's rule over the density from 0 to `x`.
fn normal_distribution(x: f64) -> f64 {
    const STEPS: u32 = 200;
    let width = x / f64::from(STEPS);
    let density = |t: f64| (-t * t / 2.).exp() / std::f64::consts::TAU.sqrt();
    let weight = |i: u32| {
        if i == 0 || i == STEPS {
            1.
        } else if i % 2 == 1 {
            4.
        } else {
            2.
        }
    };
    0.5 + (0..=STEPS).map(|i| weight(i) * density(f64::from(i) * width)).sum::<f64>() * width / 3.
}
