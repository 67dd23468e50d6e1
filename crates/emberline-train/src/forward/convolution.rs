//! Convolutions and pooling: windows that slide over the axes before the channels. A sequence is an image of one column.

use std::ops::Range;

use burn_tensor::{
    Tensor, module,
    ops::{AvgPoolOptions, ConvOptions, ConvTransposeOptions, MaxPoolOptions},
};
use emberline_net::{Conv, ConvTranspose, DepthwiseConv, Node, Padding, WindowPooling};

use super::{Pass, Value, native};

impl Pass<'_> {
    pub(super) fn conv(
        &self,
        node: &Node,
        layer: &Conv,
        input: Value,
        output: &[usize],
    ) -> Result<Value, String> {
        let pads = layer.pads(input.shape());
        if self.forward.device.is_cpu() {
            return self.native_conv(node, layer, input, output, &pads);
        }
        let bias = layer.use_bias.then(|| self.weight::<1>(node, "bias"));
        // From `[height, width, in / groups, out]` to Burn's `[out, in / groups, height, width]`.
        if layer.kernel.len() == 3 {
            let kernel = self.weight::<5>(node, "kernel").permute([4, 3, 0, 1, 2]);
            // Burn pads both sides of three axes alike.
            let mut around = [(0, 0); 5];
            around[2..].iter_mut().zip(pads).for_each(|(around, pad)| *around = pad);
            let options = options(&layer.strides, &[], &layer.dilation, layer.groups);
            let data = input.spatial::<5>().pad(around, 0.0);
            return Ok(Value::from_spatial(module::conv3d(data, kernel, bias, options), output));
        }
        let kernel = self.image_kernel(node, layer.kernel.len()).permute([3, 2, 0, 1]);
        let options = options(&layer.strides, &pads, &layer.dilation, layer.groups);
        Ok(Value::from_spatial(module::conv2d(input.spatial(), kernel, bias, options), output))
    }

    fn native_conv(
        &self,
        node: &Node,
        layer: &Conv,
        input: Value,
        output: &[usize],
        pads: &[(usize, usize)],
    ) -> Result<Value, String> {
        let sizes = |shape: &[usize]| trailing(&shape[..shape.len() - 1], 1);
        let (of_input, of_output) = (sizes(input.shape()), sizes(output));
        let data = input.data();
        let [batch, channels, _] = data.dims();
        let before: Vec<usize> = pads.iter().map(|pad| pad.0).collect();
        let kernel = native::Convolution {
            batch,
            channels,
            filters: layer.filters,
            groups: layer.groups,
            input: of_input,
            output: of_output,
            window: trailing(&layer.kernel, 1),
            strides: trailing(&layer.strides, 1),
            dilation: trailing(&layer.dilation, 1),
            before: trailing(&before, 0),
        };
        self.native(node, kernel, data, layer.use_bias, layer.filters, output)
    }

    /// A kernel of our own over a layer's input, kernel and bias.
    fn native(
        &self,
        node: &Node,
        kernel: impl native::Kernel<3>,
        data: Tensor<3>,
        use_bias: bool,
        filters: usize,
        output: &[usize],
    ) -> Result<Value, String> {
        let bias = match use_bias {
            true => self.flat_weight(node, "bias"),
            false => Tensor::zeros([filters], self.forward.device.plain()),
        };
        let weights = self.flat_weight(node, "kernel");
        let operands =
            [native::Operand::new(data)?, native::Operand::new(weights)?, native::Operand::new(bias)?];
        Ok(Value::new(native::apply(kernel, operands).0, output))
    }

    pub(super) fn depthwise_conv(
        &self,
        node: &Node,
        layer: &DepthwiseConv,
        input: Value,
        output: &[usize],
    ) -> Result<Value, String> {
        if layer.kernel.len() > 2 {
            return Err("a depthwise convolution over three axes can't be trained yet".to_owned());
        }
        let pads = layer.pads(input.shape());
        if self.forward.device.is_cpu() {
            let sizes = |shape: &[usize]| trailing(&shape[..shape.len() - 1], 1);
            let (of_input, of_output) = (sizes(input.shape()), sizes(output));
            let data = input.data();
            let [batch, channels, _] = data.dims();
            let before: Vec<usize> = pads.iter().map(|pad| pad.0).collect();
            let kernel = native::Depthwise {
                batch,
                channels,
                multiplier: layer.depth_multiplier,
                input: of_input,
                output: of_output,
                window: trailing(&layer.kernel, 1),
                strides: trailing(&layer.strides, 1),
                dilation: trailing(&layer.dilation, 1),
                before: trailing(&before, 0),
            };
            let filters = channels * layer.depth_multiplier;
            return self.native(node, kernel, data, layer.use_bias, filters, output);
        }
        let kernel = self.image_kernel(node, layer.kernel.len()).permute([2, 3, 0, 1]);
        let [channels, multiplier, height, width] = kernel.dims();
        let kernel = kernel.reshape([channels * multiplier, 1, height, width]);
        let bias = layer.use_bias.then(|| self.weight::<1>(node, "bias"));
        let options = options(&layer.strides, &pads, &layer.dilation, channels);
        Ok(Value::from_spatial(module::conv2d(input.spatial(), kernel, bias, options), output))
    }

    /// Whole windows are added up; then what is too much is cut off, or zeros are put behind, by the rule of TensorFlow.
    pub(super) fn conv_transpose(
        &self,
        node: &Node,
        layer: &ConvTranspose,
        input: Value,
        output: &[usize],
    ) -> Value {
        let mut edges: Vec<(usize, usize, usize)> = Vec::new();
        for (axis, (&size, &wanted)) in input.shape().iter().zip(output).enumerate().take(layer.kernel.len())
        {
            let span = (layer.kernel[axis] - 1) * layer.dilation[axis] + 1;
            let natural = (size - 1) * layer.strides[axis] + span;
            let before = match layer.padding {
                Padding::Same => natural.saturating_sub(wanted) / 2,
                _ => 0,
            };
            edges.push((before, (natural - before).min(wanted), wanted));
        }
        let (strides, dilation) = (trailing(&layer.strides, 1), trailing(&layer.dilation, 1));
        // From `[..., out, in]` to Burn's `[in, out, ...]`.
        let [depth, height, width] = trailing(&layer.kernel, 1);
        let [batch, channels, _] = input.clone().data().dims();
        let kernel =
            self.flat_weight(node, "kernel").reshape([depth, height, width, layer.filters, channels]);
        let kernel = kernel.permute([4, 3, 0, 1, 2]);
        let bias = layer.use_bias.then(|| self.per_channel(node, "bias"));
        let [a, b, c] = trailing(&input.shape()[..layer.kernel.len()], 1);
        let data = input.data().reshape([batch, channels, a, b, c]);
        let options = ConvTransposeOptions::new(strides, [0; 3], [0; 3], dilation, 1);
        let mut data = module::conv_transpose3d(data, kernel, None, options);
        let first = data.dims().len() - edges.len();
        for (axis, (before, kept, wanted)) in edges.into_iter().enumerate() {
            let mut around = [(0, 0); 5];
            around[first + axis] = (0, wanted - kept);
            data = data.narrow(first + axis, before, kept).pad(around, 0.0);
        }
        let value = Value::from_spatial(data, output);
        match bias {
            Some(bias) => value.map(|data| data + bias),
            None => value,
        }
    }

    pub(super) fn max_pooling(
        &self,
        layer: &WindowPooling,
        input: Value,
        output: &[usize],
    ) -> Result<Value, String> {
        if !self.forward.device.is_cpu() {
            return Ok(pooling(layer, input, output, |image, windows| {
                let options = MaxPoolOptions::new(windows.size)
                    .with_stride(windows.strides)
                    .with_padding_pairs(windows.pads);
                module::max_pool2d(image, options)
            }));
        }
        let sizes = |shape: &[usize]| trailing(&shape[..shape.len() - 1], 1);
        let before: Vec<usize> = layer.pads(input.shape()).iter().map(|pad| pad.0).collect();
        let (of_input, of_output) = (sizes(input.shape()), sizes(output));
        let data = input.data();
        let [batch, channels, _] = data.dims();
        let kernel = native::MaxPool {
            batch,
            channels,
            input: of_input,
            output: of_output,
            window: trailing(&layer.window, 1),
            strides: trailing(&layer.strides, 1),
            before: trailing(&before, 0),
        };
        Ok(Value::new(native::apply(kernel, [native::Operand::new(data)?]).0, output))
    }

    /// A kernel over two axes, `[height, width, ...]`; the width of one over a single axis is 1.
    fn image_kernel(&self, node: &Node, axes: usize) -> Tensor<4> {
        match axes {
            1 => self.weight::<3>(node, "kernel").unsqueeze_dim(1),
            _ => self.weight(node, "kernel"),
        }
    }
}

/// Numbers for axes, those that are missing in front.
fn trailing<const N: usize>(values: &[usize], missing: usize) -> [usize; N] {
    let skipped = N.saturating_sub(values.len());
    std::array::from_fn(|axis| match axis.checked_sub(skipped) {
        Some(axis) => values.get(axis).copied().unwrap_or(missing),
        None => missing,
    })
}

/// Where the windows over an image stand.
struct Windows {
    size: [usize; 2],
    strides: [usize; 2],
    pads: [(usize, usize); 2],
}

pub(super) fn average_pooling(layer: &WindowPooling, input: Value, output: &[usize]) -> Value {
    pooling(layer, input, output, |image, windows| {
        let options = AvgPoolOptions::new(windows.size)
            .with_stride(windows.strides)
            .with_padding_pairs(windows.pads)
            .with_count_include_pad(false);
        module::avg_pool2d(image, options)
    })
}

fn pooling(
    layer: &WindowPooling,
    input: Value,
    output: &[usize],
    pool: impl Fn(Tensor<4>, Windows) -> Tensor<4>,
) -> Value {
    let pads = layer.pads(input.shape());
    let slide = |image: Tensor<4>, axes: Range<usize>| {
        let windows = Windows {
            size: array(&layer.window[axes.clone()], 1),
            strides: array(&layer.strides[axes.clone()], 1),
            pads: array(&pads[axes], (0, 0)),
        };
        pool(image, windows)
    };
    let &[depth, height, width, channels] = input.shape() else {
        return Value::from_spatial(slide(input.spatial(), 0..layer.window.len()), output);
    };
    // A window's maximum is that of its planes' maxima. So is its mean, since all its planes have as many values that count.
    let data = input.data();
    let batch = data.dims()[0];
    let planes = slide(data.reshape([batch, channels * depth, height, width]), 1..3);
    let [_, _, height, width] = planes.dims();
    Value::from_spatial(slide(planes.reshape([batch, channels, depth, height * width]), 0..1), output)
}

fn options<const N: usize>(
    strides: &[usize],
    pads: &[(usize, usize)],
    dilation: &[usize],
    groups: usize,
) -> ConvOptions<N> {
    ConvOptions::new_with_padding(array(strides, 1), array(pads, (0, 0)), array(dilation, 1), groups)
}

/// As many numbers as there are axes.
fn array<T: Copy, const N: usize>(values: &[T], rest: T) -> [T; N] {
    std::array::from_fn(|axis| values.get(axis).copied().unwrap_or(rest))
}
