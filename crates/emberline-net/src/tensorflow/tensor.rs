//! TensorFlow's element types and tensors, as ONNX has them.

use super::{
    problem,
    proto::{TensorProto, TensorShapeProto},
};
use crate::{ElementType, Result, tensor::len_of};

/// A tensor of any type, little-endian.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub(super) element: ElementType,
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<u8>,
}

/// `DataType` of `tensorflow/core/framework/types.proto`.
pub(super) fn element_of(dtype: i32) -> Option<ElementType> {
    Some(match dtype {
        1 => ElementType::Float32,
        2 => ElementType::Float64,
        3 => ElementType::Int32,
        4 => ElementType::Uint8,
        5 => ElementType::Int16,
        6 => ElementType::Int8,
        7 => ElementType::String,
        9 => ElementType::Int64,
        10 => ElementType::Bool,
        14 => ElementType::BFloat16,
        17 => ElementType::Uint16,
        19 => ElementType::Float16,
        22 => ElementType::Uint32,
        23 => ElementType::Uint64,
        _ => return None,
    })
}

/// Bytes of an element; none of a text.
pub(super) fn element_bytes(element: ElementType) -> usize {
    match element {
        ElementType::Float64 | ElementType::Int64 | ElementType::Uint64 => 8,
        ElementType::Float32 | ElementType::Int32 | ElementType::Uint32 => 4,
        ElementType::Float16 | ElementType::BFloat16 | ElementType::Int16 | ElementType::Uint16 => 2,
        ElementType::Int8 | ElementType::Uint8 | ElementType::Bool => 1,
        ElementType::String => 0,
    }
}

/// The sizes of a shape; `None` where the rank is not known.
pub(super) fn sizes_of(shape: Option<&TensorShapeProto>) -> Option<Vec<Option<usize>>> {
    let shape = shape.filter(|shape| !shape.unknown_rank)?;
    Some(shape.dim.iter().map(|dim| usize::try_from(dim.size).ok()).collect())
}

/// The bytes that a tensor of that shape has; `None` where they are more than the machine can address.
pub(super) fn byte_len(element: ElementType, shape: &[usize]) -> Option<usize> {
    len_of(shape).ok()?.checked_mul(element_bytes(element))
}

impl Constant {
    pub(super) fn of_integers(element: ElementType, shape: Vec<usize>, values: &[i64]) -> Self {
        let data = match element_bytes(element) {
            8 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            bytes => values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(bytes)).collect(),
        };
        Self { element, shape, data }
    }

    pub(super) fn of_f32(shape: Vec<usize>, values: &[f32]) -> Self {
        let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { element: ElementType::Float32, shape, data }
    }

    /// The tensor of a `Const`, whose last value stands for all that are left out.
    pub(super) fn of_proto(proto: &TensorProto, bytes_max: u64) -> Result<Self> {
        let element = element_of(proto.dtype).filter(|element| *element != ElementType::String);
        let Some(element) = element else {
            return Err(problem(format!("a constant has the type {}, expected numbers", proto.dtype)));
        };
        let unshaped = TensorShapeProto::default();
        let shape = sizes_of(Some(proto.tensor_shape.as_ref().unwrap_or(&unshaped)));
        let shape: Option<Vec<usize>> = shape.and_then(|sizes| sizes.into_iter().collect());
        let shape = shape.ok_or_else(|| problem("a constant has no known shape".to_owned()))?;
        let expected = byte_len(element, &shape).filter(|bytes| *bytes as u64 <= bytes_max);
        let Some(expected) = expected else {
            return Err(problem(format!("a constant of shape {shape:?} is larger than the file may be")));
        };
        let mut data = proto.tensor_content.clone();
        if data.is_empty() {
            data = values_of(proto, element);
        }
        let size = element_bytes(element);
        if data.len() < expected && data.len() >= size {
            let last = data[data.len() - size..].to_vec();
            let missing = (expected - data.len()) / size;
            data.extend(last.iter().copied().cycle().take(missing * size));
        }
        // No value at all stands for zeros.
        if data.is_empty() {
            data.resize(expected, 0);
        }
        if data.len() != expected {
            let found = data.len();
            return Err(problem(format!(
                "a constant of shape {shape:?} has {found} bytes, expected {expected}"
            )));
        }
        Ok(Self { element, shape, data })
    }

    /// The values of a tensor of integers, as shapes and axes are.
    pub(super) fn integers(&self) -> Option<Vec<i64>> {
        match self.element {
            ElementType::Int32 => {
                Some(self.data.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect())
            }
            ElementType::Int64 => {
                Some(self.data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
            }
            _ => None,
        }
    }
}

fn values_of(proto: &TensorProto, element: ElementType) -> Vec<u8> {
    let low =
        |values: &[i32], bytes| values.iter().flat_map(|v| v.to_le_bytes().into_iter().take(bytes)).collect();
    match element {
        ElementType::Float32 => proto.float_val.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ElementType::Float64 => proto.double_val.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ElementType::Int64 => proto.int64_val.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ElementType::Bool => proto.bool_val.iter().map(|value| u8::from(*value)).collect(),
        ElementType::Float16 | ElementType::BFloat16 => low(&proto.half_val, 2),
        other => low(&proto.int_val, element_bytes(other)),
    }
}
