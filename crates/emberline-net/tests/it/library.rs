//! A library that can't be used is an error that says why.

use anyhow::{Context, Result, ensure};
use emberline_net::OnnxRuntime;

#[test]
fn bad_libraries_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = folder.path().join("text.so");
    std::fs::write(&text, "not a library")?;
    let check = |path: &std::path::Path, expected: &str| -> Result<()> {
        let message = OnnxRuntime::from_library(path).err().context("was loaded")?.to_string();
        ensure!(message.contains(expected) && message.contains(&path.display().to_string()), "{message}");
        Ok(())
    };
    // The process holds the good library by now or it does not; the two messages differ.
    OnnxRuntime::find().context("run `cargo xtask setup` to fetch ONNX Runtime's library")?;
    check(&text, "the process already uses")?;
    check(&folder.path().join("missing.so"), "which can't be read")?;
    check(folder.path(), "a folder without a libonnxruntime.so")
}
