//! The container before PyTorch 1.6: five pickles one after the other (a magic number, a version, facts about the
//! system, the object, the list of storage keys), then every storage as its number of elements and its bytes.
//! The format is that of `_legacy_save` in `torch/serialization.py`.

use std::collections::BTreeMap;

use super::{
    Limits,
    container::Container,
    damaged,
    pickle::{self, Object, Pickle, Value},
};
use crate::{Result, source::Source};

const MAGIC_NUMBER: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL_VERSION: i64 = 1001;

/// The pickles stand before the numbers and take far less than this; a file where they take more is read whole.
const PICKLE_BYTES: u64 = 16 << 20;

pub(super) fn open(source: &Source, limits: &Limits) -> Result<Container> {
    let (object, keys, mut position) = match pickles(&source.start(PICKLE_BYTES)?, limits) {
        Err(_) if source.len() > PICKLE_BYTES => pickles(&source.start(u64::MAX)?, limits)?,
        found => found?,
    };
    let Some(Object::List(keys)) = keys.object(&keys.root) else {
        return Err(damaged(format!("expected a list of storage keys, found {:?}", keys.root)));
    };
    let mut storages = BTreeMap::new();
    for key in keys {
        let Value::Text(key) = key else { return Err(damaged("a storage key is not a text")) };
        let element_bytes = object
            .storages()
            .find(|storage| storage.key == *key)
            .ok_or_else(|| damaged(format!("storage `{key}` is listed, but no tensor uses it")))?
            .element
            .bytes();
        let start = position + 8;
        if start > source.len() {
            return Err(damaged(format!("it ends before storage `{key}`")));
        }
        let count = source.read(position..start)?;
        let count = u64::from_le_bytes(count.first_chunk().copied().unwrap_or_default());
        position = count
            .checked_mul(element_bytes as u64)
            .and_then(|length| start.checked_add(length))
            .filter(|end| *end <= source.len())
            .ok_or_else(|| damaged(format!("it ends within storage `{key}`")))?;
        storages.insert(key.to_string(), start..position);
    }
    Ok(Container { object, storages })
}

/// The object, the list of keys, and how many bytes the pickles take.
fn pickles(bytes: &[u8], limits: &Limits) -> Result<(Pickle, Pickle, u64)> {
    let mut rest = bytes;
    let mut next = || -> Result<Pickle> {
        let (pickle, used) = pickle::load(rest, limits)?;
        rest = rest.get(used..).unwrap_or_default();
        Ok(pickle)
    };
    if !next().is_ok_and(|magic| matches!(&magic.root, Value::Long(digits) if **digits == MAGIC_NUMBER)) {
        return Err(damaged("it is neither a zip archive nor an older torch.save file"));
    }
    let version = next()?.root;
    if !matches!(version, Value::Int(PROTOCOL_VERSION)) {
        return Err(damaged(format!("expected version {PROTOCOL_VERSION}, found {version:?}")));
    }
    let system = next()?;
    if !matches!(system.entry("little_endian"), Some(Value::Bool(true))) {
        return Err(damaged("numbers are not little-endian"));
    }
    let (object, keys) = (next()?, next()?);
    Ok((object, keys, (bytes.len() - rest.len()) as u64))
}
