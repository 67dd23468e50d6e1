//! Every layer that Keras files may have: its settings as [`Layer`]s, and where its weights lie.
//!
//! [`read`] sees the settings in the words of Keras 2 and 3 and channels last: the words of Keras 1 (`nb_filter`) have been
//! replaced before, and a layer over channels first gets its inputs with their axes in order and its `axis` and `data_format`
//! changed likewise.

use serde_json::Value;

use super::config::Config;
use crate::{
    Activation, AdaptivePooling, Attention, BatchNormalization, Bidirectional, CategoryEncoding, Cell,
    CenterCrop, Conv, ConvTranspose, Cropping, Dense, DepthwiseConv, Discretization, Dot, EinsumDense,
    Embedding, Encoding, GlobalPooling, GroupNormalization, IntegerLookup, Interpolation, Layer,
    LayerNormalization, MergeMode, MultiHeadAttention, Normalization, Recurrent, Rescaling, Reshape,
    Resizing, RmsNormalization, Score, UpSampling, WindowPooling, ZeroPadding,
    layer::{DIRECTIONS, PROJECTIONS, Problem},
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
    pub(crate) owner: String,
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
    /// Nothing: Keras keeps it for training. The weight's name stands for none of ours.
    Unused,
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
        Self { owner: String::new(), part: 0, weight, stored: Stored::Same, trainable: true }
    }

    pub(crate) fn kernel(weight: &'static str, spatial: usize) -> Self {
        Self { stored: Stored::Kernel { spatial }, ..Self::new(weight) }
    }

    pub(crate) fn owner(self, owner: &str) -> Self {
        Self { owner: owner.to_owned(), ..self }
    }

    /// The same in a layer that is part of another one.
    fn within(self, outer: &str) -> Self {
        let owner = if self.owner.is_empty() { outer.to_owned() } else { format!("{outer}/{}", self.owner) };
        Self { owner, ..self }
    }

    /// An array that inference does not need.
    pub(crate) fn unused(name: &'static str) -> Self {
        Self { stored: Stored::Unused, trainable: false, ..Self::new(name) }
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
/// What a call was given besides its inputs counts as settings: `use_causal_mask`, `training`.
///
/// # Errors
/// When the class is not known, which says what to do, or its settings are not supported. The caller names the layer.
pub(crate) fn read(class: &str, config: Config<'_>, inputs: &[Argument<'_>]) -> Result<Converted, Problem> {
    let shape = inputs.first().map_or(&[][..], |input| input.shape);
    if let Some(activation) = activation_layer(class, config) {
        return Ok(Converted::plain(activation?));
    }
    let readers = [windows, dense, normalisations, reshapes, merges, sequences, categories];
    for reader in readers {
        if let Some(converted) = reader(class, config, inputs) {
            return converted;
        }
    }
    match class {
        "Dropout" => Ok(Converted::plain(Layer::Dropout { rate: config.float_or("rate", 0.5)? })),
        class if IDENTITIES.contains(&class) => Ok(Converted::plain(Layer::Identity)),
        "PReLU" => prelu(config),
        "SpectralNormalization" => spectral_normalization(config, inputs),
        "TimeDistributed" => time_distributed(config, shape),
        _ => Err(unknown(class)),
    }
}

/// Layers that do something while training, to the loss, or to the model's description alone.
const IDENTITIES: [&str; 35] = [
    "ActivityRegularization",
    "AlphaDropout",
    "AugMix",
    "CutMix",
    "Equalization",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "MixUp",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "Solarization",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "InputLayer",
];

type Reading = Option<Result<Converted, Problem>>;

/// The class without the number of its axes, and that number.
fn axes_of(class: &str) -> Option<(String, usize)> {
    let at = class.find(|letter: char| letter.is_ascii_digit())?;
    let (name, rest) = class.split_at(at);
    let axes = rest.chars().next()?.to_digit(10).filter(|axes| (1..=3).contains(axes))? as usize;
    Some((format!("{name}{}", rest.get(2..)?), axes)).filter(|_| rest.starts_with(&format!("{axes}D")))
}

/// Convolutions, poolings, borders and factors over one to three axes.
fn windows(class: &str, config: Config<'_>, _: &[Argument<'_>]) -> Reading {
    let (name, axes) = axes_of(class)?;
    Some(match name.as_str() {
        "Conv" | "Convolution" => conv(config, axes),
        "ConvTranspose" | "ConvolutionTranspose" => conv_transpose(config, axes),
        "DepthwiseConv" if axes < 3 => depthwise_conv(config, axes),
        "SeparableConv" | "SeparableConvolution" if axes < 3 => separable_conv(config, axes),
        "MaxPooling" | "MaxPool" => pooling(config, axes).map(Layer::MaxPooling).map(Converted::plain),
        "AveragePooling" | "AvgPool" => {
            pooling(config, axes).map(Layer::AveragePooling).map(Converted::plain)
        }
        "GlobalAveragePooling" | "GlobalAvgPool" => {
            global_pooling(config, axes).map(Layer::GlobalAveragePooling).map(Converted::plain)
        }
        "GlobalMaxPooling" | "GlobalMaxPool" => {
            global_pooling(config, axes).map(Layer::GlobalMaxPooling).map(Converted::plain)
        }
        "AdaptiveAveragePooling" => {
            adaptive_pooling(config, axes).map(Layer::AdaptiveAveragePooling).map(Converted::plain)
        }
        "AdaptiveMaxPooling" => {
            adaptive_pooling(config, axes).map(Layer::AdaptiveMaxPooling).map(Converted::plain)
        }
        "ZeroPadding" => config.pairs_or("padding", axes).map(|pads| Converted::plain(ZeroPadding { pads })),
        "Cropping" => config.pairs_or("cropping", axes).map(|crops| Converted::plain(Cropping { crops })),
        "UpSampling" => up_sampling(config, axes).map(Converted::plain),
        _ => return None,
    })
}

fn conv(config: Config<'_>, axes: usize) -> Result<Converted, Problem> {
    let use_bias = config.bool_or("use_bias", true)?;
    let conv = Conv {
        filters: config.size("filters")?,
        kernel: config.sizes("kernel_size", axes)?,
        strides: config.sizes_or("strides", axes, 1)?,
        padding: config.padding()?,
        dilation: config.sizes_or("dilation_rate", axes, 1)?,
        groups: config.size_or("groups", 1)?,
        use_bias,
        activation: config.activation("activation")?,
    };
    let variables = vec![Variable::kernel("kernel", axes), Variable::new("bias")];
    Ok(Converted::one(conv, 1, Variable::with_bias(variables, use_bias)))
}

fn conv_transpose(config: Config<'_>, axes: usize) -> Result<Converted, Problem> {
    let use_bias = config.bool_or("use_bias", true)?;
    let added = config.get("output_padding").map(|_| config.sizes("output_padding", axes)).transpose()?;
    let conv = ConvTranspose {
        filters: config.size("filters")?,
        kernel: config.sizes("kernel_size", axes)?,
        strides: config.sizes_or("strides", axes, 1)?,
        padding: config.padding()?,
        output_padding: added,
        dilation: config.sizes_or("dilation_rate", axes, 1)?,
        use_bias,
        activation: config.activation("activation")?,
    };
    let variables = vec![Variable::kernel("kernel", axes), Variable::new("bias")];
    Ok(Converted::one(conv, 1, Variable::with_bias(variables, use_bias)))
}

fn depthwise(
    config: Config<'_>,
    axes: usize,
    use_bias: bool,
    activation: Activation,
) -> Result<DepthwiseConv, Problem> {
    Ok(DepthwiseConv {
        kernel: config.sizes("kernel_size", axes)?,
        strides: config.sizes_or("strides", axes, 1)?,
        padding: config.padding()?,
        dilation: config.sizes_or("dilation_rate", axes, 1)?,
        depth_multiplier: config.size_or("depth_multiplier", 1)?,
        use_bias,
        activation,
    })
}

fn depthwise_conv(config: Config<'_>, axes: usize) -> Result<Converted, Problem> {
    let use_bias = config.bool_or("use_bias", true)?;
    let layer = depthwise(config, axes, use_bias, config.activation("activation")?)?;
    let variables = vec![Variable::new("kernel"), Variable::new("bias")];
    Ok(Converted::one(layer, 1, Variable::with_bias(variables, use_bias)))
}

fn separable_conv(config: Config<'_>, axes: usize) -> Result<Converted, Problem> {
    let use_bias = config.bool_or("use_bias", true)?;
    let depthwise = depthwise(config, axes, false, Activation::Linear)?;
    let activation = config.activation("activation")?;
    let mut pointwise = Conv::new(config.size("filters")?, vec![1; axes]).activation(activation);
    pointwise.use_bias = use_bias;
    let variables =
        vec![Variable::new("kernel"), Variable::new("kernel").part(1), Variable::new("bias").part(1)];
    let layers = vec![("depthwise", depthwise.into()), ("", pointwise.into())];
    Ok(Converted::chain(layers, Variable::with_bias(variables, use_bias)))
}

fn pooling(config: Config<'_>, axes: usize) -> Result<WindowPooling, Problem> {
    let window = config.sizes_or("pool_size", axes, 2)?;
    let strides = config.get("strides").map_or(Ok(window.clone()), |_| config.sizes("strides", axes))?;
    Ok(WindowPooling { window, strides, padding: config.padding()? })
}

fn global_pooling(config: Config<'_>, dimensions: usize) -> Result<GlobalPooling, Problem> {
    Ok(GlobalPooling { dimensions, keepdims: config.bool_or("keepdims", false)? })
}

fn adaptive_pooling(config: Config<'_>, axes: usize) -> Result<AdaptivePooling, Problem> {
    Ok(AdaptivePooling { output_size: config.sizes("output_size", axes)? })
}

fn up_sampling(config: Config<'_>, axes: usize) -> Result<UpSampling, Problem> {
    let interpolation = interpolation(config, "nearest")?;
    Ok(UpSampling { size: config.sizes_or("size", axes, 2)?, interpolation })
}

fn interpolation(config: Config<'_>, default: &'static str) -> Result<Interpolation, Problem> {
    match config.text_or("interpolation", default)? {
        "nearest" => Ok(Interpolation::Nearest),
        "bilinear" => Ok(Interpolation::Bilinear),
        "bicubic" => Ok(Interpolation::Bicubic),
        other => Err(format!("its interpolation `{other}` is not supported, as no operator of ONNX has it")),
    }
}

/// Layers with a kernel over the last axis.
fn dense(class: &str, config: Config<'_>, _: &[Argument<'_>]) -> Reading {
    Some(match class {
        "Dense" => dense_layer(config),
        "EinsumDense" => einsum_dense(config),
        "Embedding" | "ReversibleEmbedding" => embedding(class, config),
        _ => return None,
    })
}

fn dense_layer(config: Config<'_>) -> Result<Converted, Problem> {
    let use_bias = config.bool_or("use_bias", true)?;
    let activation = config.activation("activation")?;
    let dense = Dense { units: config.size("units")?, use_bias, activation };
    let variables = vec![Variable::new("kernel"), Variable::new("bias")];
    Ok(Converted::one(dense, 1, Variable::with_bias(variables, use_bias)))
}

fn einsum_dense(config: Config<'_>) -> Result<Converted, Problem> {
    let size = |size: &Value| size.as_u64().and_then(|size| usize::try_from(size).ok());
    let output_shape = match config.get("output_shape") {
        Some(Value::Array(sizes)) => sizes.iter().map(size).collect(),
        other => vec![other.and_then(size)],
    };
    let bias_axes = config.text_or("bias_axes", "")?.to_owned();
    let use_bias = !bias_axes.is_empty();
    let equation = config.text_or("equation", "")?.replace(' ', "");
    let layer =
        EinsumDense { equation, output_shape, bias_axes, activation: config.activation("activation")? };
    let variables = vec![Variable::new("kernel"), Variable::new("bias")];
    Ok(Converted::one(layer, 1, Variable::with_bias(variables, use_bias)))
}

fn embedding(class: &str, config: Config<'_>) -> Result<Converted, Problem> {
    let layer = Embedding { rows: config.size("input_dim")?, features: config.size("output_dim")? };
    if config.bool_or("mask_zero", false)? {
        return Err("its setting `mask_zero` makes a mask, which layers behind it would need and which is not followed; \
                    build it without, and leave padding to the network"
            .to_owned());
    }
    let mut variables = vec![Variable::new("embeddings")];
    if class == "ReversibleEmbedding" {
        if config.bool_or("reverse", false)? {
            return Err("it goes from vectors back to words, which is not supported".to_owned());
        }
        if !config.bool_or("tie_weights", true)? {
            variables.push(Variable { trainable: true, ..Variable::unused("reverse_embeddings") });
        }
    }
    Ok(Converted::one(layer, 1, variables))
}

fn normalisations(class: &str, config: Config<'_>, inputs: &[Argument<'_>]) -> Reading {
    Some(match class {
        "BatchNormalization" => batch_normalization(config),
        "LayerNormalization" => layer_normalization(config),
        "GroupNormalization" => group_normalization(config),
        "RMSNormalization" => rms_normalization(config),
        "UnitNormalization" => {
            config.axes_or("axis", &[-1]).map(|axes| Converted::plain(Layer::UnitNormalization { axes }))
        }
        "Normalization" => normalization(config, inputs),
        "Rescaling" => rescaling(config),
        _ => return None,
    })
}

fn rescaling(config: Config<'_>) -> Result<Converted, Problem> {
    let (scale, offset) = (config.floats_or("scale", 1.0)?, config.floats_or("offset", 0.0)?);
    Ok(Converted::plain(Rescaling { scale, offset }))
}

/// `gamma` and `beta`, those that are there.
fn scaled(scale: bool, center: bool) -> Vec<Variable> {
    let gamma = scale.then(|| Variable::new("gamma"));
    gamma.into_iter().chain(center.then(|| Variable::new("beta"))).collect()
}

fn batch_normalization(config: Config<'_>) -> Result<Converted, Problem> {
    // Keras 1 could normalise by the sample or batch at hand instead of what was stored.
    if config.get("mode").is_some_and(|mode| mode.as_f64() != Some(0.0)) {
        return Err(
            "its setting `mode` must be 0, found another: it normalises by the values at hand, which is not \
                    supported; use LayerNormalization"
                .to_owned(),
        );
    }
    let layer = BatchNormalization {
        epsilon: config.number_or("epsilon", 1e-3)?,
        scale: config.bool_or("scale", true)?,
        center: config.bool_or("center", true)?,
        axis: config.one_axis_or("axis", -1)?,
    };
    let mut variables = scaled(layer.scale, layer.center);
    variables.extend(["moving_mean", "moving_variance"].map(|name| Variable::new(name).untrained()));
    if config.bool_or("renorm", false)? {
        variables.extend(["renorm_mean", "renorm_stddev"].map(Variable::unused));
    }
    Ok(Converted::one(layer, 1, variables))
}

fn layer_normalization(config: Config<'_>) -> Result<Converted, Problem> {
    let rms_scaling = config.bool_or("rms_scaling", false)?;
    let layer = LayerNormalization {
        epsilon: config.number_or("epsilon", 1e-3)?,
        axes: config.axes_or("axis", &[-1])?,
        scale: config.bool_or("scale", true)? || rms_scaling,
        center: config.bool_or("center", true)? && !rms_scaling,
        rms_scaling,
    };
    let variables = scaled(layer.scale, layer.center);
    Ok(Converted::one(layer, 1, variables))
}

fn group_normalization(config: Config<'_>) -> Result<Converted, Problem> {
    let each = config.get("groups").and_then(Value::as_i64) == Some(-1);
    let layer = GroupNormalization {
        groups: if each { None } else { Some(config.size_or("groups", 32)?) },
        epsilon: config.number_or("epsilon", 1e-3)?,
        scale: config.bool_or("scale", true)?,
        center: config.bool_or("center", true)?,
        axis: config.one_axis_or("axis", -1)?,
    };
    let variables = scaled(layer.scale, layer.center);
    Ok(Converted::one(layer, 1, variables))
}

fn rms_normalization(config: Config<'_>) -> Result<Converted, Problem> {
    let layer = RmsNormalization {
        epsilon: config.number_or("epsilon", 1e-6)?,
        axes: config.axes_or("axis", &[-1])?,
    };
    Ok(Converted::one(layer, 1, vec![Variable::new("scale")]))
}

fn normalization(config: Config<'_>, inputs: &[Argument<'_>]) -> Result<Converted, Problem> {
    let rank = inputs.first().map_or(0, |input| input.shape.len());
    // An axis that is explicitly nothing is no axis; one that is not there is the last.
    let mut axes = if config.has("axis") { config.axes_or("axis", &[])? } else { vec![-1] };
    if rank == 0 {
        return Err("it takes values along at least one axis".to_owned());
    }
    // Keras keeps the means along the axes in their order, in whichever they are given.
    axes.sort_by_key(|&axis| crate::layer::place(axis, rank).ok());
    let are_settings = config.get("mean").is_some();
    let moments = [config.floats_or("mean", 0.0)?, config.floats_or("variance", 1.0)?];
    let invert = config.bool_or("invert", false)?;
    let layer = Normalization { axes, moments: are_settings.then_some(moments), invert };
    let variables = match are_settings {
        true => Vec::new(),
        false => vec![
            Variable::new("mean").untrained(),
            Variable::new("variance").untrained(),
            Variable::unused("count"),
        ],
    };
    Ok(Converted::one(layer, 1, variables))
}

fn prelu(config: Config<'_>) -> Result<Converted, Problem> {
    let axes = config.axes_or("shared_axes", &[])?;
    let shared_axes = axes.iter().map(|&axis| usize::try_from(axis)).collect::<Result<_, _>>();
    let shared_axes = shared_axes.map_err(|_| "its setting `shared_axes` must count axes from 1")?;
    Ok(Converted::one(Layer::PRelu { shared_axes }, 1, vec![Variable::new("alpha")]))
}

/// At inference the layer within, whose stored kernel has been normalised.
fn spectral_normalization(config: Config<'_>, inputs: &[Argument<'_>]) -> Result<Converted, Problem> {
    let (class, settings) = config.layer("layer")?;
    let mut converted = read(class, settings, inputs)?;
    let mut variables: Vec<Variable> =
        converted.variables.into_iter().map(|variable| variable.within("layer")).collect();
    // The kernel counts as the wrapper's, too.
    variables.insert(variables.len().min(1), Variable::unused("vector_u"));
    converted.variables = variables;
    Ok(converted)
}

fn time_distributed(config: Config<'_>, shape: &[usize]) -> Result<Converted, Problem> {
    let (class, settings) = config.layer("layer")?;
    let Some((_, step)) = shape.split_first() else { return Err("it takes a sequence".to_owned()) };
    let inner = read(class, settings, &[Argument { name: "", shape: step }])?;
    let is_chain = |(place, part): (usize, &Part)| {
        part.inputs == [place.checked_sub(1).map_or(Source::Input(0), Source::Part)]
    };
    if !inner.parts.iter().enumerate().all(is_chain) {
        return Err(format!("a {class} within it is not supported"));
    }
    let parts = inner.parts.into_iter().map(|part| Part {
        layer: match part.layer {
            layer @ Layer::Identity => layer,
            layer => Layer::TimeDistributed(Box::new(layer)),
        },
        ..part
    });
    let variables = inner.variables.into_iter().map(|variable| variable.within("layer")).collect();
    Ok(Converted { parts: parts.collect(), variables })
}

fn reshapes(class: &str, config: Config<'_>, inputs: &[Argument<'_>]) -> Reading {
    Some(match class {
        "Flatten" => Ok(Converted::plain(Layer::Flatten)),
        "Reshape" => {
            let shape = inputs.first().map_or(&[][..], |input| input.shape);
            let total = crate::tensor::len_of(shape).map_err(|error| error.to_string());
            total
                .and_then(|total| config.target_shape("target_shape", total))
                .map(|shape| Converted::plain(Reshape { shape }))
        }
        "Permute" => permute(config),
        "RepeatVector" => config.size("n").map(|count| Converted::plain(Layer::RepeatVector { count })),
        "Resizing" => resizing(config),
        "CenterCrop" => center_crop(config),
        _ => return None,
    })
}

fn permute(config: Config<'_>) -> Result<Converted, Problem> {
    let axes = config.integers("dims")?;
    let axes = axes.iter().map(|axis| usize::try_from(axis.checked_sub(1)?).ok());
    let axes = axes.collect::<Option<Vec<_>>>().ok_or("its setting `dims` must count axes from 1")?;
    Ok(Converted::plain(Layer::Permute { axes }))
}

fn resizing(config: Config<'_>) -> Result<Converted, Problem> {
    for name in ["pad_to_aspect_ratio", "antialias"] {
        config.expect_only(name, &Value::from(false))?;
    }
    Ok(Converted::plain(Resizing {
        height: config.size("height")?,
        width: config.size("width")?,
        interpolation: interpolation(config, "bilinear")?,
        crop_to_aspect_ratio: config.bool_or("crop_to_aspect_ratio", false)?,
    }))
}

fn center_crop(config: Config<'_>) -> Result<Converted, Problem> {
    Ok(Converted::plain(CenterCrop { height: config.size("height")?, width: config.size("width")? }))
}

/// Layers of several inputs.
fn merges(class: &str, config: Config<'_>, inputs: &[Argument<'_>]) -> Reading {
    let layer = match class {
        "Add" => Layer::Add,
        "Subtract" => Layer::Subtract,
        "Multiply" => Layer::Multiply,
        "Average" => Layer::Average,
        "Maximum" => Layer::Maximum,
        "Minimum" => Layer::Minimum,
        "Concatenate" => match config.one_axis_or("axis", -1) {
            Ok(axis) => Layer::Concatenate { axis },
            Err(problem) => return Some(Err(problem)),
        },
        "Dot" => match dot(config) {
            Ok(dot) => dot.into(),
            Err(problem) => return Some(Err(problem)),
        },
        _ => return None,
    };
    Some(Ok(Converted::one(layer, inputs.len(), Vec::new())))
}

fn dot(config: Config<'_>) -> Result<Dot, Problem> {
    let axes = match config.axes_or("axes", &[])?[..] {
        [axis] => [axis; 2],
        [a, b] => [a, b],
        _ => return Err("its setting `axes` must be one axis, or one of each input".to_owned()),
    };
    Ok(Dot { axes, normalize: config.bool_or("normalize", false)? })
}

fn sequences(class: &str, config: Config<'_>, inputs: &[Argument<'_>]) -> Reading {
    Some(match class {
        "SimpleRNN" | "LSTM" | "GRU" => recurrent(class, config).map(|layer| {
            let variables = recurrent_variables(&layer, ["kernel", "recurrent_kernel", "bias"], "cell");
            Converted::one(layer, 1, variables)
        }),
        "RNN" => rnn(config),
        "Bidirectional" => bidirectional(config),
        "Attention" | "AdditiveAttention" => attention(class, config, inputs.len()),
        "MultiHeadAttention" | "GroupQueryAttention" | "GroupedQueryAttention" => {
            multi_head_attention(class, config, inputs)
        }
        _ => return None,
    })
}

fn recurrent(class: &str, config: Config<'_>) -> Result<Recurrent, Problem> {
    for name in ["return_state", "stateful"] {
        config.expect_only(name, &Value::from(false))?;
    }
    Ok(Recurrent {
        return_sequences: config.bool_or("return_sequences", false)?,
        go_backwards: config.bool_or("go_backwards", false)?,
        ..cell(class, config)?
    })
}

/// A recurrent layer of this cell that gives its last state.
fn cell(class: &str, config: Config<'_>) -> Result<Recurrent, Problem> {
    let function = |name: &str, default: Activation| match config.has(name) {
        true => config.activation(name),
        false => Ok(default),
    };
    Ok(Recurrent {
        cell: match class.trim_end_matches("Cell") {
            "SimpleRNN" => Cell::SimpleRnn,
            "LSTM" => Cell::Lstm,
            // Keras 2 resets after by default, Keras 1 knew nothing else than before.
            "GRU" => Cell::Gru { reset_after: config.bool_or("reset_after", config.keras >= 3)? },
            _ => return Err(format!("a recurrent layer of cell `{class}` is not supported")),
        },
        units: config.size("units")?,
        activation: function("activation", Activation::Tanh)?,
        recurrent_activation: function("recurrent_activation", Activation::Sigmoid)?,
        use_bias: config.bool_or("use_bias", true)?,
        return_sequences: false,
        go_backwards: false,
    })
}

fn recurrent_variables(layer: &Recurrent, names: [&'static str; 3], owner: &str) -> Vec<Variable> {
    let variables = names.map(|name| Variable::new(name).owner(owner)).to_vec();
    Variable::with_bias(variables, layer.use_bias)
}

/// `RNN` over one of Keras' cells, or several, which are as many layers.
fn rnn(config: Config<'_>) -> Result<Converted, Problem> {
    for name in ["return_state", "stateful"] {
        config.expect_only(name, &Value::from(false))?;
    }
    let (class, settings) = config.layer("cell")?;
    let names = ["kernel", "recurrent_kernel", "bias"];
    let (sequences, backwards) =
        (config.bool_or("return_sequences", false)?, config.bool_or("go_backwards", false)?);
    let cells = match class {
        "StackedRNNCells" => settings.layers("cells")?,
        _ => vec![(class, settings)],
    };
    const SUFFIXES: [&str; 8] =
        ["cell_1", "cell_2", "cell_3", "cell_4", "cell_5", "cell_6", "cell_7", "cell_8"];
    if cells.is_empty() || cells.len() > SUFFIXES.len() {
        return Err(format!(
            "{} cells one on another are not supported, 1 to {} are",
            cells.len(),
            SUFFIXES.len()
        ));
    }
    let (mut layers, mut variables) = (Vec::new(), Vec::new());
    for (place, (class, settings)) in cells.iter().enumerate() {
        let is_last = place + 1 == cells.len();
        // The steps of the first layer's output are those of the second's input, whatever their direction.
        let layer = Recurrent {
            return_sequences: sequences || !is_last,
            go_backwards: backwards && place == 0,
            ..cell(class, *settings)?
        };
        let owner = match cells.len() {
            1 => "cell".to_owned(),
            // In a `.keras` file, lists are numbered by class.
            _ => {
                let same = cells[..place].iter().filter(|(other, _)| *other == *class).count();
                let number = if same == 0 { String::new() } else { format!("_{same}") };
                format!("cell/cells/{}{number}", super::graph::snake_case(class))
            }
        };
        variables.extend(
            recurrent_variables(&layer, names, &owner).into_iter().map(|variable| variable.part(place)),
        );
        layers.push((SUFFIXES[place], Layer::Recurrent(layer)));
    }
    Ok(Converted::chain(layers, variables))
}

fn bidirectional(config: Config<'_>) -> Result<Converted, Problem> {
    let (class, settings) = config.layer("layer")?;
    let forward = recurrent(class, settings)?;
    let backward = match config.get("backward_layer") {
        None => Recurrent { go_backwards: true, ..forward.clone() },
        Some(_) => {
            let (class, settings) = config.layer("backward_layer")?;
            recurrent(class, settings)?
        }
    };
    let merge = match config.get("merge_mode").and_then(Value::as_str) {
        Some("concat") => MergeMode::Concat,
        Some("sum") => MergeMode::Sum,
        Some("mul") => MergeMode::Mul,
        Some("ave") => MergeMode::Ave,
        _ if !config.has("merge_mode") => MergeMode::Concat,
        _ => return Err("its setting `merge_mode` must be concat, sum, mul or ave".to_owned()),
    };
    let [forward_names, backward_names] = DIRECTIONS;
    let mut variables = recurrent_variables(&forward, forward_names, "forward_layer/cell");
    variables.extend(recurrent_variables(&backward, backward_names, "backward_layer/cell"));
    Ok(Converted::one(Bidirectional { forward, backward, merge }, 1, variables))
}

fn attention(class: &str, config: Config<'_>, inputs: usize) -> Result<Converted, Problem> {
    let additive = class == "AdditiveAttention";
    let layer = Attention {
        score: match config.text_or("score_mode", "dot")? {
            _ if additive => Score::Additive,
            "dot" => Score::Dot,
            "concat" => Score::Concat,
            other => return Err(format!("its score_mode `{other}` is not known")),
        },
        use_scale: config.bool_or("use_scale", additive)?,
        causal: config.bool_or("use_causal_mask", false)?,
    };
    let scale = layer.use_scale.then(|| Variable::new("scale"));
    let concat = (layer.score == Score::Concat).then(|| Variable::new("concat_score_weight"));
    let variables = scale.into_iter().chain(concat).collect();
    Ok(Converted::one(layer, inputs, variables))
}

/// The objects inside an attention that have its weights, where several heads share keys or not.
pub(super) fn projection_owners(grouped: bool) -> [&'static str; 4] {
    if grouped {
        ["_query_dense", "_key_dense", "_value_dense", "_output_dense"]
    } else {
        ["query_dense", "key_dense", "value_dense", "output_dense"]
    }
}

fn multi_head_attention(
    class: &str,
    config: Config<'_>,
    inputs: &[Argument<'_>],
) -> Result<Converted, Problem> {
    for name in ["use_gate", "return_attention_scores"] {
        config.expect_only(name, &Value::from(false))?;
    }
    config.expect_only("sliding_window", &Value::Null)?;
    if config.get("attention_axes").is_some_and(|axes| *axes != serde_json::json!([1]) && *axes != 1) {
        return Err("attention along other axes than the first is not supported".to_owned());
    }
    let layer = if class != "MultiHeadAttention" {
        let heads = config.size("num_query_heads")?;
        let key_value_heads = config.size("num_key_value_heads")?;
        MultiHeadAttention { key_value_heads, ..MultiHeadAttention::new(heads, config.size("head_dim")?) }
    } else {
        let features = match config.get("output_shape") {
            None => None,
            Some(_) => match config.sizes("output_shape", 1)?[..] {
                [features] => Some(features),
                _ => None,
            },
        };
        let key_dim = config.size("key_dim")?;
        let value_dim = config.size_or("value_dim", key_dim)?;
        MultiHeadAttention {
            value_dim,
            features,
            ..MultiHeadAttention::new(config.size("num_heads")?, key_dim)
        }
    };
    let use_bias = config.bool_or("use_bias", true)?;
    let layer = MultiHeadAttention { use_bias, causal: config.bool_or("use_causal_mask", false)?, ..layer };
    let owners = projection_owners(class != "MultiHeadAttention");
    let of_projection = |(owner, [kernel, bias]): (&str, [&'static str; 2])| {
        let variables = [kernel, bias].map(|weight| Variable::new(weight).owner(owner).reshaped());
        Variable::with_bias(variables.to_vec(), use_bias)
    };
    // Keras keeps the key's projection before the value's, and both after the query's.
    let variables = owners.into_iter().zip(PROJECTIONS).flat_map(of_projection).collect();
    let itself = inputs.iter().all(|input| Some(input.name) == inputs.first().map(|first| first.name));
    let mut converted = Converted::one(layer, inputs.len(), variables);
    if itself {
        converted.parts[0].inputs.truncate(1);
    }
    Ok(converted)
}

fn categories(class: &str, config: Config<'_>, _: &[Argument<'_>]) -> Reading {
    Some(match class {
        "Discretization" => discretization(config),
        "CategoryEncoding" => category_encoding(config),
        "IntegerLookup" => integer_lookup(config),
        _ => return None,
    })
}

fn discretization(config: Config<'_>) -> Result<Converted, Problem> {
    config.expect_only("output_mode", &Value::from("int"))?;
    if config.get("bin_boundaries").is_none() {
        return Err("it has learned no boundaries".to_owned());
    }
    Ok(Converted::plain(Discretization { boundaries: config.floats_or("bin_boundaries", 0.0)? }))
}

fn category_encoding(config: Config<'_>) -> Result<Converted, Problem> {
    let encoding = match config.text_or("output_mode", "multi_hot")? {
        "multi_hot" => Encoding::MultiHot,
        "one_hot" => Encoding::OneHot,
        "count" => Encoding::Count,
        other => return Err(format!("its output_mode `{other}` is not known")),
    };
    Ok(Converted::plain(CategoryEncoding { tokens: config.size("num_tokens")?, encoding }))
}

fn integer_lookup(config: Config<'_>) -> Result<Converted, Problem> {
    config.expect_only("output_mode", &Value::from("int"))?;
    config.expect_only("invert", &Value::from(false))?;
    config.expect_only("num_oov_indices", &Value::from(1))?;
    if config.get("vocabulary").is_none() {
        return Err("it has its vocabulary in a file of its own, which is not supported".to_owned());
    }
    let mask = config.get("mask_token").and_then(Value::as_i64);
    let unknown = usize::from(mask.is_some());
    let vocabulary = config.integers("vocabulary")?;
    Ok(Converted::plain(IntegerLookup { vocabulary, first: unknown + 1, unknown, mask }))
}

/// What is said of a class that is not here.
fn unknown(class: &str) -> Problem {
    let class: String = class.chars().take(80).collect();
    let hint = "rebuild the model with layers that are known, or export it to ONNX (`model.export(\"model.onnx\", \
                format=\"onnx\")`)";
    if class == "Lambda" {
        return format!("a Lambda layer holds Python code, which is never run; {hint}");
    }
    match REFUSED.iter().find(|(refused, _)| *refused == class) {
        Some((_, reason)) => format!("layers of class `{class}` are not supported: {reason}; {hint}"),
        None => format!("layers of class `{class}` are not supported; {hint}"),
    }
}

/// The classes of `keras.layers` that are not supported, and why.
pub(super) const REFUSED: [(&str, &str); 23] = [
    ("Lambda", "it holds Python code, which is never run"),
    ("FlaxLayer", "it holds Python code, which is never run"),
    ("JaxLayer", "it holds Python code, which is never run"),
    ("TFSMLayer", "it refers to a TensorFlow program outside the file"),
    ("TorchModuleWrapper", "it holds a pickled PyTorch module, which is never run"),
    ("Masking", "masks are not followed, and layers behind it would give other values"),
    ("ConvLSTM1D", "ONNX has no recurrent operator with convolutions"),
    ("ConvLSTM2D", "ONNX has no recurrent operator with convolutions"),
    ("ConvLSTM3D", "ONNX has no recurrent operator with convolutions"),
    ("HashedCrossing", "ONNX has no operator that hashes"),
    ("Hashing", "ONNX has no operator that hashes"),
    ("StringLookup", "values are numbers here, not text"),
    ("TextVectorization", "values are numbers here, not text"),
    ("MelSpectrogram", "it belongs to sound"),
    ("STFTSpectrogram", "it belongs to sound"),
    ("AutoContrast", "it is data augmentation that changes images at inference, too"),
    ("ContrastLimitedAdaptiveHistogramEqualization", "its histograms have no operator in ONNX"),
    ("MaxNumBoundingBoxes", "it changes bounding boxes, not values"),
    ("Pipeline", "it holds layers of data augmentation; put those into the model one by one"),
    ("Layer", "it is what other layers are made from, and computes nothing"),
    ("Wrapper", "it is what other layers are made from, and computes nothing"),
    ("InputSpec", "it is no layer"),
    ("StackedRNNCells", "it is part of another layer, `RNN`, where it is supported"),
];

/// What is refused of layers that are supported.
#[cfg(test)]
pub(super) const LIMITS: [(&str, &str); 22] = [
    ("Activation", "all of `keras.activations` that need no further arguments; `glu` as a layer of its own"),
    ("Bidirectional", "around LSTM, GRU and SimpleRNN; `merge_mode=None` is refused"),
    ("CategoryEncoding", "weights of counts are refused"),
    ("Conv1DTranspose", "dilation is not compared, as TensorFlow can't run it on a CPU"),
    ("Discretization", "`output_mode=\"int\"` with given or learned boundaries"),
    ("Embedding", "`mask_zero=True` is refused, as masks are not followed"),
    ("GRU", "states in and out, `stateful` and masks are refused"),
    ("GRUCell", "within `RNN`"),
    ("GroupedQueryAttention", "gates, sliding windows and scores as a second output are refused"),
    ("InputLayer", "as an input of the network"),
    (
        "IntegerLookup",
        "`output_mode=\"int\"`, the vocabulary among the settings, one place for unknown numbers",
    ),
    ("LSTM", "states in and out, `stateful` and masks are refused"),
    ("LSTMCell", "within `RNN`"),
    (
        "MultiHeadAttention",
        "over one axis of tokens; masks as inputs, gates, sliding windows and scores as a second output are refused",
    ),
    ("RNN", "of the cells of LSTM, GRU and SimpleRNN, up to eight one on another"),
    ("Resizing", "nearest, bilinear and bicubic; padding and antialiasing are refused"),
    ("ReversibleEmbedding", "from words to vectors"),
    ("SimpleRNN", "states in and out, `stateful` and masks are refused"),
    ("SimpleRNNCell", "within `RNN`"),
    ("SpectralNormalization", "as the layer within, whose stored kernel is normalised"),
    ("TimeDistributed", "around layers of one input that are supported"),
    ("UpSampling2D", "nearest, bilinear and bicubic"),
];

/// A layer that is a function of every value; `None` for other classes.
pub(super) fn activation_layer(class: &str, config: Config<'_>) -> Option<Result<Layer, Problem>> {
    Some(match class {
        "Activation" if config.get("activation").is_some_and(|name| name == "glu") => Ok(Layer::Glu),
        "Activation" => config.activation("activation").map(Layer::Activation),
        "ReLU" => relu(config).map(Layer::Activation),
        "LeakyReLU" => {
            let default = config.float_or("alpha", 0.3);
            let slope = default.and_then(|default| config.float_or("negative_slope", default));
            slope.map(|slope| Activation::LeakyRelu { slope }.into())
        }
        "ELU" => config.float_or("alpha", 1.0).map(|alpha| Activation::Elu { alpha }.into()),
        "Softmax" => config.axes_or("axis", &[-1]).map(|axes| match axes[..] {
            [-1] => Activation::Softmax.into(),
            _ => Layer::Softmax { axes },
        }),
        _ => return None,
    })
}

fn relu(config: Config<'_>) -> Result<Activation, Problem> {
    let slope = config.float_or("negative_slope", 0.0)?;
    let max = config.get("max_value").map(|_| config.float_or("max_value", 0.0)).transpose()?;
    Ok(match (max, slope, config.float_or("threshold", 0.0)?) {
        (None, 0.0, 0.0) => Activation::Relu,
        (Some(6.0), 0.0, 0.0) => Activation::Relu6,
        (None, slope, 0.0) => Activation::LeakyRelu { slope },
        (max, slope, threshold) => {
            Activation::BoundedRelu { max: max.unwrap_or(f32::INFINITY), slope, threshold }
        }
    })
}
