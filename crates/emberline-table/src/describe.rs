//! Functions as bytes: a description, and the large values that it names by digest.
//!
//! A description is data: a kind, parameters, digests and parts. Rebuilding looks the kind up in an explicit
//! table ([`FunctionKinds`]); nothing in a file is ever executed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Result, TableError};
use crate::function::ColumnFunction;
use crate::new_folder::NewFolder;
use emberline_net::Digest;

/// The largest description read, in bytes. The large values are blobs, so a description is small.
const DESCRIPTION_BYTES_MAX: u64 = 16 << 20;
/// How deep descriptions may nest.
const DESCRIPTION_DEPTH_MAX: usize = 32;
/// The format of saved functions that this version writes, and the newest it reads.
const FORMAT_VERSION: u32 = 1;

/// What a [`ColumnFunction`] is, in a form that can be written to bytes and rebuilt elsewhere.
///
/// ```
/// use emberline_table::Description;
/// let description = Description::new("decode_predictions", serde_json::json!({"topK": 5}));
/// let bytes = description.to_bytes().unwrap();
/// assert_eq!(Description::from_bytes(&bytes).unwrap(), description);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// What kind of function it is: a key of [`FunctionKinds`].
    pub kind: String,
    /// Its settings.
    #[serde(default)]
    pub params: serde_json::Value,
    /// The large values it needs, by role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blobs: BTreeMap<String, Digest>,
    /// The functions it is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Description>,
}

impl Description {
    /// A description without blobs or parts.
    pub fn new(kind: impl Into<String>, params: serde_json::Value) -> Self {
        Self { kind: kind.into(), params, blobs: BTreeMap::new(), parts: Vec::new() }
    }

    /// The description as JSON.
    ///
    /// # Errors
    /// When a setting is no JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| TableError::description(&self.kind, e))
    }

    /// What [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// When the bytes are no description, or more than a description may have.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > DESCRIPTION_BYTES_MAX {
            let reason = format!("{} bytes, limit {DESCRIPTION_BYTES_MAX}", bytes.len());
            return Err(TableError::description("function", reason));
        }
        serde_json::from_slice(bytes).map_err(|e| TableError::description("function", e))
    }

    /// The settings as a type.
    ///
    /// # Errors
    /// When a setting is missing or of the wrong type.
    pub fn params_as<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.params.clone()).map_err(|e| TableError::description(&self.kind, e))
    }

    /// The blob of a role.
    ///
    /// # Errors
    /// When the description names none, or `blobs` has not got it.
    pub fn blob(&self, role: &str, blobs: &dyn Blobs) -> Result<Arc<[u8]>> {
        let digest = self
            .blobs
            .get(role)
            .ok_or_else(|| TableError::description(&self.kind, format!("it names no `{role}` blob")))?;
        blobs.get(digest)
    }

    fn depth(&self) -> usize {
        1 + self.parts.iter().map(Self::depth).max().unwrap_or(0)
    }
}

/// A large value that a function needs: an ONNX file, coefficients.
#[derive(Clone)]
pub struct Blob {
    /// The digest of `bytes`.
    pub digest: Digest,
    /// The value.
    pub bytes: Arc<[u8]>,
}

impl Blob {
    /// A blob of these bytes.
    pub fn new(bytes: Arc<[u8]>) -> Self {
        Self { digest: Digest::of(&bytes), bytes }
    }
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({}, {} bytes)", self.digest, self.bytes.len())
    }
}

/// Where large values are found by their digest.
pub trait Blobs: Send + Sync {
    /// The value with this digest, verified.
    ///
    /// # Errors
    /// When it is missing or damaged.
    fn get(&self, digest: &Digest) -> Result<Arc<[u8]>>;
}

/// Blobs held in memory.
impl Blobs for Vec<Blob> {
    fn get(&self, digest: &Digest) -> Result<Arc<[u8]>> {
        let found = self.iter().find(|blob| blob.digest == *digest);
        let missing = || TableError::description("blob", format!("no value with digest {digest} is at hand"));
        found.map(|blob| blob.bytes.clone()).ok_or_else(missing)
    }
}

/// Blobs in a directory, one file each, named by their digest.
struct BlobDirectory(PathBuf);

impl Blobs for BlobDirectory {
    fn get(&self, digest: &Digest) -> Result<Arc<[u8]>> {
        let path = self.0.join(digest.to_string());
        let bytes = fs::read(&path).map_err(|e| TableError::io(&path, e))?;
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(TableError::saved(&path, format!("the file is damaged: its SHA-256 is {found}")));
        }
        Ok(bytes.into())
    }
}

/// Builds a function of one kind from its description; `kinds` rebuilds its parts.
pub type Rebuild = fn(&Description, &dyn Blobs, kinds: &FunctionKinds) -> Result<Arc<dyn ColumnFunction>>;

/// The kinds of function that can be rebuilt: an explicit table, kind name to constructor.
#[derive(Clone, Default, Debug)]
pub struct FunctionKinds(BTreeMap<&'static str, Rebuild>);

impl FunctionKinds {
    /// The kinds that this crate defines.
    pub fn built_in() -> Self {
        let mut kinds = Self::default();
        for (kind, rebuild) in crate::functions::KINDS {
            kinds.add(kind, *rebuild);
        }
        kinds
    }

    /// Adds a kind, or replaces it.
    pub fn add(&mut self, kind: &'static str, rebuild: Rebuild) {
        self.0.insert(kind, rebuild);
    }

    /// Rebuilds a function from its description.
    ///
    /// # Errors
    /// When the kind is unknown, a setting or part does not fit, or a blob is missing or damaged.
    pub fn rebuild(&self, description: &Description, blobs: &dyn Blobs) -> Result<Arc<dyn ColumnFunction>> {
        if description.depth() > DESCRIPTION_DEPTH_MAX {
            return Err(TableError::description(&description.kind, "it nests too deeply"));
        }
        let rebuild = self.0.get(description.kind.as_str()).ok_or_else(|| {
            let known = self.0.keys().copied().collect::<Vec<_>>().join(", ");
            TableError::description(&description.kind, format!("unknown kind; known kinds: {known}"))
        })?;
        rebuild(description, blobs, self)
    }
}

#[derive(Serialize, Deserialize)]
struct SavedFunction {
    format_version: u32,
    /// The digest of `function` as compact JSON: a changed byte is noticed.
    sha256: Digest,
    function: Description,
}

fn digest_of(description: &Description) -> Result<Digest> {
    Ok(Digest::of(&description.to_bytes()?))
}

/// Saves a function as a directory: `function.json`, and `blobs/` with one file per large value.
///
/// The directory appears whole or not at all: it is written under a temporary name and renamed.
///
/// # Errors
/// When `path` exists, or can't be written.
pub fn save_function(function: &dyn ColumnFunction, path: &Path) -> Result<()> {
    if path.exists() {
        return Err(TableError::saved(path, "it exists already; choose another name or remove it"));
    }
    let folder = NewFolder::beside(path).map_err(|e| TableError::io(path, e))?;
    let write = |name: PathBuf, bytes: &[u8]| fs::write(&name, bytes).map_err(|e| TableError::io(name, e));
    let blobs = folder.path().join("blobs");
    fs::create_dir(&blobs).map_err(|e| TableError::io(&blobs, e))?;
    for blob in function.blobs() {
        write(blobs.join(blob.digest.to_string()), &blob.bytes)?;
    }
    let function = function.describe();
    let saved = SavedFunction { format_version: FORMAT_VERSION, sha256: digest_of(&function)?, function };
    let json = serde_json::to_vec_pretty(&saved).map_err(|e| TableError::description("function", e))?;
    write(folder.path().join("function.json"), &json)?;
    folder.publish(path).map_err(|e| TableError::io(path, e))
}

/// Loads a function that [`save_function`] wrote.
///
/// # Errors
/// When a file is missing or damaged, was written by a newer version, or describes an unknown kind.
pub fn load_function(path: &Path, kinds: &FunctionKinds) -> Result<Arc<dyn ColumnFunction>> {
    let file = path.join("function.json");
    let size = fs::metadata(&file).map_err(|e| TableError::io(&file, e))?.len();
    if size > DESCRIPTION_BYTES_MAX {
        return Err(TableError::saved(&file, format!("{size} bytes, limit {DESCRIPTION_BYTES_MAX}")));
    }
    let bytes = fs::read(&file).map_err(|e| TableError::io(&file, e))?;
    let saved: SavedFunction =
        serde_json::from_slice(&bytes).map_err(|e| TableError::saved(&file, e.to_string()))?;
    if saved.format_version > FORMAT_VERSION {
        let reason =
            format!("format {} is newer than this version reads ({FORMAT_VERSION})", saved.format_version);
        return Err(TableError::saved(&file, reason));
    }
    if digest_of(&saved.function)? != saved.sha256 {
        return Err(TableError::saved(&file, "the file is damaged: its SHA-256 does not match"));
    }
    kinds.rebuild(&saved.function, &BlobDirectory(path.join("blobs")))
}
