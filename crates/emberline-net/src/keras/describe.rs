//! What a layer is in Keras' words: classes, settings, and where weights lie. The other way round from `layers.rs`.

use serde_json::{Value, json};

use super::{
    functions::{self, HARD_SIGMOID_OF_KERAS_2, rescaling},
    layers::{Source, projection_owners},
};
use crate::{
    Activation, Bidirectional, Cell, Conv, ConvTranspose, Dense, DepthwiseConv, EinsumDense, Encoding,
    IntegerLookup, Interpolation, Layer, MergeMode, MultiHeadAttention, Normalization, Padding, Recurrent,
    Result, Score, Shape, Tensor, WindowPooling, ZeroPadding,
    layer::{DIRECTIONS, PROJECTIONS, Problem},
};

/// A layer of Keras, perhaps one of several that do together what a layer of ours does. The last one's output is the layer's.
pub(super) struct Described {
    pub(super) class: &'static str,
    pub(super) settings: Value,
    /// What is appended to the layer's name. The one with nothing has the weights, and the layer's own name.
    pub(super) suffix: &'static str,
    /// What calls are given besides their inputs.
    pub(super) keywords: Value,
    /// What it takes: inputs of the whole, or outputs of those before it. Where that is not said, the first takes all inputs, and
    /// each other one what the one before it gives.
    pub(super) takes: Option<Vec<Source>>,
    /// The shape of its output, where that is not the whole's.
    pub(super) shape: Option<Shape>,
}

impl Described {
    pub(super) fn new(class: &'static str, settings: Value) -> Self {
        Self { class, settings, suffix: "", keywords: json!({}), takes: None, shape: None }
    }

    /// One besides that with the weights.
    pub(super) fn besides(self, suffix: &'static str) -> Self {
        Self { suffix, ..self }
    }

    pub(super) fn takes<const N: usize>(self, sources: [Source; N]) -> Self {
        Self { takes: Some(sources.to_vec()), ..self }
    }

    fn shape(self, shape: Shape) -> Self {
        Self { shape: Some(shape), ..self }
    }

    fn causal(self, causal: bool) -> Self {
        let keywords = if causal { json!({"use_causal_mask": true}) } else { json!({}) };
        Self { keywords, ..self }
    }

    /// As a layer within another one.
    pub(super) fn within(self) -> Value {
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
    /// These instead of the weights, under the names of those whose place they take.
    Instead(Vec<(&'static str, Tensor)>),
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
            let rows = Tensor::new(vec![tokens, features], rows)?;
            StandIns::Instead(vec![("", ones(features)?), ("token", rows)])
        }
        Layer::PositionEmbedding => {
            let rows = weight("embeddings")?;
            let ones = ones(rows.shape().last().copied().unwrap_or(1))?;
            StandIns::Instead(vec![("", ones), ("embeddings", rows.clone())])
        }
        Layer::AveragePooling(pooling) if border(pooling.padding).is_some() => {
            StandIns::Instead(vec![("", shares(pooling, input)?)])
        }
        Layer::Recurrent(layer) if is_of_keras_2(layer) => {
            StandIns::Instead(scaled_gates(layer, ["kernel", "recurrent_kernel", "bias"], &weight)?)
        }
        Layer::Bidirectional(Bidirectional { forward, backward, .. })
            if is_of_keras_2(forward) || is_of_keras_2(backward) =>
        {
            let mut arrays = scaled_gates(forward, DIRECTIONS[0], &weight)?;
            arrays.extend(scaled_gates(backward, DIRECTIONS[1], &weight)?);
            StandIns::Instead(arrays)
        }
        _ => StandIns::None,
    })
}

/// What means over windows that lie partly on a border of zeros are multiplied by, to be means of what lies within: `[H, W]`.
fn shares(pooling: &WindowPooling, input: &[usize]) -> Result<Tensor> {
    let (Some(border), [height, width]) = (border(pooling.padding), &*pooling.window) else {
        return Tensor::new(vec![0, 0], Vec::new());
    };
    let count = |axis: usize, window: usize| -> Vec<usize> {
        let ((before, after), size, stride) = (border.pads[axis], input[axis], pooling.strides[axis]);
        let last = (before + size + after).saturating_sub(window);
        let within = |start: usize| (start + window).min(before + size).saturating_sub(start.max(before));
        (0..=last).step_by(stride.max(1)).map(within).collect()
    };
    let (rows, columns) = (count(0, *height), count(1, *width));
    let share = |row: &usize, column: &usize| (height * width) as f32 / (row * column) as f32;
    let values = rows.iter().flat_map(|row| columns.iter().map(move |column| share(row, column)));
    Tensor::new(vec![rows.len(), columns.len()], values.collect())
}

/// Whether its gates are those of Keras 1 and 2, which today's Keras has with other weights.
fn is_of_keras_2(layer: &Recurrent) -> bool {
    layer.cell != Cell::SimpleRnn && layer.recurrent_activation == Activation::HardSigmoidOfKeras2
}

/// The weights of a layer, those of its gates multiplied by what makes up for another hard sigmoid.
fn scaled_gates<'a>(
    layer: &Recurrent,
    names: [&'static str; 3],
    weight: &impl Fn(&str) -> Result<&'a Tensor>,
) -> Result<Vec<(&'static str, Tensor)>> {
    let candidate = 2;
    let scaled = |name: &'static str| {
        let tensor = weight(name)?;
        let mut data = tensor.data().to_vec();
        let gates = layer.gates();
        for (place, values) in data.chunks_mut(layer.units.max(1)).enumerate() {
            if is_of_keras_2(layer) && place % gates != candidate {
                for value in values {
                    #[expect(clippy::cast_possible_truncation, reason = "weights are in 32 bits")]
                    let scaled = (f64::from(*value) * HARD_SIGMOID_OF_KERAS_2) as f32;
                    *value = scaled;
                }
            }
        }
        Ok((name, Tensor::new(tensor.shape().to_vec(), data)?))
    };
    names[..if layer.use_bias { 3 } else { 2 }].iter().map(|name| scaled(name)).collect()
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

/// The Keras layers that do what a layer does over inputs of this shape, which may be known never to be below zero.
pub(super) fn describe(
    layer: &Layer,
    input: &[usize],
    is_never_negative: bool,
) -> Result<Vec<Described>, Problem> {
    if let Some((layer, function)) = with_function_apart(layer) {
        let mut all = describe(&layer, input, is_never_negative)?;
        let last = all.len().saturating_sub(1);
        for step in functions::layers(function)? {
            let from_last = |source: &Source| match *source {
                Source::Input(_) => Source::Part(last),
                Source::Part(place) => Source::Part(last + 1 + place),
            };
            let takes = step.takes.map(|takes| takes.iter().map(from_last).collect());
            let suffix = if step.suffix.is_empty() { "activation" } else { step.suffix };
            all.push(Described { takes, suffix, ..step });
        }
        return Ok(all);
    }
    if let Layer::Activation(function) = layer {
        return functions::layers(*function);
    }
    let described = match described_windows(layer, input, is_never_negative) {
        None => described_sequences(layer, input, is_never_negative)?,
        described => described,
    };
    described
        .or_else(|| described_values(layer).or_else(|| described_shapes(layer)).map(|layer| vec![layer]))
        .or_else(|| described_tokens(layer, input))
        .or_else(|| described_normalisation(layer, input))
        .or_else(|| described_categories(layer))
        .ok_or_else(|| {
            format!("a layer of kind {} can't be written for Keras; write the network as ONNX", layer.kind())
        })
}

/// Products and functions of values; `None` for other layers.
fn described_values(layer: &Layer) -> Option<Described> {
    let (class, settings) = match layer {
        Layer::Dense(layer) => (
            "Dense",
            json!({
                "units": layer.units,
                "use_bias": layer.use_bias,
                "activation": functions::name(layer.activation),
            }),
        ),
        Layer::EinsumDense(layer) => (
            "EinsumDense",
            json!({
                "equation": layer.equation,
                "output_shape": layer.output_shape,
                "bias_axes": (!layer.bias_axes.is_empty()).then_some(&layer.bias_axes),
                "activation": functions::name(layer.activation),
            }),
        ),
        Layer::Embedding(layer) => {
            ("Embedding", json!({"input_dim": layer.rows, "output_dim": layer.features}))
        }
        Layer::Rescaling(layer) => {
            let value = |values: &[f32]| if let [value] = values { json!(value) } else { json!(values) };
            ("Rescaling", json!({"scale": value(&layer.scale), "offset": value(&layer.offset)}))
        }
        Layer::PRelu { shared_axes } => ("PReLU", json!({"shared_axes": shared_axes})),
        Layer::Softmax { axes: summed } => ("Softmax", json!({"axis": axes(summed)})),
        Layer::Glu => ("Activation", json!({"activation": "glu"})),
        Layer::Identity => ("Identity", json!({})),
        Layer::Dropout { rate } => ("Dropout", json!({"rate": rate})),
        _ => return None,
    };
    Some(Described::new(class, settings))
}

/// Values in another order, or of several inputs; `None` for other layers.
fn described_shapes(layer: &Layer) -> Option<Described> {
    let settings = match layer {
        Layer::RepeatVector { count } => json!({"n": count}),
        Layer::Reshape(layer) => json!({"target_shape": layer.shape}),
        Layer::Permute { axes } => json!({"dims": axes.iter().map(|axis| axis + 1).collect::<Vec<_>>()}),
        Layer::Concatenate { axis } => json!({"axis": axis}),
        Layer::Dot(layer) => json!({"axes": layer.axes, "normalize": layer.normalize}),
        Layer::Flatten
        | Layer::Add
        | Layer::Subtract
        | Layer::Multiply
        | Layer::Average
        | Layer::Maximum
        | Layer::Minimum => json!({}),
        _ => return None,
    };
    Some(Described::new(layer.kind(), settings))
}

/// The layers of a vision transformer that Keras has not got; `None` for others.
fn described_tokens(layer: &Layer, input: &[usize]) -> Option<Vec<Described>> {
    let (tokens, features) = (input.first().copied().unwrap_or_default(), input.last().copied());
    Some(match layer {
        // A row of zeros in front, to which the token is added: [`stand_ins`].
        Layer::ClassToken => {
            let tokens = tokens.saturating_add(1);
            let pad = Described::new("ZeroPadding1D", json!({"padding": [1, 0]}));
            vec![pad.besides("place"), added_rows(tokens, input)]
        }
        Layer::PositionEmbedding => vec![added_rows(tokens, input)],
        // The others are cut off, and what is left is a vector.
        Layer::TakeToken { index } => {
            let after = tokens.saturating_sub(index + 1);
            let cropping = Described::new("Cropping1D", json!({"cropping": [index, after]}));
            let shape = vec![1, features.unwrap_or(1)];
            vec![cropping.besides("token").shape(shape), Described::new("Flatten", json!({}))]
        }
        _ => return None,
    })
}

/// What does the same to every value, wherever it stands, and may take several inputs.
const OF_EVERY_VALUE: [&str; 7] = ["Activation", "Add", "ELU", "LeakyReLU", "Multiply", "ReLU", "Rescaling"];

/// A layer for every step of a sequence by itself.
fn at_each_step(layer: Described, steps: usize) -> Described {
    let Described { class, suffix, .. } = layer;
    let (takes, keywords) = (layer.takes.clone(), layer.keywords.clone());
    let shape = layer.shape.as_ref().map(|shape| [&[steps], shape.as_slice()].concat());
    if takes.is_some() || (!suffix.is_empty() && OF_EVERY_VALUE.contains(&class)) {
        return Described { shape, ..layer };
    }
    let settings = json!({"layer": layer.within()});
    Described { suffix, keywords, shape, ..Described::new("TimeDistributed", settings) }
}

/// Layers over sequences; `None` for others.
fn described_sequences(
    layer: &Layer,
    input: &[usize],
    is_never_negative: bool,
) -> Result<Option<Vec<Described>>, Problem> {
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
            let (steps, input) = input.split_first().ok_or("TimeDistributed takes a sequence")?;
            let layers = describe(inner, input, is_never_negative)?;
            return Ok(Some(layers.into_iter().map(|layer| at_each_step(layer, *steps)).collect()));
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
        "activation": functions::within(layer.activation)?,
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
    let gates = if is_of_keras_2(layer) { Activation::HardSigmoid } else { layer.recurrent_activation };
    settings["recurrent_activation"] = functions::within(gates)?;
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

/// A layer without its function, and that function, where Keras has no name for it.
fn with_function_apart(layer: &Layer) -> Option<(Layer, Activation)> {
    let mut layer = layer.clone();
    let activation = match &mut layer {
        Layer::Conv(Conv { activation, .. })
        | Layer::ConvTranspose(ConvTranspose { activation, .. })
        | Layer::DepthwiseConv(DepthwiseConv { activation, .. })
        | Layer::Dense(Dense { activation, .. })
        | Layer::EinsumDense(EinsumDense { activation, .. }) => activation,
        _ => return None,
    };
    if functions::name(*activation).is_some() {
        return None;
    }
    let function = std::mem::take(activation);
    Some((layer, function))
}

/// Layers whose windows or borders go over the axes before the channels; `None` for others.
fn described_windows(layer: &Layer, input: &[usize], is_never_negative: bool) -> Option<Vec<Described>> {
    let one = |class, settings| vec![Described::new(class, settings)];
    Some(match layer {
        Layer::Conv(conv) => {
            let settings = json!({
                "filters": conv.filters,
                "kernel_size": conv.kernel,
                "strides": conv.strides,
                "padding": padding(conv.padding),
                "dilation_rate": conv.dilation,
                "groups": conv.groups,
                "use_bias": conv.use_bias,
                "activation": functions::name(conv.activation),
            });
            bordered(conv.padding, input, Described::new(layer.kind(), settings))
        }
        Layer::DepthwiseConv(wise) => {
            let settings = json!({
                "kernel_size": wise.kernel,
                "strides": wise.strides,
                "padding": padding(wise.padding),
                "dilation_rate": wise.dilation,
                "depth_multiplier": wise.depth_multiplier,
                "use_bias": wise.use_bias,
                "activation": functions::name(wise.activation),
            });
            bordered(wise.padding, input, Described::new(layer.kind(), settings))
        }
        Layer::ZeroPadding(border) => one(layer.kind(), json!({"padding": ends(&border.pads)})),
        Layer::Cropping(border) => one(layer.kind(), json!({"cropping": ends(&border.crops)})),
        Layer::MaxPooling(pooling) if border(pooling.padding).is_some() && !is_never_negative => {
            below_all(pooling, input, described_pooling(layer.kind(), pooling))
        }
        Layer::MaxPooling(pooling) => {
            bordered(pooling.padding, input, described_pooling(layer.kind(), pooling))
        }
        Layer::AveragePooling(pooling) => match border(pooling.padding) {
            None => vec![described_pooling(layer.kind(), pooling)],
            Some(_) => {
                let means = described_pooling(layer.kind(), pooling).besides("means");
                let mut all = bordered(pooling.padding, input, means);
                all.push(shared_means(pooling, input));
                all
            }
        },
        Layer::GlobalAveragePooling(settings) | Layer::GlobalMaxPooling(settings) => {
            one(layer.kind(), json!({"keepdims": settings.keepdims}))
        }
        Layer::AdaptiveAveragePooling(settings) | Layer::AdaptiveMaxPooling(settings) => {
            one(layer.kind(), json!({"output_size": settings.output_size}))
        }
        layer => return described_sizes(layer),
    })
}

/// Layers that make images of other sizes; `None` for others.
fn described_sizes(layer: &Layer) -> Option<Vec<Described>> {
    let one = |class, settings| vec![Described::new(class, settings)];
    Some(match layer {
        Layer::ConvTranspose(conv) => {
            let mut settings = json!({
                "filters": conv.filters,
                "kernel_size": conv.kernel,
                "strides": conv.strides,
                "padding": padding(conv.padding),
                "dilation_rate": conv.dilation,
                "use_bias": conv.use_bias,
                "activation": functions::name(conv.activation),
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
        _ => return None,
    })
}

/// Normalisations; `None` for other layers.
fn described_normalisation(layer: &Layer, input: &[usize]) -> Option<Vec<Described>> {
    let one = |class, settings| vec![Described::new(class, settings)];
    Some(match layer {
        Layer::BatchNormalization(layer) => one(
            "BatchNormalization",
            json!({"axis": layer.axis, "epsilon": layer.epsilon, "scale": layer.scale, "center": layer.center}),
        ),
        // A learned factor for every channel.
        Layer::LayerScale => one(
            "EinsumDense",
            json!({
                "equation": "...c,c->...c",
                "output_shape": [input.last()],
                "bias_axes": null,
                "activation": "linear",
            }),
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
fn bordered(padding: Padding, input: &[usize], layer: Described) -> Vec<Described> {
    let pad = border(padding).map(|border| padded(&border, input).besides("pad"));
    pad.into_iter().chain([layer]).collect()
}

/// A border of zeros around images of this shape.
fn padded(border: &ZeroPadding, input: &[usize]) -> Described {
    let pads = border.pads.iter().chain(&[(0, 0)]);
    let shape = input.iter().zip(pads).map(|(size, (before, after))| size + before + after).collect();
    Described::new("ZeroPadding2D", json!({"padding": ends(&border.pads)})).shape(shape)
}

/// Less than any value of a network; its double is a number, too.
const BELOW_ALL: f64 = -1e38;

/// Max pooling over a border below all values: that number is added outside of them, where zeros stand otherwise.
fn below_all(pooling: &WindowPooling, input: &[usize], layer: Described) -> Vec<Described> {
    let Some(border) = border(pooling.padding) else { return vec![layer] };
    let padded = || padded(&border, input);
    let of_padded = |layer: Described| layer.shape(padded().shape.unwrap_or_default());
    vec![
        padded().besides("pad"),
        rescaling(0.0, -BELOW_ALL).takes([Source::Input(0)]).besides("inside").shape(input.to_vec()),
        padded().besides("place"),
        of_padded(rescaling(1.0, BELOW_ALL).besides("outside")),
        of_padded(
            Described::new("Add", json!({})).takes([Source::Part(0), Source::Part(3)]).besides("border"),
        ),
        layer,
    ]
}

/// Means over a border of zeros as means of what lies within it: [`shares`], which are not to be trained.
fn shared_means(pooling: &WindowPooling, input: &[usize]) -> Described {
    let shape = Layer::AveragePooling(pooling.clone()).output_shape(&[input]).unwrap_or_default();
    let settings = json!({
        "equation": "bhwc,hw->bhwc",
        "output_shape": shape,
        "bias_axes": null,
        "activation": "linear",
        "trainable": false,
    });
    Described::new("EinsumDense", settings)
}

fn border(padding: Padding) -> Option<ZeroPadding> {
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

fn described_pooling(class: &'static str, layer: &WindowPooling) -> Described {
    let padding = padding(layer.padding);
    Described::new(class, json!({"pool_size": layer.window, "strides": layer.strides, "padding": padding}))
}

fn padding(padding: Padding) -> &'static str {
    match padding {
        Padding::Same => "same",
        Padding::Causal => "causal",
        Padding::Valid | Padding::Explicit { .. } => "valid",
    }
}
