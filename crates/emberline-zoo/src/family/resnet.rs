//! Residual networks: <https://arxiv.org/abs/1512.03385>, and with normalisation before the convolutions
//! <https://arxiv.org/abs/1603.05027>.
//!
//! Definitions: `keras/src/applications/resnet.py` and `torchvision/models/resnet.py`. Keras' blocks have their stride on
//! the first convolution, a bias in each, and an epsilon of 1.001e-5; torchvision's have it on the second, no biases, and
//! 1e-5. So the weights of one make no sense in the other.

use emberline_net::{
    Activation, BatchNormalization, Conv, Layer, NodeId, Padding, WindowPooling, ZeroPadding,
};

use super::{Blueprint, Origin, layers::Layers};
use crate::Result;

/// What tells the members of the family apart.
#[derive(Clone, Debug)]
pub(crate) struct ResNet {
    /// How many blocks each of the four stages has.
    pub(crate) blocks: [usize; 4],
    pub(crate) form: Form,
}

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Keras' bottleneck of three convolutions.
    Keras,
    /// Keras' bottleneck, normalised and activated before each convolution.
    KerasV2,
    /// torchvision's bottleneck, under Keras' names of layers.
    Torchvision,
    /// torchvision's block of two convolutions, for which Keras has no name.
    TorchvisionBasic,
}

impl Form {
    pub(super) fn origin(self) -> Origin {
        match self {
            Self::Keras | Self::KerasV2 => Origin::Keras,
            Self::Torchvision | Self::TorchvisionBasic => Origin::PyTorch,
        }
    }

    fn norm(self) -> BatchNormalization {
        BatchNormalization::new(if self.origin() == Origin::Keras { 1.001e-5 } else { 1e-5 })
    }
}

impl ResNet {
    pub(super) fn build(&self, name: &str, side: usize, classes: usize) -> Result<Blueprint> {
        let (mut layers, image) = Layers::new(name, self.form.origin(), side);
        let form = self.form;
        let stem = Conv::new_2d(64, 7).strides(2).padding(Padding::symmetric(3));
        let pool = WindowPooling::new_2d(3).strides(2);
        let mut x = match form {
            Form::TorchvisionBasic => {
                let x = layers.apply("conv1", stem.without_bias(), image);
                let x = layers.apply("bn1", form.norm(), x);
                let x = layers.apply("relu", Activation::Relu, x);
                layers.apply("maxpool", Layer::MaxPooling(pool.padding(Padding::symmetric(1))), x)
            }
            Form::KerasV2 => {
                let x = layers.apply("conv1_conv", stem, image);
                // Values below zero lose against this border, so it is not the pooling's own.
                let border = ZeroPadding::symmetric_2d(1);
                let x = layers.apply("pool1_pad", border, x);
                layers.apply("pool1_pool", Layer::MaxPooling(pool), x)
            }
            Form::Keras | Form::Torchvision => {
                let stem = if form == Form::Keras { stem } else { stem.without_bias() };
                let x = layers.named("conv1", "conv1_conv", stem, image);
                let x = layers.named("bn1", "conv1_bn", form.norm(), x);
                let x = layers.apply("conv1_relu", Activation::Relu, x);
                layers.apply("pool1_pool", Layer::MaxPooling(pool.padding(Padding::symmetric(1))), x)
            }
        };
        for (stage, &blocks) in self.blocks.iter().enumerate() {
            let filters = 64 << stage;
            for index in 0..blocks {
                let block = Block { form, stage, index, last: index + 1 == blocks, filters };
                x = match form {
                    Form::Keras | Form::Torchvision => block.bottleneck(&mut layers, x),
                    Form::KerasV2 => block.preactivated(&mut layers, x),
                    Form::TorchvisionBasic => block.basic(&mut layers, x),
                };
            }
        }
        if form == Form::KerasV2 {
            x = layers.apply("post_bn", form.norm(), x);
            x = layers.apply("post_relu", Activation::Relu, x);
        }
        let (pool, classifier) = match form {
            Form::Keras | Form::KerasV2 => ("avg_pool", "predictions"),
            Form::Torchvision => ("avg_pool", "fc"),
            Form::TorchvisionBasic => ("avgpool", "fc"),
        };
        let features = layers.mean(pool, x);
        layers.classified(classifier, features, classes)
    }
}

struct Block {
    form: Form,
    /// From 0.
    stage: usize,
    index: usize,
    /// Whether it is its stage's last.
    last: bool,
    filters: usize,
}

impl Block {
    /// Keras' name of a part.
    fn keras(&self, part: &str) -> String {
        format!("conv{}_block{}_{part}", self.stage + 2, self.index + 1)
    }

    /// PyTorch's name of a part.
    fn torch(&self, part: &str) -> String {
        format!("layer{}.{}.{part}", self.stage + 1, self.index)
    }

    /// The stage's first block halves the image, but for the first stage, where pooling has.
    fn first_stride(&self) -> usize {
        if self.index == 0 && self.stage > 0 { 2 } else { 1 }
    }

    fn bottleneck(&self, layers: &mut Layers, input: NodeId) -> NodeId {
        let (form, stride) = (self.form, self.first_stride());
        let conv = |filters: usize, kernel: usize| {
            let conv = Conv::new_2d(filters, kernel).padding(Padding::symmetric(kernel / 2));
            if form == Form::Keras { conv } else { conv.without_bias() }
        };
        let mut normalised = |number: usize, conv: Conv, input: NodeId| {
            let modules = match number {
                0 => ["downsample.0".to_owned(), "downsample.1".to_owned()],
                _ => [format!("conv{number}"), format!("bn{number}")],
            };
            let [conv_module, norm_module] = modules.map(|module| self.torch(&module));
            let x = layers.named(&conv_module, &self.keras(&format!("{number}_conv")), conv, input);
            let x = layers.named(&norm_module, &self.keras(&format!("{number}_bn")), form.norm(), x);
            match number {
                1 | 2 => layers.apply(&self.keras(&format!("{number}_relu")), Activation::Relu, x),
                _ => x,
            }
        };
        let (stride_1, stride_2) = if form == Form::Keras { (stride, 1) } else { (1, stride) };
        let mut shortcut = input;
        if self.index == 0 {
            shortcut = normalised(0, conv(4 * self.filters, 1).strides(stride), input);
        }
        let x = normalised(1, conv(self.filters, 1).strides(stride_1), input);
        let x = normalised(2, conv(self.filters, 3).strides(stride_2), x);
        let x = normalised(3, conv(4 * self.filters, 1), x);
        let x = layers.merge(&self.keras("add"), Layer::Add, &[shortcut, x]);
        layers.apply(&self.keras("out"), Activation::Relu, x)
    }

    /// Here a stage's last block halves the image, but for the last stage.
    fn preactivated(&self, layers: &mut Layers, input: NodeId) -> NodeId {
        let stride = if self.last && self.stage < 3 { 2 } else { 1 };
        let ready = layers.apply(&self.keras("preact_bn"), self.form.norm(), input);
        let ready = layers.apply(&self.keras("preact_relu"), Activation::Relu, ready);
        let shortcut = if self.index == 0 {
            layers.apply(&self.keras("0_conv"), Conv::new_2d(4 * self.filters, 1).strides(stride), ready)
        } else if stride > 1 {
            let every_other = Layer::MaxPooling(WindowPooling::new_2d(1).strides(stride));
            let name = layers.auto("max_pooling2d");
            layers.apply(&name, every_other, input)
        } else {
            input
        };
        let mut x = ready;
        for (number, kernel, stride) in [(1, 1, 1), (2, 3, stride)] {
            let conv = Conv::new_2d(self.filters, kernel).strides(stride);
            let conv = conv.padding(Padding::symmetric(kernel / 2)).without_bias();
            x = layers.apply(&self.keras(&format!("{number}_conv")), conv, x);
            x = layers.apply(&self.keras(&format!("{number}_bn")), self.form.norm(), x);
            x = layers.apply(&self.keras(&format!("{number}_relu")), Activation::Relu, x);
        }
        x = layers.apply(&self.keras("3_conv"), Conv::new_2d(4 * self.filters, 1), x);
        layers.merge(&self.keras("out"), Layer::Add, &[shortcut, x])
    }

    fn basic(&self, layers: &mut Layers, input: NodeId) -> NodeId {
        let stride = self.first_stride();
        let conv = |kernel: usize, stride: usize| {
            let conv = Conv::new_2d(self.filters, kernel).strides(stride);
            conv.padding(Padding::symmetric(kernel / 2)).without_bias()
        };
        let x = layers.apply(&self.torch("conv1"), conv(3, stride), input);
        let x = layers.apply(&self.torch("bn1"), self.form.norm(), x);
        let x = layers.apply(&self.torch("relu"), Activation::Relu, x);
        let x = layers.apply(&self.torch("conv2"), conv(3, 1), x);
        let x = layers.apply(&self.torch("bn2"), self.form.norm(), x);
        let mut shortcut = input;
        if stride > 1 {
            shortcut = layers.apply(&self.torch("downsample.0"), conv(1, stride), input);
            shortcut = layers.apply(&self.torch("downsample.1"), self.form.norm(), shortcut);
        }
        let x = layers.merge(&self.torch("add"), Layer::Add, &[x, shortcut]);
        layers.apply(&self.torch("relu_1"), Activation::Relu, x)
    }
}
