//! Learning rates: a number, or a function of the step, by Keras' definitions
//! (<https://keras.io/api/optimizers/learning_rate_schedules/>).

use serde_json::{Value, json};

use crate::{Result, config::Config};

const NAMES: &str = "ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay, PolynomialDecay, CosineDecay, CosineDecayRestarts";

/// A learning rate.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LearningRate {
    /// The same at every step.
    Constant(f64),
    /// A function of the step.
    Schedule(Schedule),
}

impl LearningRate {
    /// The learning rate of a step, from 0.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        match self {
            Self::Constant(rate) => *rate,
            Self::Schedule(schedule) => schedule.at(step),
        }
    }

    /// A number, or a schedule's configuration.
    pub(crate) fn parse(value: &Value) -> Result<Self> {
        match value.as_f64() {
            Some(rate) if rate >= 0.0 => Ok(Self::Constant(rate)),
            _ => Ok(Self::Schedule(Schedule::parse(value)?)),
        }
    }
}

/// A learning rate as a function of the step.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Schedule {
    /// `initial * rate ^ (step / steps)`.
    Exponential {
        /// The rate at step 0.
        initial: f64,
        /// After how many steps `rate` has been applied once.
        steps: f64,
        /// The factor.
        rate: f64,
        /// Whether the exponent is rounded down.
        staircase: bool,
    },
    /// `initial / (1 + rate * step / steps)`.
    InverseTime {
        /// The rate at step 0.
        initial: f64,
        /// The steps that count as one.
        steps: f64,
        /// How much the divisor grows.
        rate: f64,
        /// Whether `step / steps` is rounded down.
        staircase: bool,
    },
    /// `values[i]` up to and with step `boundaries[i]`, the last value afterwards.
    PiecewiseConstant {
        /// The last steps of every value but the last.
        boundaries: Vec<f64>,
        /// The rates, one more than the boundaries.
        values: Vec<f64>,
    },
    /// `(initial - end) * (1 - step / steps) ^ power + end`.
    Polynomial {
        /// The rate at step 0.
        initial: f64,
        /// The steps until `end`.
        steps: f64,
        /// The rate at the end.
        end: f64,
        /// The exponent.
        power: f64,
        /// Whether it starts again beyond `steps`, over twice, three times as many.
        cycle: bool,
    },
    /// Half a cosine from the initial rate, or from `warmup_target` after a linear rise, to `alpha` of it.
    Cosine {
        /// The rate at step 0.
        initial: f64,
        /// The steps of the cosine.
        steps: f64,
        /// The share that is left in the end.
        alpha: f64,
        /// What the rate rises to first.
        warmup_target: Option<f64>,
        /// The steps of the rise.
        warmup_steps: f64,
    },
    /// Half a cosine again and again, each `t_mul` times as long and from `m_mul` times the rate of the one before.
    CosineRestarts {
        /// The rate at step 0.
        initial: f64,
        /// The steps of the first cosine.
        first_steps: f64,
        /// By how much every cosine is longer.
        t_mul: f64,
        /// By how much every cosine is higher.
        m_mul: f64,
        /// The share that is left in the end.
        alpha: f64,
    },
}

impl Schedule {
    fn parse(value: &Value) -> Result<Self> {
        let mut config = Config::new("learning rate", value)?;
        let schedule = match config.name() {
            "exponentialdecay" => Self::Exponential {
                initial: config.required_number("initial_learning_rate")?,
                steps: steps(&mut config, "decay_steps")?,
                rate: config.required_number("decay_rate")?,
                staircase: config.flag("staircase", false)?,
            },
            "inversetimedecay" => Self::InverseTime {
                initial: config.required_number("initial_learning_rate")?,
                steps: steps(&mut config, "decay_steps")?,
                rate: config.required_number("decay_rate")?,
                staircase: config.flag("staircase", false)?,
            },
            "piecewiseconstantdecay" | "piecewiseconstant" => piecewise(&mut config)?,
            "polynomialdecay" => Self::Polynomial {
                initial: config.required_number("initial_learning_rate")?,
                steps: steps(&mut config, "decay_steps")?,
                end: config.number("end_learning_rate", 1e-4)?,
                power: config.number("power", 1.0)?,
                cycle: config.flag("cycle", false)?,
            },
            "cosinedecay" => Self::Cosine {
                initial: config.required_number("initial_learning_rate")?,
                steps: steps(&mut config, "decay_steps")?,
                alpha: config.number("alpha", 0.0)?,
                warmup_target: config.optional_number("warmup_target", 0.0, f64::INFINITY)?,
                warmup_steps: config.number("warmup_steps", 0.0)?,
            },
            "cosinedecayrestarts" => Self::CosineRestarts {
                initial: config.required_number("initial_learning_rate")?,
                first_steps: steps(&mut config, "first_decay_steps")?,
                t_mul: config.number("t_mul", 2.0)?,
                m_mul: config.number("m_mul", 1.0)?,
                alpha: config.number("alpha", 0.0)?,
            },
            _ => return Err(config.unknown(NAMES)),
        };
        config.finish()?;
        Ok(schedule)
    }

    fn at(&self, step: u64) -> f64 {
        let step = step as f64;
        let whole = |part: f64, staircase: bool| if staircase { part.floor() } else { part };
        match *self {
            Self::Exponential { initial, steps, rate, staircase } => {
                initial * rate.powf(whole(step / steps, staircase))
            }
            Self::InverseTime { initial, steps, rate, staircase } => {
                initial / (1.0 + rate * whole(step / steps, staircase))
            }
            Self::PiecewiseConstant { ref boundaries, ref values } => {
                let passed = boundaries.iter().filter(|boundary| step > **boundary).count();
                values.get(passed).copied().unwrap_or_default()
            }
            Self::Polynomial { initial, steps, end, power, cycle } => {
                let steps = if cycle { steps * (step / steps).ceil().max(1.0) } else { steps };
                (initial - end) * (1.0 - step.min(steps) / steps).powf(power) + end
            }
            Self::Cosine { initial, steps, alpha, warmup_target, warmup_steps } => {
                let Some(target) = warmup_target else {
                    return initial * cosine(step.min(steps) / steps, alpha, 1.0);
                };
                match step < warmup_steps {
                    true => initial + (target - initial) * step / warmup_steps,
                    false => target * cosine((step - warmup_steps).min(steps) / steps, alpha, 1.0),
                }
            }
            Self::CosineRestarts { initial, first_steps, t_mul, m_mul, alpha } => {
                let (restarts, part) = restart(step / first_steps, t_mul);
                initial * cosine(part, alpha, m_mul.powf(restarts))
            }
        }
    }
}

/// Half a cosine from 1, times `height`, to `alpha`.
fn cosine(part: f64, alpha: f64, height: f64) -> f64 {
    (1.0 - alpha) * 0.5 * height * (1.0 + (std::f64::consts::PI * part).cos()) + alpha
}

/// How many cosines are over, and how much of the next one: the first is 1 long, every further `t_mul` times as long.
fn restart(part: f64, t_mul: f64) -> (f64, f64) {
    if t_mul == 1.0 {
        return (part.floor(), part.fract());
    }
    let restarts = ((1.0 - part * (1.0 - t_mul)).ln() / t_mul.ln()).floor();
    let before = (1.0 - t_mul.powf(restarts)) / (1.0 - t_mul);
    (restarts, (part - before) / t_mul.powf(restarts))
}

fn steps(config: &mut Config, key: &'static str) -> Result<f64> {
    match config.required_number(key)? {
        steps if steps > 0.0 => Ok(steps),
        found => {
            Err(config.error(format!("parameter `{key}`: expected a number above 0, found {}", json!(found))))
        }
    }
}

fn piecewise(config: &mut Config) -> Result<Schedule> {
    let (boundaries, values) = (config.numbers("boundaries")?, config.numbers("values")?);
    if boundaries.len() + 1 != values.len() {
        return Err(config.error(format!(
            "parameter `values`: expected one more than the {} boundaries, found {}",
            boundaries.len(),
            values.len()
        )));
    }
    Ok(Schedule::PiecewiseConstant { boundaries, values })
}
