//! The MobileNets: <https://arxiv.org/abs/1704.04861>, <https://arxiv.org/abs/1801.04381> and
//! <https://arxiv.org/abs/1905.02244>.
//!
//! Definitions: `keras/src/applications/mobilenet.py`, `mobilenet_v2.py` and `mobilenet_v3.py`.

use emberline_net::{
    Activation, Conv, DepthwiseConv, GlobalPooling, Layer, NodeId, Padding, Rescaling, Reshape,
};

use super::{Blueprint, Origin, keras_norm, layers::Layers, rounded_filters};
use crate::Result;

/// The members of the family.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MobileNet {
    V1,
    V2,
    V3Large,
}

impl MobileNet {
    pub(super) fn build(self, name: &str, side: usize, classes: usize) -> Result<Blueprint> {
        let (layers, image) = Layers::new(name, Origin::Keras, side);
        match self {
            Self::V1 => v1(layers, image, classes),
            Self::V2 => v2(layers, image, classes),
            Self::V3Large => v3_large(layers, image, classes),
        }
    }
}

const DROPOUT_V1: f32 = 1e-3;
const DROPOUT_V3: f32 = 0.2;

/// Filters and stride of the blocks of the first MobileNet.
#[rustfmt::skip]
const BLOCKS_V1: [(usize, usize); 13] = [
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
];

fn v1(mut layers: Layers, image: NodeId, classes: usize) -> Result<Blueprint> {
    let conv = Conv::new_2d(32, 3).strides(2).padding(Padding::Same).without_bias();
    let mut x = layers.apply("conv1", conv, image);
    x = layers.apply("conv1_bn", keras_norm(), x);
    x = layers.apply("conv1_relu", Activation::Relu6, x);
    for (index, (filters, stride)) in BLOCKS_V1.into_iter().enumerate() {
        let number = index + 1;
        let padding = match stride {
            1 => Padding::Same,
            _ => Padding::Explicit { top: 0, bottom: 1, left: 0, right: 1 },
        };
        let wise = DepthwiseConv::new_2d(3).strides(stride).padding(padding).without_bias();
        x = layers.apply(&format!("conv_dw_{number}"), wise, x);
        x = layers.apply(&format!("conv_dw_{number}_bn"), keras_norm(), x);
        x = layers.apply(&format!("conv_dw_{number}_relu"), Activation::Relu6, x);
        x = layers.apply(&format!("conv_pw_{number}"), Conv::new_2d(filters, 1).without_bias(), x);
        x = layers.apply(&format!("conv_pw_{number}_bn"), keras_norm(), x);
        x = layers.apply(&format!("conv_pw_{number}_relu"), Activation::Relu6, x);
    }
    x = layers.mean("global_average_pooling2d", x);
    x = layers.apply("reshape_1", Reshape { shape: vec![1, 1, 1024] }, x);
    x = layers.apply("dropout", Layer::Dropout { rate: DROPOUT_V1 }, x);
    x = layers.apply("conv_preds", Conv::new_2d(classes, 1), x);
    x = layers.apply("reshape_2", Reshape { shape: vec![classes] }, x);
    layers.predicted(x)
}

/// An inverted residual: widen, filter every channel by itself, perhaps weigh the channels, narrow.
struct Residual {
    /// The channels after widening; the input's own where the block does not widen.
    expanded: usize,
    filters: usize,
    kernel: usize,
    stride: usize,
    /// Whether channels are weighed.
    excites: bool,
    activation: Activation,
}

/// Expansion, filters, stride and repeats of the blocks of MobileNetV2, of which the first alone has the stride.
#[rustfmt::skip]
const STAGES_V2: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 2, 3), (6, 64, 2, 4), (6, 96, 1, 3), (6, 160, 2, 3), (6, 320, 1, 1),
];

fn v2(mut layers: Layers, image: NodeId, classes: usize) -> Result<Blueprint> {
    let conv = Conv::new_2d(32, 3).strides(2).padding(Padding::Same).without_bias();
    let mut x = layers.apply("Conv1", conv, image);
    x = layers.apply("bn_Conv1", keras_norm(), x);
    x = layers.apply("Conv1_relu", Activation::Relu6, x);
    let (mut channels, mut number) = (32, 0);
    for (expansion, filters, stride, repeats) in STAGES_V2 {
        for repeat in 0..repeats {
            let prefix = if number == 0 { "expanded_conv_".to_owned() } else { format!("block_{number}_") };
            let block = Residual {
                expanded: channels * expansion,
                filters,
                kernel: 3,
                stride: if repeat == 0 { stride } else { 1 },
                excites: false,
                activation: Activation::Relu6,
            };
            x = block.build(&mut layers, &prefix, channels, x, &mut |_, part, of| match of {
                "bn" => format!("{prefix}{part}_BN"),
                "" => format!("{prefix}{part}"),
                _ => format!("{prefix}{part}_relu"),
            });
            channels = filters;
            number += 1;
        }
    }
    x = layers.apply("Conv_1", Conv::new_2d(1280, 1).without_bias(), x);
    x = layers.apply("Conv_1_bn", keras_norm(), x);
    x = layers.apply("out_relu", Activation::Relu6, x);
    x = layers.mean("global_average_pooling2d", x);
    layers.classified("predictions", x, classes)
}

/// Expansion, filters, kernel, stride, whether channels are weighed, and activation of the blocks of MobileNetV3-Large.
#[rustfmt::skip]
const BLOCKS_V3: [(f64, usize, usize, usize, bool, Activation); 15] = [
    (1.0, 16, 3, 1, false, Activation::Relu),
    (4.0, 24, 3, 2, false, Activation::Relu),
    (3.0, 24, 3, 1, false, Activation::Relu),
    (3.0, 40, 5, 2, true, Activation::Relu),
    (3.0, 40, 5, 1, true, Activation::Relu),
    (3.0, 40, 5, 1, true, Activation::Relu),
    (6.0, 80, 3, 2, false, Activation::HardSwish),
    (2.5, 80, 3, 1, false, Activation::HardSwish),
    (2.3, 80, 3, 1, false, Activation::HardSwish),
    (2.3, 80, 3, 1, false, Activation::HardSwish),
    (6.0, 112, 3, 1, true, Activation::HardSwish),
    (6.0, 112, 3, 1, true, Activation::HardSwish),
    (6.0, 160, 5, 2, true, Activation::HardSwish),
    (6.0, 160, 5, 1, true, Activation::HardSwish),
    (6.0, 160, 5, 1, true, Activation::HardSwish),
];

fn v3_large(mut layers: Layers, image: NodeId, classes: usize) -> Result<Blueprint> {
    let to_unit = Rescaling { scale: vec![1.0 / 127.5], offset: vec![-1.0] };
    let mut x = layers.apply("rescaling", to_unit, image);
    let conv = Conv::new_2d(16, 3).strides(2).padding(Padding::Same).without_bias();
    x = layers.apply("conv", conv, x);
    x = layers.apply("conv_bn", keras_norm(), x);
    x = unnamed(&mut layers, Activation::HardSwish, x);
    let mut channels = 16;
    for (number, (expansion, filters, kernel, stride, excites, activation)) in
        BLOCKS_V3.into_iter().enumerate()
    {
        let prefix =
            if number == 0 { "expanded_conv_".to_owned() } else { format!("expanded_conv_{number}_") };
        let expanded = rounded_filters(channels as f64 * expansion);
        let block = Residual { expanded, filters, kernel, stride, excites, activation };
        x = block.build(&mut layers, &prefix, channels, x, &mut |layers, part, of| match of {
            "bn" => format!("{prefix}{part}_bn"),
            "" => format!("{prefix}{part}"),
            _ => auto_activation(layers, activation),
        });
        channels = filters;
    }
    x = layers.apply("conv_1", Conv::new_2d(6 * channels, 1).without_bias(), x);
    x = layers.apply("conv_1_bn", keras_norm(), x);
    x = unnamed(&mut layers, Activation::HardSwish, x);
    x = layers.mean("global_average_pooling2d", x);
    x = layers.apply("reshape", Reshape { shape: vec![1, 1, 6 * channels] }, x);
    x = layers.apply("conv_2", Conv::new_2d(1280, 1), x);
    x = unnamed(&mut layers, Activation::HardSwish, x);
    x = layers.apply("dropout", Layer::Dropout { rate: DROPOUT_V3 }, x);
    x = layers.apply("logits", Conv::new_2d(classes, 1), x);
    x = layers.apply("flatten", Layer::Flatten, x);
    layers.predicted(x)
}

fn unnamed(layers: &mut Layers, activation: Activation, input: NodeId) -> NodeId {
    let name = auto_activation(layers, activation);
    layers.apply(&name, activation, input)
}

/// Keras' name for an activation that `mobilenet_v3.py` leaves without one.
fn auto_activation(layers: &mut Layers, activation: Activation) -> String {
    layers.auto(if activation == Activation::Relu { "re_lu" } else { "activation" })
}

impl Residual {
    /// `name` makes the name of a part's convolution, normalisation (`bn`) or activation (`activation`).
    fn build(
        &self,
        layers: &mut Layers,
        prefix: &str,
        channels: usize,
        input: NodeId,
        name: &mut dyn FnMut(&mut Layers, &str, &str) -> String,
    ) -> NodeId {
        let mut x = input;
        if self.expanded != channels {
            let conv = Conv::new_2d(self.expanded, 1).without_bias();
            x = self.part(layers, "expand", conv.into(), x, name);
        }
        let wise = DepthwiseConv::new_2d(self.kernel).strides(self.stride);
        x = self.part(layers, "depthwise", wise.padding(Padding::Same).without_bias().into(), x, name);
        if self.excites {
            x = self.excited(layers, &format!("{prefix}squeeze_excite_"), x);
        }
        let conv = Conv::new_2d(self.filters, 1).without_bias();
        let project = name(layers, "project", "");
        x = layers.apply(&project, conv, x);
        let norm = name(layers, "project", "bn");
        x = layers.apply(&norm, keras_norm(), x);
        if self.stride == 1 && channels == self.filters {
            x = layers.merge(&format!("{prefix}add"), Layer::Add, &[input, x]);
        }
        x
    }

    /// A convolution, its normalisation and its activation.
    fn part(
        &self,
        layers: &mut Layers,
        part: &str,
        conv: Layer,
        input: NodeId,
        name: &mut dyn FnMut(&mut Layers, &str, &str) -> String,
    ) -> NodeId {
        let conv_name = name(layers, part, "");
        let x = layers.apply(&conv_name, conv, input);
        let norm_name = name(layers, part, "bn");
        let x = layers.apply(&norm_name, keras_norm(), x);
        let activation_name = name(layers, part, "activation");
        layers.apply(&activation_name, self.activation, x)
    }

    fn excited(&self, layers: &mut Layers, prefix: &str, input: NodeId) -> NodeId {
        let name = |part: &str| format!("{prefix}{part}");
        let mean = Layer::GlobalAveragePooling(GlobalPooling { keepdims: true, ..Default::default() });
        let mut gate = layers.apply(&name("avg_pool"), mean, input);
        let squeezed = rounded_filters(self.expanded as f64 * 0.25);
        gate = layers.apply(&name("conv"), Conv::new_2d(squeezed, 1), gate);
        gate = layers.apply(&name("relu"), Activation::Relu, gate);
        gate = layers.apply(&name("conv_1"), Conv::new_2d(self.expanded, 1), gate);
        // Keras writes the hard sigmoid as a sum, an activation without a name, and a product.
        layers.auto("re_lu");
        gate = layers.apply(&name("hard_sigmoid"), Activation::HardSigmoid, gate);
        layers.merge(&name("mul"), Layer::Multiply, &[input, gate])
    }
}
