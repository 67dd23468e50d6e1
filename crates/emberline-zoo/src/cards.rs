//! The table of named networks.
//!
//! To add a member of a family, add a card. To add a family, add a file to `family` and a variant to its `Architecture`.
//! Either way add the network to `tools/goldens/zoo_formula.py` (or `zoo.py`, with real weights), whose values prove that it
//! is its origin's network; the tests run over the tables and need no change.

mod keras;
mod lite;
mod torchvision;

use emberline_image::{ChannelOrder, Fit, Layout, Preprocessing, Resize};

use crate::Card;

/// All named networks; first those whose weights a package index has.
pub(crate) static CARDS: [Card; 23] = [
    lite::EFFICIENT_NET_LITE_0,
    lite::EFFICIENT_NET_LITE_1,
    lite::EFFICIENT_NET_LITE_2,
    keras::INCEPTION_V3,
    keras::XCEPTION,
    keras::RESNET_50,
    keras::VGG_16,
    keras::VGG_19,
    torchvision::ALEX_NET,
    torchvision::RESNET_18,
    keras::RESNET_101,
    keras::RESNET_152,
    keras::RESNET_50_V2,
    keras::MOBILE_NET,
    keras::MOBILE_NET_V2,
    keras::MOBILE_NET_V3_LARGE,
    keras::DENSE_NET_121,
    keras::EFFICIENT_NET_B0,
    keras::EFFICIENT_NET_B1,
    keras::EFFICIENT_NET_B2,
    keras::EFFICIENT_NET_B3,
    keras::CONV_NEXT_TINY,
    torchvision::VIT_B_16,
];

/// Networks of these names as others than the cards' origins define and train them.
pub(crate) static SECOND_ORIGINS: [Card; 6] = [
    torchvision::RESNET_50,
    torchvision::RESNET_101,
    torchvision::RESNET_152,
    torchvision::VGG_16,
    torchvision::VGG_19,
    torchvision::DENSE_NET_121,
];

/// Pictures of `side` x `side` pixels, `(x - mean) / std`.
///
/// Pictures are stretched, as sparkdl does, so that all of a picture counts whatever its proportions. Their publishers
/// evaluated these networks on the middle square of 0.875 of the shorter side, which suits ImageNet's centred photos and cuts
/// off what stands at the edges of others: on 422 pictures of seven kinds, a logistic regression on features of
/// EfficientNetLite0 is right for 87.0 % when they are stretched and 85.1 % when they are cropped
/// (`tools/goldens/stamps_accuracy.py`).
const fn preprocessing(side: u32, order: ChannelOrder, mean: [f32; 3], std: [f32; 3]) -> Preprocessing {
    Preprocessing {
        width: side,
        height: side,
        resize: Resize::Bilinear,
        fit: Fit::Stretch,
        background: [255; 3],
        order,
        layout: Layout::Nchw,
        mean,
        std,
    }
}

/// Mean and deviation of ImageNet's red, green and blue, of pixels from 0 to 255.
const IMAGENET_MEAN: [f32; 3] = [255.0 * 0.485, 255.0 * 0.456, 255.0 * 0.406];
const IMAGENET_STD: [f32; 3] = [255.0 * 0.229, 255.0 * 0.224, 255.0 * 0.225];
