//! Dense layers and their kin as ONNX operators.

use super::{
    graph::{Layout, Value, int, text},
    layers::Writer,
};
use crate::{Dense, EinsumDense, Result, Tensor};

impl Writer<'_, '_> {
    /// On images a dense layer is a convolution with a window of one.
    pub(super) fn dense(&mut self, layer: &Dense) -> Result<Value> {
        let kernel = self.weight("kernel")?;
        match (self.inputs[0].shape.len(), kernel.shape()) {
            (1, _) => self.weighted("Gemm", kernel, layer.use_bias, Vec::new(), layer.activation),
            (3, &[inputs, units]) => {
                let kernel = kernel.permuted(&[1, 0])?.reshaped(vec![units, inputs, 1, 1])?;
                self.weighted("Conv", &kernel, layer.use_bias, Vec::new(), layer.activation)
            }
            _ => {
                let bias = layer.use_bias.then(|| self.weight("bias")).transpose()?;
                let input = self.last(0);
                let name = self.linear(&input, ["kernel", "bias"], kernel, bias);
                let linear = self.value(name, Layout::Last);
                Ok(self.activate(linear, layer.activation))
            }
        }
    }

    /// A product with a kernel `[in, out]` along the last axis, and perhaps a bias.
    pub(super) fn linear(
        &mut self,
        input: &str,
        [kernel_name, bias_name]: [&str; 2],
        kernel: &Tensor,
        bias: Option<&Tensor>,
    ) -> String {
        let kernel = self.constant(kernel_name, kernel);
        let product = self.plain("MatMul", &[input, &kernel]);
        let Some(bias) = bias else { return product };
        let bias = self.constant(bias_name, bias);
        self.plain("Add", &[&product, &bias])
    }

    pub(super) fn einsum_dense(&mut self, layer: &EinsumDense) -> Result<Value> {
        let rule = layer.rule(&self.inputs[0].shape).map_err(|problem| self.problem(problem))?;
        let kernel = self.weight("kernel")?;
        let (input, kernel) = (self.last(0), self.constant("kernel", kernel));
        let mut name = self.op("Einsum", &[&input, &kernel], vec![text("equation", &rule.equation)]);
        if !layer.bias_axes.is_empty() {
            let bias = self.weight("bias")?;
            let bias = self.constant("bias", bias);
            name = self.plain("Add", &[&name, &bias]);
        }
        let linear = self.value(name, Layout::Last);
        Ok(self.activate(linear, layer.activation))
    }

    pub(super) fn embedding(&mut self) -> Result<Value> {
        let table = self.weight("embeddings")?;
        let (numbers, table) = (self.last(0), self.constant("embeddings", table));
        // 7 is a whole number of 64 bits.
        let numbers = self.op("Cast", &[&numbers], vec![int("to", 7)]);
        let name = self.op("Gather", &[&table, &numbers], vec![int("axis", 0)]);
        Ok(self.value(name, Layout::Last))
    }
}
