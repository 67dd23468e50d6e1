//! The container of a `.keras` file: a zip archive of `config.json`, `metadata.json` and `model.weights.h5`.

use std::io::{Cursor, Read};

use zip::{ZipArchive, result::ZipError};

use super::{Limits, check_limit, problem};
use crate::{Error, Result};

/// Below this size a part may be packed as well as it will.
const SMALL_BYTES: u64 = 1 << 20;

pub(super) struct Parts {
    pub(super) config: Vec<u8>,
    pub(super) metadata: Vec<u8>,
    pub(super) weights: Vec<u8>,
}

pub(super) fn open(bytes: &[u8], limits: &Limits) -> Result<Parts> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(zip_error)?;
    let config_bytes = limits.config_bytes as u64;
    let config = content(&mut archive, "config.json", "config_bytes", config_bytes, limits)?;
    let metadata = content(&mut archive, "metadata.json", "config_bytes", config_bytes, limits)?;
    let weights = content(&mut archive, "model.weights.h5", "file_bytes", limits.weights.file_bytes, limits)?;
    Ok(Parts { config, metadata, weights })
}

/// A part's bytes, of which no more are unpacked than are allowed and than it says it has.
fn content(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
    limit: &'static str,
    allowed: u64,
    limits: &Limits,
) -> Result<Vec<u8>> {
    let mut part = match archive.by_name(name) {
        Ok(part) => part,
        Err(ZipError::FileNotFound) => {
            return Err(problem(format!(
                "the archive has no `{name}`, so it is not a file that Keras 3 saved"
            )));
        }
        Err(error) => return Err(zip_error(error)),
    };
    let size = part.size();
    check_limit(limit, allowed, size)?;
    if size > SMALL_BYTES {
        check_limit("inflation", limits.inflation, size / part.compressed_size().max(1))?;
    }
    let mut content = Vec::new();
    let read = part.by_ref().take(size).read_to_end(&mut content);
    read.map_err(|error| problem(format!("`{name}` can't be unpacked: {error}")))?;
    match content.len() as u64 == size {
        true => Ok(content),
        false => Err(problem(format!("`{name}` is said to have {size} bytes and has {}", content.len()))),
    }
}

fn zip_error(error: ZipError) -> Error {
    problem(format!("it is neither HDF5 nor a zip archive that can be read: {error}"))
}
