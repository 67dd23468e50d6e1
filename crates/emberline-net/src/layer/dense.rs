//! Fully connected layers, whose kernel is `[in, out]`, and their kin: products by any rule, and rows of a table.

use std::collections::BTreeMap;

use super::{Activation, Problem, Shape, channels};

/// A fully connected layer over the last axis, as `keras.layers.Dense`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// The number of outputs.
    pub units: usize,
    /// Whether a bias is added to every output.
    pub use_bias: bool,
    /// What follows.
    pub activation: Activation,
}

impl Dense {
    /// A layer with Keras' defaults: a bias, no activation.
    #[must_use]
    pub fn new(units: usize) -> Self {
        Self { units, use_bias: true, activation: Activation::Linear }
    }

    /// Leaves the bias out.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.use_bias = false;
        self
    }

    /// Sets what follows.
    #[must_use]
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        match input.split_last() {
            Some((_, outer)) => Ok([outer, &[self.units]].concat()),
            None => Err("Dense takes values along at least one axis".to_owned()),
        }
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let kernel = ("kernel", vec![channels(input), self.units]);
        let bias = self.use_bias.then(|| ("bias", vec![self.units]));
        [kernel].into_iter().chain(bias).collect()
    }
}

/// Products summed by a rule, as `keras.layers.EinsumDense`: the axes of input, kernel and output by letters, as in
/// `abc,cd->abd`. The first letter, or the first axis that `...` stands for, is the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct EinsumDense {
    /// The rule: `[X],[Y]->[Z]`, `...[X],[Y]->...[Z]` or `[X]...,[Y]->[Z]...`.
    pub equation: String,
    /// The output's sizes after the batch where the input does not tell them, as Keras has them.
    pub output_shape: Vec<Option<usize>>,
    /// The letters of the output that a bias is added along; empty for none.
    pub bias_axes: String,
    /// What follows.
    pub activation: Activation,
}

/// A rule of [`EinsumDense`] for an input of known shape: letters for every axis, and their sizes.
pub(crate) struct Rule {
    pub(crate) equation: String,
    kernel: String,
    output: String,
    sizes: BTreeMap<char, usize>,
}

impl EinsumDense {
    /// The rule with letters in place of `...`.
    pub(crate) fn rule(&self, input: &[usize]) -> Result<Rule, Problem> {
        let refused = || format!("`{}` is not an equation of EinsumDense over {input:?}", self.equation);
        let (sides, output) = self.equation.split_once("->").ok_or_else(refused)?;
        let (taken, kernel) = sides.split_once(',').ok_or_else(refused)?;
        let named = taken.replace("...", "").chars().count();
        let elided = (input.len() + 1).checked_sub(named).ok_or_else(refused)?;
        let used = |letter: &char| !self.equation.contains(*letter);
        let letters: String = ('A'..='Z').filter(used).take(elided).collect();
        if taken.contains("...") != output.contains("...") || (elided > 0 && !taken.contains("...")) {
            return Err(refused());
        }
        let spell = |side: &str| side.trim().replace("...", &letters);
        let (taken, kernel, output) = (spell(taken), spell(kernel), spell(output));
        let mut sizes: BTreeMap<char, usize> = taken.chars().zip([1].iter().chain(input).copied()).collect();
        // Keras leaves out of `output_shape` the axes that `...` stands for.
        let listed = output.chars().skip(1).filter(|letter| !letters.contains(*letter));
        let listed = if letters.is_empty() || self.equation.starts_with("...") {
            output
                .chars()
                .filter(|letter| !letters.contains(*letter))
                .skip(usize::from(letters.is_empty()))
                .collect()
        } else {
            listed.collect::<Vec<_>>()
        };
        for (letter, size) in listed.into_iter().zip(&self.output_shape) {
            if let (None, Some(size)) = (sizes.get(&letter), size) {
                sizes.insert(letter, *size);
            }
        }
        let is_known = |letter: char| sizes.contains_key(&letter);
        if !kernel.chars().chain(output.chars()).all(is_known)
            || !output.starts_with(|first| taken.starts_with(first))
            || !self.bias_axes.chars().all(|letter| output.contains(letter))
        {
            return Err(refused());
        }
        Ok(Rule { equation: format!("{taken},{kernel}->{output}"), kernel, output, sizes })
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let rule = self.rule(input)?;
        Ok(rule.output.chars().skip(1).map(|letter| rule.sizes[&letter]).collect())
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let Ok(Rule { kernel, output, sizes, .. }) = self.rule(input) else { return Vec::new() };
        let kernel = ("kernel", kernel.chars().map(|letter| sizes[&letter]).collect());
        let first = output.find(|letter| self.bias_axes.contains(letter));
        let bias = first.map(|first| {
            let size = |letter| if self.bias_axes.contains(letter) { sizes[&letter] } else { 1 };
            ("bias", output[first..].chars().map(size).collect())
        });
        [kernel].into_iter().chain(bias).collect()
    }

    /// Per value of the output: the sizes of the letters that it sums over.
    pub(super) fn multiply_adds_per_value(&self, input: &[usize]) -> usize {
        let Ok(Rule { kernel, output, sizes, .. }) = self.rule(input) else { return 0 };
        let summed = kernel.chars().filter(|letter| !output.contains(*letter));
        summed.fold(1, |product, letter| product.saturating_mul(sizes[&letter]))
    }
}

/// Rows of a table by their number, as `keras.layers.Embedding`. Numbers arrive as `f32` and lose their fraction; one beyond
/// the table fails when the network runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedding {
    /// The number of rows.
    pub rows: usize,
    /// The length of a row.
    pub features: usize,
}

impl Embedding {
    pub(super) fn output_shape(&self, input: &[usize]) -> Shape {
        [input, &[self.features]].concat()
    }

    pub(super) fn weight_shapes(&self) -> Vec<(&'static str, Shape)> {
        vec![("embeddings", vec![self.rows, self.features])]
    }
}
