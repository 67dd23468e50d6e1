//! The forms in which a stage that wants pixels accepts them: decoded, encoded, or named.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, StringArray, StructArray,
};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::compute::{cast, nullif};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use emberline_image::{DecodeOptions, Image};
use emberline_net::Digest;

use crate::error::Result;
use crate::image_column::{ImageColumn, is_image_type};
use crate::source;

/// A column of images in any accepted form:
///
/// - Spark's image struct (decoded pixels);
/// - encoded bytes: a binary column;
/// - encoded bytes with their origin: a struct `{bytes, path}`, which is also how Hugging Face datasets keep images;
///   where `bytes` is null, the file at `path` is read;
/// - URIs: a string column of local paths, `s3://...`, `https://...`.
#[derive(Debug, Clone)]
pub enum ImageInput {
    /// Decoded pixels.
    Decoded(Box<ImageColumn>, StringArray),
    /// Encoded bytes, and where they came from if known.
    Encoded(BinaryArray, Option<StringArray>),
    /// Addresses.
    Uris(StringArray),
}

/// A part of a column's buffer as an owner of bytes.
struct Slice(Buffer);

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// One image of an [`ImageInput`], its bytes at hand.
#[derive(Debug, Clone)]
pub enum PixelSource {
    /// Decoded pixels.
    Image(Image),
    /// An encoded file.
    Bytes(Bytes),
}

impl PixelSource {
    /// The SHA-256 of the encoded bytes, or of a decoded image's size and pixels.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Bytes(bytes) => Digest::of(bytes),
            Self::Image(image) => {
                let size = [image.width(), image.height(), image.channels().count() as u32];
                let size: Vec<u8> = size.iter().flat_map(|side| side.to_le_bytes()).collect();
                Digest::of_parts([&size[..], image.data()])
            }
        }
    }

    /// The pixels.
    ///
    /// # Errors
    /// Why there are none.
    pub fn into_image(self, options: &DecodeOptions) -> Result<Image, String> {
        match self {
            Self::Image(image) => Ok(image),
            Self::Bytes(bytes) => emberline_image::decode(&bytes, options).map_err(|e| e.to_string()),
        }
    }
}

/// The type of encoded images with their origin: `{bytes, path}`.
pub(crate) fn encoded_type() -> DataType {
    DataType::Struct(encoded_fields())
}

fn encoded_fields() -> Fields {
    Fields::from(vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)])
}

/// A column of encoded images with their origin; where there are no bytes, who wants them has to read the path.
pub(crate) fn encoded_column(bytes: BinaryArray, path: StringArray) -> ArrayRef {
    Arc::new(StructArray::new(encoded_fields(), vec![Arc::new(bytes), Arc::new(path)], None))
}

impl ImageInput {
    /// What it accepts, in words for an error.
    pub const EXPECTED: &str =
        "an image struct, encoded bytes (binary), a struct {bytes, path}, or a URI (string)";

    /// Whether a column of this type is accepted.
    pub fn accepts(data_type: &DataType) -> bool {
        is_image_type(data_type)
            || is_text(data_type)
            || is_bytes(data_type)
            || encoded_parts(data_type).is_some()
    }

    /// A view of `array`, if its type is accepted.
    pub fn try_new(array: &ArrayRef) -> Option<Self> {
        let data_type = array.data_type();
        let text = |array: &ArrayRef| Some(cast(array, &DataType::Utf8).ok()?.as_string::<i32>().clone());
        let bytes = |array: &ArrayRef| Some(cast(array, &DataType::Binary).ok()?.as_binary::<i32>().clone());
        if let Some(column) = ImageColumn::try_new(array) {
            return Some(Self::Decoded(Box::new(column), text(array.as_struct().column(0))?));
        }
        if let Some((content, path)) = encoded_parts(data_type) {
            let rows = array.as_struct();
            // A null row has neither bytes nor path, whatever its children hold.
            let mask = rows.nulls().map(|nulls| BooleanArray::new(!nulls.inner(), None));
            let child = |i: usize| match &mask {
                Some(mask) => nullif(rows.column(i), mask).ok(),
                None => Some(rows.column(i).clone()),
            };
            return Some(Self::Encoded(bytes(&child(content)?)?, Some(text(&child(path)?)?)));
        }
        match data_type {
            _ if is_text(data_type) => Some(Self::Uris(text(array)?)),
            _ if is_bytes(data_type) => Some(Self::Encoded(bytes(array)?, None)),
            _ => None,
        }
    }

    /// The images of rows `from..to`: `None` for a null, or the reason why there are no bytes. Remote addresses
    /// are read at the same time.
    pub fn get(
        &self,
        from: usize,
        to: usize,
        options: &DecodeOptions,
    ) -> Vec<Option<Result<PixelSource, String>>> {
        let bytes_max = options.limits.encoded_bytes_max;
        match self {
            Self::Decoded(column, _) => {
                (from..to).map(|i| column.get(i).map(|row| row.to_image().map(PixelSource::Image))).collect()
            }
            Self::Encoded(bytes, paths) => {
                let unread = |i: usize| paths.as_ref().filter(|paths| bytes.is_null(i) && paths.is_valid(i));
                let fetched = source::fetch_all((from..to).map(|i| Some(unread(i)?.value(i))), bytes_max);
                let own = |i: usize| {
                    // A slice of the column's own buffer: nothing is copied.
                    let range = bytes.value_offsets()[i] as usize..bytes.value_offsets()[i + 1] as usize;
                    Ok(Bytes::from_owner(Slice(bytes.values().slice_with_length(range.start, range.len()))))
                };
                let either =
                    |(i, fetched): (usize, Option<_>)| if bytes.is_valid(i) { Some(own(i)) } else { fetched };
                (from..to)
                    .zip(fetched)
                    .map(either)
                    .map(|one| one.map(|bytes| bytes.map(PixelSource::Bytes)))
                    .collect()
            }
            Self::Uris(uris) => {
                let uris = (from..to).map(|i| uris.is_valid(i).then(|| uris.value(i)));
                let fetched = source::fetch_all(uris, bytes_max);
                fetched.into_iter().map(|one| one.map(|bytes| bytes.map(PixelSource::Bytes))).collect()
            }
        }
    }

    /// Where the image of row `i` came from, if the column says.
    pub fn origin(&self, i: usize) -> Option<&str> {
        let texts = match self {
            Self::Decoded(_, origins) => origins,
            Self::Encoded(_, origins) => origins.as_ref()?,
            Self::Uris(uris) => uris,
        };
        texts.is_valid(i).then(|| texts.value(i))
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        match self {
            Self::Decoded(column, _) => column.len(),
            Self::Encoded(bytes, _) => bytes.len(),
            Self::Uris(uris) => uris.len(),
        }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The positions of the bytes and the path in a struct of encoded images.
fn encoded_parts(data_type: &DataType) -> Option<(usize, usize)> {
    let DataType::Struct(fields) = data_type else { return None };
    let (content, bytes) = fields.find("bytes")?;
    let (path, origin) = fields.find("path")?;
    (fields.len() == 2 && is_bytes(bytes.data_type()) && is_text(origin.data_type()))
        .then_some((content, path))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
    )
}
