//! Initializers by Keras' definitions (<https://keras.io/api/layers/initializers/>), with numbers that are a function of the
//! seed and the weight's name. They are spread as Keras' are, and are not the same numbers.

use std::collections::BTreeMap;

use emberline_net::{Network, Tensor};
use serde_json::Value;

use crate::{
    Error, Result,
    config::Config,
    random::{Random, hash},
};

const NAMES: &str = "Zeros, Ones, Constant, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, GlorotUniform, \
    GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal, Orthogonal, Identity";

/// The deviation of a normal distribution that is cut off two deviations from its mean.
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

/// How a weight's first numbers are drawn.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Initializer {
    /// One number everywhere.
    Constant(f64),
    /// Normally distributed.
    Normal {
        /// The mean.
        mean: f64,
        /// The deviation, before truncation.
        deviation: f64,
        /// Whether numbers more than two deviations from the mean are drawn again.
        truncated: bool,
    },
    /// Evenly spread in `[min, max)`.
    Uniform {
        /// The least number.
        min: f64,
        /// The end.
        max: f64,
    },
    /// Spread so that the variance is `scale` divided by the number of inputs, of outputs, or their mean.
    VarianceScaling {
        /// The factor.
        scale: f64,
        /// What divides it.
        fan: Fan,
        /// How numbers lie.
        distribution: Distribution,
    },
    /// A matrix with orthogonal rows or columns.
    Orthogonal {
        /// Their length.
        gain: f64,
    },
    /// A matrix with `gain` on its diagonal and zeros elsewhere.
    Identity {
        /// The number on the diagonal.
        gain: f64,
    },
}

/// What the variance of [`Initializer::VarianceScaling`] is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fan {
    /// The number of inputs.
    In,
    /// The number of outputs.
    Out,
    /// The mean of both.
    Mean,
}

/// How the numbers of [`Initializer::VarianceScaling`] lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distribution {
    /// Evenly spread.
    Uniform,
    /// Normally, within two deviations.
    TruncatedNormal,
    /// Normally.
    Normal,
}

impl Initializer {
    /// Reads an initializer's name or configuration. A `seed` in it is ignored: the seed is [`initialized`]'s.
    ///
    /// ```
    /// use emberline_train::Initializer;
    ///
    /// assert_eq!(Initializer::parse(&"ones".into())?, Initializer::Constant(1.0));
    /// # Ok::<(), emberline_train::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such initializer, or a parameter is wrong.
    pub fn parse(value: &Value) -> Result<Self> {
        let mut config = Config::new("initializer", value)?;
        let any = (f64::NEG_INFINITY, f64::INFINITY);
        config.take("seed");
        let initializer = match config.name() {
            "zeros" => Self::Constant(0.0),
            "ones" => Self::Constant(1.0),
            "constant" => Self::Constant(config.number_within("value", 0.0, any.0, any.1)?),
            name @ ("randomnormal" | "normal" | "truncatednormal") => {
                let truncated = name == "truncatednormal";
                Self::Normal {
                    mean: config.number_within("mean", 0.0, any.0, any.1)?,
                    deviation: config.number("stddev", 0.05)?,
                    truncated,
                }
            }
            "randomuniform" | "uniform" => Self::Uniform {
                min: config.number_within("minval", -0.05, any.0, any.1)?,
                max: config.number_within("maxval", 0.05, any.0, any.1)?,
            },
            "variancescaling" => Self::VarianceScaling {
                scale: config.number_within("scale", 1.0, f64::MIN_POSITIVE, f64::INFINITY)?,
                fan: match config.choice("mode", "fan_in", &["fan_in", "fan_out", "fan_avg"])? {
                    "fan_in" => Fan::In,
                    "fan_out" => Fan::Out,
                    _ => Fan::Mean,
                },
                distribution: match config.choice(
                    "distribution",
                    "truncated_normal",
                    &["uniform", "normal", "truncated_normal", "untruncated_normal"],
                )? {
                    "uniform" => Distribution::Uniform,
                    "untruncated_normal" => Distribution::Normal,
                    _ => Distribution::TruncatedNormal,
                },
            },
            "glorotuniform" => scaled(1.0, Fan::Mean, Distribution::Uniform),
            "glorotnormal" => scaled(1.0, Fan::Mean, Distribution::TruncatedNormal),
            "heuniform" => scaled(2.0, Fan::In, Distribution::Uniform),
            "henormal" => scaled(2.0, Fan::In, Distribution::TruncatedNormal),
            "lecununiform" => scaled(1.0, Fan::In, Distribution::Uniform),
            "lecunnormal" => scaled(1.0, Fan::In, Distribution::TruncatedNormal),
            "orthogonal" | "orthogonalinitializer" => {
                Self::Orthogonal { gain: config.number_within("gain", 1.0, any.0, any.1)? }
            }
            "identity" | "identityinitializer" => {
                Self::Identity { gain: config.number_within("gain", 1.0, any.0, any.1)? }
            }
            _ => return Err(config.unknown(NAMES)),
        };
        for axes in ["input_axes", "output_axes"] {
            config.only(axes, &Value::Null)?;
        }
        config.finish()?;
        Ok(initializer)
    }

    /// What Keras' layers begin with: zeros for what is added, ones for factors and variances, Glorot's uniform distribution
    /// for kernels.
    #[must_use]
    pub fn default_of(weight: &str) -> Self {
        match weight.rsplit_once('/').map_or(weight, |(_, name)| name) {
            "gamma" | "moving_variance" | "variance" | "scale" => Self::Constant(1.0),
            "beta" | "moving_mean" | "mean" | "token" | "alpha" => Self::Constant(0.0),
            name if name.ends_with("bias") => Self::Constant(0.0),
            "embeddings" => Self::Uniform { min: -0.05, max: 0.05 },
            name if name.ends_with("recurrent_kernel") => Self::Orthogonal { gain: 1.0 },
            _ => scaled(1.0, Fan::Mean, Distribution::Uniform),
        }
    }

    /// Numbers for a weight.
    ///
    /// # Errors
    /// When a weight of this shape can't be initialized so.
    pub fn tensor(&self, weight: &str, shape: &[usize], seed: u64) -> Result<Tensor> {
        let mut random = Random::new(&[seed, hash(weight)]);
        let len = shape.iter().product();
        let mut draw = |number: &mut dyn FnMut(&mut Random) -> f64| {
            (0..len).map(|_| number(&mut random) as f32).collect()
        };
        let values: Vec<f32> = match *self {
            Self::Constant(value) => vec![value as f32; len],
            Self::Uniform { min, max } => draw(&mut |random| min + (max - min) * random.uniform()),
            Self::Normal { mean, deviation, truncated: true } => {
                draw(&mut |random| mean + deviation * random.truncated_normal())
            }
            Self::Normal { mean, deviation, truncated: false } => {
                draw(&mut |random| mean + deviation * random.normal())
            }
            Self::VarianceScaling { scale, fan, distribution } => {
                let (inputs, outputs) = fans(shape);
                let fan = match fan {
                    Fan::In => inputs,
                    Fan::Out => outputs,
                    Fan::Mean => (inputs + outputs) / 2.0,
                };
                let deviation = (scale / fan.max(1.0)).sqrt();
                match distribution {
                    Distribution::Uniform => {
                        let limit = 3.0_f64.sqrt() * deviation;
                        draw(&mut |random| limit * (2.0 * random.uniform() - 1.0))
                    }
                    Distribution::Normal => draw(&mut |random| deviation * random.normal()),
                    Distribution::TruncatedNormal => {
                        draw(&mut |random| deviation / TRUNCATED_DEVIATION * random.truncated_normal())
                    }
                }
            }
            Self::Orthogonal { gain } => orthogonal(gain, matrix(weight, shape)?, &mut random),
            Self::Identity { gain } => {
                let (rows, columns) = matrix(weight, shape)?;
                let number = |i: usize| if i / columns == i % columns { gain as f32 } else { 0.0 };
                (0..rows * columns).map(number).collect()
            }
        };
        Ok(Tensor::new(shape.to_vec(), values)?)
    }
}

/// The network with new weights: by the initializers given by weight name, such as `conv1/kernel`, and by Keras' defaults for
/// the others.
///
/// ```
/// use emberline_net::{Dense, NetworkBuilder};
/// use emberline_train::initialized;
///
/// let mut layers = NetworkBuilder::new("tiny");
/// let features = layers.input("features", [4]);
/// let out = layers.apply("out", Dense::new(2), features);
/// let network = initialized(layers.build(&[out])?, 7, &Default::default())?;
/// assert_eq!(network.weights()["out/bias"].data(), [0.0, 0.0]);
/// # Ok::<(), emberline_train::Error>(())
/// ```
///
/// # Errors
/// When an initializer names no weight of the network, or does not suit its shape.
pub fn initialized(
    network: Network,
    seed: u64,
    initializers: &BTreeMap<String, Initializer>,
) -> Result<Network> {
    let shapes = network.weight_shapes();
    if let Some(name) = initializers.keys().find(|name| !shapes.contains_key(*name)) {
        return Err(Error::Setting {
            subject: "initializers".to_owned(),
            problem: format!("network `{}` has no weight `{name}`", network.name()),
        });
    }
    let of = |(name, shape): (String, Vec<usize>)| {
        let initializer = initializers.get(&name).cloned().unwrap_or_else(|| Initializer::default_of(&name));
        let tensor = initializer.tensor(&name, &shape, seed)?;
        Ok((name, tensor))
    };
    let weights = shapes.into_iter().map(of).collect::<Result<BTreeMap<_, _>>>()?;
    Ok(network.with_weights(weights)?)
}

fn scaled(scale: f64, fan: Fan, distribution: Distribution) -> Initializer {
    Initializer::VarianceScaling { scale, fan, distribution }
}

/// The numbers of inputs and outputs of a weight, by Keras' `compute_fans`.
fn fans(shape: &[usize]) -> (f64, f64) {
    match shape {
        [] => (1.0, 1.0),
        [size] => (*size as f64, *size as f64),
        [window @ .., inputs, outputs] => {
            let positions: usize = window.iter().product();
            ((positions * inputs) as f64, (positions * outputs) as f64)
        }
    }
}

/// The rows and columns of a weight: all axes but the last make rows.
fn matrix(weight: &str, shape: &[usize]) -> Result<(usize, usize)> {
    match shape {
        [_] | [] => Err(Error::Setting {
            subject: "initializer".to_owned(),
            problem: format!("expected a weight of at least two axes, found `{weight}` of shape {shape:?}"),
        }),
        [rows @ .., columns] => Ok((rows.iter().product(), *columns)),
    }
}

/// Gram and Schmidt's process over normally distributed vectors, which is the QR decomposition with a positive diagonal.
/// Twice, since once leaves rounding errors in long vectors.
fn orthogonal(gain: f64, (rows, columns): (usize, usize), random: &mut Random) -> Vec<f32> {
    let (count, len) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    while vectors.len() < count {
        let mut vector: Vec<f64> = (0..len).map(|_| random.normal()).collect();
        for _ in 0..2 {
            for other in &vectors {
                let share = dot(&vector, other);
                vector.iter_mut().zip(other).for_each(|(value, other)| *value -= share * other);
            }
        }
        let length = dot(&vector, &vector).sqrt();
        if length > 1e-9 {
            vector.iter_mut().for_each(|value| *value /= length);
            vectors.push(vector);
        }
    }
    let number = |i: usize| {
        let (row, column) = (i / columns, i % columns);
        let value = if rows < columns { vectors[row][column] } else { vectors[column][row] };
        (gain * value) as f32
    };
    (0..rows * columns).map(number).collect()
}
