//! Runs a model from a file on given inputs and compares its outputs: what `tools/foreign_models.py` calls.
//!
//! `compare_model MODEL CASE`: in the folder `CASE` are `inputs.txt` and `outputs.txt`, a line `name|shape|file` for each tensor, and the
//! files, of 32-bit floats. Prints `output|shape|greatest difference|greatest value` for each output.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use emberline_net::{OnnxModel, PrepareOptions, Tensor, TensorFlowModel, default_runtime};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let (Some(path), Some(case)) = (arguments.next(), arguments.next()) else {
        println!("expected MODEL CASE; tools/foreign_models.py makes cases");
        return Ok(());
    };
    let (inputs, outputs) = (tensors(&case, "inputs.txt")?, tensors(&case, "outputs.txt")?);
    let names: Vec<&String> = outputs.iter().map(|(name, _)| name).collect();
    let model = if path.extension().is_some_and(|extension| extension == "onnx") {
        OnnxModel::read(&path, &Default::default())?.with_outputs(&names)?
    } else {
        TensorFlowModel::read(&path, "serve", &Default::default())?.to_onnx("serving_default", &[], &names)?
    };
    let prepared = model.prepare(default_runtime().as_ref(), &PrepareOptions::default())?;
    let mut views = Vec::new();
    for port in prepared.inputs() {
        let (_, tensor) = inputs.iter().find(|(name, _)| *name == port.name).context(port.name.clone())?;
        views.push(tensor.view());
    }
    for ((name, expected), found) in outputs.iter().zip(prepared.run(&views)?) {
        if expected.shape() != found.shape() {
            bail!("{name}: {:?}, expected {:?}", found.shape(), expected.shape());
        }
        let pairs = found.data().iter().zip(expected.data());
        let difference = pairs.fold(0_f32, |most, (found, expected)| most.max((found - expected).abs()));
        let greatest = expected.data().iter().fold(0_f32, |most, value| most.max(value.abs()));
        println!("{name}|{:?}|{difference:e}|{greatest}", found.shape());
    }
    Ok(())
}

fn tensors(case: &Path, list: &str) -> Result<Vec<(String, Tensor)>> {
    let text = std::fs::read_to_string(case.join(list))?;
    let tensor = |line: &str| -> Result<(String, Tensor)> {
        let [name, shape, file] = line.split('|').collect::<Vec<_>>()[..] else { bail!("`{line}`") };
        let sizes = shape.split('x').filter(|size| !size.is_empty()).map(str::parse);
        let bytes = std::fs::read(case.join(file))?;
        let values = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok((name.to_owned(), Tensor::new(sizes.collect::<Result<_, _>>()?, values)?))
    };
    text.lines().map(tensor).collect()
}
