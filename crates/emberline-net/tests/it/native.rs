//! Our own kernels: what they cover, what they refuse and why, and sizes that do not come out even.

use anyhow::{Context, Result, ensure};
use emberline_net::{
    Activation, BatchNormalization, Conv, DepthwiseConv, GlobalPooling, ImageLayout, Layer, NativeRuntime,
    Network, NetworkBuilder, OnnxModel, OnnxOptions, OnnxRuntime, Padding, PrepareOptions, Prepared, Runtime,
    Tensor, WindowPooling, ZeroPadding,
};

use crate::{Tolerance, mutate::mutate, noise, reference, with_noise};

const UNEVEN: Padding = Padding::Explicit { top: 0, bottom: 2, left: 2, right: 1 };

fn native() -> Result<NativeRuntime> {
    NativeRuntime::find().context("these tests need a processor with AVX2 and FMA")
}

fn onnx(network: &Network) -> Result<Vec<u8>> {
    Ok(network.to_onnx(&OnnxOptions { input_layout: ImageLayout::ChannelsFirst })?)
}

/// Compares a network over images of this shape with the reference.
fn check(what: &str, shape: [usize; 3], network: Network) -> Result<()> {
    let network = with_noise(network)?;
    let sample = noise(&shape, 7)?;
    let expected = reference::evaluate(&network, &sample)?;
    let prepared =
        native()?.prepare(&onnx(&network)?, &PrepareOptions::default()).context(what.to_owned())?;
    let first = sample.permuted(&[2, 0, 1])?;
    let batch = Tensor::new([&[1], first.shape()].concat(), first.data().to_vec())?;
    // Twice, the second time in memory that has been used.
    for _ in 0..2 {
        for (found, expected) in prepared.run(&[batch.view()])?.into_iter().zip(&expected) {
            Tolerance::Close.check(what, &found.reshaped(expected.shape().to_vec())?, expected)?;
        }
    }
    Ok(())
}

#[test]
fn convolutions_of_all_sizes() -> Result<()> {
    // Height, width and channels; channels of the output; window.
    let sizes = [
        ([1, 1, 1], 1, 1),
        ([1, 1, 300], 17, 1),
        ([7, 7, 24], 40, 1),
        ([13, 11, 3], 20, 3),
        ([14, 14, 9], 24, 3),
        ([9, 30, 16], 33, 5),
        ([12, 12, 256], 8, 2),
        ([40, 25, 200], 16, 1),
    ];
    for (shape, channels, window) in sizes {
        for padding in [Padding::Valid, Padding::Same, UNEVEN] {
            for (strides, dilation) in [(1, 1), (2, 1), (3, 1), (1, 2)] {
                let seen = (window - 1) * dilation + 1;
                if seen > shape[0] {
                    continue;
                }
                let what = format!("{shape:?} to {channels} by {window}, {strides}, {dilation}, {padding:?}");
                let mut layers = NetworkBuilder::new("convolution");
                let image = layers.input("image", shape);
                let conv = Conv::new_2d(channels, window)
                    .strides(strides)
                    .dilation(dilation)
                    .padding(padding)
                    .activation(Activation::Relu6);
                let conv = layers.apply("conv", conv, image);
                check(&what, shape, layers.build(&[conv])?)?;
            }
        }
    }
    Ok(())
}

/// Alone, and computed together with the convolution before, band by band.
#[test]
fn depthwise_convolutions_of_all_sizes() -> Result<()> {
    // The last one is larger than a band.
    for shape in [[1, 1, 1], [3, 4, 17], [7, 7, 24], [8, 9, 40], [15, 6, 16], [90, 70, 20]] {
        for (window, strides, dilation) in
            [(1, 1, 1), (3, 1, 1), (3, 2, 1), (5, 1, 1), (5, 2, 1), (7, 1, 1), (4, 3, 1), (3, 1, 2)]
        {
            for padding in [Padding::Valid, Padding::Same, UNEVEN] {
                let seen = (window - 1) * dilation + 1;
                if padding != Padding::Same && seen > shape[0].min(shape[1]) {
                    continue;
                }
                for fused in [false, true] {
                    let what = format!("{shape:?} by {window}, {strides}, {dilation}, {padding:?}, {fused}");
                    let mut layers = NetworkBuilder::new("depthwise");
                    let mut x = layers.input("image", shape);
                    if fused {
                        x = layers.apply("wide", Conv::new_2d(40, 1).activation(Activation::Relu), x);
                    }
                    let wise = DepthwiseConv::new_2d(window)
                        .strides(strides)
                        .dilation(dilation)
                        .padding(padding)
                        .activation(Activation::Swish);
                    x = layers.apply("wise", wise, x);
                    check(&what, shape, layers.build(&[x])?)?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn groups_and_residuals() -> Result<()> {
    let shape = [6, 5, 32];
    let mut layers = NetworkBuilder::new("groups");
    let image = layers.input("image", shape);
    let grouped = layers.apply("grouped", Conv::new_2d(32, 3).groups(4).padding(Padding::Same), image);
    // The sum is within the later convolution, whichever of its inputs that is.
    let left = layers.apply("left", Conv::new_2d(32, 3).padding(Padding::Same), grouped);
    let sum = layers.merge("sum", Layer::Add, &[grouped, left]);
    let relu = layers.apply("relu", Activation::Relu, sum);
    let right = layers.apply("right", Conv::new_2d(32, 1), relu);
    let last = layers.merge("last", Layer::Add, &[right, relu]);
    check("groups", shape, layers.build(&[last, relu, grouped])?)
}

/// An activation is computed wherever it stands.
#[test]
fn activations_follow_every_operator() -> Result<()> {
    let pool = || WindowPooling::new_2d(3).strides(2);
    let before: [(&str, Layer); 6] = [
        ("greatest", Layer::MaxPooling(pool())),
        ("mean", Layer::AveragePooling(pool())),
        ("global", Layer::GlobalAveragePooling(GlobalPooling { dimensions: 2, keepdims: true })),
        ("flat", Layer::Flatten),
        ("norm", BatchNormalization::new(1e-3).into()),
        ("conv", Conv::new_2d(5, 3).into()),
    ];
    for (name, layer) in before {
        for activation in [Activation::Relu, Activation::Swish, Activation::Sigmoid, Activation::HardSwish] {
            let mut layers = NetworkBuilder::new("activation");
            let image = layers.input("image", [7, 6, 4]);
            let x = layers.apply("before", layer.clone(), image);
            let x = layers.apply("activation", activation, x);
            check(&format!("{activation:?} after {name}"), [7, 6, 4], layers.build(&[x])?)?;
        }
    }
    Ok(())
}

/// Every inner value of a small MobileNet, as a cut gives it, and all of them at once.
#[test]
fn inner_values_are_outputs() -> Result<()> {
    let shape = [20, 18, 3];
    let network = |names: &[&str]| -> Result<Network> {
        let mut layers = NetworkBuilder::new("small");
        let image = layers.input("image", shape);
        let mut all = Vec::new();
        let mut apply = |name: &str, layer: Layer, x| {
            let id = layers.apply(name, layer, x);
            all.push((name.to_owned(), id));
            id
        };
        let x = apply("stem", Conv::new_2d(16, 3).strides(2).padding(Padding::Same).into(), image);
        let x = apply("stem_relu", Activation::Relu6.into(), x);
        let y = apply("expand", Conv::new_2d(48, 1).into(), x);
        let y = apply("expand_relu", Activation::HardSwish.into(), y);
        let y = apply("wise", DepthwiseConv::new_2d(5).padding(Padding::Same).into(), y);
        let y = apply("wise_relu", Activation::Relu6.into(), y);
        let y = apply("project", Conv::new_2d(16, 1).into(), y);
        apply("pool", Layer::GlobalAveragePooling(Default::default()), y);
        let wanted: Vec<_> =
            all.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, id)| *id).collect();
        Ok(layers.build(&wanted)?)
    };
    let names = ["stem", "stem_relu", "expand", "expand_relu", "wise", "wise_relu", "project", "pool"];
    for name in names {
        check(name, shape, network(&[name])?)?;
    }
    check("all", shape, network(&names)?)
}

/// The same network in ONNX Runtime, which sums in another order.
#[test]
fn it_agrees_with_onnx_runtime() -> Result<()> {
    let shape = [64, 64, 3];
    let mut layers = NetworkBuilder::new("mobile");
    let mut x = layers.input("image", shape);
    for (i, channels) in [24, 40, 112].into_iter().enumerate() {
        x = layers.apply(
            &format!("expand_{i}"),
            Conv::new_2d(6 * channels, 1).activation(Activation::Relu6),
            x,
        );
        let wise = DepthwiseConv::new_2d(5).strides(2).padding(Padding::Same).activation(Activation::Relu6);
        x = layers.apply(&format!("wise_{i}"), wise, x);
        x = layers.apply(&format!("project_{i}"), Conv::new_2d(channels, 1), x);
    }
    let network = with_noise(layers.build(&[x])?)?;
    let images = noise(&[2, 3, 64, 64], 3)?;
    let run = |runtime: &dyn Runtime| -> Result<Tensor> {
        let prepared = runtime.prepare(&onnx(&network)?, &PrepareOptions::default())?;
        prepared.run(&[images.view()])?.pop().context("no output")
    };
    let runtime = OnnxRuntime::find().context("run `cargo xtask setup` to fetch ONNX Runtime's library")?;
    Tolerance::Close.check("native", &run(&native()?)?, &run(&runtime)?)
}

#[test]
fn what_is_not_covered_is_named() -> Result<()> {
    let refused = |layer: Layer| -> Result<String> {
        let mut layers = NetworkBuilder::new("refused");
        let image = layers.input("image", [6, 6, 4]);
        let made = layers.apply("made", layer, image);
        let network = with_noise(layers.build(&[made])?)?;
        let error = native()?.prepare(&onnx(&network)?, &PrepareOptions::default()).err();
        Ok(error.context("was prepared")?.to_string())
    };
    let tanh = refused(Activation::Tanh.into())?;
    ensure!(tanh == "native: Tanh `made/channels_first`: this operator does not run here", "{tanh}");
    let groups = refused(Conv::new_2d(6, 3).groups(2).into())?;
    ensure!(groups.ends_with(": 6 channels in 2 groups"), "{groups}");
    let padding = refused(ZeroPadding::symmetric_2d(1).into())?;
    ensure!(padding.starts_with("native: Pad "), "{padding}");
    Ok(())
}

/// A damaged model is refused, or it is another model that runs; both without a panic.
#[test]
fn damage_is_refused_or_harmless() -> Result<()> {
    let mut layers = NetworkBuilder::new("small");
    let image = layers.input("image", [6, 6, 3]);
    let x = layers.apply("conv", Conv::new_2d(8, 3).strides(2).padding(Padding::Same), image);
    let x = layers.apply("relu", Activation::Relu, x);
    let x = layers.apply("wise", DepthwiseConv::new_2d(3).padding(Padding::Same), x);
    let x = layers.apply("pool", Layer::GlobalAveragePooling(Default::default()), x);
    let whole = onnx(&with_noise(layers.build(&[x])?)?)?;
    let mut seed = 11;
    let (mut refused, mut run) = (0, 0);
    for _ in 0..4000 {
        let Ok(prepared) = native()?.prepare(&mutate(&whole, &mut seed), &PrepareOptions::default()) else {
            refused += 1;
            continue;
        };
        run += usize::from(run_once(prepared.as_ref())?);
    }
    ensure!(refused > 100 && run > 100, "{refused} refused, {run} run");
    Ok(())
}

/// Whether the model was small enough to be run.
fn run_once(prepared: &dyn Prepared) -> Result<bool> {
    let shapes =
        prepared.inputs().iter().map(|port| port.shape.iter().map(|size| size.unwrap_or(1)).collect());
    let shapes: Vec<Vec<usize>> = shapes.collect();
    if shapes.iter().any(|shape| shape.iter().product::<usize>() > 1 << 16) {
        return Ok(false);
    }
    let inputs = shapes.into_iter().map(|shape| noise(&shape, 1)).collect::<Result<Vec<_>>>()?;
    prepared.run(&inputs.iter().map(Tensor::view).collect::<Vec<_>>())?;
    Ok(true)
}

/// Old operators mean other things.
#[test]
fn old_operator_sets_are_refused() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/foreign/old.onnx");
    let model = OnnxModel::read(path, &Default::default())?;
    let error =
        native()?.prepare(&model.to_bytes(), &PrepareOptions::default()).err().context("was prepared")?;
    ensure!(error.to_string().contains("expected operator set 13 or later"), "{error}");
    Ok(())
}
