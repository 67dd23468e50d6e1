//! Which runtime runs a model when nobody says.

use std::sync::{Arc, OnceLock};

use super::{NativeRuntime, OnnxRuntime, PrepareOptions, Prepared, Runtime, TractRuntime};
use crate::Result;

/// The environment variable that names one runtime for all models: `onnxruntime` or `tract`.
pub const RUNTIME_VARIABLE: &str = "EMBERLINE_RUNTIME";

/// Every model in the runtime that is fastest for it: [`NativeRuntime`] for convolutional networks with depthwise convolutions, as
/// MobileNets and EfficientNets are; for all else ONNX Runtime if its library is found (see [`OnnxRuntime::find`]), or `tract`.
/// [`RUNTIME_VARIABLE`] leaves our own kernels out. The search is done once per process; a fallback is logged once as a warning that
/// names the remedy.
#[must_use]
pub fn default_runtime() -> Arc<dyn Runtime> {
    static RUNTIME: OnceLock<Arc<dyn Runtime>> = OnceLock::new();
    Arc::clone(RUNTIME.get_or_init(find))
}

fn find() -> Arc<dyn Runtime> {
    let asked = std::env::var(RUNTIME_VARIABLE).unwrap_or_default();
    let (native, look_for_library) = match asked.as_str() {
        "" => (NativeRuntime::find(), true),
        "onnxruntime" => (None, true),
        "tract" => (None, false),
        other => {
            log::warn!(
                "{RUNTIME_VARIABLE} is `{other}`, expected `onnxruntime` or `tract`; it has no effect"
            );
            (NativeRuntime::find(), true)
        }
    };
    let library = if look_for_library { OnnxRuntime::find().map(Some) } else { Ok(None) };
    let library = library.unwrap_or_else(|error| {
        log::warn!("{error}; using tract instead, which is 1.4 to 2.2 times slower");
        None
    });
    match (native, library) {
        (None, Some(library)) => Arc::new(library),
        (None, None) => Arc::new(TractRuntime),
        (Some(native), Some(library)) => {
            Arc::new(FirstNative { native, other: library, name: "native and ONNX Runtime" })
        }
        (Some(native), None) => {
            Arc::new(FirstNative { native, other: TractRuntime, name: "native and tract" })
        }
    }
}

/// Our own kernels for what they are fastest at, another runtime for all else.
#[derive(Debug)]
struct FirstNative<R> {
    native: NativeRuntime,
    other: R,
    name: &'static str,
}

impl<R: Runtime> Runtime for FirstNative<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare(&self, onnx: &[u8], options: &PrepareOptions) -> Result<Arc<dyn Prepared>> {
        match self.native.prepare_if_fastest(onnx, options) {
            Some(prepared) => Ok(prepared),
            None => self.other.prepare(onnx, options),
        }
    }
}
