//! Layers that take the mean or the greatest value of windows, or of whole channels.

use super::{Padding, Pair, Problem, Shape, image_shape, window::Window};

/// Settings of `MaxPooling2D` and `AveragePooling2D`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooling2D {
    /// The window.
    pub window: Pair,
    /// The window's steps.
    pub strides: Pair,
    /// What surrounds the image. Padding never wins a maximum and never counts in a mean.
    pub padding: Padding,
}

impl Pooling2D {
    /// Windows side by side, Keras' default.
    #[must_use]
    pub fn new(window: impl Into<Pair>) -> Self {
        let window = window.into();
        Self { window, strides: window, padding: Padding::Valid }
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

    pub(crate) fn sliding(&self) -> Window {
        Window { size: self.window, strides: self.strides, dilation: 1.into(), padding: self.padding }
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let [height, width, channels] = image_shape("pooling", input)?;
        if let Padding::Explicit { top, bottom, left, right } = self.padding {
            // A window that sees padding alone has no maximum and no mean.
            if top.max(bottom) >= self.window.height || left.max(right) >= self.window.width {
                return Err(format!("padding must be smaller than the pooling window {:?}", self.window));
            }
        }
        let Pair { height, width } = self.sliding().output_size(height, width)?;
        Ok(vec![height, width, channels])
    }
}

/// Settings of `GlobalAveragePooling2D` and `GlobalMaxPooling2D`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GlobalPooling2D {
    /// Whether the output is `[1, 1, channels]` rather than `[channels]`.
    pub keepdims: bool,
}

impl GlobalPooling2D {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let [_, _, channels] = image_shape("global pooling", input)?;
        Ok(if self.keepdims { vec![1, 1, channels] } else { vec![channels] })
    }
}
