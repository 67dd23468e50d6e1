//! Layers that shift and scale every channel.

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
