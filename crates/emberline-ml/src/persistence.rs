//! Saved stages: a directory each, written under a temporary name and renamed.
//!
//! ```text
//! model.ember/
//!   metadata.json        kind, uid, params, data; SHA-256 of every file and of itself
//!   data.safetensors     numbers, where the stage has any
//!   network.onnx         a network, where it has one
//!   stages/0_<uid>/      the stages of a pipeline, each such a directory
//! ```
//!
//! Nothing in it is code. Loading verifies every digest and looks the kind up in [`registry`](crate::registry).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use emberline_table::{Digest, NewFolder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{MlError, Result};
use crate::evaluation::Evaluator;
use crate::params::{ParamKind, ParamSpec, ParamValue, Params};
use crate::registry;
use crate::stage::{Estimator, PipelineStage, Stage, Transformer};
use crate::tensors::{Tensor, Tensors};

/// The format that this version writes, and the newest it reads.
const FORMAT_VERSION: u32 = 1;
/// The largest metadata file read, in bytes.
const METADATA_BYTES_MAX: u64 = 64 << 20;
/// The largest other file read, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 30;
const METADATA: &str = "metadata.json";
const TENSORS: &str = "data.safetensors";

/// What to do where something is saved already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfExists {
    /// Fail, as MLlib's `save` does.
    #[default]
    Fail,
    /// Replace it, as MLlib's `write().overwrite().save()` does.
    Overwrite,
}

/// A stage that was loaded.
#[derive(Debug, Clone)]
pub enum Saved {
    /// A transformer or model.
    Transformer(Arc<dyn Transformer>),
    /// An estimator.
    Estimator(Arc<dyn Estimator>),
    /// An evaluator.
    Evaluator(Arc<dyn Evaluator>),
}

impl Saved {
    /// What all of them have in common.
    pub fn stage(&self) -> &dyn Stage {
        match self {
            Self::Transformer(stage) => stage.as_ref(),
            Self::Estimator(stage) => stage.as_ref(),
            Self::Evaluator(stage) => stage.as_ref(),
        }
    }

    /// Its params, to set; `None` where somebody else holds the stage, too.
    pub fn params_mut(&mut self) -> Option<&mut Params> {
        match self {
            Self::Transformer(stage) => Arc::get_mut(stage).map(|stage| stage.params_mut()),
            Self::Estimator(stage) => Arc::get_mut(stage).map(|stage| stage.params_mut()),
            Self::Evaluator(stage) => Arc::get_mut(stage).map(|stage| stage.params_mut()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    format_version: u32,
    /// The version of Emberline that wrote it; for people.
    written_by: String,
    kind: String,
    uid: String,
    params: Map<String, Value>,
    data: Map<String, Value>,
    files: BTreeMap<String, Digest>,
    /// The digest of all of the above as compact JSON.
    sha256: Option<Digest>,
}

impl Metadata {
    fn digest(&self) -> Result<Digest> {
        let bare = serde_json::to_value(self).map(|mut value| {
            if let Some(object) = value.as_object_mut() {
                object.remove("sha256");
            }
            value.to_string()
        });
        Ok(Digest::of(bare.map_err(|e| MlError::stage(&self.uid, e))?.as_bytes()))
    }
}

/// Saves a stage. The directory appears whole or not at all.
///
/// ```
/// use emberline_ml::{IfExists, LogisticRegression, Stage, load, save};
/// let dir = tempfile::tempdir().unwrap();
/// let path = dir.path().join("lr");
/// let lr = LogisticRegression::new().reg_param(0.1);
/// save(&lr, &path, IfExists::Fail).unwrap();
/// assert!(save(&lr, &path, IfExists::Fail).is_err());
/// assert_eq!(load(&path).unwrap().stage().params().uid(), lr.params().uid());
/// ```
///
/// # Errors
/// When `path` exists (unless it is to be replaced), or can't be written.
pub fn save(stage: &dyn Stage, path: &Path, if_exists: IfExists) -> Result<()> {
    if path.exists() && if_exists == IfExists::Fail {
        return Err(MlError::saved(path, "it exists already; choose another name, or overwrite it"));
    }
    let folder =
        NewFolder::beside(path).map_err(|e| MlError::saved(path.parent().unwrap_or(Path::new(".")), e))?;
    write_stage(stage, &folder.path())?;
    folder.publish(path).map_err(|e| MlError::saved(path, e))
}

fn write_stage(stage: &dyn Stage, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(|e| MlError::saved(dir, e))?;
    let params = stage.params();
    let mut writer = StageWriter {
        dir: dir.into(),
        data: Map::new(),
        files: BTreeMap::new(),
        tensors: Tensors::default(),
    };
    stage.write(&mut writer)?;
    writer.write_tensors()?;
    let value = |v: &ParamValue| serde_json::to_value(v).unwrap_or_default();
    let mut metadata = Metadata {
        format_version: FORMAT_VERSION,
        written_by: env!("CARGO_PKG_VERSION").into(),
        kind: stage.kind().into(),
        uid: params.uid().into(),
        params: params.values().iter().map(|(name, v)| ((*name).to_string(), value(v))).collect(),
        data: writer.data,
        files: writer.files,
        sha256: None,
    };
    metadata.sha256 = Some(metadata.digest()?);
    let path = dir.join(METADATA);
    let json = serde_json::to_vec_pretty(&metadata).map_err(|e| MlError::saved(&path, e))?;
    fs::write(&path, json).map_err(|e| MlError::saved(&path, e))
}

/// Loads a stage that [`save`] wrote.
///
/// # Errors
/// When a file is missing or damaged, was written by a newer version, or holds a kind that is not known.
pub fn load(path: &Path) -> Result<Saved> {
    let reader = StageReader::open(path)?;
    registry::load(&reader)
}

/// Writes what a stage's params do not say.
#[derive(Debug)]
pub struct StageWriter {
    dir: PathBuf,
    data: Map<String, Value>,
    files: BTreeMap<String, Digest>,
    tensors: Tensors,
}

impl StageWriter {
    /// A value, as JSON.
    ///
    /// # Errors
    /// When it has no JSON form.
    pub fn value(&mut self, name: &str, value: &impl Serialize) -> Result<()> {
        let value = serde_json::to_value(value).map_err(|e| MlError::saved(&self.dir, e))?;
        self.data.insert(name.into(), value);
        Ok(())
    }

    /// Numbers, `shape` row major.
    pub fn tensor(&mut self, name: &str, shape: &[usize], values: &[f64]) {
        self.tensors.put(name, shape, values);
    }

    /// All the arrays of a model.
    pub(crate) fn tensors(&mut self, tensors: Tensors) {
        self.tensors = tensors;
    }

    /// A file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.dir.join(name);
        fs::write(&path, bytes).map_err(|e| MlError::saved(path, e))?;
        self.files.insert(name.into(), Digest::of(bytes));
        Ok(())
    }

    /// A stage in this stage, under a name that may have slashes.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn stage(&mut self, name: &str, stage: &dyn Stage) -> Result<()> {
        let dir = self.dir.join(name);
        write_stage(stage, &dir)?;
        let metadata = dir.join(METADATA);
        let bytes = fs::read(&metadata).map_err(|e| MlError::saved(&metadata, e))?;
        self.files.insert(format!("{name}/{METADATA}"), Digest::of(&bytes));
        Ok(())
    }

    fn write_tensors(&mut self) -> Result<()> {
        if self.tensors.is_empty() {
            return Ok(());
        }
        let bytes = self.tensors.to_bytes().map_err(|e| MlError::saved(self.dir.join(TENSORS), e))?;
        self.file(TENSORS, &bytes)
    }
}

/// Reads a saved stage.
#[derive(Debug)]
pub struct StageReader {
    dir: PathBuf,
    kind: String,
    uid: String,
    params: Map<String, Value>,
    data: Map<String, Value>,
    files: BTreeMap<String, Digest>,
}

impl StageReader {
    fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(METADATA);
        let bytes = read_limited(&path, METADATA_BYTES_MAX)?;
        let metadata: Metadata = serde_json::from_slice(&bytes)
            .map_err(|e| MlError::saved(&path, format!("it is damaged, or no saved stage: {e}")))?;
        if metadata.format_version > FORMAT_VERSION {
            let reason = format!(
                "it has format {} (written by Emberline {}), this version reads up to {FORMAT_VERSION}",
                metadata.format_version, metadata.written_by
            );
            return Err(MlError::saved(&path, reason));
        }
        if metadata.sha256 != Some(metadata.digest()?) {
            return Err(MlError::saved(&path, "it is damaged: its SHA-256 does not match"));
        }
        let Metadata { kind, uid, params, data, files, .. } = metadata;
        Ok(Self { dir: dir.into(), kind, uid, params, data, files })
    }

    /// What a stage of default params without data would have been saved as.
    pub(crate) fn without_files(kind: &str, uid: &str) -> Self {
        Self {
            dir: PathBuf::new(),
            kind: kind.into(),
            uid: uid.into(),
            params: Map::new(),
            data: Map::new(),
            files: BTreeMap::new(),
        }
    }

    /// The kind of stage.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// An error about this saved stage.
    pub fn error(&self, reason: impl ToString) -> MlError {
        MlError::saved(self.dir.join(METADATA), reason)
    }

    /// The saved uid and params, for a stage with this table.
    ///
    /// # Errors
    /// When a param is not in the table.
    pub fn params(&self, table: &'static [ParamSpec]) -> Result<Params> {
        let mut params = Params::new(&self.kind, table);
        params.set_uid(self.uid.clone());
        for (name, value) in &self.params {
            let kind = table.iter().find(|spec| spec.name == name).map(|spec| spec.kind);
            let empty = value.as_array().is_some_and(Vec::is_empty);
            let value = match kind {
                // An empty list does not say of what.
                Some(ParamKind::Texts) if empty => ParamValue::Texts(Vec::new()),
                Some(ParamKind::Double) => {
                    let infinite = || value.as_str()?.parse().ok().filter(|v: &f64| v.is_infinite());
                    value.as_f64().or_else(infinite).map_or(ParamValue::Bool(false), ParamValue::Double)
                }
                _ => serde_json::from_value(value.clone())
                    .map_err(|e| self.error(format!("param `{name}`: {e}")))?,
            };
            params.set(name, value)?;
        }
        Ok(params)
    }

    /// A value that [`StageWriter::value`] wrote.
    ///
    /// # Errors
    /// When it is missing or of another type.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let value = self.data.get(name).cloned().unwrap_or(Value::Null);
        serde_json::from_value(value).map_err(|e| self.error(format!("data `{name}`: {e}")))
    }

    /// A file that [`StageWriter::file`] wrote, verified.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn file(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.dir.join(name);
        let expected =
            self.files.get(name).ok_or_else(|| self.error(format!("it lists no file `{name}`")))?;
        let bytes = read_limited(&path, FILE_BYTES_MAX)?;
        let found = Digest::of(&bytes);
        if found != *expected {
            let reason = format!("it is damaged: its SHA-256 is {found}, expected {expected}");
            return Err(MlError::saved(path, reason));
        }
        Ok(bytes)
    }

    /// Numbers that [`StageWriter::tensor`] wrote, and their shape.
    ///
    /// # Errors
    /// When they are missing or damaged.
    pub fn tensor(&self, name: &str) -> Result<(Vec<usize>, Vec<f64>)> {
        let Tensor { shape, values } = self.tensors()?.take(name).map_err(|e| self.error(e))?;
        Ok((shape, values))
    }

    /// All the arrays of a model.
    pub(crate) fn tensors(&self) -> Result<Tensors> {
        let bytes = self.file(TENSORS)?;
        Tensors::from_bytes(&bytes).map_err(|e| MlError::saved(self.dir.join(TENSORS), e))
    }

    /// A stage that [`StageWriter::stage`] wrote.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn stage(&self, name: &str) -> Result<Saved> {
        // Verifies the digest of the inner metadata, which holds those of its files.
        self.file(&format!("{name}/{METADATA}"))?;
        load(&self.dir.join(name))
    }

    /// A stage of a pipeline that [`StageWriter::stage`] wrote.
    ///
    /// # Errors
    /// When it is missing or damaged, or can't be in a pipeline.
    pub fn pipeline_stage(&self, name: &str) -> Result<PipelineStage> {
        match self.stage(name)? {
            Saved::Transformer(stage) => Ok(PipelineStage::Transformer(stage)),
            Saved::Estimator(stage) => Ok(PipelineStage::Estimator(stage)),
            Saved::Evaluator(stage) => {
                Err(self.error(format!("`{name}` is a {}, which is no stage of a pipeline", stage.kind())))
            }
        }
    }
}

fn read_limited(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let size = fs::metadata(path).map_err(|e| MlError::saved(path, e))?.len();
    if size > bytes_max {
        return Err(MlError::saved(path, format!("it has {size} bytes, limit {bytes_max}")));
    }
    fs::read(path).map_err(|e| MlError::saved(path, e))
}
