//! The container since PyTorch 1.6: a zip archive of uncompressed files: `NAME/data.pkl`, `NAME/byteorder`, and a file
//! `NAME/data/KEY` per storage.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read, Seek},
    ops::Range,
};

use zip::{CompressionMethod, ZipArchive, result::ZipError};

use super::{Limits, container::Container, damaged, pickle};
use crate::{Error, Result, source::Source};

pub(super) fn open(source: &Source, limits: &Limits) -> Result<Container> {
    let mut archive = ZipArchive::new(BufReader::new(source.reader())).map_err(zip_error)?;
    let names = archive.file_names().map(|name| Ok(name?.into_owned()));
    let names = names.collect::<Result<Vec<String>, _>>().map_err(zip_error)?;
    let program_name = names
        .iter()
        .find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"))
        .ok_or_else(|| damaged("the archive has no data.pkl, so it is not a torch.save file"))?;
    let folder = program_name.trim_end_matches("data.pkl");

    let byte_order = format!("{folder}byteorder");
    if names.contains(&byte_order) && *source.read(place(&mut archive, source, &byte_order)?)? != *b"little" {
        return Err(damaged("numbers are not little-endian"));
    }
    let program = source.read(place(&mut archive, source, program_name)?)?;
    let (object, _) = pickle::load(&program, limits)?;
    let prefix = format!("{folder}data/");
    let mut storages = BTreeMap::new();
    for name in &names {
        if let Some(key) = name.strip_prefix(&prefix) {
            storages.insert(key.to_owned(), place(&mut archive, source, name)?);
        }
    }
    Ok(Container { object, storages })
}

/// Where a file's content lies in the archive.
fn place(archive: &mut ZipArchive<impl Read + Seek>, source: &Source, name: &str) -> Result<Range<u64>> {
    let file = archive.by_name(name).map_err(zip_error)?;
    if file.compression() != CompressionMethod::Stored || file.encrypted() {
        return Err(damaged(format!("{name} is compressed or encrypted, which torch.save never does")));
    }
    let range = file.data_start().and_then(|start| Some(start..start.checked_add(file.size())?));
    range
        .filter(|range| range.end <= source.len())
        .ok_or_else(|| damaged(format!("{name} reaches beyond the archive")))
}

fn zip_error(error: ZipError) -> Error {
    damaged(format!("the zip archive can't be read: {error}"))
}
