//! `tract`, pure Rust: nothing to install, slower.

use std::{collections::HashMap, io::Cursor, panic::catch_unwind, sync::Arc};

use tract_onnx::{
    prelude::{
        Datum, Framework, InferenceModel, InferenceModelExt, IntoRunnable, TValue, TVec,
        Tensor as TractTensor, ToDim, TractResult, TypedFact, TypedRunnableModel,
    },
    tract_hir::infer::Factoid,
};

use super::{PortInfo, PrepareOptions, Prepared, Runtime, samples_of};
use crate::{Error, Result, Tensor, TensorView};

/// `tract`, an ONNX runtime in Rust. Needs no library.
#[derive(Clone, Copy, Debug, Default)]
pub struct TractRuntime;

const NAME: &str = "tract";

impl Runtime for TractRuntime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&self, onnx: &[u8], _: &PrepareOptions) -> Result<Arc<dyn Prepared>> {
        // tract looks names up by index while it reads a model; a bad file must not stop the program.
        let plan = catch_unwind(|| read(onnx))
            .map_err(|_| failed("the model refers to a name it does not define"))?;
        Ok(Arc::new(plan?))
    }
}

/// A plan for one sample where the model leaves the batch open, for tract's fastest operators know their sizes; a batch
/// is run sample by sample, which costs a convolutional network nothing.
#[derive(Debug)]
struct PreparedPlan {
    plan: Arc<TypedRunnableModel>,
    inputs: Vec<PortInfo>,
    outputs: Vec<PortInfo>,
    by_sample: bool,
}

fn read(onnx: &[u8]) -> Result<PreparedPlan> {
    let mut model = tract_onnx::onnx().model_for_read(&mut Cursor::new(onnx)).map_err(chain)?;
    let inputs = input_ports(&model).map_err(chain)?;
    let by_sample = !inputs.is_empty() && inputs.iter().all(PortInfo::has_open_batch);
    if by_sample {
        bind_batch_to_one(&mut model).map_err(chain)?;
    }
    let model = model.into_optimized().map_err(chain)?;
    let mut outputs = Vec::new();
    for (i, outlet) in model.outputs.iter().enumerate() {
        let name = model.outlet_label(*outlet).map_or_else(|| format!("output_{i}"), ToOwned::to_owned);
        let mut shape = fixed_sizes(&name, model.outlet_fact(*outlet).map_err(chain)?)?;
        if by_sample {
            match shape.first_mut() {
                Some(batch) if *batch == Some(1) => *batch = None,
                _ => return Err(failed(&format!("output `{name}` has no batch axis"))),
            }
        }
        outputs.push(PortInfo { name, shape });
    }
    let plan = model.into_runnable().map_err(chain)?;
    Ok(PreparedPlan { plan, inputs, outputs, by_sample })
}

fn input_ports(model: &InferenceModel) -> TractResult<Vec<PortInfo>> {
    let port = |outlet: &tract_onnx::prelude::OutletId| {
        let fact = model.outlet_fact(*outlet)?;
        let size =
            |dim: tract_onnx::prelude::TDim| dim.to_i64().ok().and_then(|size| usize::try_from(size).ok());
        let shape = fact.shape.dims().map(|dim| dim.concretize().and_then(size)).collect();
        Ok(PortInfo { name: model.node(outlet.node).name.clone(), shape })
    };
    model.input_outlets()?.iter().map(port).collect()
}

fn bind_batch_to_one(model: &mut InferenceModel) -> TractResult<()> {
    let mut symbols = HashMap::new();
    for i in 0..model.inputs.len() {
        let batch = model.input_fact(i)?.shape.dim(0).and_then(|dim| dim.concretize());
        match batch {
            Some(batch) => symbols.extend(batch.symbols().into_iter().map(|symbol| (symbol, 1.to_dim()))),
            None => {
                model.input_fact_mut(i)?.shape.set_dim(0, 1.to_dim());
            }
        }
    }
    InferenceModelExt::set_symbols(model, &symbols)
}

fn fixed_sizes(name: &str, fact: &TypedFact) -> Result<Vec<Option<usize>>> {
    if fact.datum_type != f32::datum_type() {
        return Err(failed(&format!("`{name}` is {:?}, expected a tensor of f32", fact.datum_type)));
    }
    Ok(fact.shape.iter().map(|dim| dim.to_i64().ok().and_then(|size| usize::try_from(size).ok())).collect())
}

impl Prepared for PreparedPlan {
    fn inputs(&self) -> &[PortInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[PortInfo] {
        &self.outputs
    }

    fn run_batch(&self, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>> {
        if !self.by_sample {
            let shaped = |input: &TensorView<'_>| (input.shape().to_vec(), input.data().to_vec());
            return self.run_once(inputs.iter().map(shaped));
        }
        let samples = samples_of(&self.inputs, inputs)?;
        let mut batch: Vec<(Vec<usize>, Vec<f32>)> = Vec::new();
        for i in 0..samples {
            let outputs = self.run_once(inputs.iter().map(|input| sample(input, i)))?;
            batch.resize_with(outputs.len(), Default::default);
            for ((shape, data), output) in batch.iter_mut().zip(outputs) {
                *shape = [&[samples], &output.shape()[1..]].concat();
                data.extend_from_slice(output.data());
            }
        }
        batch.into_iter().map(|(shape, data)| Tensor::new(shape, data)).collect()
    }
}

impl PreparedPlan {
    fn run_once(&self, inputs: impl Iterator<Item = (Vec<usize>, Vec<f32>)>) -> Result<Vec<Tensor>> {
        let value =
            |(shape, data): (Vec<usize>, Vec<f32>)| TractTensor::from_shape(&shape, &data).map(TValue::from);
        let values = inputs.map(value).collect::<TractResult<TVec<TValue>>>().map_err(chain)?;
        let outputs = self.plan.run(values).map_err(chain)?;
        let tensor = |value: TValue| {
            let data = value.to_plain_array_view::<f32>().map_err(chain)?.iter().copied().collect();
            Tensor::new(value.shape().to_vec(), data)
        };
        outputs.into_iter().map(tensor).collect()
    }
}

/// One sample of a batch, as a batch of one.
fn sample(input: &TensorView<'_>, index: usize) -> (Vec<usize>, Vec<f32>) {
    let shape = [&[1], &input.shape()[1..]].concat();
    let len = input.data().len() / input.shape()[0];
    (shape, input.data()[index * len..][..len].to_vec())
}

fn chain(error: tract_onnx::prelude::TractError) -> Error {
    failed(&format!("{error:#}"))
}

fn failed(problem: &str) -> Error {
    Error::Runtime { runtime: NAME, problem: problem.to_owned() }
}
