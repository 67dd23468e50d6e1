//! Xception: <https://arxiv.org/abs/1610.02357>.
//!
//! Definition: `keras/src/applications/xception.py`. A separable convolution is two layers here: `NAME_depthwise`, and
//! `NAME` for the convolution of single pixels after it, whose output is the separable convolution's.

use emberline_net::{Activation, Conv, DepthwiseConv, Layer, NodeId, Padding, WindowPooling};

use super::{Blueprint, Origin, keras_norm, layers::Layers};
use crate::Result;

pub(super) fn build(name: &str, side: usize, classes: usize) -> Result<Blueprint> {
    let (mut layers, mut x) = Layers::new(name, Origin::Keras, side);
    for (number, filters, stride) in [(1, 32, 2), (2, 64, 1)] {
        let conv = Conv::new_2d(filters, 3).strides(stride).without_bias();
        x = layers.apply(&format!("block1_conv{number}"), conv, x);
        x = layers.apply(&format!("block1_conv{number}_bn"), keras_norm(), x);
        x = layers.apply(&format!("block1_conv{number}_act"), Activation::Relu, x);
    }
    for (block, filters) in [(2, [128, 128]), (3, [256, 256]), (4, [728, 728])] {
        x = halved(&mut layers, block, filters, x);
    }
    for block in 5..=12 {
        let mut y = x;
        for number in 1..=3 {
            let activation = format!("block{block}_sepconv{number}_act");
            y = layers.apply(&activation, Activation::Relu, y);
            y = separable(&mut layers, &format!("block{block}_sepconv{number}"), 728, y);
        }
        let name = layers.auto("add");
        x = layers.merge(&name, Layer::Add, &[y, x]);
    }
    x = halved(&mut layers, 13, [728, 1024], x);
    for (number, filters) in [(1, 1536), (2, 2048)] {
        x = separable(&mut layers, &format!("block14_sepconv{number}"), filters, x);
        x = layers.apply(&format!("block14_sepconv{number}_act"), Activation::Relu, x);
    }
    let features = layers.mean("avg_pool", x);
    layers.classified("predictions", features, classes)
}

/// A residual block of half the size.
fn halved(layers: &mut Layers, block: usize, filters: [usize; 2], input: NodeId) -> NodeId {
    let shortcut = Conv::new_2d(filters[1], 1).strides(2).padding(Padding::Same).without_bias();
    let name = layers.auto("conv2d");
    let shortcut = layers.apply(&name, shortcut, input);
    let name = layers.auto("batch_normalization");
    let shortcut = layers.apply(&name, keras_norm(), shortcut);
    let mut x = input;
    for (number, filters) in [(1, filters[0]), (2, filters[1])] {
        // The first block's input is activated already.
        if (block, number) != (2, 1) {
            x = layers.apply(&format!("block{block}_sepconv{number}_act"), Activation::Relu, x);
        }
        x = separable(layers, &format!("block{block}_sepconv{number}"), filters, x);
    }
    let pool = WindowPooling::new_2d(3).strides(2).padding(Padding::Same);
    x = layers.apply(&format!("block{block}_pool"), Layer::MaxPooling(pool), x);
    let name = layers.auto("add");
    layers.merge(&name, Layer::Add, &[x, shortcut])
}

/// A separable convolution and its normalisation.
fn separable(layers: &mut Layers, name: &str, filters: usize, input: NodeId) -> NodeId {
    let wise = DepthwiseConv::new_2d(3).padding(Padding::Same).without_bias();
    let x = layers.from(&format!("{name}/depthwise"), &format!("{name}_depthwise"), wise, input);
    let point = Conv::new_2d(filters, 1).without_bias();
    let x = layers.from(&format!("{name}/pointwise"), name, point, x);
    layers.apply(&format!("{name}_bn"), keras_norm(), x)
}
