//! Wrong settings: errors that name the parameter, what was expected and what was found, before anything moves.

use std::collections::BTreeMap;

use emberline_net::Tensor;
use emberline_train::{
    Constraint, Device, EarlyStopping, Error, Initializer, LayerOptions, Loss, Metric, Optimizer,
    ReduceOnPlateau, Regularizer, Samples, TrainOptions, copy_weights, fit, initialized,
};
use serde_json::{Value, json};

use crate::keras::{samples, small};

fn message<T>(result: Result<T, Error>) -> String {
    result.err().expect("must be refused").to_string()
}

#[test]
fn configurations_are_refused_by_name() {
    let optimizer = |value: Value| message(Optimizer::parse(&value));
    let loss = |value: Value| message(Loss::parse(&value));
    for (found, expected) in [
        (
            optimizer(json!("adamm")),
            "optimizer `adamm`: there is no such name; there are SGD, RMSprop, Adam,",
        ),
        (
            optimizer(json!(3)),
            "optimizer: expected a name, or an object with `class_name` or `name`, found 3",
        ),
        (
            optimizer(json!({"name": "adam", "beta1": 0.9})),
            "optimizer `adam`: there is no parameter `beta1`; there are amsgrad, beta_1, beta_2,",
        ),
        (
            optimizer(json!({"name": "adam", "beta_1": 1.5})),
            "optimizer `adam`: parameter `beta_1`: expected a number in [0, 1], found 1.5",
        ),
        (
            optimizer(json!({"name": "sgd", "learning_rate": "fast"})),
            "optimizer `sgd`: parameter `learning_rate`: expected a number or a schedule's configuration, found \"fast\"",
        ),
        (
            optimizer(json!({"name": "sgd", "learning_rate": -1})),
            "optimizer `sgd`: parameter `learning_rate`: expected a number of at least 0 or a schedule, found -1",
        ),
        (
            optimizer(json!({"name": "sgd", "clipnorm": 1, "clipvalue": 1})),
            "optimizer `sgd`: parameters `clipnorm` and `clipvalue`: expected one of them, found both",
        ),
        (
            optimizer(json!({"name": "sgd", "nesterov": 1})),
            "optimizer `sgd`: parameter `nesterov`: expected true or false, found 1",
        ),
        (
            optimizer(json!({"name": "sgd", "gradient_accumulation_steps": 1})),
            "parameter `gradient_accumulation_steps`: expected a whole number of at least 2, found 1",
        ),
        (
            optimizer(
                json!({"name": "sgd", "learning_rate": {"class_name": "CosineDecay", "config": {"decay_steps": 3}}}),
            ),
            "learning rate `CosineDecay`: parameter `initial_learning_rate` is missing, expected a number",
        ),
        (
            optimizer(
                json!({"name": "sgd", "learning_rate": {"name": "PiecewiseConstantDecay", "boundaries": [1], "values": [1]}}),
            ),
            "parameter `values`: expected one more than the 1 boundaries, found 1",
        ),
        (
            loss(json!("crossentropy")),
            "loss `crossentropy`: there is no such name; there are CategoricalCrossentropy,",
        ),
        (
            loss(json!({"name": "mse", "reduction": "none"})),
            "loss `mse`: parameter `reduction`: expected one of sum_over_batch_size, mean,",
        ),
        (
            loss(json!({"class_name": "CategoricalCrossentropy", "config": {"axis": 1}})),
            "parameter `axis`: expected -1, the only one there is here, found 1",
        ),
        (
            message(Metric::parse(&json!("speed"))),
            "metric `speed`: there is no such name; there are accuracy,",
        ),
        (
            message(Metric::parse(&json!({"name": "auc", "curve": "PR"}))),
            "metric `auc`: parameter `curve`: expected \"ROC\", the only one there is here, found \"PR\"",
        ),
        (
            message(Regularizer::parse(&json!({"name": "l2", "l2": -1}))),
            "regularizer `l2`: parameter `l2`: expected a number of at least 0, found -1",
        ),
        (
            message(Constraint::parse(&json!("tight"))),
            "constraint `tight`: there is no such name; there are MaxNorm,",
        ),
        (
            message(Initializer::parse(&json!({"name": "he_normal", "stddev": 1}))),
            "initializer `he_normal`: there is no parameter `stddev`",
        ),
        (
            message(EarlyStopping::parse(&json!({"patience": 1.5}))),
            "callback `EarlyStopping`: parameter `patience`: expected a whole number of at least 0, found 1.5",
        ),
        (
            message(ReduceOnPlateau::parse(&json!({"factor": 2}))),
            "callback `ReduceLROnPlateau`: parameter `factor`: expected a number in [0, ",
        ),
        (message(Device::parse("cpu:1")), "device: expected `cpu`, found `cpu:1`"),
    ] {
        assert!(found.contains(expected), "expected {expected}\nfound    {found}");
    }
}

/// A change to options that is not allowed, and what the message has.
type Refused = (fn(&mut TrainOptions), &'static str);

#[test]
fn what_does_not_fit_the_network_is_refused() {
    let refused: [Refused; 9] = [
        (|options| options.freeze_until = Some("head".to_owned()), "network `described` has no layer `head`"),
        (|options| options.frozen.extend(["stem".to_owned()]), "has no layer `stem`"),
        (|options| options.frozen.extend(["hidden", "out"].map(str::to_owned)), "no weight is to be trained"),
        (
            |options| options.scale_learning_rate(["out"], f64::NAN),
            "`learning_rate_factor`: expected a number",
        ),
        (
            |options| {
                let layer = options.layers.entry("out".to_owned()).or_default();
                layer.constraints.insert("gamma".to_owned(), Constraint::NonNeg);
            },
            "layer `out`: there is no weight `gamma`",
        ),
        (
            |options| {
                let layer = options.layers.entry("out".to_owned()).or_default();
                layer.constraints.insert("bias".to_owned(), Constraint::UnitNorm { axes: vec![1] });
            },
            "expected axes of weight `out/bias` of shape [3], found [1]",
        ),
        (
            |options| options.early_stopping = Some(EarlyStopping::parse(&json!({})).unwrap()),
            "parameter `monitor`: expected one of loss, found `val_loss`",
        ),
        (
            |options| {
                options.reduce_on_plateau =
                    Some(ReduceOnPlateau::parse(&json!({"monitor": "loss"})).unwrap());
                let schedule = json!({"name": "ExponentialDecay", "initial_learning_rate": 1, "decay_steps": 1, "decay_rate": 1});
                options.optimizer =
                    Optimizer::parse(&json!({"name": "sgd", "learning_rate": schedule})).unwrap();
            },
            "expected a learning rate that is a number, found a schedule",
        ),
        (|options| options.loss = Loss::parse(&"mse".into()).unwrap(), "targets: expected shape [batch, 3]"),
    ];
    for (change, expected) in refused {
        let (mut options, network) = small("sparse_categorical_crossentropy");
        change(&mut options);
        let found = message(fit(&network, &options, &mut samples(0..2, "classes"), None, &mut |_| {}));
        assert!(found.contains(expected), "expected {expected}\nfound    {found}");
    }
}

#[test]
fn data_that_does_not_fit_is_refused() {
    let (options, network) = small("sparse_categorical_crossentropy");
    let fitted = |inputs: Vec<usize>, labels: Vec<f32>| {
        let inputs = Tensor::zeros(inputs).unwrap();
        let targets = Tensor::new(vec![labels.len()], labels).unwrap();
        let mut samples = Samples::new(vec![inputs], targets, 2)?;
        fit(&network, &options, &mut samples, None, &mut |_| {})
    };
    for (found, expected) in [
        (message(fitted(vec![2, 5], vec![0., 1.])), "input `input`: expected shape [2, 6], found [2, 5]"),
        (
            message(fitted(vec![2, 6], vec![0., 3.])),
            "target of sample 1: expected a class from 0 to 2, found 3",
        ),
        (message(fitted(vec![2, 6], vec![0., 0.5])), "expected a class from 0 to 2, found 0.5"),
        (message(fitted(vec![2, 6], vec![0., f32::NAN])), "expected a class from 0 to 2, found NaN"),
        (
            message(fitted(vec![3, 6], vec![0., 1.])),
            "expected as many inputs as targets, found shapes [3, 6] and [2]",
        ),
        (message(fitted(vec![0, 6], vec![])), "epoch 1: expected at least one batch, found none"),
    ] {
        assert!(found.contains(expected), "expected {expected}\nfound    {found}");
    }
}

#[test]
fn weights_that_do_not_fit_say_both_shapes() {
    let (_, network) = small("mse");
    let copied = message(copy_weights(network.clone(), &[("hidden", &network, "out")]));
    assert_eq!(
        copied,
        "network `described`, layer `hidden`: weight `bias` has shape [8], but in layer `out` of `described` it has shape [3]"
    );
    let missing = message(copy_weights(network.clone(), &[("hidden", &network, "stem")]));
    assert!(missing.contains("layer `stem` of `described` is not there"), "{missing}");
    let orthogonal = BTreeMap::from([("hidden/bias".to_owned(), Initializer::Orthogonal { gain: 1.0 })]);
    let found = message(initialized(network.clone(), 1, &orthogonal));
    assert!(
        found.contains("expected a weight of at least two axes, found `hidden/bias` of shape [8]"),
        "{found}"
    );
    let unknown = BTreeMap::from([("hidden/gamma".to_owned(), Initializer::Constant(1.0))]);
    assert!(message(initialized(network, 1, &unknown)).contains("has no weight `hidden/gamma`"));
}

#[test]
fn a_layer_has_defaults() {
    let LayerOptions { learning_rate_factor, .. } = LayerOptions::default();
    assert_eq!(learning_rate_factor, 1.0);
}
