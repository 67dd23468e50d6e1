//! Optimizers by Keras' definitions (<https://keras.io/api/optimizers/>): what all have in common lives here, the rule of
//! each in `rule`.
//!
//! Burn's own optimizers have other definitions (where epsilon stands, how momentum takes the learning rate, what is corrected
//! for bias), lack half of Keras' and of their settings, and come with `burn-core`; a rule is a few lines over tensors.

mod number;
mod rule;

use std::collections::BTreeMap;

use burn_tensor::Tensor;
use serde_json::Value;

use self::rule::Rule;
use crate::{LearningRate, Result, config::Config, weights::Weights};

/// An optimizer with its settings, read from Keras' configuration.
///
/// ```
/// use emberline_train::Optimizer;
/// use serde_json::json;
///
/// let sgd = Optimizer::parse(&json!({"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": true}))?;
/// assert_eq!(sgd.learning_rate().at(0), 0.1);
/// let error = Optimizer::parse(&json!({"name": "sgd", "lr": 0.1})).unwrap_err().to_string();
/// assert!(error.starts_with("optimizer `sgd`: there is no parameter `lr`; there are clipnorm,"));
/// # Ok::<(), emberline_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    rule: Rule,
    learning_rate: LearningRate,
    weight_decay: Option<f64>,
    clipping: Option<Clipping>,
    average: Option<Average>,
    /// How many steps' gradients are averaged for one update.
    accumulation: Option<u64>,
}

/// How gradients are kept small.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Clipping {
    /// Every gradient's norm.
    Norm(f64),
    /// Every number.
    Value(f64),
    /// The norm of all gradients together.
    GlobalNorm(f64),
}

/// The exponential moving average of the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Average {
    momentum: f64,
    /// After how many updates the weights become their average; otherwise when training ends.
    overwrite_steps: Option<u64>,
}

/// What an optimizer remembers between steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The steps made, each for one batch.
    pub(crate) steps: u64,
    /// Nadam's product of its momentums.
    pub(crate) momentum_product: Option<f32>,
    /// By `{slot}/{weight}`: momentums, velocities, averages, gradients that accumulate.
    pub(crate) slots: BTreeMap<String, Tensor<1>>,
}

impl Optimizer {
    /// Reads a name, Keras' serialised form or a flat object of settings.
    ///
    /// # Errors
    /// When there is no such optimizer, or a parameter is unknown, of the wrong type or out of range.
    pub fn parse(value: &Value) -> Result<Self> {
        let mut config = Config::new("optimizer", value)?;
        let rule = Rule::parse(&mut config)?;
        let learning_rate = match config.take("learning_rate") {
            None => LearningRate::Constant(rule.default_learning_rate()),
            Some(value) if value.is_number() || value.is_object() => match LearningRate::parse(&value) {
                Err(_) if value.is_number() => {
                    return Err(config.error(format!(
                        "parameter `learning_rate`: expected a number of at least 0 or a schedule, found {value}"
                    )));
                }
                parsed => parsed?,
            },
            Some(found) => {
                return Err(config.error(format!(
                    "parameter `learning_rate`: expected a number or a schedule's configuration, found {found}"
                )));
            }
        };
        let weight_decay = config.optional_number("weight_decay", 0.0, f64::INFINITY)?;
        let optimizer = Self {
            learning_rate,
            weight_decay: weight_decay.or(rule.default_weight_decay()),
            clipping: clipping(&mut config)?,
            average: average(&mut config)?,
            accumulation: config.optional_count("gradient_accumulation_steps", 2)?,
            rule,
        };
        // Gradients are computed in 32 bits, where a scale changes nothing.
        config.optional_number("loss_scale_factor", f64::MIN_POSITIVE, f64::INFINITY)?;
        for ignored in ["jit_compile", "is_legacy_optimizer", "decay"] {
            config.take(ignored);
        }
        config.finish()?;
        Ok(optimizer)
    }

    /// The learning rate as configured.
    #[must_use]
    pub fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    /// The same optimizer with another learning rate.
    #[must_use]
    pub fn with_learning_rate(mut self, learning_rate: LearningRate) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    /// One step: new weights from the gradients of the trainable ones. `learning_rate` is that of the step, which every weight
    /// takes times its own factor; `on_cpu` whether tensors are the processor's.
    pub(crate) fn step(
        &self,
        state: &mut State,
        weights: &mut Weights,
        gradients: BTreeMap<String, Tensor<1>>,
        learning_rate: f64,
        on_cpu: bool,
    ) {
        let updates = state.steps / self.accumulation.unwrap_or(1);
        if let Some(gradients) = self.accumulated(state, gradients) {
            let gradients = self.clipped(gradients);
            let product = self.rule.momentum_product(state.momentum_product, updates);
            state.momentum_product = product;
            for (name, gradient) in gradients {
                let Some(weight) = weights.trainable_mut(&name) else { continue };
                let learning_rate = (learning_rate * weight.learning_rate_factor) as f32;
                let mut step = rule::Step {
                    gradient,
                    shape: &weight.shape,
                    learning_rate,
                    decay: self.weight_decay.map_or(0.0, |decay| decay as f32 * learning_rate),
                    scheduled: matches!(self.learning_rate, LearningRate::Schedule(_)),
                    updates,
                    momentum_product: product.unwrap_or(1.0),
                    slots: &mut state.slots,
                    name: &name,
                    on_cpu,
                };
                let next = self.rule.update(weight.value(), &mut step);
                weight.set(next);
            }
        }
        if let Some(average) = self.average {
            average.follow(state, weights, updates);
        }
        weights.constrain();
        state.steps += 1;
    }

    /// What remains to be done when training ends: weights become their average where there is one.
    pub(crate) fn finish(&self, state: &State, weights: &mut Weights) {
        if self.average.is_some() {
            Average::overwrite(state, weights);
        }
    }

    /// The gradients' mean over the steps that count as one, at the last of them; `None` before.
    fn accumulated(
        &self,
        state: &mut State,
        gradients: BTreeMap<String, Tensor<1>>,
    ) -> Option<BTreeMap<String, Tensor<1>>> {
        let Some(steps) = self.accumulation else { return Some(gradients) };
        let last = (state.steps + 1).is_multiple_of(steps);
        let mut means = BTreeMap::new();
        for (name, gradient) in gradients {
            let slot = format!("gradient/{name}");
            let sum = match state.slots.remove(&slot) {
                Some(sum) => sum + gradient,
                None => gradient,
            };
            match last {
                true => means.insert(name, sum / steps as f32),
                false => state.slots.insert(slot, sum),
            };
        }
        last.then_some(means)
    }

    fn clipped(&self, gradients: BTreeMap<String, Tensor<1>>) -> BTreeMap<String, Tensor<1>> {
        let clip: Box<dyn Fn(Tensor<1>) -> Tensor<1>> = match self.clipping {
            None => return gradients,
            Some(Clipping::Value(value)) => Box::new(move |gradient| gradient.clamp(-value, value)),
            Some(Clipping::Norm(norm)) => Box::new(move |gradient| {
                let found = gradient.clone().square().sum().sqrt();
                gradient * norm as f32 / found.clamp_min(norm)
            }),
            Some(Clipping::GlobalNorm(norm)) => {
                let squares = gradients.values().map(|gradient| gradient.clone().square().sum());
                let Some(found) = squares.reduce(|sum, square| sum + square) else { return gradients };
                let factor = found.sqrt().clamp_min(norm).recip() * norm as f32;
                Box::new(move |gradient| gradient * factor.clone())
            }
        };
        gradients.into_iter().map(|(name, gradient)| (name, clip(gradient))).collect()
    }
}

impl Average {
    fn follow(self, state: &mut State, weights: &mut Weights, updates: u64) {
        let momentum = if updates == 0 { 0.0 } else { self.momentum as f32 };
        for (name, weight) in weights.trainables_mut() {
            let slot = format!("average/{name}");
            let now = match state.slots.remove(&slot) {
                Some(average) => average * momentum + weight.value() * (1.0 - momentum),
                None => weight.value(),
            };
            state.slots.insert(slot, now);
        }
        if self.overwrite_steps.is_some_and(|steps| (updates + 1).is_multiple_of(steps)) {
            Self::overwrite(state, weights);
        }
    }

    fn overwrite(state: &State, weights: &mut Weights) {
        for (name, weight) in weights.trainables_mut() {
            if let Some(average) = state.slots.get(&format!("average/{name}")) {
                weight.set(average.clone());
            }
        }
    }
}

/// What a limit stands for.
type Kind = fn(f64) -> Clipping;

fn clipping(config: &mut Config) -> Result<Option<Clipping>> {
    let kinds: [(_, Kind); 3] = [
        ("clipnorm", Clipping::Norm),
        ("clipvalue", Clipping::Value),
        ("global_clipnorm", Clipping::GlobalNorm),
    ];
    let mut found: Option<(&str, Clipping)> = None;
    for (key, kind) in kinds {
        let Some(limit) = config.optional_number(key, 0.0, f64::INFINITY)? else { continue };
        if let Some((other, _)) = found {
            return Err(
                config.error(format!("parameters `{other}` and `{key}`: expected one of them, found both"))
            );
        }
        found = Some((key, kind(limit)));
    }
    // Keras takes a limit of 0 as none.
    let limited = |&(_, clipping): &(&str, Clipping)| match clipping {
        Clipping::Norm(limit) | Clipping::Value(limit) | Clipping::GlobalNorm(limit) => limit > 0.0,
    };
    Ok(found.filter(limited).map(|(_, clipping)| clipping))
}

fn average(config: &mut Config) -> Result<Option<Average>> {
    let used = config.flag("use_ema", false)?;
    let momentum = config.number_within("ema_momentum", 0.99, 0.0, 1.0)?;
    let overwrite_steps = config.optional_count("ema_overwrite_frequency", 1)?;
    Ok(used.then_some(Average { momentum, overwrite_steps }))
}
