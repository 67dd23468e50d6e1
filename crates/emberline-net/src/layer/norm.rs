//! Layers that normalise, shift and scale.

use super::{Problem, Shape, channels};

/// Normalisation of every channel by its stored mean and variance, as `keras.layers.BatchNormalization` at inference:
/// `gamma * (x - moving_mean) / sqrt(moving_variance + epsilon) + beta`.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormalization {
    /// Added to the variance, so that a constant channel does not divide by zero. Keras' default is 0.001, PyTorch's 0.00001.
    pub epsilon: f64,
    /// Whether there is a `gamma`.
    pub scale: bool,
    /// Whether there is a `beta`.
    pub center: bool,
}

impl BatchNormalization {
    /// A layer with `gamma` and `beta`.
    #[must_use]
    pub fn new(epsilon: f64) -> Self {
        Self { epsilon, scale: true, center: true }
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        match input.len() {
            1 | 3 => Ok(input.to_vec()),
            _ => Err(format!(
                "BatchNormalization takes [height, width, channels] or [features], found {input:?}"
            )),
        }
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let names = [
            self.scale.then_some("gamma"),
            self.center.then_some("beta"),
            Some("moving_mean"),
            Some("moving_variance"),
        ];
        names.into_iter().flatten().map(|name| (name, vec![channels(input)])).collect()
    }
}

/// Normalisation of every vector along the last axis by its own mean and variance, as `keras.layers.LayerNormalization`:
/// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`. Paper: <https://arxiv.org/abs/1607.06450>.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNormalization {
    /// Added to the variance. Keras' default is 0.001, PyTorch's 0.00001.
    pub epsilon: f64,
}

impl LayerNormalization {
    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        vec![("gamma", vec![channels(input)]), ("beta", vec![channels(input)])]
    }
}

/// `x * scale + offset`, as `keras.layers.Rescaling`. One number each, or one for every channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Rescaling {
    /// What every value is multiplied by.
    pub scale: Vec<f32>,
    /// What is added then.
    pub offset: Vec<f32>,
}

impl Rescaling {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        for (name, values) in [("scale", &self.scale), ("offset", &self.offset)] {
            if values.len() != 1 && values.len() != channels(input) {
                return Err(format!(
                    "Rescaling's {name} must be one number or one for each of the {} channels, found {}",
                    channels(input),
                    values.len()
                ));
            }
        }
        Ok(input.to_vec())
    }
}
