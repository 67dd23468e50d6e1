//! The layers a network is made of, in Keras' vocabulary: one file per family.
//!
//! A layer is settings alone. Its weights live in the [`Network`](crate::Network) under `layer/kernel` names, and how it
//! is written as ONNX lives in `crate::onnx`. Shapes are channels-last without the batch:
//! `[depth, height, width, channels]`, `[height, width, channels]`, `[tokens, features]` or `[features]`. Keras' definitions hold: <https://keras.io/api/layers/>.

mod activation;
mod conv;
mod dense;
mod merge;
mod norm;
mod pooling;
mod reshape;
mod sequence;
pub(crate) mod window;

pub(crate) use self::sequence::PROJECTIONS;
pub use self::{
    activation::Activation,
    conv::{Conv2D, DepthwiseConv2D},
    dense::Dense,
    norm::{BatchNormalization, LayerNormalization, Rescaling},
    pooling::{GlobalPooling2D, Pooling2D},
    reshape::{Reshape, ZeroPadding2D},
    sequence::MultiHeadAttention,
    window::{Padding, Pair},
};

/// The shape of one sample: `[height, width, channels]`, `[tokens, features]` or `[features]`. The batch is implied.
pub type Shape = Vec<usize>;

/// What a layer finds wrong with its inputs; the network adds the names.
pub(crate) type Problem = String;

/// One layer's kind and settings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Layer {
    /// 2-D convolution.
    Conv2D(Conv2D),
    /// 2-D convolution of every channel by itself.
    DepthwiseConv2D(DepthwiseConv2D),
    /// A fully connected layer over the last axis.
    Dense(Dense),
    /// Normalisation by stored mean and variance.
    BatchNormalization(BatchNormalization),
    /// Normalisation of every vector along the last axis by its own mean and variance.
    LayerNormalization(LayerNormalization),
    /// A learned factor for every channel: `x * gamma`.
    LayerScale,
    /// `x * scale + offset`.
    Rescaling(Rescaling),
    /// A function of every value.
    Activation(Activation),
    /// A border of zeros.
    ZeroPadding2D(ZeroPadding2D),
    /// The greatest value of every window.
    MaxPooling2D(Pooling2D),
    /// The mean of every window; values in the padding do not count.
    AveragePooling2D(Pooling2D),
    /// The mean of every channel.
    GlobalAveragePooling2D(GlobalPooling2D),
    /// The greatest value of every channel.
    GlobalMaxPooling2D(GlobalPooling2D),
    /// All values in one row, channels fastest.
    Flatten,
    /// The same values under another shape, channels fastest.
    Reshape(Reshape),
    /// The axes in another order.
    Permute {
        /// Axis `i` of the output is axis `axes[i]` of the input, from 0 and without the batch.
        axes: Vec<usize>,
    },
    /// Nothing at inference; the rate matters to training.
    Dropout {
        /// The share of values dropped while training, in `[0, 1)`.
        rate: f32,
    },
    /// The sum of the inputs.
    Add,
    /// The product of the inputs.
    Multiply,
    /// The inputs side by side along the channels.
    Concatenate,
    /// A learned vector before the others of a sequence.
    ClassToken,
    /// A learned vector added to each of a sequence.
    PositionEmbedding,
    /// Attention among the vectors of a sequence.
    MultiHeadAttention(MultiHeadAttention),
    /// One vector of a sequence.
    TakeToken {
        /// Its place, from 0.
        index: usize,
    },
}

impl Layer {
    /// The layer's name in Keras, such as `Conv2D`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Conv2D(_) => "Conv2D",
            Self::DepthwiseConv2D(_) => "DepthwiseConv2D",
            Self::Dense(_) => "Dense",
            Self::BatchNormalization(_) => "BatchNormalization",
            Self::LayerNormalization(_) => "LayerNormalization",
            Self::LayerScale => "LayerScale",
            Self::Rescaling(_) => "Rescaling",
            Self::Activation(_) => "Activation",
            Self::ZeroPadding2D(_) => "ZeroPadding2D",
            Self::MaxPooling2D(_) => "MaxPooling2D",
            Self::AveragePooling2D(_) => "AveragePooling2D",
            Self::GlobalAveragePooling2D(_) => "GlobalAveragePooling2D",
            Self::GlobalMaxPooling2D(_) => "GlobalMaxPooling2D",
            Self::Flatten => "Flatten",
            Self::Reshape(_) => "Reshape",
            Self::Permute { .. } => "Permute",
            Self::Dropout { .. } => "Dropout",
            Self::Add => "Add",
            Self::Multiply => "Multiply",
            Self::Concatenate => "Concatenate",
            Self::ClassToken => "ClassToken",
            Self::PositionEmbedding => "PositionEmbedding",
            Self::MultiHeadAttention(_) => "MultiHeadAttention",
            Self::TakeToken { .. } => "TakeToken",
        }
    }

    /// The shape of the output, given the shapes of the inputs.
    pub(crate) fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Problem> {
        if let Self::Add | Self::Multiply = self {
            return merge::broadcast_shape(inputs);
        }
        if let Self::Concatenate = self {
            return merge::concatenate_shape(inputs);
        }
        let &[input] = inputs else {
            return Err(format!("{} takes one input, found {}", self.kind(), inputs.len()));
        };
        match self {
            Self::Conv2D(layer) => layer.output_shape(input),
            Self::DepthwiseConv2D(layer) => layer.output_shape(input),
            Self::Dense(layer) => layer.output_shape(input),
            Self::BatchNormalization(layer) => layer.output_shape(input),
            Self::Rescaling(layer) => layer.output_shape(input),
            Self::ZeroPadding2D(layer) => layer.output_shape(input),
            Self::MaxPooling2D(layer) | Self::AveragePooling2D(layer) => layer.output_shape(input),
            Self::GlobalAveragePooling2D(layer) | Self::GlobalMaxPooling2D(layer) => {
                layer.output_shape(input)
            }
            Self::Flatten => Ok(vec![reshape::size(input)?]),
            Self::Reshape(layer) => layer.output_shape(input),
            Self::Permute { axes } => reshape::permuted_shape(axes, input),
            Self::ClassToken => sequence::class_token_shape(input),
            Self::PositionEmbedding => Ok(sequence::sequence_shape(self.kind(), input)?.to_vec()),
            Self::MultiHeadAttention(layer) => layer.output_shape(input),
            Self::TakeToken { index } => sequence::take_token_shape(*index, input),
            Self::Dropout { rate } if !(0.0..1.0).contains(rate) => {
                Err(format!("Dropout's rate must be in [0, 1), found {rate}"))
            }
            _ => Ok(input.to_vec()),
        }
    }

    /// The weights' names (without the layer's) and shapes, given the first input's shape.
    pub(crate) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        match self {
            Self::Conv2D(layer) => layer.weight_shapes(input),
            Self::DepthwiseConv2D(layer) => layer.weight_shapes(input),
            Self::Dense(layer) => layer.weight_shapes(input),
            Self::BatchNormalization(layer) => layer.weight_shapes(input),
            Self::LayerNormalization(layer) => layer.weight_shapes(input),
            Self::LayerScale => vec![("gamma", vec![channels(input)])],
            Self::ClassToken => vec![("token", vec![channels(input)])],
            Self::PositionEmbedding => vec![("embeddings", input.to_vec())],
            Self::MultiHeadAttention(layer) => layer.weight_shapes(input),
            _ => Vec::new(),
        }
    }

    /// The multiply-adds for one sample. Layers that do no more than pass over their values count as none, as is usual.
    pub(crate) fn multiply_adds(&self, input: &[usize], output: &[usize]) -> u64 {
        let per_value = match self {
            Self::Conv2D(layer) => layer.kernel_len() * (channels(input) / layer.groups.max(1)),
            Self::DepthwiseConv2D(layer) => layer.kernel_len(),
            Self::Dense(_) => channels(input),
            Self::MultiHeadAttention(layer) => layer.multiply_adds_per_value(input),
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
    Conv2D,
    DepthwiseConv2D,
    Dense,
    BatchNormalization,
    LayerNormalization,
    Rescaling,
    Activation,
    ZeroPadding2D,
    Reshape,
    MultiHeadAttention
);

/// The last axis of a shape.
pub(crate) fn channels(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

/// The three axes of an image shape.
pub(crate) fn image_shape(kind: &str, shape: &[usize]) -> Result<[usize; 3], Problem> {
    shape.try_into().map_err(|_| format!("{kind} takes [height, width, channels], found {shape:?}"))
}
