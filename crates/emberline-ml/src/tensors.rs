//! Named arrays of numbers, and their bytes: safetensors, a checked header and raw numbers.

use std::collections::BTreeMap;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

/// Arrays by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tensors(BTreeMap<String, Tensor>);

/// Numbers, `shape` row major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl Tensors {
    /// Adds an array.
    pub(crate) fn put(&mut self, name: &str, shape: &[usize], values: &[f64]) {
        self.0.insert(name.into(), Tensor { shape: shape.to_vec(), values: values.to_vec() });
    }

    /// With one more array.
    pub(crate) fn with(mut self, name: &str, shape: &[usize], values: &[f64]) -> Self {
        self.put(name, shape, values);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The array of that name.
    pub(crate) fn take(&mut self, name: &str) -> Result<Tensor, String> {
        self.0.remove(name).ok_or_else(|| format!("it has no tensor `{name}`"))
    }

    /// The array of that name, which has two axes: the length of both, and the numbers.
    pub(crate) fn take_matrix(&mut self, name: &str) -> Result<(usize, usize, Vec<f64>), String> {
        let Tensor { shape, values } = self.take(name)?;
        match shape[..] {
            [rows, columns] => Ok((rows, columns, values)),
            _ => Err(format!("tensor `{name}`: expected two axes, found {}", shape.len())),
        }
    }

    /// The array of that name, which has one axis of a known length.
    pub(crate) fn take_vector(&mut self, name: &str, length: usize) -> Result<Vec<f64>, String> {
        let Tensor { shape, values } = self.take(name)?;
        if shape == [length] {
            Ok(values)
        } else {
            Err(format!("tensor `{name}`: expected shape [{length}], found {shape:?}"))
        }
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, SafeTensorError> {
        let bytes = |tensor: &Tensor| tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let buffers: Vec<Vec<u8>> = self.0.values().map(bytes).collect();
        let views = self.0.iter().zip(&buffers).map(|((name, tensor), bytes)| {
            Ok((name, TensorView::new(Dtype::F64, tensor.shape.clone(), bytes)?))
        });
        safetensors::serialize(views.collect::<Result<Vec<_>, SafeTensorError>>()?, None)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let mut all = Self::default();
        for (name, tensor) in tensors.tensors() {
            if tensor.dtype() != Dtype::F64 {
                return Err(format!("tensor `{name}`: expected F64, found {:?}", tensor.dtype()));
            }
            let chunks = tensor.data().as_chunks::<8>().0;
            let values: Vec<f64> = chunks.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
            all.put(&name, tensor.shape(), &values);
        }
        Ok(all)
    }
}
