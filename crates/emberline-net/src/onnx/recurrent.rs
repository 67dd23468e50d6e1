//! Recurrent layers as ONNX operators, which take `[steps, N, features]`. What those operators do differently in different
//! runtimes, other activations than the usual ones and steps from the end, is written out.

use super::{
    graph::{Layout, Value, int, ints, text},
    layers::Writer,
};
use crate::{Activation, Bidirectional, Cell, MergeMode, Recurrent, Result, Tensor, layer::DIRECTIONS};

impl Writer<'_, '_> {
    pub(super) fn recurrent(&mut self, layer: &Recurrent) -> Result<Value> {
        let weights = ["kernel", "recurrent_kernel", "bias"];
        let name = match layer.is_usual() {
            true => {
                let input = self.last(0);
                let input = if layer.go_backwards { self.reversed(&input) } else { input };
                self.operator(&input, &[layer], &[weights])?
            }
            false => {
                let steps = self.written_out(layer, weights, layer.go_backwards)?;
                self.gathered(layer, steps)
            }
        };
        Ok(self.value(name, Layout::Last))
    }

    pub(super) fn bidirectional(&mut self, layer: &Bidirectional) -> Result<Value> {
        let Bidirectional { forward, backward, merge } = layer;
        let mut outputs = Vec::new();
        if forward.is_usual() && backward.is_usual() {
            let input = self.last(0);
            let both = self.operator(&input, &[forward, backward], &DIRECTIONS)?;
            if *merge == MergeMode::Concat {
                return Ok(self.value(both, Layout::Last));
            }
            let (axis, units) = (self.shape.len() as i64, forward.units);
            outputs.extend([0, units].map(|from| self.sliced(&both, axis, from, from + units)));
        } else {
            for (layer, weights) in [forward, backward].into_iter().zip(DIRECTIONS) {
                let mut steps = self.written_out(layer, weights, layer.go_backwards)?;
                if layer.return_sequences && layer.go_backwards {
                    steps.reverse();
                }
                outputs.push(self.gathered(layer, steps));
            }
        }
        let [a, b] = [outputs[0].as_str(), outputs[1].as_str()];
        let name = match merge {
            MergeMode::Concat => self.op("Concat", &[a, b], vec![int("axis", -1)]),
            MergeMode::Sum => self.plain("Add", &[a, b]),
            MergeMode::Mul => self.plain("Mul", &[a, b]),
            MergeMode::Ave => {
                let (sum, half) = (self.plain("Add", &[a, b]), self.scalar("half", 0.5));
                self.plain("Mul", &[&sum, &half])
            }
        };
        Ok(self.value(name, Layout::Last))
    }

    /// A sequence from its end.
    fn reversed(&mut self, sequence: &str) -> String {
        let steps = self.inputs[0].shape.first().copied().unwrap_or(0) as i64;
        let places: Vec<i64> = (0..steps).rev().collect();
        let places = self.integers("places", &places);
        self.op("Gather", &[sequence, &places], vec![int("axis", 1)])
    }

    /// One operator for one or both directions, whose outputs are side by side.
    fn operator(&mut self, input: &str, layers: &[&Recurrent], weights: &[[&str; 3]]) -> Result<String> {
        let layer = layers[0];
        let input = self.op("Transpose", &[input], vec![ints("perm", &[1, 0, 2])]);
        let features = self.inputs[0].shape.get(1).copied().unwrap_or(1);
        let (gates, units, directions) = (layer.gates(), layer.units, layers.len());
        let rows = gates * units;
        let (mut kernels, mut recurrents, mut biases) = (Vec::new(), Vec::new(), Vec::new());
        for (layer, [kernel, recurrent, bias]) in layers.iter().zip(weights) {
            kernels.extend(ordered(layer, self.weight(kernel)?.permuted(&[1, 0])?.data()));
            recurrents.extend(ordered(layer, self.weight(recurrent)?.permuted(&[1, 0])?.data()));
            let bias = layer.use_bias.then(|| self.weight(bias)).transpose()?;
            let bias = bias.map_or(&[][..], Tensor::data);
            let (of_input, of_state) = bias.split_at(bias.len().min(rows));
            for half in [of_input, of_state] {
                biases.extend(if half.is_empty() { vec![0.0; rows] } else { ordered(layer, half) });
            }
        }
        let kernels = self.constant("kernel", &Tensor::new(vec![directions, rows, features], kernels)?);
        let recurrents = Tensor::new(vec![directions, rows, units], recurrents)?;
        let recurrents = self.constant("recurrent_kernel", &recurrents);
        let biases = self.constant("bias", &Tensor::new(vec![directions, 2 * rows], biases)?);
        let direction = if directions == 2 { "bidirectional" } else { "forward" };
        let mut attributes = vec![int("hidden_size", units as i64), text("direction", direction)];
        let op_type = match layer.cell {
            Cell::SimpleRnn => "RNN",
            Cell::Lstm => "LSTM",
            Cell::Gru { reset_after } => {
                attributes.push(int("linear_before_reset", i64::from(reset_after)));
                "GRU"
            }
        };
        let inputs = vec![input, kernels, recurrents, biases];
        let name = self.named("steps");
        let outputs = match layer.return_sequences {
            true => vec![name.clone()],
            false => vec![String::new(), name.clone()],
        };
        self.graph.op_of_many(op_type, inputs, outputs, attributes);
        // [steps, directions, N, units] or [directions, N, units].
        let order: &[i64] = if layer.return_sequences { &[2, 0, 1, 3] } else { &[1, 0, 2] };
        let name = self.op("Transpose", &[&name], vec![ints("perm", order)]);
        let mut shape = self.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = directions * units;
        }
        Ok(self.reshaped(name, &shape))
    }

    /// The state after every step, `[N, units]` each, in the order of the steps.
    fn written_out(
        &mut self,
        layer: &Recurrent,
        [kernel, recurrent, bias]: [&str; 3],
        backwards: bool,
    ) -> Result<Vec<String>> {
        let units = layer.units;
        let rows = layer.gates() * units;
        let bias = layer.use_bias.then(|| self.weight(bias)).transpose()?;
        // A GRU that resets after has a bias of its own for the state.
        let (of_input, of_state) = bias.map_or((&[][..], &[][..]), |bias| bias.data().split_at(rows));
        let of_input =
            (!of_input.is_empty()).then(|| Tensor::new(vec![rows], of_input.to_vec())).transpose()?;
        let of_state = if of_state.is_empty() { vec![0.0; rows] } else { of_state.to_vec() };
        let of_state = self.constant("state_bias", &Tensor::new(vec![rows], of_state)?);
        let (input, weights) = (self.last(0), self.weight(kernel)?);
        let inputs = self.linear(&input, [kernel, "input_bias"], weights, of_input.as_ref());
        let weights = self.weight(recurrent)?;
        let recurrent = Product { kernel: self.constant(recurrent, weights), bias: of_state, units };
        let steps = self.inputs[0].shape.first().copied().unwrap_or(0);
        let (mut states, mut memory) = (Vec::new(), None);
        let mut order: Vec<usize> = (0..steps).collect();
        if backwards {
            order.reverse();
        }
        for step in order {
            let place = self.named("step");
            let place = self.graph.integer(place, step as i64);
            let x = self.op("Gather", &[&inputs, &place], vec![int("axis", 1)]);
            let before = states.last().cloned();
            let state = match layer.cell {
                Cell::SimpleRnn => {
                    let sum = self.with_state(&x, before.as_deref(), &recurrent, 0..1);
                    self.function(sum, layer.activation, units)
                }
                Cell::Lstm => self.lstm_step(layer, &x, before.as_deref(), &mut memory, &recurrent),
                Cell::Gru { reset_after } => {
                    self.gru_step(layer, &x, before.as_deref(), &recurrent, reset_after)
                }
            };
            states.push(state);
        }
        Ok(states)
    }

    /// All states as a sequence, or the last one.
    fn gathered(&mut self, layer: &Recurrent, states: Vec<String>) -> String {
        if !layer.return_sequences {
            return states.into_iter().next_back().unwrap_or_default();
        }
        let rows: Vec<String> = states.iter().map(|state| self.unsqueezed(state, 1)).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        self.op("Concat", &rows, vec![int("axis", 1)])
    }

    fn function(&mut self, name: String, activation: Activation, units: usize) -> String {
        self.activate(Value { name, layout: Layout::Last, shape: vec![units] }, activation).name
    }

    /// Some gates of the input's products.
    fn gates(&mut self, x: &str, units: usize, gates: std::ops::Range<usize>) -> String {
        self.sliced(x, 1, gates.start * units, gates.end * units)
    }

    /// Some gates of the product with the state; of no state, its bias alone.
    fn of_state(&mut self, state: Option<&str>, product: &Product, gates: std::ops::Range<usize>) -> String {
        let (from, to) = (gates.start * product.units, gates.end * product.units);
        let bias = self.sliced(&product.bias, 0, from, to);
        let Some(state) = state else { return bias };
        let kernel = self.sliced(&product.kernel, 1, from, to);
        let product = self.plain("MatMul", &[state, &kernel]);
        self.plain("Add", &[&product, &bias])
    }

    fn with_state(
        &mut self,
        x: &str,
        state: Option<&str>,
        product: &Product,
        gates: std::ops::Range<usize>,
    ) -> String {
        let of_input = self.gates(x, product.units, gates.clone());
        let of_state = self.of_state(state, product, gates);
        self.plain("Add", &[&of_input, &of_state])
    }

    /// `c = f * c + i * g`, `h = o * activation(c)`.
    fn lstm_step(
        &mut self,
        layer: &Recurrent,
        x: &str,
        state: Option<&str>,
        memory: &mut Option<String>,
        product: &Product,
    ) -> String {
        let units = layer.units;
        let mut gate = |place: usize, activation: Activation| {
            let sum = self.with_state(x, state, product, place..place + 1);
            self.function(sum, activation, units)
        };
        let input = gate(0, layer.recurrent_activation);
        let forget = gate(1, layer.recurrent_activation);
        let candidate = gate(2, layer.activation);
        let output = gate(3, layer.recurrent_activation);
        let mut kept = self.plain("Mul", &[&input, &candidate]);
        if let Some(memory) = memory.take() {
            let old = self.plain("Mul", &[&forget, &memory]);
            kept = self.plain("Add", &[&old, &kept]);
        }
        *memory = Some(kept.clone());
        let shown = self.function(kept, layer.activation, units);
        self.plain("Mul", &[&output, &shown])
    }

    /// `h = z * h + (1 - z) * candidate`.
    fn gru_step(
        &mut self,
        layer: &Recurrent,
        x: &str,
        state: Option<&str>,
        product: &Product,
        reset_after: bool,
    ) -> String {
        let units = layer.units;
        let mut gate = |place: usize| {
            let sum = self.with_state(x, state, product, place..place + 1);
            self.function(sum, layer.recurrent_activation, units)
        };
        let (update, reset) = (gate(0), gate(1));
        let of_state = if reset_after {
            let of_state = self.of_state(state, product, 2..3);
            self.plain("Mul", &[&reset, &of_state])
        } else {
            let state = state.map(|state| self.plain("Mul", &[&reset, state]));
            self.of_state(state.as_deref(), product, 2..3)
        };
        let of_input = self.gates(x, units, 2..3);
        let sum = self.plain("Add", &[&of_input, &of_state]);
        let candidate = self.function(sum, layer.activation, units);
        let one = self.scalar("one", 1.0);
        let rest = self.plain("Sub", &[&one, &update]);
        let new = self.plain("Mul", &[&rest, &candidate]);
        let Some(state) = state else { return new };
        let old = self.plain("Mul", &[&update, state]);
        self.plain("Add", &[&old, &new])
    }
}

/// What a state is multiplied by: `[units, gates * units]`, and what is added then.
struct Product {
    kernel: String,
    bias: String,
    units: usize,
}

/// The gates in ONNX's order. Keras' LSTM has input, forget, cell, output; ONNX input, output, forget, cell.
fn ordered(layer: &Recurrent, rows: &[f32]) -> Vec<f32> {
    let len = rows.len() / layer.gates();
    let gates: &[usize] = if layer.cell == Cell::Lstm { &[0, 3, 1, 2] } else { &[0, 1, 2] };
    gates.iter().take(layer.gates()).flat_map(|&gate| &rows[gate * len..][..len]).copied().collect()
}
