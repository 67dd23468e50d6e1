//! Windows that slide over the axes before the channels: sizes, steps, and padding by TensorFlow's rule.

use super::Problem;

/// A number for every axis that a window slides over: `3`, `(3, 2)`, `[3, 2, 2]`. One number stands for all axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// The same number for every axis.
    All(usize),
    /// One for each, outermost first.
    Each(Vec<usize>),
}

impl Sizes {
    pub(crate) fn of(self, axes: usize) -> Vec<usize> {
        match self {
            Self::All(size) => vec![size; axes],
            Self::Each(sizes) => sizes,
        }
    }
}

impl From<usize> for Sizes {
    fn from(size: usize) -> Self {
        Self::All(size)
    }
}

impl From<(usize, usize)> for Sizes {
    fn from((height, width): (usize, usize)) -> Self {
        Self::Each(vec![height, width])
    }
}

impl<const AXES: usize> From<[usize; AXES]> for Sizes {
    fn from(sizes: [usize; AXES]) -> Self {
        Self::Each(sizes.to_vec())
    }
}

impl From<Vec<usize>> for Sizes {
    fn from(sizes: Vec<usize>) -> Self {
        Self::Each(sizes)
    }
}

/// What surrounds the values before windows slide over them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Nothing: only whole windows.
    #[default]
    Valid,
    /// As much as makes the output `ceil(input / stride)`; the odd row or column goes to the bottom or right. This is
    /// TensorFlow's rule, which for strides above one differs from PyTorch's symmetric padding.
    Same,
    /// As much before the first value as lets a window see nothing later than its own place; for sequences.
    Causal,
    /// Given numbers of rows and columns of an image, as PyTorch's networks have.
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
pub(crate) struct Window<'a> {
    pub(crate) size: &'a [usize],
    pub(crate) strides: &'a [usize],
    /// Empty for windows without gaps.
    pub(crate) dilation: &'a [usize],
    pub(crate) padding: Padding,
}

impl Window<'_> {
    /// The output's sizes for those of the input, both without channels.
    pub(crate) fn output_size(&self, input: &[usize]) -> Result<Vec<usize>, Problem> {
        let axes = self.size.len();
        let listed = [self.size, self.strides, input].iter().all(|sizes| sizes.len() == axes)
            && (self.dilation.is_empty() || self.dilation.len() == axes);
        if !listed || !(1..=3).contains(&axes) {
            return Err(format!(
                "a window has a size, a stride and a dilation for each of one to three axes, found {:?}, {:?} and {:?} \
                 for {input:?}",
                self.size, self.strides, self.dilation
            ));
        }
        if matches!(self.padding, Padding::Explicit { .. }) && axes != 2 {
            return Err("padding in rows and columns is for images".to_owned());
        }
        if self.padding == Padding::Causal && axes != 1 {
            return Err("causal padding is for sequences".to_owned());
        }
        let names = if axes == 1 { &["steps"][..] } else { &["depth", "height", "width"][3 - axes..] };
        self.axes()
            .zip(names)
            .zip(input)
            .map(|((window, name), &size)| window.output_size(name, size))
            .collect()
    }

    /// The padding in numbers, before and after along each axis.
    pub(crate) fn pads(&self, input: &[usize]) -> Vec<(usize, usize)> {
        self.axes().zip(input).map(|(window, &size)| window.pads(size)).collect()
    }

    fn axes(&self) -> impl Iterator<Item = AxisWindow> {
        (0..self.size.len()).map(|axis| {
            let at = |sizes: &[usize]| sizes.get(axis).copied().unwrap_or(1);
            let (size, stride, dilation) = (at(self.size), at(self.strides), at(self.dilation));
            let pads = match self.padding {
                Padding::Valid => Some((0, 0)),
                Padding::Same => None,
                Padding::Causal => Some((size.saturating_sub(1).saturating_mul(dilation), 0)),
                Padding::Explicit { top, bottom, .. } if axis == 0 => Some((top, bottom)),
                Padding::Explicit { left, right, .. } => Some((left, right)),
            };
            AxisWindow { size, stride, dilation, pads }
        })
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
        extent(self.size, self.dilation)
    }
}

/// How many values a window of this size spans.
pub(crate) fn extent(size: usize, dilation: usize) -> usize {
    size.saturating_sub(1).saturating_mul(dilation).saturating_add(1)
}
