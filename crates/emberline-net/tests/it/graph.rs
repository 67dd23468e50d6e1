//! Graphs by themselves: what is refused, shapes, costs, cuts, digests.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use emberline_net::{
    Activation, Conv, Dense, DepthwiseConv, GlobalPooling, Layer, Network, NetworkBuilder, OnnxOptions,
    Padding, Pooling, Tensor, WindowPooling,
};

use crate::with_noise;

fn small() -> Result<Network> {
    let mut layers = NetworkBuilder::new("small");
    let image = layers.input("image", [32, 32, 3]);
    let conv = layers.apply("conv", Conv::new_2d(8, 3).strides(2).padding(Padding::Same), image);
    let relu = layers.apply("relu", Activation::Relu, conv);
    let wise = layers.apply("wise", DepthwiseConv::new_2d(3).padding(Padding::Same).without_bias(), relu);
    let pool = layers.apply("pool", Layer::GlobalAveragePooling(GlobalPooling::default()), wise);
    let scores = layers.apply("scores", Dense::new(10), pool);
    Ok(layers.build(&[scores])?)
}

/// The message of building a network of these layers over an image of 8x8x3.
fn refused(layer: impl Into<Layer>) -> Result<String> {
    let mut layers = NetworkBuilder::new("bad");
    let image = layers.input("image", [8, 8, 3]);
    let output = layers.apply("layer", layer, image);
    layers.build(&[output]).err().map(|error| error.to_string()).context("was not refused")
}

#[test]
fn bad_settings_are_named() -> Result<()> {
    let check = |layer: Layer, expected: &str| -> Result<()> {
        let message = refused(layer)?;
        ensure!(message == format!("network `bad`, layer `layer`: {expected}"), "{message}");
        Ok(())
    };
    check(
        Conv::new_2d(4, 9).into(),
        "a window of 9 along the height does not fit into 8, the input and its padding",
    )?;
    check(
        Conv::new_2d(4, 3).groups(2).into(),
        "3 input channels and 4 filters can't be split into 2 groups",
    )?;
    check(
        Conv::new_2d(4, 3).strides(0).into(),
        "window, stride and dilation along the height must be at least 1, found 3, 0 and 1",
    )?;
    check(
        Layer::MaxPooling(WindowPooling::new_2d(2).padding(Padding::symmetric(2))),
        "padding must be smaller than the pooling window [2, 2]",
    )?;
    check(Layer::Add, "takes at least two inputs, found 1")?;
    check(Layer::Dropout { rate: 1.0 }, "Dropout's rate must be in [0, 1), found 1")?;
    check(Conv::new_2d(0, 3).into(), "3 input channels and 0 filters can't be split into 1 groups")?;
    check(Dense::new(0).into(), "the output's shape [8, 8, 0] is empty or too large")?;
    check(
        Dense::new(usize::MAX).into(),
        &format!("the output's shape [8, 8, {}] is empty or too large", usize::MAX),
    )
}

#[test]
fn names_are_unique_and_known() -> Result<()> {
    let mut layers = NetworkBuilder::new("twice");
    let image = layers.input("image", [8]);
    let output = layers.apply("image", Activation::Relu, image);
    let error = layers.build(&[output]).err().map(|error| error.to_string());
    ensure!(error.as_deref() == Some("network `twice`, layer `image`: the name is given twice"), "{error:?}");
    let error = small()?.cut("nothing").err().map(|error| error.to_string());
    let expected =
        "network `small`: has no layer `nothing`; its last layers are conv, relu, wise, pool, scores";
    ensure!(error.as_deref() == Some(expected), "{error:?}");
    Ok(())
}

#[test]
fn shapes_and_costs() -> Result<()> {
    let network = small()?;
    ensure!(network.shapes()["conv"] == [16, 16, 8] && network.output_shapes() == [[10]]);
    let layers = network.summary();
    ensure!((layers[0].kind, layers[0].shape.as_slice()) == ("Conv2D", &[16, 16, 8][..]), "{layers:?}");
    let costs: Vec<(u64, u64)> = layers.iter().map(|layer| (layer.multiply_adds, layer.parameters)).collect();
    let conv = (16 * 16 * 8 * 27, 27 * 8 + 8);
    let wise = (16 * 16 * 8 * 9, 9 * 8);
    ensure!(costs == [conv, (0, 0), wise, (0, 0), (80, 90)], "{costs:?}");
    Ok(())
}

#[test]
fn a_cut_keeps_what_it_needs() -> Result<()> {
    let network = with_noise(small()?)?;
    let cut = network.cut("wise")?;
    ensure!(cut.layer_names().collect::<Vec<_>>() == ["conv", "relu", "wise"]);
    ensure!(cut.weights().keys().eq(["conv/bias", "conv/kernel", "wise/kernel"]));
    ensure!(cut.has_weights() && cut.output_shapes() == [[16, 16, 8]]);
    let pooled = |pooling| Ok::<_, anyhow::Error>(cut.pooled(pooling)?.output_shapes()[0].to_vec());
    ensure!(pooled(Pooling::Avg)? == [8] && pooled(Pooling::Max)? == [8]);
    ensure!(pooled(Pooling::Flatten)? == [2048] && pooled(Pooling::None)? == [16, 16, 8]);
    ensure!(cut.pooled(Pooling::Max)?.outputs() == ["wise_max"]);
    Ok(())
}

#[test]
fn weights_are_complete_and_fit() -> Result<()> {
    let bare = small()?;
    ensure!(!bare.has_weights() && bare.to_onnx(&OnnxOptions::default()).is_err());
    let full: BTreeMap<String, Tensor> = bare
        .weight_shapes()
        .into_iter()
        .map(|(name, shape)| Ok((name, Tensor::zeros(shape)?)))
        .collect::<Result<_, emberline_net::Error>>()?;
    let check = |change: &dyn Fn(&mut BTreeMap<String, Tensor>), expected: &str| -> Result<()> {
        let mut weights = full.clone();
        change(&mut weights);
        let message = bare.clone().with_weights(weights).err().map(|error| error.to_string());
        ensure!(message.as_deref() == Some(expected), "{message:?}");
        Ok(())
    };
    check(
        &|weights| drop(weights.remove("conv/bias")),
        "network `small`, weight `conv/bias`: is missing, expected shape [8]",
    )?;
    check(
        &|weights| drop(weights.insert("conv/bias".into(), full["scores/bias"].clone())),
        "network `small`, weight `conv/bias`: expected shape [8], found [10]",
    )?;
    check(
        &|weights| drop(weights.insert("other/bias".into(), full["conv/bias"].clone())),
        "network `small`, weight `other/bias`: no layer has a weight of this name",
    )
}

#[test]
fn digests_tell_weights_apart() -> Result<()> {
    let network = with_noise(small()?)?;
    ensure!(network.weights_digest() == with_noise(small()?)?.weights_digest());
    ensure!(network.cut("wise")?.weights_digest() != network.weights_digest());
    Ok(())
}

#[test]
fn layers_share_weights_only_with_their_equals() -> Result<()> {
    let build = |units: usize, width: usize| {
        let mut layers = NetworkBuilder::new("twice");
        let (first, second) = (layers.input("first", [4]), layers.input("second", [width]));
        let dense = layers.apply("dense", Dense::new(3), first);
        let again = layers.apply_again("again", dense, &[second]);
        let sum = layers.merge("sum", Layer::Add, &[dense, again]);
        let network = layers.build(&[sum])?;
        let mut nodes = network.nodes().to_vec();
        nodes[1].layer = Dense::new(units).into();
        Network::new("twice", network.inputs().to_vec(), nodes, network.outputs().to_vec())
    };
    let network = with_noise(build(3, 4)?)?;
    ensure!(network.weights().keys().eq(["dense/bias", "dense/kernel"]), "{:?}", network.weights().keys());
    let alone = with_noise(network.cut("dense")?)?.to_onnx(&OnnxOptions::default())?.len();
    let both = network.to_onnx(&OnnxOptions::default())?.len();
    ensure!(both < alone + 200, "{both} bytes for two layers, {alone} for one");
    let message = build(3, 5).err().context("was built")?.to_string();
    let expected = "layer `again`: it uses the weights `dense` of layer `dense`, which has other settings or weights of other shapes";
    ensure!(message.contains(expected), "{message}");
    Ok(())
}

/// Volumes go through layers and out again with their axes in place.
#[test]
fn inputs_have_up_to_four_axes() -> Result<()> {
    let mut layers = NetworkBuilder::new("volume");
    let volume = layers.input("volume", [2, 3, 4, 5]);
    let turned = layers.apply("turned", Layer::Permute { axes: vec![3, 0, 2, 1] }, volume);
    let network = layers.build(&[turned])?;
    let input = crate::noise(&[2, 2, 3, 4, 5], 3)?;
    let expected = input.permuted(&[0, 4, 1, 3, 2])?;
    for runtime in crate::runtimes()? {
        let prepared = runtime
            .prepare(&network.to_onnx(&OnnxOptions::default())?, &emberline_net::PrepareOptions::default())?;
        crate::Tolerance::Exact.check(runtime.name(), &prepared.run(&[input.view()])?[0], &expected)?;
    }
    let mut layers = NetworkBuilder::new("more");
    let input = layers.input("more", [1, 2, 3, 4, 5]);
    ensure!(layers.build(&[input]).is_err());
    Ok(())
}
