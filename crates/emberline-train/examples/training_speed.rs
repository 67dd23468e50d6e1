//! Steps per second of training three networks: what `benches/training.py` compares with Keras and PyTorch.
//!
//!     cargo run --release -p emberline-train --example training_speed [NAME] [STEPS] [BATCH] [DEVICE]
//!
//! `digits` is a small CNN, `last-block` the last block of EfficientNetLite0 and what follows it, upon features of the frozen
//! blocks before, `resnet18` all of ResNet18.

use std::{io::Write, time::Instant};

use anyhow::{Result, bail};
use emberline_net::{
    Activation, BatchNormalization, Conv, Dense, DepthwiseConv, GlobalPooling, Layer, Network,
    NetworkBuilder, NodeId, Padding, Tensor, WindowPooling,
};
use emberline_train::{
    Batch, BatchIterator, Batches, Device, Error, Event, FrozenTrunk, Loss, Optimizer, TrainOptions, fit,
    initialized,
};

/// The first steps, which also allocate.
const WARM_UP_STEPS: usize = 2;
const CLASSES: usize = 10;

/// The same batch, over and over.
struct Same {
    batch: Batch,
    steps: usize,
}

impl Batches for Same {
    fn epoch(&mut self, _epoch: usize, skipped: usize) -> Result<BatchIterator<'_>, Error> {
        Ok(Box::new((skipped..self.steps).map(|_| Ok(self.batch.clone()))))
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: usize| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let (steps, batch) = (number(1, 1)?, number(2, 2)?);
    let name = arguments.first().map_or("digits", String::as_str);
    let network = match name {
        "digits" => digits()?,
        "last-block" => efficientnet_lite0()?,
        "resnet18" => resnet18()?,
        found => bail!("expected digits, last-block or resnet18, found {found}"),
    };
    let network = initialized(network, 1, &Default::default())?;
    let loss = Loss::parse(&"sparse_categorical_crossentropy".into())?;
    let mut options = TrainOptions::new(Optimizer::parse(&"adam".into())?, loss);
    options.device = Device::parse(arguments.get(3).map_or("cpu", String::as_str))?;

    let shape = [&[batch], network.inputs()[0].shape.as_slice()].concat();
    let pixels = (0..shape.iter().product::<usize>()).map(|i| (i % 251) as f32 / 251.0).collect();
    let images = Tensor::new(shape, pixels)?;
    let targets = Tensor::new(vec![batch], (0..batch).map(|i| (i % CLASSES) as f32).collect())?;
    let mut out = std::io::stdout();
    let (network, options, input) = match name == "last-block" {
        true => {
            options.freeze_until = Some("block7_expand".to_owned());
            let Some(parts) = FrozenTrunk::of(&network, &options)? else { bail!("nothing is frozen") };
            let start = Instant::now();
            let features = parts.features(&images)?;
            writeln!(
                out,
                "{:.4} seconds once for the features of a sample",
                start.elapsed().as_secs_f64() / batch as f64
            )?;
            (parts.head, parts.options, features)
        }
        false => (network, options, images),
    };
    let mut batches =
        Same { batch: Batch { inputs: vec![input], targets, weights: None }, steps: steps + WARM_UP_STEPS };
    let mut start = Instant::now();
    let mut observe = |event: &Event<'_>| {
        if let Event::Step { step: WARM_UP_STEPS, .. } = event {
            start = Instant::now();
        }
    };
    fit(&network, &options, &mut batches, None, &mut observe)?;
    writeln!(out, "{:.3} steps per second", steps as f64 / start.elapsed().as_secs_f64())?;
    Ok(())
}

/// Keras' example of a convolutional network for digits: <https://keras.io/examples/vision/mnist_convnet/>.
fn digits() -> Result<Network> {
    let mut layers = NetworkBuilder::new("digits");
    let mut value = layers.input("image", [28, 28, 1]);
    for (i, filters) in [32, 64].into_iter().enumerate() {
        value =
            layers.apply(&format!("conv{i}"), Conv::new_2d(filters, 3).activation(Activation::Relu), value);
        value = layers.apply(&format!("pool{i}"), Layer::MaxPooling(WindowPooling::new_2d(2)), value);
    }
    value = layers.apply("flat", Layer::Flatten, value);
    value = layers.apply("drop", Layer::Dropout { rate: 0.5 }, value);
    let out = layers.apply("out", Dense::new(CLASSES).activation(Activation::Softmax), value);
    Ok(layers.build(&[out])?)
}

fn normal(layers: &mut NetworkBuilder, name: &str, value: NodeId) -> NodeId {
    layers.apply(&format!("{name}_bn"), BatchNormalization::new(1e-3), value)
}

fn conv(
    layers: &mut NetworkBuilder,
    name: &str,
    value: NodeId,
    [filters, kernel, strides]: [usize; 3],
) -> NodeId {
    let conv = Conv::new_2d(filters, kernel).strides(strides).padding(Padding::Same).without_bias();
    let value = layers.apply(name, conv, value);
    normal(layers, name, value)
}

/// <https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite>.
fn efficientnet_lite0() -> Result<Network> {
    const BLOCKS: [[usize; 5]; 7] = [
        [1, 3, 1, 16, 1],
        [6, 3, 2, 24, 2],
        [6, 5, 2, 40, 2],
        [6, 3, 2, 80, 3],
        [6, 5, 1, 112, 3],
        [6, 5, 2, 192, 4],
        [6, 3, 1, 320, 1],
    ];
    let mut layers = NetworkBuilder::new("efficientnet-lite0");
    let mut value = layers.input("image", [224, 224, 3]);
    let relu6 = |layers: &mut NetworkBuilder, name: &str, value: NodeId| {
        layers.apply(&format!("{name}_relu"), Activation::Relu6, value)
    };
    value = conv(&mut layers, "stem", value, [32, 3, 2]);
    value = relu6(&mut layers, "stem", value);
    let mut channels = 32;
    for (stage, [expansion, kernel, strides, filters, repeats]) in BLOCKS.into_iter().enumerate() {
        for repeat in 0..repeats {
            let name = match repeats {
                1 => format!("block{}", stage + 1),
                _ => format!("block{}{}", stage + 1, char::from(b'a' + repeat as u8)),
            };
            let before = value;
            let strides = if repeat == 0 { strides } else { 1 };
            if expansion > 1 {
                let name = format!("{name}_expand");
                value = conv(&mut layers, &name, value, [channels * expansion, 1, 1]);
                value = relu6(&mut layers, &name, value);
            }
            let depthwise = format!("{name}_depthwise");
            let layer = DepthwiseConv::new_2d(kernel).strides(strides).padding(Padding::Same).without_bias();
            value = layers.apply(&depthwise, layer, value);
            value = normal(&mut layers, &depthwise, value);
            value = relu6(&mut layers, &depthwise, value);
            value = conv(&mut layers, &format!("{name}_project"), value, [filters, 1, 1]);
            if repeat > 0 {
                value = layers.merge(&format!("{name}_add"), Layer::Add, &[before, value]);
            }
            channels = filters;
        }
    }
    value = conv(&mut layers, "top", value, [1280, 1, 1]);
    value = relu6(&mut layers, "top", value);
    value = layers.apply("mean", Layer::GlobalAveragePooling(GlobalPooling::default()), value);
    let out = layers.apply("out", Dense::new(CLASSES).activation(Activation::Softmax), value);
    Ok(layers.build(&[out])?)
}

/// <https://arxiv.org/abs/1512.03385>.
fn resnet18() -> Result<Network> {
    let mut layers = NetworkBuilder::new("resnet18");
    let input = layers.input("image", [224, 224, 3]);
    let value = conv(&mut layers, "stem", input, [64, 7, 2]);
    let value = layers.apply("stem_relu", Activation::Relu, value);
    let pooling = WindowPooling::new_2d(3).strides(2).padding(Padding::Same);
    let mut value = layers.apply("pool", Layer::MaxPooling(pooling), value);
    for (stage, filters) in [64, 128, 256, 512].into_iter().enumerate() {
        for block in 0..2 {
            let name = |part: &str| format!("stage{stage}_block{block}_{part}");
            let strides = if stage > 0 && block == 0 { 2 } else { 1 };
            let mut shortcut = value;
            if strides > 1 {
                shortcut = conv(&mut layers, &name("shortcut"), value, [filters, 1, strides]);
            }
            value = conv(&mut layers, &name("a"), value, [filters, 3, strides]);
            value = layers.apply(&name("a_relu"), Activation::Relu, value);
            value = conv(&mut layers, &name("b"), value, [filters, 3, 1]);
            value = layers.merge(&name("add"), Layer::Add, &[shortcut, value]);
            value = layers.apply(&name("relu"), Activation::Relu, value);
        }
    }
    value = layers.apply("mean", Layer::GlobalAveragePooling(GlobalPooling::default()), value);
    let out = layers.apply("out", Dense::new(CLASSES).activation(Activation::Softmax), value);
    Ok(layers.build(&[out])?)
}
