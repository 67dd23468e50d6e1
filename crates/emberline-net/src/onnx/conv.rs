//! Convolutions and poolings as ONNX operators. Their values have the channels first.

use super::{
    graph::{Layout, Value, int, ints},
    layers::{Writer, axis_in, signed},
    proto::AttributeProto,
};
use crate::{
    Activation, AdaptivePooling, Conv, ConvTranspose, DepthwiseConv, Result, Tensor, WindowPooling,
    layer::window::Window,
};

impl Writer<'_, '_> {
    pub(super) fn conv(&mut self, layer: &Conv) -> Result<Value> {
        let kernel = outputs_first(self.weight("kernel")?)?;
        let attributes = self.convolution(&layer.window(), layer.groups);
        self.weighted("Conv", &kernel, layer.use_bias, attributes, layer.activation)
    }

    pub(super) fn depthwise_conv(&mut self, layer: &DepthwiseConv) -> Result<Value> {
        let kernel = self.weight("kernel")?;
        let (kernel, channels) = depthwise(kernel)?;
        let attributes = self.convolution(&layer.window(), channels);
        self.weighted("Conv", &kernel, layer.use_bias, attributes, layer.activation)
    }

    /// Keras' kernel `[..., out, in]` is ONNX's `[in, out, ...]`.
    pub(super) fn conv_transpose(&mut self, layer: &ConvTranspose) -> Result<Value> {
        let kernel = outputs_first(self.weight("kernel")?)?;
        let axes = layer.kernel.len();
        let crops: Vec<(i64, i64)> = self.inputs[0]
            .shape
            .iter()
            .take(axes)
            .enumerate()
            .map(|(axis, &size)| layer.crops(axis, size))
            .collect();
        let before = crops.iter().map(|crop| crop.0);
        let pads: Vec<i64> = before.chain(crops.iter().map(|crop| crop.1.max(0))).collect();
        let added: Vec<i64> = crops.iter().map(|crop| (-crop.1).max(0)).collect();
        let mut attributes = vec![
            ints("kernel_shape", &signed(&layer.kernel)),
            ints("strides", &signed(&layer.strides)),
            ints("dilations", &signed(&layer.dilation)),
            ints("pads", &pads),
        ];
        if added.iter().any(|&added| added > 0) {
            attributes.push(ints("output_padding", &added));
        }
        self.weighted("ConvTranspose", &kernel, layer.use_bias, attributes, layer.activation)
    }

    /// An operator over the channels-first input with a kernel and perhaps a bias, and what follows it.
    pub(super) fn weighted(
        &mut self,
        op_type: &str,
        kernel: &Tensor,
        use_bias: bool,
        attributes: Vec<AttributeProto>,
        activation: Activation,
    ) -> Result<Value> {
        let input = self.first(0);
        let kernel = self.constant("kernel", kernel);
        let mut inputs = vec![input, kernel];
        if use_bias {
            let bias = self.weight("bias")?;
            inputs.push(self.constant("bias", bias));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let name = self.op(op_type, &inputs, attributes);
        let linear = self.value(name, Layout::First);
        Ok(self.activate(linear, activation))
    }

    fn convolution(&self, window: &Window<'_>, groups: usize) -> Vec<AttributeProto> {
        let mut attributes = self.sliding(window);
        attributes.push(ints("dilations", &signed(window.dilation)));
        attributes.push(int("group", groups as i64));
        attributes
    }

    fn sliding(&self, window: &Window<'_>) -> Vec<AttributeProto> {
        let input = &self.inputs[0].shape;
        // ONNX's order: before every axis, then after every axis.
        let (before, after): (Vec<usize>, Vec<usize>) = window.pads(input).into_iter().unzip();
        let pads = [before, after].concat();
        vec![
            ints("kernel_shape", &signed(window.size)),
            ints("strides", &signed(window.strides)),
            ints("pads", &signed(&pads)),
        ]
    }

    pub(super) fn pooling(&mut self, op_type: &str, layer: &WindowPooling) -> Value {
        let attributes = self.sliding(&layer.sliding());
        let input = self.first(0);
        let name = self.op(op_type, &[&input], attributes);
        self.value(name, Layout::First)
    }

    /// `kind` is `Average` or `Max`.
    pub(super) fn global_pooling(&mut self, kind: &str, keepdims: bool) -> Value {
        let input = self.inputs[0].clone();
        if input.layout == Layout::Last && input.shape.len() != 3 {
            let reduction = if kind == "Max" { "ReduceMax" } else { "ReduceMean" };
            let axes: Vec<i64> = (1..input.shape.len() as i64).collect();
            let name = self.reduce(reduction, &input.name, &axes, keepdims);
            return self.value(name, Layout::Last);
        }
        let input = self.first(0);
        let pooled = self.plain(&format!("Global{kind}Pool"), &[&input]);
        if keepdims {
            return self.value(pooled, Layout::First);
        }
        let name = self.op("Flatten", &[&pooled], vec![int("axis", 1)]);
        self.value(name, Layout::Last)
    }

    /// Equal windows are a pooling. Others are gathered, filled up to one length, along one axis after the other.
    pub(super) fn adaptive_pooling(&mut self, op_type: &str, layer: &AdaptivePooling) -> Result<Value> {
        let input = self.inputs[0].clone();
        let rank = input.shape.len();
        let sizes = input.shape.iter().zip(&layer.output_size);
        if sizes.clone().all(|(size, count)| size.is_multiple_of(*count)) {
            let window = sizes.map(|(size, count)| size / count).collect();
            return Ok(self.pooling(op_type, &WindowPooling::new(window)));
        }
        let mut value = input.name.clone();
        for (place, (&size, &count)) in input.shape.iter().zip(&layer.output_size).enumerate() {
            let windows: Vec<_> = AdaptivePooling::windows(size, count).collect();
            let longest = windows.iter().map(ExactSizeIterator::len).max().unwrap_or(1);
            let (mut places, mut shares) = (Vec::new(), Vec::new());
            for window in windows {
                #[expect(clippy::cast_precision_loss, reason = "windows are short")]
                let share = 1.0 / window.len() as f32;
                for i in 0..longest {
                    places.push((window.start + i.min(window.len() - 1)) as i64);
                    shares.push(if i < window.len() { share } else { 0.0 });
                }
            }
            let axis = axis_in(place, rank, input.layout);
            let indices = self.named("indices");
            let indices = self.graph.integer_rows(indices, longest, &places);
            let gathered = self.op("Gather", &[&value, &indices], vec![int("axis", axis)]);
            if op_type == "MaxPool" {
                value = self.reduce("ReduceMax", &gathered, &[axis + 1], false);
                continue;
            }
            // One axis more than before, and those behind it broadcast.
            let behind = rank - axis as usize;
            let shape = [vec![count, longest], vec![1; behind]].concat();
            let shares = self.constant("shares", &Tensor::new(shape, shares)?);
            let weighed = self.plain("Mul", &[&gathered, &shares]);
            value = self.reduce("ReduceSum", &weighed, &[axis + 1], false);
        }
        Ok(self.value(value, input.layout))
    }
}

/// A kernel with its last two axes in front, the last one first.
fn outputs_first(kernel: &Tensor) -> Result<Tensor> {
    let rank = kernel.shape().len();
    let axes: Vec<usize> = (0..rank).rev().take(2).chain(0..rank.saturating_sub(2)).collect();
    kernel.permuted(&axes)
}

/// The kernel of a convolution in as many groups as there are channels, and how many those are.
fn depthwise(kernel: &Tensor) -> Result<(Tensor, usize)> {
    let rank = kernel.shape().len();
    let [window @ .., channels, multiplier] = kernel.shape() else { return Ok((kernel.clone(), 1)) };
    let shape = [&[channels * multiplier, 1], window].concat();
    let axes: Vec<usize> = (rank - 2..rank).chain(0..rank - 2).collect();
    Ok((kernel.permuted(&axes)?.reshaped(shape)?, *channels))
}
