//! A function of every value in Keras' words: by its name, as a layer, or as several layers where Keras has none that does it.

use std::f64::consts::FRAC_2_PI;

use serde_json::{Value, json};

use super::{describe::Described, layers::Source};
use crate::{Activation, layer::Problem};

/// The name of a function in Keras 3, for the setting `activation` of a layer.
pub(super) fn name(activation: Activation) -> Option<&'static str> {
    Some(match activation {
        Activation::Linear => "linear",
        Activation::Relu => "relu",
        Activation::Relu6 => "relu6",
        Activation::Sigmoid => "sigmoid",
        Activation::Tanh => "tanh",
        Activation::Softmax => "softmax",
        Activation::Softplus => "softplus",
        Activation::Swish => "silu",
        Activation::HardSigmoid => "hard_sigmoid",
        Activation::HardSwish => "hard_silu",
        Activation::Gelu => "gelu",
        Activation::Selu => "selu",
        Activation::Exponential => "exponential",
        Activation::LogSigmoid => "log_sigmoid",
        Activation::LogSoftmax => "log_softmax",
        Activation::TanhShrink => "tanh_shrink",
        Activation::Sparsemax => "sparsemax",
        Activation::Softsign => "softsign",
        Activation::Mish => "mish",
        Activation::HardTanh => "hard_tanh",
        Activation::SparsePlus => "sparse_plus",
        Activation::SparseSigmoid => "sparse_sigmoid",
        Activation::LeakyRelu { slope: 0.2 } => "leaky_relu",
        Activation::Elu { alpha: 1.0 } => "elu",
        Activation::Celu { alpha: 1.0 } => "celu",
        Activation::HardShrink { threshold: 0.5 } => "hard_shrink",
        Activation::SoftShrink { threshold: 0.5 } => "soft_shrink",
        Activation::Squareplus { b: 4.0 } => "squareplus",
        _ => return None,
    })
}

/// A function as a layer of its own, where one layer does it.
fn layer(activation: Activation) -> Option<Described> {
    Some(match activation {
        Activation::LeakyRelu { slope } => Described::new("LeakyReLU", json!({"negative_slope": slope})),
        Activation::Elu { alpha } => Described::new("ELU", json!({"alpha": alpha})),
        Activation::BoundedRelu { max, slope, threshold } => Described::new(
            "ReLU",
            json!({
                "max_value": max.is_finite().then_some(max),
                "negative_slope": slope,
                "threshold": threshold,
            }),
        ),
        Activation::Threshold { threshold, value: 0.0 } if threshold >= 0.0 => relu(threshold.into()),
        activation => Described::new("Activation", json!({"activation": name(activation)?})),
    })
}

/// A function within a layer that goes step by step, where it can't be taken out: its name, or a layer that is called.
pub(super) fn within(activation: Activation) -> Result<Value, Problem> {
    if let Some(name) = name(activation) {
        return Ok(Value::from(name));
    }
    match layer(activation) {
        Some(layer) => Ok(layer.within()),
        None => Err(format!(
            "Keras has not got the activation {activation:?} within a layer that goes step by step; write the network as ONNX"
        )),
    }
}

/// A function as layers, one after the other.
pub(super) fn layers(activation: Activation) -> Result<Vec<Described>, Problem> {
    if let Some(layer) = layer(activation) {
        return Ok(vec![layer]);
    }
    let impossible = || format!("{activation:?} can't be written for Keras; write the network as ONNX");
    // What Keras has for one width only: f(x) = width * g(x / width).
    let scaled = |width: f64, name: &str| {
        let function = Described::new("Activation", json!({"activation": name}));
        let factor = |factor| rescaling(factor, 0.0);
        vec![factor(1.0 / width).besides("scaled"), function.besides("function"), factor(width)]
    };
    Ok(match activation {
        Activation::Celu { alpha } if alpha > 0.0 => scaled(alpha.into(), "celu"),
        Activation::HardShrink { threshold } if threshold <= 0.0 => {
            vec![Described::new("Identity", json!({}))]
        }
        Activation::HardShrink { threshold } => scaled(f64::from(threshold) / 0.5, "hard_shrink"),
        Activation::SoftShrink { threshold: 0.0 } => vec![Described::new("Identity", json!({}))],
        Activation::SoftShrink { threshold } if threshold > 0.0 => {
            scaled(f64::from(threshold) / 0.5, "soft_shrink")
        }
        Activation::Squareplus { b: 0.0 } => layers(Activation::Relu)?,
        Activation::Squareplus { b } if b > 0.0 => scaled((f64::from(b) / 4.0).sqrt(), "squareplus"),
        // x / 5 + 1 / 2 = (6 x / 5 + 3) / 6.
        Activation::HardSigmoidOfKeras2 => vec![
            rescaling(HARD_SIGMOID_OF_KERAS_2, 0.0).besides("scaled"),
            Described::new("Activation", json!({"activation": "hard_sigmoid"})),
        ],
        Activation::GeluTanh => gelu_tanh(),
        Activation::Threshold { threshold, value } => from_threshold(threshold, value),
        _ => return Err(impossible()),
    })
}

/// What the input is multiplied by, so that today's hard sigmoid gives what that of Keras 1 and 2 gave.
pub(super) const HARD_SIGMOID_OF_KERAS_2: f64 = 1.2;

/// `x (1 + tanh u) / 2 = x sigmoid(2 u)` with `u = sqrt(2 / π) (x + 0.044715 x³)`; Keras' own `gelu` of that kind is a function
/// with an argument, which no layer can be given.
fn gelu_tanh() -> Vec<Described> {
    let slope = 2.0 * FRAC_2_PI.sqrt();
    let multiply = |inputs: [Source; 2]| Described::new("Multiply", json!({})).takes(inputs);
    vec![
        multiply([Source::Input(0), Source::Input(0)]).besides("square"),
        rescaling(slope * 0.044715, slope).besides("slope"),
        multiply([Source::Part(1), Source::Input(0)]).besides("product"),
        Described::new("Activation", json!({"activation": "sigmoid"})).besides("gate"),
        multiply([Source::Part(3), Source::Input(0)]),
    ]
}

/// `x` above the threshold, else the value, moved to where that is 0. Keras has `x` above a threshold of at least zero, else 0:
/// below zero it is `y` plus the part of `-y` that reaches the threshold's size.
fn from_threshold(threshold: f32, value: f32) -> Vec<Described> {
    let (value, threshold) = (f64::from(value), f64::from(threshold) - f64::from(value));
    let moved = rescaling(1.0, -value).besides("moved");
    let back = rescaling(1.0, value);
    if threshold >= 0.0 {
        return vec![moved, relu(threshold).besides("function"), back];
    }
    vec![
        moved,
        rescaling(-1.0, 0.0).besides("negative"),
        relu(-threshold).besides("below"),
        Described::new("Add", json!({})).takes([Source::Part(0), Source::Part(2)]).besides("above"),
        back,
    ]
}

fn relu(threshold: f64) -> Described {
    Described::new("ReLU", json!({"threshold": threshold}))
}

pub(super) fn rescaling(scale: f64, offset: f64) -> Described {
    Described::new("Rescaling", json!({"scale": scale, "offset": offset}))
}
