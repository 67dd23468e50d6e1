//! Microsoft's ONNX Runtime, loaded as a library while the program runs.

use std::{
    ffi::{CString, c_char},
    path::Path,
    ptr::{self, NonNull},
    sync::Arc,
};

use ort::{
    AsPointer,
    environment::Environment,
    session::{
        Session,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::{DynValue, Outlet, TensorElementType, TensorRef, ValueType},
};

use super::{PortInfo, PrepareOptions, Prepared, Runtime, library};
use crate::{Error, Result, Tensor, TensorView};

/// ONNX Runtime on the CPU. The fastest of the runtimes; needs its library, version 1.17 or later.
///
/// Libraries from 1.29 on gather which models they run and send that to their makers. Emberline tells them not to, but they begin
/// before they can be told, unless the variable `ORT_DISABLE_TELEMETRY` is `1` when they are loaded. The command and the Python package
/// set it. A program of yours should set it where it starts, since only there, before it has threads, can that be done safely.
#[derive(Clone, Debug)]
pub struct OnnxRuntime {
    environment: Environment,
}

impl OnnxRuntime {
    /// Finds and loads the library: what the environment variable `EMBERLINE_ONNXRUNTIME` names (a file, or a folder that
    /// holds it), beside the executable, `onnxruntime/*/` in [`home_dir`](crate::home_dir), then by the system's
    /// loader. Fails when there is none, and when the variable names a file that is missing, no ONNX Runtime, or too old.
    pub fn find() -> Result<Self> {
        library::find_and_load().map(|environment| Self { environment })
    }

    /// Loads this library, or the library in this folder. A process can hold one ONNX Runtime: fails when another file
    /// has been loaded.
    pub fn from_library(path: impl AsRef<Path>) -> Result<Self> {
        library::load(path.as_ref()).map(|environment| Self { environment })
    }
}

const NAME: &str = "ONNX Runtime";

impl Runtime for OnnxRuntime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&self, onnx: &[u8], options: &PrepareOptions) -> Result<Arc<dyn Prepared>> {
        let session = session_builder(&self.environment, options)
            .and_then(|mut builder| builder.commit_from_memory(onnx))
            .map_err(|error| failed(&error))?;
        let inputs = session.inputs().iter().map(port).collect::<Result<Vec<_>>>()?;
        let outputs = session.outputs().iter().map(port).collect::<Result<Vec<_>>>()?;
        let (input_names, output_names) = (names(&inputs)?, names(&outputs)?);
        Ok(Arc::new(PreparedSession { session, inputs, outputs, input_names, output_names }))
    }
}

fn session_builder(environment: &Environment, options: &PrepareOptions) -> ort::Result<SessionBuilder> {
    Ok(Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(options.threads.max(1))?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_log_level(ort::logging::LogLevel::Fatal)?)
}

/// One session, run by any number of threads at once.
#[derive(Debug)]
struct PreparedSession {
    session: Session,
    inputs: Vec<PortInfo>,
    outputs: Vec<PortInfo>,
    input_names: Vec<CString>,
    output_names: Vec<CString>,
}

impl Prepared for PreparedSession {
    fn inputs(&self) -> &[PortInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[PortInfo] {
        &self.outputs
    }

    fn run_batch(&self, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>> {
        let values = inputs.iter().map(|input| TensorRef::from_array_view((input.shape(), input.data())));
        let values = values.collect::<ort::Result<Vec<_>>>().map_err(|error| failed(&error))?;
        let outputs = self.run_values(&values)?;
        outputs.iter().map(tensor).collect()
    }
}

impl PreparedSession {
    /// `OrtApi::Run` through a shared reference.
    ///
    /// `ort`'s own `Session::run` takes `&mut self`, because its author has seen `Run` misbehave when called from several
    /// threads. ONNX Runtime's maintainers guarantee that it is thread-safe, and the known exceptions are execution
    /// providers for accelerators (<https://github.com/microsoft/onnxruntime/issues/114>); sessions here use the CPU
    /// provider alone. One session per thread instead would hold the weights once per thread.
    fn run_values(&self, inputs: &[TensorRef<'_, f32>]) -> Result<Vec<DynValue>> {
        let input_names: Vec<*const c_char> = self.input_names.iter().map(|name| name.as_ptr()).collect();
        let output_names: Vec<*const c_char> = self.output_names.iter().map(|name| name.as_ptr()).collect();
        let input_values: Vec<*const ort::sys::OrtValue> = inputs.iter().map(|value| value.ptr()).collect();
        let mut output_values: Vec<*mut ort::sys::OrtValue> = vec![ptr::null_mut(); output_names.len()];
        // SAFETY: the session lives as long as `self`, and Run is thread-safe on the CPU. Names and values are as many
        // as the lengths say (`check_inputs`) and outlive the call; null outputs ask ONNX Runtime to allocate them.
        let status = unsafe {
            (ort::api().Run)(
                self.session.ptr().cast_mut(),
                ptr::null(),
                input_names.as_ptr(),
                input_values.as_ptr(),
                input_values.len(),
                output_names.as_ptr(),
                output_names.len(),
                output_values.as_mut_ptr(),
            )
        };
        // SAFETY: the status is what Run has just given, and nothing else releases it.
        unsafe { ort::Error::result_from_status(status) }.map_err(|error| failed(&error))?;
        let own = |value: *mut ort::sys::OrtValue| {
            let value = NonNull::new(value).ok_or_else(|| failed(&"an output is missing"))?;
            // SAFETY: Run has made the value with this session's allocator and given it to us alone.
            Ok(unsafe { DynValue::from_ptr(value, Some(self.session.allocator())) })
        };
        // Every value is owned before any error is looked at, so that none leaks.
        let owned: Vec<Result<DynValue>> = output_values.into_iter().map(own).collect();
        owned.into_iter().collect()
    }
}

fn tensor(value: &DynValue) -> Result<Tensor> {
    let (shape, data) = value.try_extract_tensor::<f32>().map_err(|error| failed(&error))?;
    let shape = shape.iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect();
    Tensor::new(shape, data.to_vec())
}

fn names(ports: &[PortInfo]) -> Result<Vec<CString>> {
    ports.iter().map(|port| CString::new(port.name.as_str()).map_err(|error| failed(&error))).collect()
}

fn port(outlet: &Outlet) -> Result<PortInfo> {
    match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => {
            // ONNX Runtime gives -1 for a size that the model leaves open.
            let shape = shape.iter().map(|&size| usize::try_from(size).ok()).collect();
            Ok(PortInfo { name: outlet.name().to_owned(), shape })
        }
        other => Err(failed(&format!("`{}` is {other}, expected a tensor of f32", outlet.name()))),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Runtime { runtime: NAME, problem: error.to_string() }
}
