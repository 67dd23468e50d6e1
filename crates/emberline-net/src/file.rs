//! Files of named tensors, told apart by their first bytes: PyTorch's, HDF5 as Keras writes it, safetensors.

use std::{borrow::Cow, collections::BTreeMap, fmt, path::Path, sync::Arc};

use safetensors::{Dtype, tensor::Metadata};

use crate::{Error, Result, Tensor, h5, pth, source::Source};

const SAFETENSORS: &str = "safetensors";

/// The most bytes of a file of any of the formats, [`pth::Limits`]' and [`h5::Limits`]' default.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// The most bytes of the header of a safetensors file, as the format has it.
const HEADER_BYTES_MAX: u64 = 100_000_000;

/// A tensor that lies in a file and is read when it is asked for. The file stays open as long, or in memory if it was there.
///
/// ```
/// use emberline_net::{StoredTensor, Tensor};
///
/// let stored = StoredTensor::from(Tensor::new(vec![2], vec![1.0, 2.0])?);
/// assert_eq!(stored.shape(), [2]);
/// assert_eq!(stored.read()?.data(), [1.0, 2.0]);
/// # Ok::<(), emberline_net::Error>(())
/// ```
#[derive(Clone)]
pub struct StoredTensor {
    shape: Vec<usize>,
    read: Arc<dyn Fn() -> Result<Tensor> + Send + Sync>,
}

impl StoredTensor {
    pub(crate) fn new(shape: Vec<usize>, read: impl Fn() -> Result<Tensor> + Send + Sync + 'static) -> Self {
        Self { shape, read: Arc::new(read) }
    }

    /// The size of every axis, outermost first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The tensor.
    ///
    /// # Errors
    /// When the file can't be read, or is damaged there.
    pub fn read(&self) -> Result<Tensor> {
        (self.read)()
    }
}

impl From<Tensor> for StoredTensor {
    fn from(tensor: Tensor) -> Self {
        Self::new(tensor.shape().to_vec(), move || Ok(tensor.clone()))
    }
}

impl fmt::Debug for StoredTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTensor").field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct NamedTensors {
    /// The tensors by the names they have there; Keras' as `layer/kernel`.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// Of Keras' files, the names of the layers that have tensors, in the model's order; empty for the others.
    pub layers: Vec<String>,
}

impl NamedTensors {
    /// All tensors, read.
    ///
    /// # Errors
    /// As [`StoredTensor::read`].
    pub fn read(&self) -> Result<BTreeMap<String, Tensor>> {
        self.tensors.iter().map(|(name, tensor)| Ok((name.clone(), tensor.read()?))).collect()
    }
}

impl From<BTreeMap<String, StoredTensor>> for NamedTensors {
    fn from(tensors: BTreeMap<String, StoredTensor>) -> Self {
        Self { tensors, layers: Vec::new() }
    }
}

impl From<BTreeMap<String, Tensor>> for NamedTensors {
    fn from(tensors: BTreeMap<String, Tensor>) -> Self {
        let stored = |(name, tensor): (String, Tensor)| (name, StoredTensor::from(tensor));
        tensors.into_iter().map(stored).collect::<BTreeMap<_, _>>().into()
    }
}

/// Finds the tensors of a file by their names, whichever of the formats it has: a state dict that `torch.save` wrote, the
/// weights of a Keras model in HDF5, or safetensors. Limits are those of [`pth`] and [`h5`]. What a tensor holds is read when
/// it is asked for.
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
    tensors(&Source::open(path.as_ref())?)
}

/// [`read_tensors`] of a file's bytes: it takes those that it is given, and copies those that it is lent.
pub fn parse_tensors<'a>(bytes: impl Into<Cow<'a, [u8]>>) -> Result<NamedTensors> {
    tensors(&bytes.into().into_owned().into())
}

fn tensors(source: &Source) -> Result<NamedTensors> {
    let asked = source.len();
    if asked > FILE_BYTES_MAX {
        return Err(Error::Limit { format: "weights", limit: "file_bytes", allowed: FILE_BYTES_MAX, asked });
    }
    let start = source.start(16)?;
    if start.starts_with(h5::SIGNATURE) {
        return h5::weights(source, &h5::Limits::default());
    }
    // A safetensors file begins with the length of its header, eight bytes, and the header's brace.
    if start.get(8) == Some(&b'{') {
        return Ok(safetensors(source)?.into());
    }
    Ok(pth::stored(source, &pth::Limits::default())?.into())
}

fn safetensors(source: &Source) -> Result<BTreeMap<String, StoredTensor>> {
    let problem = |problem: String| Error::Format { format: SAFETENSORS, problem };
    let start = source.start(8)?;
    let length = u64::from_le_bytes(start.first_chunk().copied().unwrap_or_default());
    if length > HEADER_BYTES_MAX || length > source.len().saturating_sub(8) {
        return Err(problem(format!("a header of {length} bytes does not fit the file")));
    }
    let numbers_at = 8 + length;
    let header = source.read(8..numbers_at)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| problem(error.to_string()))?;
    let held = metadata.data_len() as u64;
    if numbers_at.checked_add(held) != Some(source.len()) {
        let found = source.len() - numbers_at;
        return Err(problem(format!("the tensors take {held} bytes, and the file has {found} for them")));
    }
    let mut tensors = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        let (dtype, shape) = (info.dtype, info.shape.clone());
        if numbers(dtype, &[]).is_none() {
            return Err(problem(format!(
                "tensor `{name}` is {dtype:?}, expected F64, F32, F16, BF16 or I64"
            )));
        }
        let (source, range) = (source.clone(), info.data_offsets.0 as u64..info.data_offsets.1 as u64);
        let read = move || {
            let bytes = source.read(numbers_at + range.start..numbers_at + range.end)?;
            Tensor::new(shape.clone(), numbers(dtype, &bytes).unwrap_or_default())
        };
        tensors.insert(name, StoredTensor::new(info.shape.clone(), read));
    }
    Ok(tensors)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "weights are kept in 32 bits; integers are counters"
)]
fn numbers(dtype: Dtype, data: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
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
