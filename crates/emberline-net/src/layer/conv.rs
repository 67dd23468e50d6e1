//! Convolutions over one, two or three axes. Kernels are laid out as Keras does: `[height, width, in / groups, out]`, with
//! as many axes before the channels as the input has.

use super::{
    Activation, Padding, Problem, Shape, Sizes, channels, spatial,
    window::{Window, extent},
};

/// A convolution, as `keras.layers.Conv1D`, `Conv2D` and `Conv3D`: as many axes as `kernel` has.
///
/// ```
/// use emberline_net::{Conv, Padding};
///
/// let stem = Conv::new_2d(32, 3).strides(2).padding(Padding::Same).without_bias();
/// assert_eq!(stem.filters, 32);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// The number of output channels.
    pub filters: usize,
    /// The window.
    pub kernel: Vec<usize>,
    /// The window's steps.
    pub strides: Vec<usize>,
    /// What surrounds the image.
    pub padding: Padding,
    /// The distance between the window's values.
    pub dilation: Vec<usize>,
    /// Into how many groups the channels are split; output channels of a group see that group's input channels.
    pub groups: usize,
    /// Whether a bias is added to every output channel.
    pub use_bias: bool,
    /// What follows.
    pub activation: Activation,
}

impl Conv {
    /// A convolution of images with Keras' defaults: step 1, no padding, one group, a bias, no activation.
    #[must_use]
    pub fn new_2d(filters: usize, kernel: impl Into<Sizes>) -> Self {
        Self::new(filters, kernel.into().of(2))
    }

    /// A convolution with Keras' defaults over as many axes as the kernel has.
    #[must_use]
    pub fn new(filters: usize, kernel: Vec<usize>) -> Self {
        let axes = kernel.len();
        Self {
            filters,
            kernel,
            strides: vec![1; axes],
            padding: Padding::Valid,
            dilation: vec![1; axes],
            groups: 1,
            use_bias: true,
            activation: Activation::Linear,
        }
    }

    /// Sets the window's steps.
    #[must_use]
    pub fn strides(mut self, strides: impl Into<Sizes>) -> Self {
        self.strides = strides.into().of(self.kernel.len());
        self
    }

    /// Sets what surrounds the image.
    #[must_use]
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// Sets the distance between the window's values.
    #[must_use]
    pub fn dilation(mut self, dilation: impl Into<Sizes>) -> Self {
        self.dilation = dilation.into().of(self.kernel.len());
        self
    }

    /// Splits the channels into groups.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Leaves the bias out.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.use_bias = false;
        self
    }

    /// Sets what follows.
    #[must_use]
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// How many values of padding stand before and behind along each axis, for an input of this shape.
    #[must_use]
    pub fn pads(&self, input: &[usize]) -> Vec<(usize, usize)> {
        self.window().pads(input)
    }

    pub(super) fn kind(&self) -> &'static str {
        ["Conv", "Conv1D", "Conv2D", "Conv3D"].get(self.kernel.len()).unwrap_or(&"Conv")
    }

    pub(crate) fn window(&self) -> Window<'_> {
        let Self { kernel, strides, dilation, padding, .. } = self;
        Window { size: kernel, strides, dilation, padding: *padding }
    }

    pub(crate) fn kernel_len(&self) -> usize {
        volume(&self.kernel)
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let (axes, channels) = spatial(self.kind(), self.kernel.len(), input)?;
        let divisible = |size: usize| self.groups > 0 && size.is_multiple_of(self.groups);
        if self.filters == 0 || !divisible(channels) || !divisible(self.filters) {
            return Err(format!(
                "{channels} input channels and {} filters can't be split into {} groups",
                self.filters, self.groups
            ));
        }
        Ok([self.window().output_size(axes)?, vec![self.filters]].concat())
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let depth = channels(input) / self.groups.max(1);
        let kernel = ("kernel", [self.kernel.as_slice(), &[depth, self.filters]].concat());
        let bias = self.use_bias.then(|| ("bias", vec![self.filters]));
        [kernel].into_iter().chain(bias).collect()
    }
}

/// A convolution of every channel by itself, as `keras.layers.DepthwiseConv1D` and `DepthwiseConv2D`. The kernel is
/// `[height, width, in, multiplier]`; output channel `c * multiplier + m` comes from input channel `c`.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthwiseConv {
    /// The window.
    pub kernel: Vec<usize>,
    /// The window's steps.
    pub strides: Vec<usize>,
    /// What surrounds the image.
    pub padding: Padding,
    /// The distance between the window's values.
    pub dilation: Vec<usize>,
    /// Output channels per input channel.
    pub depth_multiplier: usize,
    /// Whether a bias is added to every output channel.
    pub use_bias: bool,
    /// What follows.
    pub activation: Activation,
}

impl DepthwiseConv {
    /// A depthwise convolution of images with Keras' defaults: step 1, no padding, one output per channel, a bias.
    #[must_use]
    pub fn new_2d(kernel: impl Into<Sizes>) -> Self {
        Self::new(kernel.into().of(2))
    }

    /// A depthwise convolution with Keras' defaults over as many axes as the kernel has.
    #[must_use]
    pub fn new(kernel: Vec<usize>) -> Self {
        let axes = kernel.len();
        Self {
            kernel,
            strides: vec![1; axes],
            padding: Padding::Valid,
            dilation: vec![1; axes],
            depth_multiplier: 1,
            use_bias: true,
            activation: Activation::Linear,
        }
    }

    /// Sets the window's steps.
    #[must_use]
    pub fn strides(mut self, strides: impl Into<Sizes>) -> Self {
        self.strides = strides.into().of(self.kernel.len());
        self
    }

    /// Sets what surrounds the image.
    #[must_use]
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// Sets the distance between the window's values.
    #[must_use]
    pub fn dilation(mut self, dilation: impl Into<Sizes>) -> Self {
        self.dilation = dilation.into().of(self.kernel.len());
        self
    }

    /// Sets the number of output channels per input channel.
    #[must_use]
    pub fn depth_multiplier(mut self, depth_multiplier: usize) -> Self {
        self.depth_multiplier = depth_multiplier;
        self
    }

    /// Leaves the bias out.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.use_bias = false;
        self
    }

    /// Sets what follows.
    #[must_use]
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// How many values of padding stand before and behind along each axis, for an input of this shape.
    #[must_use]
    pub fn pads(&self, input: &[usize]) -> Vec<(usize, usize)> {
        self.window().pads(input)
    }

    pub(super) fn kind(&self) -> &'static str {
        ["DepthwiseConv", "DepthwiseConv1D", "DepthwiseConv2D"]
            .get(self.kernel.len())
            .unwrap_or(&"DepthwiseConv")
    }

    pub(crate) fn window(&self) -> Window<'_> {
        let Self { kernel, strides, dilation, padding, .. } = self;
        Window { size: kernel, strides, dilation, padding: *padding }
    }

    pub(crate) fn kernel_len(&self) -> usize {
        volume(&self.kernel)
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let (axes, channels) = spatial(self.kind(), self.kernel.len(), input)?;
        let filters =
            channels.checked_mul(self.depth_multiplier).filter(|&filters| filters > 0).ok_or_else(|| {
                format!("{channels} channels times {} is not a number of filters", self.depth_multiplier)
            })?;
        Ok([self.window().output_size(axes)?, vec![filters]].concat())
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let depth = channels(input);
        let kernel = ("kernel", [self.kernel.as_slice(), &[depth, self.depth_multiplier]].concat());
        let bias = self.use_bias.then(|| ("bias", vec![depth.saturating_mul(self.depth_multiplier)]));
        [kernel].into_iter().chain(bias).collect()
    }
}

/// The gradient of a convolution, as `keras.layers.Conv1DTranspose`, `Conv2DTranspose` and `Conv3DTranspose`. The kernel is
/// `[height, width, out, in]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose {
    /// The number of output channels.
    pub filters: usize,
    /// The window, one number for each axis before the channels.
    pub kernel: Vec<usize>,
    /// By how much each axis grows.
    pub strides: Vec<usize>,
    /// `Same` makes the output `input * stride`, `Valid` gives all there is.
    pub padding: Padding,
    /// What is added to the smallest possible size of each axis; Keras chooses where there is nothing.
    pub output_padding: Option<Vec<usize>>,
    /// The distance between the window's values.
    pub dilation: Vec<usize>,
    /// Whether a bias is added to every output channel.
    pub use_bias: bool,
    /// What follows.
    pub activation: Activation,
}

impl ConvTranspose {
    pub(super) fn kind(&self) -> &'static str {
        ["ConvTranspose", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"]
            .get(self.kernel.len())
            .unwrap_or(&"ConvTranspose")
    }

    pub(crate) fn kernel_len(&self) -> usize {
        volume(&self.kernel)
    }

    /// What is cut off before and behind along an axis, the latter negative where zeros are added, by the rule of
    /// TensorFlow: the output is the input of a convolution that pads so.
    pub(crate) fn crops(&self, axis: usize, input: usize) -> (i64, i64) {
        let (natural, output) = self.sizes(axis, input);
        let total = natural as i64 - output as i64;
        let before = match self.padding {
            Padding::Same => total.max(0) / 2,
            _ => 0,
        };
        (before, total - before)
    }

    /// What all windows cover, and what Keras gives.
    fn sizes(&self, axis: usize, input: usize) -> (usize, usize) {
        let at = |sizes: &[usize]| sizes.get(axis).copied().unwrap_or(1);
        let (stride, span) = (at(&self.strides), extent(at(&self.kernel), at(&self.dilation)));
        let steps = input.saturating_sub(1).saturating_mul(stride);
        let added = self.output_padding.as_deref().map(at);
        let output = match (self.padding, added) {
            (Padding::Same, None) => input.saturating_mul(stride),
            (Padding::Same, Some(added)) => steps.saturating_add(span % 2).saturating_add(added),
            (_, None) => steps.saturating_add(span.max(stride)),
            (_, Some(added)) => steps.saturating_add(span).saturating_add(added),
        };
        (steps.saturating_add(span), output)
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let (axes, _) = spatial(self.kind(), self.kernel.len(), input)?;
        if !matches!(self.padding, Padding::Valid | Padding::Same) {
            return Err(format!("{}'s padding must be valid or same", self.kind()));
        }
        // The window itself is checked as a convolution's is, on an input that it fits into.
        let fitting: Vec<usize> = axes.iter().map(|_| usize::MAX / 2).collect();
        let Self { kernel, strides, dilation, .. } = self;
        Window { size: kernel, strides, dilation, padding: Padding::Valid }.output_size(&fitting)?;
        if self.output_padding.as_ref().is_some_and(|added| added.len() != axes.len()) {
            return Err("output_padding must be one number for each axis".to_owned());
        }
        let sizes = axes.iter().enumerate().map(|(axis, &size)| self.sizes(axis, size).1);
        Ok(sizes.chain([self.filters]).collect())
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let kernel = ("kernel", [self.kernel.as_slice(), &[self.filters, channels(input)]].concat());
        let bias = self.use_bias.then(|| ("bias", vec![self.filters]));
        [kernel].into_iter().chain(bias).collect()
    }
}

/// How many numbers there are in these sizes.
pub(crate) fn volume(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |product, &size| product.saturating_mul(size))
}
