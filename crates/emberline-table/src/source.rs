//! Places that bytes come from: local paths and, through `object_store`, `s3://`, `gs://`, `az://` and
//! `http(s)://`.

use std::collections::HashMap;
use std::path::{Path as FsPath, PathBuf};
use std::sync::{Arc, LazyLock, mpsc};

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, ObjectStoreScheme};
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use url::Url;

use crate::error::{Result, TableError};

/// A store and a path in it.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    /// What comes before a path in the store to make a URI of it.
    pub(crate) root: String,
}

/// Stores made so far, by scheme and host: connections are reused.
static STORES: LazyLock<Mutex<HashMap<String, Arc<dyn ObjectStore>>>> = LazyLock::new(Mutex::default);

impl Location {
    /// Finds the store of a URI. Options of cloud stores come from the environment (`AWS_ACCESS_KEY_ID`,
    /// `AWS_ENDPOINT`, `GOOGLE_SERVICE_ACCOUNT`, `AZURE_STORAGE_ACCOUNT_NAME`, ...).
    pub(crate) fn parse(uri: &str) -> Result<Self> {
        let wrong = |reason: String| TableError::Source { uri: uri.into(), reason };
        if let Some(local) = local_path(uri) {
            let absolute = std::path::absolute(&local).map_err(|e| wrong(e.to_string()))?;
            let path = Path::from_absolute_path(&absolute).map_err(|e| wrong(e.to_string()))?;
            return Ok(Self { store: Arc::new(LocalFileSystem::new()), path, root: "/".into() });
        }
        let url = Url::parse(uri).map_err(|e| wrong(e.to_string()))?;
        let (_, path) = ObjectStoreScheme::parse(&url).map_err(|e| wrong(e.to_string()))?;
        let path = Path::from_url_path(path).map_err(|e| wrong(e.to_string()))?;
        let root =
            url.as_str().strip_suffix(path.as_ref()).unwrap_or(&url[..url::Position::BeforePath]).to_string();
        if let Some(store) = STORES.lock().get(&root) {
            return Ok(Self { store: store.clone(), path, root });
        }
        // Variables named like a store's option reach it; the store ignores the rest.
        let mut options: Vec<(String, String)> =
            std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        if url.scheme() == "http" {
            options.push(("allow_http".into(), "true".into()));
        }
        let (store, _) = object_store::parse_url_opts(&url, options).map_err(|e| {
            wrong(format!("{e}; expected a local path or a s3://, gs://, az://, http:// or https:// address"))
        })?;
        let store: Arc<dyn ObjectStore> = Arc::from(store);
        STORES.lock().insert(root.clone(), store.clone());
        Ok(Self { store, path, root })
    }

    /// The URI of a path in this store.
    pub(crate) fn uri_of(&self, path: &Path) -> String {
        format!("{}{path}", self.root)
    }
}

/// The local path that a URI means: a plain path, or a `file:` URL.
pub(crate) fn local_path(uri: &str) -> Option<PathBuf> {
    if let Some(rest) = uri.strip_prefix("file:") {
        return Url::parse(uri).ok().and_then(|url| url.to_file_path().ok()).or_else(|| Some(rest.into()));
    }
    (!uri.contains("://")).then(|| FsPath::new(uri).to_path_buf())
}

/// The runtime that remote reads of [`fetch_all`] run on. Column functions are synchronous and may be called from
/// any thread, inside another runtime or outside of one.
static IO: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("emberline-io")
        .enable_all()
        .build()
});

/// Reads several URIs, remote ones at the same time; each has its bytes or the reason why not.
pub(crate) fn fetch_all<'a>(
    uris: impl Iterator<Item = Option<&'a str>>,
    bytes_max: usize,
) -> Vec<Option<Result<Bytes, String>>> {
    enum Pending {
        Ready(Result<Bytes, String>),
        Waiting(mpsc::Receiver<Result<Bytes, String>>),
    }
    let start = |uri: &str| match local_path(uri) {
        Some(path) => Pending::Ready(read_local(&path, bytes_max)),
        None => match (&*IO, Location::parse(uri)) {
            (Ok(io), Ok(location)) => {
                let (sender, receiver) = mpsc::sync_channel(1);
                io.spawn(async move {
                    // The receiver is gone only when nobody wants the answer any more.
                    let _ = sender.send(read(&location, bytes_max).await);
                });
                Pending::Waiting(receiver)
            }
            (Err(error), _) => Pending::Ready(Err(error.to_string())),
            (_, Err(error)) => Pending::Ready(Err(error.to_string())),
        },
    };
    let pending: Vec<_> = uris.map(|uri| uri.map(start)).collect();
    let wait = |pending| match pending {
        Pending::Ready(bytes) => bytes,
        Pending::Waiting(receiver) => {
            receiver.recv().unwrap_or_else(|_| Err("the read was cancelled".into()))
        }
    };
    pending.into_iter().map(|one| one.map(wait)).collect()
}

fn read_local(path: &FsPath, bytes_max: usize) -> Result<Bytes, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    check_size(size, bytes_max)?;
    std::fs::read(path).map(Bytes::from).map_err(|e| e.to_string())
}

/// Reads a whole object, unless it is larger than `bytes_max`.
pub(crate) async fn read(location: &Location, bytes_max: usize) -> Result<Bytes, String> {
    let object = location.store.get(&location.path).await.map_err(|e| e.to_string())?;
    check_size(object.meta.size, bytes_max)?;
    object.bytes().await.map_err(|e| e.to_string())
}

fn check_size(size: u64, bytes_max: usize) -> Result<(), String> {
    if size > bytes_max as u64 {
        return Err(format!("the file has {size} bytes, limit {bytes_max}"));
    }
    Ok(())
}
