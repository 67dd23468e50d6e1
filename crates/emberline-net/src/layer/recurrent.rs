//! Layers that go through a sequence step by step with a state.

use super::{Activation, Problem, Shape, attention::sequence_shape, channels};

/// The longest sequence whose steps are written out one by one, as unusual activations need it.
const WRITTEN_OUT_STEPS_MAX: usize = 1024;

/// What happens in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `keras.layers.SimpleRNN`: a dense layer of input and state.
    SimpleRnn,
    /// `keras.layers.LSTM`, gates in Keras' order: input, forget, cell, output. Hochreiter and Schmidhuber, 1997.
    Lstm,
    /// `keras.layers.GRU`, gates in Keras' order: update, reset, candidate. Paper: <https://arxiv.org/abs/1406.1078>.
    Gru {
        /// Whether the reset gate is applied after the product with the state, as cuDNN has it and Keras by default.
        reset_after: bool,
    },
}

/// A recurrent layer. The weights are `kernel` (`[in, gates * units]`), `recurrent_kernel` (`[units, gates * units]`) and perhaps
/// `bias` (`[gates * units]`; `[2, gates * units]` of a GRU that resets after).
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrent {
    /// What happens in a step.
    pub cell: Cell,
    /// The size of the state.
    pub units: usize,
    /// Of the new state's candidate.
    pub activation: Activation,
    /// Of the gates.
    pub recurrent_activation: Activation,
    /// Whether there is a bias.
    pub use_bias: bool,
    /// Whether the output is every step's state rather than the last one's.
    pub return_sequences: bool,
    /// Whether steps are taken from the end; the output is in the order of the steps then.
    pub go_backwards: bool,
}

impl Recurrent {
    pub(super) fn kind(&self) -> &'static str {
        match self.cell {
            Cell::SimpleRnn => "SimpleRNN",
            Cell::Lstm => "LSTM",
            Cell::Gru { .. } => "GRU",
        }
    }

    /// Dense layers in a step.
    pub(crate) fn gates(&self) -> usize {
        match self.cell {
            Cell::SimpleRnn => 1,
            Cell::Lstm => 4,
            Cell::Gru { .. } => 3,
        }
    }

    /// Whether the activations are those that ONNX's operators have where none are named.
    pub(crate) fn is_usual(&self) -> bool {
        let gates = self.cell == Cell::SimpleRnn || self.recurrent_activation == Activation::Sigmoid;
        gates && self.activation == Activation::Tanh
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let [steps, _] = sequence_shape(self.kind(), input)?;
        if !self.is_usual() && steps > WRITTEN_OUT_STEPS_MAX {
            return Err(format!(
                "{} with these activations is written out step by step, which is limited to {WRITTEN_OUT_STEPS_MAX} steps, \
                 found {steps}",
                self.kind()
            ));
        }
        Ok(if self.return_sequences { vec![steps, self.units] } else { vec![self.units] })
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        self.named_weight_shapes(["kernel", "recurrent_kernel", "bias"], input)
    }

    fn named_weight_shapes(&self, names: [&'static str; 3], input: &[usize]) -> Vec<(&'static str, Shape)> {
        let outputs = self.gates().saturating_mul(self.units);
        let [kernel, recurrent, bias] = names;
        let rows =
            if self.cell == (Cell::Gru { reset_after: true }) { vec![2, outputs] } else { vec![outputs] };
        let bias = self.use_bias.then_some((bias, rows));
        let kernels = [(kernel, vec![channels(input), outputs]), (recurrent, vec![self.units, outputs])];
        kernels.into_iter().chain(bias).collect()
    }

    pub(super) fn multiply_adds(&self, input: &[usize]) -> u64 {
        let steps = input.first().copied().unwrap_or(0);
        let per_step = self
            .gates()
            .saturating_mul(self.units)
            .saturating_mul(self.units.saturating_add(channels(input)));
        (steps as u64).saturating_mul(per_step as u64)
    }
}

/// How the outputs of both directions become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MergeMode {
    /// Side by side.
    #[default]
    Concat,
    /// Their sum.
    Sum,
    /// Their product.
    Mul,
    /// Their mean.
    Ave,
}

/// A recurrent layer in both directions, as `keras.layers.Bidirectional`. The weights are those of both layers, with `forward_`
/// and `backward_` before their names. Outputs of every step are in the order of the sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Bidirectional {
    /// The layer that goes forward; its `go_backwards` is false.
    pub forward: Recurrent,
    /// The layer that goes backward, of the same cell, size and output.
    pub backward: Recurrent,
    /// How both outputs become one.
    pub merge: MergeMode,
}

/// The names of a direction's weights.
pub(crate) const DIRECTIONS: [[&str; 3]; 2] = [
    ["forward_kernel", "forward_recurrent_kernel", "forward_bias"],
    ["backward_kernel", "backward_recurrent_kernel", "backward_bias"],
];

impl Bidirectional {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let Self { forward, backward, merge } = self;
        let mut shape = forward.output_shape(input)?;
        if backward.output_shape(input)? != shape
            || forward.cell != backward.cell
            || forward.go_backwards
            || !backward.go_backwards
        {
            return Err("the layers of both directions must be alike, and the first go forward".to_owned());
        }
        if let (MergeMode::Concat, Some(features)) = (merge, shape.last_mut()) {
            *features = features.saturating_mul(2);
        }
        Ok(shape)
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let layers = [&self.forward, &self.backward];
        layers
            .into_iter()
            .zip(DIRECTIONS)
            .flat_map(|(layer, names)| layer.named_weight_shapes(names, input))
            .collect()
    }
}
