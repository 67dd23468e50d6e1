//! A whole network against PyTorch: weights from its file, outputs as it computed them (`tools/goldens/net.py`).

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use emberline_net::{
    Activation, BatchNormalization, Conv, Dense, DepthwiseConv, GlobalPooling, Layer, Network,
    NetworkBuilder, OnnxOptions, Padding, PrepareOptions, Tensor, WindowPooling,
    pth::{Limits, parse_state_dict},
};

use crate::{Tolerance, runtimes};

fn block() -> Result<Network> {
    let norm = || BatchNormalization::new(1e-5);
    let mut layers = NetworkBuilder::new("block");
    let image = layers.input("image", [17, 13, 3]);
    let stem = Conv::new_2d(8, 3).strides(2).padding(Padding::symmetric(1)).without_bias();
    let stem = layers.apply("stem", stem, image);
    let stem = layers.apply("stem_bn", norm(), stem);
    let stem = layers.apply("stem_relu", Activation::Relu6, stem);
    let expand = layers.apply("expand", Conv::new_2d(16, 1).without_bias(), stem);
    let expand = layers.apply("expand_bn", norm(), expand);
    let expand = layers.apply("expand_swish", Activation::Swish, expand);
    let wise = DepthwiseConv::new_2d(5).padding(Padding::symmetric(2)).without_bias();
    let wise = layers.apply("depthwise", wise, expand);
    let wise = layers.apply("depthwise_bn", norm(), wise);
    let wise = layers.apply("depthwise_swish", Activation::HardSwish, wise);
    let mean = Layer::GlobalAveragePooling(GlobalPooling { keepdims: true, ..Default::default() });
    let gate = layers.apply("mean", mean, wise);
    let gate = layers.apply("squeeze", Conv::new_2d(4, 1).activation(Activation::Relu), gate);
    let gate = layers.apply("excite", Conv::new_2d(16, 1).activation(Activation::Sigmoid), gate);
    let gated = layers.merge("gated", Layer::Multiply, &[wise, gate]);
    let project = layers.apply("project", Conv::new_2d(8, 1).without_bias(), gated);
    let project = layers.apply("project_bn", norm(), project);
    let sum = layers.merge("sum", Layer::Add, &[stem, project]);
    let pooling = WindowPooling::new_2d(3).strides(2).padding(Padding::symmetric(1));
    let pool = layers.apply("pool", Layer::MaxPooling(pooling), sum);
    let mean = layers.apply("features", Layer::GlobalAveragePooling(GlobalPooling::default()), pool);
    let scores = layers.apply("classifier", Dense::new(5).activation(Activation::Softmax), mean);
    Ok(layers.build(&[scores])?)
}

/// PyTorch's name and axes of one of our weights.
fn from_pytorch(name: &str, state: &BTreeMap<String, Tensor>) -> Result<Tensor> {
    let (layer, weight) = name.split_once('/').context("no layer")?;
    let (theirs, axes): (_, &[usize]) = match weight {
        "kernel" if layer == "depthwise" => ("weight", &[2, 3, 0, 1]),
        "kernel" if layer == "classifier" => ("weight", &[1, 0]),
        "kernel" => ("weight", &[2, 3, 1, 0]),
        "gamma" => ("weight", &[0]),
        "bias" | "beta" => ("bias", &[0]),
        "moving_mean" => ("running_mean", &[0]),
        _ => ("running_var", &[0]),
    };
    Ok(state.get(&format!("{layer}.{theirs}")).context("not in the file")?.permuted(axes)?)
}

#[test]
fn a_network_equals_pytorchs() -> Result<()> {
    let state = parse_state_dict(include_bytes!("../fixtures/block.pth"), &Limits::default())?;
    let case = parse_state_dict(include_bytes!("../fixtures/block_io.pth"), &Limits::default())?;
    let network = block()?;
    let weights = network.weight_shapes().into_keys();
    let weights =
        weights.map(|name| Ok((name.clone(), from_pytorch(&name, &state)?))).collect::<Result<_>>()?;
    let network = network.with_weights(weights)?;
    let images = case["input"].permuted(&[0, 2, 3, 1])?;
    for network in [&network, &network.fold_batch_norms()?] {
        let onnx = network.to_onnx(&OnnxOptions::default())?;
        for runtime in runtimes()? {
            let found = runtime.prepare(&onnx, &PrepareOptions::default())?.run(&[images.view()])?;
            Tolerance::Close.check(runtime.name(), &found[0], &case["output"])?;
        }
    }
    Ok(())
}
