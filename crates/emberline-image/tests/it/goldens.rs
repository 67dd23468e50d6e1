//! The fixtures: files, and what the reference makes of them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use emberline_image::{Channels, Image};
use serde::Deserialize;

/// `cases.json`.
#[derive(Deserialize)]
pub(crate) struct Cases {
    pub(crate) decode: Vec<Case>,
    pub(crate) resize: Vec<Case>,
}

/// A file, what is done to it, and the pixels that come out.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) file: String,
    /// How near decoded pixels come: `exact`, `lossy` or `cmyk`.
    #[serde(default)]
    pub(crate) tolerance: String,
    /// How pixels are resized.
    #[serde(default)]
    pub(crate) rule: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Pillow's name for the channels.
    pub(crate) mode: String,
    offset: usize,
}

impl Case {
    pub(crate) fn channels(&self) -> Channels {
        match self.mode.as_str() {
            "L" => Channels::Gray,
            "RGB" => Channels::Rgb,
            _ => Channels::Rgba,
        }
    }

    /// The pixels that the reference makes of the file.
    pub(crate) fn expected(&self) -> Result<Image> {
        let len = self.width as usize * self.height as usize * self.channels().count();
        let all = read("expected.bin")?;
        let pixels = all.get(self.offset..self.offset + len).context("expected.bin is too short")?;
        Ok(Image::new(self.width, self.height, self.channels(), pixels.to_vec())?)
    }
}

pub(crate) fn cases() -> Result<Cases> {
    Ok(serde_json::from_slice(&read("cases.json")?)?)
}

/// The bytes of a fixture.
pub(crate) fn read(file: &str) -> Result<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    std::fs::read(&path).with_context(|| format!("{}: run tools/goldens/image.py", path.display()))
}

/// Largest difference of two pictures' bytes; an error when they differ in size or channels.
pub(crate) fn distance(found: &Image, expected: &Image) -> Result<u8> {
    let shape = |image: &Image| (image.width(), image.height(), image.channels());
    anyhow::ensure!(shape(found) == shape(expected), "{:?}, expected {:?}", shape(found), shape(expected));
    Ok(found.data().iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0))
}
