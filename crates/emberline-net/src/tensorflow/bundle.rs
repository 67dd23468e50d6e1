//! A checkpoint's tensors: `variables.index`, a table in LevelDB's format (`tensorflow/core/lib/io/table_format.txt`) of
//! `BundleEntryProto`, and `variables.data-*`, the numbers.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use prost::Message;

use super::{
    TensorFlowLimits, check_bytes, problem,
    proto::{BundleEntryProto, BundleHeaderProto},
    tensor::{Constant, byte_len, element_of, sizes_of},
};
use crate::{
    ElementType, Error, Result,
    protobuf::{take, varint},
};

const MAGIC: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();
const FOOTER_BYTES: usize = 48;
/// Names of tensors are shorter.
const KEY_BYTES_MAX: usize = 4096;

/// An open checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Bundle {
    /// The path of the files without their endings.
    prefix: PathBuf,
    shards: i32,
    entries: BTreeMap<String, BundleEntryProto>,
}

impl Bundle {
    /// Reads the index of a checkpoint, `prefix.index`.
    pub(super) fn open(prefix: &Path, limits: &TensorFlowLimits) -> Result<Self> {
        let path = with_ending(prefix, "index");
        let io = |source| Error::Io { path: path.clone(), source };
        check_bytes(std::fs::metadata(&path).map_err(io)?.len(), limits.file_bytes)?;
        let damaged = |reason: String| problem(format!("{}: {reason}", path.display()));
        let mut bundle = Self { prefix: prefix.to_owned(), shards: 1, entries: BTreeMap::new() };
        for (key, value) in table(&std::fs::read(&path).map_err(io)?, limits.fields).map_err(damaged)? {
            let damaged_entry =
                |error| damaged(format!("entry `{}`: {error}", String::from_utf8_lossy(&key)));
            if key.is_empty() {
                let header = BundleHeaderProto::decode(value.as_slice()).map_err(damaged_entry)?;
                if header.endianness != 0 {
                    return Err(damaged("its numbers are big-endian, expected little-endian".to_owned()));
                }
                bundle.shards = header.num_shards;
                continue;
            }
            let entry = BundleEntryProto::decode(value.as_slice()).map_err(damaged_entry)?;
            bundle.entries.insert(String::from_utf8_lossy(&key).into_owned(), entry);
        }
        Ok(bundle)
    }

    /// The tensor of a key.
    pub(super) fn tensor(&self, key: &str, limits: &TensorFlowLimits) -> Result<Constant> {
        let wrong = |reason: &str| problem(format!("the checkpoint's tensor `{key}` {reason}"));
        let entry = self.entries.get(key).ok_or_else(|| wrong("is missing"))?;
        if !entry.slices.is_empty() {
            return Err(wrong("is stored in slices, which are not read"));
        }
        let element = element_of(entry.dtype).filter(|element| *element != ElementType::String);
        let element = element.ok_or_else(|| wrong("holds no numbers"))?;
        let shape: Option<Vec<usize>> = sizes_of(Some(&entry.shape.clone().unwrap_or_default()))
            .and_then(|sizes| sizes.into_iter().collect());
        let shape = shape.ok_or_else(|| wrong("has no known shape"))?;
        let size = u64::try_from(entry.size).unwrap_or(0);
        check_bytes(size, limits.file_bytes)?;
        if byte_len(element, &shape).map(|bytes| bytes as u64) != Some(size) {
            return Err(wrong(&format!("of shape {shape:?} has {size} bytes")));
        }
        let path = with_ending(&self.prefix, &format!("data-{:05}-of-{:05}", entry.shard_id, self.shards));
        let io = |source| Error::Io { path: path.clone(), source };
        let mut file = File::open(&path).map_err(io)?;
        let offset = u64::try_from(entry.offset).unwrap_or(0);
        if offset.saturating_add(size) > file.metadata().map_err(io)?.len() {
            return Err(wrong("ends after its file"));
        }
        let mut data = vec![0; usize::try_from(size).unwrap_or(0)];
        file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut data)).map_err(io)?;
        Ok(Constant { element, shape, data })
    }
}

fn with_ending(prefix: &Path, ending: &str) -> PathBuf {
    let mut path = prefix.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// The keys and values of a table.
fn table(bytes: &[u8], entries_max: u64) -> Result<Entries, String> {
    let footer = bytes.len().checked_sub(FOOTER_BYTES).map(|at| &bytes[at..]);
    let Some(mut footer) = footer.filter(|footer| footer.ends_with(&MAGIC)) else {
        return Err("it is no checkpoint's index".to_owned());
    };
    let cut = || "it is damaged".to_owned();
    let _meta_index = handle(&mut footer).ok_or_else(cut)?;
    let index = handle(&mut footer).ok_or_else(cut)?;
    let mut entries = Entries::new();
    for (_, value) in block(bytes, index, entries_max)? {
        let data = handle(&mut value.as_slice()).ok_or_else(cut)?;
        let left = entries_max.saturating_sub(entries.len() as u64);
        entries.extend(block(bytes, data, left)?);
    }
    Ok(entries)
}

/// Where a block begins, and its length.
fn handle(bytes: &mut &[u8]) -> Option<(u64, u64)> {
    Some((varint(bytes)?, varint(bytes)?))
}

/// The entries of a block, whose keys are stored as what they add to the one before.
fn block(bytes: &[u8], (offset, length): (u64, u64), entries_max: u64) -> Result<Entries, String> {
    let cut = || "it is damaged".to_owned();
    let range = || {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        Some((bytes.get(start..end)?, *bytes.get(end)?))
    };
    let (content, compression) = range().ok_or_else(cut)?;
    if compression != 0 {
        return Err("it is compressed, which is not read".to_owned());
    }
    let (content, restarts) = content.split_last_chunk::<4>().ok_or_else(cut)?;
    let restarts = usize::try_from(u32::from_le_bytes(*restarts)).ok().and_then(|count| count.checked_mul(4));
    let mut rest =
        restarts.and_then(|bytes| content.get(..content.len().checked_sub(bytes)?)).ok_or_else(cut)?;
    let mut entries = Entries::new();
    let mut key = Vec::new();
    while !rest.is_empty() {
        let shared = varint(&mut rest).and_then(|shared| usize::try_from(shared).ok());
        let (added, value) = (varint(&mut rest).ok_or_else(cut)?, varint(&mut rest).ok_or_else(cut)?);
        key.truncate(shared.filter(|shared| *shared <= key.len()).ok_or_else(cut)?);
        key.extend_from_slice(take(&mut rest, added).ok_or_else(cut)?);
        let value = take(&mut rest, value).ok_or_else(cut)?;
        if key.len() > KEY_BYTES_MAX {
            return Err(format!("a name has more than {KEY_BYTES_MAX} bytes"));
        }
        if entries.len() as u64 >= entries_max {
            return Err(format!("it has more than {entries_max} entries"));
        }
        entries.push((key.clone(), value.to_vec()));
    }
    Ok(entries)
}
