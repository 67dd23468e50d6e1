//! Broken files end in an error whose message says why, and never in a panic or in half a picture.

use anyhow::{Result, ensure};
use emberline_image::{DecodeOptions, ImageError, Limits, decode, read_header};

use crate::goldens::{cases, read};

/// Places in each file at which it is cut off or changed.
const PLACES: usize = 150;

#[test]
fn bombs_are_refused_from_their_headers() -> Result<()> {
    for (file, name) in [
        ("bomb.png", "PNG"),
        ("bomb.jpg", "JPEG"),
        ("bomb.bmp", "BMP"),
        ("bomb.tiff", "TIFF"),
        ("bomb.gif", "GIF"),
        ("bomb.webp", "WebP"),
    ] {
        let bytes = read(file)?;
        let expected = format!("{name} declares 50000x50000 = 2500000000 pixels, limit 178956970");
        for error in [
            decode(&bytes, &DecodeOptions::default()).err(),
            read_header(&bytes, &DecodeOptions::default()).err(),
        ] {
            let found = error.map(|error| error.to_string());
            ensure!(found.as_deref() == Some(&expected), "{file}: {found:?}");
        }
    }
    Ok(())
}

#[test]
fn limits_hold() -> Result<()> {
    let check = |file: &str, limits: Limits, expected: &str| -> Result<()> {
        let options = DecodeOptions { limits, ..Default::default() };
        let found = decode(&read(file)?, &options).err().map(|error| error.to_string());
        ensure!(found.as_deref() == Some(expected), "{file}: {found:?}, expected {expected:?}");
        Ok(())
    };
    let pixels = Limits { pixels_max: 512, ..Limits::default() };
    check("rgb.png", pixels, "PNG declares 27x19 = 513 pixels, limit 512")?;
    let frames = Limits { frames_max: 2, ..Limits::default() };
    check("animated.gif", frames, "GIF has at least 3 frames, limit 2")?;
    check("animated.webp", frames, "WebP has at least 3 frames, limit 2")?;
    check("animated.png", frames, "PNG has at least 4 frames, limit 2")?;
    let pages = Limits { frames_max: 1, ..Limits::default() };
    check("pages.tiff", pages, "TIFF has at least 2 frames, limit 1")
}

#[test]
fn messages_name_what_is_wrong() -> Result<()> {
    let check = |bytes: &[u8], expected: &str| -> Result<()> {
        let found = decode(bytes, &DecodeOptions::default()).err().map(|error| error.to_string());
        ensure!(found.as_deref() == Some(expected), "{found:?}, expected {expected:?}");
        Ok(())
    };
    check(b"", "the file is empty (0 bytes)")?;
    check(b"<html>", "not a JPEG, PNG, WebP, GIF, BMP or TIFF file")?;
    let truncated = |name| format!("{name} is truncated: the data ends before the picture does");
    for (file, name) in [
        ("baseline_420.jpg", "JPEG"),
        ("rgb.png", "PNG"),
        ("rgb.bmp", "BMP"),
        ("opaque.gif", "GIF"),
        ("lossless.webp", "WebP"),
    ] {
        let bytes = read(file)?;
        check(&bytes[..bytes.len() / 2], &truncated(name))?;
    }
    check(
        &read("palette.tiff")?,
        "TIFF is not supported in this form: Photometric interpretation RGBPalette with bits per sample [8] is unsupported",
    )?;
    Ok(())
}

#[test]
fn no_cut_off_file_becomes_a_picture() -> Result<()> {
    let mut failures = Vec::new();
    for case in cases()?.decode {
        let bytes = read(&case.file)?;
        let whole = decode(&bytes, &DecodeOptions::default())?;
        for len in (0..bytes.len()).step_by(bytes.len().div_ceil(PLACES)) {
            match decode(&bytes[..len], &DecodeOptions::default()) {
                // What is cut off may be no part of the first picture: a checksum, metadata, further frames.
                Ok(image) if image != whole => failures.push(format!("{} cut to {len} bytes", case.file)),
                Ok(_) | Err(_) => {}
            }
            if case.file.ends_with("jpg") && decode(&bytes[..len], &DecodeOptions::default()).is_ok() {
                failures.push(format!("{} without its end, {len} bytes, is accepted", case.file));
            }
        }
    }
    ensure!(failures.is_empty(), "these decode to something else:\n{}", failures.join("\n"));
    Ok(())
}

#[test]
fn changed_bytes_never_panic() -> Result<()> {
    // Small enough a limit that a changed header does not make the test allocate gigabytes.
    let limits = Limits { pixels_max: 1 << 20, ..Limits::default() };
    let options = DecodeOptions { limits, ..Default::default() };
    let mut panics = Vec::new();
    for case in cases()?.decode {
        let bytes = read(&case.file)?;
        for place in (0..bytes.len()).step_by(bytes.len().div_ceil(PLACES)) {
            for change in [0x00, 0x01, 0x7F, 0xFF, bytes[place] ^ 0x10] {
                let mut changed = bytes.clone();
                changed[place] = change;
                let results = [read_header(&changed, &options).err(), decode(&changed, &options).err()];
                for error in results.into_iter().flatten() {
                    let message = error.to_string();
                    ensure!(!message.contains('\n'), "{message}");
                    if message.contains("panicked") {
                        panics.push(format!("{} at {place} = {change}", case.file));
                    }
                }
            }
        }
    }
    ensure!(panics.is_empty(), "decoders panicked:\n{}", panics.join("\n"));
    Ok(())
}

#[test]
fn errors_are_values() {
    fn sendable<T: Send + Sync + Clone + std::error::Error>() {}
    sendable::<ImageError>();
}
