//! What both containers hold: one pickled object, and the places of storages by key.

use std::{collections::BTreeMap, ops::Range};

use super::{Limits, legacy, pickle::Pickle, zipped};
use crate::{Result, source::Source};

pub(super) struct Container {
    pub(super) object: Pickle,
    /// Where little-endian elements lie in the file, by the storage's key.
    pub(super) storages: BTreeMap<String, Range<u64>>,
}

pub(super) fn open(source: &Source, limits: &Limits) -> Result<Container> {
    if source.start(2)?.starts_with(b"PK") {
        zipped::open(source, limits)
    } else {
        legacy::open(source, limits)
    }
}
