//! What a killed run goes on from: `checkpoint.json` says how far it came and names the file of numbers beside it with its
//! SHA-256. The numbers are written first, each file under another name and then renamed, so that whenever the run dies there is
//! a whole checkpoint or the one before.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use emberline_net::{Digest, Tensor, parse_tensors};
use safetensors::{Dtype, tensor::TensorView};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// The version of the format.
const FORMAT: u32 = 1;
const STATE_FILE: &str = "checkpoint.json";

/// Where and how often a run keeps what it goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointOptions {
    /// The folder, for this run alone. A run that finds its checkpoint there goes on from it.
    pub directory: PathBuf,
    /// After how many steps a checkpoint is written, beside the one after every epoch.
    pub every_steps: Option<u64>,
}

impl CheckpointOptions {
    /// A checkpoint after every epoch.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), every_steps: None }
    }
}

#[derive(Serialize, Deserialize)]
struct Document<S> {
    format: u32,
    /// What the run was told, so that another one does not go on from it.
    run: String,
    tensors: String,
    sha256: Digest,
    state: S,
}

/// Writes a checkpoint in place of the one before. `steps` names the file of numbers.
pub(crate) fn write<S: Serialize>(
    directory: &Path,
    run: &str,
    steps: u64,
    state: &S,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<()> {
    fs::create_dir_all(directory).map_err(|source| Error::Io { path: directory.to_owned(), source })?;
    let name = format!("checkpoint-{steps}.safetensors");
    let bytes = serialize(tensors).map_err(|problem| damaged(&directory.join(&name), problem))?;
    write_whole(&directory.join(&name), &bytes)?;
    let document = Document {
        format: FORMAT,
        run: run.to_owned(),
        tensors: name.clone(),
        sha256: Digest::of(&bytes),
        state,
    };
    let path = directory.join(STATE_FILE);
    let json = serde_json::to_vec_pretty(&document).map_err(|error| damaged(&path, error.to_string()))?;
    write_whole(&path, &json)?;
    remove_others(directory, &name)
}

/// The checkpoint of a folder, if there is one.
pub(crate) fn read<S: DeserializeOwned>(
    directory: &Path,
    run: &str,
) -> Result<Option<(S, BTreeMap<String, Tensor>)>> {
    let path = directory.join(STATE_FILE);
    let json = match fs::read(&path) {
        Ok(json) => json,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Io { path, source }),
    };
    let document: Document<serde_json::Value> =
        serde_json::from_slice(&json).map_err(|error| damaged(&path, error.to_string()))?;
    if document.format != FORMAT {
        return Err(damaged(&path, format!("expected format {FORMAT}, found {}", document.format)));
    }
    if document.run != run {
        return Err(damaged(
            &path,
            format!(
                "belongs to a run with other settings or another network; expected {run}, found {}; give this run a folder \
                 of its own, or remove what is there",
                document.run
            ),
        ));
    }
    let state = serde_json::from_value(document.state).map_err(|error| damaged(&path, error.to_string()))?;
    let is_plain =
        Path::new(&document.tensors).file_name().is_some_and(|name| name == document.tensors.as_str());
    if !is_plain {
        return Err(damaged(&path, format!("expected a file's name, found `{}`", document.tensors)));
    }
    let path = directory.join(&document.tensors);
    let bytes = fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
    if Digest::of(&bytes) != document.sha256 {
        return Err(damaged(&path, format!("expected the SHA-256 {}, found another", document.sha256)));
    }
    Ok(Some((state, parse_tensors(bytes)?.read()?)))
}

fn damaged(path: &Path, problem: String) -> Error {
    Error::Checkpoint { path: path.to_owned(), problem }
}

fn serialize(tensors: &BTreeMap<String, Tensor>) -> Result<Vec<u8>, String> {
    let bytes: Vec<(&String, &Tensor, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            (name, tensor, tensor.data().iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, tensor, bytes)| Ok((name, TensorView::new(Dtype::F32, tensor.shape().to_vec(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let serialized = views.and_then(|views| safetensors::serialize(views, None));
    serialized.map_err(|error| error.to_string())
}

/// Writes a file that is there as a whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    let write = || {
        let mut file = fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// Removes the numbers of earlier checkpoints, and what a killed process had written of them.
fn remove_others(directory: &Path, kept: &str) -> Result<()> {
    let io = |source| Error::Io { path: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_whole_or_partial = name.ends_with(".safetensors") || name.ends_with(".partial");
        if name.starts_with("checkpoint-") && is_whole_or_partial && name != kept {
            fs::remove_file(entry.path()).map_err(io)?;
        }
    }
    Ok(())
}
