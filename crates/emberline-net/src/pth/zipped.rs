//! The container since PyTorch 1.6: a zip archive of uncompressed files: `NAME/data.pkl`, `NAME/byteorder`, and a file
//! `NAME/data/KEY` per storage.

use std::{collections::BTreeMap, io::Cursor};

use zip::{CompressionMethod, ZipArchive, result::ZipError};

use super::{Limits, container::Container, damaged, pickle};
use crate::{Error, Result};

pub(super) fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Container<'a>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(zip_error)?;
    let names = archive.file_names().map(|name| Ok(name?.into_owned()));
    let names = names.collect::<Result<Vec<String>, _>>().map_err(zip_error)?;
    let program_name = names
        .iter()
        .find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"))
        .ok_or_else(|| damaged("the archive has no data.pkl, so it is not a torch.save file"))?;
    let folder = program_name.trim_end_matches("data.pkl");

    let byte_order = format!("{folder}byteorder");
    if names.contains(&byte_order) && content(&mut archive, bytes, &byte_order)? != b"little" {
        return Err(damaged("numbers are not little-endian"));
    }
    let (object, _) = pickle::load(content(&mut archive, bytes, program_name)?, limits)?;
    let prefix = format!("{folder}data/");
    let mut storages = BTreeMap::new();
    for name in &names {
        if let Some(key) = name.strip_prefix(&prefix) {
            storages.insert(key.to_owned(), content(&mut archive, bytes, name)?);
        }
    }
    Ok(Container { object, storages })
}

/// A file's content where it lies in the archive.
fn content<'a>(archive: &mut ZipArchive<Cursor<&'a [u8]>>, bytes: &'a [u8], name: &str) -> Result<&'a [u8]> {
    let file = archive.by_name(name).map_err(zip_error)?;
    if file.compression() != CompressionMethod::Stored || file.encrypted() {
        return Err(damaged(format!("{name} is compressed or encrypted, which torch.save never does")));
    }
    let range = file.data_start().and_then(|start| {
        let start = usize::try_from(start).ok()?;
        Some(start..start.checked_add(usize::try_from(file.size()).ok()?)?)
    });
    range
        .and_then(|range| bytes.get(range))
        .ok_or_else(|| damaged(format!("{name} reaches beyond the archive")))
}

fn zip_error(error: ZipError) -> Error {
    damaged(format!("the zip archive can't be read: {error}"))
}
