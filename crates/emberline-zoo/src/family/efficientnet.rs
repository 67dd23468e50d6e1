//! EfficientNet, <https://arxiv.org/abs/1905.11946>, and EfficientNet-Lite: without squeeze-and-excitation, with ReLU6 for
//! swish, and with a stem and a head that do not grow with the rest.
//!
//! Definitions: `keras/src/applications/efficientnet.py`, and `efficientnet/lite/efficientnet_lite_builder.py` in
//! TensorFlow's TPU repository. Both name layers as Keras does and pad by TensorFlow's `SAME` rule.

use emberline_net::{
    Activation, BatchNormalization, Conv, DepthwiseConv, Layer, NodeId, Padding, Rescaling, Reshape,
};

use super::{Blueprint, Origin, keras_norm, layers::Layers, rounded_filters};
use crate::Result;

/// What tells the members of the family apart, besides the size of the input.
#[derive(Clone, Debug)]
pub(crate) struct EfficientNet {
    /// Multiplies the channels of the blocks.
    pub(crate) width: f64,
    /// Multiplies the repeats of the stages.
    pub(crate) depth: f64,
    /// The dropout before the classifier.
    pub(crate) dropout: f32,
    /// Whether it is the Lite form, whose weights come from PyTorch.
    pub(crate) lite: bool,
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

/// The channels in the squeezed middle of a block, as a share of the block's input.
const SQUEEZE: f64 = 0.25;

/// The square roots of what ImageNet's channels deviate by. Keras' weights hold the deviations themselves for variances,
/// of which the normalisation takes the root; these make up the rest.
const ROOT_DEVIATIONS: [f64; 3] = [0.229, 0.224, 0.225];

impl EfficientNet {
    pub(super) fn origin(&self) -> Origin {
        if self.lite { Origin::PyTorch } else { Origin::Keras }
    }

    pub(super) fn build(&self, name: &str, side: usize, classes: usize) -> Result<Blueprint> {
        let (mut layers, image) = Layers::new(name, self.origin(), side);
        let mut x = if self.lite { image } else { normalised(&mut layers, image) };
        let stem_filters = if self.lite { STEM_FILTERS } else { self.filters(STEM_FILTERS) };
        let stem = Conv::new_2d(stem_filters, 3).strides(2).padding(Padding::Same).without_bias();
        x = layers.named("_conv_stem", "stem_conv", stem, x);
        x = layers.named("_bn0", "stem_bn", keras_norm(), x);
        x = layers.apply("stem_activation", self.activation(), x);

        let mut channels = stem_filters;
        let mut index = 0;
        for (number, stage) in STAGES.iter().enumerate() {
            let filters = self.filters(stage.filters);
            for repeat in 0..self.repeats(number) {
                let block = Block {
                    name: format!("block{}{}", number + 1, char::from(b'a' + repeat as u8)),
                    module: format!("_blocks.{index}"),
                    activation: self.activation(),
                    kernel: stage.kernel,
                    stride: if repeat == 0 { stage.stride } else { 1 },
                    expanded: channels * stage.expand,
                    expands: stage.expand > 1,
                    squeezed: (!self.lite).then_some(((channels as f64 * SQUEEZE) as usize).max(1)),
                    filters,
                    skips: repeat > 0,
                };
                x = block.build(&mut layers, x);
                channels = filters;
                index += 1;
            }
        }

        let head_filters = if self.lite { HEAD_FILTERS } else { self.filters(HEAD_FILTERS) };
        let top = Conv::new_2d(head_filters, 1).without_bias();
        let top = layers.named("_conv_head", "top_conv", top, x);
        let top = layers.named("_bn1", "top_bn", keras_norm(), top);
        let top = layers.apply("top_activation", self.activation(), top);
        let pooled = layers.mean("avg_pool", top);
        let dropped = layers.apply("top_dropout", Layer::Dropout { rate: self.dropout }, pooled);
        layers.classified(if self.lite { "_fc" } else { "predictions" }, dropped, classes)
    }

    fn activation(&self) -> Activation {
        if self.lite { Activation::Relu6 } else { Activation::Swish }
    }

    fn filters(&self, filters: usize) -> usize {
        rounded_filters(filters as f64 * self.width)
    }

    fn repeats(&self, stage: usize) -> usize {
        let repeats = STAGES[stage].repeats;
        match stage {
            0 | 6 if self.lite => repeats,
            _ => (repeats as f64 * self.depth).ceil() as usize,
        }
    }
}

/// What Keras' EfficientNets do to pixels from 0 to 255 themselves.
fn normalised(layers: &mut Layers, image: NodeId) -> NodeId {
    let scaled = Rescaling { scale: vec![1.0 / 255.0], offset: vec![0.0] };
    let x = layers.apply("rescaling", scaled, image);
    // Keras' `Normalization`: (x - mean) / sqrt(variance).
    let x = layers.apply(
        "normalization",
        BatchNormalization { epsilon: 0.0, scale: false, center: false, axis: -1 },
        x,
    );
    let scale = ROOT_DEVIATIONS.map(|deviation| (1.0 / deviation.sqrt()) as f32);
    layers.apply("rescaling_1", Rescaling { scale: scale.to_vec(), offset: vec![0.0] }, x)
}

/// An inverted bottleneck: widen, filter every channel by itself, weigh the channels, narrow.
struct Block {
    name: String,
    module: String,
    activation: Activation,
    kernel: usize,
    stride: usize,
    /// The channels after widening, if the block widens.
    expanded: usize,
    expands: bool,
    /// The channels in the middle of squeeze-and-excitation, if there is any.
    squeezed: Option<usize>,
    filters: usize,
    /// Whether the input is added to the output.
    skips: bool,
}

impl Block {
    fn build(&self, layers: &mut Layers, input: NodeId) -> NodeId {
        let name = |part: &str| format!("{}_{part}", self.name);
        let module = |part: &str| format!("{}.{part}", self.module);
        let mut x = input;
        if self.expands {
            let conv = Conv::new_2d(self.expanded, 1).without_bias();
            x = layers.named(&module("_expand_conv"), &name("expand_conv"), conv, x);
            x = layers.named(&module("_bn0"), &name("expand_bn"), keras_norm(), x);
            x = layers.apply(&name("expand_activation"), self.activation, x);
        }
        let conv = DepthwiseConv::new_2d(self.kernel).strides(self.stride);
        let conv = conv.padding(Padding::Same).without_bias();
        x = layers.named(&module("_depthwise_conv"), &name("dwconv"), conv, x);
        x = layers.named(&module("_bn1"), &name("bn"), keras_norm(), x);
        x = layers.apply(&name("activation"), self.activation, x);
        if let Some(squeezed) = self.squeezed {
            let mut gate = layers.mean(&name("se_squeeze"), x);
            gate = layers.apply(&name("se_reshape"), Reshape { shape: vec![1, 1, self.expanded] }, gate);
            let reduce = Conv::new_2d(squeezed, 1).activation(self.activation);
            gate = layers.apply(&name("se_reduce"), reduce, gate);
            let expand = Conv::new_2d(self.expanded, 1).activation(Activation::Sigmoid);
            gate = layers.apply(&name("se_expand"), expand, gate);
            x = layers.merge(&name("se_excite"), Layer::Multiply, &[x, gate]);
        }
        let conv = Conv::new_2d(self.filters, 1).without_bias();
        x = layers.named(&module("_project_conv"), &name("project_conv"), conv, x);
        x = layers.named(&module("_bn2"), &name("project_bn"), keras_norm(), x);
        if self.skips {
            x = layers.merge(&name("add"), Layer::Add, &[x, input]);
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
            let member = EfficientNet { width, depth, dropout: 0.2, lite: true };
            let network = member.build("member", side, 1000).unwrap().network;
            let weights = network.weight_shapes().into_iter().filter(|(name, _)| !name.contains("/moving_"));
            let parameters: usize = weights.map(|(_, shape)| shape.iter().product::<usize>()).sum();
            let multiply_adds: u64 = network.summary().iter().map(|layer| layer.multiply_adds).sum();
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
