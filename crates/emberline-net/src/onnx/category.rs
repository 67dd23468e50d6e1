//! Categories as ONNX operators: values are compared with every number that counts, along an axis of their own.

use super::{
    graph::{Layout, Value, int},
    layers::Writer,
};
use crate::{CategoryEncoding, Discretization, Encoding, IntegerLookup, Result, Tensor};

impl Writer<'_, '_> {
    /// One where a comparison of a value with a number holds, along a new last axis.
    fn compared(&mut self, op_type: &str, numbers: Vec<f32>) -> Result<String> {
        let input = self.last(0);
        let rank = self.inputs[0].shape.len() as i64;
        let values = self.unsqueezed(&input, rank + 1);
        let numbers = self.constant("numbers", &Tensor::new(vec![numbers.len()], numbers)?);
        let holds = self.plain(op_type, &[&values, &numbers]);
        Ok(self.op("Cast", &[&holds], vec![int("to", 1)]))
    }

    pub(super) fn discretization(&mut self, layer: &Discretization) -> Result<Value> {
        let reached = self.compared("GreaterOrEqual", layer.boundaries.clone())?;
        let name = self.reduce("ReduceSum", &reached, &[-1], false);
        Ok(self.value(name, Layout::Last))
    }

    #[expect(clippy::cast_precision_loss, reason = "categories are whole numbers that 32 bits tell apart")]
    pub(super) fn category_encoding(&mut self, layer: &CategoryEncoding) -> Result<Value> {
        let hot = self.compared("Equal", (0..layer.tokens).map(|token| token as f32).collect())?;
        let name = match layer.encoding {
            Encoding::MultiHot => self.reduce("ReduceMax", &hot, &[-2], false),
            Encoding::Count => self.reduce("ReduceSum", &hot, &[-2], false),
            Encoding::OneHot => {
                let shape = self.shape.clone();
                self.reshaped(hot, &shape)
            }
        };
        Ok(self.value(name, Layout::Last))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "places are few, and the shape's check bounds the numbers"
    )]
    pub(super) fn integer_lookup(&mut self, layer: &IntegerLookup) -> Result<Value> {
        let unknown = layer.unknown as f32;
        let known = layer.vocabulary.iter().zip(layer.first..).map(|(&number, place)| (number, place as f32));
        let known: Vec<(i64, f32)> = layer.mask.map(|mask| (mask, 0.0)).into_iter().chain(known).collect();
        let found = self.compared("Equal", known.iter().map(|known| known.0 as f32).collect())?;
        let places: Vec<f32> = known.iter().map(|known| known.1 - unknown).collect();
        let places = self.constant("places", &Tensor::new(vec![places.len()], places)?);
        let places = self.plain("Mul", &[&found, &places]);
        let place = self.reduce("ReduceSum", &places, &[-1], false);
        let unknown = self.scalar("unknown", unknown);
        let name = self.plain("Add", &[&place, &unknown]);
        Ok(self.value(name, Layout::Last))
    }
}
