//! How far vectors are apart: MLlib's and scikit-learn's distances.

use serde::{Deserialize, Serialize};

use crate::linear::dot;

/// MLlib's `distanceMeasure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Distance {
    /// The length of the difference.
    Euclidean,
    /// One less the cosine of the angle.
    Cosine,
}

impl Distance {
    /// The names of the param's values.
    pub(crate) const NAMES: &'static [&'static str] = &["euclidean", "cosine"];

    /// By the param's value, which is one of [`NAMES`](Self::NAMES).
    pub(crate) fn of(name: &str) -> Self {
        if name == "cosine" { Self::Cosine } else { Self::Euclidean }
    }
}

/// Scales a vector to length 1. One of length 0 stays as it is, and has a cosine of 0 with all.
pub(crate) fn normalize(vector: &mut [f64]) {
    let norm = dot(vector, vector).sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|value| *value /= norm);
    }
}

/// `‖a - b‖²`, term by term: small distances between long vectors keep their digits.
pub(crate) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let square = |(a, b): (&f64, &f64)| (a - b) * (a - b);
    let tail: f64 = a.remainder().iter().zip(b.remainder()).map(square).sum();
    for (a, b) in a.zip(b) {
        for (sum, pair) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += square(pair);
        }
    }
    sums.iter().sum::<f64>() + tail
}
