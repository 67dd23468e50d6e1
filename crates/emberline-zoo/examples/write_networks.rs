//! Writes the named networks as ONNX and for Keras, with weights that nobody trained, for `tools/check_networks.py`:
//! `write_networks FOLDER`. Without FOLDER it writes one of them, and removes it.

use std::path::PathBuf;

use anyhow::Result;
use emberline_net::{ImageLayout, Layer, Network, OnnxOptions, Tensor};

fn main() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let given = std::env::args().nth(1).map(PathBuf::from);
    let folder = given.as_deref().unwrap_or(scratch.path());
    let count = if given.is_some() { usize::MAX } else { 1 };
    for card in emberline_zoo::cards().iter().take(count) {
        let network = card.network()?;
        let shapes = network.weight_shapes();
        // VGGs, whose layers others have too.
        if shapes.values().map(|shape| shape.iter().product::<usize>()).sum::<usize>() > 100_000_000 {
            continue;
        }
        let weights = shapes
            .into_iter()
            .map(|(name, shape)| untrained(&network, &name, shape).map(|tensor| (name, tensor)))
            .collect::<Result<_>>()?;
        let network = network.with_weights(weights)?;
        let onnx = network.to_onnx(&OnnxOptions { input_layout: ImageLayout::ChannelsLast })?;
        std::fs::write(folder.join(format!("{}.onnx", card.name)), onnx)?;
        std::fs::write(folder.join(format!("{}.keras", card.name)), network.to_keras()?)?;
    }
    Ok(())
}

/// Numbers that keep the variance of what flows through: kernels by their fan-in, factors and variances around one, all else around zero.
fn untrained(network: &Network, name: &str, shape: Vec<usize>) -> Result<Tensor> {
    let (layer, kind) = name.rsplit_once('/').unwrap_or((name, ""));
    let by_channel = network
        .nodes()
        .iter()
        .any(|node| node.name == layer && matches!(node.layer, Layer::DepthwiseConv(_)));
    let outputs = if by_channel { shape.len() - 2 } else { shape.len() - 1 };
    let fan_in: usize = shape[..outputs].iter().product();
    let (middle, width) = match kind {
        "gamma" | "moving_variance" => (1.0, 0.2),
        kind if kind.ends_with("kernel") => (0.0, (3.0 / fan_in as f32).sqrt()),
        _ => (0.0, 0.1),
    };
    let mut state = name.bytes().fold(1_u64, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
    let mut number = || {
        // Knuth's generator (MMIX); its upper bits are the better ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        middle + width * ((state >> 40) as f32 / (1 << 23) as f32 - 1.0)
    };
    let numbers = (0..shape.iter().product()).map(|_| number()).collect();
    Ok(Tensor::new(shape, numbers)?)
}
