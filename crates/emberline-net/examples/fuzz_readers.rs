//! Damages model files at random for some minutes and reads them: `cargo run -p emberline-net --example fuzz_readers -- MINUTES`;
//! without MINUTES, for a second.
//! A panic ends it with the seed; so does a process that takes more memory than `ulimit -v` allows.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

#[path = "../tests/it/mutate.rs"]
mod mutate;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use emberline_net::{OnnxLimits, OnnxModel, TensorFlowLimits, TensorFlowModel};

fn main() -> Result<()> {
    let minutes: f64 = std::env::args().nth(1).map_or(Ok(1.0 / 60.0), |minutes| minutes.parse())?;
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/foreign");
    let saved = tempfile::tempdir()?;
    std::fs::create_dir(saved.path().join("variables"))?;
    let mut counts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    while Instant::now() < end {
        for name in ["old.onnx", "typed.onnx", "branch.onnx", "frozen.pb"] {
            let bytes = mutate::mutate(&std::fs::read(folder.join(name))?, &mut seed);
            let accepted = if name == "frozen.pb" { frozen(&bytes) } else { onnx(&bytes) };
            counts.entry(name).or_default()[usize::from(accepted)] += 1;
        }
        for name in ["saved_model.pb", "variables/variables.index"] {
            let accepted = saved_model(&folder.join("v1"), saved.path(), name, &mut seed)?;
            counts.entry(name).or_default()[usize::from(accepted)] += 1;
        }
    }
    for (name, [refused, accepted]) in counts {
        println!("{name}: {refused} refused, {accepted} accepted");
    }
    Ok(())
}

fn onnx(bytes: &[u8]) -> bool {
    let limits = OnnxLimits { file_bytes: 1 << 20, fields: 100_000 };
    OnnxModel::from_bytes(bytes, &limits).and_then(OnnxModel::with_f32_ports).is_ok()
}

fn limits() -> TensorFlowLimits {
    TensorFlowLimits { file_bytes: 1 << 20, fields: 100_000, nodes: 10_000 }
}

fn frozen(bytes: &[u8]) -> bool {
    let model = TensorFlowModel::from_graph_def(bytes, &limits());
    model.and_then(|model| model.to_onnx::<&str>("", &[], &[])).is_ok()
}

/// A SavedModel with one of its files damaged.
fn saved_model(from: &Path, to: &Path, damaged: &str, seed: &mut u64) -> Result<bool> {
    for name in ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"] {
        let mut bytes = std::fs::read(from.join(name))?;
        if name == damaged {
            bytes = mutate::mutate(&bytes, seed);
        }
        std::fs::write(to.join(name), bytes)?;
    }
    let model = TensorFlowModel::read(to, "serve", &limits());
    Ok(model.and_then(|model| model.to_onnx::<&str>("serving_default", &[], &[])).is_ok())
}
