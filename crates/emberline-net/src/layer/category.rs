//! Layers that make categories of numbers, and vectors of categories. Categories are whole numbers in `f32`.

use super::{Problem, Shape};

/// The number of the interval that a value lies in, as `keras.layers.Discretization` with `output_mode="int"`: how many
/// boundaries it has reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Discretization {
    /// The boundaries, rising.
    pub boundaries: Vec<f32>,
}

impl Discretization {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        match !self.boundaries.is_empty() && self.boundaries.is_sorted_by(|a, b| a < b) {
            true => Ok(input.to_vec()),
            false => Err("Discretization's boundaries must rise, and be at least one".to_owned()),
        }
    }
}

/// What [`CategoryEncoding`] makes of the categories of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// One for each category that is there.
    #[default]
    MultiHot,
    /// A vector with a one for each of them.
    OneHot,
    /// How often each is there.
    Count,
}

/// Categories as vectors, as `keras.layers.CategoryEncoding`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryEncoding {
    /// How many categories there are.
    pub tokens: usize,
    /// What is made of them.
    pub encoding: Encoding,
}

impl CategoryEncoding {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let Some((last, outer)) = input.split_last() else {
            return Err("CategoryEncoding takes categories".to_owned());
        };
        let kept = if self.encoding == Encoding::OneHot && *last != 1 { input } else { outer };
        Ok([kept, &[self.tokens]].concat())
    }
}

/// Whole numbers as their place in a vocabulary, as `keras.layers.IntegerLookup` with `output_mode="int"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegerLookup {
    /// The numbers that are known, up to 2^24 in size, in the order of their places.
    pub vocabulary: Vec<i64>,
    /// The place of the first of them.
    pub first: usize,
    /// The place of all other numbers.
    pub unknown: usize,
    /// The number whose place is 0, if there is one.
    pub mask: Option<i64>,
}

impl IntegerLookup {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        const EXACT_MAX: u64 = 1 << 24;
        match self.vocabulary.iter().chain(&self.mask).find(|number| number.unsigned_abs() > EXACT_MAX) {
            Some(number) => {
                Err(format!("{number} is beyond the whole numbers that 32-bit inputs tell apart"))
            }
            None => Ok(input.to_vec()),
        }
    }
}
