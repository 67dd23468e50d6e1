//! The rule of each optimizer: from a weight, its gradient and what was remembered to the next weight. The formulas, the
//! names of settings and their defaults are those of `keras/src/optimizers` 3.15.

use std::collections::BTreeMap;

use burn_tensor::Tensor;

use super::number::Number;
use crate::{Result, config::Config, forward::native};

const NAMES: &str =
    "SGD, RMSprop, Adam, AdamW, Adamax, Nadam, Adagrad, Adadelta, Lion, Ftrl, Adafactor, Lamb";

/// One optimizer's kind and settings.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// What share of the weight goes before the step.
    pub(super) decay: f32,
    /// Whether the learning rate follows a schedule.
    pub(super) scheduled: bool,
    /// The updates made before this one.
    pub(super) updates: u64,
    /// Nadam's, with this update's momentum.
    pub(super) momentum_product: f32,
    pub(super) slots: &'a mut BTreeMap<String, Tensor<1>>,
    pub(super) name: &'a str,
    /// Whether tensors are the processor's.
    pub(super) on_cpu: bool,
}

/// What of a step is the same for all numbers of a weight.
struct At {
    learning_rate: f32,
    decay: f32,
    updates: u64,
    number: f32,
    momentum_product: f32,
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

    fn at(&self) -> At {
        At {
            learning_rate: self.learning_rate,
            decay: self.decay,
            updates: self.updates,
            number: self.number(),
            momentum_product: self.momentum_product,
        }
    }

    fn decayed(&self, weight: Tensor<1>) -> Tensor<1> {
        if self.decay == 0.0 { weight } else { weight.clone() - weight * self.decay }
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
        match *self {
            Self::Adafactor { .. } => return self.adafactor(step.decayed(weight), step),
            Self::Lamb(moments) => return lamb(step.decayed(weight), step, moments),
            _ => {}
        }
        let names = self.slots();
        let mut tensors = vec![weight];
        tensors.extend(names.iter().map(|(slot, initial)| step.recall(slot, *initial)));
        tensors.push(step.gradient.clone());
        let at = step.at();
        if !(step.on_cpu && native::each_place(&mut tensors, |numbers| self.next(numbers, &at))) {
            self.next(&mut tensors, &at);
        }
        tensors.pop();
        for (slot, _) in names.iter().rev() {
            if let Some(value) = tensors.pop() {
                step.remember(slot, value);
            }
        }
        tensors.swap_remove(0)
    }

    /// What is remembered of every number, and as what it begins.
    fn slots(&self) -> Vec<(&'static str, f32)> {
        match *self {
            Self::Sgd { momentum: 0.0, .. } => vec![],
            Self::Sgd { .. } | Self::Lion { .. } => vec![("momentum", 0.0)],
            Self::RmsProp { momentum, centered, .. } => {
                let mut slots = vec![("velocity", 0.0)];
                slots.extend(centered.then_some(("average_gradient", 0.0)));
                slots.extend((momentum != 0.0).then_some(("momentum", 0.0)));
                slots
            }
            Self::Adam { amsgrad: true, .. } => {
                vec![("momentum", 0.0), ("velocity", 0.0), ("velocity_hat", 0.0)]
            }
            Self::Adam { .. } | Self::Nadam(_) => vec![("momentum", 0.0), ("velocity", 0.0)],
            Self::Adamax(_) => vec![("momentum", 0.0), ("norm", 0.0)],
            Self::Adagrad { initial, .. } => vec![("accumulator", initial)],
            Self::Adadelta { .. } => vec![("accumulated_grad", 0.0), ("accumulated_delta_var", 0.0)],
            Self::Ftrl { initial, .. } => vec![("accumulator", initial), ("linear", 0.0)],
            Self::Adafactor { .. } | Self::Lamb(_) => vec![],
        }
    }

    /// The next weight and what is remembered of it, in place: the weight, the slots in their order, the gradient.
    fn next<N: Number>(&self, numbers: &mut [N], at: &At) {
        let [weight, slots @ .., gradient] = numbers else { return };
        if at.decay != 0.0 {
            *weight = weight.clone() - weight.clone() * at.decay;
        }
        let change = self.change(weight, slots, gradient.clone(), at);
        *weight = weight.clone() - change;
    }

    /// What is taken off a weight.
    fn change<N: Number>(&self, weight: &N, slots: &mut [N], gradient: N, at: &At) -> N {
        let rate = at.learning_rate;
        match (*self, slots) {
            (Self::Sgd { .. }, []) => gradient * rate,
            (Self::Sgd { momentum, nesterov }, [moving]) => {
                let change = gradient * rate;
                *moving = moving.clone() * momentum - change.clone();
                match nesterov {
                    true => change - moving.clone() * momentum,
                    false => moving.clone() * -1.0,
                }
            }
            (Self::RmsProp { .. }, slots) => self.rms_prop(slots, gradient, rate),
            (Self::Adam { moments, .. }, [first, second, greatest @ ..]) => {
                moments.follow(first, second, gradient);
                let second = match greatest.first_mut() {
                    Some(greatest) => {
                        *greatest = greatest.clone().max_pair(second.clone());
                        greatest
                    }
                    None => second,
                };
                let [power_1, power_2] = moments.powers(at.number);
                let alpha = rate * (1.0 - power_2).sqrt() / (1.0 - power_1);
                first.clone() * alpha / (second.clone().sqrt() + moments.epsilon)
            }
            (Self::Adamax(moments), [first, norm]) => {
                *first = average(first, gradient.clone(), moments.beta_1);
                *norm = (norm.clone() * moments.beta_2 as f32).max_pair(gradient.abs());
                let [power_1, _] = moments.powers(at.number);
                first.clone() * rate / ((norm.clone() + moments.epsilon) * (1.0 - power_1))
            }
            (Self::Nadam(moments), [first, second]) => nadam(moments, first, second, gradient, at),
            (Self::Adagrad { epsilon, .. }, [sum]) => {
                *sum = sum.clone() + gradient.clone().square();
                gradient * rate / (sum.clone() + epsilon).sqrt()
            }
            (Self::Adadelta { rho, epsilon }, [squares, changes]) => {
                *squares = blend(squares, gradient.clone().square(), rho);
                let root = |values: &N| (values.clone() + epsilon).sqrt();
                let change = root(changes) * gradient / root(squares);
                *changes = blend(changes, change.clone().square(), rho);
                change * rate
            }
            (Self::Lion { beta_1, beta_2 }, [momentum]) => {
                let change = blend(momentum, gradient.clone(), beta_1).sign() * rate;
                *momentum = blend(momentum, gradient, beta_2);
                change
            }
            (Self::Ftrl { power, l1, l2, l2_shrinkage, beta, .. }, [sum, linear]) => {
                let before = sum.clone().powf(-power);
                *sum = sum.clone() + gradient.clone().square();
                let after = sum.clone().powf(-power);
                let shrunk = gradient + weight.clone() * (2.0 * l2_shrinkage);
                *linear = linear.clone() + shrunk - (after.clone() - before) / rate * weight.clone();
                let quadratic = after / rate + 2.0 * (l2 + beta / (2.0 * rate));
                weight.clone() - (linear.clone().clamp(-l1, l1) - linear.clone()) / quadratic
            }
            // No other number of slots is asked for, and whole tensors are for those that are left.
            (_, _) => gradient * 0.0,
        }
    }

    fn rms_prop<N: Number>(&self, slots: &mut [N], gradient: N, rate: f32) -> N {
        let (Self::RmsProp { rho, momentum, epsilon, centered }, [velocity, rest @ ..]) = (*self, slots)
        else {
            return gradient;
        };
        *velocity = blend(velocity, gradient.clone().square(), rho);
        let mut divisor = velocity.clone();
        if let (true, Some(average)) = (centered, rest.first_mut()) {
            *average = blend(average, gradient.clone(), rho);
            divisor = divisor - average.clone().square();
        }
        let change = gradient * rate / (divisor + epsilon).sqrt();
        match rest.get_mut(usize::from(centered)) {
            Some(moving) => {
                *moving = moving.clone() * momentum + change;
                moving.clone()
            }
            None => change,
        }
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
    fn follow<N: Number>(self, first: &mut N, second: &mut N, gradient: N) {
        *first = average(first, gradient.clone(), self.beta_1);
        *second = average(second, gradient.square(), self.beta_2);
    }

    /// The betas to the power of the update's number, in 32 bits as in Keras.
    fn powers(self, number: f32) -> [f32; 2] {
        [self.beta_1, self.beta_2].map(|beta| (beta as f32).powf(number))
    }
}

/// The moving average of a value: `average + (value - average) * (1 - beta)`.
fn average<N: Number>(average: &N, value: N, beta: f64) -> N {
    average.clone() + (value - average.clone()) * (1.0 - beta) as f32
}

/// `rho * average + (1 - rho) * value`.
fn blend<N: Number>(average: &N, value: N, rho: f64) -> N {
    average.clone() * rho as f32 + value * (1.0 - rho) as f32
}

fn nadam_momentum(beta_1: f64, number: u64) -> f32 {
    beta_1 as f32 * (1.0 - 0.5 * 0.96_f32.powf(number as f32))
}

fn nadam<N: Number>(moments: Moments, first: &mut N, second: &mut N, gradient: N, at: &At) -> N {
    let now = nadam_momentum(moments.beta_1, at.updates + 1);
    let next = nadam_momentum(moments.beta_1, at.updates + 2);
    let (product, product_next) = (at.momentum_product, at.momentum_product * next);
    moments.follow(first, second, gradient.clone());
    let [_, power_2] = moments.powers(at.number);
    let first = first.clone() * (next / (1.0 - product_next)) + gradient * ((1.0 - now) / (1.0 - product));
    let second = second.clone() / (1.0 - power_2);
    first * at.learning_rate / (second.sqrt() + moments.epsilon)
}

fn lamb(weight: Tensor<1>, step: &mut Step<'_>, moments: Moments) -> Tensor<1> {
    let (mut first, mut second) = (step.recall("momentum", 0.0), step.recall("velocity", 0.0));
    moments.follow(&mut first, &mut second, step.gradient.clone());
    let [first, second] = [step.remember("momentum", first), step.remember("velocity", second)];
    let [power_1, power_2] = moments.powers(step.number());
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
