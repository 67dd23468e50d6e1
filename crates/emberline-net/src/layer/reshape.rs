//! Layers that move, repeat or leave out values, or make an image of another size.

use super::{Problem, Shape, channels, spatial};

/// A border of zeros, as `keras.layers.ZeroPadding1D` to `ZeroPadding3D`.
#[derive(Clone, Debug, PartialEq)]
pub struct ZeroPadding {
    /// How many zeros stand before and behind each axis before the channels.
    pub pads: Vec<(usize, usize)>,
}

impl ZeroPadding {
    /// The same border on every side of an image.
    #[must_use]
    pub fn symmetric_2d(size: usize) -> Self {
        Self { pads: vec![(size, size); 2] }
    }

    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let (axes, channels) = spatial("ZeroPadding", self.pads.len(), input)?;
        let padded = |(&size, &(before, after)): (&usize, &(usize, usize))| {
            size.checked_add(before)
                .and_then(|size| size.checked_add(after))
                .ok_or_else(|| format!("padding {before} and {after} is too large"))
        };
        axes.iter().zip(&self.pads).map(padded).chain([Ok(channels)]).collect()
    }
}

/// What stands at the border left out, as `keras.layers.Cropping1D` to `Cropping3D`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cropping {
    /// How many values are left out before and behind along each axis before the channels.
    pub crops: Vec<(usize, usize)>,
}

impl Cropping {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let (axes, channels) = spatial("Cropping", self.crops.len(), input)?;
        let cropped = |(&size, &(before, after)): (&usize, &(usize, usize))| {
            size.checked_sub(before)
                .and_then(|size| size.checked_sub(after))
                .filter(|&size| size > 0)
                .ok_or_else(|| format!("cropping {before} and {after} leaves nothing of {size}"))
        };
        axes.iter().zip(&self.crops).map(cropped).chain([Ok(channels)]).collect()
    }
}

/// How values between those given are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// The value at the nearest place.
    #[default]
    Nearest,
    /// Straight lines between the two nearest places along each axis.
    Bilinear,
    /// Cubic polynomials through the four nearest places along each axis (Keys, 1981, a = -0.5).
    Bicubic,
}

/// Every value repeated, or an image scaled by whole numbers, as `keras.layers.UpSampling1D` to `UpSampling3D`.
#[derive(Clone, Debug, PartialEq)]
pub struct UpSampling {
    /// The factor for each axis before the channels.
    pub size: Vec<usize>,
    /// How values in between are found; anything but the nearest is for images.
    pub interpolation: Interpolation,
}

impl UpSampling {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let (axes, channels) = spatial("UpSampling", self.size.len(), input)?;
        if self.interpolation != Interpolation::Nearest && axes.len() != 2 {
            return Err(format!("{:?} interpolation is for images", self.interpolation));
        }
        Ok(axes
            .iter()
            .zip(&self.size)
            .map(|(size, factor)| size.saturating_mul(*factor))
            .chain([channels])
            .collect())
    }
}

/// An image of another size, as `keras.layers.Resizing`: pixel centres stand at halves, and nothing is smoothed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resizing {
    /// Rows of the output.
    pub height: usize,
    /// Columns of the output.
    pub width: usize,
    /// How values in between are found.
    pub interpolation: Interpolation,
    /// Whether as much of the middle is taken first as has the output's proportions.
    pub crop_to_aspect_ratio: bool,
}

impl Resizing {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let (_, channels) = spatial("Resizing", 2, input)?;
        Ok(vec![self.height, self.width, channels])
    }

    /// The part of an image that is resized: where it begins, and its size.
    pub(crate) fn part(&self, height: usize, width: usize) -> [(usize, usize); 2] {
        if !self.crop_to_aspect_ratio {
            return [(0, height), (0, width)];
        }
        // Keras rounds down both the part's size and its place, in floating point.
        let scaled =
            |size: usize, by: usize, of: usize| (size as f64 * by as f64 / of.max(1) as f64) as usize;
        let rows = scaled(width, self.height, self.width).clamp(1, height);
        let columns = scaled(height, self.width, self.height).clamp(1, width);
        [((height - rows) / 2, rows), ((width - columns) / 2, columns)]
    }
}

/// The middle of an image, as `keras.layers.CenterCrop`. Of an image that is smaller along an axis, as much of the middle as
/// has the output's proportions is resized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CenterCrop {
    /// Rows of the output.
    pub height: usize,
    /// Columns of the output.
    pub width: usize,
}

impl CenterCrop {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        let (_, channels) = spatial("CenterCrop", 2, input)?;
        Ok(vec![self.height, self.width, channels])
    }
}

/// The same values under another shape, as `keras.layers.Reshape`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape {
    /// The new shape, without the batch.
    pub shape: Shape,
}

impl Reshape {
    pub(super) fn output_shape(&self, input: &[usize]) -> Result<Shape, Problem> {
        match (size(input)?, size(&self.shape)?) {
            (found, expected) if found == expected => Ok(self.shape.clone()),
            (found, expected) => Err(format!(
                "{found} values of shape {input:?} can't take the shape {:?} of {expected} values",
                self.shape
            )),
        }
    }
}

/// The shape with its axes in another order.
pub(super) fn permuted_shape(axes: &[usize], input: &[usize]) -> Result<Shape, Problem> {
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..input.len()) {
        return Err(format!("{axes:?} is not an order of the axes of {input:?}, counted from 0"));
    }
    Ok(axes.iter().map(|&axis| input[axis]).collect())
}

/// The shape of a vector written down several times.
pub(super) fn repeated_shape(count: usize, input: &[usize]) -> Result<Shape, Problem> {
    match input {
        [_] => Ok(vec![count, channels(input)]),
        _ => Err(format!("RepeatVector takes [features], found {input:?}")),
    }
}

pub(super) fn size(shape: &[usize]) -> Result<usize, Problem> {
    crate::tensor::len_of(shape).map_err(|error| error.to_string())
}
