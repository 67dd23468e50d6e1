//! Functions of every value, or of every vector of channels.

use burn_tensor::{Tensor, activation};
use emberline_net::{Activation, Layer};

use super::{
    Value,
    native::{self, Rectifier},
};

/// <https://arxiv.org/abs/1706.02515>.
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// The activation that ends a layer whose input has this many axes.
pub(super) fn activation_of(layer: &Layer, rank: usize) -> Activation {
    match layer {
        Layer::Conv(layer) => layer.activation,
        Layer::ConvTranspose(layer) => layer.activation,
        Layer::DepthwiseConv(layer) => layer.activation,
        Layer::EinsumDense(layer) => layer.activation,
        Layer::Dense(layer) => layer.activation,
        Layer::Activation(activation) => *activation,
        Layer::Softmax { axes } if is_last(axes, rank) => Activation::Softmax,
        _ => Activation::Linear,
    }
}

/// Whether axes as Keras counts them, the batch being axis 0, are the channels alone. None stand for those.
pub(super) fn is_last(axes: &[isize], rank: usize) -> bool {
    axes.iter().all(|&axis| axis == -1 || axis == rank as isize)
}

pub(super) fn activate(activation: Activation, value: Value, on_cpu: bool) -> Result<Value, String> {
    let max = match activation {
        Activation::Relu => Some(f32::INFINITY),
        Activation::Relu6 => Some(6.0),
        _ => None,
    };
    if let Some(max) = max.filter(|_| on_cpu) {
        let shape = value.shape().to_vec();
        let data = value.data();
        let kernel = Rectifier { shape: data.dims(), max };
        return Ok(Value::new(native::apply(kernel, [native::Operand::new(data)?]).0, &shape));
    }
    let function = |data: Tensor<3>| match activation {
        Activation::Linear => Ok(data),
        Activation::Relu => Ok(activation::relu(data)),
        Activation::Relu6 => Ok(data.clamp(0.0, 6.0)),
        Activation::BoundedRelu { max, slope, threshold } => {
            let is_below = data.clone().lower_elem(threshold);
            let below = (data.clone() - threshold) * slope;
            let unbounded = data.mask_where(is_below, below);
            Ok(if max.is_finite() { unbounded.clamp_max(max) } else { unbounded })
        }
        Activation::LeakyRelu { slope } => Ok(activation::leaky_relu(data, f64::from(slope))),
        Activation::Elu { alpha } => Ok(elu(data, 1.0, f64::from(alpha))),
        Activation::Celu { alpha } => Ok(elu(data, f64::from(alpha), f64::from(alpha))),
        Activation::Selu => Ok(elu(data, 1.0, SELU_ALPHA) * SELU_SCALE),
        Activation::Exponential => Ok(data.exp()),
        Activation::Sigmoid => Ok(activation::sigmoid(data)),
        Activation::LogSigmoid => Ok(activation::log_sigmoid(data)),
        Activation::Tanh => Ok(data.tanh()),
        Activation::TanhShrink => Ok(data.clone() - data.tanh()),
        Activation::Softmax => Ok(activation::softmax(data, 1)),
        Activation::LogSoftmax => Ok(activation::log_softmax(data, 1)),
        Activation::Softplus => Ok(softplus(data)),
        Activation::Softsign => Ok(data.clone() / (data.abs() + 1.0)),
        Activation::Swish => Ok(activation::silu(data)),
        Activation::Mish => Ok(data.clone() * softplus(data).tanh()),
        Activation::HardSigmoid => Ok((data + 3.0).clamp(0.0, 6.0) / 6.0),
        Activation::HardSwish => Ok(data.clone() * ((data + 3.0).clamp(0.0, 6.0) / 6.0)),
        Activation::HardTanh => Ok(data.clamp(-1.0, 1.0)),
        Activation::HardShrink { threshold } => {
            let is_small = data.clone().abs().lower_equal_elem(threshold);
            Ok(data.mask_fill(is_small, 0.0))
        }
        Activation::SoftShrink { threshold } => {
            let below = activation::relu(data.clone().neg() - threshold);
            Ok(activation::relu(data - threshold) - below)
        }
        Activation::Gelu => Ok(activation::gelu(data)),
        Activation::GeluTanh => Ok(activation::gelu_approximate(data)),
        Activation::Squareplus { b } => Ok((data.clone() + (data.square() + b).sqrt()) / 2.0),
        Activation::SparsePlus => {
            let bend = (data.clone().clamp(-1.0, 1.0) + 1.0).square() / 4.0;
            Ok(bend + activation::relu(data - 1.0))
        }
        Activation::SparseSigmoid => Ok(((data + 1.0) / 2.0).clamp(0.0, 1.0)),
        Activation::Threshold { threshold, value } => {
            let is_below = data.clone().lower_equal_elem(threshold);
            Ok(data.mask_fill(is_below, value))
        }
        other => Err(format!("the activation {other:?} can't be trained yet")),
    };
    let shape = value.shape().to_vec();
    Ok(Value::new(function(value.data())?, &shape))
}

/// `x` above zero, `alpha * (exp(x / width) - 1)` below. No power of large values is taken: its slope, times nothing, is no number.
fn elu(data: Tensor<3>, width: f64, alpha: f64) -> Tensor<3> {
    let below = ((data.clone().clamp_max(0.0) / width).exp() - 1.0) * alpha;
    let is_below = data.clone().lower_elem(0.0);
    data.mask_where(is_below, below)
}

/// `log(1 + exp(x))` without overflow, its slope at 0 a half.
pub(crate) fn softplus<const D: usize>(data: Tensor<D>) -> Tensor<D> {
    activation::log_sigmoid(data.neg()).neg()
}
