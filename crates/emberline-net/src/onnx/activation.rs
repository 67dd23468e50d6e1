//! Activations as ONNX operators.

use super::{
    graph::{Layout, Value, float, int, ints},
    layers::Writer,
};
use crate::{Activation, Result, Tensor, layer};

impl Writer<'_, '_> {
    /// A function of a value. Channels stay where they are.
    pub(super) fn activate(&mut self, input: Value, activation: Activation) -> Value {
        let x = input.name.as_str();
        let name = match activation {
            Activation::Linear => return input,
            Activation::Relu => self.plain("Relu", &[x]),
            Activation::Relu6 => self.clipped(x, 0.0, 6.0),
            Activation::BoundedRelu { max, slope, threshold } => self.bounded_relu(x, max, slope, threshold),
            Activation::LeakyRelu { slope } => self.op("LeakyRelu", &[x], vec![float("alpha", slope)]),
            Activation::Elu { alpha } => self.op("Elu", &[x], vec![float("alpha", alpha)]),
            Activation::Celu { alpha } => self.op("Celu", &[x], vec![float("alpha", alpha)]),
            Activation::Selu => self.plain("Selu", &[x]),
            Activation::Exponential => self.plain("Exp", &[x]),
            Activation::Sigmoid => self.plain("Sigmoid", &[x]),
            Activation::LogSigmoid => {
                let negative = self.plain("Neg", &[x]);
                let softplus = self.plain("Softplus", &[&negative]);
                self.plain("Neg", &[&softplus])
            }
            Activation::Tanh => self.plain("Tanh", &[x]),
            Activation::TanhShrink => {
                let tanh = self.plain("Tanh", &[x]);
                self.plain("Sub", &[x, &tanh])
            }
            Activation::Softmax | Activation::LogSoftmax | Activation::Sparsemax => {
                return self.along_channels(input, activation);
            }
            Activation::Softplus => self.plain("Softplus", &[x]),
            Activation::Softsign => self.plain("Softsign", &[x]),
            Activation::Swish => {
                let gate = self.plain("Sigmoid", &[x]);
                self.plain("Mul", &[x, &gate])
            }
            Activation::Mish => {
                let softplus = self.plain("Softplus", &[x]);
                let gate = self.plain("Tanh", &[&softplus]);
                self.plain("Mul", &[x, &gate])
            }
            // `HardSigmoid` is `clip(alpha * x + beta, 0, 1)`.
            Activation::HardSigmoid => {
                self.op("HardSigmoid", &[x], vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)])
            }
            Activation::HardSigmoidOfKeras2 => {
                self.op("HardSigmoid", &[x], vec![float("alpha", 0.2), float("beta", 0.5)])
            }
            Activation::SparseSigmoid => {
                self.op("HardSigmoid", &[x], vec![float("alpha", 0.5), float("beta", 0.5)])
            }
            Activation::HardSwish => self.plain("HardSwish", &[x]),
            Activation::HardTanh => self.clipped(x, -1.0, 1.0),
            Activation::HardShrink { threshold } => {
                let magnitude = self.plain("Abs", &[x]);
                self.passed(&magnitude, threshold, x, 0.0)
            }
            Activation::SoftShrink { threshold } => {
                let (low, high) = (self.scalar("low", -threshold), self.scalar("high", threshold));
                let within = self.plain("Clip", &[x, &low, &high]);
                self.plain("Sub", &[x, &within])
            }
            Activation::Gelu => self.gelu(x),
            Activation::GeluTanh => self.gelu_tanh(x),
            Activation::Squareplus { b } => self.squareplus(x, b),
            Activation::SparsePlus => self.sparse_plus(x),
            Activation::Threshold { threshold, value } => self.passed(x, threshold, x, value),
        };
        Value { name, ..input }
    }

    fn squareplus(&mut self, x: &str, b: f32) -> String {
        let (b, half) = (self.scalar("b", b), self.scalar("half", 0.5));
        let square = self.plain("Mul", &[x, x]);
        let shifted = self.plain("Add", &[&square, &b]);
        let root = self.plain("Sqrt", &[&shifted]);
        let sum = self.plain("Add", &[x, &root]);
        self.plain("Mul", &[&sum, &half])
    }

    fn sparse_plus(&mut self, x: &str) -> String {
        // With c = clip(x, -1, 1), the square of (c + 1) / 2, and what x exceeds 1 by.
        let (half, one) = (self.scalar("half", 0.5), self.scalar("one", 1.0));
        let within = self.clipped(x, -1.0, 1.0);
        let sum = self.plain("Add", &[&within, &one]);
        let root = self.plain("Mul", &[&sum, &half]);
        let square = self.plain("Mul", &[&root, &root]);
        let excess = self.plain("Sub", &[x, &one]);
        let excess = self.plain("Relu", &[&excess]);
        self.plain("Add", &[&square, &excess])
    }

    fn clipped(&mut self, x: &str, low: f32, high: f32) -> String {
        let (low, high) = (self.scalar("low", low), self.scalar("high", high));
        self.plain("Clip", &[x, &low, &high])
    }

    /// `x` where `measure` exceeds the threshold, another value elsewhere.
    fn passed(&mut self, measure: &str, threshold: f32, x: &str, other: f32) -> String {
        let (threshold, other) = (self.scalar("threshold", threshold), self.scalar("other", other));
        let passes = self.plain("Greater", &[measure, &threshold]);
        self.plain("Where", &[&passes, x, &other])
    }

    /// Above the threshold `min(x, max)`, below it a line that ends in zero there.
    fn bounded_relu(&mut self, x: &str, max: f32, slope: f32, threshold: f32) -> String {
        if threshold == 0.0 && max == f32::INFINITY {
            return self.op("LeakyRelu", &[x], vec![float("alpha", slope)]);
        }
        let limit = self.scalar("threshold", threshold);
        let upper = if max == f32::INFINITY { x.to_owned() } else { self.clipped(x, f32::MIN, max) };
        let below = self.plain("Sub", &[x, &limit]);
        let factor = self.scalar("slope", slope);
        let below = self.plain("Mul", &[&below, &factor]);
        let is_below = self.plain("Less", &[x, &limit]);
        self.plain("Where", &[&is_below, &below, &upper])
    }

    /// `0.5 * x * (1 + erf(x / sqrt(2)))`, in the order of operators that runtimes fuse.
    fn gelu(&mut self, x: &str) -> String {
        let root = self.scalar("root_2", std::f32::consts::SQRT_2);
        let (one, half) = (self.scalar("one", 1.0), self.scalar("half", 0.5));
        let divided = self.plain("Div", &[x, &root]);
        let erf = self.plain("Erf", &[&divided]);
        let shifted = self.plain("Add", &[&erf, &one]);
        let product = self.plain("Mul", &[x, &shifted]);
        self.plain("Mul", &[&product, &half])
    }

    fn gelu_tanh(&mut self, x: &str) -> String {
        let cubic = self.scalar("cubic", 0.044_715);
        let root = self.scalar("root_2_pi", (2.0 / std::f32::consts::PI).sqrt());
        let (one, half) = (self.scalar("one", 1.0), self.scalar("half", 0.5));
        let square = self.plain("Mul", &[x, x]);
        let cube = self.plain("Mul", &[&square, x]);
        let bent = self.plain("Mul", &[&cube, &cubic]);
        let sum = self.plain("Add", &[x, &bent]);
        let scaled = self.plain("Mul", &[&sum, &root]);
        let tanh = self.plain("Tanh", &[&scaled]);
        let shifted = self.plain("Add", &[&tanh, &one]);
        let product = self.plain("Mul", &[x, &shifted]);
        self.plain("Mul", &[&product, &half])
    }

    /// Functions of vectors along the channels.
    fn along_channels(&mut self, input: Value, activation: Activation) -> Value {
        let x = input.name.as_str();
        let rank = input.shape.len();
        let axis = super::layers::axis_in(rank.saturating_sub(1), rank, input.layout);
        let attribute = vec![int("axis", axis)];
        let name = match activation {
            Activation::Softmax => self.op("Softmax", &[x], attribute),
            Activation::LogSoftmax => self.op("LogSoftmax", &[x], attribute),
            _ => {
                let last = self.graph.laid_out(&input, Layout::Last);
                let name = self.sparsemax(&last, layer::channels(&input.shape), rank as i64);
                return Value { name, layout: Layout::Last, ..input };
            }
        };
        Value { name, ..input }
    }

    /// As Keras computes it: where more than one value has a share, its threshold is the sum of the sums of the greatest
    /// values, where the paper has the last of these sums.
    fn sparsemax(&mut self, x: &str, channels: usize, axis: i64) -> String {
        let count = self.integers("count", &[channels as i64]);
        let sorted = self.named("sorted");
        let attributes = vec![int("axis", axis), int("largest", 1), int("sorted", 1)];
        let order = self.named("order");
        let inputs = vec![x.to_owned(), count];
        self.graph.op_of_many("TopK", inputs, vec![sorted.clone(), order], attributes);
        let cumulative = self.named("axis");
        let cumulative = self.graph.integer(cumulative, axis);
        let sums = self.plain("CumSum", &[&sorted, &cumulative]);
        #[expect(clippy::cast_precision_loss, reason = "channels are few")]
        let ranks = (1..=channels).map(|rank| rank as f32).collect();
        let ranks = Tensor::new(vec![channels], ranks);
        let (Ok(ranks), one) = (ranks, self.scalar("one", 1.0)) else { return sums };
        let ranks = self.constant("ranks", &ranks);
        let less = self.plain("Sub", &[&sums, &one]);
        let means = self.plain("Div", &[&less, &ranks]);
        let has_share = self.plain("Greater", &[&sorted, &means]);
        let shares = self.op("Cast", &[&has_share], vec![int("to", 1)]);
        let shared = self.plain("Mul", &[&shares, &sums]);
        let total = self.reduce("ReduceSum", &shared, &[axis], true);
        let total = self.plain("Sub", &[&total, &one]);
        let holders = self.reduce("ReduceSum", &shares, &[axis], true);
        let threshold = self.plain("Div", &[&total, &holders]);
        let above = self.plain("Sub", &[x, &threshold]);
        self.plain("Relu", &[&above])
    }

    pub(super) fn softmax(&mut self, axes: &[isize]) -> Result<Value> {
        let input = self.inputs[0].clone();
        let axes = layer::places(axes, input.shape.len()).map_err(|problem| self.problem(problem))?;
        let axes = self.axes(&axes, input.layout);
        let x = input.name.as_str();
        let name = match axes.as_slice() {
            [axis] => self.op("Softmax", &[x], vec![int("axis", *axis)]),
            axes => {
                let greatest = self.op("ReduceMax", &[x], vec![ints("axes", axes), int("keepdims", 1)]);
                let lowered = self.plain("Sub", &[x, &greatest]);
                let powers = self.plain("Exp", &[&lowered]);
                let sum = self.reduce("ReduceSum", &powers, axes, true);
                self.plain("Div", &[&powers, &sum])
            }
        };
        Ok(Value { name, ..input })
    }

    pub(super) fn prelu(&mut self) -> Result<Value> {
        let input = self.inputs[0].clone();
        let alpha = self.weight("alpha")?;
        let alpha = self.spread("alpha", alpha, input.layout)?;
        let name = self.plain("PRelu", &[&input.name, &alpha]);
        Ok(Value { name, ..input })
    }

    pub(super) fn glu(&mut self) -> Value {
        let input = self.inputs[0].clone();
        let channels = layer::channels(&input.shape);
        let axis = self.axis(input.shape.len().saturating_sub(1), input.layout);
        let values = self.sliced(&input.name, axis, 0, channels / 2);
        let gates = self.sliced(&input.name, axis, channels / 2, channels);
        let gates = self.plain("Sigmoid", &[&gates]);
        let name = self.plain("Mul", &[&values, &gates]);
        self.value(name, input.layout)
    }
}
