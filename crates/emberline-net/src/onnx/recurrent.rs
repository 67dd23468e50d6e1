//! Recurrent layers as ONNX operators, which take `[steps, N, features]`.

use super::{
    graph::{Layout, Value, floats, int, ints, text, texts},
    layers::Writer,
    proto::AttributeProto,
};
use crate::{Activation, Bidirectional, Cell, MergeMode, Recurrent, Result, Tensor, layer::DIRECTIONS};

impl Writer<'_, '_> {
    pub(super) fn recurrent(&mut self, layer: &Recurrent) -> Result<Value> {
        let direction = if layer.go_backwards { "reverse" } else { "forward" };
        let weights = [["kernel", "recurrent_kernel", "bias"]];
        let mut name = self.steps(&[layer], &weights, direction, MergeMode::Concat)?;
        if layer.go_backwards && layer.return_sequences {
            // ONNX gives the steps in the order of the sequence.
            let places: Vec<i64> = (0..self.shape[0] as i64).rev().collect();
            let places = self.integers("places", &places);
            name = self.op("Gather", &[&name, &places], vec![int("axis", 1)]);
        }
        Ok(self.value(name, Layout::Last))
    }

    pub(super) fn bidirectional(&mut self, layer: &Bidirectional) -> Result<Value> {
        let layers = [&layer.forward, &layer.backward];
        let name = self.steps(&layers, &DIRECTIONS, "bidirectional", layer.merge)?;
        Ok(self.value(name, Layout::Last))
    }

    /// The operator for one or two directions, and their outputs as one.
    fn steps(
        &mut self,
        layers: &[&Recurrent],
        weights: &[[&str; 3]],
        direction: &str,
        merge: MergeMode,
    ) -> Result<String> {
        let layer = layers[0];
        let input = self.last(0);
        let input = self.op("Transpose", &[&input], vec![ints("perm", &[1, 0, 2])]);
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

        let mut attributes = activations(layers);
        attributes.extend([int("hidden_size", units as i64), text("direction", direction)]);
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
        Ok(match merge {
            MergeMode::Concat => {
                let shape = self.shape.clone();
                self.reshaped(name, &shape)
            }
            MergeMode::Sum => self.reduce("ReduceSum", &name, &[-2], false),
            MergeMode::Mul => self.reduce("ReduceProd", &name, &[-2], false),
            MergeMode::Ave => self.reduce("ReduceMean", &name, &[-2], false),
        })
    }
}

/// The gates in ONNX's order. Keras' LSTM has input, forget, cell, output; ONNX input, output, forget, cell.
fn ordered(layer: &Recurrent, rows: &[f32]) -> Vec<f32> {
    let len = rows.len() / layer.gates();
    let gates: &[usize] = if layer.cell == Cell::Lstm { &[0, 3, 1, 2] } else { &[0, 1, 2] };
    gates.iter().take(layer.gates()).flat_map(|&gate| &rows[gate * len..][..len]).copied().collect()
}

/// The names of the activations and the numbers of those that have some.
fn activations(layers: &[&Recurrent]) -> Vec<AttributeProto> {
    let (mut names, mut alphas, mut betas) = (Vec::new(), Vec::new(), Vec::new());
    for layer in layers {
        let (gates, state) = (layer.recurrent_activation, layer.activation);
        let all = match layer.cell {
            Cell::SimpleRnn => vec![state],
            Cell::Gru { .. } => vec![gates, state],
            Cell::Lstm => vec![gates, state, state],
        };
        for activation in all {
            let (name, alpha, beta) = onnx_activation(activation);
            names.push(name);
            alphas.extend(alpha);
            betas.extend(beta);
        }
    }
    let mut attributes = vec![texts("activations", &names)];
    if !alphas.is_empty() {
        attributes.push(floats("activation_alpha", &alphas));
    }
    if !betas.is_empty() {
        attributes.push(floats("activation_beta", &betas));
    }
    attributes
}

fn onnx_activation(activation: Activation) -> (&'static str, Option<f32>, Option<f32>) {
    match activation {
        Activation::Relu => ("Relu", None, None),
        Activation::Sigmoid => ("Sigmoid", None, None),
        Activation::HardSigmoid => ("HardSigmoid", Some(1.0 / 6.0), Some(0.5)),
        Activation::Softplus => ("Softplus", None, None),
        Activation::Softsign => ("Softsign", None, None),
        Activation::Elu { alpha } => ("Elu", Some(alpha), None),
        Activation::LeakyRelu { slope } => ("LeakyRelu", Some(slope), None),
        Activation::Tanh => ("Tanh", None, None),
        // The shapes' check lets nothing else through.
        _ => ("Affine", Some(1.0), Some(0.0)),
    }
}
