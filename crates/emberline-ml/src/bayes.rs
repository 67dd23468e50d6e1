//! Naive Bayes in memory: what is counted per class, and the logarithms it gives (`ml/classification/NaiveBayes.scala`).

use serde::{Deserialize, Serialize};

use crate::linear::{Decision, Examples, LinearError, Matrix, dot, softmax};
use crate::predictor::{Answers, Output, Predictor};
use crate::tensors::Tensors;

/// Share of the largest variance of a feature that is added to each: scikit-learn's and Spark's guard against variances of 0.
const VARIANCE_SHARE: f64 = 1e-9;

/// How features depend on the class: MLlib's `modelType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ModelType {
    /// Counts of events.
    Multinomial,
    /// Counts of events, seen from all the other classes (Rennie et al., *Tackling the Poor Assumptions of Naive Bayes Text
    /// Classifiers*, 2003).
    Complement,
    /// Events, 0 or 1.
    Bernoulli,
    /// Numbers around a mean.
    Gaussian,
}

/// A trained naive Bayes classifier.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NaiveBayesNumbers {
    pub(crate) model_type: ModelType,
    pub(crate) num_features: usize,
    /// Logarithms of the classes' shares, `[K]`.
    pub(crate) pi: Vec<f64>,
    /// Logarithms of the features' probabilities, or their means, `[K, d]`.
    pub(crate) theta: Vec<f64>,
    /// Variances of a Gaussian model, `[K, d]`; empty for the others.
    pub(crate) sigma: Vec<f64>,
}

/// Weighted sums over the rows of each class.
struct Sums {
    weights: Vec<f64>,
    values: Vec<f64>,
    squares: Vec<f64>,
}

/// Learns from rows of counts, events or numbers.
///
/// `num_classes` is known where the labels come from an indexer. A class without rows has a share that smoothing alone gives.
pub(crate) fn fit_naive_bayes(
    x: &Matrix<'_>,
    labels: &[f64],
    weights: Option<&[f64]>,
    num_classes: Option<usize>,
    model_type: ModelType,
    smoothing: f64,
) -> Result<NaiveBayesNumbers, LinearError> {
    let examples = Examples::new(x, labels, weights, num_classes)?;
    x.check_finite()?;
    let (classes, d) = (examples.histogram.len(), x.columns());
    let mut sums =
        Sums { weights: examples.histogram, values: vec![0.0; classes * d], squares: vec![0.0; classes * d] };
    for row in 0..x.rows() {
        let (class, weight) = (examples.classes[row], examples.weights[row]);
        let features = x.row(row);
        if let Some(feature) = features.iter().position(|value| !model_type.allows(*value)) {
            let found = features[feature];
            return Err(LinearError::Setting {
                name: "modelType",
                expected: format!("one that suits the features ({})", model_type.expected()),
                found: format!("{model_type:?} for {found} in row {row}, feature {feature}"),
            });
        }
        if weight > 0.0 {
            let at = class * d..(class + 1) * d;
            let sums = sums.values[at.clone()].iter_mut().zip(&mut sums.squares[at]);
            for ((value, square), feature) in sums.zip(features.iter()) {
                *value += weight * feature;
                *square += weight * feature * feature;
            }
        }
    }
    Ok(if model_type == ModelType::Gaussian {
        sums.gaussian(d)
    } else {
        sums.discrete(d, model_type, smoothing)
    })
}

impl ModelType {
    fn allows(self, value: f64) -> bool {
        match self {
            Self::Multinomial | Self::Complement => value >= 0.0,
            Self::Bernoulli => value == 0.0 || value == 1.0,
            Self::Gaussian => !value.is_nan(),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Multinomial | Self::Complement => "numbers of at least 0",
            Self::Bernoulli => "0 or 1",
            Self::Gaussian => "numbers",
        }
    }
}

impl Sums {
    fn discrete(self, d: usize, model_type: ModelType, smoothing: f64) -> NaiveBayesNumbers {
        let classes = self.weights.len();
        let total: f64 = self.weights.iter().sum();
        let denominator = (total + classes as f64 * smoothing).ln();
        let all = |feature: usize| self.values.iter().skip(feature).step_by(d).sum::<f64>();
        let all: Vec<f64> = (0..d).map(all).collect();
        let mut theta = Vec::with_capacity(classes * d);
        for (counts, weight) in self.values.chunks_exact(d).zip(&self.weights) {
            let counts: Vec<f64> = match model_type {
                ModelType::Complement => all.iter().zip(counts).map(|(all, count)| all - count).collect(),
                _ => counts.to_vec(),
            };
            let denominator = match model_type {
                ModelType::Bernoulli => weight + 2.0 * smoothing,
                _ => counts.iter().sum::<f64>() + d as f64 * smoothing,
            };
            let sign = if model_type == ModelType::Complement { -1.0 } else { 1.0 };
            theta.extend(counts.iter().map(|count| sign * ((count + smoothing).ln() - denominator.ln())));
        }
        let pi = self.weights.iter().map(|weight| (weight + smoothing).ln() - denominator).collect();
        NaiveBayesNumbers { model_type, num_features: d, pi, theta, sigma: Vec::new() }
    }

    fn gaussian(self, d: usize) -> NaiveBayesNumbers {
        let total: f64 = self.weights.iter().sum();
        let over_classes = |sums: &[f64], feature| sums.iter().skip(feature).step_by(d).sum::<f64>() / total;
        let variance = |feature| {
            let mean = over_classes(&self.values, feature);
            over_classes(&self.squares, feature) - mean * mean
        };
        let least = VARIANCE_SHARE * (0..d).map(variance).fold(0.0, f64::max);
        let (mut theta, mut sigma) = (Vec::new(), Vec::new());
        for (at, weight) in self.weights.iter().enumerate() {
            for i in at * d..(at + 1) * d {
                // A class without rows: its share of 0 rules it out, whatever its features.
                let (mean, variance) = if *weight == 0.0 {
                    (0.0, 1.0)
                } else {
                    let mean = self.values[i] / weight;
                    (mean, least + self.squares[i] / weight - mean * mean)
                };
                theta.push(mean);
                sigma.push(variance);
            }
        }
        let pi = self.weights.iter().map(|weight| weight.ln() - total.ln()).collect();
        NaiveBayesNumbers { model_type: ModelType::Gaussian, num_features: d, pi, theta, sigma }
    }
}

impl NaiveBayesNumbers {
    /// Raw predictions of a row, `[K]`.
    fn raw(&self, features: &[f64]) -> Vec<f64> {
        let d = self.num_features;
        let theta = self.theta.chunks_exact(d);
        let classes = theta.zip(&self.pi);
        match self.model_type {
            ModelType::Multinomial => classes.map(|(theta, pi)| pi + dot(theta, features)).collect(),
            ModelType::Complement => {
                let scores: Vec<f64> = classes.map(|(theta, _)| dot(theta, features)).collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
                scores.iter().map(|score| score - (sum.ln() + largest)).collect()
            }
            ModelType::Bernoulli => {
                let score = |theta: &f64, feature: &f64| {
                    if *feature == 0.0 { (-theta.exp()).ln_1p() } else { *theta }
                };
                let score = |theta: &[f64]| theta.iter().zip(features).map(|(t, f)| score(t, f)).sum::<f64>();
                classes.map(|(theta, pi)| pi + score(theta)).collect()
            }
            ModelType::Gaussian => {
                let score = |theta: &[f64], sigma: &[f64]| {
                    let terms = theta.iter().zip(sigma).zip(features);
                    terms.map(|((mean, v), x)| (x - mean) * (x - mean) / v + v.ln()).sum::<f64>()
                };
                let sigma = self.sigma.chunks_exact(d);
                classes.zip(sigma).map(|((theta, pi), sigma)| pi - score(theta, sigma) / 2.0).collect()
            }
        }
    }
}

/// What the arrays of a [`NaiveBayesNumbers`] do not say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NaiveBayesSettings {
    model_type: ModelType,
}

impl Predictor for NaiveBayesNumbers {
    const KIND: &'static str = "naive_bayes";
    const OUTPUTS: &'static [Output] = &[Output::RawPrediction, Output::Probability, Output::Prediction];
    type Settings = NaiveBayesSettings;

    fn settings(&self) -> NaiveBayesSettings {
        NaiveBayesSettings { model_type: self.model_type }
    }

    fn tensors(&self) -> Tensors {
        let shape = [self.pi.len(), self.num_features];
        let tensors =
            Tensors::default().with("pi", &[self.pi.len()], &self.pi).with("theta", &shape, &self.theta);
        if self.sigma.is_empty() { tensors } else { tensors.with("sigma", &shape, &self.sigma) }
    }

    fn rebuild(settings: NaiveBayesSettings, mut tensors: Tensors) -> Result<Self, String> {
        let NaiveBayesSettings { model_type } = settings;
        let (classes, num_features, theta) = tensors.take_matrix("theta")?;
        let pi = tensors.take_vector("pi", classes)?;
        if classes == 0 || num_features == 0 {
            return Err(format!("tensor `theta`: expected numbers, found {classes} x {num_features}"));
        }
        let mut sigma = Vec::new();
        if model_type == ModelType::Gaussian {
            let (rows, columns, values) = tensors.take_matrix("sigma")?;
            if (rows, columns) != (classes, num_features) {
                return Err(format!(
                    "tensor `sigma`: expected {classes} x {num_features}, found {rows} x {columns}"
                ));
            }
            sigma = values;
        }
        Ok(Self { model_type, num_features, pi, theta, sigma })
    }

    fn num_features(&self) -> usize {
        self.num_features
    }

    fn classes(&self) -> usize {
        self.pi.len()
    }

    fn answer(&self, x: &Matrix<'_>, decision: &Decision) -> Answers {
        let mut answers = Answers::default();
        for row in 0..x.rows() {
            let raw = self.raw(&x.row(row));
            let mut probability = raw.clone();
            softmax(&mut probability);
            answers.prediction.push(decision.class(&probability) as f64);
            answers.raw.extend(raw);
            answers.probability.extend(probability);
        }
        answers
    }

    fn refuses(&self, row: &[f64]) -> Option<String> {
        let wrong = row.iter().position(|value| !self.model_type.allows(*value))?;
        Some(format!("feature {wrong}: expected {}, found {}", self.model_type.expected(), row[wrong]))
    }
}
