//! Pictures and tables to test on.

use std::path::Path;

use anyhow::Result;
use emberline_image::{Channels, Format, Image, encode};
use emberline_table::datafusion::arrow::array::{AsArray, RecordBatch};
use emberline_table::datafusion::arrow::datatypes::Float64Type;
use emberline_table::datafusion::dataframe::DataFrame;
use emberline_table::{LabelFrom, ReadOptions, Session};

/// A picture of stripes of two colours: vertical ones of a certain width, or horizontal ones.
pub(crate) fn stripes(vertical: bool, width: u32, seed: u32) -> Result<Vec<u8>> {
    let side = 96;
    let (a, b) = ([200, 30 + (seed * 37 % 90) as u8, 40], [20, 90, 130 + (seed * 53 % 100) as u8]);
    let colour =
        |x: u32, y: u32| if (if vertical { x } else { y } / width).is_multiple_of(2) { a } else { b };
    let data = (0..side).flat_map(|y| (0..side).flat_map(move |x| colour(x, y))).collect();
    Ok(encode(&Image::new(side, side, Channels::Rgb, data)?, Format::Png)?)
}

/// Two folders of `count` pictures, `across` and `down`, and a file in each that is no picture.
pub(crate) fn folder(root: &Path, count: u32) -> Result<()> {
    for (label, vertical) in [("across", false), ("down", true)] {
        let dir = root.join(label);
        std::fs::create_dir_all(&dir)?;
        for i in 0..count {
            std::fs::write(dir.join(format!("{i}.png")), stripes(vertical, 4 + i % 5, i)?)?;
        }
        std::fs::write(dir.join("broken.png"), b"no picture")?;
    }
    Ok(())
}

pub(crate) async fn images(session: &Session, root: &Path) -> Result<DataFrame> {
    let options = ReadOptions { label: LabelFrom::Folder, ..Default::default() };
    Ok(session.read_images(&root.display().to_string(), options).await?)
}

/// All values of a column of doubles, nulls left out, sorted.
pub(crate) fn doubles(batches: &[RecordBatch], column: &str) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for batch in batches {
        let column = batch.column_by_name(column).ok_or_else(|| anyhow::anyhow!("no column {column}"))?;
        all.extend(column.as_primitive::<Float64Type>().iter().flatten());
    }
    all.sort_by(f64::total_cmp);
    Ok(all)
}
