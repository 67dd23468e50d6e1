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
    let output_shape = &network.shapes()[&node.name];
    let weight =
        |name: &str| network.weights().get(&format!("{}/{name}", node.name)).map(|tensor| tensor.data());
    let channels = *x.shape().last().unwrap_or(&1);
    let per_channel = |f: &dyn Fn(f64, usize) -> f64| {
        let values = x.data().iter().enumerate().map(|(i, &value)| f(f64::from(value), i % channels) as f32);
        Tensor::new(x.shape().to_vec(), values.collect())
    };
    let add_bias = |tensor: Tensor| {
        let Some(bias) = weight("bias") else { return Ok(tensor) };
        let values = tensor.data().iter().enumerate().map(|(i, value)| value + bias[i % bias.len()]);
        Tensor::new(tensor.shape().to_vec(), values.collect())
    };
    Ok(match &node.layer {
        Layer::Conv2D(l) => {
            let kernel = weight("kernel").unwrap_or_default();
            let (depth, per_group) = (channels / l.groups, l.filters / l.groups);
            let slide = Slide {
                size: (l.kernel.height, l.kernel.width),
                strides: (l.strides.height, l.strides.width),
                dilation: (l.dilation.height, l.dilation.width),
                padding: l.padding,
            };
            let sum = slide.map(x, output_shape, &|window, o| {
                window
                    .iter()
                    .flat_map(|&(k, y, x_)| (0..depth).map(move |c| (k, y, x_, c)))
                    .map(|(k, y, x_, c)| {
                        f64::from(at(x, y, x_, o / per_group * depth + c))
                            * f64::from(kernel[(k * depth + c) * l.filters + o])
                    })
                    .sum()
            })?;
            activation(l.activation, &add_bias(sum)?)?
        }
        Layer::DepthwiseConv2D(l) => {
            let kernel = weight("kernel").unwrap_or_default();
            let filters = channels * l.depth_multiplier;
            let slide = Slide {
                size: (l.kernel.height, l.kernel.width),
                strides: (l.strides.height, l.strides.width),
                dilation: (l.dilation.height, l.dilation.width),
                padding: l.padding,
            };
            let sum = slide.map(x, output_shape, &|window, o| {
                window
                    .iter()
                    .map(|&(k, y, x_)| {
                        f64::from(at(x, y, x_, o / l.depth_multiplier)) * f64::from(kernel[k * filters + o])
                    })
                    .sum()
            })?;
            activation(l.activation, &add_bias(sum)?)?
        }
        Layer::Dense(l) => {
            let kernel = weight("kernel").unwrap_or_default();
            let rows = x.data().chunks(channels).flat_map(|row| {
                (0..l.units).map(move |o| {
                    row.iter()
                        .enumerate()
                        .map(|(i, &v)| f64::from(v) * f64::from(kernel[i * l.units + o]))
                        .sum::<f64>() as f32
                })
            });
            let sum = Tensor::new(output_shape.clone(), rows.collect())?;
            activation(l.activation, &add_bias(sum)?)?
        }
        Layer::BatchNormalization(l) => {
            let value = |name: &str, c: usize, default: f64| {
                weight(name).map_or(default, |values| f64::from(values[c]))
            };
            per_channel(&|v, c| {
                (v - value("moving_mean", c, 0.)) / (value("moving_variance", c, 1.) + l.epsilon).sqrt()
                    * value("gamma", c, 1.)
                    + value("beta", c, 0.)
            })?
        }
        Layer::Rescaling(l) => per_channel(&|v, c| {
            v * f64::from(l.scale[c % l.scale.len()]) + f64::from(l.offset[c % l.offset.len()])
        })?,
        Layer::Activation(function) => activation(*function, x)?,
        Layer::ZeroPadding2D(l) => {
            let slide = Slide {
                size: (1, 1),
                strides: (1, 1),
                dilation: (1, 1),
                padding: Padding::Explicit { top: l.top, bottom: l.bottom, left: l.left, right: l.right },
            };
            slide.map(x, output_shape, &|window, c| {
                window.iter().map(|&(_, y, x_)| f64::from(at(x, y, x_, c))).sum()
            })?
        }
        Layer::MaxPooling2D(l) | Layer::AveragePooling2D(l) => {
            let slide = Slide {
                size: (l.window.height, l.window.width),
                strides: (l.strides.height, l.strides.width),
                dilation: (1, 1),
                padding: l.padding,
            };
            let max = matches!(node.layer, Layer::MaxPooling2D(_));
            slide.map(x, output_shape, &|window, c| {
                let values = window.iter().map(|&(_, y, x_)| f64::from(at(x, y, x_, c)));
                if max {
                    values.fold(f64::NEG_INFINITY, f64::max)
                } else {
                    values.sum::<f64>() / window.len() as f64
                }
            })?
        }
        Layer::GlobalAveragePooling2D(_) | Layer::GlobalMaxPooling2D(_) => {
            let max = matches!(node.layer, Layer::GlobalMaxPooling2D(_));
            let pixels = x.data().len() / channels;
            let of_channel = |c: usize| {
                let values = x.data().iter().skip(c).step_by(channels).map(|&v| f64::from(v));
                if max {
                    values.fold(f64::NEG_INFINITY, f64::max) as f32
                } else {
                    (values.sum::<f64>() / pixels as f64) as f32
                }
            };
            Tensor::new(output_shape.clone(), (0..channels).map(of_channel).collect())?
        }
        Layer::Flatten | Layer::Reshape(_) | Layer::Dropout { .. } => {
            x.clone().reshaped(output_shape.clone())?
        }
        Layer::Add | Layer::Multiply => {
            let add = matches!(node.layer, Layer::Add);
            let values = (0..output_shape.iter().product()).map(|i| {
                let values = inputs.iter().map(|input| broadcast(input, output_shape, i));
                if add { values.sum() } else { values.product::<f32>() }
            });
            Tensor::new(output_shape.clone(), values.collect())?
        }
        Layer::Concatenate => {
            let pixels = output_shape.iter().product::<usize>() / output_shape.last().unwrap_or(&1);
            let row = |pixel: usize| {
                inputs.iter().flat_map(move |input| {
                    input
                        .data()
                        .chunks(input.data().len() / pixels)
                        .nth(pixel)
                        .unwrap_or_default()
                        .iter()
                        .copied()
                })
            };
            Tensor::new(output_shape.clone(), (0..pixels).flat_map(row).collect())?
        }
        other => bail!("the reference does not know {other:?}"),
    })
}

struct Slide {
    size: (usize, usize),
    strides: (usize, usize),
    dilation: (usize, usize),
    padding: Padding,
}

impl Slide {
    /// Calls `f` for every output pixel and channel with the window's `(position in the window, y, x)` inside the image.
    fn map(
        &self,
        x: &Tensor,
        output: &[usize],
        f: &dyn Fn(&[(usize, usize, usize)], usize) -> f64,
    ) -> Result<Tensor> {
        let (height, width) = (x.shape()[0], x.shape()[1]);
        // TensorFlow's rule, in its own words: pad = max((ceil(n / s) - 1) * s + k - n, 0), the smaller half first.
        let same = |n: usize, k: usize, s: usize, d: usize| {
            ((n.div_ceil(s) - 1) * s + (k - 1) * d + 1).saturating_sub(n) / 2
        };
        let (top, left) = match self.padding {
            Padding::Valid => (0, 0),
            Padding::Same => (
                same(height, self.size.0, self.strides.0, self.dilation.0),
                same(width, self.size.1, self.strides.1, self.dilation.1),
            ),
            Padding::Explicit { top, left, .. } => (top, left),
        };
        let mut data = Vec::new();
        for oy in 0..output[0] {
            for ox in 0..output[1] {
                let mut window = Vec::new();
                for ky in 0..self.size.0 {
                    for kx in 0..self.size.1 {
                        let y = (oy * self.strides.0 + ky * self.dilation.0)
                            .checked_sub(top)
                            .filter(|&y| y < height);
                        let x = (ox * self.strides.1 + kx * self.dilation.1)
                            .checked_sub(left)
                            .filter(|&x| x < width);
                        if let (Some(y), Some(x)) = (y, x) {
                            window.push((ky * self.size.1 + kx, y, x));
                        }
                    }
                }
                data.extend((0..output[2]).map(|channel| f(&window, channel) as f32));
            }
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
