//! The column functions that know images and networks; one per file.

mod decode_predictions;
mod image;
mod image_tensor;
mod model;
mod network;
mod pipeline;

pub use decode_predictions::{Class, DecodePredictions};
pub use image::{ImageDecode, ImageDigest, ImageEncode, ImageResize, ImageSide, Side};
pub use image_tensor::{ImageTensor, PixelChannels, TensorImage};
pub use model::ModelFunction;
pub use network::NetworkFunction;
pub use pipeline::PipelineFunction;

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, FixedSizeListArray, Float32Array, NullBufferBuilder};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};

use crate::describe::Rebuild;
use crate::error::{Result, TableError};
use crate::function::ColumnFunction;
use crate::input::ImageInput;

/// The kinds of function that this crate can rebuild.
pub(crate) const KINDS: &[(&str, Rebuild)] = &[
    (network::KIND, network::rebuild),
    (decode_predictions::KIND, decode_predictions::rebuild),
    (pipeline::KIND, pipeline::rebuild),
    (model::KIND, model::rebuild),
    (image_tensor::TENSOR, image_tensor::rebuild_tensor),
    (image_tensor::IMAGE, image_tensor::rebuild_image),
    (image::DECODE, image::rebuild_decode),
    (image::RESIZE, image::rebuild_resize),
    (image::ENCODE, image::rebuild_encode),
    (image::WIDTH, image::rebuild_width),
    (image::HEIGHT, image::rebuild_height),
    (image::DIGEST, image::rebuild_digest),
];

/// The functions that every session has, by their SQL names.
pub(crate) fn built_in() -> Vec<(&'static str, Arc<dyn ColumnFunction>)> {
    vec![
        (image::DECODE, Arc::new(ImageDecode::default())),
        (image::RESIZE, Arc::new(ImageResize::default())),
        (image::ENCODE, Arc::new(ImageEncode::default())),
        (image::WIDTH, Arc::new(ImageSide::new(Side::Width))),
        (image::HEIGHT, Arc::new(ImageSide::new(Side::Height))),
        (image::DIGEST, Arc::new(ImageDigest::default())),
    ]
}

/// The type of a column of vectors of `length` numbers.
pub fn vector_type(length: usize) -> DataType {
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, false)), length)
}

/// A column of vectors: `values` holds `length` numbers for every row, also for the null ones.
pub(crate) fn vectors(values: Vec<f32>, length: usize, valid: &[bool]) -> Result<ArrayRef> {
    let DataType::FixedSizeList(item, size) = vector_type(length) else {
        return Err(TableError::description("vector", "not a list"));
    };
    let mut nulls = NullBufferBuilder::new(valid.len());
    valid.iter().for_each(|valid| nulls.append(*valid));
    let values = Arc::new(Float32Array::from(values));
    Ok(Arc::new(FixedSizeListArray::try_new(item, size, values, nulls.finish())?))
}

/// Checks that a column holds images in some form.
pub(crate) fn check_image(function: &str, field: &FieldRef) -> Result<()> {
    if ImageInput::accepts(field.data_type()) {
        return Ok(());
    }
    Err(column_type(function, field, ImageInput::EXPECTED))
}

pub(crate) fn column_type(function: &str, field: &FieldRef, expected: &str) -> TableError {
    TableError::ColumnType {
        function: function.into(),
        column: field.name().clone(),
        expected: expected.into(),
        found: field.data_type().clone(),
    }
}

/// The images of a column that [`check_image`] accepted.
pub(crate) fn image_input(function: &str, array: &ArrayRef) -> Result<ImageInput> {
    ImageInput::try_new(array).ok_or_else(|| {
        let field: FieldRef = Arc::new(Field::new("image", array.data_type().clone(), true));
        column_type(function, &field, ImageInput::EXPECTED)
    })
}
