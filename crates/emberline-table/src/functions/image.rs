//! Images in SQL: `image_decode`, `image_resize`, `image_encode`, `image_width`, `image_height`, `image_digest`.
//!
//! Each takes an image in any form of [`ImageInput`], so none needs another first. A null image gives null; an
//! image that can't be decoded gives null with a reason.
//!
//! ```sql
//! SELECT image_encode(image_resize(image, 64, 64), 'png') FROM photos WHERE image_width(image) > 100
//! ```

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, Int32Builder, Int64Array, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use emberline_image::{DecodeOptions, Format, Image, Resize};
use serde_json::json;

use super::{check_image, column_type, image_input};
use crate::describe::{Blobs, Description, FunctionKinds};
use crate::error::{Result, TableError};
use crate::function::{ColumnFunction, Evaluated, RowError};
use crate::image_column::{ImageBuilder, image_type};
use crate::input::{ImageInput, PixelSource};

pub(super) const DECODE: &str = "image_decode";
pub(super) const RESIZE: &str = "image_resize";
pub(super) const ENCODE: &str = "image_encode";
pub(super) const WIDTH: &str = "image_width";
pub(super) const HEIGHT: &str = "image_height";
pub(super) const DIGEST: &str = "image_digest";

/// Decoded images of a call: bounds the memory of a batch.
const BATCH_ROWS: usize = 16;

/// `image_decode(image)`: the pixels, as Spark's image struct.
#[derive(Debug, Default)]
pub struct ImageDecode {
    decode: DecodeOptions,
}

/// `image_resize(image, width, height [, rule])`: the image at another size in pixels, by `'bilinear'` (the
/// default), `'bicubic'`, `'area'` or `'nearest'`.
#[derive(Debug, Default)]
pub struct ImageResize {
    decode: DecodeOptions,
}

/// `image_encode(image, format)`: a file's bytes, `'png'` or `'jpeg'`.
#[derive(Debug, Default)]
pub struct ImageEncode {
    decode: DecodeOptions,
}

/// `image_width(image)`, `image_height(image)`: pixels; of an encoded image, only the header is read.
#[derive(Debug)]
pub struct ImageSide {
    side: Side,
    decode: DecodeOptions,
}

/// `image_digest(image)`: the SHA-256 of an encoded image's bytes, 32 bytes; of a decoded one, of its size and pixels.
#[derive(Debug, Default)]
pub struct ImageDigest {
    decode: DecodeOptions,
}

/// A side of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Pixels per row.
    Width,
    /// Rows of pixels.
    Height,
}

impl ImageSide {
    /// The function that measures `side`.
    pub fn new(side: Side) -> Self {
        Self { side, decode: DecodeOptions::default() }
    }

    fn kind(&self) -> &'static str {
        match self.side {
            Side::Width => WIDTH,
            Side::Height => HEIGHT,
        }
    }
}

/// Calls `each` for every row with its image, in order; `Ok(None)` where the image is null. Collects reasons.
pub(super) fn for_each_image(
    images: &ImageInput,
    options: &DecodeOptions,
    mut each: impl FnMut(usize, Option<PixelSource>) -> Result<(), String>,
) -> Vec<RowError> {
    let mut errors = Vec::new();
    for from in (0..images.len()).step_by(BATCH_ROWS) {
        let to = (from + BATCH_ROWS).min(images.len());
        for (row, source) in (from..to).zip(images.get(from, to, options)) {
            // A row that failed still has to be appended, as null.
            let outcome = match source {
                None => each(row, None),
                Some(Ok(source)) => each(row, Some(source)),
                Some(Err(reason)) => each(row, None).and(Err(reason)),
            };
            if let Err(reason) = outcome {
                errors.push(RowError { row, origin: images.origin(row).map(String::from), reason });
            }
        }
    }
    errors
}

/// Makes a column of images out of a column of images.
fn map_images(
    images: &ImageInput,
    options: &DecodeOptions,
    mut map: impl FnMut(usize, Image) -> Result<Option<Image>, String>,
) -> Evaluated {
    let mut builder = ImageBuilder::new();
    let errors = for_each_image(images, options, |row, source| {
        let mapped = source.map(|s| s.into_image(options).and_then(|image| map(row, image))).transpose();
        match mapped {
            Ok(Some(Some(image))) => builder.append(images.origin(row), image),
            Ok(_) => builder.append_null(),
            Err(reason) => {
                builder.append_null();
                return Err(reason);
            }
        }
        Ok(())
    });
    Evaluated { values: builder.finish(), errors }
}

fn field(kind: &str, data_type: DataType) -> FieldRef {
    Arc::new(Field::new(kind, data_type, true))
}

fn check_arguments(kind: &str, inputs: &[FieldRef], expected: std::ops::RangeInclusive<usize>) -> Result<()> {
    if !expected.contains(&inputs.len()) {
        return Err(TableError::ArgumentCount {
            function: kind.into(),
            expected: *expected.end(),
            found: inputs.len(),
        });
    }
    check_image(kind, &inputs[0])
}

fn integers(array: &ArrayRef) -> Result<Int64Array> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

fn texts(array: &ArrayRef) -> Result<StringArray> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

impl ColumnFunction for ImageDecode {
    fn describe(&self) -> Description {
        Description::new(DECODE, json!({}))
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef> {
        check_arguments(DECODE, inputs, 1..=1)?;
        Ok(field(DECODE, image_type()))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated> {
        let images = image_input(DECODE, &inputs[0])?;
        Ok(map_images(&images, &self.decode, |_, image| Ok(Some(image))))
    }

    fn batch_rows(&self) -> usize {
        BATCH_ROWS
    }
}

impl ColumnFunction for ImageResize {
    fn describe(&self) -> Description {
        Description::new(RESIZE, json!({}))
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef> {
        check_arguments(RESIZE, inputs, 3..=4)?;
        for side in &inputs[1..3] {
            if !side.data_type().is_integer() {
                return Err(column_type(RESIZE, side, "a whole number of pixels"));
            }
        }
        if let Some(rule) = inputs.get(3)
            && !rule.data_type().is_string()
        {
            return Err(column_type(RESIZE, rule, "'bilinear', 'bicubic', 'area' or 'nearest'"));
        }
        Ok(field(RESIZE, image_type()))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated> {
        let images = image_input(RESIZE, &inputs[0])?;
        let (widths, heights) = (integers(&inputs[1])?, integers(&inputs[2])?);
        let rules = inputs.get(3).map(texts).transpose()?;
        Ok(map_images(&images, &self.decode, |row, image| {
            if widths.is_null(row) || heights.is_null(row) || rules.as_ref().is_some_and(|r| r.is_null(row)) {
                return Ok(None);
            }
            let pixels = |sides: &Int64Array, name: &str| {
                u32::try_from(sides.value(row)).map_err(|_| format!("{name} is {} pixels", sides.value(row)))
            };
            let rule = match &rules {
                Some(rules) => rules.value(row).parse::<Resize>().map_err(|e| e.to_string())?,
                None => Resize::Bilinear,
            };
            let resized =
                emberline_image::resize(&image, pixels(&widths, "width")?, pixels(&heights, "height")?, rule);
            resized.map(Some).map_err(|e| e.to_string())
        }))
    }

    fn batch_rows(&self) -> usize {
        BATCH_ROWS
    }
}

impl ColumnFunction for ImageEncode {
    fn describe(&self) -> Description {
        Description::new(ENCODE, json!({}))
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef> {
        check_arguments(ENCODE, inputs, 2..=2)?;
        if !inputs[1].data_type().is_string() {
            return Err(column_type(ENCODE, &inputs[1], "a format, 'png' or 'jpeg'"));
        }
        Ok(field(ENCODE, DataType::Binary))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated> {
        let images = image_input(ENCODE, &inputs[0])?;
        let formats = texts(&inputs[1])?;
        let mut files = BinaryBuilder::new();
        let errors = for_each_image(&images, &self.decode, |row, source| {
            let encode = |source: PixelSource| {
                let format: Format =
                    formats.value(row).parse().map_err(|e: emberline_image::ImageError| e.to_string())?;
                let image = source.into_image(&self.decode)?;
                emberline_image::encode(&image, format).map_err(|e| e.to_string())
            };
            let file = source.filter(|_| formats.is_valid(row)).map(encode).transpose();
            files.append_option(file.as_ref().ok().and_then(Option::as_ref));
            file.map(|_| ())
        });
        Ok(Evaluated { values: Arc::new(files.finish()), errors })
    }

    fn batch_rows(&self) -> usize {
        BATCH_ROWS
    }
}

impl ColumnFunction for ImageSide {
    fn describe(&self) -> Description {
        Description::new(self.kind(), json!({}))
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef> {
        check_arguments(self.kind(), inputs, 1..=1)?;
        Ok(field(self.kind(), DataType::Int32))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated> {
        let images = image_input(self.kind(), &inputs[0])?;
        let mut sides = Int32Builder::new();
        let errors = for_each_image(&images, &self.decode, |_, source| {
            let size = source.map(|source| self.size(&source)).transpose();
            let side = size.as_ref().ok().copied().flatten();
            sides.append_option(side.and_then(|side| i32::try_from(side).ok()));
            size.map(|_| ())
        });
        Ok(Evaluated { values: Arc::new(sides.finish()), errors })
    }
}

impl ImageSide {
    fn size(&self, source: &PixelSource) -> Result<u32, String> {
        let (width, height) = match source {
            PixelSource::Image(image) => (image.width(), image.height()),
            PixelSource::Bytes(bytes) => {
                let header = emberline_image::read_header(bytes, &self.decode).map_err(|e| e.to_string())?;
                (header.width, header.height)
            }
        };
        Ok(match self.side {
            Side::Width => width,
            Side::Height => height,
        })
    }
}

type Rebuilt = Result<Arc<dyn ColumnFunction>>;

pub(super) fn rebuild_decode(_: &Description, _: &dyn Blobs, _: &FunctionKinds) -> Rebuilt {
    Ok(Arc::new(ImageDecode::default()))
}

pub(super) fn rebuild_resize(_: &Description, _: &dyn Blobs, _: &FunctionKinds) -> Rebuilt {
    Ok(Arc::new(ImageResize::default()))
}

pub(super) fn rebuild_encode(_: &Description, _: &dyn Blobs, _: &FunctionKinds) -> Rebuilt {
    Ok(Arc::new(ImageEncode::default()))
}

pub(super) fn rebuild_width(_: &Description, _: &dyn Blobs, _: &FunctionKinds) -> Rebuilt {
    Ok(Arc::new(ImageSide::new(Side::Width)))
}

pub(super) fn rebuild_height(_: &Description, _: &dyn Blobs, _: &FunctionKinds) -> Rebuilt {
    Ok(Arc::new(ImageSide::new(Side::Height)))
}

impl ColumnFunction for ImageDigest {
    fn describe(&self) -> Description {
        Description::new(DIGEST, json!({}))
    }

    fn return_field(&self, inputs: &[FieldRef]) -> Result<FieldRef> {
        check_arguments(DIGEST, inputs, 1..=1)?;
        Ok(field(DIGEST, DataType::Binary))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated> {
        let images = image_input(DIGEST, &inputs[0])?;
        let mut digests = BinaryBuilder::new();
        let errors = for_each_image(&images, &self.decode, |_, source| {
            match source {
                Some(source) => digests.append_value(source.digest().as_bytes()),
                None => digests.append_null(),
            }
            Ok(())
        });
        Ok(Evaluated { values: Arc::new(digests.finish()), errors })
    }
}

pub(super) fn rebuild_digest(_: &Description, _: &dyn Blobs, _: &FunctionKinds) -> Rebuilt {
    Ok(Arc::new(ImageDigest::default()))
}
