//! Networks as Keras Applications defines and trained them. Addresses and checksums are those in Keras' source, accuracies
//! those of its documentation; of two files the source has no checksum.

use emberline_image::{ChannelOrder, Preprocessing};
use emberline_net::Digest;

use crate::{
    Card, Checksum, Origin, Source, Top1, WeightsFile,
    family::{Architecture, EfficientNet, Form, MobileNet, ResNet, Vgg},
    imagenet_labels,
};

const APPLICATIONS: &str = "https://keras.io/api/applications/";
const MOBILE_NET_V3_SOURCE: &str =
    "https://github.com/keras-team/keras/blob/master/keras/src/applications/mobilenet_v3.py";

/// What the networks have in common.
const KERAS: Card = Card {
    name: "",
    origin: Origin::Keras,
    preprocessing: raw(0),
    cut_layers: &[],
    feature_layer: "",
    feature_width: 0,
    labels: imagenet_labels,
    licence: "",
    top1: Top1 { percent: 0.0, source: "" },
    weights: keras_file("", Checksum::Unpublished, &[]),
    safetensors: None,
    golden: "",
    architecture: Architecture::Xception,
};

const fn keras_file(
    file_name: &'static str,
    checksum: Checksum<'static>,
    sources: &'static [Source<'static>],
) -> WeightsFile<'static> {
    WeightsFile { file_name, checksum, bytes: None, sources }
}

/// Pixels from 0 to 255, for networks that begin with layers that scale them.
const fn raw(side: u32) -> Preprocessing {
    super::preprocessing(side, ChannelOrder::Rgb, [0.0; 3], [1.0; 3])
}

/// Pixels from -1 to 1: Keras' mode `tf`.
const fn unit(side: u32) -> Preprocessing {
    super::preprocessing(side, ChannelOrder::Rgb, [127.5; 3], [127.5; 3])
}

/// Blue, green and red without their means: Keras' mode `caffe`.
const fn caffe(side: u32) -> Preprocessing {
    super::preprocessing(side, ChannelOrder::Bgr, [103.939, 116.779, 123.68], [1.0; 3])
}

/// Every channel without its mean and by its deviation: Keras' mode `torch`.
const fn torch(side: u32) -> Preprocessing {
    super::preprocessing(side, ChannelOrder::Rgb, super::IMAGENET_MEAN, super::IMAGENET_STD)
}

pub(super) const INCEPTION_V3: Card = Card {
    name: "InceptionV3",
    preprocessing: unit(299),
    cut_layers: &[
        "mixed2",
        "mixed4",
        "mixed7",
        "mixed8",
        "mixed9",
        "mixed10",
        "avg_pool",
        "logits",
        "predictions",
    ],
    feature_layer: "avg_pool",
    feature_width: 2048,
    licence: "Apache-2.0",
    top1: Top1 { percent: 77.9, source: APPLICATIONS },
    weights: keras_file(
        "inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
        Checksum::Md5("9a0d58056eeedaa3f26cb7ebd46da564"),
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
        }],
    ),
    golden: include_str!("../../goldens/InceptionV3.json"),
    architecture: Architecture::InceptionV3,
    ..KERAS
};

pub(super) const XCEPTION: Card = Card {
    name: "Xception",
    preprocessing: unit(299),
    cut_layers: &[
        "block1_conv2_act",
        "add",
        "add_1",
        "add_2",
        "add_10",
        "add_11",
        "block14_sepconv2_act",
        "avg_pool",
        "logits",
        "predictions",
    ],
    feature_layer: "avg_pool",
    feature_width: 2048,
    licence: "MIT",
    top1: Top1 { percent: 79.0, source: APPLICATIONS },
    weights: keras_file(
        "xception_weights_tf_dim_ordering_tf_kernels.h5",
        Checksum::Md5("0a58e3b7378bc2990ea3b43d5981f1f6"),
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/xception/xception_weights_tf_dim_ordering_tf_kernels.h5",
        }],
    ),
    golden: include_str!("../../goldens/Xception.json"),
    architecture: Architecture::Xception,
    ..KERAS
};

pub(super) const RESNET_50: Card = Card {
    name: "ResNet50",
    preprocessing: caffe(224),
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
    licence: "MIT",
    top1: Top1 { percent: 74.9, source: APPLICATIONS },
    weights: keras_file(
        "resnet50_weights_tf_dim_ordering_tf_kernels.h5",
        Checksum::Md5("2cb95161c43110f7111970584f804107"),
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5",
        }],
    ),
    golden: include_str!("../../goldens/ResNet50.json"),
    architecture: Architecture::ResNet(ResNet { blocks: [3, 4, 6, 3], form: Form::Keras }),
    ..KERAS
};

pub(super) const RESNET_101: Card = Card {
    name: "ResNet101",
    preprocessing: caffe(224),
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
    licence: "MIT",
    top1: Top1 { percent: 76.4, source: APPLICATIONS },
    weights: keras_file(
        "resnet101_weights_tf_dim_ordering_tf_kernels.h5",
        Checksum::Md5("f1aeb4b969a6efcfb50fad2f0c20cfc5"),
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/resnet/resnet101_weights_tf_dim_ordering_tf_kernels.h5",
        }],
    ),
    golden: include_str!("../../goldens/ResNet101.json"),
    architecture: Architecture::ResNet(ResNet { blocks: [3, 4, 23, 3], form: Form::Keras }),
    ..KERAS
};

pub(super) const RESNET_152: Card = Card {
    name: "ResNet152",
    preprocessing: caffe(224),
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
    licence: "MIT",
    top1: Top1 { percent: 76.6, source: APPLICATIONS },
    weights: keras_file(
        "resnet152_weights_tf_dim_ordering_tf_kernels.h5",
        Checksum::Md5("100835be76be38e30d865e96f2aaae62"),
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/resnet/resnet152_weights_tf_dim_ordering_tf_kernels.h5",
        }],
    ),
    golden: include_str!("../../goldens/ResNet152.json"),
    architecture: Architecture::ResNet(ResNet { blocks: [3, 8, 36, 3], form: Form::Keras }),
    ..KERAS
};

pub(super) const RESNET_50_V2: Card = Card {
    name: "ResNet50V2",
    preprocessing: unit(224),
    cut_layers: &[
        "pool1_pool",
        "conv2_block3_out",
        "conv3_block4_out",
        "conv4_block6_out",
        "conv5_block3_out",
        "post_relu",
        "avg_pool",
        "logits",
        "predictions",
    ],
    feature_layer: "avg_pool",
    feature_width: 2048,
    licence: "BSD-3-Clause",
    top1: Top1 { percent: 76.0, source: APPLICATIONS },
    weights: keras_file(
        "resnet50v2_weights_tf_dim_ordering_tf_kernels.h5",
        Checksum::Md5("3ef43a0b657b3be2300d5770ece849e0"),
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels.h5",
        }],
    ),
    golden: include_str!("../../goldens/ResNet50V2.json"),
    architecture: Architecture::ResNet(ResNet { blocks: [3, 4, 6, 3], form: Form::KerasV2 }),
    ..KERAS
};

pub(super) const VGG_16: Card = Card {
    name: "VGG16",
    preprocessing: caffe(224),
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
    licence: "CC-BY-4.0",
    top1: Top1 { percent: 71.3, source: APPLICATIONS },
    weights: keras_file(
        "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        Checksum::Md5("64373286793e3c8b2b4e3219cbf3544b"),
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        }],
    ),
    golden: include_str!("../../goldens/VGG16.json"),
    architecture: Architecture::Vgg(Vgg { convolutions: [2, 2, 3, 3, 3], origin: Origin::Keras }),
    ..KERAS
};

pub(super) const VGG_19: Card = Card {
    name: "VGG19",
    preprocessing: caffe(224),
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
    licence: "CC-BY-4.0",
    top1: Top1 { percent: 71.3, source: APPLICATIONS },
    weights: keras_file(
        "vgg19_weights_tf_dim_ordering_tf_kernels.h5",
        Checksum::Md5("cbe5617147190e668d6c5d5026f83318"),
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels.h5",
        }],
    ),
    golden: include_str!("../../goldens/VGG19.json"),
    architecture: Architecture::Vgg(Vgg { convolutions: [2, 2, 4, 4, 4], origin: Origin::Keras }),
    ..KERAS
};

pub(super) const MOBILE_NET: Card = Card {
    name: "MobileNet",
    preprocessing: unit(224),
    cut_layers: &[
        "conv_pw_3_relu",
        "conv_pw_5_relu",
        "conv_pw_11_relu",
        "conv_pw_13_relu",
        "global_average_pooling2d",
        "predictions",
    ],
    feature_layer: "global_average_pooling2d",
    feature_width: 1024,
    licence: "Apache-2.0",
    top1: Top1 { percent: 70.4, source: APPLICATIONS },
    weights: keras_file(
        "mobilenet_1_0_224_tf.h5",
        Checksum::Unpublished,
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/mobilenet_1_0_224_tf.h5",
        }],
    ),
    golden: include_str!("../../goldens/MobileNet.json"),
    architecture: Architecture::MobileNet(MobileNet::V1),
    ..KERAS
};

pub(super) const MOBILE_NET_V2: Card = Card {
    name: "MobileNetV2",
    preprocessing: unit(224),
    cut_layers: &[
        "block_2_add",
        "block_5_add",
        "block_9_add",
        "block_12_add",
        "block_15_add",
        "out_relu",
        "global_average_pooling2d",
        "logits",
        "predictions",
    ],
    feature_layer: "global_average_pooling2d",
    feature_width: 1280,
    licence: "Apache-2.0",
    top1: Top1 { percent: 71.3, source: APPLICATIONS },
    weights: keras_file(
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
        Checksum::Unpublished,
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
        }],
    ),
    golden: include_str!("../../goldens/MobileNetV2.json"),
    architecture: Architecture::MobileNet(MobileNet::V2),
    ..KERAS
};

pub(super) const MOBILE_NET_V3_LARGE: Card = Card {
    name: "MobileNetV3Large",
    preprocessing: raw(224),
    cut_layers: &[
        "expanded_conv_2_add",
        "expanded_conv_5_add",
        "expanded_conv_9_add",
        "expanded_conv_11_add",
        "expanded_conv_14_add",
        "global_average_pooling2d",
        "conv_2",
        "logits",
        "predictions",
    ],
    feature_layer: "global_average_pooling2d",
    feature_width: 960,
    licence: "Apache-2.0",
    top1: Top1 { percent: 75.6, source: MOBILE_NET_V3_SOURCE },
    weights: keras_file(
        "weights_mobilenet_v3_large_224_1.0_float.h5",
        Checksum::Md5("59e551e166be033d707958cf9e29a6a7"),
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float.h5",
        }],
    ),
    golden: include_str!("../../goldens/MobileNetV3Large.json"),
    architecture: Architecture::MobileNet(MobileNet::V3Large),
    ..KERAS
};

pub(super) const DENSE_NET_121: Card = Card {
    name: "DenseNet121",
    preprocessing: torch(224),
    cut_layers: &["pool2_pool", "pool3_pool", "pool4_pool", "relu", "avg_pool", "logits", "predictions"],
    feature_layer: "avg_pool",
    feature_width: 1024,
    licence: "BSD-3-Clause",
    top1: Top1 { percent: 75.0, source: APPLICATIONS },
    weights: keras_file(
        "densenet121_weights_tf_dim_ordering_tf_kernels.h5",
        Checksum::Md5("9d60b8095a5708f2dcce2bca79d332c7"),
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/densenet/densenet121_weights_tf_dim_ordering_tf_kernels.h5",
        }],
    ),
    golden: include_str!("../../goldens/DenseNet121.json"),
    architecture: Architecture::DenseNet121(Origin::Keras),
    ..KERAS
};

pub(super) const EFFICIENT_NET_B0: Card = Card {
    name: "EfficientNetB0",
    preprocessing: raw(224),
    cut_layers: &[
        "block1a_project_bn",
        "block2b_add",
        "block3b_add",
        "block4c_add",
        "block5c_add",
        "block6d_add",
        "block7a_project_bn",
        "top_activation",
        "avg_pool",
        "logits",
        "predictions",
    ],
    feature_layer: "avg_pool",
    feature_width: 1280,
    licence: "Apache-2.0",
    top1: Top1 { percent: 77.1, source: APPLICATIONS },
    weights: keras_file(
        "efficientnetb0.h5",
        Checksum::Md5("902e53a9f72be733fc0bcb005b3ebbac"),
        &[Source::Http { url: "https://storage.googleapis.com/keras-applications/efficientnetb0.h5" }],
    ),
    golden: include_str!("../../goldens/EfficientNetB0.json"),
    architecture: Architecture::EfficientNet(EfficientNet {
        width: 1.0,
        depth: 1.0,
        dropout: 0.2,
        lite: false,
    }),
    ..KERAS
};

pub(super) const EFFICIENT_NET_B1: Card = Card {
    name: "EfficientNetB1",
    preprocessing: raw(240),
    cut_layers: &[
        "block1b_project_bn",
        "block2c_add",
        "block3c_add",
        "block4d_add",
        "block5d_add",
        "block6e_add",
        "block7b_add",
        "top_activation",
        "avg_pool",
        "logits",
        "predictions",
    ],
    feature_layer: "avg_pool",
    feature_width: 1280,
    licence: "Apache-2.0",
    top1: Top1 { percent: 79.1, source: APPLICATIONS },
    weights: keras_file(
        "efficientnetb1.h5",
        Checksum::Md5("1d254153d4ab51201f1646940f018540"),
        &[Source::Http { url: "https://storage.googleapis.com/keras-applications/efficientnetb1.h5" }],
    ),
    golden: include_str!("../../goldens/EfficientNetB1.json"),
    architecture: Architecture::EfficientNet(EfficientNet {
        width: 1.0,
        depth: 1.1,
        dropout: 0.2,
        lite: false,
    }),
    ..KERAS
};

pub(super) const EFFICIENT_NET_B2: Card = Card {
    name: "EfficientNetB2",
    preprocessing: raw(260),
    cut_layers: &[
        "block1b_project_bn",
        "block2c_add",
        "block3c_add",
        "block4d_add",
        "block5d_add",
        "block6e_add",
        "block7b_add",
        "top_activation",
        "avg_pool",
        "logits",
        "predictions",
    ],
    feature_layer: "avg_pool",
    feature_width: 1408,
    licence: "Apache-2.0",
    top1: Top1 { percent: 80.1, source: APPLICATIONS },
    weights: keras_file(
        "efficientnetb2.h5",
        Checksum::Md5("b15cce36ff4dcbd00b6dd88e7857a6ad"),
        &[Source::Http { url: "https://storage.googleapis.com/keras-applications/efficientnetb2.h5" }],
    ),
    golden: include_str!("../../goldens/EfficientNetB2.json"),
    architecture: Architecture::EfficientNet(EfficientNet {
        width: 1.1,
        depth: 1.2,
        dropout: 0.3,
        lite: false,
    }),
    ..KERAS
};

pub(super) const EFFICIENT_NET_B3: Card = Card {
    name: "EfficientNetB3",
    preprocessing: raw(300),
    cut_layers: &[
        "block1b_project_bn",
        "block2c_add",
        "block3c_add",
        "block4e_add",
        "block5e_add",
        "block6f_add",
        "block7b_add",
        "top_activation",
        "avg_pool",
        "logits",
        "predictions",
    ],
    feature_layer: "avg_pool",
    feature_width: 1536,
    licence: "Apache-2.0",
    top1: Top1 { percent: 81.6, source: APPLICATIONS },
    weights: keras_file(
        "efficientnetb3.h5",
        Checksum::Md5("ffd1fdc53d0ce67064dc6a9c7960ede0"),
        &[Source::Http { url: "https://storage.googleapis.com/keras-applications/efficientnetb3.h5" }],
    ),
    golden: include_str!("../../goldens/EfficientNetB3.json"),
    architecture: Architecture::EfficientNet(EfficientNet {
        width: 1.2,
        depth: 1.4,
        dropout: 0.3,
        lite: false,
    }),
    ..KERAS
};

pub(super) const CONV_NEXT_TINY: Card = Card {
    name: "ConvNeXtTiny",
    preprocessing: raw(224),
    cut_layers: &[
        "convnext_tiny_stage_0_block_2_add",
        "convnext_tiny_stage_1_block_2_add",
        "convnext_tiny_stage_2_block_8_add",
        "convnext_tiny_stage_3_block_2_add",
        "convnext_tiny_head_gap",
        "convnext_tiny_head_layernorm",
        "logits",
        "predictions",
    ],
    feature_layer: "convnext_tiny_head_layernorm",
    feature_width: 768,
    licence: "Apache-2.0",
    top1: Top1 { percent: 81.3, source: APPLICATIONS },
    weights: keras_file(
        "convnext_tiny.h5",
        Checksum::Sha256(Digest::hex("8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff")),
        &[Source::Http {
            url: "https://storage.googleapis.com/tensorflow/keras-applications/convnext/convnext_tiny.h5",
        }],
    ),
    golden: include_str!("../../goldens/ConvNeXtTiny.json"),
    architecture: Architecture::ConvNextTiny,
    ..KERAS
};
