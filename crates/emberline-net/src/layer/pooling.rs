//! Layers that take the mean or the greatest value of windows, or of whole channels.

use super::{Padding, Problem, Shape, Sizes, spatial, window::Window};

/// Settings of max and average pooling, `keras.layers.MaxPooling1D` to `AveragePooling3D`.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowPooling {
    /// The window, one number for each axis before the channels.
    pub window: Vec<usize>,
    /// The window's steps.
    pub strides: Vec<usize>,
    /// What surrounds the values. Padding never wins a maximum and never counts in a mean.
    pub padding: Padding,
}

impl WindowPooling {
    /// Windows side by side over images, Keras' default.
    #[must_use]
    pub fn new_2d(window: impl Into<Sizes>) -> Self {
        Self::new(window.into().of(2))
    }

    /// Windows side by side over as many axes as the window has.
    #[must_use]
    pub fn new(window: Vec<usize>) -> Self {
        Self { strides: window.clone(), window, padding: Padding::Valid }
    }

    /// Sets the window's steps.
    #[must_use]
    pub fn strides(mut self, strides: impl Into<Sizes>) -> Self {
        self.strides = strides.into().of(self.window.len());
        self
    }

    /// Sets what surrounds the values.
    #[must_use]
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// How many values of padding stand before and behind along each axis, for an input of this shape.
    #[must_use]
    pub fn pads(&self, input: &[usize]) -> Vec<(usize, usize)> {
        self.sliding().pads(input)
    }

    pub(crate) fn sliding(&self) -> Window<'_> {
        Window { size: &self.window, strides: &self.strides, dilation: &[], padding: self.padding }
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let (axes, channels) = spatial("pooling", self.window.len(), input)?;
        if let (Padding::Explicit { top, bottom, left, right }, window @ [height, width]) =
            (self.padding, &*self.window)
        {
            // A window that sees padding alone has no maximum and no mean.
            if top.max(bottom) >= *height || left.max(right) >= *width {
                return Err(format!("padding must be smaller than the pooling window {window:?}"));
            }
        }
        Ok([self.sliding().output_size(axes)?, vec![channels]].concat())
    }
}

/// Settings of `GlobalAveragePooling1D` to `GlobalMaxPooling3D`.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalPooling {
    /// How many axes stand before the channels, one to three.
    pub dimensions: usize,
    /// Whether the output is `[1, 1, channels]` rather than `[channels]`.
    pub keepdims: bool,
}

impl Default for GlobalPooling {
    /// Images to vectors.
    fn default() -> Self {
        Self { dimensions: 2, keepdims: false }
    }
}

impl GlobalPooling {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let (axes, channels) = spatial("global pooling", self.dimensions, input)?;
        let kept = if self.keepdims { axes.len() } else { 0 };
        Ok([vec![1; kept], vec![channels]].concat())
    }
}

/// Pooling to a given size: window `i` of `n` goes from `i * size / n` rounded down to `(i + 1) * size / n` rounded up, as
/// `keras.layers.AdaptiveAveragePooling1D` to `AdaptiveMaxPooling3D`.
#[derive(Clone, Debug, PartialEq)]
pub struct AdaptivePooling {
    /// The size of each axis before the channels.
    pub output_size: Vec<usize>,
}

impl AdaptivePooling {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let (_, channels) = spatial("adaptive pooling", self.output_size.len(), input)?;
        Ok([self.output_size.as_slice(), &[channels]].concat())
    }

    /// The windows along an axis of this size.
    pub(crate) fn windows(size: usize, count: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        (0..count).map(move |i| i * size / count..((i + 1) * size).div_ceil(count))
    }
}
