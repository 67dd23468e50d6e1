//! Prediction with a trained logistic regression.
//!
//! Rows are answered one by one with a fixed order of summation, so that a row's answer does not depend on its batch.

use serde::{Deserialize, Serialize};

use super::Matrix;

/// A logistic regression on the original scale of its features.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticModel {
    /// `[K, d]` row major: MLlib's `coefficientMatrix`. K is 1 for the binomial family.
    pub coefficients: Vec<f64>,
    /// `[K]`: MLlib's `interceptVector`, zeros where no intercept was fitted.
    pub intercepts: Vec<f64>,
    /// d, the number of features.
    pub num_features: usize,
    /// Number of classes in training.
    pub num_classes: usize,
    /// Whether there is one set of coefficients per class.
    pub is_multinomial: bool,
}

/// How scores become a class.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// The class of the highest score, the first among equals; for a binomial model class 1 needs more than one half.
    #[default]
    Likeliest,
    /// MLlib's `threshold`: class 1 needs a probability above this, or a margin where there are no probabilities.
    /// Multinomial models ignore it, as in MLlib.
    Threshold(f64),
    /// MLlib's `thresholds`, one per class: the class of the highest `probability / threshold`. Two of them on a binomial
    /// model mean the threshold `1 / (1 + t0/t1)`.
    Thresholds(Vec<f64>),
}

impl Decision {
    /// The class of a row with these probabilities, of any number of classes.
    ///
    /// ```
    /// # use emberline_linear::Decision;
    /// assert_eq!(Decision::Likeliest.class(&[0.2, 0.5, 0.3]), 1);
    /// ```
    pub fn class(&self, probability: &[f64]) -> usize {
        match self {
            Self::Likeliest | Self::Threshold(_) => first_largest(probability.iter().copied()),
            Self::Thresholds(thresholds) => {
                first_largest(probability.iter().zip(thresholds).map(|(p, t)| p / t))
            }
        }
    }
}

impl LogisticModel {
    /// Length of the raw prediction and of the probabilities: the number of classes, and 2 for a binomial model.
    pub fn outputs(&self) -> usize {
        if self.is_multinomial { self.num_classes } else { 2 }
    }

    /// Margins `[rows, outputs]`: `[-m, m]` for a binomial model.
    ///
    /// # Panics
    /// When `x` does not have [`num_features`](Self::num_features) columns.
    pub fn raw(&self, x: &Matrix<'_>) -> Vec<f64> {
        assert_eq!(x.columns(), self.num_features, "features of the model and of the matrix");
        let mut raw = Vec::with_capacity(x.rows() * self.outputs());
        let mut features = Vec::with_capacity(x.columns());
        for row in 0..x.rows() {
            features.clear();
            x.extend_from_row(row, 0..x.columns(), &mut features);
            let sets = self.coefficients.chunks_exact(self.num_features).zip(&self.intercepts);
            let margins = sets.map(|(coefficients, intercept)| dot(coefficients, &features) + intercept);
            if self.is_multinomial {
                raw.extend(margins);
            } else {
                raw.extend(margins.flat_map(|margin| [-margin, margin]));
            }
        }
        raw
    }

    /// Probabilities `[rows, outputs]` of margins from [`raw`](Self::raw).
    pub fn probability(&self, raw: &[f64]) -> Vec<f64> {
        let mut probability = raw.to_vec();
        for row in probability.chunks_exact_mut(self.outputs()) {
            if self.is_multinomial { softmax(row) } else { row.iter_mut().for_each(|m| *m = sigmoid(*m)) }
        }
        probability
    }

    /// The class of each row of margins from [`raw`](Self::raw), `[rows]`.
    pub fn predict(&self, raw: &[f64], decision: &Decision) -> Vec<f64> {
        raw.chunks_exact(self.outputs()).map(|row| self.decide(row, decision) as f64).collect()
    }

    fn decide(&self, raw: &[f64], decision: &Decision) -> usize {
        if self.is_multinomial {
            let mut probability = raw.to_vec();
            if matches!(decision, Decision::Thresholds(_)) {
                softmax(&mut probability);
            }
            decision.class(&probability)
        } else {
            let threshold = match decision {
                Decision::Likeliest => 0.5,
                Decision::Threshold(threshold) => *threshold,
                Decision::Thresholds(thresholds) => match thresholds.as_slice() {
                    [zero, one] => 1.0 / (1.0 + zero / one),
                    _ => 0.5,
                },
            };
            // MLlib compares margins, which is exact at one half: log(t / (1 - t)) is infinite at 0 and 1.
            usize::from(raw[1] > (threshold / (1.0 - threshold)).ln())
        }
    }
}

fn sigmoid(margin: f64) -> f64 {
    1.0 / (1.0 + (-margin).exp())
}

/// Softmax in place: `e^m / Σ e^m`. An infinite margin takes all, as in MLlib.
///
/// ```
/// let mut margins = [0.0, 0.0];
/// emberline_linear::softmax(&mut margins);
/// assert_eq!(margins, [0.5, 0.5]);
/// ```
pub fn softmax(margins: &mut [f64]) {
    let largest = margins.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::INFINITY {
        let winner = first_largest(margins.iter().copied());
        margins.fill(0.0);
        margins[winner] = 1.0;
        return;
    }
    let mut sum = 0.0;
    for margin in margins.iter_mut() {
        *margin = (*margin - largest).exp();
        sum += *margin;
    }
    margins.iter_mut().for_each(|margin| *margin /= sum);
}

/// Index of the largest value, the first among equals; NaN is never the largest.
///
/// ```
/// assert_eq!(emberline_linear::first_largest([1.0, 3.0, 3.0].into_iter()), 1);
/// ```
pub fn first_largest(values: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (index, value) in values.enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}

/// Dot product in sixteen interleaved sums, an order that vectorizes and depends on nothing but the length.
///
/// ```
/// assert_eq!(emberline_linear::dot(&[1.0, 2.0], &[3.0, 4.0]), 11.0);
/// ```
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}
