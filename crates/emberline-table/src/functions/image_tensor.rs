//! Between images and tensors, for models that say nothing of their preprocessing: `image_tensor` and `tensor_image`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float32Type};
use emberline_image::{
    ChannelOrder, Channels, DecodeOptions, Fit, Image, Layout, Preprocessing, Resize, Scratch,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::image::for_each_image;
use super::{check_image, column_type, image_input, vector_type, vectors};
use crate::describe::{Blobs, Description, FunctionKinds};
use crate::error::{Result, TableError};
use crate::function::{ColumnFunction, Evaluated, check_arity};
use crate::image_column::{ImageBuilder, image_type};
use crate::input::PixelSource;

pub(super) const TENSOR: &str = "image_tensor";
pub(super) const IMAGE: &str = "tensor_image";

/// The pixels of images as tensors: images in any form of [`ImageInput`](crate::ImageInput) → `FixedSizeList<Float32>`. Gray
/// ones are the luma of Pillow's `L` (ITU-R 601 in 16 bits).
#[derive(Debug)]
pub struct ImageTensor {
    params: TensorParams,
    preprocessing: Preprocessing,
    scratch: Mutex<Vec<Scratch>>,
    decode: DecodeOptions,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct TensorParams {
    width: u32,
    height: u32,
    channels: PixelChannels,
    channels_first: bool,
    resize: Resize,
    #[serde(default = "stretch")]
    fit: Fit,
    #[serde(default)]
    mean: [f32; 3],
    #[serde(default = "ones")]
    std: [f32; 3],
}

fn stretch() -> Fit {
    Fit::Stretch
}

fn ones() -> [f32; 3] {
    [1.0; 3]
}

/// The channels of a tensor of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelChannels {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Luma alone.
    Gray,
}

impl PixelChannels {
    /// How many there are.
    pub fn count(self) -> usize {
        if self == Self::Gray { 1 } else { 3 }
    }
}

impl ImageTensor {
    /// A function that brings images to a size in pixels by a rule (`bilinear`, `bicubic`, `area`, `nearest`) and gives pixels
    /// from 0 to 255, `[height, width, channels]`, or `[channels, height, width]` if `channels_first`.
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn try_new(
        (width, height): (u32, u32),
        channels: PixelChannels,
        channels_first: bool,
        resize: &str,
    ) -> Result<Self> {
        let resize = resize.parse().map_err(|e| TableError::description(TENSOR, e))?;
        let (mean, std) = ([0.0; 3], ones());
        let fit = Fit::Stretch;
        Self::from_params(TensorParams { width, height, channels, channels_first, resize, fit, mean, std })
    }

    /// A function that gives pixels from 0 to 255 of the part and the size that a network wants, `[height, width, 3]`;
    /// [`normalised`](Self::normalised) with the network's numbers, it gives what the network takes.
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn of_preprocessing(preprocessing: &Preprocessing) -> Result<Self> {
        let Preprocessing { width, height, resize, fit, order, .. } = *preprocessing;
        let channels = if order == ChannelOrder::Bgr { PixelChannels::Bgr } else { PixelChannels::Rgb };
        let (mean, std) = ([0.0; 3], ones());
        Self::from_params(TensorParams {
            width,
            height,
            channels,
            channels_first: false,
            resize,
            fit,
            mean,
            std,
        })
    }

    /// The same with `(pixel - mean) / std` in place of pixels, in the order of the channels; of gray ones, the first of each.
    ///
    /// # Errors
    /// When a number is not finite, or `std` is 0.
    pub fn normalised(&self, mean: [f32; 3], std: [f32; 3]) -> Result<Self> {
        Self::from_params(TensorParams { mean, std, ..self.params.clone() })
    }

    fn from_params(params: TensorParams) -> Result<Self> {
        // With one channel there is no order of axes; it is made of three in the usual one.
        let gray = params.channels == PixelChannels::Gray;
        let preprocessing = Preprocessing {
            width: params.width,
            height: params.height,
            resize: params.resize,
            fit: params.fit,
            background: [255; 3],
            order: if params.channels == PixelChannels::Bgr { ChannelOrder::Bgr } else { ChannelOrder::Rgb },
            layout: if params.channels_first && !gray { Layout::Nchw } else { Layout::Nhwc },
            // The luma of pixels is normalised, not the luma of normalised ones.
            mean: if gray { [0.0; 3] } else { params.mean },
            std: if gray { ones() } else { params.std },
        };
        // Those of gray ones are checked as well.
        let checked = Preprocessing { mean: params.mean, std: params.std, ..preprocessing.clone() };
        checked.validate().map_err(|e| TableError::description(TENSOR, e))?;
        let decode = DecodeOptions::default();
        Ok(Self { params, preprocessing, scratch: Mutex::default(), decode })
    }

    /// Numbers per image.
    pub fn tensor_len(&self) -> usize {
        self.preprocessing.tensor_len() / 3 * self.params.channels.count()
    }

    fn tensor(&self, source: &PixelSource, scratch: &mut Scratch, out: &mut [f32]) -> Result<(), String> {
        let preprocessing = &self.preprocessing;
        match source {
            PixelSource::Image(image) => preprocessing.image_to_tensor(image, out),
            PixelSource::Bytes(bytes) => preprocessing.bytes_to_tensor(bytes, &self.decode, scratch, out),
        }
        .map_err(|e| e.to_string())
    }
}

/// Pillow's `L24`: weights of red, green and blue in 16 bits, rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixels are whole numbers up to 255"
)]
fn luma([red, green, blue]: [f32; 3]) -> f32 {
    let sum = red as u32 * 19_595 + green as u32 * 38_470 + blue as u32 * 7_471 + 0x8000;
    f32::from((sum >> 16) as u8)
}

impl ColumnFunction for ImageTensor {
    fn describe(&self) -> Description {
        Description::new(TENSOR, serde_json::to_value(&self.params).unwrap_or_default())
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef> {
        check_arity(TENSOR, 1, inputs)?;
        check_image(TENSOR, &inputs[0])?;
        Ok(Arc::new(Field::new(TENSOR, vector_type(self.tensor_len()), true)))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated> {
        let images = image_input(TENSOR, &inputs[0])?;
        let mut scratch = self.scratch.lock().pop().unwrap_or_default();
        let length = self.tensor_len();
        let mut values = vec![0.0; images.len() * length];
        let mut rgb = vec![0.0; self.preprocessing.tensor_len()];
        let mut valid = vec![false; images.len()];
        let errors = for_each_image(&images, &self.decode, |row, source| {
            let Some(source) = source else { return Ok(()) };
            let out = &mut values[row * length..][..length];
            if self.params.channels == PixelChannels::Gray {
                self.tensor(&source, &mut scratch, &mut rgb)?;
                let (mean, std) = (self.params.mean[0], self.params.std[0]);
                let pixels = rgb.as_chunks::<3>().0;
                out.iter_mut().zip(pixels).for_each(|(value, pixel)| *value = (luma(*pixel) - mean) / std);
            } else {
                self.tensor(&source, &mut scratch, out)?;
            }
            valid[row] = true;
            Ok(())
        });
        self.scratch.lock().push(scratch);
        Ok(Evaluated { values: vectors(values, length, &valid)?, errors })
    }

    fn batch_rows(&self) -> usize {
        32
    }
}

/// Tensors `[height, width, channels]` as images: numbers rounded and brought into 0 to 255.
#[derive(Debug)]
pub struct TensorImage {
    params: ImageParams,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ImageParams {
    height: u32,
    width: u32,
    channels: PixelChannels,
}

impl TensorImage {
    /// A function of tensors of that size in pixels.
    pub fn new((width, height): (u32, u32), channels: PixelChannels) -> Self {
        Self { params: ImageParams { height, width, channels } }
    }

    fn len(&self) -> usize {
        let ImageParams { height, width, channels } = self.params;
        (height as usize).saturating_mul(width as usize).saturating_mul(channels.count())
    }
}

/// The numbers of a fixed number of lists in lists.
fn flattened(array: &ArrayRef, rows: usize) -> Option<ArrayRef> {
    let DataType::FixedSizeList(_, _) = array.data_type() else {
        return cast(array, &DataType::Float32).ok();
    };
    let list = array.as_fixed_size_list();
    let length = usize::try_from(list.value_length()).ok()?;
    flattened(&list.values().slice(list.offset() * length, rows * length), rows * length)
}

/// How many numbers there are in a row of fixed lists.
fn numbers_in(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::FixedSizeList(item, length) => {
            usize::try_from(*length).ok()?.checked_mul(numbers_in(item.data_type())?)
        }
        other => other.is_numeric().then_some(1),
    }
}

impl ColumnFunction for TensorImage {
    fn describe(&self) -> Description {
        Description::new(IMAGE, serde_json::to_value(&self.params).unwrap_or_default())
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef> {
        check_arity(IMAGE, 1, inputs)?;
        if numbers_in(inputs[0].data_type()) != Some(self.len()) {
            let ImageParams { height, width, channels } = self.params;
            let expected = format!("tensors [{height}, {width}, {}]", channels.count());
            return Err(column_type(IMAGE, &inputs[0], &expected));
        }
        Ok(Arc::new(Field::new(IMAGE, image_type(), true)))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated> {
        let array = &inputs[0];
        let ImageParams { height, width, channels } = self.params;
        let unfit = || TableError::description(IMAGE, format!("tensors of type {}", array.data_type()));
        let numbers = flattened(array, array.len()).ok_or_else(unfit)?;
        let numbers = numbers.as_primitive::<Float32Type>().values();
        let stored = if channels == PixelChannels::Gray { Channels::Gray } else { Channels::Rgb };
        let mut images = ImageBuilder::new();
        for row in 0..array.len() {
            if array.is_null(row) {
                images.append_null();
                continue;
            }
            let values = numbers.get(row * self.len()..(row + 1) * self.len()).ok_or_else(unfit)?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a cast brings it into the range"
            )]
            let mut pixels: Vec<u8> = values.iter().map(|value| value.round() as u8).collect();
            if channels == PixelChannels::Bgr {
                pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.reverse());
            }
            let image =
                Image::new(width, height, stored, pixels).map_err(|e| TableError::description(IMAGE, e))?;
            images.append(None, image);
        }
        Ok(Evaluated::new(images.finish()))
    }

    fn batch_rows(&self) -> usize {
        16
    }
}

pub(super) fn rebuild_tensor(
    description: &Description,
    _: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>> {
    Ok(Arc::new(ImageTensor::from_params(description.params_as()?)?))
}

pub(super) fn rebuild_image(
    description: &Description,
    _: &dyn Blobs,
    _: &FunctionKinds,
) -> Result<Arc<dyn ColumnFunction>> {
    Ok(Arc::new(TensorImage { params: description.params_as()? }))
}
