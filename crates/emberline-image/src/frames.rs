//! How many frames or pages a file declares, from its index alone: nothing is decompressed.
//!
//! Walks stop quietly where a file is cut off or makes no sense; its decoder says so better.

use crate::Format;

/// What the index of a file says of its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frames {
    /// Frames or pages, counted no further than the `stop` asked for.
    pub(crate) count: u32,
    /// Of a GIF: the first frame covers the whole screen and has no transparent colour.
    pub(crate) first_is_opaque: bool,
}

/// Counts the frames of a file up to `stop`.
pub(crate) fn scan(format: Format, bytes: &[u8], stop: u32) -> Frames {
    let mut frames = Frames { count: 0, first_is_opaque: false };
    // A walk ends with `None` where the bytes do.
    let _ended = match format {
        Format::Gif => gif(bytes, stop, &mut frames),
        Format::WebP => webp(bytes, stop, &mut frames),
        Format::Png => png(bytes, &mut frames),
        Format::Tiff => tiff(bytes, stop, &mut frames),
        Format::Jpeg | Format::Bmp => None,
    };
    frames.count = frames.count.max(1);
    frames
}

/// GIF89a specification, sections 17 to 27: blocks of length-prefixed sub-blocks.
fn gif(bytes: &[u8], stop: u32, frames: &mut Frames) -> Option<()> {
    let colour_table_len = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let skip_sub_blocks = |mut at: usize| loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            len => at += 1 + usize::from(len),
        }
    };
    let screen = bytes.get(6..10)?;
    let mut at = 13 + colour_table_len(*bytes.get(10)?);
    let mut transparent = false;
    while frames.count < stop {
        match *bytes.get(at)? {
            0x21 => {
                if bytes.get(at + 1..at + 3)? == [0xF9, 4] {
                    transparent = bytes.get(at + 3)? & 1 != 0;
                }
                at = skip_sub_blocks(at + 2)?;
            }
            0x2C => {
                let descriptor = bytes.get(at + 1..at + 10)?;
                if frames.count == 0 {
                    let covers = descriptor[..4] == [0; 4] && descriptor[4..8] == *screen;
                    frames.first_is_opaque = covers && !transparent;
                }
                frames.count += 1;
                transparent = false;
                // One byte of code size stands before the compressed pixels.
                at = skip_sub_blocks(at + 11 + colour_table_len(descriptor[8]))?;
            }
            _ => return None,
        }
    }
    Some(())
}

/// WebP container specification: RIFF chunks, one `ANMF` for each frame.
fn webp(bytes: &[u8], stop: u32, frames: &mut Frames) -> Option<()> {
    let mut at = 12_usize;
    while frames.count < stop {
        let len = u32_at(bytes, at + 4, u32::from_le_bytes)?;
        if bytes.get(at..at + 4)? == b"ANMF" {
            frames.count += 1;
        }
        at = at.checked_add(8 + len as usize)?.checked_next_multiple_of(2)?;
    }
    Some(())
}

/// APNG specification: the chunk `acTL`, before the first `IDAT`, declares the number of frames.
fn png(bytes: &[u8], frames: &mut Frames) -> Option<()> {
    let mut at = 8_usize;
    loop {
        let len = u32_at(bytes, at, u32::from_be_bytes)?;
        match bytes.get(at + 4..at + 8)? {
            b"acTL" => frames.count = u32_at(bytes, at + 8, u32::from_be_bytes)?,
            b"IDAT" => return Some(()),
            _ => {}
        }
        at = at.checked_add(12 + len as usize)?;
    }
}

/// TIFF 6.0 section 2: a chain of directories, one for each page. A chain that runs in a circle ends at `stop`.
fn tiff(bytes: &[u8], stop: u32, frames: &mut Frames) -> Option<()> {
    let little = bytes.first()? == &b'I';
    if bytes.get(if little { 2 } else { 3 })? == &43 {
        // Files over 4 GiB with 64-bit offsets exceed any sensible limit on bytes; their first page is read.
        return None;
    }
    let u32_from = if little { u32::from_le_bytes } else { u32::from_be_bytes };
    let u16_from = if little { u16::from_le_bytes } else { u16::from_be_bytes };
    let mut at = u32_at(bytes, 4, u32_from)? as usize;
    while at != 0 && frames.count < stop {
        let entries = bytes.get(at..at.checked_add(2)?)?;
        frames.count += 1;
        at = u32_at(bytes, at + 2 + 12 * usize::from(u16_from([entries[0], entries[1]])), u32_from)? as usize;
    }
    Some(())
}

fn u32_at(bytes: &[u8], at: usize, from: fn([u8; 4]) -> u32) -> Option<u32> {
    Some(from(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}
