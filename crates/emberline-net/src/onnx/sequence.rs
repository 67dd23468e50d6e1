//! Layers over sequences as ONNX operators. A sequence is `[N, tokens, features]` in both worlds.

use super::{
    graph::int,
    layers::{Writer, signed},
};
use crate::{Activation, Dense, MultiHeadAttention, Result, Tensor, layer::PROJECTIONS};

impl Writer<'_, '_> {
    /// A dense layer of every token.
    pub(super) fn dense_of_sequence(mut self, kernel: &Tensor, layer: &Dense) -> Result<String> {
        let bias = layer.use_bias.then(|| self.weight("bias")).transpose()?;
        let input = self.inputs.concat();
        if layer.activation == Activation::Linear {
            let output = self.output.clone();
            return Ok(self.linear(input, ["kernel", "bias"], kernel, bias, output));
        }
        let output = self.named("linear");
        self.inputs = vec![self.linear(input, ["kernel", "bias"], kernel, bias, output)];
        Ok(self.activation(layer.activation))
    }

    /// The token added to a row of zeros before the others, which needs no operator that asks for the batch's size.
    pub(super) fn class_token(mut self) -> Result<String> {
        let token = self.weight("token")?;
        let (tokens, features) = (self.shape[0] + 1, self.shape[1]);
        let mut rows = token.data().to_vec();
        rows.resize(tokens * features, 0.0);
        let rows = self.constant("token", &Tensor::new(vec![1, tokens, features], rows)?);
        let pads = self.graph.integers(self.named("pads"), &[0, 1, 0, 0, 0, 0]);
        let inputs = vec![self.inputs.concat(), pads];
        let padded = self.graph.op("Pad", inputs, self.named("padded"), Vec::new());
        Ok(self.op("Add", vec![padded, rows], Vec::new()))
    }

    pub(super) fn position_embedding(mut self) -> Result<String> {
        let embeddings = self.constant("embeddings", self.weight("embeddings")?);
        let input = self.inputs.concat();
        Ok(self.op("Add", vec![input, embeddings], Vec::new()))
    }

    pub(super) fn take_token(self, index: usize) -> String {
        let index = self.graph.integer(self.named("index"), index as i64);
        let input = self.inputs.concat();
        self.op("Gather", vec![input, index], vec![int("axis", 1)])
    }

    pub(super) fn attention(mut self, layer: &MultiHeadAttention) -> Result<String> {
        let input = self.inputs.concat();
        let (tokens, features) = (self.shape[0], self.shape[1]);
        let width = features / layer.heads;
        let [query, key, value, output] = PROJECTIONS;
        let split = [-1].into_iter().chain(signed(&[tokens, layer.heads, width])).collect::<Vec<i64>>();
        let split = self.graph.integers(self.named("split"), &split);
        let joined = [-1].into_iter().chain(signed(&[tokens, features])).collect::<Vec<i64>>();
        let joined = self.graph.integers(self.named("joined_shape"), &joined);

        // Queries and values as [N, heads, tokens, width], keys as [N, heads, width, tokens].
        let mut project = |[kernel, bias]: [&str; 2], axes: [i64; 4]| -> Result<String> {
            let (weights, offsets) = (self.weight(kernel)?, self.weight(bias)?);
            let name = self.named(&format!("{kernel}/output"));
            let projected = self.linear(input.clone(), [kernel, bias], weights, Some(offsets), name.clone());
            let inputs = vec![projected, split.clone()];
            let parts = self.graph.op("Reshape", inputs, format!("{name}/split"), Vec::new());
            Ok(self.graph.transpose(parts, format!("{name}/heads"), &axes))
        };
        let queries = project(query, [0, 2, 1, 3])?;
        let keys = project(key, [0, 2, 3, 1])?;
        let values = project(value, [0, 2, 1, 3])?;

        #[expect(clippy::cast_precision_loss, reason = "a head is a few hundred features wide")]
        let scale = self.scalar("scale", 1.0 / (width as f32).sqrt());
        let mut step = |op_type: &str, inputs: Vec<String>, name: &str, attributes| {
            self.graph.op(op_type, inputs, format!("{}/{name}", self.node.name), attributes)
        };
        let scaled = step("Mul", vec![queries, scale], "scaled", Vec::new());
        let scores = step("MatMul", vec![scaled, keys], "scores", Vec::new());
        let shares = step("Softmax", vec![scores], "shares", vec![int("axis", -1)]);
        let mixed = step("MatMul", vec![shares, values], "mixed", Vec::new());
        let mixed = self.graph.transpose(mixed, self.named("by_token"), &[0, 2, 1, 3]);
        let mixed = self.graph.op("Reshape", vec![mixed, joined], self.named("joined"), Vec::new());
        let [kernel, bias] = output;
        let (weights, offsets, name) = (self.weight(kernel)?, self.weight(bias)?, self.output.clone());
        Ok(self.linear(mixed, output, weights, Some(offsets), name))
    }

    /// A product with a kernel `[in, out]` along the last axis, and perhaps a bias.
    fn linear(
        &mut self,
        input: String,
        [kernel_name, bias_name]: [&str; 2],
        kernel: &Tensor,
        bias: Option<&Tensor>,
        output: String,
    ) -> String {
        let kernel = self.constant(kernel_name, kernel);
        let Some(bias) = bias else {
            return self.graph.op("MatMul", vec![input, kernel], output, Vec::new());
        };
        let product = self.named(&format!("{kernel_name}/product"));
        let product = self.graph.op("MatMul", vec![input, kernel], product, Vec::new());
        let bias = self.constant(bias_name, bias);
        self.graph.op("Add", vec![product, bias], output, Vec::new())
    }
}
