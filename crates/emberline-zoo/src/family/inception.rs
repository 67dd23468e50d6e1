//! Inception-V3: <https://arxiv.org/abs/1512.00567>.
//!
//! Definition: `keras/src/applications/inception_v3.py`, which leaves its convolutions without names; they are numbered
//! here as Keras numbers them in a new session. torchvision's network of that name pads its average poolings with zeros
//! that count, so that Keras' weights and its own are for different networks.

use emberline_net::{Activation, BatchNormalization, Layer, NodeId, Padding, WindowPooling};

use super::{Blueprint, Origin, layers::Layers};
use crate::Result;

/// What a branch does to its input, one after the other.
#[derive(Clone, Copy)]
enum Step {
    /// A convolution of step 1: filters, height and width.
    Conv(usize, usize, usize),
    /// A convolution of step 2 without padding: filters, and the window.
    Halve(usize, usize),
    /// The mean of what surrounds a pixel.
    Mean,
    /// The greatest value of every other window.
    Max,
    /// Two convolutions of the same input, side by side, under this name or one of Keras' own.
    Fork(Option<&'static str>),
}

use Step::{Conv, Fork, Halve, Max, Mean};

/// Branches, in the order in which Keras makes them.
type Block<'a> = &'a [&'a [Step]];

pub(super) fn build(name: &str, side: usize, classes: usize) -> Result<Blueprint> {
    let (mut layers, image) = Layers::new(name, Origin::Keras, side);
    let mut x = image;
    for (filters, kernel, stride, padding) in
        [(32, 3, 2, Padding::Valid), (32, 3, 1, Padding::Valid), (64, 3, 1, Padding::Same)]
    {
        x = conv(
            &mut layers,
            emberline_net::Conv::new_2d(filters, kernel).strides(stride).padding(padding),
            x,
        );
    }
    x = max(&mut layers, x);
    for (filters, kernel) in [(80, 1), (192, 3)] {
        x = conv(&mut layers, emberline_net::Conv::new_2d(filters, kernel), x);
    }
    x = max(&mut layers, x);
    for (number, block) in [wide(32), wide(64), wide(64)].iter().enumerate() {
        x = mixed(&mut layers, &format!("mixed{number}"), &as_block(block), x);
    }
    let reduce: Block<'_> = &[&[Halve(384, 3)], &[Conv(64, 1, 1), Conv(96, 3, 3), Halve(96, 3)], &[Max]];
    x = mixed(&mut layers, "mixed3", reduce, x);
    for (number, filters) in [(4, 128), (5, 160), (6, 160), (7, 192)] {
        x = mixed(&mut layers, &format!("mixed{number}"), &as_block(&long(filters)), x);
    }
    let reduce: Block<'_> = &[
        &[Conv(192, 1, 1), Halve(320, 3)],
        &[Conv(192, 1, 1), Conv(192, 1, 7), Conv(192, 7, 1), Halve(192, 3)],
        &[Max],
    ];
    x = mixed(&mut layers, "mixed8", reduce, x);
    for (name, fork) in [("mixed9", "mixed9_0"), ("mixed10", "mixed9_1")] {
        let block: Block<'_> = &[
            &[Conv(320, 1, 1)],
            &[Conv(384, 1, 1), Fork(Some(fork))],
            &[Conv(448, 1, 1), Conv(384, 3, 3), Fork(None)],
            &[Mean, Conv(192, 1, 1)],
        ];
        x = mixed(&mut layers, name, block, x);
    }
    let features = layers.mean("avg_pool", x);
    layers.classified("predictions", features, classes)
}

/// Windows of 1, 5, and twice 3.
fn wide(pooled: usize) -> [Vec<Step>; 4] {
    [
        vec![Conv(64, 1, 1)],
        vec![Conv(48, 1, 1), Conv(64, 5, 5)],
        vec![Conv(64, 1, 1), Conv(96, 3, 3), Conv(96, 3, 3)],
        vec![Mean, Conv(pooled, 1, 1)],
    ]
}

/// Windows of 7 in two parts, one along each axis.
fn long(filters: usize) -> [Vec<Step>; 4] {
    let n = filters;
    [
        vec![Conv(192, 1, 1)],
        vec![Conv(n, 1, 1), Conv(n, 1, 7), Conv(192, 7, 1)],
        vec![Conv(n, 1, 1), Conv(n, 7, 1), Conv(n, 1, 7), Conv(n, 7, 1), Conv(192, 1, 7)],
        vec![Mean, Conv(192, 1, 1)],
    ]
}

fn as_block(branches: &[Vec<Step>; 4]) -> [&[Step]; 4] {
    branches.each_ref().map(Vec::as_slice)
}

/// The branches' outputs side by side.
fn mixed(layers: &mut Layers, name: &str, block: Block<'_>, input: NodeId) -> NodeId {
    let mut outputs = Vec::new();
    for branch in block {
        let mut x = input;
        for step in *branch {
            x = match *step {
                Conv(filters, height, width) => conv(
                    layers,
                    emberline_net::Conv::new_2d(filters, (height, width)).padding(Padding::Same),
                    x,
                ),
                Halve(filters, kernel) => {
                    conv(layers, emberline_net::Conv::new_2d(filters, kernel).strides(2), x)
                }
                Mean => {
                    let pool = WindowPooling::new_2d(3).strides(1).padding(Padding::Same);
                    let name = layers.auto("average_pooling2d");
                    layers.apply(&name, Layer::AveragePooling(pool), x)
                }
                Max => max(layers, x),
                Fork(name) => fork(layers, name, x),
            };
        }
        outputs.push(x);
    }
    layers.merge(name, Layer::Concatenate { axis: -1 }, &outputs)
}

fn fork(layers: &mut Layers, name: Option<&str>, input: NodeId) -> NodeId {
    let sides = [(1, 3), (3, 1)];
    let sides = sides
        .map(|kernel| conv(layers, emberline_net::Conv::new_2d(384, kernel).padding(Padding::Same), input));
    let name = name.map_or_else(|| layers.auto("concatenate"), str::to_owned);
    layers.merge(&name, Layer::Concatenate { axis: -1 }, &sides)
}

fn max(layers: &mut Layers, input: NodeId) -> NodeId {
    let name = layers.auto("max_pooling2d");
    layers.apply(&name, Layer::MaxPooling(WindowPooling::new_2d(3).strides(2)), input)
}

/// A convolution, its normalisation and its activation.
fn conv(layers: &mut Layers, conv: emberline_net::Conv, input: NodeId) -> NodeId {
    let [conv_name, norm_name, activation_name] =
        ["conv2d", "batch_normalization", "activation"].map(|kind| layers.auto(kind));
    let x = layers.apply(&conv_name, conv.without_bias(), input);
    let norm = BatchNormalization { epsilon: 1e-3, scale: false, center: true, axis: -1 };
    let x = layers.apply(&norm_name, norm, x);
    layers.apply(&activation_name, Activation::Relu, x)
}
