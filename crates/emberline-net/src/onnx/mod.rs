//! ONNX, written and read. A network is written in operator set 17, the batch size symbolic (`N`); foreign models
//! ([`OnnxModel`]) are read from operator set 7 on and stay what they are.
//!
//! Between its inputs and outputs the written graph holds a value in the layout of the operator that made it: windows and
//! what follows them as `[N, channels, height, width]`, sequences as `[N, tokens, features]`. A value is transposed where an
//! operator needs the other layout, once at most. Outputs are channels-last as in Keras. Convolutions are followed at once by their activation, a
//! pattern runtimes fuse.

mod activation;
mod attention;
mod category;
mod conv;
mod dense;
mod graph;
mod joined;
mod layers;
mod merge;
mod model;
mod norm;
pub(crate) mod proto;
mod recurrent;
mod reshape;

use prost::Message;

use self::graph::Graph;
pub(crate) use self::{
    graph::{float, int, ints},
    model::declared,
};
pub use self::{
    joined::JoinedModels,
    model::{ElementType, OnnxLimits, OnnxModel, OnnxPort},
};
use crate::{Network, Result};

/// How images enter the ONNX graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageLayout {
    /// `[N, height, width, channels]`, Keras' layout. The graph begins with a transposition.
    #[default]
    ChannelsLast,
    /// `[N, channels, height, width]`: no transposition, for pipelines that write channels one after the other.
    ChannelsFirst,
}

/// Choices in writing ONNX.
#[derive(Clone, Debug, Default)]
pub struct OnnxOptions {
    /// How images enter. Outputs of shape `[height, width, channels]` are channels-last in any case.
    pub input_layout: ImageLayout,
}

/// The versions of the format and of the operator set that are written.
pub(crate) fn versions() -> (i64, i64) {
    (graph::IR_VERSION, graph::OPSET_VERSION)
}

impl Network {
    /// The network as an ONNX model. Inputs and outputs keep their names. Fails when the network has no weights.
    pub fn to_onnx(&self, options: &OnnxOptions) -> Result<Vec<u8>> {
        let mut graph = Graph::new(self);
        for input in self.inputs() {
            graph.input(input, options.input_layout);
        }
        for node in self.nodes() {
            layers::write(&mut graph, node)?;
        }
        for output in self.outputs() {
            graph.output(output);
        }
        Ok(graph.into_model().encode_to_vec())
    }
}
