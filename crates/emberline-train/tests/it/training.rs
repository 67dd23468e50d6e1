//! What training does beside Keras' numbers: layers that stay, layers that learn slower, losses that are no numbers, first weights.

use std::collections::BTreeMap;

use emberline_net::{
    Activation, BatchNormalization, Conv, Cropping, Dense, DepthwiseConv, Embedding, GlobalPooling, Layer,
    MultiHeadAttention, Network, NetworkBuilder, Node, Padding, PrepareOptions, Runtime, Tensor,
    TractRuntime, UpSampling, WindowPooling, ZeroPadding,
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
    assert_same(&network, picture(&[9, 7, 3]));
}

#[test]
fn training_and_the_runtimes_compute_the_same_layers_over_one_to_three_axes() {
    for shape in [vec![9, 4], vec![9, 7, 4], vec![5, 6, 7, 4]] {
        let axes = shape.len() - 1;
        let pooling =
            |strides: usize| WindowPooling::new(vec![3; axes]).strides(strides).padding(Padding::Same);
        let global = GlobalPooling { dimensions: axes, keepdims: false };
        let mut layers = NetworkBuilder::new("axes");
        let mut value = layers.input("input", shape.clone());
        for (name, layer) in [
            ("conv", Conv::new(6, vec![2; axes]).strides(2).padding(Padding::Same).into()),
            ("pad", ZeroPadding { pads: vec![(1, 2); axes] }.into()),
            ("crop", Cropping { crops: vec![(0, 1); axes] }.into()),
            ("up", UpSampling { size: vec![2; axes], interpolation: Default::default() }.into()),
            ("max", Layer::MaxPooling(pooling(2))),
            ("selu", Activation::Selu.into()),
            ("average", Layer::AveragePooling(pooling(1))),
            ("mean", Layer::GlobalAveragePooling(global)),
        ] {
            value = layers.apply(name, layer, value);
        }
        assert_same(&with_weights(layers.build(&[value]).unwrap()), picture(&shape));
    }
}

#[test]
fn training_and_the_runtimes_compute_the_same_sequences() {
    let mut layers = NetworkBuilder::new("sequences");
    let input = layers.input("input", [8, 4]);
    let causal = layers.apply("causal", Conv::new(4, vec![3]).padding(Padding::Causal), input);
    let depth = layers.apply("depth", DepthwiseConv::new(vec![2]).padding(Padding::Same), causal);
    let swapped = layers.apply("swapped", Layer::Permute { axes: vec![1, 0] }, depth);
    let back = layers.apply("back", Layer::Permute { axes: vec![1, 0] }, swapped);
    let mean = layers.apply(
        "mean",
        Layer::GlobalAveragePooling(GlobalPooling { dimensions: 1, keepdims: false }),
        back,
    );
    let repeated = layers.apply("repeated", Layer::RepeatVector { count: 3 }, mean);
    let joined = layers.merge("joined", Layer::Concatenate { axis: 1 }, &[back, repeated]);
    let attention = MultiHeadAttention {
        key_value_heads: 2,
        value_dim: 2,
        causal: true,
        ..MultiHeadAttention::new(4, 3)
    };
    let attended = layers.merge("attended", attention, &[joined, back]);
    let mut value = attended;
    for (name, layer) in [
        ("difference", Layer::Subtract),
        ("average", Layer::Average),
        ("greatest", Layer::Maximum),
        ("least", Layer::Minimum),
    ] {
        value = layers.merge(name, layer, &[value, mean]);
    }
    assert_same(&with_weights(layers.build(&[value]).unwrap()), picture(&[8, 4]));
}

#[test]
fn weights_are_the_same_to_the_bit_with_any_number_of_threads() {
    let mut layers = NetworkBuilder::new("windows");
    let input = layers.input("input", [12, 10, 3]);
    let mut value = layers.apply("conv", Conv::new_2d(40, 3).activation(Activation::Relu), input);
    value = layers.apply("normal", BatchNormalization::new(1e-3), value);
    value = layers.apply("depthwise", DepthwiseConv::new_2d(3).strides(2), value);
    value = layers.apply("relu6", Activation::Relu6, value);
    value = layers.apply("pool", Layer::MaxPooling(WindowPooling::new_2d(2)), value);
    value = layers.apply("point", Conv::new_2d(24, 1), value);
    value = layers.apply("mean", Layer::GlobalAveragePooling(GlobalPooling::default()), value);
    let out = layers.apply("out", Dense::new(5).activation(Activation::Softmax), value);
    let network = initialized(layers.build(&[out]).unwrap(), 1, &Default::default()).unwrap();
    let options = TrainOptions::new(
        Optimizer::parse(&"adam".into()).unwrap(),
        Loss::parse(&"sparse_categorical_crossentropy".into()).unwrap(),
    );
    let pixels = (0..40 * 360).map(|i| (i % 251) as f32 / 251.0).collect();
    let images = Tensor::new(vec![40, 12, 10, 3], pixels).unwrap();
    let classes = Tensor::new(vec![40], (0..40).map(|i| (i % 5) as f32).collect()).unwrap();
    let weights = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut samples = Samples::new(vec![images.clone()], classes.clone(), 17).unwrap().shuffled(3);
        pool.install(|| fit(&network, &options, &mut samples, None, &mut |_| {})).unwrap().network
    };
    let one = weights(1);
    assert_ne!(one.weights()["conv/kernel"], network.weights()["conv/kernel"]);
    assert_eq!(one.weights(), weights(3).weights());
}

#[test]
fn rows_of_a_table_are_looked_up_and_learned() {
    let mut layers = NetworkBuilder::new("table");
    let words = layers.input("words", [3]);
    let rows = layers.apply("rows", Embedding { rows: 5, features: 2 }, words);
    let flat = layers.apply("flat", Layer::Flatten, rows);
    let out = layers.apply("out", Dense::new(1), flat);
    let network = with_weights(layers.build(&[out]).unwrap());
    let words = |numbers: [f32; 6]| Tensor::new(vec![2, 3], numbers.to_vec()).unwrap();
    assert_same(&network, words([0., 1., 2., 2., 4., 2.]));
    let sgd = Optimizer::parse(&json!({"name": "sgd", "learning_rate": 0.1})).unwrap();
    let options = TrainOptions::new(sgd, Loss::parse(&"mse".into()).unwrap());
    let fitted = |words: Tensor| {
        let targets = Tensor::new(vec![2, 1], vec![1., -1.]).unwrap();
        fit(&network, &options, &mut Samples::new(vec![words], targets, 2)?, None, &mut |_| {})
    };
    let trained = fitted(words([0., 1., 2., 2., 1., 2.])).unwrap().network;
    let [before, after] = [&network, &trained].map(|network| network.weights()["rows/embeddings"].clone());
    assert_ne!(before.data()[..6], after.data()[..6]);
    assert_eq!(before.data()[6..], after.data()[6..]);
    let error = fitted(words([0., 1., 2., 2., 5., 2.])).unwrap_err().to_string();
    assert!(error.contains("layer `rows`: expected numbers of rows from 0 to 4, found 5"), "{error}");
}

#[test]
fn layers_that_are_not_trainable_stay_and_shared_ones_train_once() {
    let mut layers = NetworkBuilder::new("shared");
    let input = layers.input("input", [6]);
    let first = layers.apply("first", Dense::new(6).activation(Activation::Tanh), input);
    let again = layers.apply_again("again", first, &[first]);
    let normal = layers.apply("normal", BatchNormalization::new(1e-3), again);
    let out = layers.apply("out", Dense::new(3), normal);
    let network = layers.build(&[out]).unwrap();
    let (options, _) = small("mse");
    let trained = |trainable: bool| {
        let of = |node: &Node| Node {
            trainable: trainable || !["again", "normal"].contains(&node.name.as_str()),
            ..node.clone()
        };
        let nodes = network.nodes().iter().map(of).collect();
        let outputs = network.outputs().to_vec();
        let network = Network::new("shared", network.inputs().to_vec(), nodes, outputs).unwrap();
        let network = with_weights(network);
        let trained = fit(&network, &options, &mut samples(0..3, "any"), None, &mut |_| {}).unwrap();
        let changed = |name: &str| trained.network.weights()[name] != network.weights()[name];
        ["first/kernel", "normal/gamma", "normal/moving_mean", "out/kernel"].map(changed)
    };
    assert_eq!(trained(true), [true; 4]);
    assert_eq!(trained(false), [false, false, false, true]);
    let mut options = options;
    options.scale_learning_rate(["again"], 0.5);
    let error =
        fit(&with_weights(network), &options, &mut samples(0..1, "any"), None, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("layer `again`: it is layer `first` applied again"), "{error}");
}

/// Between what training and a runtime compute, of values about 1 in size.
const TOLERANCE: f32 = 1e-5;

/// Two samples of a shape.
fn picture(shape: &[usize]) -> Tensor {
    let count = 2 * shape.iter().product::<usize>();
    let numbers = crate::formula::hashed("picture", count).into_iter().map(|u| u as f32).collect();
    Tensor::new([&[2], shape].concat(), numbers).unwrap()
}

fn assert_same(network: &Network, input: Tensor) {
    let onnx = network.to_onnx(&emberline_net::OnnxOptions::default()).unwrap();
    let prepared = TractRuntime.prepare(&onnx, &PrepareOptions::default()).unwrap();
    let expected = prepared.run(&[input.view()]).unwrap().remove(0);
    let found = predict(network, &[input], &Device::cpu()).unwrap();
    assert_eq!(found.shape(), expected.shape());
    for (found, expected) in found.data().iter().zip(expected.data()) {
        assert!((found - expected).abs() < TOLERANCE, "{found} is not {expected}");
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
