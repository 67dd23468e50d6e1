//! Layers of several inputs as ONNX operators.

use super::{
    graph::{Layout, Value, int, text},
    layers::{Writer, laid_out},
};
use crate::{Dot, Result, layer};

impl Writer<'_, '_> {
    /// All inputs in one layout: the first one's, unless some have fewer axes.
    fn alike(&mut self) -> (Vec<String>, Layout) {
        let rank = self.shape.len();
        if self.inputs.iter().all(|input| input.shape.len() == rank) {
            let layout = self.inputs[0].layout;
            let inputs = self.inputs.clone();
            return (inputs.iter().map(|input| self.graph.laid_out(input, layout)).collect(), layout);
        }
        let mut names = Vec::new();
        for i in 0..self.inputs.len() {
            let name = self.last(i);
            let shape = &self.inputs[i].shape;
            let shape = [vec![1; rank - shape.len()], shape.clone()].concat();
            names.push(if shape == self.inputs[i].shape { name } else { self.reshaped(name, &shape) });
        }
        (names, Layout::Last)
    }

    /// An operator over any number of inputs, two at a time.
    pub(super) fn fold(&mut self, op_type: &str) -> Value {
        let (inputs, layout) = self.alike();
        let mut inputs = inputs.into_iter();
        let mut value = inputs.next().unwrap_or_default();
        for input in inputs {
            value = self.plain(op_type, &[&value, &input]);
        }
        self.value(value, layout)
    }

    pub(super) fn average(&mut self) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "inputs are few")]
        let count = self.inputs.len() as f32;
        let sum = self.fold("Add");
        let count = self.scalar("count", count);
        let name = self.plain("Div", &[&sum.name, &count]);
        Value { name, ..sum }
    }

    pub(super) fn concatenate(&mut self, axis: isize) -> Result<Value> {
        let (inputs, layout) = self.alike();
        let axis = layer::place(axis, self.shape.len()).map_err(|problem| self.problem(problem))?;
        let axis = self.axis(axis, layout);
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let name = self.op("Concat", &inputs, vec![int("axis", axis)]);
        Ok(self.value(name, layout))
    }

    pub(super) fn dot(&mut self, layer: &Dot) -> Result<Value> {
        let mut sides = Vec::new();
        for i in 0..2 {
            let rank = self.inputs[i].shape.len();
            let axis = layer::place(layer.axes[i], rank).map_err(|problem| self.problem(problem))?;
            let mut value = self.last(i);
            if layer.normalize {
                value = self.unit(&value, &[axis as i64 + 1]);
            }
            // The batch is `z`, the axis summed over `y`.
            let first = if i == 0 { b'a' } else { b'm' };
            let letter = |place: usize| if place == axis { 'y' } else { char::from(first + place as u8) };
            sides.push((value, (0..rank).map(letter).collect::<String>()));
        }
        let [(a, left), (b, right)] = sides.as_slice() else { return Ok(self.inputs[0].clone()) };
        let equation = format!("z{left},z{right}->z{}", [left.as_str(), right].concat().replace('y', ""));
        let mut name = self.op("Einsum", &[a, b], vec![text("equation", &equation)]);
        if equation.ends_with("->z") {
            name = self.reshaped(name, &[1]);
        }
        Ok(self.value(name, Layout::Last))
    }

    /// The channels-last values of an input under this node's shape.
    pub(super) fn reshape(&mut self) -> Value {
        let shape = self.shape.clone();
        // Of one pixel or one channel, both layouts have the same values in the same order.
        let input = &self.inputs[0];
        let value = if is_spread(&input.shape) { self.last(0) } else { input.name.clone() };
        let layout = if shape.len() == 3 && !is_spread(&shape) { Layout::First } else { Layout::Last };
        let name = self.reshaped(value, &laid_out(&shape, layout));
        self.value(name, layout)
    }
}

/// Whether the order of values depends on their layout.
fn is_spread(shape: &[usize]) -> bool {
    match shape.split_last() {
        Some((&channels, axes)) => channels > 1 && axes.iter().any(|&size| size > 1),
        None => false,
    }
}
