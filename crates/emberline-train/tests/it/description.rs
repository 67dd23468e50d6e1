//! Networks as the fixture lists them: the input's shape, then `[name, kind, settings, inputs]`.

use std::collections::BTreeMap;

use emberline_net::{
    Activation, BatchNormalization, Conv, Dense, DepthwiseConv, GlobalPooling, Layer, LayerNormalization,
    MultiHeadAttention, Network, NetworkBuilder, Padding, Rescaling, Reshape, Sizes, WindowPooling,
    ZeroPadding,
};
use emberline_train::LayerOptions;
use serde_json::Value;

/// The network, and what of the settings is training's.
pub(crate) fn network(description: &Value) -> (Network, BTreeMap<String, LayerOptions>) {
    let (shape, rows) = description.as_array().unwrap().split_first().unwrap();
    let mut layers = NetworkBuilder::new("described");
    let mut values = BTreeMap::new();
    let mut options: BTreeMap<String, LayerOptions> = BTreeMap::new();
    let mut last = layers.input("input", sizes(shape));
    values.insert("input".to_owned(), last);
    for row in rows {
        let name = row[0].as_str().unwrap();
        let inputs = match row.get(3) {
            Some(inputs) => {
                inputs.as_array().unwrap().iter().map(|name| values[name.as_str().unwrap()]).collect()
            }
            None => vec![last],
        };
        last = layers.merge(name, layer(row[1].as_str().unwrap(), &row[2]), &inputs);
        values.insert(name.to_owned(), last);
        if let Some(momentum) = row[2]["momentum"].as_f64() {
            options.entry(name.to_owned()).or_default().momentum = Some(momentum);
        }
    }
    (layers.build(&[last]).unwrap(), options)
}

fn layer(kind: &str, settings: &Value) -> Layer {
    let flag = |key: &str, default: bool| settings[key].as_bool().unwrap_or(default);
    let count = |key: &str| settings[key].as_u64().unwrap() as usize;
    let pair_or = |key: &str, default: Sizes| settings.get(key).map_or(default, pair);
    let padding = if settings["padding"] == "same" { Padding::Same } else { Padding::Valid };
    let activation = settings["activation"].as_str().map_or(Activation::Linear, activation);
    let global = GlobalPooling { keepdims: flag("keepdims", false), ..GlobalPooling::default() };
    let pooling = || {
        let window = pair(&settings["pool_size"]);
        WindowPooling::new_2d(window.clone()).strides(pair_or("strides", window)).padding(padding)
    };
    match kind {
        "Dense" => {
            Layer::Dense(Dense { units: count("units"), use_bias: flag("use_bias", true), activation })
        }
        "Conv2D" => {
            let conv = Conv::new_2d(count("filters"), pair(&settings["kernel_size"]))
                .strides(pair_or("strides", 1.into()))
                .padding(padding)
                .dilation(pair_or("dilation_rate", 1.into()))
                .groups(settings["groups"].as_u64().unwrap_or(1) as usize)
                .activation(activation);
            Layer::Conv(if flag("use_bias", true) { conv } else { conv.without_bias() })
        }
        "DepthwiseConv2D" => Layer::DepthwiseConv(
            DepthwiseConv::new_2d(pair(&settings["kernel_size"]))
                .strides(pair_or("strides", 1.into()))
                .padding(padding)
                .depth_multiplier(settings["depth_multiplier"].as_u64().unwrap_or(1) as usize)
                .activation(activation),
        ),
        "BatchNormalization" => Layer::BatchNormalization(BatchNormalization {
            scale: flag("scale", true),
            ..BatchNormalization::new(1e-3)
        }),
        "LayerNormalization" => {
            Layer::LayerNormalization(LayerNormalization::new(settings["epsilon"].as_f64().unwrap()))
        }
        "LayerScale" => Layer::LayerScale,
        "Rescaling" => {
            let number = |key: &str| vec![settings[key].as_f64().unwrap() as f32];
            Layer::Rescaling(Rescaling { scale: number("scale"), offset: number("offset") })
        }
        "Activation" => Layer::Activation(activation),
        "ZeroPadding2D" => {
            let side = |i: usize, j: usize| settings["padding"][i][j].as_u64().unwrap() as usize;
            Layer::ZeroPadding(ZeroPadding { pads: vec![(side(0, 0), side(0, 1)), (side(1, 0), side(1, 1))] })
        }
        "MaxPooling2D" => Layer::MaxPooling(pooling()),
        "AveragePooling2D" => Layer::AveragePooling(pooling()),
        "GlobalMaxPooling2D" => Layer::GlobalMaxPooling(global),
        "GlobalAveragePooling2D" => Layer::GlobalAveragePooling(global),
        "Flatten" => Layer::Flatten,
        "Reshape" => Layer::Reshape(Reshape { shape: sizes(&settings["target_shape"]) }),
        "Dropout" => Layer::Dropout { rate: settings["rate"].as_f64().unwrap() as f32 },
        "Add" => Layer::Add,
        "Multiply" => Layer::Multiply,
        "Concatenate" => Layer::Concatenate { axis: -1 },
        "ClassToken" => Layer::ClassToken,
        "PositionEmbedding" => Layer::PositionEmbedding,
        "MultiHeadAttention" => {
            Layer::MultiHeadAttention(MultiHeadAttention::new(count("heads"), count("key_dim")))
        }
        "TakeToken" => Layer::TakeToken { index: count("index") },
        other => panic!("there is no layer `{other}`"),
    }
}

/// An activation with Keras' defaults.
fn activation(name: &str) -> Activation {
    match name {
        "relu" => Activation::Relu,
        "relu6" => Activation::Relu6,
        "leaky_relu" => Activation::LeakyRelu { slope: 0.2 },
        "elu" => Activation::Elu { alpha: 1.0 },
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        "softmax" => Activation::Softmax,
        "softplus" => Activation::Softplus,
        "swish" => Activation::Swish,
        "hard_sigmoid" => Activation::HardSigmoid,
        "hard_swish" => Activation::HardSwish,
        "gelu" => Activation::Gelu,
        other => panic!("there is no activation `{other}`"),
    }
}

fn sizes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect()
}

fn pair(value: &Value) -> Sizes {
    match value.as_u64() {
        Some(size) => (size as usize).into(),
        None => (value[0].as_u64().unwrap() as usize, value[1].as_u64().unwrap() as usize).into(),
    }
}
