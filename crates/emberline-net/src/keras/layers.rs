//! Every layer that Keras files may have: its settings as [`Layer`]s, and where its weights lie.
//!
//! [`read`] sees the settings in the words of Keras 2 and 3 and channels last: the words of Keras 1 (`nb_filter`) have been
//! replaced before, and a layer over channels first gets its inputs with their axes in order and its `axis` and `data_format`
//! changed likewise.

use serde_json::Value;

use super::config::Config;
use crate::{
    Activation, BatchNormalization, Conv2D, Dense, DepthwiseConv2D, GlobalPooling2D, Layer,
    LayerNormalization, MultiHeadAttention, Pooling2D, Rescaling, Reshape, ZeroPadding2D,
    layer::{PROJECTIONS, Problem},
};

/// What a layer of Keras becomes.
#[derive(Debug)]
pub(crate) struct Converted {
    /// In an order where each takes what is there; the last gives the layer's output and has its name.
    pub(crate) parts: Vec<Part>,
    /// In the order in which Keras keeps them, `layer.weights`.
    pub(crate) variables: Vec<Variable>,
}

/// One of the layers that a layer of Keras becomes.
#[derive(Debug)]
pub(crate) struct Part {
    /// Its name is `{layer}/{suffix}`; that of the last part is `{layer}`, whatever stands here.
    pub(crate) suffix: &'static str,
    pub(crate) layer: Layer,
    pub(crate) inputs: Vec<Source>,
}

/// What a part takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An input of the whole layer, by its place.
    Input(usize),
    /// An earlier part, by its place.
    Part(usize),
}

/// One of a layer's arrays of numbers in a Keras file.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    /// Whose array it is in a `.keras` file: the path below the layer, such as `cell`, and empty for the layer itself. Those of
    /// one owner are numbered in their order here: `{owner}/vars/0`.
    pub(crate) owner: &'static str,
    /// The part whose weight it is, by its place.
    pub(crate) part: usize,
    /// The weight's name there.
    pub(crate) weight: &'static str,
    /// What Keras' array is to our weight.
    pub(crate) stored: Stored,
    /// Whether training by gradients changes it, which it does not with a moving mean. Files of Keras 1 and 2 list those last.
    pub(crate) trainable: bool,
}

/// What an array in a file is to a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The same.
    Same,
    /// The same values in the same order, with other axes.
    Reshaped,
    /// The same, a kernel of a convolution over so many axes, which come first: Theano kept it flipped along those, and Keras 1
    /// with its axes in another order.
    Kernel {
        /// 1 for `Conv1D`, 2 for `Conv2D`, 3 for `Conv3D`.
        spatial: usize,
    },
}

impl Converted {
    /// One layer that takes all inputs, with these weights of its own.
    pub(crate) fn one(layer: impl Into<Layer>, inputs: usize, variables: Vec<Variable>) -> Self {
        let inputs = (0..inputs).map(Source::Input).collect();
        Self { parts: vec![Part { suffix: "", layer: layer.into(), inputs }], variables }
    }

    /// One layer that takes one input and has no weights.
    pub(crate) fn plain(layer: impl Into<Layer>) -> Self {
        Self::one(layer, 1, Vec::new())
    }

    /// Layers one after the other, the first of which takes the input.
    pub(crate) fn chain(layers: Vec<(&'static str, Layer)>, variables: Vec<Variable>) -> Self {
        let source = |place: usize| place.checked_sub(1).map_or(Source::Input(0), Source::Part);
        let part = |(place, (suffix, layer))| Part { suffix, layer, inputs: vec![source(place)] };
        Self { parts: layers.into_iter().enumerate().map(part).collect(), variables }
    }
}

impl Variable {
    /// A trainable weight of the first part, kept as it is in the layer itself.
    pub(crate) fn new(weight: &'static str) -> Self {
        Self { owner: "", part: 0, weight, stored: Stored::Same, trainable: true }
    }

    pub(crate) fn kernel(weight: &'static str, spatial: usize) -> Self {
        Self { stored: Stored::Kernel { spatial }, ..Self::new(weight) }
    }

    pub(crate) fn owner(self, owner: &'static str) -> Self {
        Self { owner, ..self }
    }

    pub(crate) fn part(self, part: usize) -> Self {
        Self { part, ..self }
    }

    pub(crate) fn reshaped(self) -> Self {
        Self { stored: Stored::Reshaped, ..self }
    }

    pub(crate) fn untrained(self) -> Self {
        Self { trainable: false, ..self }
    }

    /// These, without the last, the bias, where there is none.
    fn with_bias(mut variables: Vec<Self>, use_bias: bool) -> Vec<Self> {
        if !use_bias {
            variables.pop();
        }
        variables
    }
}

/// An input of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Argument<'a> {
    /// The same for the same value given twice.
    pub(crate) name: &'a str,
    /// Without the batch.
    pub(crate) shape: &'a [usize],
}

/// What a layer of this class with these settings becomes, given its inputs: for attention, in the order query, value, key.
///
/// # Errors
/// When the class is not known, which says what to do, or its settings are not supported. The caller names the layer.
pub(crate) fn read(class: &str, config: Config<'_>, inputs: &[Argument<'_>]) -> Result<Converted, Problem> {
    let shape = inputs.first().map_or(&[][..], |input| input.shape);
    let rank = shape.len();
    if let Some(activation) = activation_layer(class, config) {
        return Ok(Converted::plain(activation?));
    }
    Ok(match class {
        "Conv2D" => conv(config)?,
        "DepthwiseConv2D" => depthwise_conv(config)?,
        "SeparableConv2D" => separable_conv(config)?,
        "Dense" => {
            let use_bias = config.bool_or("use_bias", true)?;
            let activation = config.activation("activation")?;
            let dense = Dense { units: config.size("units")?, use_bias, activation };
            let variables = vec![Variable::new("kernel"), Variable::new("bias")];
            Converted::one(dense, 1, Variable::with_bias(variables, use_bias))
        }
        "BatchNormalization" => batch_normalization(config, rank)?,
        "LayerNormalization" => layer_normalization(config, rank)?,
        "Rescaling" => Converted::plain(Rescaling {
            scale: config.floats_or("scale", 1.0)?,
            offset: config.floats_or("offset", 0.0)?,
        }),
        "ZeroPadding2D" => Converted::plain(zero_padding(config)?),
        "MaxPooling2D" => Converted::plain(Layer::MaxPooling2D(pooling(config)?)),
        "AveragePooling2D" => Converted::plain(Layer::AveragePooling2D(pooling(config)?)),
        "GlobalAveragePooling2D" => Converted::plain(Layer::GlobalAveragePooling2D(global_pooling(config)?)),
        "GlobalMaxPooling2D" => Converted::plain(Layer::GlobalMaxPooling2D(global_pooling(config)?)),
        "Flatten" => Converted::plain(Layer::Flatten),
        "Reshape" => {
            let total = crate::tensor::len_of(shape).map_err(|error| error.to_string())?;
            Converted::plain(Reshape { shape: config.target_shape("target_shape", total)? })
        }
        "Permute" => {
            let axes = config.integers("dims")?;
            let axes = axes.iter().map(|axis| usize::try_from(axis.checked_sub(1)?).ok());
            let axes = axes.collect::<Option<Vec<_>>>().ok_or("its setting `dims` must count axes from 1")?;
            Converted::plain(Layer::Permute { axes })
        }
        "Dropout" => Converted::plain(Layer::Dropout { rate: config.float_or("rate", 0.5)? }),
        // They add noise or penalties while training and nothing at inference.
        "SpatialDropout1D"
        | "SpatialDropout2D"
        | "SpatialDropout3D"
        | "AlphaDropout"
        | "GaussianDropout"
        | "GaussianNoise"
        | "ActivityRegularization" => Converted::plain(Activation::Linear),
        "Add" => Converted::one(Layer::Add, inputs.len(), Vec::new()),
        "Multiply" => Converted::one(Layer::Multiply, inputs.len(), Vec::new()),
        "Concatenate" => {
            if config.axis_or("axis", -1, rank)? + 1 != rank {
                return Err(
                    "it concatenates along another axis than the last, which is not supported".to_owned()
                );
            }
            Converted::one(Layer::Concatenate, inputs.len(), Vec::new())
        }
        "MultiHeadAttention" => attention(config, inputs)?,
        _ => return Err(unknown(class)),
    })
}

/// What is said of a class that is not here.
fn unknown(class: &str) -> Problem {
    let class: String = class.chars().take(80).collect();
    let hint = "rebuild the model with layers that are known, or export it to ONNX (`model.export(\"model.onnx\", \
                format=\"onnx\")`)";
    match class.as_str() {
        "Lambda" => format!("a Lambda layer holds Python code, which is never run; {hint}"),
        _ => format!("layers of class `{class}` are not supported; {hint}"),
    }
}

/// A layer that is a function of every value; `None` for other classes.
pub(super) fn activation_layer(class: &str, config: Config<'_>) -> Option<Result<Activation, Problem>> {
    Some(match class {
        "Activation" => config.activation("activation"),
        "ReLU" => relu(config),
        "LeakyReLU" => {
            let default = config.float_or("alpha", 0.3);
            default.and_then(|default| {
                Ok(Activation::LeakyRelu { slope: config.float_or("negative_slope", default)? })
            })
        }
        "ELU" => config.float_or("alpha", 1.0).map(|alpha| Activation::Elu { alpha }),
        "Softmax" => config.expect_only("axis", &Value::from(-1)).map(|()| Activation::Softmax),
        _ => return None,
    })
}

fn relu(config: Config<'_>) -> Result<Activation, Problem> {
    let slope = config.float_or("negative_slope", 0.0)?;
    let most = config.get("max_value").map(|_| config.float_or("max_value", 0.0)).transpose()?;
    match (most, slope, config.float_or("threshold", 0.0)?) {
        (None, 0.0, 0.0) => Ok(Activation::Relu),
        (Some(6.0), 0.0, 0.0) => Ok(Activation::Relu6),
        (None, slope, 0.0) => Ok(Activation::LeakyRelu { slope }),
        _ => Err("a ReLU with a threshold, or a greatest value other than 6, is not supported".to_owned()),
    }
}

fn conv(config: Config<'_>) -> Result<Converted, Problem> {
    let use_bias = config.bool_or("use_bias", true)?;
    let conv = Conv2D {
        filters: config.size("filters")?,
        kernel: config.pair("kernel_size")?,
        strides: config.pair_or("strides", 1)?,
        padding: config.padding()?,
        dilation: config.pair_or("dilation_rate", 1)?,
        groups: config.size_or("groups", 1)?,
        use_bias,
        activation: config.activation("activation")?,
    };
    let variables = vec![Variable::kernel("kernel", 2), Variable::new("bias")];
    Ok(Converted::one(conv, 1, Variable::with_bias(variables, use_bias)))
}

fn depthwise(config: Config<'_>, use_bias: bool, activation: Activation) -> Result<DepthwiseConv2D, Problem> {
    Ok(DepthwiseConv2D {
        kernel: config.pair("kernel_size")?,
        strides: config.pair_or("strides", 1)?,
        padding: config.padding()?,
        dilation: config.pair_or("dilation_rate", 1)?,
        depth_multiplier: config.size_or("depth_multiplier", 1)?,
        use_bias,
        activation,
    })
}

fn depthwise_conv(config: Config<'_>) -> Result<Converted, Problem> {
    let use_bias = config.bool_or("use_bias", true)?;
    let layer = depthwise(config, use_bias, config.activation("activation")?)?;
    let variables = vec![Variable::new("kernel"), Variable::new("bias")];
    Ok(Converted::one(layer, 1, Variable::with_bias(variables, use_bias)))
}

fn separable_conv(config: Config<'_>) -> Result<Converted, Problem> {
    let use_bias = config.bool_or("use_bias", true)?;
    let depthwise = depthwise(config, false, Activation::Linear)?;
    let mut pointwise = Conv2D::new(config.size("filters")?, 1).activation(config.activation("activation")?);
    pointwise.use_bias = use_bias;
    let variables =
        vec![Variable::new("kernel"), Variable::new("kernel").part(1), Variable::new("bias").part(1)];
    let layers = vec![("depthwise", depthwise.into()), ("", pointwise.into())];
    Ok(Converted::chain(layers, Variable::with_bias(variables, use_bias)))
}

fn batch_normalization(config: Config<'_>, rank: usize) -> Result<Converted, Problem> {
    if config.axis_or("axis", -1, rank)? + 1 != rank {
        return Err("it normalises along another axis than the last, which is not supported".to_owned());
    }
    let layer = BatchNormalization {
        epsilon: config.number_or("epsilon", 1e-3)?,
        scale: config.bool_or("scale", true)?,
        center: config.bool_or("center", true)?,
    };
    let variables = [
        layer.scale.then(|| Variable::new("gamma")),
        layer.center.then(|| Variable::new("beta")),
        Some(Variable::new("moving_mean").untrained()),
        Some(Variable::new("moving_variance").untrained()),
    ];
    Ok(Converted::one(layer, 1, variables.into_iter().flatten().collect()))
}

fn layer_normalization(config: Config<'_>, rank: usize) -> Result<Converted, Problem> {
    if config.axis_or("axis", -1, rank)? + 1 != rank {
        return Err("it normalises along another axis than the last, which is not supported".to_owned());
    }
    for name in ["center", "scale"] {
        config.expect_only(name, &Value::from(true))?;
    }
    config.expect_only("rms_scaling", &Value::from(false))?;
    let layer = LayerNormalization { epsilon: config.number_or("epsilon", 1e-3)? };
    Ok(Converted::one(layer, 1, vec![Variable::new("gamma"), Variable::new("beta")]))
}

fn zero_padding(config: Config<'_>) -> Result<ZeroPadding2D, Problem> {
    let sides = match config.get("padding").and_then(Value::as_array).map(Vec::as_slice) {
        Some([rows @ Value::Array(_), columns @ Value::Array(_)]) => {
            let sides = [rows, columns].into_iter().flat_map(|side| side.as_array().into_iter().flatten());
            let sides = sides.map(|side| side.as_u64().and_then(|side| usize::try_from(side).ok()));
            sides.collect::<Option<Vec<_>>>().unwrap_or_default()
        }
        _ => {
            let Ok([rows, columns]) = <[usize; 2]>::try_from(config.sizes_or("padding", 2, 1)?) else {
                return Err("its setting `padding` must be two numbers".to_owned());
            };
            vec![rows, rows, columns, columns]
        }
    };
    match sides[..] {
        [top, bottom, left, right] => Ok(ZeroPadding2D { top, bottom, left, right }),
        _ => Err("its setting `padding` must be a number, two, or two pairs".to_owned()),
    }
}

fn pooling(config: Config<'_>) -> Result<Pooling2D, Problem> {
    let window = config.pair_or("pool_size", 2)?;
    Ok(Pooling2D { window, strides: config.pair_or("strides", window)?, padding: config.padding()? })
}

fn global_pooling(config: Config<'_>) -> Result<GlobalPooling2D, Problem> {
    Ok(GlobalPooling2D { keepdims: config.bool_or("keepdims", false)? })
}

/// Attention of a sequence to itself whose heads together have its number of features.
fn attention(config: Config<'_>, inputs: &[Argument<'_>]) -> Result<Converted, Problem> {
    let itself = inputs.iter().all(|input| Some(input.name) == inputs.first().map(|first| first.name));
    let features = inputs.first().and_then(|input| input.shape.last()).copied().unwrap_or(0);
    let heads = config.size("num_heads")?;
    let width = config.size("key_dim")?;
    let fits = heads.checked_mul(width) == Some(features) && config.size_or("value_dim", width)? == width;
    if !itself || !fits || !config.bool_or("use_bias", true)? || config.bool_or("use_gate", false)? {
        return Err(
            "attention is supported of one sequence to itself, with biases, where the heads' features together are as \
             many as the sequence's"
                .to_owned(),
        );
    }
    config.expect_only("output_shape", &Value::Null)?;
    let owners = ["query_dense", "key_dense", "value_dense", "output_dense"];
    let of_projection = |(owner, weights): (&'static str, [&'static str; 2])| {
        weights.map(|weight| Variable::new(weight).owner(owner).reshaped())
    };
    let variables = owners.into_iter().zip(PROJECTIONS).flat_map(of_projection).collect();
    let mut converted = Converted::one(MultiHeadAttention { heads }, 1, variables);
    converted.parts[0].inputs.truncate(1);
    Ok(converted)
}
