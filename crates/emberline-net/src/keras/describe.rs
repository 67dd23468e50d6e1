//! What a layer is in Keras' words: classes, settings, and where weights lie. The other way round from `layers.rs`.

use serde_json::{Value, json};

use super::layers::projection_owners;
use crate::{
    Activation, Bidirectional, Cell, Encoding, IntegerLookup, Interpolation, Layer, MergeMode,
    MultiHeadAttention, Normalization, Padding, Recurrent, Result, Score, Shape, Tensor, WindowPooling,
    ZeroPadding,
    layer::{DIRECTIONS, PROJECTIONS, Problem},
};

/// A layer of Keras.
pub(super) struct Described {
    pub(super) class: &'static str,
    pub(super) settings: Value,
    /// What is appended to the layer's name, where it is one of several.
    pub(super) suffix: &'static str,
    /// What calls are given besides their inputs.
    pub(super) keywords: Value,
}

impl Described {
    fn new(class: &'static str, settings: Value) -> Self {
        Self { class, settings, suffix: "", keywords: json!({}) }
    }

    fn before(self, suffix: &'static str) -> Self {
        Self { suffix, ..self }
    }

    fn causal(self, causal: bool) -> Self {
        let keywords = if causal { json!({"use_causal_mask": true}) } else { json!({}) };
        Self { keywords, ..self }
    }

    /// As a layer within another one.
    fn within(self) -> Value {
        let mut settings = self.settings;
        if let Value::Object(settings) = &mut settings {
            settings.insert("name".to_owned(), Value::from("inner"));
        }
        json!({"module": "keras.layers", "class_name": self.class, "config": settings, "registered_name": null})
    }
}

/// Whose an array is in Keras, a path below the layer, and its shape there.
pub(super) fn keras_array(layer: &Layer, weight: &str, shape: Shape) -> (String, Shape) {
    match layer {
        Layer::Recurrent(_) => ("cell".to_owned(), shape),
        Layer::Bidirectional(_) => {
            let forward = DIRECTIONS[0].contains(&weight);
            (if forward { "forward_layer/cell" } else { "backward_layer/cell" }.to_owned(), shape)
        }
        Layer::TimeDistributed(inner) => {
            let (owner, shape) = keras_array(inner, weight, shape);
            (if owner.is_empty() { "layer".to_owned() } else { format!("layer/{owner}") }, shape)
        }
        Layer::MultiHeadAttention(attention) => {
            let (owner, shape) = projection(attention, weight, shape);
            (owner.to_owned(), shape)
        }
        _ => (String::new(), shape),
    }
}

fn projection(attention: &MultiHeadAttention, weight: &str, shape: Shape) -> (&'static str, Shape) {
    let owners = projection_owners(attention.heads != attention.key_value_heads);
    let place = PROJECTIONS.iter().position(|weights| weights.contains(&weight)).unwrap_or(0);
    let heads = match place {
        0 => [attention.heads, attention.key_dim],
        1 => [attention.key_value_heads, attention.key_dim],
        2 => [attention.key_value_heads, attention.value_dim],
        _ => [attention.heads, attention.value_dim],
    };
    let shape = match (place, shape.as_slice()) {
        (3, [_, features]) => [&heads[..], &[*features]].concat(),
        (3, _) => shape,
        (_, [features, _]) => [&[*features], &heads[..]].concat(),
        _ => heads.to_vec(),
    };
    (owners[place], shape)
}

/// Keras' arrays that stand for a layer's weights, or are kept besides them: what a layer that Keras has not got is written with, and
/// what Keras counts. Those of [`keras_array`] where there are none.
pub(super) enum StandIns {
    None,
    /// These come after the weights.
    After(Vec<Tensor>),
    /// These instead of the weights.
    Instead(Vec<Tensor>),
}

/// The arrays of a layer over these inputs that are not its weights, given those.
pub(super) fn stand_ins<'a>(
    layer: &Layer,
    input: &[usize],
    weight: impl Fn(&str) -> Result<&'a Tensor>,
) -> Result<StandIns> {
    Ok(match layer {
        Layer::TimeDistributed(inner) => {
            return stand_ins(inner, input.get(1..).unwrap_or_default(), weight);
        }
        // How many rows were seen, which Keras keeps for files that are older.
        Layer::Normalization(Normalization { moments: None, .. }) => {
            StandIns::After(vec![Tensor::new(Vec::new(), vec![0.0])?])
        }
        Layer::ClassToken => {
            let token = weight("token")?.data();
            let (tokens, features) = (input.first().copied().unwrap_or_default() + 1, token.len());
            let mut rows = token.to_vec();
            rows.resize(tokens * features, 0.0);
            StandIns::Instead(vec![ones(features)?, Tensor::new(vec![tokens, features], rows)?])
        }
        Layer::PositionEmbedding => {
            let rows = weight("embeddings")?;
            StandIns::Instead(vec![ones(rows.shape().last().copied().unwrap_or(1))?, rows.clone()])
        }
        _ => StandIns::None,
    })
}

fn ones(count: usize) -> Result<Tensor> {
    Tensor::new(vec![count], vec![1.0; count])
}

/// Rows that are added to a sequence's: the bias behind a product with ones, since Keras has no layer that adds alone.
fn added_rows(tokens: usize, input: &[usize]) -> Described {
    let settings = json!({
        "equation": "btc,c->btc",
        "output_shape": [tokens, input.last()],
        "bias_axes": "tc",
        "activation": "linear",
    });
    Described::new("EinsumDense", settings)
}

/// The Keras layers that do what a layer does, one after the other: the last has its weights.
pub(super) fn describe(layer: &Layer, input: &[usize]) -> Result<Vec<Described>, Problem> {
    let one = |class, settings| Ok(vec![Described::new(class, settings)]);
    match layer {
        Layer::Dense(layer) => {
            let activation = activation(layer.activation)?;
            one("Dense", json!({"units": layer.units, "use_bias": layer.use_bias, "activation": activation}))
        }
        Layer::Rescaling(layer) => {
            let value = |values: &[f32]| if let [value] = values { json!(value) } else { json!(values) };
            one("Rescaling", json!({"scale": value(&layer.scale), "offset": value(&layer.offset)}))
        }
        Layer::PRelu { shared_axes } => one("PReLU", json!({"shared_axes": shared_axes})),
        Layer::Embedding(layer) => {
            one("Embedding", json!({"input_dim": layer.rows, "output_dim": layer.features}))
        }
        Layer::RepeatVector { count } => one("RepeatVector", json!({"n": count})),
        Layer::Identity => one("Identity", json!({})),
        Layer::Flatten => one("Flatten", json!({})),
        Layer::Reshape(layer) => one("Reshape", json!({"target_shape": layer.shape})),
        Layer::Permute { axes } => {
            let dims: Vec<usize> = axes.iter().map(|axis| axis + 1).collect();
            one("Permute", json!({"dims": dims}))
        }
        Layer::Dropout { rate } => one("Dropout", json!({"rate": rate})),
        Layer::Add | Layer::Subtract | Layer::Multiply | Layer::Average | Layer::Maximum | Layer::Minimum => {
            one(layer.kind(), json!({}))
        }
        Layer::Concatenate { axis } => one("Concatenate", json!({"axis": axis})),
        Layer::Dot(layer) => one("Dot", json!({"axes": layer.axes, "normalize": layer.normalize})),
        // A learned factor for every channel.
        Layer::LayerScale => one(
            "EinsumDense",
            json!({"equation": "...c,c->...c", "output_shape": [null], "bias_axes": null, "activation": "linear"}),
        ),
        // A row of zeros in front, to which the token is added: [`stand_ins`].
        Layer::ClassToken => {
            let pad = Described::new("ZeroPadding1D", json!({"padding": [1, 0]}));
            let tokens = input.first().copied().unwrap_or_default().saturating_add(1);
            Ok(vec![pad.before("place"), added_rows(tokens, input)])
        }
        Layer::PositionEmbedding => Ok(vec![added_rows(input.first().copied().unwrap_or_default(), input)]),
        // The others are cut off, and what is left is a vector.
        Layer::TakeToken { index } => {
            let after = input.first().copied().unwrap_or_default().saturating_sub(index + 1);
            let cropping = Described::new("Cropping1D", json!({"cropping": [index, after]}));
            Ok(vec![cropping.before("token"), Described::new("Flatten", json!({}))])
        }
        Layer::EinsumDense(layer) => one(
            "EinsumDense",
            json!({
                "equation": layer.equation,
                "output_shape": layer.output_shape,
                "bias_axes": (!layer.bias_axes.is_empty()).then_some(&layer.bias_axes),
                "activation": activation(layer.activation)?,
            }),
        ),
        layer => {
            let described = match described_activation(layer)?.or(described_windows(layer)?) {
                Some(described) => Some(described),
                None => described_sequences(layer, input)?,
            };
            described
                .or_else(|| described_normalisation(layer, input))
                .or_else(|| described_categories(layer))
                .ok_or_else(|| {
                    format!(
                        "a layer of kind {} can't be written for Keras; write the network as ONNX",
                        layer.kind()
                    )
                })
        }
    }
}

/// Layers over sequences; `None` for others.
fn described_sequences(layer: &Layer, input: &[usize]) -> Result<Option<Vec<Described>>, Problem> {
    let described = match layer {
        Layer::Recurrent(layer) => recurrent(layer)?,
        Layer::Bidirectional(Bidirectional { forward, backward, merge }) => {
            let merge = match merge {
                MergeMode::Concat => "concat",
                MergeMode::Sum => "sum",
                MergeMode::Mul => "mul",
                MergeMode::Ave => "ave",
            };
            let [forward, backward] = [recurrent(forward)?.within(), recurrent(backward)?.within()];
            let settings = json!({"layer": forward, "backward_layer": backward, "merge_mode": merge});
            Described::new("Bidirectional", settings)
        }
        Layer::TimeDistributed(inner) => {
            match <[Described; 1]>::try_from(describe(inner, input.get(1..).unwrap_or_default())?) {
                Ok([inner]) => Described::new("TimeDistributed", json!({"layer": inner.within()})),
                Err(_) => {
                    return Err(format!(
                        "a {} within TimeDistributed can't be written for Keras",
                        inner.kind()
                    ));
                }
            }
        }
        Layer::Attention(layer) => {
            let (class, settings) = match layer.score {
                Score::Additive => ("AdditiveAttention", json!({"use_scale": layer.use_scale})),
                Score::Dot => ("Attention", json!({"use_scale": layer.use_scale, "score_mode": "dot"})),
                Score::Concat => ("Attention", json!({"use_scale": layer.use_scale, "score_mode": "concat"})),
            };
            Described::new(class, settings).causal(layer.causal)
        }
        Layer::MultiHeadAttention(layer) => multi_head_attention(layer)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![described]))
}

fn recurrent(layer: &Recurrent) -> Result<Described, Problem> {
    let mut settings = json!({
        "units": layer.units,
        "activation": activation(layer.activation)?,
        "use_bias": layer.use_bias,
        "return_sequences": layer.return_sequences,
        "go_backwards": layer.go_backwards,
    });
    let class = match layer.cell {
        Cell::SimpleRnn => return Ok(Described::new("SimpleRNN", settings)),
        Cell::Lstm => "LSTM",
        Cell::Gru { reset_after } => {
            settings["reset_after"] = Value::from(reset_after);
            "GRU"
        }
    };
    settings["recurrent_activation"] = Value::from(activation(layer.recurrent_activation)?);
    Ok(Described::new(class, settings))
}

fn multi_head_attention(layer: &MultiHeadAttention) -> Result<Described, Problem> {
    let described = if layer.heads == layer.key_value_heads {
        let settings = json!({
            "num_heads": layer.heads,
            "key_dim": layer.key_dim,
            "value_dim": layer.value_dim,
            "output_shape": layer.features,
            "use_bias": layer.use_bias,
        });
        Described::new("MultiHeadAttention", settings)
    } else if layer.key_dim == layer.value_dim && layer.features.is_none() {
        let settings = json!({
            "head_dim": layer.key_dim,
            "num_query_heads": layer.heads,
            "num_key_value_heads": layer.key_value_heads,
            "use_bias": layer.use_bias,
        });
        Described::new("GroupQueryAttention", settings)
    } else {
        return Err(
            "Keras shares keys among heads only where keys, values and output are of the usual sizes"
                .to_owned(),
        );
    };
    Ok(described.causal(layer.causal))
}

/// Layers that take categories; `None` for others.
fn described_categories(layer: &Layer) -> Option<Vec<Described>> {
    Some(vec![match layer {
        Layer::Discretization(layer) => Described::new(
            "Discretization",
            json!({"bin_boundaries": layer.boundaries, "output_mode": "int"}),
        ),
        Layer::CategoryEncoding(layer) => {
            let mode = match layer.encoding {
                Encoding::MultiHot => "multi_hot",
                Encoding::OneHot => "one_hot",
                Encoding::Count => "count",
            };
            Described::new("CategoryEncoding", json!({"num_tokens": layer.tokens, "output_mode": mode}))
        }
        // Keras' own places: the mask's if there is one, that of unknown numbers, the vocabulary.
        Layer::IntegerLookup(IntegerLookup { vocabulary, first, unknown, mask })
            if *unknown == usize::from(mask.is_some()) && *first == unknown + 1 =>
        {
            Described::new(
                "IntegerLookup",
                json!({
                    "vocabulary": vocabulary,
                    "vocabulary_size": vocabulary.len(),
                    "mask_token": mask,
                    "num_oov_indices": 1,
                    "output_mode": "int",
                    "invert": false,
                }),
            )
        }
        _ => return None,
    }])
}

/// Functions of every value, or along an axis; `None` for other layers.
fn described_activation(layer: &Layer) -> Result<Option<Vec<Described>>, Problem> {
    let one = |class, settings| Ok(Some(vec![Described::new(class, settings)]));
    match layer {
        Layer::Activation(Activation::LeakyRelu { slope }) => {
            one("LeakyReLU", json!({"negative_slope": slope}))
        }
        Layer::Activation(Activation::Elu { alpha }) => one("ELU", json!({"alpha": alpha})),
        Layer::Activation(Activation::BoundedRelu { max, slope, threshold }) => one(
            "ReLU",
            json!({
                "max_value": max.is_finite().then_some(max),
                "negative_slope": slope,
                "threshold": threshold,
            }),
        ),
        Layer::Activation(function) => one("Activation", json!({"activation": activation(*function)?})),
        Layer::Softmax { axes: summed } => one("Softmax", json!({"axis": axes(summed)})),
        Layer::Glu => one("Activation", json!({"activation": "glu"})),
        _ => Ok(None),
    }
}

/// Layers whose windows or borders go over the axes before the channels; `None` for others.
fn described_windows(layer: &Layer) -> Result<Option<Vec<Described>>, Problem> {
    let one = |class, settings| vec![Described::new(class, settings)];
    Ok(Some(match layer {
        Layer::Conv(conv) => {
            let activation = activation(conv.activation)?;
            let settings = json!({
                "filters": conv.filters,
                "kernel_size": conv.kernel,
                "strides": conv.strides,
                "padding": padding(conv.padding),
                "dilation_rate": conv.dilation,
                "groups": conv.groups,
                "use_bias": conv.use_bias,
                "activation": activation,
            });
            bordered(conv.padding, layer.kind(), settings)
        }
        Layer::DepthwiseConv(wise) => {
            let activation = activation(wise.activation)?;
            let settings = json!({
                "kernel_size": wise.kernel,
                "strides": wise.strides,
                "padding": padding(wise.padding),
                "dilation_rate": wise.dilation,
                "depth_multiplier": wise.depth_multiplier,
                "use_bias": wise.use_bias,
                "activation": activation,
            });
            bordered(wise.padding, layer.kind(), settings)
        }
        Layer::ZeroPadding(border) => one(layer.kind(), json!({"padding": ends(&border.pads)})),
        Layer::Cropping(border) => one(layer.kind(), json!({"cropping": ends(&border.crops)})),
        Layer::MaxPooling(settings) | Layer::AveragePooling(settings) => {
            one(layer.kind(), pooling(settings)?)
        }
        Layer::GlobalAveragePooling(settings) | Layer::GlobalMaxPooling(settings) => {
            one(layer.kind(), json!({"keepdims": settings.keepdims}))
        }
        Layer::AdaptiveAveragePooling(settings) | Layer::AdaptiveMaxPooling(settings) => {
            one(layer.kind(), json!({"output_size": settings.output_size}))
        }
        layer => return described_sizes(layer),
    }))
}

/// Layers that make images of other sizes; `None` for others.
fn described_sizes(layer: &Layer) -> Result<Option<Vec<Described>>, Problem> {
    let one = |class, settings| vec![Described::new(class, settings)];
    Ok(Some(match layer {
        Layer::ConvTranspose(conv) => {
            let mut settings = json!({
                "filters": conv.filters,
                "kernel_size": conv.kernel,
                "strides": conv.strides,
                "padding": padding(conv.padding),
                "dilation_rate": conv.dilation,
                "use_bias": conv.use_bias,
                "activation": activation(conv.activation)?,
            });
            if let Some(added) = &conv.output_padding {
                settings["output_padding"] = json!(added);
            }
            one(layer.kind(), settings)
        }
        Layer::UpSampling(sampled) => {
            let mut settings = json!({"size": sampled.size});
            match sampled.size[..] {
                [size] => settings["size"] = json!(size),
                [_, _] => settings["interpolation"] = Value::from(interpolation(sampled.interpolation)),
                _ => {}
            }
            one(layer.kind(), settings)
        }
        Layer::Resizing(resized) => one(
            "Resizing",
            json!({
                "height": resized.height,
                "width": resized.width,
                "interpolation": interpolation(resized.interpolation),
                "crop_to_aspect_ratio": resized.crop_to_aspect_ratio,
            }),
        ),
        Layer::CenterCrop(cropped) => {
            one("CenterCrop", json!({"height": cropped.height, "width": cropped.width}))
        }
        _ => return Ok(None),
    }))
}

/// Normalisations; `None` for other layers.
fn described_normalisation(layer: &Layer, input: &[usize]) -> Option<Vec<Described>> {
    let one = |class, settings| vec![Described::new(class, settings)];
    Some(match layer {
        Layer::BatchNormalization(layer) => one(
            "BatchNormalization",
            json!({"axis": layer.axis, "epsilon": layer.epsilon, "scale": layer.scale, "center": layer.center}),
        ),
        Layer::LayerNormalization(layer) => one(
            "LayerNormalization",
            json!({
                "axis": axes(&layer.axes),
                "epsilon": layer.epsilon,
                "scale": layer.scale,
                "center": layer.center,
                "rms_scaling": layer.rms_scaling,
            }),
        ),
        Layer::RmsNormalization(layer) => {
            one("RMSNormalization", json!({"axis": axes(&layer.axes), "epsilon": layer.epsilon}))
        }
        Layer::UnitNormalization { axes: normalised } => {
            one("UnitNormalization", json!({"axis": axes(normalised)}))
        }
        Layer::Normalization(layer) => {
            let shape = layer.moments_shape(input).unwrap_or_default();
            let moment = |place: usize| layer.moments.as_ref().map(|moments| nested(&moments[place], &shape));
            let axis = if layer.axes.is_empty() { Value::Null } else { json!(layer.axes) };
            one(
                "Normalization",
                json!({"axis": axis, "mean": moment(0), "variance": moment(1), "invert": layer.invert}),
            )
        }
        Layer::GroupNormalization(layer) => one(
            "GroupNormalization",
            json!({
                "groups": layer.groups.map_or(json!(-1), |groups| json!(groups)),
                "axis": layer.axis,
                "epsilon": layer.epsilon,
                "scale": layer.scale,
                "center": layer.center,
            }),
        ),
        _ => return None,
    })
}

/// Numbers as lists in lists of this shape; a number for all as itself.
fn nested(values: &[f32], shape: &[usize]) -> Value {
    fn lists(values: &[f32], shape: &[usize]) -> Value {
        match shape {
            [] | [_] => json!(values),
            [_, inner @ ..] => {
                let len = inner.iter().product::<usize>().max(1);
                values.chunks(len).map(|values| lists(values, inner)).collect()
            }
        }
    }
    if let [value] = values { json!(value) } else { lists(values, shape) }
}

/// A layer with padding by given numbers, which Keras has as a layer of its own.
fn bordered(padding: Padding, class: &'static str, settings: Value) -> Vec<Described> {
    let pad = |border: ZeroPadding| {
        Described::new("ZeroPadding2D", json!({"padding": ends(&border.pads)})).before("pad")
    };
    border(padding).map(pad).into_iter().chain([Described::new(class, settings)]).collect()
}

pub(super) fn border(padding: Padding) -> Option<ZeroPadding> {
    match padding {
        Padding::Explicit { top, bottom, left, right } => {
            Some(ZeroPadding { pads: vec![(top, bottom), (left, right)] })
        }
        Padding::Valid | Padding::Same | Padding::Causal => None,
    }
}

/// Numbers for both ends of each axis; of one axis, Keras wants the pair alone.
fn ends(ends: &[(usize, usize)]) -> Value {
    match ends {
        [(before, after)] => json!([before, after]),
        ends => json!(ends),
    }
}

/// Axes as Keras names them, the last one where none are given.
fn axes(axes: &[isize]) -> Value {
    if axes.is_empty() { json!(-1) } else { json!(axes) }
}

fn interpolation(interpolation: Interpolation) -> &'static str {
    match interpolation {
        Interpolation::Nearest => "nearest",
        Interpolation::Bilinear => "bilinear",
        Interpolation::Bicubic => "bicubic",
    }
}

fn pooling(layer: &WindowPooling) -> Result<Value, Problem> {
    if border(layer.padding).is_some() {
        return Err("Keras pools with padding `valid` or `same` alone, found padding by given numbers; write the network as \
                    ONNX"
            .to_owned());
    }
    let padding = padding(layer.padding);
    Ok(json!({"pool_size": layer.window, "strides": layer.strides, "padding": padding}))
}

fn padding(padding: Padding) -> &'static str {
    match padding {
        Padding::Same => "same",
        Padding::Causal => "causal",
        Padding::Valid | Padding::Explicit { .. } => "valid",
    }
}

/// The name of a function in Keras 3.
fn activation(activation: Activation) -> Result<&'static str, Problem> {
    Ok(match activation {
        Activation::Linear => "linear",
        Activation::Relu => "relu",
        Activation::Relu6 => "relu6",
        Activation::Sigmoid => "sigmoid",
        Activation::Tanh => "tanh",
        Activation::Softmax => "softmax",
        Activation::Softplus => "softplus",
        Activation::Swish => "silu",
        Activation::HardSigmoid => "hard_sigmoid",
        Activation::HardSwish => "hard_silu",
        Activation::Gelu => "gelu",
        Activation::Selu => "selu",
        Activation::Exponential => "exponential",
        Activation::LogSigmoid => "log_sigmoid",
        Activation::LogSoftmax => "log_softmax",
        Activation::TanhShrink => "tanh_shrink",
        Activation::Sparsemax => "sparsemax",
        Activation::Softsign => "softsign",
        Activation::Mish => "mish",
        Activation::HardTanh => "hard_tanh",
        Activation::SparsePlus => "sparse_plus",
        Activation::SparseSigmoid => "sparse_sigmoid",
        Activation::LeakyRelu { slope: 0.2 } => "leaky_relu",
        Activation::Elu { alpha: 1.0 } => "elu",
        Activation::Celu { alpha: 1.0 } => "celu",
        Activation::HardShrink { threshold: 0.5 } => "hard_shrink",
        Activation::SoftShrink { threshold: 0.5 } => "soft_shrink",
        Activation::Squareplus { b: 4.0 } => "squareplus",
        other => {
            return Err(format!(
                "Keras can't name the activation {other:?} within a layer; put it into one of its own"
            ));
        }
    })
}
