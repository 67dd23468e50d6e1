//! Reading PyTorch's `torch.save` files without executing anything.
//!
//! Such a file is a Python pickle, a program for a small stack machine that can call any Python function. The
//! interpreter here knows the few instructions and the handful of names that a dictionary of tensors consists of, and
//! refuses everything else by name. Both of PyTorch's containers are read: the zip archive (since 1.6) and the older
//! plain file.

mod container;
mod legacy;
mod pickle;
mod state;
mod storage;
mod zipped;

use std::{collections::BTreeMap, path::Path};

use crate::{Error, NamedTensors, Result, StoredTensor, Tensor, source::Source};

/// What a file may ask for. A file that asks for more is refused before anything is allocated for it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The bytes of the file.
    pub file_bytes: u64,
    /// The tensors in it.
    pub tensors: u64,
    /// The numbers in all of its tensors together.
    pub elements: u64,
    /// The pickle instructions carried out.
    pub pickle_steps: u64,
}

impl Default for Limits {
    /// Room for a network of a thousand million parameters.
    fn default() -> Self {
        Self { file_bytes: 4 << 30, tensors: 100_000, elements: 1 << 30, pickle_steps: 10_000_000 }
    }
}

/// Reads the tensors of a state dict by their names. `f64`, `f16`, `bf16` and integers become `f32`. A dictionary of
/// dictionaries, as in checkpoints, gives names joined by a dot.
///
/// # Errors
/// When the file can't be read, is damaged, exceeds a limit, or holds anything but a dictionary of tensors and plain
/// values.
///
/// ```no_run
/// let weights = emberline_net::pth::read_state_dict("efficientnet-lite0.pth", &Default::default())?;
/// assert_eq!(weights["_conv_stem.weight"].shape(), [32, 3, 3, 3]);
/// # Ok::<(), emberline_net::Error>(())
/// ```
pub fn read_state_dict(path: impl AsRef<Path>, limits: &Limits) -> Result<BTreeMap<String, Tensor>> {
    read(&Source::open(path.as_ref())?, limits)
}

/// [`read_state_dict`] of a file's bytes, which are copied.
pub fn parse_state_dict(bytes: &[u8], limits: &Limits) -> Result<BTreeMap<String, Tensor>> {
    read(&bytes.to_vec().into(), limits)
}

fn read(source: &Source, limits: &Limits) -> Result<BTreeMap<String, Tensor>> {
    NamedTensors::from(stored(source, limits)?).read()
}

/// The tensors of a file, found and not yet read.
pub(crate) fn stored(source: &Source, limits: &Limits) -> Result<BTreeMap<String, StoredTensor>> {
    check_limit("file_bytes", limits.file_bytes, source.len())?;
    let container = container::open(source, limits)?;
    let tensors = state::tensors(&container.object)?;
    check_limit("tensors", limits.tensors, tensors.len() as u64)?;
    let elements = tensors.values().try_fold(0_u64, |sum, tensor| sum.checked_add(tensor.len()?));
    check_limit("elements", limits.elements, elements.unwrap_or(u64::MAX))?;
    let stored = |tensor| storage::stored(source, &container, tensor);
    tensors.into_iter().map(|(name, tensor)| Ok((name, stored(tensor)?))).collect()
}

fn check_limit(limit: &'static str, allowed: u64, asked: u64) -> Result<()> {
    if asked > allowed { Err(Error::Limit { format: FORMAT, limit, allowed, asked }) } else { Ok(()) }
}

const FORMAT: &str = "PyTorch";

fn damaged(problem: impl Into<String>) -> Error {
    Error::Format { format: FORMAT, problem: problem.into() }
}
