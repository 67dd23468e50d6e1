//! Metrics by Keras' names and definitions (<https://keras.io/api/metrics/>): sums over batches, and what they give in the end.

use serde_json::Value as Json;

use crate::{
    Error, Loss, Result,
    config::{Config, plain},
    forward::{Prediction, Value},
    weights::numbers,
};

const NAMES: &str = "accuracy, binary_accuracy, categorical_accuracy, sparse_categorical_accuracy, \
    top_k_categorical_accuracy, sparse_top_k_categorical_accuracy, precision, recall, auc, root_mean_squared_error, and the \
    losses' names";

/// The thresholds of [`Kind::Auc`], Keras' default.
const AUC_THRESHOLDS: u64 = 200;

/// A metric with its settings, read from Keras' name or configuration.
///
/// ```
/// use emberline_train::Metric;
///
/// assert_eq!(Metric::parse(&"accuracy".into())?.name(), "accuracy");
/// assert!(Metric::parse(&"guesses".into()).is_err());
/// # Ok::<(), emberline_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    name: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// Which of the following it is, output and targets say.
    Accuracy,
    Binary {
        threshold: f32,
    },
    /// Whether the class is among the `k` most probable.
    TopK {
        k: usize,
    },
    Precision {
        threshold: f32,
    },
    Recall {
        threshold: f32,
    },
    Auc {
        thresholds: usize,
    },
    RootMeanSquaredError,
    Mean(Loss),
    /// The loss of this name with its sign turned.
    CosineSimilarity(Loss),
}

/// A batch's outputs beside its targets, channels fastest.
pub(crate) struct Answers {
    prediction: Prediction,
    /// As the loss takes it: one-hot where targets are class numbers.
    target: Value,
    outputs: Vec<f32>,
    wanted: Vec<f32>,
    width: usize,
}

impl Answers {
    /// Fetches the numbers from the device.
    pub(crate) fn new(prediction: Prediction, target: &Value) -> Result<Self> {
        Ok(Self {
            outputs: numbers(prediction.output.clone().channels_last())?,
            wanted: numbers(target.clone().channels_last())?,
            width: prediction.output.shape().last().copied().unwrap_or(1),
            prediction,
            target: target.clone(),
        })
    }

    fn rows(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        self.outputs.chunks_exact(self.width).zip(self.wanted.chunks_exact(self.width))
    }

    fn numbers(&self) -> impl Iterator<Item = (f32, f32)> {
        self.outputs.iter().copied().zip(self.wanted.iter().copied())
    }
}

impl Metric {
    /// Reads a metric's name or configuration.
    ///
    /// # Errors
    /// When there is no such metric, or a parameter is wrong.
    pub fn parse(value: &Json) -> Result<Self> {
        let mut config = Config::new("metric", value)?;
        let called =
            ["/config/name", "/class_name", "/name"].iter().find_map(|at| value.pointer(at)?.as_str());
        let called = value.as_str().or(called);
        let kind = match config.name() {
            "accuracy" | "acc" => Kind::Accuracy,
            "binaryaccuracy" => {
                Kind::Binary { threshold: config.number_within("threshold", 0.5, 0.0, 1.0)? as f32 }
            }
            "categoricalaccuracy" | "sparsecategoricalaccuracy" => Kind::TopK { k: 1 },
            "topkcategoricalaccuracy" | "sparsetopkcategoricalaccuracy" => {
                Kind::TopK { k: config.count("k", 5, 1)? as usize }
            }
            name @ ("precision" | "recall") => {
                let precision = name == "precision";
                let threshold = config.number_within("thresholds", 0.5, 0.0, 1.0)? as f32;
                for key in ["top_k", "class_id"] {
                    config.only(key, &Json::Null)?;
                }
                if precision { Kind::Precision { threshold } } else { Kind::Recall { threshold } }
            }
            "auc" => {
                config.only("curve", &"ROC".into())?;
                config.only("summation_method", &"interpolation".into())?;
                for (key, only) in [
                    ("multi_label", false.into()),
                    ("from_logits", false.into()),
                    ("num_labels", Json::Null),
                    ("label_weights", Json::Null),
                ] {
                    config.only(key, &only)?;
                }
                Kind::Auc { thresholds: config.count("num_thresholds", AUC_THRESHOLDS, 3)? as usize }
            }
            "rootmeansquarederror" | "rmse" => Kind::RootMeanSquaredError,
            // A metric of a loss has the loss's settings, and reports them by itself.
            _ => {
                let loss = Loss::parse(value).map_err(|error| match error {
                    Error::Setting { problem, .. } if !problem.contains("no such name") => {
                        config.error(problem)
                    }
                    _ => config.unknown(NAMES),
                })?;
                let kind = match config.name() {
                    "cosinesimilarity" => Kind::CosineSimilarity(loss),
                    _ => Kind::Mean(loss),
                };
                return Ok(Self { name: display_name(called, config.name()), kind });
            }
        };
        let name = display_name(called, config.name());
        config.finish()?;
        Ok(Self { name, kind })
    }

    /// What it is called in a history.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether more is better.
    #[must_use]
    pub fn increases(&self) -> bool {
        !matches!(self.kind, Kind::Mean(_) | Kind::RootMeanSquaredError)
    }

    /// Adds a batch to the sums.
    pub(crate) fn update(&self, sums: &mut Vec<f64>, answers: &Answers) -> Result<()> {
        let mut add = |at: usize, amount: f64| {
            if sums.len() <= at {
                sums.resize(at + 1, 0.0);
            }
            sums[at] += amount;
        };
        let mut count = |hit: bool| {
            add(0, f64::from(u8::from(hit)));
            add(1, 1.0);
        };
        match self.kind {
            Kind::Accuracy if answers.width == 1 => {
                answers.numbers().for_each(|(output, wanted)| count((output > 0.5) == (wanted != 0.0)));
            }
            Kind::Binary { threshold } => answers
                .numbers()
                .for_each(|(output, wanted)| count(f32::from(u8::from(output > threshold)) == wanted)),
            Kind::Accuracy => {
                answers.rows().for_each(|(outputs, wanted)| count(greatest(outputs) == greatest(wanted)));
            }
            Kind::TopK { k: 1 } => {
                answers.rows().for_each(|(outputs, wanted)| count(greatest(outputs) == greatest(wanted)));
            }
            Kind::TopK { k } => answers.rows().for_each(|(outputs, wanted)| {
                let own = greatest(wanted).and_then(|class| outputs.get(class)).copied();
                let better = own.map_or(k, |own| outputs.iter().filter(|output| **output > own).count());
                count(better < k);
            }),
            Kind::Precision { threshold } => {
                for (_, wanted) in answers.numbers().filter(|(output, _)| *output > threshold) {
                    count(wanted != 0.0);
                }
            }
            Kind::Recall { threshold } => {
                for (output, _) in answers.numbers().filter(|(_, wanted)| *wanted != 0.0) {
                    count(output > threshold);
                }
            }
            // Of every threshold, how many outputs above it should be there, and how many should not; then of all.
            Kind::Auc { thresholds } => {
                for (output, wanted) in answers.numbers() {
                    let side = usize::from(wanted == 0.0);
                    add(2 * thresholds + side, 1.0);
                    let above = (0..thresholds).take_while(|&i| f64::from(output) > threshold(i, thresholds));
                    above.for_each(|i| add(2 * i + side, 1.0));
                }
            }
            Kind::RootMeanSquaredError => answers.numbers().for_each(|(output, wanted)| {
                add(0, f64::from(output - wanted).powi(2));
                add(1, 1.0);
            }),
            Kind::Mean(ref loss) | Kind::CosineSimilarity(ref loss) => {
                for value in numbers(loss.values(&answers.prediction, &answers.target))? {
                    add(0, f64::from(value));
                    add(1, 1.0);
                }
            }
        }
        Ok(())
    }

    /// What the sums give.
    pub(crate) fn value(&self, sums: &[f64]) -> f64 {
        let sum = |at: usize| sums.get(at).copied().unwrap_or_default();
        let share = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
        match self.kind {
            Kind::RootMeanSquaredError => share(sum(0), sum(1)).sqrt(),
            Kind::Auc { thresholds } => {
                let rate = |i: usize, side: usize| share(sum(2 * i + side), sum(2 * thresholds + side));
                let piece = |i: usize| (rate(i - 1, 1) - rate(i, 1)) * (rate(i - 1, 0) + rate(i, 0)) / 2.0;
                (1..thresholds).map(piece).sum()
            }
            Kind::CosineSimilarity(_) => -share(sum(0), sum(1)),
            _ => share(sum(0), sum(1)),
        }
    }
}

/// What Keras calls a metric: what the user called it, `acc` in full.
fn display_name(called: Option<&str>, plain_name: &str) -> String {
    match called {
        Some("acc") | None if plain_name == "acc" => "accuracy".to_owned(),
        Some(called) if called.chars().any(char::is_uppercase) => snake_case(called),
        Some(called) => called.to_owned(),
        None => plain_name.to_owned(),
    }
}

/// `TopKCategoricalAccuracy` as `top_k_categorical_accuracy`; words of capitals alone in lower case.
fn snake_case(name: &str) -> String {
    if name.chars().all(|letter| !letter.is_lowercase()) {
        return plain(name);
    }
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// The place of the greatest number, the first of several.
fn greatest(values: &[f32]) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (i, &value) in values.iter().enumerate() {
        if best.is_none_or(|(_, greatest)| value > greatest) {
            best = Some((i, value));
        }
    }
    best.map(|(i, _)| i)
}

/// Keras' thresholds: evenly spread from just below 0 to just above 1.
fn threshold(i: usize, thresholds: usize) -> f64 {
    const EPSILON: f64 = 1e-7;
    match i {
        0 => -EPSILON,
        i if i + 1 == thresholds => 1.0 + EPSILON,
        i => i as f64 / (thresholds - 1) as f64,
    }
}
