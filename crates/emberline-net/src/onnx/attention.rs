//! Attention as ONNX operators. A sequence is `[N, tokens, features]`.

use super::{
    graph::{Layout, Value, int, ints},
    layers::Writer,
};
use crate::{
    Attention, MultiHeadAttention, Result, Score, Tensor,
    layer::{PROJECTIONS, query_value_key},
};

/// What is added to a score that must have no share.
const MASKED: f32 = -1e9;

impl Writer<'_, '_> {
    /// The token added to a row of zeros before the others, which needs no operator that asks for the batch's size.
    pub(super) fn class_token(&mut self) -> Result<Value> {
        let token = self.weight("token")?;
        let shape = [&[1], self.shape.as_slice()].concat();
        let mut rows = token.data().to_vec();
        rows.resize(shape.iter().product(), 0.0);
        let rows = self.constant("token", &Tensor::new(shape, rows)?);
        let (input, pads) = (self.last(0), self.integers("pads", &[0, 1, 0, 0, 0, 0]));
        let padded = self.plain("Pad", &[&input, &pads]);
        let name = self.plain("Add", &[&padded, &rows]);
        Ok(self.value(name, Layout::Last))
    }

    pub(super) fn position_embedding(&mut self) -> Result<Value> {
        let embeddings = self.weight("embeddings")?;
        let (input, embeddings) = (self.last(0), self.constant("embeddings", embeddings));
        let name = self.plain("Add", &[&input, &embeddings]);
        Ok(self.value(name, Layout::Last))
    }

    pub(super) fn take_token(&mut self, index: usize) -> Value {
        let place = self.named("index");
        let place = self.graph.integer(place, index as i64);
        let input = self.last(0);
        let name = self.op("Gather", &[&input, &place], vec![int("axis", 1)]);
        self.value(name, Layout::Last)
    }

    /// The names and the lengths of query, value and key.
    fn sequences(&mut self) -> Result<([String; 3], [usize; 3])> {
        let shapes: Vec<&[usize]> = self.inputs.iter().map(|input| input.shape.as_slice()).collect();
        let shapes = query_value_key("", &shapes).map_err(|problem| self.problem(problem))?;
        let lengths = shapes.map(|shape| shape.first().copied().unwrap_or(0));
        let places = match self.inputs.len() {
            1 => [0, 0, 0],
            2 => [0, 1, 1],
            _ => [0, 1, 2],
        };
        Ok((places.map(|place| self.last(place)), lengths))
    }

    pub(super) fn multi_head_attention(&mut self, layer: &MultiHeadAttention) -> Result<Value> {
        let ([query, value, key], [from, to, _]) = self.sequences()?;
        let [query_names, key_names, value_names, output_names] = PROJECTIONS;
        let (heads, shared) = (layer.heads, layer.key_value_heads);
        // Queries and values as [N, heads, tokens, width], keys as [N, heads, width, tokens].
        let queries = self.heads(&query, query_names, [from, heads, layer.key_dim], [0, 2, 1, 3], layer)?;
        let keys = self.heads(&key, key_names, [to, shared, layer.key_dim], [0, 2, 3, 1], layer)?;
        let values = self.heads(&value, value_names, [to, shared, layer.value_dim], [0, 2, 1, 3], layer)?;
        #[expect(clippy::cast_precision_loss, reason = "a head is a few hundred features wide")]
        let scale = self.scalar("scale", 1.0 / (layer.key_dim as f32).sqrt());
        let scaled = self.plain("Mul", &[&queries, &scale]);
        let scores = self.plain("MatMul", &[&scaled, &keys]);
        let mixed = self.mixed(scores, &values, layer.causal, [from, to])?;
        let mixed = self.op("Transpose", &[&mixed], vec![ints("perm", &[0, 2, 1, 3])]);
        let joined = self.reshaped(mixed, &[from, heads * layer.value_dim]);
        let name = self.projected(&joined, output_names, layer)?;
        Ok(self.value(name, Layout::Last))
    }

    /// A projection of `[N, tokens, features]` in `[tokens, heads, width]`, with its axes in this order. Heads that serve
    /// several queries are repeated.
    fn heads(
        &mut self,
        input: &str,
        names: [&str; 2],
        split: [usize; 3],
        order: [i64; 4],
        layer: &MultiHeadAttention,
    ) -> Result<String> {
        let projected = self.projected(input, names, layer)?;
        let parts = self.reshaped(projected, &split);
        let parts = self.op("Transpose", &[&parts], vec![ints("perm", &order)]);
        let each = layer.heads / split[1];
        if each == 1 {
            return Ok(parts);
        }
        let places: Vec<i64> = (0..layer.heads).map(|head| (head / each) as i64).collect();
        let places = self.integers("heads", &places);
        Ok(self.op("Gather", &[&parts, &places], vec![int("axis", 1)]))
    }

    fn projected(&mut self, input: &str, names: [&str; 2], layer: &MultiHeadAttention) -> Result<String> {
        let kernel = self.weight(names[0])?;
        let bias = layer.use_bias.then(|| self.weight(names[1])).transpose()?;
        Ok(self.linear(input, names, kernel, bias))
    }

    /// The values by the shares that the scores give them.
    fn mixed(
        &mut self,
        mut scores: String,
        values: &str,
        causal: bool,
        [from, to]: [usize; 2],
    ) -> Result<String> {
        if causal {
            let masked =
                (0..from).flat_map(|row| (0..to).map(move |column| if column > row { MASKED } else { 0.0 }));
            let mask = self.constant("mask", &Tensor::new(vec![from, to], masked.collect())?);
            scores = self.plain("Add", &[&scores, &mask]);
        }
        let shares = self.op("Softmax", &[&scores], vec![int("axis", -1)]);
        Ok(self.plain("MatMul", &[&shares, values]))
    }

    pub(super) fn attention(&mut self, layer: &Attention) -> Result<Value> {
        let ([query, value, key], [from, to, _]) = self.sequences()?;
        let scale = layer.use_scale.then(|| self.weight("scale")).transpose()?;
        let scale = scale.map(|scale| self.constant("scale", scale));
        let times_scale = |writer: &mut Self, value: String| match &scale {
            Some(scale) => writer.plain("Mul", &[&value, scale]),
            None => value,
        };
        let scores = if layer.score == Score::Dot {
            let keys = self.op("Transpose", &[&key], vec![ints("perm", &[0, 2, 1])]);
            let scores = self.plain("MatMul", &[&query, &keys]);
            times_scale(self, scores)
        } else {
            let (queries, keys) = (self.unsqueezed(&query, 2), self.unsqueezed(&key, 1));
            let mut sums = self.plain("Add", &[&queries, &keys]);
            if layer.score == Score::Concat {
                sums = times_scale(self, sums);
            }
            let mut terms = self.plain("Tanh", &[&sums]);
            if layer.score == Score::Additive {
                terms = times_scale(self, terms);
            }
            let scores = self.reduce("ReduceSum", &terms, &[-1], false);
            if layer.score == Score::Concat {
                let weight = self.weight("concat_score_weight")?;
                let weight = self.constant("concat_score_weight", weight);
                self.plain("Mul", &[&scores, &weight])
            } else {
                scores
            }
        };
        let name = self.mixed(scores, &value, layer.causal, [from, to])?;
        Ok(self.value(name, Layout::Last))
    }
}
