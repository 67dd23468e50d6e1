//! Convolutions. Kernels are laid out as Keras does: `[height, width, in / groups, out]`.

use super::{Activation, Padding, Pair, Problem, Shape, channels, image_shape, window::Window};

/// A 2-D convolution, as `keras.layers.Conv2D`.
///
/// ```
/// use emberline_net::{Conv2D, Padding};
///
/// let stem = Conv2D::new(32, 3).strides(2).padding(Padding::Same).without_bias();
/// assert_eq!(stem.filters, 32);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2D {
    /// The number of output channels.
    pub filters: usize,
    /// The window.
    pub kernel: Pair,
    /// The window's steps.
    pub strides: Pair,
    /// What surrounds the image.
    pub padding: Padding,
    /// The distance between the window's values.
    pub dilation: Pair,
    /// Into how many groups the channels are split; output channels of a group see that group's input channels.
    pub groups: usize,
    /// Whether a bias is added to every output channel.
    pub use_bias: bool,
    /// What follows.
    pub activation: Activation,
}

impl Conv2D {
    /// A convolution with Keras' defaults: step 1, no padding, one group, a bias, no activation.
    #[must_use]
    pub fn new(filters: usize, kernel: impl Into<Pair>) -> Self {
        Self {
            filters,
            kernel: kernel.into(),
            strides: 1.into(),
            padding: Padding::Valid,
            dilation: 1.into(),
            groups: 1,
            use_bias: true,
            activation: Activation::Linear,
        }
    }

    /// Sets the window's steps.
    #[must_use]
    pub fn strides(mut self, strides: impl Into<Pair>) -> Self {
        self.strides = strides.into();
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
    pub fn dilation(mut self, dilation: impl Into<Pair>) -> Self {
        self.dilation = dilation.into();
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

    pub(crate) fn window(&self) -> Window {
        Window { size: self.kernel, strides: self.strides, dilation: self.dilation, padding: self.padding }
    }

    pub(crate) fn kernel_len(&self) -> usize {
        self.kernel.height.saturating_mul(self.kernel.width)
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let [height, width, channels] = image_shape("Conv2D", input)?;
        let divisible = |size: usize| self.groups > 0 && size.is_multiple_of(self.groups);
        if self.filters == 0 || !divisible(channels) || !divisible(self.filters) {
            return Err(format!(
                "{channels} input channels and {} filters can't be split into {} groups",
                self.filters, self.groups
            ));
        }
        let Pair { height, width } = self.window().output_size(height, width)?;
        Ok(vec![height, width, self.filters])
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let depth = channels(input) / self.groups.max(1);
        let kernel = ("kernel", vec![self.kernel.height, self.kernel.width, depth, self.filters]);
        let bias = self.use_bias.then(|| ("bias", vec![self.filters]));
        [kernel].into_iter().chain(bias).collect()
    }
}

/// A convolution of every channel by itself, as `keras.layers.DepthwiseConv2D`. The kernel is
/// `[height, width, in, multiplier]`; output channel `c * multiplier + m` comes from input channel `c`.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthwiseConv2D {
    /// The window.
    pub kernel: Pair,
    /// The window's steps.
    pub strides: Pair,
    /// What surrounds the image.
    pub padding: Padding,
    /// The distance between the window's values.
    pub dilation: Pair,
    /// Output channels per input channel.
    pub depth_multiplier: usize,
    /// Whether a bias is added to every output channel.
    pub use_bias: bool,
    /// What follows.
    pub activation: Activation,
}

impl DepthwiseConv2D {
    /// A depthwise convolution with Keras' defaults: step 1, no padding, one output per channel, a bias.
    #[must_use]
    pub fn new(kernel: impl Into<Pair>) -> Self {
        Self {
            kernel: kernel.into(),
            strides: 1.into(),
            padding: Padding::Valid,
            dilation: 1.into(),
            depth_multiplier: 1,
            use_bias: true,
            activation: Activation::Linear,
        }
    }

    /// Sets the window's steps.
    #[must_use]
    pub fn strides(mut self, strides: impl Into<Pair>) -> Self {
        self.strides = strides.into();
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
    pub fn dilation(mut self, dilation: impl Into<Pair>) -> Self {
        self.dilation = dilation.into();
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

    pub(crate) fn window(&self) -> Window {
        Window { size: self.kernel, strides: self.strides, dilation: self.dilation, padding: self.padding }
    }

    pub(crate) fn kernel_len(&self) -> usize {
        self.kernel.height.saturating_mul(self.kernel.width)
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let [height, width, channels] = image_shape("DepthwiseConv2D", input)?;
        let filters =
            channels.checked_mul(self.depth_multiplier).filter(|&filters| filters > 0).ok_or_else(|| {
                format!("{channels} channels times {} is not a number of filters", self.depth_multiplier)
            })?;
        let Pair { height, width } = self.window().output_size(height, width)?;
        Ok(vec![height, width, filters])
    }

    pub(super) fn weight_shapes(&self, input: &[usize]) -> Vec<(&'static str, Shape)> {
        let depth = channels(input);
        let kernel = ("kernel", vec![self.kernel.height, self.kernel.width, depth, self.depth_multiplier]);
        let bias = self.use_bias.then(|| ("bias", vec![depth.saturating_mul(self.depth_multiplier)]));
        [kernel].into_iter().chain(bias).collect()
    }
}
