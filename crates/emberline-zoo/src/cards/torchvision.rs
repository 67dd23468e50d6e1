//! Networks as torchvision defines and trained them (`IMAGENET1K_V1`). Addresses and accuracies are those in torchvision's
//! source. The names of its files end in the first eight digits of their SHA-256, which is all of it that is published.

use emberline_image::{ChannelOrder, Preprocessing};

use crate::{
    Card, Checksum, Origin, Source, Top1, WeightsFile,
    family::{Architecture, Form, ResNet, Vgg},
    imagenet_labels,
};

/// What the networks have in common.
const TORCHVISION: Card = Card {
    name: "",
    origin: Origin::PyTorch,
    preprocessing: torch(0),
    cut_layers: &[],
    feature_layer: "",
    feature_width: 0,
    labels: imagenet_labels,
    licence: "",
    top1: Top1 { percent: 0.0, source: "" },
    weights: torchvision_file("", Checksum::Unpublished, &[]),
    safetensors: None,
    golden: "",
    architecture: Architecture::AlexNet,
};

const fn torchvision_file(
    file_name: &'static str,
    checksum: Checksum<'static>,
    sources: &'static [Source<'static>],
) -> WeightsFile<'static> {
    WeightsFile { file_name, checksum, bytes: None, sources }
}

/// timm's copy of torchvision's weights, under the same names. The hub publishes no digest beside its address: that of the
/// first download is kept, and later ones are checked against it.
const fn timm_file(
    file_name: &'static str,
    sources: &'static [Source<'static>],
) -> Option<WeightsFile<'static>> {
    Some(WeightsFile { file_name, checksum: Checksum::Unpublished, bytes: None, sources })
}

/// Every channel without its mean and by its deviation.
const fn torch(side: u32) -> Preprocessing {
    super::preprocessing(side, ChannelOrder::Rgb, super::IMAGENET_MEAN, super::IMAGENET_STD)
}

pub(super) const ALEX_NET: Card = Card {
    name: "AlexNet",
    preprocessing: torch(224),
    cut_layers: &[
        "features.2",
        "features.5",
        "features.7",
        "features.9",
        "features.12",
        "classifier.2",
        "classifier.5",
        "logits",
        "predictions",
    ],
    feature_layer: "classifier.5",
    feature_width: 4096,
    licence: "BSD-3-Clause",
    top1: Top1 {
        percent: 56.522,
        source: "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.alexnet.html",
    },
    weights: torchvision_file(
        "alexnet-owt-7be5be79.pth",
        Checksum::Sha256Prefix("7be5be79"),
        &[Source::Http { url: "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth" }],
    ),
    golden: include_str!("../../goldens/AlexNet.json"),
    architecture: Architecture::AlexNet,
    ..TORCHVISION
};

pub(super) const RESNET_18: Card = Card {
    name: "ResNet18",
    preprocessing: torch(224),
    cut_layers: &[
        "maxpool",
        "layer1.1.relu_1",
        "layer2.1.relu_1",
        "layer3.1.relu_1",
        "layer4.1.relu_1",
        "avgpool",
        "logits",
        "predictions",
    ],
    feature_layer: "avgpool",
    feature_width: 512,
    licence: "BSD-3-Clause",
    top1: Top1 {
        percent: 69.758,
        source: "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.resnet18.html",
    },
    weights: torchvision_file(
        "resnet18-f37072fd.pth",
        Checksum::Sha256Prefix("f37072fd"),
        &[Source::Http { url: "https://download.pytorch.org/models/resnet18-f37072fd.pth" }],
    ),
    safetensors: timm_file(
        "resnet18.tv_in1k.safetensors",
        &[Source::Http {
            url: "https://huggingface.co/timm/resnet18.tv_in1k/resolve/main/model.safetensors",
        }],
    ),
    golden: include_str!("../../goldens/ResNet18.json"),
    architecture: Architecture::ResNet(ResNet { blocks: [2, 2, 2, 2], form: Form::TorchvisionBasic }),
    ..TORCHVISION
};

pub(super) const RESNET_50: Card = Card {
    name: "ResNet50",
    preprocessing: torch(224),
    cut_layers: &[
        "pool1_pool",
        "conv2_block3_out",
        "conv3_block4_out",
        "conv4_block6_out",
        "conv5_block3_out",
        "avg_pool",
        "logits",
        "predictions",
    ],
    feature_layer: "avg_pool",
    feature_width: 2048,
    licence: "BSD-3-Clause",
    top1: Top1 {
        percent: 76.13,
        source: "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.resnet50.html",
    },
    weights: torchvision_file(
        "resnet50-0676ba61.pth",
        Checksum::Sha256Prefix("0676ba61"),
        &[Source::Http { url: "https://download.pytorch.org/models/resnet50-0676ba61.pth" }],
    ),
    safetensors: timm_file(
        "resnet50.tv_in1k.safetensors",
        &[Source::Http {
            url: "https://huggingface.co/timm/resnet50.tv_in1k/resolve/main/model.safetensors",
        }],
    ),
    golden: include_str!("../../goldens/ResNet50.pytorch.json"),
    architecture: Architecture::ResNet(ResNet { blocks: [3, 4, 6, 3], form: Form::Torchvision }),
    ..TORCHVISION
};

pub(super) const RESNET_101: Card = Card {
    name: "ResNet101",
    preprocessing: torch(224),
    cut_layers: &[
        "pool1_pool",
        "conv2_block3_out",
        "conv3_block4_out",
        "conv4_block23_out",
        "conv5_block3_out",
        "avg_pool",
        "logits",
        "predictions",
    ],
    feature_layer: "avg_pool",
    feature_width: 2048,
    licence: "BSD-3-Clause",
    top1: Top1 {
        percent: 77.374,
        source: "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.resnet101.html",
    },
    weights: torchvision_file(
        "resnet101-63fe2227.pth",
        Checksum::Sha256Prefix("63fe2227"),
        &[Source::Http { url: "https://download.pytorch.org/models/resnet101-63fe2227.pth" }],
    ),
    safetensors: timm_file(
        "resnet101.tv_in1k.safetensors",
        &[Source::Http {
            url: "https://huggingface.co/timm/resnet101.tv_in1k/resolve/main/model.safetensors",
        }],
    ),
    golden: include_str!("../../goldens/ResNet101.pytorch.json"),
    architecture: Architecture::ResNet(ResNet { blocks: [3, 4, 23, 3], form: Form::Torchvision }),
    ..TORCHVISION
};

pub(super) const RESNET_152: Card = Card {
    name: "ResNet152",
    preprocessing: torch(224),
    cut_layers: &[
        "pool1_pool",
        "conv2_block3_out",
        "conv3_block8_out",
        "conv4_block36_out",
        "conv5_block3_out",
        "avg_pool",
        "logits",
        "predictions",
    ],
    feature_layer: "avg_pool",
    feature_width: 2048,
    licence: "BSD-3-Clause",
    top1: Top1 {
        percent: 78.312,
        source: "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.resnet152.html",
    },
    weights: torchvision_file(
        "resnet152-394f9c45.pth",
        Checksum::Sha256Prefix("394f9c45"),
        &[Source::Http { url: "https://download.pytorch.org/models/resnet152-394f9c45.pth" }],
    ),
    safetensors: timm_file(
        "resnet152.tv_in1k.safetensors",
        &[Source::Http {
            url: "https://huggingface.co/timm/resnet152.tv_in1k/resolve/main/model.safetensors",
        }],
    ),
    golden: include_str!("../../goldens/ResNet152.pytorch.json"),
    architecture: Architecture::ResNet(ResNet { blocks: [3, 8, 36, 3], form: Form::Torchvision }),
    ..TORCHVISION
};

pub(super) const VGG_16: Card = Card {
    name: "VGG16",
    preprocessing: torch(224),
    cut_layers: &[
        "block1_pool",
        "block2_pool",
        "block3_pool",
        "block4_pool",
        "block5_pool",
        "fc1",
        "fc2",
        "logits",
        "predictions",
    ],
    feature_layer: "block5_pool",
    feature_width: 512,
    licence: "BSD-3-Clause",
    top1: Top1 {
        percent: 71.592,
        source: "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.vgg16.html",
    },
    weights: torchvision_file(
        "vgg16-397923af.pth",
        Checksum::Sha256Prefix("397923af"),
        &[Source::Http { url: "https://download.pytorch.org/models/vgg16-397923af.pth" }],
    ),
    golden: include_str!("../../goldens/VGG16.pytorch.json"),
    architecture: Architecture::Vgg(Vgg { convolutions: [2, 2, 3, 3, 3], origin: Origin::PyTorch }),
    ..TORCHVISION
};

pub(super) const VGG_19: Card = Card {
    name: "VGG19",
    preprocessing: torch(224),
    cut_layers: &[
        "block1_pool",
        "block2_pool",
        "block3_pool",
        "block4_pool",
        "block5_pool",
        "fc1",
        "fc2",
        "logits",
        "predictions",
    ],
    feature_layer: "block5_pool",
    feature_width: 512,
    licence: "BSD-3-Clause",
    top1: Top1 {
        percent: 72.376,
        source: "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.vgg19.html",
    },
    weights: torchvision_file(
        "vgg19-dcbb9e9d.pth",
        Checksum::Sha256Prefix("dcbb9e9d"),
        &[Source::Http { url: "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth" }],
    ),
    golden: include_str!("../../goldens/VGG19.pytorch.json"),
    architecture: Architecture::Vgg(Vgg { convolutions: [2, 2, 4, 4, 4], origin: Origin::PyTorch }),
    ..TORCHVISION
};

pub(super) const DENSE_NET_121: Card = Card {
    name: "DenseNet121",
    preprocessing: torch(224),
    cut_layers: &["pool2_pool", "pool3_pool", "pool4_pool", "relu", "avg_pool", "logits", "predictions"],
    feature_layer: "avg_pool",
    feature_width: 1024,
    licence: "BSD-3-Clause",
    top1: Top1 {
        percent: 74.434,
        source: "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.densenet121.html",
    },
    weights: torchvision_file(
        "densenet121-a639ec97.pth",
        Checksum::Sha256Prefix("a639ec97"),
        &[Source::Http { url: "https://download.pytorch.org/models/densenet121-a639ec97.pth" }],
    ),
    safetensors: timm_file(
        "densenet121.tv_in1k.safetensors",
        &[Source::Http {
            url: "https://huggingface.co/timm/densenet121.tv_in1k/resolve/main/model.safetensors",
        }],
    ),
    golden: include_str!("../../goldens/DenseNet121.pytorch.json"),
    architecture: Architecture::DenseNet121(Origin::PyTorch),
    ..TORCHVISION
};

pub(super) const VIT_B_16: Card = Card {
    name: "ViTB16",
    preprocessing: torch(224),
    cut_layers: &[
        "patches",
        "encoder.layers.encoder_layer_2.add_1",
        "encoder.layers.encoder_layer_5.add_1",
        "encoder.layers.encoder_layer_8.add_1",
        "encoder.layers.encoder_layer_11.add_1",
        "encoder.ln",
        "class_features",
        "logits",
        "predictions",
    ],
    feature_layer: "class_features",
    feature_width: 768,
    licence: "BSD-3-Clause",
    top1: Top1 {
        percent: 81.072,
        source: "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.vit_b_16.html",
    },
    weights: torchvision_file(
        "vit_b_16-c867db91.pth",
        Checksum::Sha256Prefix("c867db91"),
        &[Source::Http { url: "https://download.pytorch.org/models/vit_b_16-c867db91.pth" }],
    ),
    golden: include_str!("../../goldens/ViTB16.json"),
    architecture: Architecture::VitB16,
    ..TORCHVISION
};
