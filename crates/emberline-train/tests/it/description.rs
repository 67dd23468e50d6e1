//! Networks as the fixture lists them: the input's shape, then `[name, kind, settings, inputs]`.

use std::collections::BTreeMap;

use emberline_net::{
    Activation, AdaptivePooling, Attention, BatchNormalization, Bidirectional, Cell, CenterCrop, Conv,
    ConvTranspose, Cropping, Dense, DepthwiseConv, Dot, EinsumDense, Embedding, GlobalPooling,
    GroupNormalization, Interpolation, Layer, LayerNormalization, MergeMode, MultiHeadAttention, Network,
    NetworkBuilder, Normalization, Padding, Recurrent, Rescaling, Reshape, Resizing, RmsNormalization, Score,
    UpSampling, WindowPooling, ZeroPadding,
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
        let kind = row[1].as_str().unwrap();
        last = match kind.strip_prefix("Separable") {
            // Two layers here: one for every channel by itself, one for every pixel by itself.
            Some(conv) => {
                let depthwise = layer(&format!("Depthwise{conv}"), &row[2]);
                let depthwise = match depthwise {
                    Layer::DepthwiseConv(layer) => layer.activation(Activation::Linear).without_bias().into(),
                    other => other,
                };
                let middle = layers.merge(&format!("{name}_depthwise"), depthwise, &inputs);
                let mut settings = row[2].clone();
                settings["kernel_size"] = 1.into();
                settings["strides"] = 1.into();
                layers.merge(name, layer(conv, &settings), &[middle])
            }
            None => layers.merge(name, layer(kind, &row[2]), &inputs),
        };
        values.insert(name.to_owned(), last);
        if let Some(momentum) = row[2]["momentum"].as_f64() {
            options.entry(name.to_owned()).or_default().momentum = Some(momentum);
        }
    }
    (layers.build(&[last]).unwrap(), options)
}

/// A layer whose settings have Keras' names and defaults.
#[expect(clippy::too_many_lines, reason = "an arm for every kind")]
fn layer(kind: &str, settings: &Value) -> Layer {
    let flag = |key: &str, default: bool| settings[key].as_bool().unwrap_or(default);
    let count = |key: &str| settings[key].as_u64().unwrap() as usize;
    let count_or = |key: &str, default: usize| settings[key].as_u64().map_or(default, |count| count as usize);
    let activation = settings["activation"].as_str().map_or(Activation::Linear, activation);
    // The number of axes ends the kind, or stands before `Transpose`.
    let dimensions = kind.chars().find(char::is_ascii_digit).map_or(2, |digit| digit as usize - '0' as usize);
    let each = |key: &str, default: Vec<usize>| match settings.get(key) {
        Some(Value::Array(sizes)) => sizes.iter().map(|size| size.as_u64().unwrap() as usize).collect(),
        Some(size) => vec![size.as_u64().unwrap() as usize; dimensions],
        None => default,
    };
    let ones = vec![1; dimensions];
    let padding = match settings["padding"].as_str() {
        Some("same") => Padding::Same,
        Some("causal") => Padding::Causal,
        _ => Padding::Valid,
    };
    let axes = || {
        settings["axis"]
            .as_array()
            .map(|axes| axes.iter().map(|axis| axis.as_i64().unwrap() as isize).collect())
    };
    let pairs = |key: &str| -> Vec<(usize, usize)> {
        let sides = settings[key].as_array().unwrap().iter().map(sizes);
        sides.map(|sides| (sides[0], sides[1])).collect()
    };
    let global = GlobalPooling { dimensions, keepdims: flag("keepdims", false) };
    let interpolation = |default| match settings["interpolation"].as_str() {
        Some("nearest") => Interpolation::Nearest,
        Some("bilinear") => Interpolation::Bilinear,
        _ => default,
    };
    let pooling = || {
        let window = each("pool_size", Vec::new());
        WindowPooling::new(window.clone()).strides(each("strides", window)).padding(padding)
    };
    let conv_transpose = || ConvTranspose {
        filters: count("filters"),
        kernel: each("kernel_size", Vec::new()),
        strides: each("strides", ones.clone()),
        padding,
        output_padding: None,
        dilation: ones.clone(),
        use_bias: flag("use_bias", true),
        activation,
    };
    let attention =
        |score| Attention { score, use_scale: flag("use_scale", score == Score::Additive), causal: false };
    match kind {
        "Dense" => {
            Layer::Dense(Dense { units: count("units"), use_bias: flag("use_bias", true), activation })
        }
        "Conv1D" | "Conv2D" | "Conv3D" => {
            let conv = Conv::new(count("filters"), each("kernel_size", Vec::new()))
                .strides(each("strides", ones.clone()))
                .padding(padding)
                .dilation(each("dilation_rate", ones.clone()))
                .groups(count_or("groups", 1))
                .activation(activation);
            Layer::Conv(if flag("use_bias", true) { conv } else { conv.without_bias() })
        }
        "Conv1DTranspose" | "Conv2DTranspose" | "Conv3DTranspose" => conv_transpose().into(),
        "DepthwiseConv1D" | "DepthwiseConv2D" => Layer::DepthwiseConv(
            DepthwiseConv::new(each("kernel_size", Vec::new()))
                .strides(each("strides", ones.clone()))
                .padding(padding)
                .dilation(each("dilation_rate", ones.clone()))
                .depth_multiplier(count_or("depth_multiplier", 1))
                .activation(activation),
        ),
        "EinsumDense" => {
            let size = |size: &Value| size.as_u64().map(|size| size as usize);
            Layer::EinsumDense(EinsumDense {
                equation: settings["equation"].as_str().unwrap().to_owned(),
                output_shape: settings["output_shape"].as_array().unwrap().iter().map(size).collect(),
                bias_axes: settings["bias_axes"].as_str().unwrap_or("").to_owned(),
                activation,
            })
        }
        "Embedding" => {
            Layer::Embedding(Embedding { rows: count("input_dim"), features: count("output_dim") })
        }
        "BatchNormalization" => Layer::BatchNormalization(BatchNormalization {
            scale: flag("scale", true),
            ..BatchNormalization::new(1e-3)
        }),
        "LayerNormalization" => Layer::LayerNormalization(LayerNormalization {
            axes: axes().unwrap_or_default(),
            center: flag("center", true),
            ..LayerNormalization::new(settings["epsilon"].as_f64().unwrap_or(1e-3))
        }),
        "GroupNormalization" => Layer::GroupNormalization(GroupNormalization {
            groups: settings["groups"].as_u64().map(|groups| groups as usize),
            epsilon: 1e-3,
            scale: flag("scale", true),
            center: true,
            axis: -1,
        }),
        "RMSNormalization" => Layer::RmsNormalization(RmsNormalization { epsilon: 1e-6, axes: Vec::new() }),
        "UnitNormalization" => Layer::UnitNormalization { axes: axes().unwrap_or_default() },
        "Normalization" => {
            let moment = |key: &str| settings[key].as_f64().map(|moment| vec![moment as f32]);
            let moments = moment("mean").zip(moment("variance")).map(|(mean, variance)| [mean, variance]);
            let axes = if moments.is_some() { Vec::new() } else { vec![-1] };
            Layer::Normalization(Normalization { axes, moments, invert: false })
        }
        "LayerScale" => Layer::LayerScale,
        "Rescaling" => {
            let number = |key: &str| vec![settings[key].as_f64().unwrap() as f32];
            Layer::Rescaling(Rescaling { scale: number("scale"), offset: number("offset") })
        }
        "Activation" => Layer::Activation(activation),
        "PReLU" => {
            let shared_axes = settings.get("shared_axes").map(sizes).unwrap_or_default();
            Layer::PRelu { shared_axes }
        }
        "Softmax" => Layer::Softmax { axes: axes().unwrap_or_default() },
        "ZeroPadding2D" => Layer::ZeroPadding(ZeroPadding { pads: pairs("padding") }),
        "Cropping2D" => Layer::Cropping(Cropping { crops: pairs("cropping") }),
        "UpSampling2D" => Layer::UpSampling(UpSampling {
            size: each("size", Vec::new()),
            interpolation: interpolation(Interpolation::Nearest),
        }),
        "Resizing" => Layer::Resizing(Resizing {
            height: count("height"),
            width: count("width"),
            interpolation: interpolation(Interpolation::Bilinear),
            crop_to_aspect_ratio: false,
        }),
        "CenterCrop" => Layer::CenterCrop(CenterCrop { height: count("height"), width: count("width") }),
        "MaxPooling1D" | "MaxPooling2D" | "MaxPooling3D" => Layer::MaxPooling(pooling()),
        "AveragePooling2D" | "AveragePooling3D" => Layer::AveragePooling(pooling()),
        "AdaptiveAveragePooling2D" => {
            Layer::AdaptiveAveragePooling(AdaptivePooling { output_size: sizes(&settings["output_size"]) })
        }
        "AdaptiveMaxPooling2D" => {
            Layer::AdaptiveMaxPooling(AdaptivePooling { output_size: sizes(&settings["output_size"]) })
        }
        "GlobalMaxPooling2D" => Layer::GlobalMaxPooling(global),
        "GlobalAveragePooling1D" | "GlobalAveragePooling2D" | "GlobalAveragePooling3D" => {
            Layer::GlobalAveragePooling(global)
        }
        "Flatten" => Layer::Flatten,
        "Reshape" => Layer::Reshape(Reshape { shape: sizes(&settings["target_shape"]) }),
        "Permute" => {
            Layer::Permute { axes: sizes(&settings["dims"]).into_iter().map(|axis| axis - 1).collect() }
        }
        "RepeatVector" => Layer::RepeatVector { count: count("n") },
        "Dropout" => Layer::Dropout { rate: settings["rate"].as_f64().unwrap() as f32 },
        "Add" => Layer::Add,
        "Subtract" => Layer::Subtract,
        "Multiply" => Layer::Multiply,
        "Average" => Layer::Average,
        "Maximum" => Layer::Maximum,
        "Minimum" => Layer::Minimum,
        "Concatenate" => Layer::Concatenate { axis: -1 },
        "Dot" => {
            let axis = settings["axes"].as_i64().unwrap() as isize;
            Layer::Dot(Dot { axes: [axis; 2], normalize: flag("normalize", false) })
        }
        "ClassToken" => Layer::ClassToken,
        "PositionEmbedding" => Layer::PositionEmbedding,
        "MultiHeadAttention" => {
            Layer::MultiHeadAttention(MultiHeadAttention::new(count("heads"), count("key_dim")))
        }
        "Attention" if settings["score_mode"] == "concat" => Layer::Attention(attention(Score::Concat)),
        "Attention" => Layer::Attention(attention(Score::Dot)),
        "AdditiveAttention" => Layer::Attention(attention(Score::Additive)),
        "TakeToken" => Layer::TakeToken { index: count("index") },
        "TimeDistributed" => {
            let inner = &settings["layer"];
            Layer::TimeDistributed(Box::new(layer(inner[0].as_str().unwrap(), &inner[1])))
        }
        "Bidirectional" => {
            let forward = recurrent(settings["cell"].as_str().unwrap(), settings);
            let merge = if settings["merge_mode"] == "sum" { MergeMode::Sum } else { MergeMode::Concat };
            let backward = Recurrent { go_backwards: true, ..forward.clone() };
            Layer::Bidirectional(Bidirectional { forward, backward, merge })
        }
        other => Layer::Recurrent(recurrent(other, settings)),
    }
}

fn recurrent(kind: &str, settings: &Value) -> Recurrent {
    let flag = |key: &str, default: bool| settings[key].as_bool().unwrap_or(default);
    let function = |key: &str, default| settings[key].as_str().map_or(default, activation);
    let cell = match kind {
        "SimpleRNN" => Cell::SimpleRnn,
        "LSTM" => Cell::Lstm,
        "GRU" => Cell::Gru { reset_after: flag("reset_after", true) },
        other => panic!("there is no layer `{other}`"),
    };
    Recurrent {
        cell,
        units: settings["units"].as_u64().unwrap() as usize,
        activation: function("activation", Activation::Tanh),
        recurrent_activation: function("recurrent_activation", Activation::Sigmoid),
        use_bias: flag("use_bias", true),
        return_sequences: flag("return_sequences", false),
        go_backwards: flag("go_backwards", false),
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
        "selu" => Activation::Selu,
        "celu" => Activation::Celu { alpha: 1.0 },
        "exponential" => Activation::Exponential,
        "log_sigmoid" => Activation::LogSigmoid,
        "tanh_shrink" => Activation::TanhShrink,
        "log_softmax" => Activation::LogSoftmax,
        "softsign" => Activation::Softsign,
        "mish" => Activation::Mish,
        "hard_tanh" => Activation::HardTanh,
        "squareplus" => Activation::Squareplus { b: 4.0 },
        "sparse_plus" => Activation::SparsePlus,
        "sparse_sigmoid" => Activation::SparseSigmoid,
        other => panic!("there is no activation `{other}`"),
    }
}

fn sizes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect()
}
