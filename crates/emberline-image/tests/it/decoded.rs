//! Every form of file decodes to what Pillow reads from it.

use anyhow::{Context, Result, ensure};
use emberline_image::{Channels, DecodeOptions, Format, decode, read_header};

use crate::goldens::{cases, distance, read};

/// Pillow decodes with libjpeg-turbo and libwebp, whose transforms round differently.
const LOSSY_LEVELS_MAX: u8 = 4;
/// CMYK to RGB multiplies and divides by 255 with roundings of its own.
const CMYK_LEVELS_MAX: u8 = 1;

#[test]
fn files_decode_as_in_pillow() -> Result<()> {
    let mut failures = Vec::new();
    for case in cases()?.decode {
        let levels_max = match case.tolerance.as_str() {
            "exact" => 0,
            "lossy" => LOSSY_LEVELS_MAX,
            _ => CMYK_LEVELS_MAX,
        };
        let check = || -> Result<()> {
            let bytes = read(&case.file)?;
            let image = decode(&bytes, &DecodeOptions::default())?;
            let levels = distance(&image, &case.expected()?)?;
            ensure!(levels <= levels_max, "off by {levels} levels, at most {levels_max} allowed");
            let header = read_header(&bytes, &DecodeOptions::default())?;
            let shape = (header.width, header.height, header.channels);
            ensure!(shape == (case.width, case.height, case.channels()), "header says {shape:?}");
            ensure!(Some(header.format) == Format::sniff(&bytes));
            Ok(())
        };
        if let Err(error) = check() {
            failures.push(format!("{}: {error:#}", case.file));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

#[test]
fn orientation_can_be_left_as_stored() -> Result<()> {
    let options = DecodeOptions { orient: false, ..Default::default() };
    let cases = cases()?.decode;
    let upright = cases.iter().find(|case| case.file == "orientation_1.jpg").context("no such fixture")?;
    for case in
        cases.iter().filter(|case| case.file.starts_with("orientation_") && case.file.ends_with("jpg"))
    {
        let stored = decode(&read(&case.file)?, &options)?;
        let levels = distance(&stored, &upright.expected()?)?;
        ensure!(levels <= LOSSY_LEVELS_MAX, "{}: off by {levels} levels", case.file);
    }
    Ok(())
}

#[test]
fn names_do_not_matter_and_neither_does_what_follows() -> Result<()> {
    // JPEG files of phones carry a film or a second picture after the first.
    for file in
        ["baseline_420.jpg", "progressive.jpg", "rgb.png", "lossy.webp", "opaque.gif", "rgb.bmp", "rgb.tiff"]
    {
        let bytes = read(file)?;
        let expected = decode(&bytes, &DecodeOptions::default())?;
        let longer = [bytes.as_slice(), &[0x5A; 1000]].concat();
        ensure!(decode(&longer, &DecodeOptions::default())? == expected, "{file}");
        ensure!(expected.channels() == Channels::Rgb);
    }
    Ok(())
}
