//! What training does beside Keras' numbers: layers that stay, layers that learn slower, losses that are no numbers, first weights.

use std::collections::BTreeMap;

use emberline_net::{
    Activation, Dense, Layer, NetworkBuilder, PrepareOptions, Runtime, Tensor, TractRuntime,
};
use emberline_train::{
    Device, Error, Event, Initializer, Loss, Optimizer, Samples, TrainOptions, fit, initialized, predict,
};
use serde_json::json;

use crate::{
    description,
    formula::with_weights,
    keras::{samples, small},
};

#[test]
fn layers_before_the_first_that_trains_stay_as_they_are() {
    let (mut options, network) = small("sparse_categorical_crossentropy");
    options.freeze_until = Some("out".to_owned());
    let trained = fit(&network, &options, &mut samples(0..3, "classes"), None, &mut |_| {}).unwrap();
    for weight in ["kernel", "bias"] {
        let [hidden, out] = ["hidden", "out"].map(|layer| format!("{layer}/{weight}"));
        assert_eq!(trained.network.weights()[&hidden], network.weights()[&hidden]);
        assert_ne!(trained.network.weights()[&out], network.weights()[&out]);
    }
}

#[test]
fn a_layer_with_a_tenth_of_the_learning_rate_takes_a_tenth_of_the_step() {
    let (mut options, network) = small("sparse_categorical_crossentropy");
    let change = |options: &TrainOptions| {
        let trained = fit(&network, options, &mut samples(0..1, "classes"), None, &mut |_| {}).unwrap();
        let [before, after] =
            [&network, &trained.network].map(|network| network.weights()["hidden/kernel"].data()[0]);
        after - before
    };
    let whole = change(&options);
    options.scale_learning_rate(["hidden"], 0.1);
    assert!((change(&options) / whole - 0.1).abs() < 1e-3);
}

#[test]
fn a_loss_that_is_no_number_names_where_it_happened() {
    let (mut options, network) = small("mse");
    options.optimizer = Optimizer::parse(&json!({"name": "sgd", "learning_rate": 1e30})).unwrap();
    let mut layers = NetworkBuilder::new("linear");
    let input = layers.input("input", [6]);
    let out = layers.apply("out", Dense::new(3), input);
    let linear = with_weights(layers.build(&[out]).unwrap());
    let error = fit(&linear, &options, &mut samples(0..5, "any"), None, &mut |_| {}).unwrap_err();
    let Error::Diverged { epoch: 1, step, learning_rate: 1e30, .. } = error else { panic!("{error}") };
    assert!((2..=3).contains(&step));
    assert!(
        error
            .to_string()
            .contains("with the learning rate 1000000000000000000000000000000: training has diverged")
    );
    drop(network);
}

#[test]
fn outputs_of_a_half_are_followed_to_their_target() {
    let mut layers = NetworkBuilder::new("undecided");
    let input = layers.input("input", [6]);
    let out = layers.apply("out", Dense::new(1).activation(Activation::Sigmoid), input);
    let constant = |name: &str| (format!("out/{name}"), Initializer::Constant(0.0));
    let zeros = BTreeMap::from(["kernel", "bias"].map(constant));
    let network = initialized(layers.build(&[out]).unwrap(), 1, &zeros).unwrap();
    let sgd = Optimizer::parse(&json!({"name": "sgd", "learning_rate": 1})).unwrap();
    let options = TrainOptions::new(sgd, Loss::parse(&"binary_crossentropy".into()).unwrap());
    for (target, expected) in [(0.0, -0.5), (1.0, 0.5)] {
        let inputs = Tensor::zeros(vec![2, 6]).unwrap();
        let targets = Tensor::new(vec![2, 1], vec![target; 2]).unwrap();
        let mut samples = Samples::new(vec![inputs], targets, 2).unwrap();
        let trained = fit(&network, &options, &mut samples, None, &mut |_| {}).unwrap();
        assert_eq!(trained.network.weights()["out/bias"].data(), [expected]);
    }
}

#[test]
fn dropped_values_are_those_of_the_seed() {
    let mut layers = NetworkBuilder::new("dropped");
    let input = layers.input("input", [6]);
    let drop = layers.apply("drop", Layer::Dropout { rate: 0.5 }, input);
    let out = layers.apply("out", Dense::new(3), drop);
    let network = with_weights(layers.build(&[out]).unwrap());
    let trained = |seed: u64| {
        let mut options =
            TrainOptions::new(Optimizer::parse(&"adam".into()).unwrap(), Loss::parse(&"mse".into()).unwrap());
        options.seed = seed;
        let mut losses = Vec::new();
        let mut observe = |event: &Event<'_>| {
            if let Event::Step { loss, .. } = event {
                losses.push(*loss);
            }
        };
        fit(&network, &options, &mut samples(0..5, "any"), None, &mut observe).unwrap();
        losses
    };
    assert_eq!(trained(1), trained(1));
    assert_ne!(trained(1), trained(2));
}

#[test]
fn training_and_the_runtimes_compute_the_same_network() {
    let network = with_weights(
        description::network(&json!([
            [9, 7, 3],
            ["conv", "Conv2D", {"filters": 6, "kernel_size": 3, "padding": "same", "strides": 2, "activation": "relu"}],
            ["bn", "BatchNormalization", {}],
            ["depth", "DepthwiseConv2D", {"kernel_size": 3, "padding": "same", "activation": "hard_swish"}],
            ["pool", "AveragePooling2D", {"pool_size": 2, "strides": 1, "padding": "same"}],
            ["mean", "GlobalAveragePooling2D", {}],
            ["out", "Dense", {"units": 3, "activation": "softmax"}]
        ]))
        .0,
    );
    let numbers = crate::formula::hashed("picture", 2 * 9 * 7 * 3).into_iter().map(|u| u as f32).collect();
    let input = Tensor::new(vec![2, 9, 7, 3], numbers).unwrap();
    let onnx = network.to_onnx(&emberline_net::OnnxOptions::default()).unwrap();
    let prepared = TractRuntime.prepare(&onnx, &PrepareOptions::default()).unwrap();
    let expected = prepared.run(&[input.view()]).unwrap().remove(0);
    let found = predict(&network, &[input], &Device::cpu()).unwrap();
    assert_eq!(found.shape(), expected.shape());
    for (found, expected) in found.data().iter().zip(expected.data()) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
}

#[test]
fn initializers_spread_numbers_as_keras_does() {
    // The deviation of every distribution for a kernel of 3 x 3 x 20 inputs and 40 outputs; limits follow from formulas.
    let shape = [3, 3, 20, 40];
    let (inputs, outputs) = (180.0_f64, 360.0);
    for (name, deviation) in [
        (json!("glorot_uniform"), (2.0 / (inputs + outputs)).sqrt()),
        (json!("glorot_normal"), (2.0 / (inputs + outputs)).sqrt()),
        (json!("he_uniform"), (2.0 / inputs).sqrt()),
        (json!("he_normal"), (2.0 / inputs).sqrt()),
        (json!("lecun_uniform"), (1.0 / inputs).sqrt()),
        (json!("lecun_normal"), (1.0 / inputs).sqrt()),
        (json!("random_normal"), 0.05),
        (json!({"class_name": "TruncatedNormal", "config": {"stddev": 0.1, "seed": null}}), 0.087_962_566),
        (json!("random_uniform"), 0.05 / 3.0_f64.sqrt()),
        (
            json!({"name": "variance_scaling", "scale": 3, "mode": "fan_out", "distribution": "untruncated_normal"}),
            (3.0 / outputs).sqrt(),
        ),
    ] {
        let tensor = Initializer::parse(&name).unwrap().tensor("conv/kernel", &shape, 1).unwrap();
        let squares = tensor.data().iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        let found = (squares / tensor.data().len() as f64).sqrt();
        // Of 7,200 numbers the deviation is known to about a hundredth.
        assert!((found / deviation - 1.0).abs() < 0.03, "{name}: {found} is not {deviation}");
    }
}

#[test]
fn orthogonal_matrices_are_orthogonal() {
    for shape in [[12, 5], [5, 12]] {
        let initializer = Initializer::parse(&json!({"name": "orthogonal", "gain": 2})).unwrap();
        let tensor = initializer.tensor("out/kernel", &shape, 1).unwrap();
        let (count, len) = (shape[0].min(shape[1]), shape[0].max(shape[1]));
        let at = |vector: usize, i: usize| {
            let (row, column) = if shape[0] < shape[1] { (vector, i) } else { (i, vector) };
            tensor.data()[row * shape[1] + column]
        };
        for (a, b) in (0..count).flat_map(|a| (0..count).map(move |b| (a, b))) {
            let product: f32 = (0..len).map(|i| at(a, i) * at(b, i)).sum();
            let expected = if a == b { 4.0 } else { 0.0 };
            assert!((product - expected).abs() < 1e-5, "{a} times {b} is {product}");
        }
    }
}

#[test]
fn first_weights_are_those_of_the_seed() {
    let (_, network) = small("mse");
    let of = |seed| initialized(network.clone(), seed, &BTreeMap::new()).unwrap().weights_digest();
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}
