//! DenseNet-121: <https://arxiv.org/abs/1608.06993>.
//!
//! Definitions: `keras/src/applications/densenet.py` and `torchvision/models/densenet.py`, which agree but for the epsilon
//! of the normalisations.

use emberline_net::{Activation, BatchNormalization, Conv, Layer, NodeId, Padding, WindowPooling};

use super::{Blueprint, Origin, layers::Layers};
use crate::Result;

const BLOCKS: [usize; 4] = [6, 12, 24, 16];
const GROWTH: usize = 32;

pub(super) fn build(origin: Origin, name: &str, side: usize, classes: usize) -> Result<Blueprint> {
    let norm = || BatchNormalization::new(if origin == Origin::Keras { 1.001e-5 } else { 1e-5 });
    let (mut layers, image) = Layers::new(name, origin, side);
    let stem = Conv::new_2d(64, 7).strides(2).padding(Padding::symmetric(3)).without_bias();
    let mut x = layers.named("features.conv0", "conv1_conv", stem, image);
    x = layers.named("features.norm0", "conv1_bn", norm(), x);
    x = layers.apply("conv1_relu", Activation::Relu, x);
    let pool = WindowPooling::new_2d(3).strides(2).padding(Padding::symmetric(1));
    x = layers.apply("pool1", Layer::MaxPooling(pool), x);
    let mut channels = 64;
    for (index, blocks) in BLOCKS.into_iter().enumerate() {
        let stage = index + 1;
        if index > 0 {
            let name = |part: &str| format!("pool{stage}_{part}");
            let module = |part: &str| format!("features.transition{index}.{part}");
            channels /= 2;
            x = layers.named(&module("norm"), &name("bn"), norm(), x);
            x = layers.apply(&name("relu"), Activation::Relu, x);
            x = layers.named(&module("conv"), &name("conv"), Conv::new_2d(channels, 1).without_bias(), x);
            x = layers.apply(&name("pool"), Layer::AveragePooling(WindowPooling::new_2d(2)), x);
        }
        for block in 1..=blocks {
            let module = format!("features.denseblock{stage}.denselayer{block}");
            x = dense(&mut layers, &format!("conv{}_block{block}", stage + 1), &module, &norm(), x);
            channels += GROWTH;
        }
    }
    x = layers.named("features.norm5", "bn", norm(), x);
    x = layers.apply("relu", Activation::Relu, x);
    let features = layers.mean("avg_pool", x);
    layers.classified(if origin == Origin::Keras { "predictions" } else { "classifier" }, features, classes)
}

/// Adds channels to those that are there.
fn dense(layers: &mut Layers, name: &str, module: &str, norm: &BatchNormalization, input: NodeId) -> NodeId {
    let name = |part: &str| format!("{name}_{part}");
    let module = |part: &str| format!("{module}.{part}");
    let mut x = layers.named(&module("norm1"), &name("0_bn"), norm.clone(), input);
    x = layers.apply(&name("0_relu"), Activation::Relu, x);
    x = layers.named(&module("conv1"), &name("1_conv"), Conv::new_2d(4 * GROWTH, 1).without_bias(), x);
    x = layers.named(&module("norm2"), &name("1_bn"), norm.clone(), x);
    x = layers.apply(&name("1_relu"), Activation::Relu, x);
    let conv = Conv::new_2d(GROWTH, 3).padding(Padding::Same).without_bias();
    x = layers.named(&module("conv2"), &name("2_conv"), conv, x);
    layers.merge(&name("concat"), Layer::Concatenate { axis: -1 }, &[input, x])
}
