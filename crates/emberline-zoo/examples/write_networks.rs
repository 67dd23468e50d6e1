//! Writes the named networks as ONNX, with zeros for weights, for `tools/check_onnx.py`: `write_networks FOLDER`.
//! Without FOLDER it writes one of them, and removes it.

use std::path::PathBuf;

use anyhow::Result;
use emberline_net::{OnnxOptions, Tensor};

fn main() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let given = std::env::args().nth(1).map(PathBuf::from);
    let folder = given.as_deref().unwrap_or(scratch.path());
    let count = if given.is_some() { usize::MAX } else { 1 };
    for card in emberline_zoo::cards().iter().take(count) {
        let network = card.network()?;
        let shapes = network.weight_shapes();
        // The larger ones have the same layers.
        if shapes.values().map(|shape| shape.iter().product::<usize>()).sum::<usize>() > 30_000_000 {
            continue;
        }
        let zeros = shapes.into_iter().map(|(name, shape)| Ok((name, Tensor::zeros(shape)?)));
        let network = network.with_weights(zeros.collect::<Result<_, emberline_net::Error>>()?)?;
        std::fs::write(
            folder.join(format!("{}.onnx", card.name)),
            network.to_onnx(&OnnxOptions::default())?,
        )?;
    }
    Ok(())
}
