//! Families of networks: one file each, which builds every member from a row of settings.
//!
//! A family gives the graph and, where it is not the layer's own name, the place of a layer's weights in the files of its
//! origin. What a layer's tensors are called there and how they are laid out follows from the layer's kind alone and is
//! known in one place, `crate::weights`.
//!
//! Layers are named as in Keras where Keras has the network, otherwise as in torchvision. A padding layer that stands
//! before a convolution in Keras is the padding of that convolution here. Every network ends in `predictions`, one
//! probability for each class, and but for `MobileNet` they are the softmax of `logits`.

mod alexnet;
mod convnext;
mod densenet;
mod efficientnet;
mod inception;
mod layers;
mod mobilenet;
mod resnet;
mod vgg;
mod vit;
mod xception;

use std::collections::BTreeMap;

use emberline_net::{BatchNormalization, Network};

pub(crate) use self::{
    efficientnet::EfficientNet,
    layers::Place,
    mobilenet::MobileNet,
    resnet::{Form, ResNet},
    vgg::Vgg,
};
use crate::{
    Result,
    weights::{Taken, taken},
};

/// Whose definition of a network it is, and so whose files hold its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Keras Applications. Weights in HDF5 files, `layer/kernel`.
    Keras,
    /// PyTorch: torchvision, or another package that a card names. Weights in state dicts, `module.weight`.
    PyTorch,
}

/// A family and the member's settings.
#[derive(Clone, Debug)]
pub(crate) enum Architecture {
    AlexNet,
    ConvNextTiny,
    DenseNet121(Origin),
    EfficientNet(EfficientNet),
    InceptionV3,
    MobileNet(MobileNet),
    ResNet(ResNet),
    Vgg(Vgg),
    VitB16,
    Xception,
}

/// A network to be given weights.
#[derive(Debug)]
pub(crate) struct Blueprint {
    /// The graph, without weights.
    pub(crate) network: Network,
    /// For every weight, the tensor of the origin's file that it is taken from.
    pub(crate) taken: BTreeMap<String, Taken>,
}

impl Blueprint {
    fn new(network: Network, origin: Origin, places: &BTreeMap<String, Place>) -> Result<Self> {
        let taken = taken(&network, origin, places);
        Ok(Self { network, taken })
    }
}

impl Architecture {
    /// The member called `name` for images of `side` x `side` pixels and this many classes.
    pub(crate) fn build(&self, name: &str, side: usize, classes: usize) -> Result<Blueprint> {
        match self {
            Self::AlexNet => alexnet::build(name, side, classes),
            Self::ConvNextTiny => convnext::build(name, side, classes),
            Self::DenseNet121(origin) => densenet::build(*origin, name, side, classes),
            Self::EfficientNet(settings) => settings.build(name, side, classes),
            Self::InceptionV3 => inception::build(name, side, classes),
            Self::MobileNet(settings) => settings.build(name, side, classes),
            Self::ResNet(settings) => settings.build(name, side, classes),
            Self::Vgg(settings) => settings.build(name, side, classes),
            Self::VitB16 => vit::build(name, side, classes),
            Self::Xception => xception::build(name, side, classes),
        }
    }
}

/// The scaled number of channels: a multiple of eight, and not more than a tenth below the exact number. This is the
/// `_make_divisible` of the MobileNets and the `round_filters` of the EfficientNets.
fn rounded_filters(exact: f64) -> usize {
    let rounded = ((exact + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * exact { rounded + 8 } else { rounded }
}

/// A batch normalisation with Keras' default epsilon.
fn keras_norm() -> BatchNormalization {
    BatchNormalization::new(1e-3)
}
