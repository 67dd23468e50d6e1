//! Networks: graphs of layers in Keras' vocabulary with named weights, the files weights come from, the ONNX they are
//! written as, and the runtimes that run ONNX. Nothing here knows of tables, images or named networks.
//!
//! A network goes through these stages:
//!
//! | stage | made by | is |
//! |---|---|---|
//! | [`NetworkBuilder`] | [`NetworkBuilder::new`] | layers being put together |
//! | [`Network`] | [`NetworkBuilder::build`] | a valid graph with known shapes, yet without weights |
//! | [`Network`] with weights | [`Network::with_weights`], from e.g. [`read_tensors`]; [`keras::read_model`] | complete; can be cut, pooled, folded |
//! | ONNX bytes | [`Network::to_onnx`] | what runtimes and other programs take; foreign ONNX enters here |
//! | [`Prepared`] | [`Runtime::prepare`] | ready to run, from many threads at once |
//!
//! ```
//! use emberline_net::{
//!     Activation, Conv, GlobalPooling, Layer, NetworkBuilder, OnnxOptions, Padding, Runtime, Tensor,
//!     PrepareOptions, TractRuntime,
//! };
//!
//! let mut layers = NetworkBuilder::new("tiny");
//! let image = layers.input("image", [8, 8, 3]);
//! let conv = Conv::new_2d(4, 3).padding(Padding::Same).activation(Activation::Relu);
//! let features = layers.apply("conv", conv, image);
//! let pooled = layers.apply("pool", Layer::GlobalAveragePooling(GlobalPooling::default()), features);
//! let network = layers.build(&[pooled])?;
//!
//! let weights = network.weight_shapes().into_iter();
//! let zeros = weights.map(|(name, shape)| Ok((name, Tensor::zeros(shape)?))).collect::<Result<_, emberline_net::Error>>()?;
//! let network = network.with_weights(zeros)?;
//!
//! let prepared = TractRuntime.prepare(&network.to_onnx(&OnnxOptions::default())?, &PrepareOptions::default())?;
//! let images = Tensor::zeros(vec![2, 8, 8, 3])?;
//! assert_eq!(prepared.run(&[images.view()])?[0].shape(), [2, 4]);
//! # Ok::<(), emberline_net::Error>(())
//! ```

mod digest;
mod error;
mod file;
pub mod h5;
mod home;

pub mod keras;
mod layer;
mod network;
mod onnx;
mod protobuf;
pub mod pth;
mod runtime;
mod source;
mod tensor;
mod tensorflow;

pub use self::{
    digest::Digest,
    error::{Error, Result},
    file::{NamedTensors, StoredTensor, parse_tensors, read_tensors},
    home::{HOME_VARIABLE, home_dir},
    layer::{
        Activation, AdaptivePooling, Attention, BatchNormalization, Bidirectional, CategoryEncoding, Cell,
        CenterCrop, Conv, ConvTranspose, Cropping, Dense, DepthwiseConv, Discretization, Dot, EinsumDense,
        Embedding, Encoding, GlobalPooling, GroupNormalization, IntegerLookup, Interpolation, Layer,
        LayerNormalization, MergeMode, MultiHeadAttention, Normalization, Padding, Recurrent, Rescaling,
        Reshape, Resizing, RmsNormalization, Score, Shape, Sizes, UpSampling, WindowPooling, ZeroPadding,
    },
    network::{Input, LayerSummary, Network, NetworkBuilder, Node, NodeId, Pooling},
    onnx::{ElementType, ImageLayout, JoinedModels, OnnxLimits, OnnxModel, OnnxOptions, OnnxPort},
    runtime::{
        LIBRARY_VARIABLE, NativeRuntime, OnnxRuntime, PortInfo, PrepareOptions, Prepared, RUNTIME_VARIABLE,
        Runtime, TractRuntime, default_runtime, look_for_library_in,
    },
    tensor::{Tensor, TensorView},
    tensorflow::{Signature, TensorFlowLimits, TensorFlowModel, tensorflow_operators},
};
