//! Where a network is cut in what stays and what learns.

use emberline_net::{Activation, Dense, Layer, Network, NetworkBuilder};
use emberline_train::{FrozenTrunk, Loss, Optimizer, TrainOptions, initialized};

/// Layer `a`, which `b` and `add` take, and `out` behind them; `first` stands in front of `a`.
fn network(first: Layer) -> Network {
    let mut layers = NetworkBuilder::new("net");
    let input = layers.input("input", [4]);
    let first = layers.apply("first", first, input);
    let a = layers.apply("a", Dense::new(3), first);
    let relu = layers.apply("relu", Activation::Relu, a);
    let b = layers.apply("b", Dense::new(3), relu);
    let add = layers.merge("add", Layer::Add, &[relu, b]);
    let out = layers.apply("out", Dense::new(1), add);
    initialized(layers.build(&[out]).unwrap(), 1, &Default::default()).unwrap()
}

/// The layers of both parts when training begins at a layer.
fn parts(network: &Network, first: &str) -> Option<[Vec<String>; 2]> {
    let loss = Loss::parse(&"mse".into()).unwrap();
    let mut options = TrainOptions::new(Optimizer::parse(&"sgd".into()).unwrap(), loss);
    options.freeze_until = Some(first.to_owned());
    let parts = FrozenTrunk::of(network, &options).unwrap()?;
    assert_eq!(parts.options.freeze_until, None);
    Some([&parts.trunk, &parts.head].map(|part| part.layer_names().map(str::to_owned).collect()))
}

#[test]
fn a_network_is_cut_at_the_last_value_that_all_the_rest_depends_on() {
    let scaled = network(Activation::Relu.into());
    let names = |names: [&[&str]; 2]| Some(names.map(|names| names.iter().map(|n| n.to_string()).collect()));
    assert_eq!(parts(&scaled, "b"), names([&["first", "a", "relu"], &["b", "add", "out"]]));
    assert_eq!(parts(&scaled, "out"), names([&["first", "a", "relu", "b", "add"], &["out"]]));
    // No layer with weights stays, and values are others in every step.
    assert_eq!(parts(&scaled, "a"), None);
    assert_eq!(parts(&network(Layer::Dropout { rate: 0.5 }), "b"), None);
}

#[test]
fn weights_on_both_sides_keep_a_network_whole() {
    let mut layers = NetworkBuilder::new("shared");
    let input = layers.input("input", [3]);
    let a = layers.apply("a", Dense::new(3), input);
    let mid = layers.apply("mid", Dense::new(3), a);
    let again = layers.apply_again("again", a, &[mid]);
    let out = layers.apply("out", Dense::new(3), again);
    let shared = initialized(layers.build(&[out]).unwrap(), 1, &Default::default()).unwrap();
    assert_eq!(parts(&shared, "mid"), None);
    assert_eq!(parts(&shared, "out").unwrap()[0], ["a", "mid", "again"]);
}

#[test]
fn a_frozen_branch_beside_one_that_learns_stays_in_the_head() {
    let mut layers = NetworkBuilder::new("branches");
    let input = layers.input("input", [4]);
    let body = layers.apply("body", Dense::new(3), input);
    let left = layers.apply("left", Dense::new(2), body);
    let right = layers.apply("right", Dense::new(2), body);
    let add = layers.merge("add", Layer::Add, &[left, right]);
    let branches = initialized(layers.build(&[add]).unwrap(), 1, &Default::default()).unwrap();
    let [trunk, head] = parts(&branches, "right").unwrap();
    assert_eq!(
        (trunk, head),
        (vec!["body".to_owned()], ["left", "right", "add"].map(str::to_owned).to_vec())
    );
}
