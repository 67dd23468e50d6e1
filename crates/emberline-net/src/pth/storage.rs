//! From stored bytes to tensors.

use std::rc::Rc;

use half::{bf16, f16};

use super::{container::Container, damaged};
use crate::{Result, StoredTensor, Tensor, source::Source, tensor};

/// More axes than any network's weights have; PyTorch's own limit is 64.
const AXES_MAX: usize = 16;

/// The type of a storage's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Element {
    /// The element of one of PyTorch's storage classes.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }

    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// Little-endian bytes, as many as [`bytes`](Self::bytes), as the nearest `f32`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "weights are kept in 32 bits"
    )]
    fn read(self, bytes: &[u8]) -> f32 {
        fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
            bytes.first_chunk().copied().unwrap_or([0; N])
        }
        match self {
            Self::F64 => f64::from_le_bytes(array(bytes)) as f32,
            Self::F32 => f32::from_le_bytes(array(bytes)),
            Self::F16 => f16::from_le_bytes(array(bytes)).to_f32(),
            Self::Bf16 => bf16::from_le_bytes(array(bytes)).to_f32(),
            Self::I64 => i64::from_le_bytes(array(bytes)) as f32,
            Self::I32 => i32::from_le_bytes(array(bytes)) as f32,
            Self::I16 => f32::from(i16::from_le_bytes(array(bytes))),
            Self::I8 => f32::from(i8::from_le_bytes(array(bytes))),
            Self::U8 | Self::Bool => f32::from(u8::from_le_bytes(array(bytes))),
        }
    }
}

/// A run of elements in the file.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    pub(super) element: Element,
    pub(super) key: Rc<str>,
    pub(super) elements: u64,
}

/// Where a tensor's elements lie; offset and strides count elements.
#[derive(Clone, Debug)]
pub(super) struct PickledTensor {
    pub(super) storage: Storage,
    pub(super) offset: u64,
    pub(super) shape: Vec<u64>,
    pub(super) strides: Vec<u64>,
}

impl PickledTensor {
    /// The number of elements, `None` if it overflows.
    pub(super) fn len(&self) -> Option<u64> {
        self.shape.iter().try_fold(1_u64, |len, &size| len.checked_mul(size))
    }

    /// One more than the greatest index into the storage, `None` if it overflows.
    fn end(&self) -> Option<u64> {
        let last = self.shape.iter().zip(&self.strides).try_fold(self.offset, |last, (&size, &stride)| {
            last.checked_add(size.checked_sub(1)?.checked_mul(stride)?)
        });
        last?.checked_add(1)
    }
}

/// Finds a tensor, whose number of elements has been checked against the limit.
pub(super) fn stored(source: &Source, container: &Container, tensor: &PickledTensor) -> Result<StoredTensor> {
    let Storage { element, key, elements } = &tensor.storage;
    let bytes =
        container.storages.get(key.as_ref()).ok_or_else(|| damaged(format!("storage `{key}` is missing")))?;
    let beyond = || damaged(format!("a tensor of shape {:?} reaches beyond storage `{key}`", tensor.shape));
    if tensor.shape.len() != tensor.strides.len() || tensor.shape.len() > AXES_MAX {
        let (axes, strides) = (tensor.shape.len(), tensor.strides.len());
        return Err(damaged(format!(
            "a tensor has {axes} axes and {strides} strides; at most {AXES_MAX} are read"
        )));
    }
    let sizes =
        |values: &[u64]| values.iter().map(|&value| usize::try_from(value)).collect::<Result<Vec<_>, _>>();
    let shape = sizes(&tensor.shape).map_err(|_| beyond())?;
    let len = tensor.len().and_then(|len| usize::try_from(len).ok()).ok_or_else(beyond)?;
    if len == 0 {
        return Ok(Tensor::new(shape, Vec::new())?.into());
    }
    let element = *element;
    let size = element.bytes() as u64;
    let end = tensor.end().filter(|end| *end <= ((bytes.end - bytes.start) / size).min(*elements));
    let place = bytes.start + tensor.offset * size..bytes.start + end.ok_or_else(beyond)? * size;
    let strides = sizes(&tensor.strides).map_err(|_| beyond())?;
    let (source, whole) = (source.clone(), shape.clone());
    let read = move || {
        let bytes = source.read(place.clone())?;
        let mut data = Vec::with_capacity(len);
        gather(&bytes, element, &shape, &strides, &mut data);
        Tensor::new(shape.clone(), data)
    };
    Ok(StoredTensor::new(whole, read))
}

/// Whether the elements lie one after the other, as in nearly every file.
fn is_run(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected: usize = 1;
    shape.iter().zip(strides).rev().all(|(count, stride)| {
        let follows = *count == 1 || *stride == expected;
        expected = expected.saturating_mul(*count);
        follows
    })
}

fn gather(bytes: &[u8], element: Element, shape: &[usize], strides: &[usize], data: &mut Vec<f32>) {
    match element.bytes() {
        8 => gather_as(bytes.as_chunks::<8>().0, &|number| element.read(number), shape, strides, data),
        // Nearly all weights, of which a large network has a hundred million.
        4 if element == Element::F32 => {
            gather_as(bytes.as_chunks().0, &|number| f32::from_le_bytes(*number), shape, strides, data);
        }
        4 => gather_as(bytes.as_chunks::<4>().0, &|number| element.read(number), shape, strides, data),
        2 => gather_as(bytes.as_chunks::<2>().0, &|number| element.read(number), shape, strides, data),
        _ => gather_as(bytes.as_chunks::<1>().0, &|number| element.read(number), shape, strides, data),
    }
}

fn gather_as<const N: usize>(
    numbers: &[[u8; N]],
    read: &impl Fn(&[u8; N]) -> f32,
    shape: &[usize],
    strides: &[usize],
    data: &mut Vec<f32>,
) {
    if is_run(shape, strides) {
        let count: usize = shape.iter().product();
        data.extend(numbers[..count].iter().map(read));
    } else {
        tensor::gather(numbers, read, shape, strides, 0, data);
    }
}
