//! Every layer as ONNX operators.

use super::{
    graph::{Graph, float, int, ints, is_spatial, to_channels_first, to_channels_last},
    proto::AttributeProto,
};
use crate::{
    Activation, BatchNormalization, Conv2D, Dense, DepthwiseConv2D, Layer, LayerNormalization, Network, Node,
    Pooling2D, Rescaling, Result, Tensor, ZeroPadding2D, layer::window::Window,
};

/// Writes one node.
pub(super) fn write<'a>(graph: &mut Graph<'a>, node: &'a Node) -> Result<()> {
    let output = graph.value_name(&node.name);
    let inputs: Vec<String> = node.inputs.iter().map(|input| graph.value(input)).collect();
    let shape = graph.network.first_input_shape(node);
    let layer = Writer { graph, node, shape, inputs, output };
    let value = match &node.layer {
        Layer::Conv2D(settings) => layer.conv(settings)?,
        Layer::DepthwiseConv2D(settings) => layer.depthwise_conv(settings)?,
        Layer::Dense(settings) => layer.dense(settings)?,
        Layer::BatchNormalization(settings) => layer.batch_normalization(settings)?,
        Layer::LayerNormalization(settings) => layer.layer_normalization(settings)?,
        Layer::LayerScale => layer.layer_scale()?,
        Layer::Rescaling(settings) => layer.rescaling(settings)?,
        Layer::Activation(activation) => layer.activation(*activation),
        Layer::ZeroPadding2D(settings) => layer.zero_padding(settings),
        Layer::MaxPooling2D(settings) => layer.pooling("MaxPool", settings),
        Layer::AveragePooling2D(settings) => layer.pooling("AveragePool", settings),
        Layer::GlobalAveragePooling2D(settings) => {
            layer.global_pooling("GlobalAveragePool", settings.keepdims)
        }
        Layer::GlobalMaxPooling2D(settings) => layer.global_pooling("GlobalMaxPool", settings.keepdims),
        Layer::Flatten | Layer::Reshape(_) => layer.reshape(),
        Layer::Permute { axes } => layer.permute(axes),
        Layer::Dropout { .. } => layer.inputs.concat(),
        Layer::Add => layer.fold("Add"),
        Layer::Multiply => layer.fold("Mul"),
        Layer::Concatenate => layer.concatenate(),
        Layer::ClassToken => layer.class_token()?,
        Layer::PositionEmbedding => layer.position_embedding()?,
        Layer::MultiHeadAttention(settings) => layer.attention(settings)?,
        Layer::TakeToken { index } => layer.take_token(*index),
    };
    graph.bind(&node.name, value);
    Ok(())
}

/// One node being written.
pub(super) struct Writer<'g, 'a> {
    pub(super) graph: &'g mut Graph<'a>,
    pub(super) node: &'a Node,
    /// The first input's, channels last.
    pub(super) shape: &'a [usize],
    /// ONNX values.
    pub(super) inputs: Vec<String>,
    /// The ONNX value to write.
    pub(super) output: String,
}

impl<'a> Writer<'_, 'a> {
    fn conv(self, layer: &Conv2D) -> Result<String> {
        let kernel = self.weight("kernel")?.permuted(&[3, 2, 0, 1])?;
        let attributes = convolution(&layer.window(), layer.groups, self.shape);
        self.convolution(kernel, layer.use_bias, attributes, layer.activation)
    }

    fn depthwise_conv(self, layer: &DepthwiseConv2D) -> Result<String> {
        let kernel = self.weight("kernel")?;
        let &[height, width, channels, multiplier] = kernel.shape() else {
            return Err(self.graph.network.error("a depthwise kernel has four axes"));
        };
        let kernel =
            kernel.permuted(&[2, 3, 0, 1])?.reshaped(vec![channels * multiplier, 1, height, width])?;
        let attributes = convolution(&layer.window(), channels, self.shape);
        self.convolution(kernel, layer.use_bias, attributes, layer.activation)
    }

    /// On images and volumes a dense layer is a convolution with a window of one.
    fn dense(self, layer: &Dense) -> Result<String> {
        let kernel = self.weight("kernel")?;
        if is_spatial(self.shape) {
            let &[inputs, units] = kernel.shape() else {
                return Err(self.graph.network.error("a dense kernel has two axes"));
            };
            let mut shape = vec![units, inputs];
            shape.resize(self.shape.len() + 1, 1);
            let kernel = kernel.permuted(&[1, 0])?.reshaped(shape)?;
            return self.convolution(kernel, layer.use_bias, Vec::new(), layer.activation);
        }
        if self.shape.len() == 2 {
            return self.dense_of_sequence(kernel, layer);
        }
        self.weighted("Gemm", kernel, layer.use_bias, Vec::new(), layer.activation)
    }

    fn convolution(
        self,
        kernel: Tensor,
        use_bias: bool,
        attributes: Vec<AttributeProto>,
        activation: Activation,
    ) -> Result<String> {
        self.weighted("Conv", &kernel, use_bias, attributes, activation)
    }

    /// An operator with a kernel and perhaps a bias, and what follows it.
    fn weighted(
        mut self,
        op_type: &str,
        kernel: &Tensor,
        use_bias: bool,
        attributes: Vec<AttributeProto>,
        activation: Activation,
    ) -> Result<String> {
        let kernel = self.constant("kernel", kernel);
        self.inputs.push(kernel);
        if use_bias {
            let bias = self.constant("bias", self.weight("bias")?);
            self.inputs.push(bias);
        }
        let inputs = std::mem::take(&mut self.inputs);
        if activation == Activation::Linear {
            return Ok(self.op(op_type, inputs, attributes));
        }
        let linear = self.graph.op(op_type, inputs, self.named("linear"), attributes);
        self.inputs = vec![linear];
        // The activation sees the layer's output, whose rank is that of its input.
        Ok(self.activation(activation))
    }

    fn batch_normalization(mut self, layer: &BatchNormalization) -> Result<String> {
        let mean = self.weight("moving_mean")?;
        let variance = self.weight("moving_variance")?;
        let filled = |value: f32| Tensor::new(mean.shape().to_vec(), vec![value; mean.data().len()]);
        let gamma = if layer.scale { self.weight("gamma")?.clone() } else { filled(1.0)? };
        let beta = if layer.center { self.weight("beta")?.clone() } else { filled(0.0)? };
        let mut inputs = self.inputs.clone();
        for (name, tensor) in
            [("gamma", &gamma), ("beta", &beta), ("moving_mean", mean), ("moving_variance", variance)]
        {
            inputs.push(self.constant(name, tensor));
        }
        #[expect(clippy::cast_possible_truncation, reason = "ONNX keeps the epsilon in 32 bits")]
        let epsilon = layer.epsilon as f32;
        Ok(self.op("BatchNormalization", inputs, vec![float("epsilon", epsilon)]))
    }

    /// ONNX normalises the last axes, where an image's channels first have to be.
    fn layer_normalization(mut self, layer: &LayerNormalization) -> Result<String> {
        let is_spatial = is_spatial(self.shape);
        let mut value = self.inputs.concat();
        if is_spatial {
            let axes = to_channels_last(self.shape.len());
            value = self.graph.transpose(value, self.named("channels_last"), &axes);
        }
        let gamma = self.constant("gamma", self.weight("gamma")?);
        let beta = self.constant("beta", self.weight("beta")?);
        #[expect(clippy::cast_possible_truncation, reason = "ONNX keeps the epsilon in 32 bits")]
        let attributes = vec![int("axis", -1), float("epsilon", layer.epsilon as f32)];
        let inputs = vec![value, gamma, beta];
        if !is_spatial {
            return Ok(self.op("LayerNormalization", inputs, attributes));
        }
        let normalised = self.graph.op("LayerNormalization", inputs, self.named("normalised"), attributes);
        Ok(self.graph.transpose(normalised, self.output, &to_channels_first(self.shape.len())))
    }

    fn layer_scale(mut self) -> Result<String> {
        let gamma = self.weight("gamma")?;
        let gamma = self.constant("gamma", &gamma.clone().reshaped(self.per_channel(gamma.shape()[0]))?);
        let input = self.inputs.concat();
        Ok(self.op("Mul", vec![input, gamma], Vec::new()))
    }

    /// The shape of one number per channel: in an image it stands before the height and width.
    fn per_channel(&self, channels: usize) -> Vec<usize> {
        let trailing = if is_spatial(self.shape) { self.shape.len() - 1 } else { 0 };
        [channels].into_iter().chain(std::iter::repeat_n(1, trailing)).collect()
    }

    fn rescaling(mut self, layer: &Rescaling) -> Result<String> {
        for (name, op_type, values) in [("scale", "Mul", &layer.scale), ("offset", "Add", &layer.offset)] {
            let shape = self.per_channel(values.len());
            let constant = self.constant(name, &Tensor::new(shape, values.clone())?);
            let input = self.inputs.concat();
            let output = if name == "offset" { self.output.clone() } else { self.named("scaled") };
            self.inputs = vec![self.graph.op(op_type, vec![input, constant], output, Vec::new())];
        }
        Ok(self.inputs.concat())
    }

    pub(super) fn activation(mut self, activation: Activation) -> String {
        let input = self.inputs.concat();
        match activation {
            Activation::Linear => input,
            Activation::Relu => self.unary("Relu"),
            Activation::Relu6 => {
                let (low, high) = (self.scalar("low", 0.0), self.scalar("high", 6.0));
                self.op("Clip", vec![input, low, high], Vec::new())
            }
            Activation::LeakyRelu { slope } => self.op("LeakyRelu", vec![input], vec![float("alpha", slope)]),
            Activation::Elu { alpha } => self.op("Elu", vec![input], vec![float("alpha", alpha)]),
            Activation::Sigmoid => self.unary("Sigmoid"),
            Activation::Tanh => self.unary("Tanh"),
            Activation::Softmax => {
                let axis = int("axis", self.channel_axis());
                self.op("Softmax", vec![input], vec![axis])
            }
            Activation::Softplus => self.unary("Softplus"),
            Activation::Swish => {
                let gate = self.graph.op("Sigmoid", vec![input.clone()], self.named("gate"), Vec::new());
                self.op("Mul", vec![input, gate], Vec::new())
            }
            Activation::HardSigmoid => self.op("HardSigmoid", vec![input], hard_sigmoid()),
            Activation::HardSwish => self.unary("HardSwish"),
            Activation::Gelu => self.gelu(input),
        }
    }

    /// `0.5 * x * (1 + erf(x / sqrt(2)))`, in the order of operators that runtimes fuse.
    fn gelu(mut self, input: String) -> String {
        let root = self.scalar("root_2", std::f32::consts::SQRT_2);
        let (one, half) = (self.scalar("one", 1.0), self.scalar("half", 0.5));
        let mut step = |op_type: &str, inputs: Vec<String>, name: &str| {
            self.graph.op(op_type, inputs, format!("{}/{name}", self.node.name), Vec::new())
        };
        let divided = step("Div", vec![input.clone(), root], "divided");
        let erf = step("Erf", vec![divided], "erf");
        let shifted = step("Add", vec![erf, one], "shifted");
        let product = step("Mul", vec![input, shifted], "product");
        self.op("Mul", vec![product, half], Vec::new())
    }

    fn zero_padding(mut self, layer: &ZeroPadding2D) -> String {
        let ZeroPadding2D { top, bottom, left, right } = *layer;
        let pads = signed(&[0, 0, top, left, 0, 0, bottom, right]);
        let pads = self.graph.integers(self.named("pads"), &pads);
        self.inputs.push(pads);
        let inputs = std::mem::take(&mut self.inputs);
        let is_pooled = |node: &Node| {
            let pools = matches!(node.layer, Layer::MaxPooling2D(_) | Layer::AveragePooling2D(_));
            pools && node.inputs.contains(&self.node.name)
        };
        if !self.graph.network.nodes().iter().any(is_pooled) {
            return self.op("Pad", inputs, Vec::new());
        }
        // ONNX Runtime (1.31) makes the border the padding of a pooling right after it, where it would not count. A clip
        // that changes nothing keeps them apart.
        let padded = self.graph.op("Pad", inputs, self.named("padded"), Vec::new());
        let lowest = self.scalar("lowest", f32::MIN);
        self.op("Clip", vec![padded, lowest], Vec::new())
    }

    fn pooling(self, op_type: &str, layer: &Pooling2D) -> String {
        let attributes = sliding(&layer.sliding(), self.shape);
        let inputs = self.inputs.clone();
        self.op(op_type, inputs, attributes)
    }

    fn global_pooling(self, op_type: &str, keepdims: bool) -> String {
        if keepdims {
            return self.unary(op_type);
        }
        let inputs = self.inputs.clone();
        let pooled = self.graph.op(op_type, inputs, self.named("pooled"), Vec::new());
        self.op("Flatten", vec![pooled], vec![int("axis", 1)])
    }

    /// `Flatten` and `Reshape`: channels-last values under another shape.
    fn reshape(self) -> String {
        let node = self.node;
        let shape = self.graph.network.shape(&node.name);
        let mut value = self.inputs.concat();
        if is_spread(self.shape) {
            let axes = to_channels_last(self.shape.len());
            value = self.graph.transpose(value, self.named("channels_last"), &axes);
        }
        // Of one pixel, both layouts have the same values in the same order.
        let (target, transposed) = match shape.split_last() {
            Some((&channels, axes)) if is_spatial(shape) && !is_spread(shape) => {
                ([&[channels], axes].concat(), false)
            }
            _ => (shape.to_vec(), is_spatial(shape)),
        };
        let sizes: Vec<i64> = [-1].into_iter().chain(signed(&target)).collect();
        let sizes = self.graph.integers(self.named("shape"), &sizes);
        if !transposed {
            return self.op("Reshape", vec![value, sizes], Vec::new());
        }
        let reshaped = self.graph.op("Reshape", vec![value, sizes], self.named("reshaped"), Vec::new());
        self.graph.transpose(reshaped, self.output, &to_channels_first(shape.len()))
    }

    /// The order of the axes as they are held, before and after.
    fn permute(self, axes: &[usize]) -> String {
        let rank = self.shape.len();
        let held = |rank: usize| match is_spatial(self.shape) {
            true => to_channels_first(rank),
            false => (0..=rank as i64).collect(),
        };
        let (order, input) = (held(rank), self.inputs.concat());
        let place = |axis: i64| match axis {
            0 => 0,
            axis => {
                let axis = axes.get(axis as usize - 1).map_or(0, |axis| *axis as i64 + 1);
                order.iter().position(|held| *held == axis).unwrap_or(0) as i64
            }
        };
        let permutation: Vec<i64> = order.iter().map(|axis| place(*axis)).collect();
        self.graph.transpose(input, self.output, &permutation)
    }

    /// A sum or product of any number of inputs, two at a time.
    fn fold(mut self, op_type: &str) -> String {
        let mut inputs = std::mem::take(&mut self.inputs).into_iter();
        let mut value = inputs.next().unwrap_or_default();
        let count = inputs.len();
        for (i, input) in inputs.enumerate() {
            let output =
                if i + 1 == count { self.output.clone() } else { self.named(&format!("partial_{i}")) };
            value = self.graph.op(op_type, vec![value, input], output, Vec::new());
        }
        value
    }

    fn concatenate(mut self) -> String {
        let inputs = std::mem::take(&mut self.inputs);
        let axis = int("axis", self.channel_axis());
        self.op("Concat", inputs, vec![axis])
    }

    /// The channels are axis 1 of vectors and, channels first, of images; axis 2 of sequences.
    fn channel_axis(&self) -> i64 {
        if self.shape.len() == 2 { 2 } else { 1 }
    }

    fn unary(self, op_type: &str) -> String {
        let inputs = self.inputs.clone();
        self.op(op_type, inputs, Vec::new())
    }

    /// Adds the operator that makes this node's output.
    pub(super) fn op(self, op_type: &str, inputs: Vec<String>, attributes: Vec<AttributeProto>) -> String {
        self.graph.op(op_type, inputs, self.output, attributes)
    }

    /// Numbers of this layer. Where layers share their weights, equal numbers are written once.
    pub(super) fn constant(&mut self, name: &str, tensor: &Tensor) -> String {
        let shared = format!("{}/{name}", self.node.weights_name());
        match self.graph.constant_is(&shared, tensor) {
            Some(true) => shared,
            Some(false) => self.graph.constant(self.named(name), tensor),
            None => self.graph.constant(shared, tensor),
        }
    }

    pub(super) fn scalar(&mut self, name: &str, value: f32) -> String {
        let name = self.named(name);
        self.graph.scalar(name, value)
    }

    pub(super) fn weight(&self, name: &str) -> Result<&'a Tensor> {
        let network: &'a Network = self.graph.network;
        network.weight(self.node, name)
    }

    /// The name of something that belongs to this node.
    pub(super) fn named(&self, name: &str) -> String {
        format!("{}/{name}", self.node.name)
    }
}

/// Whether the order of an image's or volume's values depends on its layout.
fn is_spread(shape: &[usize]) -> bool {
    let is_one = |axes: &[usize]| axes.iter().all(|size| *size == 1);
    matches!(shape.split_last(), Some((channels, axes)) if is_spatial(shape) && *channels > 1 && !is_one(axes))
}

fn convolution(window: &Window, groups: usize, input: &[usize]) -> Vec<AttributeProto> {
    let mut attributes = sliding(window, input);
    attributes.push(ints("dilations", &signed(&[window.dilation.height, window.dilation.width])));
    attributes.push(int("group", groups as i64));
    attributes
}

fn sliding(window: &Window, input: &[usize]) -> Vec<AttributeProto> {
    let pads = match *input {
        [height, width, _] => window.pads(height, width),
        _ => [0; 4],
    };
    vec![
        ints("kernel_shape", &signed(&[window.size.height, window.size.width])),
        ints("strides", &signed(&[window.strides.height, window.strides.width])),
        ints("pads", &signed(&pads)),
    ]
}

/// `HardSigmoid` is `clip(alpha * x + beta, 0, 1)`.
fn hard_sigmoid() -> Vec<AttributeProto> {
    vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)]
}

pub(super) fn signed(sizes: &[usize]) -> Vec<i64> {
    sizes.iter().map(|&size| size as i64).collect()
}
