//! Fully connected layers. The kernel is `[in, out]`.

use super::{Activation, Problem, Shape, channels};

/// A fully connected layer over the last axis, as `keras.layers.Dense`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// The number of outputs.
    pub units: usize,
    /// Whether a bias is added to every output.
    pub use_bias: bool,
    /// What follows.
    pub activation: Activation,
}

impl Dense {
    /// A layer with Keras' defaults: a bias, no activation.
    #[must_use]
    pub fn new(units: usize) -> Self {
        Self { units, use_bias: true, activation: Activation::Linear }
    }

    /// Leaves the bias out.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.use_bias = false;
        self
    }

    /// Sets what follows.
    #[must_use]
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        match input.split_last() {
            Some((_, axes)) => Ok([axes, &[self.units]].concat()),
            None => Err("Dense takes one axis at least".to_owned()),
        }
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let kernel = ("kernel", vec![channels(input), self.units]);
        let bias = self.use_bias.then(|| ("bias", vec![self.units]));
        [kernel].into_iter().chain(bias).collect()
    }
}
