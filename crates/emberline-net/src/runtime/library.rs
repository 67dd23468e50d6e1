//! Finding and loading the ONNX Runtime library: once per process, with an error where it can't be.

use std::{
    env::consts::{DLL_EXTENSION, DLL_PREFIX},
    ffi::OsStr,
    path::{Path, PathBuf},
};

use ort::environment::Environment;
use parking_lot::Mutex;

use crate::{Error, HOME_VARIABLE, Result, home_dir};

/// The environment variable that names the ONNX Runtime library, or a folder that holds it.
pub const LIBRARY_VARIABLE: &str = "EMBERLINE_ONNXRUNTIME";

/// The folder inside Emberline's home that holds ONNX Runtime libraries, one folder per version.
const HOME_FOLDER: &str = "onnxruntime";

/// Where a library may be, too: [`look_for_library_in`].
static ANOTHER_FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Names one more folder where ONNX Runtime's library is looked for, before Emberline's home; for a program that brings the
/// library along. The environment variable goes before it.
pub fn look_for_library_in(folder: impl Into<PathBuf>) {
    *ANOTHER_FOLDER.lock() = Some(folder.into());
}

/// What the process has loaded. A process can hold one ONNX Runtime and never unloads it.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// Loads the first library found: `EMBERLINE_ONNXRUNTIME`, beside the executable, Emberline's home, the system's loader. What
/// the variable names must be right: it is an error if it is not, and nothing else is tried.
pub(super) fn find_and_load() -> Result<Environment> {
    let mut loaded = LOADED.lock();
    if let Some((_, environment)) = &*loaded {
        return Ok(environment.clone());
    }
    let named = std::env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty());
    if let Some(named) = named {
        let path = named_library(Path::new(&named))
            .map_err(|problem| library_error(format!("{LIBRARY_VARIABLE} names {problem}")))?;
        return load_into(&mut loaded, &path);
    }
    let beside =
        std::env::current_exe().ok().and_then(|exe| exe.parent().map(libraries_in)).unwrap_or_default();
    let mut problems = Vec::new();
    let another = ANOTHER_FOLDER.lock().as_deref().map(libraries_in).unwrap_or_default();
    for path in another.into_iter().chain(beside).chain(home_libraries(&home_dir())).chain([system_library()])
    {
        match load_into(&mut loaded, &path) {
            Ok(environment) => return Ok(environment),
            Err(error) => problems.push(error),
        }
    }
    // The last one is the system's loader's, which says no more than that there is none; an earlier one names a bad file.
    let found = problems.len() > 1;
    Err(problems.into_iter().next().filter(|_| found).unwrap_or_else(|| {
        library_error(format!(
            "no library found beside the executable, in {} or by the system's loader; run `cargo xtask setup`, or `pip \
             install onnxruntime` and set {LIBRARY_VARIABLE} to the library in its `capi` folder ({HOME_VARIABLE} moves \
             Emberline's home)",
            home_dir().join(HOME_FOLDER).display()
        ))
    }))
}

/// Loads this library, or the library in this folder.
pub(super) fn load(path: &Path) -> Result<Environment> {
    let path = named_library(path).map_err(library_error)?;
    load_into(&mut LOADED.lock(), &path)
}

fn load_into(loaded: &mut Option<(PathBuf, Environment)>, path: &Path) -> Result<Environment> {
    match loaded {
        Some((earlier, environment)) if earlier == path => return Ok(environment.clone()),
        Some((earlier, _)) => {
            return Err(library_error(format!(
                "{} can't be loaded: the process already uses {}",
                path.display(),
                earlier.display()
            )));
        }
        None => {}
    }
    let failed =
        |error: &dyn std::fmt::Display| library_error(format!("{} can't be used: {error}", path.display()));
    let builder = ort::init_from(path).map_err(|error| failed(&error))?;
    let environment =
        builder.with_name("emberline").with_telemetry(false).build().map_err(|error| failed(&error))?;
    // Every failure comes back as an error; ONNX Runtime need not print it as well.
    environment.set_log_level(ort::logging::LogLevel::Fatal);
    *loaded = Some((path.to_owned(), environment.clone()));
    Ok(environment)
}

/// The library that a user's path names: the file, or the newest library in the folder.
fn named_library(path: &Path) -> Result<PathBuf, String> {
    let missing = |error| format!("{}, which can't be read: {error}", path.display());
    let metadata = path.metadata().map_err(missing)?;
    if metadata.is_dir() {
        let none =
            || format!("{}, a folder without a {DLL_PREFIX}onnxruntime.{DLL_EXTENSION}", path.display());
        return libraries_in(path).into_iter().next().ok_or_else(none);
    }
    // Opening a pipe or a device would wait for ever.
    if !metadata.is_file() {
        return Err(format!("{}, which is not a file", path.display()));
    }
    path.canonicalize().map_err(missing)
}

/// The libraries in `home/onnxruntime/*/`, newest version first.
fn home_libraries(home: &Path) -> Vec<PathBuf> {
    let mut versions = entries(&home.join(HOME_FOLDER));
    versions.sort_by_key(|folder| std::cmp::Reverse(version_of(folder)));
    versions.iter().flat_map(|folder| libraries_in(folder)).collect()
}

/// The ONNX Runtime libraries in a folder, the greatest version in the name first.
fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let prefix = format!("{DLL_PREFIX}onnxruntime.");
    let is_library = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.starts_with(&prefix) && name.contains(DLL_EXTENSION) && path.is_file()
    };
    let mut found: Vec<PathBuf> = entries(folder).into_iter().filter(is_library).collect();
    found.sort_by_key(|path| std::cmp::Reverse(version_of(path)));
    found
}

fn system_library() -> PathBuf {
    PathBuf::from(format!("{DLL_PREFIX}onnxruntime.{DLL_EXTENSION}"))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort_unstable();
    paths
}

/// The numbers in a file's name, so that 1.31 is newer than 1.9.
fn version_of(path: &Path) -> Vec<u64> {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn library_error(problem: impl Into<String>) -> Error {
    Error::Library { problem: problem.into() }
}
