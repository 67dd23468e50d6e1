//! Convolutions and pooling: windows that slide over the axes before the channels. A sequence is an image of one column.

use std::ops::Range;

use burn_tensor::{
    Tensor, module,
    ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions},
};
use emberline_net::{Conv, DepthwiseConv, Node, WindowPooling};

use super::{Pass, Value};

impl Pass<'_> {
    pub(super) fn conv(&self, node: &Node, layer: &Conv, input: Value, output: &[usize]) -> Value {
        let bias = layer.use_bias.then(|| self.weight::<1>(node, "bias"));
        let pads = layer.pads(input.shape());
        // From `[height, width, in / groups, out]` to Burn's `[out, in / groups, height, width]`.
        if layer.kernel.len() == 3 {
            let kernel = self.weight::<5>(node, "kernel").permute([4, 3, 0, 1, 2]);
            // Burn pads both sides of three axes alike.
            let mut around = [(0, 0); 5];
            around[2..].iter_mut().zip(pads).for_each(|(around, pad)| *around = pad);
            let options = options(&layer.strides, &[], &layer.dilation, layer.groups);
            let data = input.spatial::<5>().pad(around, 0.0);
            return Value::from_spatial(module::conv3d(data, kernel, bias, options), output);
        }
        let kernel = self.image_kernel(node, layer.kernel.len()).permute([3, 2, 0, 1]);
        let options = options(&layer.strides, &pads, &layer.dilation, layer.groups);
        Value::from_spatial(module::conv2d(input.spatial(), kernel, bias, options), output)
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
        let kernel = self.image_kernel(node, layer.kernel.len()).permute([2, 3, 0, 1]);
        let [channels, multiplier, height, width] = kernel.dims();
        let kernel = kernel.reshape([channels * multiplier, 1, height, width]);
        let bias = layer.use_bias.then(|| self.weight::<1>(node, "bias"));
        let options = options(&layer.strides, &layer.pads(input.shape()), &layer.dilation, channels);
        Ok(Value::from_spatial(module::conv2d(input.spatial(), kernel, bias, options), output))
    }

    /// A kernel over two axes, `[height, width, ...]`; the width of one over a single axis is 1.
    fn image_kernel(&self, node: &Node, axes: usize) -> Tensor<4> {
        match axes {
            1 => self.weight::<3>(node, "kernel").unsqueeze_dim(1),
            _ => self.weight(node, "kernel"),
        }
    }
}

/// Where the windows over an image stand.
struct Windows {
    size: [usize; 2],
    strides: [usize; 2],
    pads: [(usize, usize); 2],
}

pub(super) fn max_pooling(layer: &WindowPooling, input: Value, output: &[usize]) -> Value {
    pooling(layer, input, output, |image, windows| {
        let options =
            MaxPoolOptions::new(windows.size).with_stride(windows.strides).with_padding_pairs(windows.pads);
        module::max_pool2d(image, options)
    })
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
