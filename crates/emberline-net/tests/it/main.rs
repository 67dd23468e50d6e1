//! The tests of this crate: graphs, files, and one conformance suite that every runtime passes.

mod allocations;
mod conformance;
mod foreign;
mod graph;
mod h5;
mod keras;
mod keras_damage;
mod library;
mod mutate;
mod native;
mod pth;
mod pytorch;
mod reference;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use emberline_net::{
    NativeRuntime, Network, OnnxRuntime, PrepareOptions, Prepared, Runtime, Tensor, TractRuntime,
};

/// How near two results must be, as a share of the greatest value in the expected tensor.
#[derive(Clone, Copy)]
enum Tolerance {
    /// Equal bit by bit: the same operators on the same values.
    Exact,
    /// Rounding in another order: another runtime, a folded normalisation, in 32 bits.
    Close,
}

impl Tolerance {
    fn relative(self) -> f32 {
        match self {
            Self::Exact => 0.0,
            // About a hundred roundings of 2^-24.
            Self::Close => 1e-5,
        }
    }

    fn check(self, what: &str, found: &Tensor, expected: &Tensor) -> Result<()> {
        ensure!(
            found.shape() == expected.shape(),
            "{what}: {:?} is not {:?}",
            found.shape(),
            expected.shape()
        );
        let scale = expected.data().iter().fold(0_f32, |scale, value| scale.max(value.abs()));
        for (i, (found, expected)) in found.data().iter().zip(expected.data()).enumerate() {
            let near = (found - expected).abs() <= self.relative() * scale;
            ensure!(near, "{what}: value {i} is {found}, expected {expected}");
        }
        Ok(())
    }
}

/// Every runtime. ONNX Runtime's library must be there: a test that skips it proves nothing.
fn runtimes() -> Result<Vec<Box<dyn Runtime>>> {
    let onnx_runtime =
        OnnxRuntime::find().context("run `cargo xtask setup` to fetch ONNX Runtime's library")?;
    Ok(vec![Box::new(onnx_runtime), Box::new(TractRuntime), Box::new(NativeElseTract)])
}

/// Our own kernels wherever they cover a model, so that they are seen to do as the others do.
#[derive(Debug)]
struct NativeElseTract;

impl Runtime for NativeElseTract {
    fn name(&self) -> &'static str {
        "native, else tract"
    }

    fn prepare(
        &self,
        onnx: &[u8],
        options: &PrepareOptions,
    ) -> Result<Arc<dyn Prepared>, emberline_net::Error> {
        match NativeRuntime::find().map(|native| native.prepare(onnx, options)) {
            Some(Ok(prepared)) => Ok(prepared),
            _ => TractRuntime.prepare(onnx, options),
        }
    }
}

/// Values that look random, are the same everywhere, and lie in `[-1, 1)`.
fn noise(shape: &[usize], seed: u32) -> Result<Tensor> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f32::from(u16::try_from(state >> 16).unwrap_or(0)) / 32768.0 - 1.0
    };
    let data = (0..shape.iter().product()).map(|_| next()).collect();
    Ok(Tensor::new(shape.to_vec(), data)?)
}

/// The network with noise for weights; variances are positive.
fn with_noise(network: Network) -> Result<Network> {
    let mut weights = std::collections::BTreeMap::new();
    for (seed, (name, shape)) in (1..).zip(network.weight_shapes()) {
        let tensor = noise(&shape, seed)?;
        let tensor = if name.ends_with("variance") {
            Tensor::new(shape, tensor.data().iter().map(|value| value + 1.5).collect())?
        } else {
            tensor
        };
        weights.insert(name, tensor);
    }
    Ok(network.with_weights(weights)?)
}
