//! Running ONNX: the [`Runtime`] trait and its implementations, and which of them runs what.
//!
//! Parallelism is over samples: [`Prepared::run`] works on the calling thread alone (unless told otherwise), so a caller
//! with one worker per core keeps every core busy.

mod automatic;
mod library;
mod native;
mod onnx_runtime;
mod tract;

use std::{fmt::Debug, sync::Arc};

pub use self::{
    automatic::{RUNTIME_VARIABLE, default_runtime},
    library::{LIBRARY_VARIABLE, look_for_library_in},
    native::NativeRuntime,
    onnx_runtime::OnnxRuntime,
    tract::TractRuntime,
};
use crate::{Error, Result, Tensor, TensorView};

/// Something that runs ONNX models.
pub trait Runtime: Send + Sync + Debug {
    /// The runtime's name, for messages.
    fn name(&self) -> &'static str;

    /// Reads and optimises a model. Fails when the bytes are no ONNX model, when the runtime lacks an operator, or when
    /// the model takes or gives anything but `f32` tensors.
    fn prepare(&self, onnx: &[u8], options: &PrepareOptions) -> Result<Arc<dyn Prepared>>;
}

/// A model ready to run. It holds its weights once, however many threads call it.
pub trait Prepared: Send + Sync + Debug {
    /// What the model takes, in the order of [`run`](Self::run)'s inputs.
    fn inputs(&self) -> &[PortInfo];

    /// What the model gives, in the order of [`run`](Self::run)'s outputs.
    fn outputs(&self) -> &[PortInfo];

    /// Runs the model. May be called from many threads at once; each call works on its own thread. A batch of no
    /// samples gives outputs of no samples. Fails when the inputs are not those of [`inputs`](Self::inputs), and when the
    /// runtime fails.
    fn run(&self, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>> {
        check_inputs(self.inputs(), inputs)?;
        outputs_of_nothing(self.outputs(), inputs).unwrap_or_else(|| self.run_batch(inputs))
    }

    /// [`run`](Self::run) of inputs that have been checked, with numbers in all of them.
    fn run_batch(&self, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>>;
}

/// Choices in preparing a model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PrepareOptions {
    /// How many threads one run may use, at least 1. One, the default, is best where several runs go on at once; more
    /// shorten a single run a little. `tract` and our own kernels always use one.
    pub threads: usize,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        Self { threads: 1 }
    }
}

/// The name and shape of a model's input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// The name in the ONNX model.
    pub name: String,
    /// The size of every axis, the batch included; `None` where the model leaves it open.
    pub shape: Vec<Option<usize>>,
}

impl PortInfo {
    /// Whether the model leaves the size of the first axis, the batch, open.
    #[must_use]
    pub fn has_open_batch(&self) -> bool {
        self.shape.first() == Some(&None)
    }

    fn takes(&self, shape: &[usize]) -> bool {
        shape.len() == self.shape.len()
            && self
                .shape
                .iter()
                .zip(shape)
                .all(|(expected, &found)| expected.is_none_or(|size| size == found))
    }

    /// `[?, 224, 224, 3]`.
    fn shape_text(&self) -> String {
        let sizes = self.shape.iter().map(|size| size.map_or("?".to_owned(), |size| size.to_string()));
        format!("[{}]", sizes.collect::<Vec<_>>().join(", "))
    }
}

/// Refuses inputs of the wrong number or shape.
fn check_inputs(ports: &[PortInfo], inputs: &[TensorView<'_>]) -> Result<()> {
    if ports.len() != inputs.len() {
        return Err(Error::InputCount { expected: ports.len(), found: inputs.len() });
    }
    for (port, input) in ports.iter().zip(inputs) {
        if !port.takes(input.shape()) {
            let (input, found) = (port.name.clone(), input.shape().to_vec());
            return Err(Error::Input { input, expected: port.shape_text(), found });
        }
    }
    Ok(())
}

/// How many samples the inputs have, all of them the same.
fn samples_of(ports: &[PortInfo], inputs: &[TensorView<'_>]) -> Result<usize> {
    let count = |input: &TensorView<'_>| input.shape().first().copied().unwrap_or(0);
    let samples = inputs.first().map_or(0, count);
    match ports.iter().zip(inputs).find(|(_, input)| count(input) != samples) {
        None => Ok(samples),
        Some((port, input)) => {
            let expected = format!("a batch of {samples}, as of the first input");
            Err(Error::Input { input: port.name.clone(), expected, found: input.shape().to_vec() })
        }
    }
}

/// The outputs of a batch of no samples, which not every operator of every runtime can compute; `None` for other batches.
fn outputs_of_nothing(outputs: &[PortInfo], inputs: &[TensorView<'_>]) -> Option<Result<Vec<Tensor>>> {
    if !inputs.iter().any(|input| input.shape().contains(&0)) {
        return None;
    }
    let empty = |port: &PortInfo| {
        let mut shape: Vec<usize> = port.shape.iter().map(|size| size.unwrap_or(0)).collect();
        if let Some(batch) = shape.first_mut() {
            *batch = 0;
        }
        Tensor::zeros(shape)
    };
    Some(outputs.iter().map(empty).collect())
}
