//! Windows that slide over height and width: sizes, steps, and padding by TensorFlow's rule.

use super::Problem;

/// Two numbers, vertical first. Made from one number for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Along the height.
    pub height: usize,
    /// Along the width.
    pub width: usize,
}

impl From<usize> for Pair {
    fn from(size: usize) -> Self {
        Self { height: size, width: size }
    }
}

impl From<(usize, usize)> for Pair {
    fn from((height, width): (usize, usize)) -> Self {
        Self { height, width }
    }
}

/// What surrounds an image before windows slide over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Nothing: only whole windows.
    #[default]
    Valid,
    /// As much as makes the output `ceil(input / stride)`; the odd row or column goes to the bottom or right. This is
    /// TensorFlow's rule, which for strides above one differs from PyTorch's symmetric padding.
    Same,
    /// Given numbers of rows and columns, as PyTorch's networks have.
    Explicit {
        /// Rows above.
        top: usize,
        /// Rows below.
        bottom: usize,
        /// Columns to the left.
        left: usize,
        /// Columns to the right.
        right: usize,
    },
}

impl Padding {
    /// The same number of rows and columns on every side.
    #[must_use]
    pub const fn symmetric(size: usize) -> Self {
        Self::Explicit { top: size, bottom: size, left: size, right: size }
    }
}

/// One layer's window with everything that decides where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) size: Pair,
    pub(crate) strides: Pair,
    pub(crate) dilation: Pair,
    pub(crate) padding: Padding,
}

impl Window {
    /// The output's height and width.
    pub(crate) fn output_size(&self, height: usize, width: usize) -> Result<Pair, Problem> {
        let [rows, columns] = self.axes();
        Ok(Pair { height: rows.output_size("height", height)?, width: columns.output_size("width", width)? })
    }

    /// The padding in numbers: `[top, left, bottom, right]`, ONNX's order.
    pub(crate) fn pads(&self, height: usize, width: usize) -> [usize; 4] {
        let [rows, columns] = self.axes();
        let ((top, bottom), (left, right)) = (rows.pads(height), columns.pads(width));
        [top, left, bottom, right]
    }

    fn axes(&self) -> [AxisWindow; 2] {
        let (rows, columns) = match self.padding {
            Padding::Valid => (Some((0, 0)), Some((0, 0))),
            Padding::Same => (None, None),
            Padding::Explicit { top, bottom, left, right } => (Some((top, bottom)), Some((left, right))),
        };
        let Self { size, strides, dilation, .. } = *self;
        [
            AxisWindow { size: size.height, stride: strides.height, dilation: dilation.height, pads: rows },
            AxisWindow { size: size.width, stride: strides.width, dilation: dilation.width, pads: columns },
        ]
    }
}

/// A window along one axis; no pads means [`Padding::Same`].
struct AxisWindow {
    size: usize,
    stride: usize,
    dilation: usize,
    pads: Option<(usize, usize)>,
}

impl AxisWindow {
    fn output_size(&self, axis: &str, input: usize) -> Result<usize, Problem> {
        if self.size == 0 || self.stride == 0 || self.dilation == 0 {
            return Err(format!(
                "window, stride and dilation along the {axis} must be at least 1, found {}, {} and {}",
                self.size, self.stride, self.dilation
            ));
        }
        let Some((before, after)) = self.pads else { return Ok(input.div_ceil(self.stride)) };
        let padded = input.saturating_add(before).saturating_add(after);
        match padded.checked_sub(self.extent()) {
            Some(room) => Ok(room / self.stride + 1),
            None => Err(format!(
                "a window of {} along the {axis} does not fit into {padded}, the input and its padding",
                self.extent()
            )),
        }
    }

    fn pads(&self, input: usize) -> (usize, usize) {
        self.pads.unwrap_or_else(|| {
            let last_start = (input.div_ceil(self.stride).max(1) - 1).saturating_mul(self.stride);
            let total = last_start.saturating_add(self.extent()).saturating_sub(input);
            (total / 2, total - total / 2)
        })
    }

    /// How many input values the window spans.
    fn extent(&self) -> usize {
        (self.size - 1).saturating_mul(self.dilation).saturating_add(1)
    }
}
