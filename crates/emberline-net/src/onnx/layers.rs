//! Every layer as ONNX operators: which function writes which kind, and what those functions share. A file per family.

use super::graph::{Graph, Layout, Value, int, ints};
use super::proto::AttributeProto;
use crate::{Layer, Network, Node, Result, Shape, Tensor, layer::Problem};

/// Writes one node.
pub(super) fn write<'a>(graph: &mut Graph<'a>, node: &'a Node) -> Result<()> {
    let before = graph.len();
    let inputs = node.inputs.iter().map(|input| graph.value(input)).collect();
    let shape = graph.network.shape(&node.name).to_vec();
    let value = Writer { graph, node, inputs, shape }.layer(&node.layer)?;
    graph.bind(&node.name, value, before);
    Ok(())
}

/// One node being written.
pub(super) struct Writer<'g, 'a> {
    pub(super) graph: &'g mut Graph<'a>,
    /// Whose name and weights are used.
    pub(super) node: &'a Node,
    pub(super) inputs: Vec<Value>,
    /// The output's, channels last and without the batch.
    pub(super) shape: Shape,
}

impl<'a> Writer<'_, 'a> {
    /// Writes a layer over this writer's inputs.
    pub(super) fn layer(&mut self, layer: &'a Layer) -> Result<Value> {
        match layer {
            Layer::Conv(settings) => self.conv(settings),
            Layer::ConvTranspose(settings) => self.conv_transpose(settings),
            Layer::DepthwiseConv(settings) => self.depthwise_conv(settings),
            Layer::Dense(settings) => self.dense(settings),
            Layer::EinsumDense(settings) => self.einsum_dense(settings),
            Layer::Embedding(_) => self.embedding(),
            Layer::BatchNormalization(settings) => self.batch_normalization(settings),
            Layer::LayerNormalization(settings) => self.layer_normalization(settings),
            Layer::RmsNormalization(settings) => self.rms_normalization(settings),
            Layer::GroupNormalization(settings) => self.group_normalization(settings),
            Layer::UnitNormalization { axes } => self.unit_normalization(axes),
            Layer::Normalization(settings) => self.normalization(settings),
            Layer::LayerScale => self.layer_scale(),
            Layer::Rescaling(settings) => self.rescaling(settings),
            Layer::Activation(activation) => {
                let input = self.inputs[0].clone();
                Ok(self.activate(input, *activation))
            }
            Layer::Softmax { axes } => self.softmax(axes),
            Layer::PRelu { .. } => self.prelu(),
            Layer::Glu => Ok(self.glu()),
            Layer::ZeroPadding(settings) => Ok(self.zero_padding(settings)),
            Layer::Cropping(settings) => Ok(self.cropping(&settings.crops)),
            Layer::UpSampling(settings) => self.up_sampling(settings),
            Layer::Resizing(settings) => self.resizing(settings),
            Layer::CenterCrop(settings) => self.center_crop(settings),
            Layer::MaxPooling(settings) => Ok(self.pooling("MaxPool", settings)),
            Layer::AveragePooling(settings) => Ok(self.pooling("AveragePool", settings)),
            Layer::GlobalAveragePooling(settings) => Ok(self.global_pooling("Average", settings.keepdims)),
            Layer::GlobalMaxPooling(settings) => Ok(self.global_pooling("Max", settings.keepdims)),
            Layer::AdaptiveAveragePooling(settings) => self.adaptive_pooling("AveragePool", settings),
            Layer::AdaptiveMaxPooling(settings) => self.adaptive_pooling("MaxPool", settings),
            Layer::Flatten | Layer::Reshape(_) => Ok(self.reshape()),
            Layer::Permute { axes } => Ok(self.permute(axes)),
            Layer::RepeatVector { count } => Ok(self.repeat_vector(*count)),
            Layer::Identity | Layer::Dropout { .. } => Ok(self.inputs[0].clone()),
            Layer::Add => Ok(self.fold("Add")),
            Layer::Subtract => Ok(self.fold("Sub")),
            Layer::Multiply => Ok(self.fold("Mul")),
            Layer::Average => Ok(self.average()),
            Layer::Maximum => Ok(self.fold("Max")),
            Layer::Minimum => Ok(self.fold("Min")),
            Layer::Concatenate { axis } => self.concatenate(*axis),
            Layer::Dot(settings) => self.dot(settings),
            Layer::ClassToken => self.class_token(),
            Layer::PositionEmbedding => self.position_embedding(),
            Layer::MultiHeadAttention(settings) => self.multi_head_attention(settings),
            Layer::Attention(settings) => self.attention(settings),
            Layer::TakeToken { index } => Ok(self.take_token(*index)),
            Layer::Recurrent(settings) => self.recurrent(settings),
            Layer::Bidirectional(settings) => self.bidirectional(settings),
            Layer::TimeDistributed(layer) => self.time_distributed(layer),
            Layer::Discretization(settings) => self.discretization(settings),
            Layer::CategoryEncoding(settings) => self.category_encoding(settings),
            Layer::IntegerLookup(settings) => self.integer_lookup(settings),
        }
    }

    /// Every step of a sequence as a sample of its own.
    fn time_distributed(&mut self, layer: &'a Layer) -> Result<Value> {
        let sequence = self.last(0);
        let Some((_, step)) = self.inputs[0].shape.split_first() else {
            return Err(self.problem("takes a sequence".to_owned()));
        };
        let step = step.to_vec();
        let steps = self.reshaped(sequence, &step);
        let (outer, shape) = (self.shape.clone(), self.shape[1..].to_vec());
        let inputs = vec![Value { name: steps, layout: Layout::Last, shape: step }];
        let mut inner = Writer { graph: &mut *self.graph, node: self.node, inputs, shape };
        let value = inner.layer(layer)?;
        let value = self.graph.laid_out(&value, Layout::Last);
        let sequence = self.reshaped(value, &outer);
        Ok(self.value(sequence, Layout::Last))
    }

    /// An input's name, channels first.
    pub(super) fn first(&mut self, input: usize) -> String {
        let value = self.inputs[input].clone();
        self.graph.laid_out(&value, Layout::First)
    }

    /// An input's name, channels last.
    pub(super) fn last(&mut self, input: usize) -> String {
        let value = self.inputs[input].clone();
        self.graph.laid_out(&value, Layout::Last)
    }

    /// What this node gives, in this layout.
    pub(super) fn value(&self, name: String, layout: Layout) -> Value {
        Value { name, layout, shape: self.shape.clone() }
    }

    /// Adds an operator with one output and gives back its name.
    pub(super) fn op(&mut self, op_type: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let output = self.named(&op_type.to_lowercase());
        let inputs = inputs.iter().map(|&input| input.to_owned()).collect();
        self.graph.op(op_type, inputs, output, attributes)
    }

    /// An operator without settings.
    pub(super) fn plain(&mut self, op_type: &str, inputs: &[&str]) -> String {
        self.op(op_type, inputs, Vec::new())
    }

    /// `ReduceMean` and the like over some of the axes, which stay with size 1 or vanish.
    pub(super) fn reduce(&mut self, op_type: &str, input: &str, axes: &[i64], keepdims: bool) -> String {
        let keep = int("keepdims", i64::from(keepdims));
        // The first of these operators that took its axes as an input.
        if op_type == "ReduceSum" {
            let axes = self.integers("axes", axes);
            return self.op(op_type, &[input, &axes], vec![keep]);
        }
        self.op(op_type, &[input], vec![ints("axes", axes), keep])
    }

    /// The values under another shape of a sample.
    pub(super) fn reshaped(&mut self, input: String, shape: &[usize]) -> String {
        let sizes: Vec<i64> = [-1].into_iter().chain(signed(shape)).collect();
        let sizes = self.integers("shape", &sizes);
        self.plain("Reshape", &[&input, &sizes])
    }

    /// The part of the values that lies in a range along an axis, the batch being axis 0.
    pub(super) fn sliced(&mut self, input: &str, axis: i64, from: usize, to: usize) -> String {
        let (from, to) = (self.integers("from", &[from as i64]), self.integers("to", &[to as i64]));
        let axes = self.integers("axes", &[axis]);
        self.plain("Slice", &[input, &from, &to, &axes])
    }

    pub(super) fn unsqueezed(&mut self, input: &str, axis: i64) -> String {
        let axes = self.integers("axes", &[axis]);
        self.plain("Unsqueeze", &[input, &axes])
    }

    /// Numbers of this layer. Where layers share their weights, equal numbers are written once.
    pub(super) fn constant(&mut self, name: &str, tensor: &Tensor) -> String {
        let shared = format!("{}/{name}", self.node.weights_name());
        match self.graph.constant_is(&shared, tensor) {
            Some(true) => shared,
            Some(false) => {
                let name = self.named(name);
                self.graph.constant(name, tensor)
            }
            None => {
                let name = self.graph.unique(shared);
                self.graph.constant(name, tensor)
            }
        }
    }

    pub(super) fn scalar(&mut self, name: &str, value: f32) -> String {
        let name = self.named(name);
        self.graph.scalar(name, value)
    }

    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let name = self.named(name);
        self.graph.integers(name, values)
    }

    /// A stored tensor with an axis for each of a value's in channels-last order, some of size 1, in this layout. Axes of
    /// size 1 in front are left out.
    pub(super) fn spread(&mut self, name: &str, tensor: &Tensor, layout: Layout) -> Result<String> {
        let rank = tensor.shape().len();
        let tensor = match layout {
            Layout::First if rank > 1 => {
                tensor.permuted(&[rank - 1].into_iter().chain(0..rank - 1).collect::<Vec<_>>())?
            }
            _ => tensor.clone(),
        };
        let ones = tensor.shape().iter().take(rank.saturating_sub(1)).take_while(|&&size| size == 1).count();
        let shape = tensor.shape()[ones..].to_vec();
        let tensor = tensor.reshaped(shape)?;
        Ok(self.constant(name, &tensor))
    }

    /// The same of a tensor that has but these of the axes of the first input.
    pub(super) fn spread_along(
        &mut self,
        name: &str,
        tensor: &Tensor,
        axes: &[usize],
        layout: Layout,
    ) -> Result<String> {
        let input = &self.inputs[0].shape;
        let size = |axis: usize| if axes.contains(&axis) { input[axis] } else { 1 };
        let shape: Shape = (0..input.len()).map(size).collect();
        // One number stands for all places.
        let shape = if tensor.data().len() == 1 { vec![1; shape.len()] } else { shape };
        self.spread(name, &tensor.clone().reshaped(shape)?, layout)
    }

    /// A number for every channel of the first input, or one for all.
    pub(super) fn per_channel(&mut self, name: &str, tensor: &Tensor, layout: Layout) -> Result<String> {
        let last = self.inputs[0].shape.len().saturating_sub(1);
        self.spread_along(name, tensor, &[last], layout)
    }

    /// Where a channels-last axis of the first input is in ONNX.
    pub(super) fn axis(&self, axis: usize, layout: Layout) -> i64 {
        axis_in(axis, self.inputs[0].shape.len(), layout)
    }

    pub(super) fn axes(&self, axes: &[usize], layout: Layout) -> Vec<i64> {
        axes.iter().map(|&axis| self.axis(axis, layout)).collect()
    }

    pub(super) fn weight(&self, name: &str) -> Result<&'a Tensor> {
        let network: &'a Network = self.graph.network;
        network.weight(self.node, name)
    }

    /// A name of something that belongs to this node.
    pub(super) fn named(&mut self, name: &str) -> String {
        self.graph.unique(format!("{}/{name}", self.node.name))
    }

    /// What the shapes should have told before.
    pub(super) fn problem(&self, problem: Problem) -> crate::Error {
        self.graph.network.error(format!("layer `{}`: {problem}", self.node.name))
    }
}

/// Where a channels-last axis of this many is in ONNX, which counts the batch.
pub(super) fn axis_in(axis: usize, rank: usize, layout: Layout) -> i64 {
    match layout {
        Layout::First if axis + 1 == rank => 1,
        Layout::First => axis as i64 + 2,
        Layout::Last => axis as i64 + 1,
    }
}

/// A shape of a value in this layout, without the batch.
pub(super) fn laid_out(shape: &[usize], layout: Layout) -> Shape {
    match (layout, shape.split_last()) {
        (Layout::First, Some((channels, axes))) => [&[*channels], axes].concat(),
        _ => shape.to_vec(),
    }
}

pub(super) fn signed(sizes: &[usize]) -> Vec<i64> {
    sizes.iter().map(|&size| size as i64).collect()
}
