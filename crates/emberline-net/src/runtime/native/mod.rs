//! Convolutional networks by kernels of our own: what MobileNets and EfficientNets consist of, a thread per run.
//!
//! | file | what it holds |
//! |---|---|
//! | `attributes.rs` | what a node of ONNX says |
//! | `graph.rs` | from ONNX to the few operators here |
//! | `layout.rs`, `memory.rs` | where numbers lie |
//! | `plan.rs` | a graph made ready, and running it |
//! | `multiply.rs` | convolutions as products of matrices |
//! | `depthwise.rs` | depthwise convolutions |
//! | `pointwise.rs`, `pool.rs` | everything else |
//! | `vector.rs` | activations, eight numbers at a time |

#[cfg(target_arch = "x86_64")]
mod attributes;
#[cfg(target_arch = "x86_64")]
mod depthwise;
#[cfg(target_arch = "x86_64")]
mod graph;
#[cfg(target_arch = "x86_64")]
mod layout;
#[cfg(target_arch = "x86_64")]
mod memory;
#[cfg(target_arch = "x86_64")]
mod multiply;
#[cfg(target_arch = "x86_64")]
mod plan;
#[cfg(target_arch = "x86_64")]
mod pointwise;
#[cfg(target_arch = "x86_64")]
mod pool;
#[cfg(target_arch = "x86_64")]
mod prepared;
#[cfg(target_arch = "x86_64")]
mod vector;

use std::sync::Arc;

use super::{PrepareOptions, Prepared, Runtime};
use crate::{Error, Result};

/// Kernels of our own for convolutional networks of operator set 13 or later: convolutions, poolings, normalisations, sums,
/// products, the usual activations, and vectors behind them. Other models are refused. It needs a processor with AVX2 and FMA.
///
/// ```
/// use emberline_net::{Conv, NativeRuntime, NetworkBuilder, OnnxOptions, PrepareOptions, Runtime, Tensor};
///
/// let mut layers = NetworkBuilder::new("tiny");
/// let image = layers.input("image", [4, 4, 3]);
/// let conv = layers.apply("conv", Conv::new_2d(2, 3), image);
/// let network = layers.build(&[conv])?;
/// let zeros = network.weight_shapes().into_iter().map(|(name, shape)| Ok((name, Tensor::zeros(shape)?)));
/// let network = network.with_weights(zeros.collect::<Result<_, emberline_net::Error>>()?)?;
/// let onnx = network.to_onnx(&OnnxOptions::default())?;
/// if let Some(runtime) = NativeRuntime::find() {
///     let prepared = runtime.prepare(&onnx, &PrepareOptions::default())?;
///     assert_eq!(prepared.run(&[Tensor::zeros(vec![1, 4, 4, 3])?.view()])?[0].shape(), [1, 2, 2, 2]);
/// }
/// # Ok::<(), emberline_net::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NativeRuntime(());

const NAME: &str = "native";

impl NativeRuntime {
    /// The runtime; `None` where the processor lacks what the kernels need.
    #[must_use]
    pub fn find() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        let found = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        #[cfg(not(target_arch = "x86_64"))]
        let found = false;
        found.then_some(Self(()))
    }

    /// As [`prepare`](Runtime::prepare), but only a model that ONNX Runtime runs more slowly, and on one thread: one with as many
    /// depthwise convolutions as MobileNetV2 and EfficientNet-Lite have, and no activations but bounds.
    pub(super) fn prepare_if_fastest(
        &self,
        onnx: &[u8],
        options: &PrepareOptions,
    ) -> Option<Arc<dyn Prepared>> {
        #[cfg(target_arch = "x86_64")]
        let prepared = (options.threads == 1).then(|| prepared::prepare_if_fastest(onnx)).flatten();
        #[cfg(not(target_arch = "x86_64"))]
        let prepared = None;
        prepared
    }
}

impl Runtime for NativeRuntime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&self, onnx: &[u8], _: &PrepareOptions) -> Result<Arc<dyn Prepared>> {
        #[cfg(target_arch = "x86_64")]
        let prepared = prepared::prepare(onnx);
        #[cfg(not(target_arch = "x86_64"))]
        let prepared = Err("this processor is another".to_owned());
        prepared.map_err(|problem| Error::Runtime { runtime: NAME, problem })
    }
}
