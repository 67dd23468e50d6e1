//! A library that can't be used is an error that says why, at once.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use emberline_net::{LIBRARY_VARIABLE, OnnxRuntime, default_runtime};

const EXPECTED: &str = "EMBERLINE_TEST_EXPECTED";

#[test]
fn a_process_holds_one_library() -> Result<()> {
    OnnxRuntime::find().context("run `cargo xtask setup` to fetch ONNX Runtime's library")?;
    let other = tempfile::NamedTempFile::new()?;
    let message = OnnxRuntime::from_library(other.path()).err().context("was loaded")?.to_string();
    ensure!(message.contains("can't be loaded: the process already uses"), "{message}");
    Ok(())
}

/// Each in a process of its own, for a process loads one library.
#[test]
fn a_named_library_must_be_right() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = folder.path().join("text.so");
    std::fs::write(&text, "not a library")?;
    let pipe = folder.path().join("pipe.so");
    ensure!(Command::new("mkfifo").arg(&pipe).status()?.success());
    check(&text, "can't be used: failed to load")?;
    check(&pipe, "which is not a file")?;
    check(&folder.path().join("missing.so"), "which can't be read")?;
    check(folder.path(), "a folder without a libonnxruntime.so")?;
    let other_library = Path::new("/lib/x86_64-linux-gnu/libm.so.6");
    if other_library.exists() { check(other_library, "does not export `OrtGetApiBase`") } else { Ok(()) }
}

fn check(library: &Path, expected: &str) -> Result<()> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--exact", "--ignored", "library::in_a_process_of_its_own"])
        .env(LIBRARY_VARIABLE, library)
        .env(EXPECTED, expected)
        .output()?;
    ensure!(output.status.success(), "{}: {}", library.display(), String::from_utf8_lossy(&output.stdout));
    Ok(())
}

#[test]
#[ignore = "a_named_library_must_be_right runs it with a bad library"]
fn in_a_process_of_its_own() -> Result<()> {
    // Alone, as in `cargo test -- --ignored`, it has nothing to expect.
    let Some(expected) = std::env::var(EXPECTED).ok() else { return Ok(()) };
    let message = OnnxRuntime::find().err().context("was loaded")?.to_string();
    ensure!(message.contains(&expected), "{message}");
    ensure!(default_runtime().name().ends_with("tract"));
    Ok(())
}
