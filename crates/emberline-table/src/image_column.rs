//! The Arrow form of a column of images: Spark's image struct.
//!
//! `origin, height, width, nChannels, mode, data` with the nullability Spark gives them; `data` is row major,
//! channels interleaved, blue first (BGR, BGRA), without padding between rows; `mode` is OpenCV's type number.
//! (`ImageSchema.scala` of Spark 2.4 and later.)

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, Int32Array, Int32Builder, NullBufferBuilder,
    StringBuilder, StructArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int32Type};
use emberline_image::{Channels, Image};

/// OpenCV's type numbers of 8-bit images with 1, 3 and 4 channels.
const CV_8UC: [(Channels, i32); 3] = [(Channels::Gray, 0), (Channels::Rgb, 16), (Channels::Rgba, 24)];

static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        Field::new("origin", DataType::Utf8, true),
        Field::new("height", DataType::Int32, false),
        Field::new("width", DataType::Int32, false),
        Field::new("nChannels", DataType::Int32, false),
        Field::new("mode", DataType::Int32, false),
        Field::new("data", DataType::Binary, false),
    ])
});

/// The type of a column of images.
///
/// ```
/// use emberline_table::{image_type, is_image_type};
/// assert!(is_image_type(&image_type()));
/// ```
pub fn image_type() -> DataType {
    DataType::Struct(FIELDS.clone())
}

/// Whether a type is Spark's image struct: its six fields by name and type, whatever their nullability.
pub fn is_image_type(data_type: &DataType) -> bool {
    let DataType::Struct(fields) = data_type else { return false };
    fields.len() == FIELDS.len()
        && fields.iter().zip(FIELDS.iter()).all(|(found, expected)| {
            found.name() == expected.name() && same_storage(found.data_type(), expected.data_type())
        })
}

/// Text and bytes come in several Arrow layouts, which Parquet readers choose between.
fn same_storage(found: &DataType, expected: &DataType) -> bool {
    match expected {
        DataType::Utf8 => matches!(found, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
        DataType::Binary => matches!(found, DataType::Binary | DataType::LargeBinary | DataType::BinaryView),
        other => found == other,
    }
}

/// Builds a column of images.
///
/// ```
/// use emberline_image::{Channels, Image};
/// use emberline_table::{ImageBuilder, ImageColumn};
///
/// let red = Image::new(1, 1, Channels::Rgb, vec![255, 0, 0]).unwrap();
/// let mut builder = ImageBuilder::new();
/// builder.append(Some("red.png"), red);
/// builder.append_null();
/// let array = builder.finish();
/// let column = ImageColumn::try_new(&array).unwrap();
/// assert_eq!(column.get(0).unwrap().data, [0, 0, 255]); // stored blue first
/// assert!(column.get(1).is_none());
/// ```
#[derive(Debug, Default)]
pub struct ImageBuilder {
    origin: StringBuilder,
    height: Int32Builder,
    width: Int32Builder,
    channels: Int32Builder,
    mode: Int32Builder,
    data: BinaryBuilder,
    valid: Vec<bool>,
}

impl ImageBuilder {
    /// An empty column.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an image (RGB or RGBA become BGR or BGRA). Images larger than `i32::MAX` pixels a side can't exist:
    /// the decoder's limits are far below.
    pub fn append(&mut self, origin: Option<&str>, image: Image) {
        let int = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        let mode =
            CV_8UC.iter().find(|(channels, _)| *channels == image.channels()).map_or(-1, |(_, mode)| *mode);
        self.origin.append_option(origin);
        self.height.append_value(int(image.height()));
        self.width.append_value(int(image.width()));
        self.channels.append_value(image.channels() as i32);
        self.mode.append_value(mode);
        self.data.append_value(image.to_bgr().data());
        self.valid.push(true);
    }

    /// Adds a row without an image.
    pub fn append_null(&mut self) {
        self.origin.append_null();
        for column in [&mut self.height, &mut self.width, &mut self.channels, &mut self.mode] {
            column.append_value(-1);
        }
        self.data.append_value([]);
        self.valid.push(false);
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.valid.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.valid.is_empty()
    }

    /// How many bytes of pixels it holds.
    pub fn data_bytes(&self) -> usize {
        self.data.values_slice().len()
    }

    /// The column.
    pub fn finish(mut self) -> ArrayRef {
        let mut nulls = NullBufferBuilder::new(self.valid.len());
        self.valid.iter().for_each(|valid| nulls.append(*valid));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.origin.finish()),
            Arc::new(self.height.finish()),
            Arc::new(self.width.finish()),
            Arc::new(self.channels.finish()),
            Arc::new(self.mode.finish()),
            Arc::new(self.data.finish()),
        ];
        Arc::new(StructArray::new(FIELDS.clone(), columns, nulls.finish()))
    }
}

/// A column of images, read row by row.
#[derive(Debug, Clone)]
pub struct ImageColumn {
    rows: StructArray,
    height: Int32Array,
    width: Int32Array,
    channels: Int32Array,
    data: BinaryArray,
}

/// One row of a column of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageRow<'a> {
    /// Rows of pixels.
    pub height: i32,
    /// Pixels per row.
    pub width: i32,
    /// 1 (gray), 3 (BGR) or 4 (BGRA).
    pub channels: i32,
    /// `height * width * channels` bytes.
    pub data: &'a [u8],
}

impl ImageColumn {
    /// A view of `array`, if it is a column of images.
    pub fn try_new(array: &ArrayRef) -> Option<Self> {
        if !is_image_type(array.data_type()) {
            return None;
        }
        let rows = array.as_struct().clone();
        let int = |i: usize| rows.column(i).as_primitive::<Int32Type>().clone();
        let data = datafusion::arrow::compute::cast(rows.column(5), &DataType::Binary).ok()?;
        Some(Self {
            height: int(1),
            width: int(2),
            channels: int(3),
            data: data.as_binary::<i32>().clone(),
            rows,
        })
    }

    /// The image of row `i`; `None` where it is null.
    pub fn get(&self, i: usize) -> Option<ImageRow<'_>> {
        self.rows.is_valid(i).then(|| ImageRow {
            height: self.height.value(i),
            width: self.width.value(i),
            channels: self.channels.value(i),
            data: self.data.value(i),
        })
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl ImageRow<'_> {
    /// The pixels as an [`Image`].
    ///
    /// # Errors
    /// Why the row is no image: Spark's invalid row (-1 everywhere), a channel count other than 1, 3 or 4, or
    /// data of the wrong length.
    pub fn to_image(self) -> Result<Image, String> {
        let Self { height, width, channels, data } = self;
        let (Ok(h), Ok(w)) = (u32::try_from(height), u32::try_from(width)) else {
            return Err(format!("invalid image: height {height}, width {width}"));
        };
        let channels = CV_8UC
            .iter()
            .map(|(known, _)| *known)
            .find(|known| *known as i32 == channels)
            .ok_or_else(|| format!("{channels} channels, expected 1, 3 or 4"))?;
        let image = Image::new(w, h, channels, data.to_vec()).map_err(|e| e.to_string())?;
        Ok(image.from_bgr())
    }
}
