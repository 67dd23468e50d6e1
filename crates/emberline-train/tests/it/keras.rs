//! Every optimizer, loss, layer, regularizer, constraint, schedule, metric and callback against Keras' numbers in
//! `tests/fixtures/train.json`, written by `tools/goldens/train.py`.

use std::collections::BTreeMap;

use emberline_net::{Network, Tensor};
use emberline_train::{
    Batch, BatchIterator, Batches, Constraint, EarlyStopping, Error, Event, LayerOptions, Loss, Metric,
    Optimizer, ReduceOnPlateau, Regularizer, Samples, TrainOptions, evaluate, fit,
};
use serde_json::{Value, json};

use crate::{
    description,
    formula::{SAMPLES, batch, with_weights},
};

const STEPS: usize = 50;
const BATCHES: usize = 5;

/// Of losses, relative: rounding in 32 bits grows along 50 steps.
const LOSS_CLOSE: f64 = 1e-4;
/// Of weights after 50 steps, beside their root mean square.
const WEIGHT_CLOSE: f64 = 1e-3;
/// Of a formula that is computed once, relative.
const CLOSE: f64 = 2e-6;

fn golden() -> Value {
    serde_json::from_str(include_str!("../fixtures/train.json")).unwrap()
}

/// Steps through the batches, over and over, in one epoch.
struct Cycle {
    shape: Vec<usize>,
    targets: String,
    weighted: bool,
}

impl Batches for Cycle {
    fn epoch(&mut self, _epoch: usize, skipped: usize) -> Result<BatchIterator<'_>, Error> {
        let made = |step: usize| Ok(batch(step % BATCHES, &self.shape, &self.targets, self.weighted));
        Ok(Box::new((skipped..STEPS).map(made)))
    }
}

#[test]
fn fifty_steps_agree_with_keras() {
    let golden = golden();
    let mut wrong = Vec::new();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 100, "the fixture lacks cases");
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let (loss, weight) = differences(case);
        println!("| {name} | {loss:.1e} | {weight:.1e} |");
        if !(loss <= LOSS_CLOSE && weight <= WEIGHT_CLOSE) {
            wrong.push(format!("{name}: losses differ by {loss:.1e}, weights by {weight:.1e}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The largest differences of a case's losses and weights.
fn differences(case: &Value) -> (f64, f64) {
    let (network, mut layers) = description::network(&case["network"]);
    add_penalties(&mut layers, &case["layers"]);
    let mut options =
        TrainOptions::new(Optimizer::parse(&case["optimizer"]).unwrap(), Loss::parse(&case["loss"]).unwrap());
    options.layers = layers;
    options.frozen = strings(&case["frozen"]).into_iter().collect();
    let classes = case["class_weight"].as_object().unwrap();
    options.class_weights = classes.iter().map(|(k, v)| (k.parse().unwrap(), v.as_f64().unwrap())).collect();
    let mut batches = Cycle {
        shape: network.inputs()[0].shape.clone(),
        targets: case["targets"].as_str().unwrap().to_owned(),
        weighted: case["weighted"].as_bool().unwrap(),
    };
    let mut losses = Vec::new();
    let mut observe = |event: &Event<'_>| {
        if let Event::Step { loss, .. } = event {
            losses.push(*loss);
        }
    };
    let trained = fit(&with_weights(network), &options, &mut batches, None, &mut observe).unwrap();
    let expected = numbers(&case["losses"]);
    assert_eq!(losses.len(), expected.len());
    let loss = losses.iter().zip(&expected).map(|(found, expected)| relative(*found, *expected));
    (loss.fold(0.0, f64::max), weight_difference(&trained.network, &case["weights"]))
}

fn add_penalties(layers: &mut BTreeMap<String, LayerOptions>, given: &Value) {
    for (layer, kinds) in given.as_object().unwrap() {
        let options = layers.entry(layer.clone()).or_default();
        for (weight, regularizer) in kinds["regularizers"].as_object().into_iter().flatten() {
            options.regularizers.insert(weight.clone(), Regularizer::parse(regularizer).unwrap());
        }
        for (weight, constraint) in kinds["constraints"].as_object().into_iter().flatten() {
            options.constraints.insert(weight.clone(), Constraint::parse(constraint).unwrap());
        }
    }
}

/// The largest difference of norms and numbers, beside the weight's root mean square.
fn weight_difference(network: &Network, expected: &Value) -> f64 {
    let expected = expected.as_object().unwrap();
    assert_eq!(expected.len(), network.weights().len());
    let mut largest: f64 = 0.0;
    for (name, summary) in expected {
        let tensor = &network.weights()[name];
        let (norm, samples) = (summary[0].as_f64().unwrap(), &numbers(summary)[1..]);
        let found = tensor.data().iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        let scale = (norm / (tensor.data().len() as f64).sqrt()).max(1e-2);
        largest = largest.max((found - norm).abs() / norm.max(1e-2));
        let step = (tensor.data().len() / 5).max(1);
        for (found, expected) in tensor.data().iter().step_by(step).zip(samples) {
            largest = largest.max((f64::from(*found) - expected).abs() / scale);
        }
    }
    largest
}

#[test]
fn schedules_agree_with_keras() {
    let golden = golden();
    let steps = golden["rate_steps"].as_array().unwrap();
    for case in golden["schedules"].as_array().unwrap() {
        let config = json!({"name": "sgd", "learning_rate": case["schedule"]});
        let optimizer = Optimizer::parse(&config).unwrap();
        for (step, expected) in steps.iter().zip(numbers(&case["rates"])) {
            let found = optimizer.learning_rate().at(step.as_u64().unwrap());
            // Keras computes in 32 bits, where a cosine of nearly pi cancels.
            assert!(
                (found - expected).abs() <= CLOSE * 0.1,
                "{case}, step {step}: {found} is not {expected}"
            );
        }
    }
}

#[test]
fn metrics_agree_with_keras() {
    for case in golden()["metrics"].as_array().unwrap() {
        let targets = case["targets"].as_str().unwrap();
        let loss = match targets {
            "classes" => "sparse_categorical_crossentropy",
            _ => "categorical_crossentropy",
        };
        let (mut options, network) = small(loss);
        let metrics = case["metrics"].as_array().unwrap();
        options.metrics = metrics.iter().map(|metric| Metric::parse(metric).unwrap()).collect();
        let mut samples = samples(0..BATCHES, targets);
        let found = evaluate(&network, &options, &mut samples).unwrap();
        assert!(relative(found["loss"], case["loss"].as_f64().unwrap()) <= CLOSE, "{targets}: loss");
        for (metric, expected) in options.metrics.iter().zip(numbers(&case["values"])) {
            let found = found[metric.name()];
            assert!(relative(found, expected) <= CLOSE, "{}: {found} is not {expected}", metric.name());
        }
    }
}

#[test]
fn callbacks_agree_with_keras() {
    for case in golden()["callbacks"].as_array().unwrap() {
        let (mut options, network) = small("sparse_categorical_crossentropy");
        let optimizer = json!({"name": "sgd", "learning_rate": case["learning_rate"]});
        options.optimizer = Optimizer::parse(&optimizer).unwrap();
        options.metrics = vec![Metric::parse(&"accuracy".into()).unwrap()];
        options.epochs = 25;
        match case["callback"].as_str().unwrap() {
            "EarlyStopping" => {
                options.early_stopping = Some(EarlyStopping::parse(&case["settings"]).unwrap())
            }
            _ => options.reduce_on_plateau = Some(ReduceOnPlateau::parse(&case["settings"]).unwrap()),
        }
        let (mut train, mut validation) = (samples(0..3, "classes"), samples(3..BATCHES, "classes"));
        let trained = fit(&network, &options, &mut train, Some(&mut validation), &mut |_| {}).unwrap();
        let rates = numbers(&case["rates"]);
        assert_eq!(trained.history.len(), rates.len(), "{case}");
        for (epoch, rate) in trained.history.iter().zip(rates) {
            assert!(relative(epoch.learning_rate, rate) <= CLOSE, "{}: epoch {epoch:?}", case["settings"]);
        }
        for (name, expected) in case["values"].as_object().unwrap() {
            for (epoch, expected) in trained.history.iter().zip(numbers(expected)) {
                assert!(relative(epoch.values[name], expected) <= LOSS_CLOSE, "{name}: {epoch:?}");
            }
        }
        assert!(
            weight_difference(&trained.network, &case["weights"]) <= WEIGHT_CLOSE,
            "{}",
            case["settings"]
        );
    }
}

/// The network of most cases, and how it is trained by default.
pub(crate) fn small(loss: &str) -> (TrainOptions, Network) {
    let description = json!([
        [6],
        ["hidden", "Dense", {"units": 8, "activation": "tanh"}],
        ["out", "Dense", {"units": 3, "activation": "softmax"}]
    ]);
    let sgd = Optimizer::parse(&"sgd".into()).unwrap();
    let options = TrainOptions::new(sgd, Loss::parse(&loss.into()).unwrap());
    (options, with_weights(description::network(&description).0))
}

/// Batches one after the other.
pub(crate) fn samples(numbers: std::ops::Range<usize>, targets: &str) -> Samples {
    let batches: Vec<Batch> = numbers.map(|i| batch(i, &[6], targets, false)).collect();
    let joined = |part: &dyn Fn(&Batch) -> &Tensor| {
        let values = batches.iter().flat_map(|batch| part(batch).data()).copied().collect();
        let mut shape = part(&batches[0]).shape().to_vec();
        shape[0] *= batches.len();
        Tensor::new(shape, values).unwrap()
    };
    let targets = joined(&|batch| &batch.targets);
    Samples::new(vec![joined(&|batch| &batch.inputs[0])], targets, SAMPLES).unwrap()
}

fn relative(found: f64, expected: f64) -> f64 {
    (found - expected).abs() / expected.abs().max(1e-6)
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
