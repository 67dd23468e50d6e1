//! Folders that appear whole or not at all, and what killed processes left of them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const PREFIX: &str = ".emberline-";
/// A file that is locked while somebody writes the folder.
const LOCK: &str = "lock";
const NEW: &str = "new";
/// What the new folder replaces.
const OLD: &str = "old";

/// A folder that is written under a temporary name, beside the place where it will be.
///
/// It goes when it is dropped; what a process that was killed left goes when the next one writes beside it.
///
/// ```
/// use emberline_table::NewFolder;
/// let place = tempfile::tempdir()?;
/// let model = place.path().join("model");
/// let folder = NewFolder::beside(&model)?;
/// std::fs::write(folder.path().join("numbers"), [1, 2, 3])?;
/// assert!(!model.exists());
/// folder.publish(&model)?;
/// assert_eq!(std::fs::read(model.join("numbers"))?, [1, 2, 3]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct NewFolder {
    // Before the folder, so that the file is closed when it is removed.
    _lock: File,
    temporary: TempDir,
}

impl NewFolder {
    /// A new folder beside `path`; the folder that both are in is made if it is not there.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn beside(path: &Path) -> io::Result<Self> {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        remove_abandoned(parent);
        loop {
            let temporary = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            let place = temporary.path().join(LOCK);
            let lock = File::create(&place)?;
            // Until it is locked, another process may take it for abandoned.
            if !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) && place.exists() {
                fs::create_dir(temporary.path().join(NEW))?;
                return Ok(Self { _lock: lock, temporary });
            }
        }
    }

    /// Where to write.
    pub fn path(&self) -> PathBuf {
        self.temporary.path().join(NEW)
    }

    /// Puts the folder at `path`, in place of what is there.
    ///
    /// # Errors
    /// When it can't be put there; what was there stays.
    pub fn publish(self, path: &Path) -> io::Result<()> {
        if !path.exists() {
            return fs::rename(self.path(), path);
        }
        // The old one leaves and the new one arrives by renames; what is interrupted between them loses neither.
        let old = self.temporary.path().join(OLD);
        fs::rename(path, &old)?;
        let Err(error) = fs::rename(self.path(), path) else { return Ok(()) };
        if fs::rename(&old, path).is_ok() {
            return Err(error);
        }
        let kept = self.temporary.keep().join(OLD);
        Err(io::Error::new(error.kind(), format!("{error}; what was there is {} now", kept.display())))
    }
}

/// Removes the folders that nobody writes any more; not one that was to replace another and holds both.
fn remove_abandoned(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let folder = entry.path();
        // Without one it has only just been made.
        let Ok(lock) = OpenOptions::new().write(true).open(folder.join(LOCK)) else { continue };
        let holds_both = folder.join(OLD).exists() && folder.join(NEW).exists();
        if lock.try_lock().is_ok() && !holds_both {
            // What can't be removed is in nobody's way.
            drop(fs::remove_dir_all(&folder));
        }
    }
}
