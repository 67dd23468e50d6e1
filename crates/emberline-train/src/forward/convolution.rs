//! Convolutions and pooling: windows that slide over height and width.

use burn_tensor::{
    module,
    ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions},
};
use emberline_net::{Conv2D, DepthwiseConv2D, Node, Padding, Pair, Pooling2D};

use super::{Pass, Value};

impl Pass<'_> {
    pub(super) fn conv_2d(&self, node: &Node, layer: &Conv2D, input: Value) -> Value {
        // From `[height, width, in / groups, out]` to Burn's `[out, in / groups, height, width]`.
        let kernel = self.weight::<4>(node, "kernel").permute([3, 2, 0, 1]);
        let bias = layer.use_bias.then(|| self.weight::<1>(node, "bias"));
        let window = Window {
            size: layer.kernel,
            strides: layer.strides,
            dilation: layer.dilation,
            padding: layer.padding,
        };
        let options = window.convolution(input.shape(), layer.groups);
        Value::from_image(module::conv2d(input.image(), kernel, bias, options))
    }

    pub(super) fn depthwise_conv_2d(&self, node: &Node, layer: &DepthwiseConv2D, input: Value) -> Value {
        let kernel = self.weight::<4>(node, "kernel").permute([2, 3, 0, 1]);
        let [channels, multiplier, height, width] = kernel.dims();
        let kernel = kernel.reshape([channels * multiplier, 1, height, width]);
        let bias = layer.use_bias.then(|| self.weight::<1>(node, "bias"));
        let window = Window {
            size: layer.kernel,
            strides: layer.strides,
            dilation: layer.dilation,
            padding: layer.padding,
        };
        let options = window.convolution(input.shape(), channels);
        Value::from_image(module::conv2d(input.image(), kernel, bias, options))
    }
}

pub(super) fn max_pooling_2d(layer: &Pooling2D, input: Value) -> Value {
    let window = Window::of_pooling(layer);
    let options = MaxPoolOptions::new(sizes(layer.window))
        .with_stride(sizes(layer.strides))
        .with_padding_pairs(window.pads(input.shape()));
    Value::from_image(module::max_pool2d(input.image(), options))
}

pub(super) fn average_pooling_2d(layer: &Pooling2D, input: Value) -> Value {
    let window = Window::of_pooling(layer);
    let options = AvgPoolOptions::new(sizes(layer.window))
        .with_stride(sizes(layer.strides))
        .with_padding_pairs(window.pads(input.shape()))
        .with_count_include_pad(false);
    Value::from_image(module::avg_pool2d(input.image(), options))
}

struct Window {
    size: Pair,
    strides: Pair,
    dilation: Pair,
    padding: Padding,
}

impl Window {
    fn of_pooling(layer: &Pooling2D) -> Self {
        Self { size: layer.window, strides: layer.strides, dilation: 1.into(), padding: layer.padding }
    }

    fn convolution(&self, input: &[usize], groups: usize) -> ConvOptions<2> {
        let padding = self.pads(input);
        ConvOptions::new_with_padding(sizes(self.strides), padding, sizes(self.dilation), groups)
    }

    /// The padding before and after, of height and width.
    fn pads(&self, input: &[usize]) -> [(usize, usize); 2] {
        match self.padding {
            Padding::Valid => [(0, 0); 2],
            Padding::Explicit { top, bottom, left, right } => [(top, bottom), (left, right)],
            Padding::Same => {
                let (size, strides, dilation) = (sizes(self.size), sizes(self.strides), sizes(self.dilation));
                std::array::from_fn(|axis| same(input[axis], size[axis], strides[axis], dilation[axis]))
            }
        }
    }
}

/// TensorFlow's rule: as much as makes the output `ceil(input / stride)`, the odd one at the end.
fn same(input: usize, size: usize, stride: usize, dilation: usize) -> (usize, usize) {
    let extent = (size - 1) * dilation + 1;
    let total = ((input.div_ceil(stride) - 1) * stride + extent).saturating_sub(input);
    (total / 2, total - total / 2)
}

fn sizes(pair: Pair) -> [usize; 2] {
    [pair.height, pair.width]
}
