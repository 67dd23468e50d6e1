//! The layers a network is made of, in Keras' vocabulary: one file per family.
//!
//! A layer is settings alone. Its weights live in the [`Network`](crate::Network) under `layer/kernel` names, and how it
//! is written as ONNX lives in `crate::onnx`. Shapes are channels-last without the batch: `[height, width, channels]`,
//! `[tokens, features]`, `[features]`, `[depth, height, width, channels]`. Keras' definitions hold: <https://keras.io/api/layers/>. Where Keras has a
//! layer for each number of axes, as Conv1D to Conv3D, there is one kind here, and its settings tell the axes.

mod activation;
mod attention;
mod category;
mod conv;
mod dense;
mod merge;
mod norm;
mod pooling;
mod recurrent;
mod reshape;
pub(crate) mod window;

pub use self::{
    activation::Activation,
    attention::{Attention, MultiHeadAttention, Score},
    category::{CategoryEncoding, Discretization, Encoding, IntegerLookup},
    conv::{Conv, ConvTranspose, DepthwiseConv},
    dense::{Dense, EinsumDense, Embedding},
    merge::Dot,
    norm::{
        BatchNormalization, GroupNormalization, LayerNormalization, Normalization, Rescaling,
        RmsNormalization,
    },
    pooling::{AdaptivePooling, GlobalPooling, WindowPooling},
    recurrent::{Bidirectional, Cell, MergeMode, Recurrent},
    reshape::{CenterCrop, Cropping, Interpolation, Reshape, Resizing, UpSampling, ZeroPadding},
    window::{Padding, Sizes},
};
pub(crate) use self::{
    attention::{PROJECTIONS, query_value_key},
    recurrent::DIRECTIONS,
};

/// The shape of one sample: `[height, width, channels]`, `[tokens, features]` or `[features]`. The batch is implied.
pub type Shape = Vec<usize>;

/// What a layer finds wrong with its inputs; the network adds the names.
pub(crate) type Problem = String;

/// One layer's kind and settings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Layer {
    /// Convolution.
    Conv(Conv),
    /// The gradient of a convolution.
    ConvTranspose(ConvTranspose),
    /// Convolution of every channel by itself.
    DepthwiseConv(DepthwiseConv),
    /// A fully connected layer over the last axis.
    Dense(Dense),
    /// Products with a kernel, summed by a rule.
    EinsumDense(EinsumDense),
    /// Rows of a table by their number.
    Embedding(Embedding),
    /// Normalisation by stored mean and variance.
    BatchNormalization(BatchNormalization),
    /// Normalisation of every vector by its own mean and variance.
    LayerNormalization(LayerNormalization),
    /// Division of every vector by the root of its mean square.
    RmsNormalization(RmsNormalization),
    /// Normalisation of groups of channels.
    GroupNormalization(GroupNormalization),
    /// Every vector along these axes (the batch is axis 0, negative from the end) scaled to length 1.
    UnitNormalization {
        /// The axes that make up a vector; none for the last one.
        axes: Vec<isize>,
    },
    /// Normalisation by mean and variance seen before training.
    Normalization(Normalization),
    /// A learned factor for every channel: `x * gamma`.
    LayerScale,
    /// `x * scale + offset`.
    Rescaling(Rescaling),
    /// A function of every value.
    Activation(Activation),
    /// `exp(x) / sum(exp(x))` over these axes (the batch is axis 0, negative from the end).
    Softmax {
        /// The axes summed over; none for the last one.
        axes: Vec<isize>,
    },
    /// `x` above zero, a learned `alpha * x` below.
    PRelu {
        /// The axes, the channels included, along which one `alpha` serves all places; the first after the batch is 1.
        shared_axes: Vec<usize>,
    },
    /// The first half of the channels times the sigmoid of the second.
    Glu,
    /// A border of zeros.
    ZeroPadding(ZeroPadding),
    /// The border left out.
    Cropping(Cropping),
    /// Values repeated, or images enlarged.
    UpSampling(UpSampling),
    /// An image of another size.
    Resizing(Resizing),
    /// The middle of an image.
    CenterCrop(CenterCrop),
    /// The greatest value of every window.
    MaxPooling(WindowPooling),
    /// The mean of every window; values in the padding do not count.
    AveragePooling(WindowPooling),
    /// The mean of every channel.
    GlobalAveragePooling(GlobalPooling),
    /// The greatest value of every channel.
    GlobalMaxPooling(GlobalPooling),
    /// The means of as many windows as are asked for.
    AdaptiveAveragePooling(AdaptivePooling),
    /// The greatest values of as many windows as are asked for.
    AdaptiveMaxPooling(AdaptivePooling),
    /// All values in one row, channels fastest.
    Flatten,
    /// The same values under another shape, channels fastest.
    Reshape(Reshape),
    /// The axes in another order.
    Permute {
        /// Axis `i` of the output is axis `axes[i]` of the input, from 0 and without the batch.
        axes: Vec<usize>,
    },
    /// A vector written down several times, as a sequence.
    RepeatVector {
        /// How many times.
        count: usize,
    },
    /// The input itself: `keras.layers.Identity`, and layers that do something in training alone.
    Identity,
    /// Nothing at inference; the rate matters to training.
    Dropout {
        /// The share of values dropped while training, in `[0, 1)`.
        rate: f32,
    },
    /// The sum of the inputs.
    Add,
    /// The first input less the second.
    Subtract,
    /// The product of the inputs.
    Multiply,
    /// The mean of the inputs.
    Average,
    /// The greatest of the inputs, value by value.
    Maximum,
    /// The least of the inputs, value by value.
    Minimum,
    /// The inputs side by side.
    Concatenate {
        /// Along which axis: the batch is axis 0, -1 the channels.
        axis: isize,
    },
    /// Products of vectors of two inputs.
    Dot(Dot),
    /// A learned vector before the others of a sequence.
    ClassToken,
    /// A learned vector added to each of a sequence.
    PositionEmbedding,
    /// Attention among the vectors of sequences, in several projections of them.
    MultiHeadAttention(MultiHeadAttention),
    /// Attention without projections.
    Attention(Attention),
    /// One vector of a sequence.
    TakeToken {
        /// Its place, from 0.
        index: usize,
    },
    /// A sequence step by step.
    Recurrent(Recurrent),
    /// A sequence step by step in both directions.
    Bidirectional(Bidirectional),
    /// A layer of one input for every step of a sequence by itself. The weights are the layer's.
    TimeDistributed(Box<Layer>),
    /// The interval that a value lies in.
    Discretization(Discretization),
    /// Categories as vectors.
    CategoryEncoding(CategoryEncoding),
    /// Whole numbers as their place in a vocabulary.
    IntegerLookup(IntegerLookup),
}

impl Layer {
    /// The layer's name in Keras, such as `Conv2D`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Conv(layer) => layer.kind(),
            Self::ConvTranspose(layer) => layer.kind(),
            Self::DepthwiseConv(layer) => layer.kind(),
            Self::Dense(_) => "Dense",
            Self::EinsumDense(_) => "EinsumDense",
            Self::Embedding(_) => "Embedding",
            Self::BatchNormalization(_) => "BatchNormalization",
            Self::LayerNormalization(_) => "LayerNormalization",
            Self::RmsNormalization(_) => "RMSNormalization",
            Self::GroupNormalization(_) => "GroupNormalization",
            Self::UnitNormalization { .. } => "UnitNormalization",
            Self::Normalization(_) => "Normalization",
            Self::LayerScale => "LayerScale",
            Self::Rescaling(_) => "Rescaling",
            Self::Activation(_) | Self::Glu => "Activation",
            Self::Softmax { .. } => "Softmax",
            Self::PRelu { .. } => "PReLU",
            Self::Resizing(_) => "Resizing",
            Self::CenterCrop(_) => "CenterCrop",
            Self::Flatten => "Flatten",
            Self::Reshape(_) => "Reshape",
            Self::Permute { .. } => "Permute",
            Self::RepeatVector { .. } => "RepeatVector",
            Self::Identity => "Identity",
            Self::Dropout { .. } => "Dropout",
            Self::Add => "Add",
            Self::Subtract => "Subtract",
            Self::Multiply => "Multiply",
            Self::Average => "Average",
            Self::Maximum => "Maximum",
            Self::Minimum => "Minimum",
            Self::Concatenate { .. } => "Concatenate",
            Self::Dot(_) => "Dot",
            Self::ClassToken => "ClassToken",
            Self::PositionEmbedding => "PositionEmbedding",
            Self::MultiHeadAttention(layer) if layer.key_value_heads != layer.heads => "GroupQueryAttention",
            Self::MultiHeadAttention(_) => "MultiHeadAttention",
            Self::Attention(layer) => layer.kind(),
            Self::TakeToken { .. } => "TakeToken",
            Self::Recurrent(layer) => layer.kind(),
            Self::Bidirectional(_) => "Bidirectional",
            Self::TimeDistributed(_) => "TimeDistributed",
            Self::Discretization(_) => "Discretization",
            Self::CategoryEncoding(_) => "CategoryEncoding",
            Self::IntegerLookup(_) => "IntegerLookup",
            _ => self.kind_by_axes(),
        }
    }

    /// Of the layers that Keras has for each number of axes.
    fn kind_by_axes(&self) -> &'static str {
        let (names, axes) = match self {
            Self::ZeroPadding(layer) => {
                (["ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"], layer.pads.len())
            }
            Self::Cropping(layer) => (["Cropping1D", "Cropping2D", "Cropping3D"], layer.crops.len()),
            Self::UpSampling(layer) => (["UpSampling1D", "UpSampling2D", "UpSampling3D"], layer.size.len()),
            Self::MaxPooling(layer) => (["MaxPooling1D", "MaxPooling2D", "MaxPooling3D"], layer.window.len()),
            Self::AveragePooling(layer) => {
                (["AveragePooling1D", "AveragePooling2D", "AveragePooling3D"], layer.window.len())
            }
            Self::GlobalAveragePooling(layer) => (
                ["GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D"],
                layer.dimensions,
            ),
            Self::GlobalMaxPooling(layer) => {
                (["GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D"], layer.dimensions)
            }
            Self::AdaptiveAveragePooling(layer) => (
                ["AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D"],
                layer.output_size.len(),
            ),
            Self::AdaptiveMaxPooling(layer) => (
                ["AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D"],
                layer.output_size.len(),
            ),
            _ => (["layer"; 3], 1),
        };
        names.get(axes.wrapping_sub(1)).copied().unwrap_or(names[1])
    }

    /// The shape of the output, given the shapes of the inputs.
    pub(crate) fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Problem> {
        match self {
            Self::Subtract if inputs.len() != 2 => {
                Err(format!("Subtract takes two inputs, found {}", inputs.len()))
            }
            Self::Add | Self::Subtract | Self::Multiply | Self::Average | Self::Maximum | Self::Minimum => {
                merge::broadcast_shape(inputs)
            }
            Self::Concatenate { axis } => merge::concatenate_shape(*axis, inputs),
            Self::Dot(layer) => layer.output_shape(inputs),
            Self::MultiHeadAttention(layer) => layer.output_shape(inputs),
            Self::Attention(layer) => layer.output_shape(inputs),
            _ => match *inputs {
                [input] => self.shape_of_one(input),
                _ => Err(format!("{} takes one input, found {}", self.kind(), inputs.len())),
            },
        }
    }

    fn shape_of_one(&self, input: &[usize]) -> Result<Shape, Problem> {
        match self {
            Self::Conv(layer) => layer.output_shape(input),
            Self::ConvTranspose(layer) => layer.output_shape(input),
            Self::DepthwiseConv(layer) => layer.output_shape(input),
            Self::Dense(layer) => layer.output_shape(input),
            Self::EinsumDense(layer) => layer.output_shape(input),
            Self::Embedding(layer) => Ok(layer.output_shape(input)),
            Self::BatchNormalization(layer) => layer.output_shape(input),
            Self::LayerNormalization(layer) => layer.output_shape(input),
            Self::RmsNormalization(layer) => layer.output_shape(input),
            Self::GroupNormalization(layer) => layer.output_shape(input),
            Self::Normalization(layer) => layer.output_shape(input),
            Self::Rescaling(layer) => layer.output_shape(input),
            Self::UnitNormalization { axes } | Self::Softmax { axes } => {
                places(axes, input.len()).map(|_| input.to_vec())
            }
            Self::PRelu { shared_axes } => {
                match shared_axes.iter().find(|axis| !(1..=input.len()).contains(*axis)) {
                    Some(axis) => Err(format!("there is no axis {axis} to share in {input:?}")),
                    None => Ok(input.to_vec()),
                }
            }
            Self::Glu => match input.split_last() {
                Some((channels, outer)) if channels.is_multiple_of(2) => {
                    Ok([outer, &[channels / 2]].concat())
                }
                _ => Err(format!("glu halves the channels, which {input:?} does not allow")),
            },
            Self::ZeroPadding(layer) => layer.output_shape(input),
            Self::Cropping(layer) => layer.output_shape(input),
            Self::UpSampling(layer) => layer.output_shape(input),
            Self::Resizing(layer) => layer.output_shape(input),
            Self::CenterCrop(layer) => layer.output_shape(input),
            Self::MaxPooling(layer) | Self::AveragePooling(layer) => layer.output_shape(input),
            Self::GlobalAveragePooling(layer) | Self::GlobalMaxPooling(layer) => layer.output_shape(input),
            Self::AdaptiveAveragePooling(layer) | Self::AdaptiveMaxPooling(layer) => {
                layer.output_shape(input)
            }
            Self::Flatten => Ok(vec![reshape::size(input)?]),
            Self::Reshape(layer) => layer.output_shape(input),
            Self::Permute { axes } => reshape::permuted_shape(axes, input),
            Self::RepeatVector { count } => reshape::repeated_shape(*count, input),
            Self::ClassToken => attention::class_token_shape(input),
            Self::PositionEmbedding => Ok(attention::sequence_shape(self.kind(), input)?.to_vec()),
            Self::TakeToken { index } => attention::take_token_shape(*index, input),
            Self::Recurrent(layer) => layer.output_shape(input),
            Self::Bidirectional(layer) => layer.output_shape(input),
            Self::TimeDistributed(layer) => match input.split_first() {
                Some((steps, input)) => Ok([vec![*steps], layer.output_shape(&[input])?].concat()),
                None => Err("TimeDistributed takes a sequence".to_owned()),
            },
            Self::Discretization(layer) => layer.output_shape(input),
            Self::CategoryEncoding(layer) => layer.output_shape(input),
            Self::IntegerLookup(layer) => layer.output_shape(input),
            Self::Dropout { rate } if !(0.0..1.0).contains(rate) => {
                Err(format!("Dropout's rate must be in [0, 1), found {rate}"))
            }
            _ => Ok(input.to_vec()),
        }
    }

    /// The weights' names (without the layer's) and shapes, given the inputs' shapes.
    pub(crate) fn weight_shapes(&self, inputs: &[&[usize]]) -> Vec<(&'static str, Shape)> {
        let input = inputs.first().copied().unwrap_or_default();
        match self {
            Self::Conv(layer) => layer.weight_shapes(input),
            Self::ConvTranspose(layer) => layer.weight_shapes(input),
            Self::DepthwiseConv(layer) => layer.weight_shapes(input),
            Self::Dense(layer) => layer.weight_shapes(input),
            Self::EinsumDense(layer) => layer.weight_shapes(input),
            Self::Embedding(layer) => layer.weight_shapes(),
            Self::BatchNormalization(layer) => layer.weight_shapes(input),
            Self::LayerNormalization(layer) => layer.weight_shapes(input),
            Self::RmsNormalization(layer) => layer.weight_shapes(input),
            Self::GroupNormalization(layer) => layer.weight_shapes(input),
            Self::Normalization(layer) => layer.weight_shapes(input),
            Self::PRelu { shared_axes } => {
                let alpha = input.iter().zip(1..);
                let alpha = alpha.map(|(&size, axis)| if shared_axes.contains(&axis) { 1 } else { size });
                vec![("alpha", alpha.collect())]
            }
            Self::LayerScale => vec![("gamma", vec![channels(input)])],
            Self::ClassToken => vec![("token", vec![channels(input)])],
            Self::PositionEmbedding => vec![("embeddings", input.to_vec())],
            Self::MultiHeadAttention(layer) => layer.weight_shapes(inputs),
            Self::Attention(layer) => layer.weight_shapes(inputs),
            Self::Recurrent(layer) => layer.weight_shapes(input),
            Self::Bidirectional(layer) => layer.weight_shapes(input),
            Self::TimeDistributed(layer) => layer.weight_shapes(&[input.get(1..).unwrap_or_default()]),
            _ => Vec::new(),
        }
    }

    /// The multiply-adds for one sample. Layers that do no more than pass over their values count as none, as is usual.
    pub(crate) fn multiply_adds(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        let input = inputs.first().copied().unwrap_or_default();
        let per_value = match self {
            Self::Conv(layer) => layer.kernel_len() * (channels(input) / layer.groups.max(1)),
            Self::DepthwiseConv(layer) => layer.kernel_len(),
            Self::Dense(_) => channels(input),
            Self::EinsumDense(layer) => layer.multiply_adds_per_value(input),
            // Every input value meets every value of the kernel for its channel.
            Self::ConvTranspose(layer) => {
                let values = conv::volume(input) as u64;
                return values.saturating_mul(layer.kernel_len().saturating_mul(layer.filters) as u64);
            }
            Self::MultiHeadAttention(layer) => return layer.multiply_adds(inputs),
            Self::Attention(layer) => return layer.multiply_adds(inputs),
            Self::Recurrent(layer) => return layer.multiply_adds(input),
            Self::Bidirectional(layer) => return layer.forward.multiply_adds(input).saturating_mul(2),
            Self::TimeDistributed(layer) => {
                let step = |shape: &[usize]| shape.get(1..).unwrap_or_default().to_vec();
                let per_step = layer.multiply_adds(&[&step(input)], &step(output));
                return per_step.saturating_mul(input.first().copied().unwrap_or(0) as u64);
            }
            _ => 0,
        };
        output.iter().chain([&per_value]).fold(1_u64, |product, &size| product.saturating_mul(size as u64))
    }
}

macro_rules! into_layer {
    ($($kind:ident),*) => {
        $(impl From<$kind> for Layer {
            fn from(layer: $kind) -> Self {
                Self::$kind(layer)
            }
        })*
    };
}

into_layer!(
    Conv,
    ConvTranspose,
    DepthwiseConv,
    Dense,
    EinsumDense,
    Embedding,
    BatchNormalization,
    LayerNormalization,
    RmsNormalization,
    GroupNormalization,
    Normalization,
    Rescaling,
    Activation,
    ZeroPadding,
    Cropping,
    UpSampling,
    Resizing,
    CenterCrop,
    Reshape,
    Dot,
    MultiHeadAttention,
    Attention,
    Recurrent,
    Bidirectional,
    Discretization,
    CategoryEncoding,
    IntegerLookup
);

/// The last axis of a shape.
pub(crate) fn channels(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

/// The sizes of the axes before the channels, as many as are expected, and the channels.
pub(crate) fn spatial<'a>(
    kind: &str,
    axes: usize,
    shape: &'a [usize],
) -> Result<(&'a [usize], usize), Problem> {
    match shape.split_last() {
        Some((&channels, before)) if before.len() == axes && axes > 0 => Ok((before, channels)),
        _ => {
            let expected = match axes {
                1 => "[steps, channels]".to_owned(),
                2 => "[height, width, channels]".to_owned(),
                _ => format!("{axes} axes and channels"),
            };
            Err(format!("{kind} takes {expected}, found {shape:?}"))
        }
    }
}

/// Where in a shape of this many axes an axis is that Keras numbers: the batch is 0, the last one -1.
pub(crate) fn place(axis: isize, rank: usize) -> Result<usize, Problem> {
    let place = if axis < 0 { rank.checked_add_signed(axis) } else { axis.unsigned_abs().checked_sub(1) };
    place
        .filter(|&place| place < rank)
        .ok_or_else(|| format!("there is no axis {axis} but the batch's in {rank} axes"))
}

/// The same for several axes, rising; of none, the last one's.
pub(crate) fn places(axes: &[isize], rank: usize) -> Result<Vec<usize>, Problem> {
    let axes = if axes.is_empty() { &[-1] } else { axes };
    let mut places = axes.iter().map(|&axis| place(axis, rank)).collect::<Result<Vec<_>, _>>()?;
    places.sort_unstable();
    places.dedup();
    Ok(places)
}
