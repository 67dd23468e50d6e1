//! EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6 for swish, and with a stem and a head that
//! do not grow with the rest.
//!
//! The definition is `efficientnet/lite/efficientnet_lite_builder.py` in TensorFlow's TPU repository; paper:
//! <https://arxiv.org/abs/1905.11946>. Layers are named as Keras names those of EfficientNet. Convolutions pad by
//! TensorFlow's `SAME` rule, and batch normalisations use an epsilon of 0.001.

use std::collections::BTreeMap;

use emberline_net::{
    Activation, BatchNormalization, Conv2D, Dense, DepthwiseConv2D, GlobalPooling2D, Layer, NetworkBuilder,
    NodeId, Padding,
};

use super::Blueprint;
use crate::Result;

/// What tells the members of the family apart, besides the size of the input.
#[derive(Clone, Debug)]
pub(crate) struct EfficientNetLite {
    /// Multiplies the channels of the blocks.
    pub(crate) width: f64,
    /// Multiplies the repeats of the stages, but for the first and the last.
    pub(crate) depth: f64,
    /// The dropout before the classifier.
    pub(crate) dropout: f32,
}

/// Blocks alike in a row, of which the first alone has the stride.
struct Stage {
    repeats: usize,
    kernel: usize,
    stride: usize,
    /// The factor by which a block widens its input before the depthwise convolution.
    expand: usize,
    filters: usize,
}

#[rustfmt::skip]
const STAGES: [Stage; 7] = [
    Stage { repeats: 1, kernel: 3, stride: 1, expand: 1, filters: 16 },
    Stage { repeats: 2, kernel: 3, stride: 2, expand: 6, filters: 24 },
    Stage { repeats: 2, kernel: 5, stride: 2, expand: 6, filters: 40 },
    Stage { repeats: 3, kernel: 3, stride: 2, expand: 6, filters: 80 },
    Stage { repeats: 3, kernel: 5, stride: 1, expand: 6, filters: 112 },
    Stage { repeats: 4, kernel: 5, stride: 2, expand: 6, filters: 192 },
    Stage { repeats: 1, kernel: 3, stride: 1, expand: 6, filters: 320 },
];

const STEM_FILTERS: usize = 32;
const HEAD_FILTERS: usize = 1280;
const EPSILON: f64 = 1e-3;

impl EfficientNetLite {
    pub(super) fn build(&self, name: &str, side: usize, classes: usize) -> Result<Blueprint> {
        let mut layers = Layers { builder: NetworkBuilder::new(name), torch_modules: BTreeMap::new() };
        let image = layers.builder.input("image", [side, side, 3]);

        let stem = Conv2D::new(STEM_FILTERS, 3).strides(2).padding(Padding::Same).without_bias();
        let stem = layers.with_weights("stem_conv", stem, image, "_conv_stem");
        let stem = layers.normalised("stem_bn", stem, "_bn0");
        let mut x = layers.builder.apply("stem_activation", Activation::Relu6, stem);

        let mut channels = STEM_FILTERS;
        let mut index = 0;
        for (number, stage) in STAGES.iter().enumerate() {
            let filters = self.filters(stage.filters);
            for repeat in 0..self.repeats(number) {
                let block = Block {
                    name: format!("block{}{}", number + 1, char::from(b'a' + repeat as u8)),
                    module: format!("_blocks.{index}"),
                    kernel: stage.kernel,
                    stride: if repeat == 0 { stage.stride } else { 1 },
                    expanded: (stage.expand > 1).then_some(channels * stage.expand),
                    filters,
                    skips: repeat > 0,
                };
                x = layers.block(&block, x);
                channels = filters;
                index += 1;
            }
        }

        let top =
            layers.with_weights("top_conv", Conv2D::new(HEAD_FILTERS, 1).without_bias(), x, "_conv_head");
        let top = layers.normalised("top_bn", top, "_bn1");
        let top = layers.builder.apply("top_activation", Activation::Relu6, top);
        let pool = Layer::GlobalAveragePooling2D(GlobalPooling2D::default());
        let pooled = layers.builder.apply("avg_pool", pool, top);
        let dropped = layers.builder.apply("top_dropout", Layer::Dropout { rate: self.dropout }, pooled);
        let logits = layers.with_weights("logits", Dense::new(classes), dropped, "_fc");
        let predictions = layers.builder.apply("predictions", Activation::Softmax, logits);

        let Layers { builder, torch_modules } = layers;
        Ok(Blueprint { network: builder.build(&[predictions])?, torch_modules })
    }

    /// The scaled number of channels: a multiple of eight, and not more than a tenth below the exact number.
    fn filters(&self, filters: usize) -> usize {
        let exact = filters as f64 * self.width;
        let rounded = ((exact + 4.0) as usize / 8 * 8).max(8);
        if (rounded as f64) < 0.9 * exact { rounded + 8 } else { rounded }
    }

    fn repeats(&self, stage: usize) -> usize {
        let repeats = STAGES[stage].repeats;
        match stage {
            0 | 6 => repeats,
            _ => (repeats as f64 * self.depth).ceil() as usize,
        }
    }
}

/// An inverted bottleneck: widen, filter every channel by itself, narrow.
struct Block {
    name: String,
    module: String,
    kernel: usize,
    stride: usize,
    /// The channels after widening, if the block widens.
    expanded: Option<usize>,
    filters: usize,
    /// Whether the input is added to the output.
    skips: bool,
}

/// A builder that notes which PyTorch module each layer's weights come from.
struct Layers {
    builder: NetworkBuilder,
    torch_modules: BTreeMap<String, String>,
}

impl Layers {
    fn with_weights(&mut self, name: &str, layer: impl Into<Layer>, input: NodeId, module: &str) -> NodeId {
        self.torch_modules.insert(name.to_owned(), module.to_owned());
        self.builder.apply(name, layer, input)
    }

    fn normalised(&mut self, name: &str, input: NodeId, module: &str) -> NodeId {
        self.with_weights(name, BatchNormalization::new(EPSILON), input, module)
    }

    fn block(&mut self, block: &Block, input: NodeId) -> NodeId {
        let Block { name, module, .. } = block;
        let mut x = input;
        if let Some(expanded) = block.expanded {
            let conv = Conv2D::new(expanded, 1).without_bias();
            x = self.with_weights(&format!("{name}_expand_conv"), conv, x, &format!("{module}._expand_conv"));
            x = self.normalised(&format!("{name}_expand_bn"), x, &format!("{module}._bn0"));
            x = self.builder.apply(&format!("{name}_expand_activation"), Activation::Relu6, x);
        }
        let conv =
            DepthwiseConv2D::new(block.kernel).strides(block.stride).padding(Padding::Same).without_bias();
        x = self.with_weights(&format!("{name}_dwconv"), conv, x, &format!("{module}._depthwise_conv"));
        x = self.normalised(&format!("{name}_bn"), x, &format!("{module}._bn1"));
        x = self.builder.apply(&format!("{name}_activation"), Activation::Relu6, x);
        let conv = Conv2D::new(block.filters, 1).without_bias();
        x = self.with_weights(&format!("{name}_project_conv"), conv, x, &format!("{module}._project_conv"));
        x = self.normalised(&format!("{name}_project_bn"), x, &format!("{module}._bn2"));
        if block.skips {
            x = self.builder.merge(&format!("{name}_add"), Layer::Add, &[x, input]);
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameters and multiply-adds as published, both rounded there:
    /// <https://github.com/tensorflow/tpu/blob/master/models/official/efficientnet/lite/README.md>. Stored means and
    /// variances are not trained, so they do not count.
    #[test]
    fn members_have_their_published_size() {
        let check = |width, depth, side, parameters_published: f64, multiply_adds_published: f64| {
            let member = EfficientNetLite { width, depth, dropout: 0.2 };
            let network = member.build("member", side, 1000).unwrap().network;
            let weights = network.weight_shapes().into_iter().filter(|(name, _)| !name.contains("/moving_"));
            let parameters: usize = weights.map(|(_, shape)| shape.iter().product::<usize>()).sum();
            let multiply_adds: u64 = network.cost().iter().map(|layer| layer.multiply_adds).sum();
            let (millions, published) = (parameters as f64 / 1e6, parameters_published);
            assert!(
                (millions - published).abs() < 0.05,
                "{side}: {millions} million parameters, not {published}"
            );
            let ratio = multiply_adds as f64 / 1e6 / multiply_adds_published;
            assert!(
                (0.93..1.02).contains(&ratio),
                "{side}: {multiply_adds} multiply-adds, {ratio} of the published"
            );
        };
        check(1.0, 1.0, 224, 4.7, 407.0);
        check(1.0, 1.1, 240, 5.4, 631.0);
        check(1.1, 1.2, 260, 6.1, 899.0);
        check(1.2, 1.4, 280, 8.2, 1440.0);
        check(1.4, 1.8, 300, 13.0, 2640.0);
    }
}
