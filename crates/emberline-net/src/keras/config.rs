//! The settings of one layer in a Keras file, read with checks: what is missing or of another kind is named.

use serde_json::{Map, Value};

use crate::{
    Activation, Layer, Padding,
    layer::{Problem, Shape},
};

/// The most axes, or numbers of a list, that a setting may have.
const LIST_LEN_MAX: usize = 4096;

/// The settings of a layer, in the words of Keras 2 and 3, channels last.
#[derive(Clone, Copy)]
pub(crate) struct Config<'a> {
    settings: &'a Map<String, Value>,
    /// The Keras that wrote the file: 1, 2 or 3. Some words changed their meaning.
    pub(crate) keras: u32,
}

impl<'a> Config<'a> {
    pub(crate) fn new(settings: &'a Map<String, Value>, keras: u32) -> Self {
        Self { settings, keras }
    }

    /// A setting's value, unless it is missing or null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.settings.get(name).filter(|value| !value.is_null())
    }

    /// Whether a setting is there, be it null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.settings.contains_key(name)
    }

    fn bad(&self, name: &str, expected: &str) -> Problem {
        match self.settings.get(name) {
            None => format!("its setting `{name}` is missing, expected {expected}"),
            Some(found) => {
                let found: String = found.to_string().chars().take(80).collect();
                format!("its setting `{name}` must be {expected}, found {found}")
            }
        }
    }

    /// A size or count.
    pub(crate) fn size(&self, name: &str) -> Result<usize, Problem> {
        self.get(name).and_then(size).ok_or_else(|| self.bad(name, "a whole number from 0"))
    }

    pub(crate) fn size_or(&self, name: &str, default: usize) -> Result<usize, Problem> {
        self.get(name).map_or(Ok(default), |_| self.size(name))
    }

    pub(crate) fn bool_or(&self, name: &str, default: bool) -> Result<bool, Problem> {
        self.get(name).map_or(Some(default), Value::as_bool).ok_or_else(|| self.bad(name, "true or false"))
    }

    pub(crate) fn number_or(&self, name: &str, default: f64) -> Result<f64, Problem> {
        let number = self.get(name).map_or(Some(default), Value::as_f64);
        number.filter(|number| number.is_finite()).ok_or_else(|| self.bad(name, "a number"))
    }

    /// A number that layers keep in 32 bits.
    #[expect(clippy::cast_possible_truncation, reason = "layers compute in 32 bits")]
    pub(crate) fn float_or(&self, name: &str, default: f32) -> Result<f32, Problem> {
        Ok(self.number_or(name, f64::from(default))? as f32)
    }

    pub(crate) fn text_or(&self, name: &str, default: &'a str) -> Result<&'a str, Problem> {
        self.get(name).map_or(Some(default), Value::as_str).ok_or_else(|| self.bad(name, "text"))
    }

    /// An axis, counted without the batch, of a sample with `rank` axes. Keras counts the batch as axis 0.
    pub(crate) fn axis_or(&self, name: &str, default: i64, rank: usize) -> Result<usize, Problem> {
        let value = self.get(name);
        // A list of one axis is an axis.
        let value = value.map(|value| match value.as_array().map(Vec::as_slice) {
            Some([axis]) => axis,
            _ => value,
        });
        let axis = value.map_or(Some(default), Value::as_i64);
        let axis = axis.and_then(|axis| {
            let axis = if axis < 0 { axis.checked_add(i64::try_from(rank).ok()? + 1)? } else { axis };
            usize::try_from(axis.checked_sub(1)?).ok().filter(|axis| *axis < rank)
        });
        axis.ok_or_else(|| self.bad(name, &format!("an axis from 1 to {rank}, or its negative from the end")))
    }

    /// One size or a list of them; a single size stands for `len` equal ones.
    pub(crate) fn sizes(&self, name: &str, len: usize) -> Result<Vec<usize>, Problem> {
        let sizes = self.get(name).and_then(|value| match value {
            Value::Array(values) => values.iter().map(size).collect::<Option<Vec<_>>>(),
            value => Some(vec![size(value)?; len]),
        });
        let expected = || self.bad(name, &format!("a whole number or a list of {len}"));
        sizes.filter(|sizes| sizes.len() == len).ok_or_else(expected)
    }

    pub(crate) fn sizes_or(&self, name: &str, len: usize, default: usize) -> Result<Vec<usize>, Problem> {
        self.get(name).map_or(Ok(vec![default; len]), |_| self.sizes(name, len))
    }

    /// Layers within this one.
    pub(crate) fn layers(&self, name: &str) -> Result<Vec<(&'a str, Self)>, Problem> {
        let layer = |layer: &'a Value| {
            let class = layer.get("class_name").and_then(Value::as_str)?;
            Some((class, Self::new(layer.get("config").and_then(Value::as_object)?, self.keras)))
        };
        let layers = self.get(name).and_then(Value::as_array).filter(|list| list.len() <= LIST_LEN_MAX);
        layers
            .and_then(|layers| layers.iter().map(layer).collect())
            .ok_or_else(|| self.bad(name, "a list of layers"))
    }

    /// One axis or several, as Keras counts them; `default` where there are none.
    pub(crate) fn axes_or(&self, name: &str, default: &[isize]) -> Result<Vec<isize>, Problem> {
        let axis = |value: &Value| isize::try_from(value.as_i64()?).ok();
        match self.get(name) {
            None => Some(default.to_vec()),
            Some(Value::Array(axes)) => axes.iter().map(axis).collect(),
            Some(value) => axis(value).map(|axis| vec![axis]),
        }
        .ok_or_else(|| self.bad(name, "an axis or a list of axes"))
    }

    pub(crate) fn one_axis_or(&self, name: &str, default: isize) -> Result<isize, Problem> {
        match self.axes_or(name, &[default])?[..] {
            [axis] => Ok(axis),
            _ => Err(self.bad(name, "one axis")),
        }
    }

    /// Numbers of what is added to or taken from both ends of `len` axes: one for all, one for each, or pairs.
    pub(crate) fn pairs_or(&self, name: &str, len: usize) -> Result<Vec<(usize, usize)>, Problem> {
        let expected = || self.bad(name, "a number, one for each axis, or a pair for each");
        let pair = |value: &Value| match value.as_array().map(Vec::as_slice) {
            Some([before, after]) => Some((size(before)?, size(after)?)),
            Some(_) => None,
            None => size(value).map(|size| (size, size)),
        };
        let pairs = match self.get(name) {
            None => Some(vec![(1, 1); len]),
            // Of one axis, a list of two is a pair.
            Some(value @ Value::Array(values)) if len == 1 && values.len() == 2 => {
                pair(value).map(|pair| vec![pair])
            }
            Some(Value::Array(values)) => values.iter().map(pair).collect(),
            Some(value) => pair(value).map(|pair| vec![pair; len]),
        };
        pairs.filter(|pairs| pairs.len() == len).ok_or_else(expected)
    }

    /// A layer within this one: its class and settings.
    pub(crate) fn layer(&self, name: &str) -> Result<(&'a str, Self), Problem> {
        let layer = self.get(name);
        let class = layer.and_then(|layer| layer.get("class_name")).and_then(Value::as_str);
        let settings = layer.and_then(|layer| layer.get("config")).and_then(Value::as_object);
        match (class, settings) {
            (Some(class), Some(settings)) => Ok((class, Self::new(settings, self.keras))),
            _ => Err(self.bad(name, "a layer")),
        }
    }

    /// A list of any length of whole numbers that may be negative.
    pub(crate) fn integers(&self, name: &str) -> Result<Vec<i64>, Problem> {
        let integers = self.get(name).and_then(Value::as_array).filter(|list| list.len() <= LIST_LEN_MAX);
        let integers = integers.and_then(|list| list.iter().map(Value::as_i64).collect());
        integers.ok_or_else(|| self.bad(name, "a list of whole numbers"))
    }

    /// One number or a list of them, in nested lists of one or not.
    #[expect(clippy::cast_possible_truncation, reason = "layers compute in 32 bits")]
    pub(crate) fn floats_or(&self, name: &str, default: f32) -> Result<Vec<f32>, Problem> {
        fn collect(value: &Value, into: &mut Vec<f32>) -> Option<()> {
            match value {
                Value::Array(values) => values.iter().try_for_each(|value| collect(value, into)),
                value => {
                    into.push(value.as_f64()? as f32);
                    (into.len() <= LIST_LEN_MAX).then_some(())
                }
            }
        }
        let Some(value) = self.get(name) else { return Ok(vec![default]) };
        // Keras writes arrays as objects that hold their values.
        let value = value.pointer("/config/value").unwrap_or(value);
        let mut floats = Vec::new();
        collect(value, &mut floats).ok_or_else(|| self.bad(name, "numbers"))?;
        Ok(floats)
    }

    /// `padding` of layers with windows.
    pub(crate) fn padding(&self) -> Result<Padding, Problem> {
        match self.text_or("padding", "valid")? {
            "valid" => Ok(Padding::Valid),
            "same" => Ok(Padding::Same),
            "causal" => Ok(Padding::Causal),
            _ => Err(self.bad("padding", "\"valid\", \"same\" or \"causal\"")),
        }
    }

    /// Refuses a setting that has another value than the one this reader knows.
    pub(crate) fn expect_only(&self, name: &str, expected: &Value) -> Result<(), Problem> {
        match self.get(name) {
            Some(found) if found != expected => {
                Err(self.bad(name, &format!("{expected}, all that is supported")))
            }
            _ => Ok(()),
        }
    }

    /// The function in a setting: `"relu"`, or an object that names a function or a layer of activation.
    pub(crate) fn activation(&self, name: &str) -> Result<Activation, Problem> {
        let Some(value) = self.get(name) else { return Ok(Activation::Linear) };
        let class = value.get("class_name").and_then(Value::as_str);
        let function = match (value, class) {
            (Value::String(function), _) => function.as_str(),
            (value, Some("function")) => value.get("config").and_then(Value::as_str).unwrap_or_default(),
            (value, Some(class)) => {
                let settings = value.get("config").and_then(Value::as_object);
                let settings = settings.ok_or_else(|| self.bad(name, "the name of a function"))?;
                let config = Config::new(settings, self.keras);
                return match super::layers::activation_layer(class, config).transpose()? {
                    Some(Layer::Activation(activation)) => Ok(activation),
                    _ => Err(self.bad(name, "a known activation")),
                };
            }
            _ => return Err(self.bad(name, "the name of a function")),
        };
        activation(function, self.keras)
    }

    /// A shape without the batch, of which one axis may be -1: what is left of `total` values.
    pub(crate) fn target_shape(&self, name: &str, total: usize) -> Result<Shape, Problem> {
        let integers = self.integers(name)?;
        let mut known = integers.iter().filter(|size| **size >= 0);
        let known =
            known.try_fold(1_usize, |product, size| product.checked_mul(usize::try_from(*size).ok()?));
        let bad = || self.bad(name, &format!("a shape of {total} values"));
        let known = known.filter(|known| *known > 0).ok_or_else(bad)?;
        let open = integers.iter().filter(|size| **size < 0).count();
        if open > 1 {
            return Err(bad());
        }
        integers
            .iter()
            .map(|size| if *size < 0 { Ok(total / known) } else { usize::try_from(*size).map_err(|_| bad()) })
            .collect()
    }
}

/// An activation by the name that Keras' `activations` module has for it.
pub(crate) fn activation(function: &str, keras: u32) -> Result<Activation, Problem> {
    Ok(match function {
        "linear" => Activation::Linear,
        "relu" => Activation::Relu,
        "relu6" => Activation::Relu6,
        "leaky_relu" => Activation::LeakyRelu { slope: 0.2 },
        "elu" => Activation::Elu { alpha: 1.0 },
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        "softmax" => Activation::Softmax,
        "softplus" => Activation::Softplus,
        "swish" | "silu" => Activation::Swish,
        "hard_sigmoid" if keras >= 3 => Activation::HardSigmoid,
        "hard_sigmoid" => Activation::HardSigmoidOfKeras2,
        "hard_swish" | "hard_silu" => Activation::HardSwish,
        "gelu" => Activation::Gelu,
        "celu" => Activation::Celu { alpha: 1.0 },
        "exponential" => Activation::Exponential,
        "hard_shrink" => Activation::HardShrink { threshold: 0.5 },
        "hard_tanh" => Activation::HardTanh,
        "log_sigmoid" => Activation::LogSigmoid,
        "log_softmax" => Activation::LogSoftmax,
        "mish" => Activation::Mish,
        "selu" => Activation::Selu,
        "soft_shrink" => Activation::SoftShrink { threshold: 0.5 },
        "softsign" => Activation::Softsign,
        "sparse_plus" => Activation::SparsePlus,
        "sparse_sigmoid" => Activation::SparseSigmoid,
        "sparsemax" => Activation::Sparsemax,
        "squareplus" => Activation::Squareplus { b: 4.0 },
        "tanh_shrink" => Activation::TanhShrink,
        _ => {
            return Err(format!(
                "its activation `{function}` of Keras {keras} is not supported; rebuild the model with a known activation, \
                 or export it to ONNX"
            ));
        }
    })
}

/// A whole number, which Keras 1 at times wrote as `3.0`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole and within the bounds that are checked"
)]
fn size(value: &Value) -> Option<usize> {
    let whole =
        |number: f64| (number.fract() == 0.0 && (0.0..=9e15).contains(&number)).then_some(number as u64);
    let number = value.as_u64().or_else(|| value.as_f64().and_then(whole))?;
    usize::try_from(number).ok()
}
