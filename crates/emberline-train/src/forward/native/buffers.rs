//! Memory that kernels take again in every step. The system hands out fresh memory page by page, at a fault each, and takes large
//! pieces back at once: for what a step needs that costs as much as computing it.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn_dispatch::backends::flex::FlexTensor;
use burn_tensor::{AllocationProperty, Bytes, DType, TensorData};
use bytes::Bytes as Shared;

/// Pieces of fewer numbers are left to the allocator.
const LEN_MIN: usize = 1 << 12;

/// What nobody uses, by length.
static FREE: Mutex<BTreeMap<usize, Vec<Vec<f32>>>> = Mutex::new(BTreeMap::new());

fn free() -> MutexGuard<'static, BTreeMap<usize, Vec<Vec<f32>>>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kept(len: usize) -> Option<Vec<f32>> {
    if len < LEN_MIN { None } else { free().get_mut(&len)?.pop() }
}

/// Numbers of any value.
pub(super) fn any(len: usize) -> Vec<f32> {
    kept(len).unwrap_or_else(|| vec![0.0; len])
}

pub(super) fn zeros(len: usize) -> Vec<f32> {
    let Some(mut numbers) = kept(len) else { return vec![0.0; len] };
    numbers.fill(0.0);
    numbers
}

pub(super) fn give_back(numbers: Vec<f32>) {
    if numbers.len() >= LEN_MIN {
        free().entry(numbers.len()).or_default().push(numbers);
    }
}

/// For as long as memory is to be kept; then what nobody uses goes back to the system.
pub(crate) struct Kept;

impl Drop for Kept {
    fn drop(&mut self) {
        free().clear();
    }
}

/// Numbers that a kernel needs for a while.
pub(super) struct Scratch(Vec<f32>);

impl Scratch {
    /// Of any value.
    pub(super) fn new(len: usize) -> Self {
        Self(any(len))
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.0));
    }
}

/// A tensor whose memory comes back when nobody has it any more.
pub(super) fn tensor(numbers: Vec<f32>, shape: &[usize]) -> FlexTensor {
    if numbers.len() < LEN_MIN {
        return FlexTensor::from_data(TensorData::new(numbers, shape.to_vec()));
    }
    let bytes = Shared::from_owner(Lent(Some(Bytes::from_elems(numbers))));
    let bytes = Bytes::from_shared(bytes, AllocationProperty::Native);
    FlexTensor::from_data(TensorData::from_bytes(bytes, shape.to_vec(), DType::F32))
}

/// Numbers within a tensor.
struct Lent(Option<Bytes>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(Ok(numbers)) = self.0.take().map(Bytes::try_into_vec::<f32>) {
            give_back(numbers);
        }
    }
}
