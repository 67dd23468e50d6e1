//! Layers that go through a sequence step by step. The products of the input with the kernel are made for all steps at once.

use std::ops::Range;

use burn_tensor::Tensor;
use emberline_net::{Activation, Bidirectional, Cell, MergeMode, Node, Recurrent};

use super::{Pass, Value, activate, dense};

/// The names of a layer's kernel, kernel of the state, and bias.
type Names = [&'static str; 3];

impl Pass<'_> {
    pub(super) fn recurrent(
        &self,
        node: &Node,
        layer: &Recurrent,
        input: Value,
        output: &[usize],
    ) -> Result<Value, String> {
        let states = self.states(node, layer, ["kernel", "recurrent_kernel", "bias"], input)?;
        Ok(Value::new(gathered(layer, states)?, output))
    }

    pub(super) fn bidirectional(
        &self,
        node: &Node,
        layer: &Bidirectional,
        input: Value,
        output: &[usize],
    ) -> Result<Value, String> {
        let Bidirectional { forward, backward, merge } = layer;
        let ahead = ["forward_kernel", "forward_recurrent_kernel", "forward_bias"];
        let behind = ["backward_kernel", "backward_recurrent_kernel", "backward_bias"];
        let a = gathered(forward, self.states(node, forward, ahead, input.clone())?)?;
        let mut states = self.states(node, backward, behind, input)?;
        if backward.return_sequences {
            states.reverse();
        }
        let b = gathered(backward, states)?;
        let merged = match merge {
            MergeMode::Concat => Tensor::cat(vec![a, b], 1),
            MergeMode::Sum => a + b,
            MergeMode::Mul => a * b,
            MergeMode::Ave => (a + b) / 2.0,
        };
        Ok(Value::new(merged, output))
    }

    /// The state after every step, `[batch, units]`, in the order in which the steps are taken.
    fn states(
        &self,
        node: &Node,
        layer: &Recurrent,
        [kernel, recurrent, bias]: Names,
        input: Value,
    ) -> Result<Vec<Tensor<2>>, String> {
        let (units, rows) = (layer.units, layer.units * gates(layer.cell));
        let steps = input.shape().first().copied().unwrap_or(0);
        // A GRU that resets after has a bias of its own for the state.
        let (of_input, of_state) = match (layer.use_bias, layer.cell) {
            (false, _) => (None, None),
            (true, Cell::Gru { reset_after: true }) => {
                let bias = self.weight::<2>(node, bias);
                let row = |row: usize| bias.clone().narrow(0, row, 1);
                (Some(row(0).reshape([rows])), Some(row(1)))
            }
            (true, _) => (Some(self.weight::<1>(node, bias)), None),
        };
        let inputs = dense(input, self.weight(node, kernel), of_input, &[steps, rows]).channels_last();
        let [batch, ..] = inputs.dims();
        let product = Product { kernel: self.weight(node, recurrent), bias: of_state, units };
        let mut state = Tensor::zeros([batch, units], self.forward.device.plain());
        let mut memory = state.clone();
        let mut states = Vec::with_capacity(steps);
        for place in 0..steps {
            let step = if layer.go_backwards { steps - 1 - place } else { place };
            let x = inputs.clone().narrow(1, step, 1).reshape([batch, rows]);
            state = match layer.cell {
                Cell::SimpleRnn => apply(layer.activation, x + product.of(state, 0..1))?,
                Cell::Lstm => lstm_step(layer, x, state, &mut memory, &product)?,
                Cell::Gru { reset_after } => gru_step(layer, x, state, &product, reset_after)?,
            };
            states.push(state.clone());
        }
        Ok(states)
    }
}

/// What a state is multiplied by, `[units, gates * units]`, and what is added then.
struct Product {
    kernel: Tensor<2>,
    bias: Option<Tensor<2>>,
    units: usize,
}

impl Product {
    /// Of some gates.
    fn of(&self, state: Tensor<2>, gates: Range<usize>) -> Tensor<2> {
        let product = state.matmul(some_gates(self.kernel.clone(), gates.clone(), self.units));
        match &self.bias {
            Some(bias) => product + some_gates(bias.clone(), gates, self.units),
            None => product,
        }
    }
}

fn some_gates(all: Tensor<2>, gates: Range<usize>, units: usize) -> Tensor<2> {
    all.narrow(1, gates.start * units, gates.len() * units)
}

/// `c = f * c + i * g`, `h = o * activation(c)`.
fn lstm_step(
    layer: &Recurrent,
    x: Tensor<2>,
    state: Tensor<2>,
    memory: &mut Tensor<2>,
    product: &Product,
) -> Result<Tensor<2>, String> {
    let sums = x + product.of(state, 0..4);
    let gate =
        |place: usize, function| apply(function, some_gates(sums.clone(), place..place + 1, layer.units));
    let input = gate(0, layer.recurrent_activation)?;
    let forget = gate(1, layer.recurrent_activation)?;
    let candidate = gate(2, layer.activation)?;
    let output = gate(3, layer.recurrent_activation)?;
    *memory = forget * memory.clone() + input * candidate;
    Ok(output * apply(layer.activation, memory.clone())?)
}

/// `h = z * h + (1 - z) * candidate`.
fn gru_step(
    layer: &Recurrent,
    x: Tensor<2>,
    state: Tensor<2>,
    product: &Product,
    reset_after: bool,
) -> Result<Tensor<2>, String> {
    let units = layer.units;
    let gate = |sums: Tensor<2>, place: usize| {
        apply(layer.recurrent_activation, some_gates(sums, place..place + 1, units))
    };
    let sums = some_gates(x.clone(), 0..2, units) + product.of(state.clone(), 0..2);
    let (update, reset) = (gate(sums.clone(), 0)?, gate(sums, 1)?);
    let of_state = match reset_after {
        true => reset * product.of(state.clone(), 2..3),
        false => product.of(reset * state.clone(), 2..3),
    };
    let candidate = apply(layer.activation, some_gates(x, 2..3, units) + of_state)?;
    Ok(update.clone() * (state - candidate.clone()) + candidate)
}

/// Dense layers in a step.
fn gates(cell: Cell) -> usize {
    match cell {
        Cell::SimpleRnn => 1,
        Cell::Lstm => 4,
        Cell::Gru { .. } => 3,
    }
}

fn apply(activation: Activation, data: Tensor<2>) -> Result<Tensor<2>, String> {
    let [batch, units] = data.dims();
    let value = Value::new(data.reshape([batch, units, 1]), &[units]);
    Ok(activate(activation, value, false)?.data().reshape([batch, units]))
}

/// All states as a sequence, or the last one: `[batch, units, steps]`.
fn gathered(layer: &Recurrent, mut states: Vec<Tensor<2>>) -> Result<Tensor<3>, String> {
    if !layer.return_sequences {
        states.drain(..states.len().saturating_sub(1));
    }
    if states.is_empty() {
        return Err("expected a sequence of at least one step".to_owned());
    }
    Ok(Tensor::stack(states, 2))
}
