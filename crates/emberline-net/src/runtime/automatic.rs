//! Which runtime runs a model when nobody says.

use std::sync::{Arc, OnceLock};

use super::{NativeRuntime, OnnxRuntime, PrepareOptions, Prepared, Runtime, TractRuntime};
use crate::Result;

/// The environment variable that names one runtime for all models: `onnxruntime` or `tract`.
pub const RUNTIME_VARIABLE: &str = "EMBERLINE_RUNTIME";

/// Every model in the runtime that is fastest for it: [`NativeRuntime`] for networks like MobileNetV2 and EfficientNet-Lite, of depthwise
/// convolutions and bounds as activations; for all else ONNX Runtime if its library is found (see [`OnnxRuntime::find`]). Without the
/// library, [`NativeRuntime`] for all that it covers, and `tract`.
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
        log::warn!("{error}; without it most networks are slower, in tract 1.4 to 2.2 times");
        None
    });
    match (native, library) {
        (None, Some(library)) => Arc::new(library),
        (None, None) => Arc::new(TractRuntime),
        (Some(native), Some(library)) => {
            Arc::new(FirstNative { native, always: false, other: library, name: "native and ONNX Runtime" })
        }
        (Some(native), None) => {
            Arc::new(FirstNative { native, always: true, other: TractRuntime, name: "native and tract" })
        }
    }
}

/// Our own kernels for what they are fastest at, another runtime for all else.
#[derive(Debug)]
struct FirstNative<R> {
    native: NativeRuntime,
    /// Whether all that they cover runs in them.
    always: bool,
    other: R,
    name: &'static str,
}

impl<R: Runtime> Runtime for FirstNative<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare(&self, onnx: &[u8], options: &PrepareOptions) -> Result<Arc<dyn Prepared>> {
        let native = if self.always {
            self.native.prepare(onnx, options).ok()
        } else {
            self.native.prepare_if_fastest(onnx, options)
        };
        native.map_or_else(|| self.other.prepare(onnx, options), Ok)
    }
}
