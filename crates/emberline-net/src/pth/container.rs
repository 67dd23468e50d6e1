//! What both containers hold: one pickled object, and the bytes of storages by key.

use std::collections::BTreeMap;

use super::{Limits, legacy, pickle::Pickle, zipped};
use crate::Result;

pub(super) struct Container<'a> {
    pub(super) object: Pickle,
    /// Little-endian elements by the storage's key.
    pub(super) storages: BTreeMap<String, &'a [u8]>,
}

pub(super) fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Container<'a>> {
    if bytes.starts_with(b"PK") { zipped::open(bytes, limits) } else { legacy::open(bytes, limits) }
}
