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
use crate::Result;

const MAGIC_NUMBER: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL_VERSION: i64 = 1001;

pub(super) fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Container<'a>> {
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
    let object = next()?;
    let keys = next()?;
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
        let (count, after) = rest
            .split_first_chunk::<8>()
            .ok_or_else(|| damaged(format!("it ends before storage `{key}`")))?;
        let length = usize::try_from(u64::from_le_bytes(*count)).ok();
        let (content, after) = length
            .and_then(|count| after.split_at_checked(count.checked_mul(element_bytes)?))
            .ok_or_else(|| damaged(format!("it ends within storage `{key}`")))?;
        storages.insert(key.to_string(), content);
        rest = after;
    }
    Ok(Container { object, storages })
}
