//! Pictures to tensors: what a network asks of its input, and the fastest way there.

use serde::{Deserialize, Serialize};

use crate::decode::{Buffers, decode_into};
use crate::pixels::composite;
use crate::resize::{Crop, ResizeScratch, SIDE_MAX, Source, resize_into};
use crate::{Channels, DecodeOptions, Format, Image, ImageError, Resize};

/// How a network wants its pictures. One picture becomes `3 * width * height` numbers,
/// `(pixel - mean) / std` with pixels from 0 to 255.
///
/// ```
/// use emberline_image::{ChannelOrder, Channels, Fit, Image, Layout, Preprocessing, Resize};
///
/// let preprocessing = Preprocessing {
///     width: 1,
///     height: 1,
///     resize: Resize::Area,
///     fit: Fit::Stretch,
///     background: [255; 3],
///     order: ChannelOrder::Rgb,
///     layout: Layout::Nchw,
///     mean: [127.0; 3],
///     std: [128.0; 3],
/// };
/// let image = Image::new(2, 1, Channels::Rgb, vec![255, 127, 0, 255, 127, 0])?;
/// let mut tensor = vec![0.0; preprocessing.tensor_len()];
/// preprocessing.image_to_tensor(&image, &mut tensor)?;
/// assert_eq!(tensor, [1.0, 0.0, -127.0 / 128.0]);
/// # Ok::<(), emberline_image::ImageError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Columns of the tensor.
    pub width: u32,
    /// Rows of the tensor.
    pub height: u32,
    /// The rule by which pictures are brought to that size.
    pub resize: Resize,
    /// Which part of a picture is used.
    pub fit: Fit,
    /// Red, green and blue that transparent pixels are laid over.
    pub background: [u8; 3],
    /// The order of the tensor's channels.
    pub order: ChannelOrder,
    /// The order of the tensor's axes.
    pub layout: Layout,
    /// Subtracted from each channel, in the tensor's channel order, in units of pixels (0 to 255).
    pub mean: [f32; 3],
    /// Divides each channel, in the tensor's channel order, in units of pixels.
    pub std: [f32; 3],
}

/// Which part of a picture becomes the tensor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// All of it; proportions are not kept.
    Stretch,
    /// The square in the middle whose side is `fraction` of the shorter side of the picture, rounded to whole pixels
    /// and, where it cannot be centred, one pixel to the left or top.
    CropCenter {
        /// Above 0, and at most 1. Networks that were evaluated on 224 of 256 pixels want 0.875.
        fraction: f32,
    },
}

/// The order of a tensor's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// The order of a tensor's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Channels before rows and columns, `[3, height, width]`: PyTorch and ONNX.
    Nchw,
    /// Channels last, `[height, width, 3]`: TensorFlow and Keras.
    Nhwc,
}

/// Memory that preprocessing needs, kept from image to image; one for each thread.
#[derive(Debug, Default)]
pub struct Scratch {
    decoded: Buffers,
    resized: Vec<u8>,
    resize: ResizeScratch,
}

impl Preprocessing {
    /// Numbers per picture: `3 * width * height`.
    #[must_use]
    pub fn tensor_len(&self) -> usize {
        (self.width as usize).saturating_mul(self.height as usize).saturating_mul(3)
    }

    /// Whether every parameter is in its range.
    ///
    /// # Errors
    /// [`ImageError::Parameter`], naming the first that is not.
    pub fn validate(&self) -> Result<(), ImageError> {
        let check = |name, valid: bool, expected: &str, found: String| match valid {
            true => Ok(()),
            false => Err(ImageError::Parameter { name, expected: expected.to_owned(), found }),
        };
        let side = 1..=SIDE_MAX;
        check("width", side.contains(&self.width), "1 to 65535 pixels", self.width.to_string())?;
        check("height", side.contains(&self.height), "1 to 65535 pixels", self.height.to_string())?;
        let finite = |values: &[f32; 3]| values.iter().all(|value| value.is_finite());
        check("mean", finite(&self.mean), "three finite numbers", format!("{:?}", self.mean))?;
        let divides = finite(&self.std) && !self.std.contains(&0.0);
        check("std", divides, "three finite numbers other than 0", format!("{:?}", self.std))?;
        match self.fit {
            Fit::Stretch => Ok(()),
            Fit::CropCenter { fraction } => {
                let valid = fraction > 0.0 && fraction <= 1.0;
                check("fraction", valid, "above 0 and at most 1", fraction.to_string())
            }
        }
    }

    /// Turns decoded pixels (gray, RGB or RGBA) into a tensor.
    ///
    /// # Errors
    /// A parameter out of its range, or `out` not [`tensor_len`](Self::tensor_len) long.
    pub fn image_to_tensor(&self, image: &Image, out: &mut [f32]) -> Result<(), ImageError> {
        self.check(out)?;
        let mut scratch = Scratch::default();
        let size = (image.width(), image.height());
        if image.channels() == Channels::Rgba {
            scratch.decoded.pixels.extend_from_slice(image.data());
            composite(&mut scratch.decoded.pixels, self.background);
            let Scratch { decoded, resized, resize } = &mut scratch;
            return self.fill(&decoded.pixels, size, Channels::Rgb, resize, resized, out);
        }
        self.fill(image.data(), size, image.channels(), &mut scratch.resize, &mut scratch.resized, out)
    }

    /// Decodes a file and turns it into a tensor: the same numbers as [`decode`](crate::decode) followed by
    /// [`image_to_tensor`](Self::image_to_tensor), without allocating once `scratch` has grown.
    ///
    /// # Errors
    /// As these two. After an error `out` holds nothing of use; `scratch` may be used again.
    pub fn bytes_to_tensor(
        &self,
        bytes: &[u8],
        options: &DecodeOptions,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<(), ImageError> {
        self.check(out)?;
        let Scratch { decoded, resized, resize } = scratch;
        let padded = matches!(self.resize, Resize::Bilinear | Resize::Bicubic);
        let header = decode_into(bytes, options, padded, decoded)?;
        let mut channels = header.channels;
        // The fourth byte of a JPEG's pixels is no opacity.
        if channels == Channels::Rgba && header.format != Format::Jpeg {
            composite(&mut decoded.pixels, self.background);
            channels = Channels::Rgb;
        }
        self.fill(&decoded.pixels, (header.width, header.height), channels, resize, resized, out)
    }

    fn check(&self, out: &[f32]) -> Result<(), ImageError> {
        self.validate()?;
        if out.len() != self.tensor_len() {
            return Err(ImageError::Length {
                what: format!("a tensor of 3x{}x{}", self.height, self.width),
                expected: self.tensor_len(),
                found: out.len(),
            });
        }
        Ok(())
    }

    /// Crops, resizes and normalises gray, RGB or opaque RGBA pixels.
    fn fill(
        &self,
        data: &[u8],
        (width, height): (u32, u32),
        channels: Channels,
        scratch: &mut ResizeScratch,
        resized: &mut Vec<u8>,
        out: &mut [f32],
    ) -> Result<(), ImageError> {
        let crop = self.fit.crop(width, height);
        let source = Source { data, width, height, channels, opaque: true, crop };
        let whole = Crop { left: 0, top: 0, width: self.width, height: self.height };
        if crop == whole && (width, height) == (self.width, self.height) {
            self.normalise(data, channels, out);
            return Ok(());
        }
        resize_into(&source, (self.width, self.height), self.resize, scratch, resized)?;
        self.normalise(resized, channels, out);
        Ok(())
    }

    /// Fills the tensor from pixels of its size. A pixel has 256 values, so each division is made 256 times and
    /// looked up from then on.
    fn normalise(&self, pixels: &[u8], channels: Channels, out: &mut [f32]) {
        let tables: [[f32; 256]; 3] = std::array::from_fn(|channel| {
            std::array::from_fn(|value| (value as f32 - self.mean[channel]) / self.std[channel])
        });
        // Where the tensor's first channel is found in a pixel, and its last.
        let picks = match (channels, self.order) {
            (Channels::Gray, _) => [0; 3],
            (_, ChannelOrder::Rgb) => [0, 1, 2],
            (_, ChannelOrder::Bgr) => [2, 1, 0],
        };
        match channels {
            Channels::Gray => fill_tensor::<1>(pixels, &tables, picks, self.layout, out),
            Channels::Rgb => fill_tensor::<3>(pixels, &tables, picks, self.layout, out),
            Channels::Rgba => fill_tensor::<4>(pixels, &tables, picks, self.layout, out),
        }
    }
}

impl Fit {
    /// The box of a picture that is used.
    fn crop(self, width: u32, height: u32) -> Crop {
        match self {
            Self::Stretch => Crop { left: 0, top: 0, width, height },
            Self::CropCenter { fraction } => {
                let shorter = width.min(height);
                let side = ((f64::from(shorter) * f64::from(fraction)).round() as u32).clamp(1, shorter);
                Crop { left: (width - side) / 2, top: (height - side) / 2, width: side, height: side }
            }
        }
    }
}

fn fill_tensor<const C: usize>(
    pixels: &[u8],
    tables: &[[f32; 256]; 3],
    picks: [usize; 3],
    layout: Layout,
    out: &mut [f32],
) {
    let pixels = pixels.as_chunks::<C>().0;
    match layout {
        Layout::Nchw => {
            let planes = out.chunks_exact_mut(pixels.len());
            for ((plane, table), pick) in planes.zip(tables).zip(picks) {
                for (value, pixel) in plane.iter_mut().zip(pixels) {
                    *value = table[usize::from(pixel[pick])];
                }
            }
        }
        Layout::Nhwc => {
            for (values, pixel) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
                *values = [0, 1, 2].map(|channel| tables[channel][usize::from(pixel[picks[channel]])]);
            }
        }
    }
}
