//! Damages model files at random for some minutes and reads them:
//! `cargo run -p emberline-net --example fuzz_readers -- MINUTES [READER...]`; without MINUTES, for a second, without a READER, all
//! in turns: `onnx`, `tensorflow`, `pytorch`, `safetensors`, `hdf5`, `keras`.
//! A panic ends it with the seed; so does a process that takes more memory than `ulimit -v` allows.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

#[path = "../tests/it/mutate.rs"]
mod mutate;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use emberline_net::{
    OnnxLimits, OnnxModel, TensorFlowLimits, TensorFlowModel, h5, keras, parse_tensors, pth,
};

/// What reads the bytes of a file; a folder's reader takes the folder that the damaged file lies in.
type Read = fn(&[u8], &Path) -> bool;

/// Readers by name, and the files that they read; relative to the fixtures.
const READERS: [(&str, Read, &[&str]); 6] = [
    ("onnx", onnx, &["foreign/old.onnx", "foreign/typed.onnx", "foreign/branch.onnx"]),
    ("tensorflow", tensorflow, &["foreign/frozen.pb", SAVED_MODEL, "foreign/v1/variables/variables.index"]),
    ("pytorch", pytorch, &["small_zip.pth", "small_legacy.pth", "block.pth"]),
    ("safetensors", tensors, &["keras/values.safetensors"]),
    ("hdf5", hdf5, &["keras_weights.h5", "keras_model.h5"]),
    ("keras", keras_model, &["keras/branches.keras", "keras/branches.h5", "keras/keras_1_th.h5"]),
];

const SAVED_MODEL: &str = "foreign/v1/saved_model.pb";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let minutes: f64 = arguments.next().map_or(Ok(1.0 / 60.0), |minutes| minutes.parse())?;
    let wanted: Vec<String> = arguments.collect();
    if let Some(unknown) = wanted.iter().find(|name| !READERS.iter().any(|(reader, ..)| reader == name)) {
        bail!("expected readers out of {:?}, found {unknown}", READERS.map(|(reader, ..)| reader));
    }
    let readers: Vec<_> = READERS
        .iter()
        .filter(|(name, ..)| wanted.is_empty() || wanted.iter().any(|own| own == name))
        .collect();
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let mut counts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    while Instant::now() < end {
        for (_, read, files) in &readers {
            for file in *files {
                let path = fixtures.join(file);
                let accepted = read(&mutate::mutate(&std::fs::read(&path)?, &mut seed), &path);
                counts.entry(file).or_default()[usize::from(accepted)] += 1;
            }
        }
    }
    for (name, [refused, accepted]) in counts {
        println!("{name}: {refused} refused, {accepted} accepted");
    }
    Ok(())
}

fn onnx(bytes: &[u8], _: &Path) -> bool {
    let limits = OnnxLimits { file_bytes: 1 << 20, fields: 100_000 };
    OnnxModel::from_bytes(bytes, &limits).and_then(OnnxModel::with_f32_ports).is_ok()
}

fn tensorflow(bytes: &[u8], path: &Path) -> bool {
    let limits = TensorFlowLimits { file_bytes: 1 << 20, fields: 100_000, nodes: 10_000 };
    if path.ends_with("frozen.pb") {
        let model = TensorFlowModel::from_graph_def(bytes, &limits);
        return model.and_then(|model| model.to_onnx::<&str>("", &[], &[])).is_ok();
    }
    let Ok(copy) = saved_model_with(bytes, path) else { return false };
    let model = TensorFlowModel::read(copy.path(), "serve", &limits);
    model.and_then(|model| model.to_onnx::<&str>("serving_default", &[], &[])).is_ok()
}

/// A copy of a SavedModel, of which one file has these bytes.
fn saved_model_with(bytes: &[u8], file: &Path) -> Result<tempfile::TempDir> {
    let copy = tempfile::tempdir()?;
    std::fs::create_dir(copy.path().join("variables"))?;
    let folder = file.ancestors().find(|folder| folder.ends_with("v1")).unwrap_or(file);
    for name in ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"] {
        let own = folder.join(name);
        let content = if own == file { bytes.to_vec() } else { std::fs::read(own)? };
        std::fs::write(copy.path().join(name), content)?;
    }
    Ok(copy)
}

fn pytorch(bytes: &[u8], _: &Path) -> bool {
    let limits =
        pth::Limits { tensors: 1_000, elements: 1 << 20, pickle_steps: 100_000, ..Default::default() };
    pth::parse_state_dict(bytes, &limits).is_ok()
}

fn tensors(bytes: &[u8], _: &Path) -> bool {
    parse_tensors(bytes).and_then(|found| found.read()).is_ok()
}

fn hdf5(bytes: &[u8], _: &Path) -> bool {
    h5::parse_weights(bytes, &h5_limits()).and_then(|found| found.read()).is_ok()
}

fn keras_model(bytes: &[u8], _: &Path) -> bool {
    let limits = keras::Limits { weights: h5_limits(), ..Default::default() };
    keras::parse_model(bytes, &keras::Options { limits, ..Default::default() }).is_ok()
}

fn h5_limits() -> h5::Limits {
    h5::Limits { elements: 1 << 20, members: 1_000, ..Default::default() }
}
