//! Proof that what a user's file holds runs right here: against values that whoever made it computed, and in two runtimes.

use std::collections::BTreeMap;

use emberline_net::{OnnxModel, OnnxPort, PrepareOptions, Runtime, Tensor};

use crate::{
    Comparison, Error, Result, Verification, formula,
    verify::{SAME_PIXELS_TOLERANCE, difference},
};

/// Samples of an input whose batch the model leaves open.
const SAMPLES: usize = 2;

/// Runs a model from a file and compares its outputs with those in `golden`: inputs and outputs that whoever made the
/// model computed, by their names in it. Every input must be there, and some of the outputs.
///
/// # Errors
/// When the model can't be run, an input or all outputs are missing, or an input is of another shape than the model's.
///
/// ```
/// use std::collections::BTreeMap;
/// use emberline_net::{Layer, NetworkBuilder, OnnxModel, OnnxOptions, Tensor, TractRuntime};
/// use emberline_zoo::verify_model;
///
/// let mut layers = NetworkBuilder::new("tiny");
/// let x = layers.input("x", [2, 2, 1]);
/// let flat = layers.apply("flat", Layer::Flatten, x);
/// let onnx = layers.build(&[flat])?.to_onnx(&OnnxOptions::default())?;
/// let model = OnnxModel::from_bytes(&onnx, &Default::default())?;
///
/// let values = vec![1.0, 2.0, 3.0, 4.0];
/// let x = Tensor::new(vec![1, 2, 2, 1], values.clone())?;
/// let golden = BTreeMap::from([("x".into(), x), ("flat".into(), Tensor::new(vec![1, 4], values)?)]);
/// assert!(verify_model(&model, &golden, &TractRuntime)?.passed());
/// # Ok::<(), emberline_zoo::Error>(())
/// ```
pub fn verify_model(
    model: &OnnxModel,
    golden: &BTreeMap<String, Tensor>,
    runtime: &dyn Runtime,
) -> Result<Verification> {
    let prepared = model.prepare(runtime, &PrepareOptions::default())?;
    let names = |ports: Vec<OnnxPort>| ports.into_iter().map(|port| port.name).collect::<Vec<_>>();
    let (inputs, outputs) = (names(model.inputs()), names(model.outputs()));
    let given = |name: &String| {
        let missing = || Error::File {
            problem: format!("the golden values have no tensor `{name}`, which the model takes"),
        };
        golden.get(name).ok_or_else(missing)
    };
    let inputs = inputs.iter().map(given).collect::<Result<Vec<_>>>()?;
    let found = prepared.run(&inputs.iter().map(|tensor| tensor.view()).collect::<Vec<_>>())?;
    let mut comparisons = Vec::new();
    for (name, found) in outputs.iter().zip(&found) {
        if let Some(expected) = golden.get(name) {
            comparisons.push(compared("golden values", name, expected, found));
        }
    }
    if comparisons.is_empty() {
        let problem = format!("the golden values have no output of the model: {}", outputs.join(", "));
        return Err(Error::File { problem });
    }
    Ok(Verification { comparisons, top5: Vec::new() })
}

/// Runs a model from a file in two runtimes, on inputs between 0 and 1 that a formula gives, and compares their outputs.
/// That finds what one of them computes wrong, and nothing that both do.
///
/// # Errors
/// When one of them can't run the model, or the model leaves a size other than the batch open.
pub fn verify_in_runtimes(
    model: &OnnxModel,
    runtime: &dyn Runtime,
    other: &dyn Runtime,
) -> Result<Verification> {
    let model = model.clone().with_f32_ports()?;
    let inputs = model.inputs().iter().map(drawn).collect::<Result<Vec<_>>>()?;
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    let run = |runtime: &dyn Runtime| -> Result<Vec<Tensor>> {
        Ok(model.prepare(runtime, &PrepareOptions::default())?.run(&views)?)
    };
    let (found, expected) = (run(runtime)?, run(other)?);
    let picture = format!("drawn, as in {}", other.name());
    let compared = |((port, expected), found): ((OnnxPort, &Tensor), &Tensor)| {
        compared(&picture, &port.name, expected, found)
    };
    let comparisons = model.outputs().into_iter().zip(&expected).zip(&found).map(compared).collect();
    Ok(Verification { comparisons, top5: Vec::new() })
}

/// A tensor for a port, from its name and sizes alone.
fn drawn(port: &OnnxPort) -> Result<Tensor> {
    let open = || Error::File {
        problem: format!(
            "the model leaves sizes of `{port}` open; give values for its inputs with --golden, a file with tensors by name"
        ),
    };
    let sizes = port.shape.as_ref().ok_or_else(open)?.iter().enumerate();
    let size = |(axis, size): (usize, &Option<usize>)| match size {
        Some(size) => Ok(*size),
        None if axis == 0 => Ok(SAMPLES),
        None => Err(open()),
    };
    Ok(formula::between(&port.name, &sizes.map(size).collect::<Result<Vec<_>>>()?, 0.5, 0.5)?)
}

fn compared(picture: &str, layer: &str, expected: &Tensor, found: &Tensor) -> Comparison {
    let same_shape = expected.shape() == found.shape();
    let max_difference = if same_shape { difference(expected.data(), found.data()) } else { f64::INFINITY };
    Comparison {
        picture: picture.to_owned(),
        layer: layer.to_owned(),
        max_difference,
        tolerance: SAME_PIXELS_TOLERANCE,
    }
}
