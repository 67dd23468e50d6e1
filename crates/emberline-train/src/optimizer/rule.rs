//! The rule of each optimizer: from a weight, its gradient and what was remembered to the next weight. The formulas, the
//! names of settings and their defaults are those of `keras/src/optimizers` 3.15.

use std::collections::BTreeMap;

use burn_tensor::Tensor;

use crate::{Result, config::Config};

const NAMES: &str =
    "SGD, RMSprop, Adam, AdamW, Adamax, Nadam, Adagrad, Adadelta, Lion, Ftrl, Adafactor, Lamb";

/// One optimizer's kind and settings.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rule {
    Sgd { momentum: f32, nesterov: bool },
    RmsProp { rho: f64, momentum: f32, epsilon: f32, centered: bool },
    Adam { moments: Moments, amsgrad: bool, decay: Option<f64> },
    Adamax(Moments),
    Nadam(Moments),
    Adagrad { initial: f32, epsilon: f32 },
    Adadelta { rho: f64, epsilon: f32 },
    Lion { beta_1: f64, beta_2: f64 },
    Ftrl { power: f32, initial: f32, l1: f32, l2: f32, l2_shrinkage: f32, beta: f32 },
    Adafactor { beta_2_decay: f32, epsilon_1: f32, epsilon_2: f32, clip_threshold: f32, relative_step: bool },
    Lamb(Moments),
}

/// Decay rates of the first and second moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moments {
    beta_1: f64,
    beta_2: f64,
    epsilon: f32,
}

/// One weight's part of a step.
pub(super) struct Step<'a> {
    pub(super) gradient: Tensor<1>,
    pub(super) shape: &'a [usize],
    pub(super) learning_rate: f32,
    /// Whether the learning rate follows a schedule.
    pub(super) scheduled: bool,
    /// The updates made before this one.
    pub(super) updates: u64,
    /// Nadam's, with this update's momentum.
    pub(super) momentum_product: f32,
    pub(super) slots: &'a mut BTreeMap<String, Tensor<1>>,
    pub(super) name: &'a str,
}

impl Step<'_> {
    /// What was remembered, or `initial` for every number.
    fn recall(&mut self, slot: &str, initial: f32) -> Tensor<1> {
        let kept = self.slots.remove(&slot_name(slot, self.name));
        kept.unwrap_or_else(|| Tensor::full_like(&self.gradient, initial))
    }

    /// The same of another length than the weight's.
    fn recall_of(&mut self, slot: &str, len: usize) -> Tensor<1> {
        let kept = self.slots.remove(&slot_name(slot, self.name));
        kept.unwrap_or_else(|| Tensor::zeros([len], &self.gradient.device()))
    }

    fn remember(&mut self, slot: &str, value: Tensor<1>) -> Tensor<1> {
        self.slots.insert(slot_name(slot, self.name), value.clone());
        value
    }

    /// The moving average of a value: `average + (value - average) * (1 - beta)`.
    fn average(&mut self, slot: &str, value: Tensor<1>, beta: f64) -> Tensor<1> {
        let average = self.recall(slot, 0.0);
        let next = average.clone() + (value - average) * (1.0 - beta) as f32;
        self.remember(slot, next)
    }

    /// `rho * average + (1 - rho) * value`.
    fn blend(&mut self, slot: &str, value: Tensor<1>, rho: f64) -> Tensor<1> {
        let next = self.recall(slot, 0.0) * rho as f32 + value * (1.0 - rho) as f32;
        self.remember(slot, next)
    }

    /// The number of this update, from 1.
    fn number(&self) -> f32 {
        (self.updates + 1) as f32
    }
}

fn slot_name(slot: &str, weight: &str) -> String {
    format!("{slot}/{weight}")
}

impl Rule {
    pub(super) fn parse(config: &mut Config) -> Result<Self> {
        Ok(match config.name() {
            "sgd" => Self::Sgd {
                momentum: config.number_within("momentum", 0.0, 0.0, 1.0)? as f32,
                nesterov: config.flag("nesterov", false)?,
            },
            "rmsprop" => Self::RmsProp {
                rho: config.number_within("rho", 0.9, 0.0, 1.0)?,
                momentum: config.number("momentum", 0.0)? as f32,
                epsilon: config.number("epsilon", 1e-7)? as f32,
                centered: config.flag("centered", false)?,
            },
            "adam" => Self::Adam {
                moments: Moments::parse(config)?,
                amsgrad: config.flag("amsgrad", false)?,
                decay: None,
            },
            "adamw" => Self::Adam {
                moments: Moments::parse(config)?,
                amsgrad: config.flag("amsgrad", false)?,
                decay: Some(0.004),
            },
            "adamax" => Self::Adamax(Moments::parse(config)?),
            "nadam" => Self::Nadam(Moments::parse(config)?),
            "lamb" => Self::Lamb(Moments::parse(config)?),
            "adagrad" => Self::Adagrad {
                initial: config.number("initial_accumulator_value", 0.1)? as f32,
                epsilon: config.number("epsilon", 1e-7)? as f32,
            },
            "adadelta" => Self::Adadelta {
                rho: config.number_within("rho", 0.95, 0.0, 1.0)?,
                epsilon: config.number("epsilon", 1e-7)? as f32,
            },
            "lion" => Self::Lion {
                beta_1: config.number_within("beta_1", 0.9, f64::MIN_POSITIVE, 1.0)?,
                beta_2: config.number_within("beta_2", 0.99, 0.0, 1.0)?,
            },
            "ftrl" => Self::Ftrl {
                power: config.number_within("learning_rate_power", -0.5, f64::NEG_INFINITY, 0.0)? as f32,
                initial: config.number("initial_accumulator_value", 0.1)? as f32,
                l1: config.number("l1_regularization_strength", 0.0)? as f32,
                l2: config.number("l2_regularization_strength", 0.0)? as f32,
                l2_shrinkage: config.number("l2_shrinkage_regularization_strength", 0.0)? as f32,
                beta: config.number("beta", 0.0)? as f32,
            },
            "adafactor" => Self::Adafactor {
                beta_2_decay: config.number_within("beta_2_decay", -0.8, f64::NEG_INFINITY, 0.0)? as f32,
                epsilon_1: config.number("epsilon_1", 1e-30)? as f32,
                epsilon_2: config.number("epsilon_2", 1e-3)? as f32,
                clip_threshold: config.number("clip_threshold", 1.0)? as f32,
                relative_step: config.flag("relative_step", true)?,
            },
            _ => return Err(config.unknown(NAMES)),
        })
    }

    pub(super) fn default_learning_rate(&self) -> f64 {
        match self {
            Self::Sgd { .. } => 0.01,
            _ => 0.001,
        }
    }

    pub(super) fn default_weight_decay(&self) -> Option<f64> {
        match self {
            Self::Adam { decay, .. } => *decay,
            _ => None,
        }
    }

    /// Nadam's product of momentums with that of the next update; `None` for the others.
    pub(super) fn momentum_product(&self, before: Option<f32>, updates: u64) -> Option<f32> {
        let Self::Nadam(Moments { beta_1, .. }) = *self else { return None };
        Some(before.unwrap_or(1.0) * nadam_momentum(beta_1, updates + 1))
    }

    /// The weight after the step.
    pub(super) fn update(&self, weight: Tensor<1>, step: &mut Step<'_>) -> Tensor<1> {
        let (gradient, rate) = (step.gradient.clone(), step.learning_rate);
        match *self {
            Self::Sgd { momentum, nesterov } => sgd(weight, step, momentum, nesterov),
            Self::RmsProp { .. } => self.rms_prop(weight, step),
            Self::Adam { moments, amsgrad, .. } => {
                let (first, mut second) = moments.follow(step);
                if amsgrad {
                    let greatest = step.recall("velocity_hat", 0.0).max_pair(second);
                    second = step.remember("velocity_hat", greatest);
                }
                let [power_1, power_2] = moments.powers(step);
                let alpha = rate * (1.0 - power_2).sqrt() / (1.0 - power_1);
                weight - first * alpha / (second.sqrt() + moments.epsilon)
            }
            Self::Adamax(moments) => {
                let first = step.average("momentum", gradient.clone(), moments.beta_1);
                let norm = (step.recall("norm", 0.0) * moments.beta_2 as f32).max_pair(gradient.abs());
                let norm = step.remember("norm", norm);
                let [power_1, _] = moments.powers(step);
                weight - first * rate / ((norm + moments.epsilon) * (1.0 - power_1))
            }
            Self::Nadam(moments) => nadam(weight, step, moments),
            Self::Adagrad { initial, epsilon } => {
                let sum = step.recall("accumulator", initial) + gradient.clone().square();
                weight - gradient * rate / (step.remember("accumulator", sum) + epsilon).sqrt()
            }
            Self::Adadelta { rho, epsilon } => {
                let squares = step.blend("accumulated_grad", gradient.clone().square(), rho);
                let changes = step.recall("accumulated_delta_var", 0.0);
                let root = |values: Tensor<1>| (values + epsilon).sqrt();
                let change = root(changes.clone()) * gradient / root(squares);
                let next = changes * rho as f32 + change.clone().square() * (1.0 - rho) as f32;
                step.remember("accumulated_delta_var", next);
                weight - change * rate
            }
            Self::Lion { beta_1, beta_2 } => {
                let momentum = step.recall("momentum", 0.0);
                let blend =
                    |beta: f64| momentum.clone() * beta as f32 + gradient.clone() * (1.0 - beta as f32);
                step.remember("momentum", blend(beta_2));
                weight - blend(beta_1).sign() * rate
            }
            Self::Ftrl { .. } => self.ftrl(weight, step),
            Self::Adafactor { .. } => self.adafactor(weight, step),
            Self::Lamb(moments) => lamb(weight, step, moments),
        }
    }

    fn rms_prop(&self, weight: Tensor<1>, step: &mut Step<'_>) -> Tensor<1> {
        let Self::RmsProp { rho, momentum, epsilon, centered } = *self else { return weight };
        let gradient = step.gradient.clone();
        let mut divisor = step.blend("velocity", gradient.clone().square(), rho);
        if centered {
            divisor = divisor - step.blend("average_gradient", gradient.clone(), rho).square();
        }
        let change = gradient * step.learning_rate / (divisor + epsilon).sqrt();
        if momentum == 0.0 {
            return weight - change;
        }
        let moving = step.recall("momentum", 0.0) * momentum + change;
        weight - step.remember("momentum", moving)
    }

    fn ftrl(&self, weight: Tensor<1>, step: &mut Step<'_>) -> Tensor<1> {
        let Self::Ftrl { power, initial, l1, l2, l2_shrinkage, beta } = *self else { return weight };
        let (gradient, rate) = (step.gradient.clone(), step.learning_rate);
        let sum = step.recall("accumulator", initial);
        let next = sum.clone() + gradient.clone().square();
        let (before, after) = (sum.powf_scalar(-power), next.clone().powf_scalar(-power));
        step.remember("accumulator", next);
        let shrunk = gradient + weight.clone() * (2.0 * l2_shrinkage);
        let linear = step.recall("linear", 0.0) + shrunk - (after.clone() - before) / rate * weight;
        let linear = step.remember("linear", linear);
        let quadratic = after / rate + 2.0 * (l2 + beta / (2.0 * rate));
        (linear.clone().clamp(-l1, l1) - linear) / quadratic
    }

    fn adafactor(&self, weight: Tensor<1>, step: &mut Step<'_>) -> Tensor<1> {
        let Self::Adafactor { beta_2_decay, epsilon_1, epsilon_2, clip_threshold, relative_step } = *self
        else {
            return weight;
        };
        let number = step.number();
        let relative = relative_step && !step.scheduled;
        let limit = 1.0 / number.sqrt();
        let rate = if relative { step.learning_rate.min(limit) } else { step.learning_rate };
        let alpha = root_mean_square(weight.clone()).clamp_min(epsilon_2) * rate.min(limit);
        let beta = 1.0 - number.powf(beta_2_decay);
        let squares = step.gradient.clone().square() + epsilon_1;
        let second = factored(step, squares, beta);
        let change = step.gradient.clone() / second.sqrt();
        let excess = (root_mean_square(change.clone()) / clip_threshold).clamp_min(1.0);
        weight - change / excess * alpha
    }
}

impl Moments {
    fn parse(config: &mut Config) -> Result<Self> {
        Ok(Self {
            beta_1: config.number_within("beta_1", 0.9, 0.0, 1.0)?,
            beta_2: config.number_within("beta_2", 0.999, 0.0, 1.0)?,
            epsilon: config.number("epsilon", 1e-7)? as f32,
        })
    }

    /// The moving averages of the gradient and of its square.
    fn follow(self, step: &mut Step<'_>) -> (Tensor<1>, Tensor<1>) {
        let gradient = step.gradient.clone();
        let first = step.average("momentum", gradient.clone(), self.beta_1);
        (first, step.average("velocity", gradient.square(), self.beta_2))
    }

    /// The betas to the power of the update's number, in 32 bits as in Keras.
    fn powers(self, step: &Step<'_>) -> [f32; 2] {
        [self.beta_1, self.beta_2].map(|beta| (beta as f32).powf(step.number()))
    }
}

fn sgd(weight: Tensor<1>, step: &mut Step<'_>, momentum: f32, nesterov: bool) -> Tensor<1> {
    let change = step.gradient.clone() * step.learning_rate;
    if momentum == 0.0 {
        return weight - change;
    }
    let moving = step.recall("momentum", 0.0) * momentum - change.clone();
    let moving = step.remember("momentum", moving);
    match nesterov {
        true => weight + (moving * momentum - change),
        false => weight + moving,
    }
}

fn nadam_momentum(beta_1: f64, number: u64) -> f32 {
    beta_1 as f32 * (1.0 - 0.5 * 0.96_f32.powf(number as f32))
}

fn nadam(weight: Tensor<1>, step: &mut Step<'_>, moments: Moments) -> Tensor<1> {
    let now = nadam_momentum(moments.beta_1, step.updates + 1);
    let next = nadam_momentum(moments.beta_1, step.updates + 2);
    let (product, product_next) = (step.momentum_product, step.momentum_product * next);
    let (first, second) = moments.follow(step);
    let [_, power_2] = moments.powers(step);
    let first =
        first * (next / (1.0 - product_next)) + step.gradient.clone() * ((1.0 - now) / (1.0 - product));
    let second = second / (1.0 - power_2);
    weight - first * step.learning_rate / (second.sqrt() + moments.epsilon)
}

fn lamb(weight: Tensor<1>, step: &mut Step<'_>, moments: Moments) -> Tensor<1> {
    let (first, second) = moments.follow(step);
    let [power_1, power_2] = moments.powers(step);
    let change = first / (1.0 - power_1) / ((second / (1.0 - power_2)).sqrt() + moments.epsilon);
    let norm = |values: &Tensor<1>| values.clone().square().sum().sqrt();
    let (of_weight, of_change) = (norm(&weight), norm(&change));
    let zero = of_weight.clone().equal_elem(0.0).bool_or(of_change.clone().equal_elem(0.0));
    let ratio = (of_weight / of_change).mask_fill(zero, 1.0);
    weight - change * ratio * step.learning_rate
}

fn root_mean_square(values: Tensor<1>) -> Tensor<1> {
    values.square().mean().sqrt()
}

/// Adafactor's second moment: of a matrix the product of its means over rows and over columns.
fn factored(step: &mut Step<'_>, squares: Tensor<1>, beta: f32) -> Tensor<1> {
    let [outer @ .., rows, columns] = step.shape else {
        let second = step.recall("velocity", 0.0) * beta + squares * (1.0 - beta);
        return step.remember("velocity", second);
    };
    let (outer, rows, columns): (usize, _, _) = (outer.iter().product(), *rows, *columns);
    let squares = squares.reshape([outer, rows, columns]);
    let mut follow = |slot: &str, means: Tensor<3>| {
        let len = means.shape().num_elements();
        let next = step.recall_of(slot, len) * beta + means.reshape([len]) * (1.0 - beta);
        step.remember(slot, next)
    };
    let of_rows = follow("row_mean", squares.clone().mean_dim(2)).reshape([outer, rows, 1]);
    let of_columns = follow("column_mean", squares.mean_dim(1)).reshape([outer, 1, columns]);
    let share = of_rows.clone() / of_rows.mean_dim(1);
    (share * of_columns).reshape([outer * rows * columns])
}
