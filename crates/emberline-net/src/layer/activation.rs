//! Functions of every value, by Keras' definitions: <https://keras.io/api/layers/activations/>.

/// A function applied to every value (`Softmax`: to every vector along the last axis).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// The value itself.
    #[default]
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x` above zero, `slope * x` below.
    LeakyRelu {
        /// The slope below zero.
        slope: f32,
    },
    /// `x` above zero, `alpha * (exp(x) - 1)` below.
    Elu {
        /// The negative of the limit at minus infinity.
        alpha: f32,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `exp(x) / sum(exp(x))` along the last axis.
    Softmax,
    /// `log(1 + exp(x))`.
    Softplus,
    /// `x * sigmoid(x)`, also called SiLU.
    Swish,
    /// `relu6(x + 3) / 6`, the definition of Keras 3 and PyTorch.
    HardSigmoid,
    /// `x * relu6(x + 3) / 6`.
    HardSwish,
    /// `x * Φ(x)` with the exact normal distribution function.
    Gelu,
}
