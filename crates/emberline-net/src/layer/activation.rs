//! Functions of every value, by Keras' definitions: <https://keras.io/api/layers/activations/>.

/// A function applied to every value (`Softmax` and its kin: to every vector along the last axis).
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
    /// `max` from there on, `x` from `threshold` on, `slope * (x - threshold)` below: `keras.layers.ReLU`.
    BoundedRelu {
        /// The greatest value; infinite for none.
        max: f32,
        /// The slope below the threshold.
        slope: f32,
        /// Where values begin to pass.
        threshold: f32,
    },
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
    /// `x` above zero, `alpha * (exp(x / alpha) - 1)` below.
    Celu {
        /// The negative of the limit at minus infinity.
        alpha: f32,
    },
    /// An ELU of the slope and the limit that keep mean 0 and variance 1: <https://arxiv.org/abs/1706.02515>.
    Selu,
    /// `exp(x)`.
    Exponential,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `log(1 / (1 + exp(-x)))`.
    LogSigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `x - tanh(x)`.
    TanhShrink,
    /// `exp(x) / sum(exp(x))` along the last axis.
    Softmax,
    /// The logarithm of the softmax.
    LogSoftmax,
    /// The nearest point of the simplex of shares, along the last axis: <https://arxiv.org/abs/1602.02068>.
    Sparsemax,
    /// `log(1 + exp(x))`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `x * sigmoid(x)`, also called SiLU.
    Swish,
    /// `x * tanh(softplus(x))`.
    Mish,
    /// `relu6(x + 3) / 6`, the definition of Keras 3 and PyTorch.
    HardSigmoid,
    /// `x / 5 + 1 / 2` within `[0, 1]`, the definition of Keras 1 and 2.
    HardSigmoidOfKeras2,
    /// `x * relu6(x + 3) / 6`.
    HardSwish,
    /// `x` within `[-1, 1]`, the nearer bound beyond.
    HardTanh,
    /// `x` where its size exceeds `threshold`, zero elsewhere.
    HardShrink {
        /// The size up to which values vanish.
        threshold: f32,
    },
    /// `x` less `threshold` towards zero.
    SoftShrink {
        /// What a size is reduced by.
        threshold: f32,
    },
    /// `x * Φ(x)` with the exact normal distribution function.
    Gelu,
    /// `x * Φ(x)` by the approximation `Φ(x) = (1 + tanh(sqrt(2 / π) * (x + 0.044715 x³))) / 2`.
    GeluTanh,
    /// `(x + sqrt(x² + b)) / 2`.
    Squareplus {
        /// How round the bend is.
        b: f32,
    },
    /// Zero up to -1, `x` from 1 on, `(x + 1)² / 4` between.
    SparsePlus,
    /// `(x + 1) / 2` within `[0, 1]`.
    SparseSigmoid,
    /// `x` above `threshold`, `value` elsewhere.
    Threshold {
        /// The greatest value that does not pass.
        threshold: f32,
        /// What stands for values that do not.
        value: f32,
    },
}
