//! Files of named tensors, told apart by their first bytes: PyTorch's, HDF5 as Keras writes it, safetensors.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{Error, Result, Tensor, h5, pth};

const SAFETENSORS: &str = "safetensors";

/// The most bytes of a file of any of the formats, [`pth::Limits`]' and [`h5::Limits`]' default.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedTensors {
    /// The tensors by the names they have there; Keras' as `layer/kernel`.
    pub tensors: BTreeMap<String, Tensor>,
    /// Of Keras' files, the names of the layers that have tensors, in the model's order; empty for the others.
    pub layers: Vec<String>,
}

impl From<BTreeMap<String, Tensor>> for NamedTensors {
    fn from(tensors: BTreeMap<String, Tensor>) -> Self {
        Self { tensors, layers: Vec::new() }
    }
}

/// Reads the tensors of a file by their names, whichever of the formats it has: a state dict that `torch.save` wrote, the
/// weights of a Keras model in HDF5, or safetensors. Limits are those of [`pth`] and [`h5`].
///
/// # Errors
/// When the file can't be read, is damaged, exceeds a limit, or holds anything but tensors.
///
/// ```
/// use emberline_net::read_tensors;
///
/// let error = read_tensors("no-such-file.safetensors").unwrap_err();
/// assert!(error.to_string().starts_with("no-such-file.safetensors: "));
/// ```
pub fn read_tensors(path: impl AsRef<Path>) -> Result<NamedTensors> {
    let path = path.as_ref();
    let io = |source| Error::Io { path: path.to_owned(), source };
    let asked = std::fs::metadata(path).map_err(io)?.len();
    if asked > FILE_BYTES_MAX {
        return Err(Error::Limit { format: "weights", limit: "file_bytes", allowed: FILE_BYTES_MAX, asked });
    }
    parse_tensors(std::fs::read(path).map_err(io)?)
}

/// [`read_tensors`] of a file's bytes, of which HDF5 needs some of its own: it takes those that it is given, and copies those
/// that it is lent.
pub fn parse_tensors<'a>(bytes: impl Into<Cow<'a, [u8]>>) -> Result<NamedTensors> {
    let bytes = bytes.into();
    if bytes.starts_with(h5::SIGNATURE) {
        return h5::parse_weights(bytes, &h5::Limits::default());
    }
    // A safetensors file begins with the length of its header, eight bytes, and the header's brace.
    if bytes.get(8) == Some(&b'{') {
        return Ok(parse_safetensors(&bytes)?.into());
    }
    Ok(pth::parse_state_dict(&bytes, &pth::Limits::default())?.into())
}

fn parse_safetensors(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    let problem = |problem: String| Error::Format { format: SAFETENSORS, problem };
    let file = SafeTensors::deserialize(bytes).map_err(|error| problem(error.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let values = numbers(&view).ok_or_else(|| {
            problem(format!("tensor `{name}` is {:?}, expected F64, F32, F16, BF16 or I64", view.dtype()))
        })?;
        tensors.insert(name, Tensor::new(view.shape().to_vec(), values)?);
    }
    Ok(tensors)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "weights are kept in 32 bits; integers are counters"
)]
fn numbers(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32).collect(),
        Dtype::F16 => {
            data.as_chunks().0.iter().map(|&bytes| half::f16::from_le_bytes(bytes).to_f32()).collect()
        }
        Dtype::BF16 => {
            data.as_chunks().0.iter().map(|&bytes| half::bf16::from_le_bytes(bytes).to_f32()).collect()
        }
        Dtype::I64 => data.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes) as f32).collect(),
        _ => return None,
    })
}
