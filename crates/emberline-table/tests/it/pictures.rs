//! Folders of pictures to test on, and what the tests share.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::util::pretty::pretty_format_batches;
use emberline_image::{Channels, Format, Image, encode};
use emberline_table::datafusion;
use emberline_table::{ColumnFunction, Description, Evaluated, ImageInput, RowError, TableError};

/// A PNG of one colour.
pub(crate) fn png(width: u32, height: u32, rgb: [u8; 3]) -> Result<Vec<u8>> {
    let data = rgb.repeat((width * height) as usize);
    Ok(encode(&Image::new(width, height, Channels::Rgb, data)?, Format::Png)?)
}

/// ```text
/// cats/a.png  4x2 red        cats/b.png  3x3 green
/// dogs/c.png  2x5 blue       dogs/broken.jpg  text     dogs/empty.png  nothing
/// d.png       1x1 white      .hidden.png, _tmp/e.png   left out
/// ```
pub(crate) fn folder(root: &Path) -> Result<()> {
    let write = |name: &str, bytes: &[u8]| -> Result<()> {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(root))?;
        Ok(std::fs::write(path, bytes)?)
    };
    write("cats/a.png", &png(4, 2, [255, 0, 0])?)?;
    write("cats/b.png", &png(3, 3, [0, 255, 0])?)?;
    write("dogs/c.png", &png(2, 5, [0, 0, 255])?)?;
    write("dogs/broken.jpg", b"this is not a picture")?;
    write("dogs/empty.png", b"")?;
    write("d.png", &png(1, 1, [255, 255, 255])?)?;
    write(".hidden.png", &png(1, 1, [0, 0, 0])?)?;
    write("_tmp/e.png", &png(1, 1, [0, 0, 0])?)
}

/// Batches as text, the rows sorted: the order of rows is not promised.
pub(crate) fn rows(batches: &[RecordBatch]) -> Result<Vec<String>> {
    let text = pretty_format_batches(batches)?.to_string();
    let mut rows: Vec<String> = text
        .lines()
        .skip(3)
        .filter(|line| line.starts_with('|'))
        .map(|line| squeezed(line.trim_matches('|')))
        .collect();
    rows.sort();
    Ok(rows)
}

fn squeezed(line: &str) -> String {
    line.split('|').map(str::trim).collect::<Vec<_>>().join("|")
}

/// Counts the rows it is run on; answers the number of bytes or pixels of an image.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) rows: AtomicUsize,
    /// Whether it ever saw a decoded image.
    pub(crate) saw_decoded: std::sync::atomic::AtomicBool,
}

impl ColumnFunction for Counting {
    fn describe(&self) -> Description {
        Description::new("counting", serde_json::Value::Null)
    }

    fn return_field(&self, inputs: &[FieldRef]) -> emberline_table::Result<FieldRef> {
        assert!(ImageInput::accepts(inputs[0].data_type()));
        Ok(Arc::new(Field::new("counting", DataType::Int64, true)))
    }

    fn evaluate(&self, inputs: &[ArrayRef]) -> emberline_table::Result<Evaluated> {
        self.rows.fetch_add(inputs[0].len(), Ordering::Relaxed);
        let images = ImageInput::try_new(&inputs[0]).ok_or_else(|| TableError::Setting {
            parameter: "image".into(),
            expected: "an image".into(),
            found: "none".into(),
        })?;
        if matches!(images, ImageInput::Decoded(..)) {
            self.saw_decoded.store(true, Ordering::Relaxed);
        }
        let mut errors = Vec::new();
        let answers: Int64Array = images
            .get(0, images.len(), &Default::default())
            .into_iter()
            .enumerate()
            .map(|(row, source)| match source?.and_then(|source| source.into_image(&Default::default())) {
                Ok(image) => Some(i64::from(image.width() * image.height())),
                Err(reason) => {
                    errors.push(RowError { row, origin: images.origin(row).map(String::from), reason });
                    None
                }
            })
            .collect();
        Ok(Evaluated { values: Arc::new(answers), errors })
    }
}

/// The texts of a column of batches, sorted.
pub(crate) fn texts(batches: &[RecordBatch], column: usize) -> Vec<Option<String>> {
    let mut all: Vec<Option<String>> = batches
        .iter()
        .flat_map(|batch| batch.column(column).as_string::<i32>().iter().map(|text| text.map(String::from)))
        .collect();
    all.sort();
    all
}
