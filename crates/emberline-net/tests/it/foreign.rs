//! Models of other tools against what these compute (`tools/goldens/foreign.py`), and damaged ones.

use std::{collections::BTreeMap, fmt::Display, path::PathBuf};

use anyhow::{Context, Result, ensure};
use emberline_net::{
    ElementType, OnnxLimits, OnnxModel, OnnxRuntime, PrepareOptions, Runtime, Tensor, TensorFlowLimits,
    TensorFlowModel, TractRuntime, tensorflow_operators,
};

use crate::{Tolerance, mutate::mutate};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/foreign")
}

/// `numbers` of the script: between -1 and 1.
fn numbers(shape: &[usize]) -> Result<Tensor> {
    let number = |i: usize| f32::from(u8::try_from((i * 37 + 11) % 101).unwrap_or(0)) / 50.0 - 1.0;
    Ok(Tensor::new(shape.to_vec(), (0..shape.iter().product()).map(number).collect())?)
}

fn tensor(shape: &[usize], values: &[f32]) -> Result<Tensor> {
    Ok(Tensor::new(shape.to_vec(), values.to_vec())?)
}

/// The expected outputs of a model, by name.
fn expected(list: &str, model: &str) -> Result<BTreeMap<String, Tensor>> {
    let text = std::fs::read_to_string(folder().join(list))?;
    let mut outputs = BTreeMap::new();
    for line in text.lines().filter(|line| line.split('|').next() == Some(model)) {
        let [_, output, shape, values] = line.split('|').collect::<Vec<_>>()[..] else { continue };
        let shape = shape
            .split('x')
            .filter(|size| !size.is_empty())
            .map(str::parse)
            .collect::<Result<Vec<_>, _>>()?;
        let values = values.split(' ').map(str::parse).collect::<Result<Vec<_>, _>>()?;
        outputs.insert(output.to_owned(), Tensor::new(shape, values)?);
    }
    ensure!(!outputs.is_empty(), "nothing is expected of {model}");
    Ok(outputs)
}

fn run(
    runtime: &dyn Runtime,
    model: &OnnxModel,
    inputs: &[(&str, Tensor)],
) -> Result<BTreeMap<String, Tensor>> {
    let prepared = model.prepare(runtime, &PrepareOptions::default())?;
    let input =
        |name: &String| inputs.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor.view());
    let views: Option<Vec<_>> = prepared.inputs().iter().map(|port| input(&port.name)).collect();
    let outputs = prepared.run(&views.context("an input is missing")?)?;
    // Tract does not keep the names of outputs.
    Ok(model.outputs().into_iter().map(|port| port.name).zip(outputs).collect())
}

fn check(list: &str, name: &str, found: &BTreeMap<String, Tensor>) -> Result<()> {
    let expected = expected(list, name)?;
    for (output, found) in found {
        let expected = expected.get(output).with_context(|| format!("{name}: {output} is not expected"))?;
        Tolerance::Close.check(&format!("{name}, {output}"), found, expected)?;
    }
    Ok(())
}

fn message<T, E: Display>(result: Result<T, E>) -> String {
    result.err().map_or("no error".to_owned(), |error| error.to_string())
}

fn onnx(name: &str) -> Result<OnnxModel> {
    Ok(OnnxModel::read(folder().join(name), &OnnxLimits::default())?)
}

#[test]
fn old_onnx_runs_and_is_cut() -> Result<()> {
    let model = onnx("old.onnx")?;
    assert_eq!(model.opset(), 7);
    let ports = |model: &OnnxModel| {
        let texts = model.inputs().into_iter().chain(model.outputs()).map(|port| port.to_string());
        texts.collect::<Vec<_>>().join("; ")
    };
    assert_eq!(ports(&model), "x: f32 [?, 4]; other: f32 [?, 2]; scores: f32 [?, 3]; negative: f32 [?, 2]");
    let inputs = [("x", numbers(&[2, 4])?), ("other", numbers(&[2, 2])?)];
    for runtime in crate::runtimes()? {
        check("onnx.txt", "old.onnx", &run(runtime.as_ref(), &model, &inputs)?)?;
    }
    // An inner tensor as the output: what it does not need is gone.
    let inner = model.clone().with_outputs(&["relu"])?;
    assert_eq!(ports(&inner), "x: f32 [?, 4]; relu: ?");
    assert_eq!(inner.operators(), [("Gemm".to_owned(), 1), ("Relu".to_owned(), 1)].into());
    let found = run(&OnnxRuntime::find()?, &inner, &inputs)?;
    let relu = found.get("relu").context("relu")?;
    ensure!(relu.shape() == [2, 3] && relu.data().iter().all(|value| *value >= 0.0), "{relu:?}");
    let scores = model.clone().with_outputs(&["scores"])?;
    ensure!(scores.to_bytes().len() < model.to_bytes().len());
    check("onnx.txt", "old.onnx", &run(&OnnxRuntime::find()?, &scores, &inputs)?)?;
    let error = message(model.clone().with_outputs(&["relo"]));
    assert_eq!(
        error,
        "ONNX file: no node makes the tensor `relo`; its outputs are scores, negative, its nodes 4"
    );
    assert_eq!(
        message(model.clone().with_outputs(&["relu", "relu"])),
        "ONNX file: output `relu` is asked for twice"
    );
    assert_eq!(
        message(model.with_outputs::<&str>(&[])),
        "ONNX file: expected the name of at least one output"
    );
    Ok(())
}

#[test]
fn ports_of_other_types_take_and_give_f32() -> Result<()> {
    let model = onnx("typed.onnx")?;
    let types = [ElementType::Uint8, ElementType::Int64, ElementType::Float16, ElementType::Bool];
    assert_eq!(model.inputs().iter().map(|port| port.element).collect::<Vec<_>>(), types.map(Some));
    let counted = |shape: &[usize], count: u8, factor: f32| {
        tensor(
            shape,
            &(0..shape.iter().product())
                .map(|i: usize| f32::from(i as u8 % count) * factor)
                .collect::<Vec<_>>(),
        )
    };
    let inputs = [
        ("pixels", counted(&[2, 2, 2, 3], 24, 10.0)?),
        ("ids", counted(&[2, 3], 5, 1.0)?),
        ("half", tensor(&[2, 2], &[0.5, -2.0, 8.0, 0.25])?),
        ("flag", tensor(&[2], &[1.0, 0.0])?),
    ];
    for runtime in crate::runtimes()? {
        check("onnx.txt", "typed.onnx", &run(runtime.as_ref(), &model, &inputs)?)?;
    }
    let flat = model.with_outputs(&["rows"])?.with_flat_outputs();
    let found = run(&OnnxRuntime::find()?, &flat, &inputs)?;
    assert_eq!(found["rows"].shape(), [2, 12]);
    Ok(())
}

#[test]
fn branches_see_what_is_around_them() -> Result<()> {
    let model = onnx("branch.onnx")?;
    let inputs = [("count", tensor(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])?)];
    let runtime = OnnxRuntime::find()?;
    check("onnx.txt", "branch.onnx", &run(&runtime, &model, &inputs)?)?;
    check("onnx.txt", "branch.onnx", &run(&runtime, &model.with_outputs(&["picked"])?, &inputs)?)?;
    Ok(())
}

#[test]
fn sizes_that_are_open_can_be_set() -> Result<()> {
    let model = onnx("old.onnx")?.with_outputs(&["scores"])?;
    let set = model.clone().with_input_shape("x", &[Some(2), Some(4)])?;
    assert_eq!(set.inputs()[0].shape, Some(vec![Some(2), Some(4)]));
    check("onnx.txt", "old.onnx", &run(&OnnxRuntime::find()?, &set, &[("x", numbers(&[2, 4])?)])?)?;
    assert!(message(model.clone().with_input_shape("x", &[None, Some(5)])).contains("can't have the shape"));
    assert_eq!(message(model.with_input_shape("y", &[None])), "ONNX file: it has no input `y`");
    Ok(())
}

#[test]
fn tensors_in_other_files_come_from_the_models_folder_alone() -> Result<()> {
    let inputs = [("x", numbers(&[2, 64])?)];
    check("onnx.txt", "external.onnx", &run(&OnnxRuntime::find()?, &onnx("external.onnx")?, &inputs)?)?;
    let bytes = std::fs::read(folder().join("external.onnx"))?;
    let error = message(OnnxModel::from_bytes(&bytes, &OnnxLimits::default()));
    assert_eq!(
        error,
        "ONNX file: tensor `kernel`: it is stored in `external.data`; read the model from its file, beside which that is"
    );
    let elsewhere = tempfile::tempdir()?;
    let path = elsewhere.path().join("model.onnx");
    let outside = folder().join("external.data");
    for (location, expected) in [
        ("../ext/l.data", "expected a file beside the model"),
        ("/etc/hostname", "expected a file beside the model"),
        ("external.data", "is no file in the model's folder"),
    ] {
        // A location of the same length, so that the message stays one.
        let found = bytes.windows(13).position(|window| window == b"external.data").context("no location")?;
        let mut changed = bytes.clone();
        changed[found..found + 13].copy_from_slice(location.as_bytes());
        std::fs::write(&path, changed)?;
        if location == "external.data" {
            std::os::unix::fs::symlink(&outside, elsewhere.path().join(location))?;
        }
        let error = message(OnnxModel::read(&path, &OnnxLimits::default()));
        ensure!(error.contains(expected), "{location}: {error}");
    }
    let limits = OnnxLimits { file_bytes: 512, ..Default::default() };
    let error = message(OnnxModel::read(folder().join("external.onnx"), &limits));
    ensure!(error.starts_with("ONNX file: file_bytes is limited to 512, the file asks for 1"), "{error}");
    Ok(())
}

#[test]
fn bytes_that_are_no_model_are_refused() -> Result<()> {
    let parse = |bytes: &[u8]| message(OnnxModel::from_bytes(bytes, &OnnxLimits::default()));
    assert_eq!(parse(b"PK\x03\x04 is a zip"), "ONNX file: it is cut off, or no protocol buffer");
    assert_eq!(parse(b""), "ONNX file: it has no graph with outputs; is it an ONNX model?");
    let fields = OnnxLimits { fields: 10, ..Default::default() };
    let error = message(OnnxModel::from_bytes(&std::fs::read(folder().join("old.onnx"))?, &fields));
    assert_eq!(error, "ONNX file: fields is limited to 10, the file asks for 11");
    // An operator set of before 7; field 8 is a set, its field 2 the version.
    let mut old = std::fs::read(folder().join("old.onnx"))?;
    let at = old.windows(2).rposition(|window| window == [0x10, 7]).context("no version")?;
    old[at + 1] = 6;
    ensure!(
        parse(&old).starts_with("ONNX file: expected operator set 7 or later, found 6"),
        "{}",
        parse(&old)
    );
    Ok(())
}

fn frozen() -> Result<TensorFlowModel> {
    Ok(TensorFlowModel::read(folder().join("frozen.pb"), "", &TensorFlowLimits::default())?)
}

#[test]
fn operators_of_tensorflow_compute_what_they_do_there() -> Result<()> {
    let model = frozen()?;
    let inputs = [
        ("image", numbers(&[2, 7, 6, 4])?),
        ("x", numbers(&[2, 6])?),
        ("ids", tensor(&[2, 4], &[0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 2.0])?),
    ];
    let runtime = OnnxRuntime::find()?;
    let mut wrong = Vec::new();
    let expected = expected("tensorflow.txt", "frozen.pb")?;
    for output in expected.keys() {
        let one = || -> Result<()> {
            let onnx = model.to_onnx("", &[], std::slice::from_ref(output))?;
            check("tensorflow.txt", "frozen.pb", &run(&runtime, &onnx, &inputs)?)
        };
        if let Err(error) = one() {
            wrong.push(format!("{output}: {error:#}"));
        }
    }
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), expected.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn a_saved_model_of_keras_computes_what_it_does_there() -> Result<()> {
    let model = TensorFlowModel::read(folder().join("keras"), "serve", &TensorFlowLimits::default())?;
    let onnx = model.to_onnx::<&str>("serving_default", &[], &[])?;
    assert_eq!(onnx.inputs()[0].to_string(), "image: f32 [?, 8, 8, 3]");
    let inputs = [("image", numbers(&[2, 8, 8, 3])?)];
    for runtime in crate::runtimes()? {
        check("tensorflow.txt", "keras", &run(runtime.as_ref(), &onnx, &inputs)?)?;
    }
    // One output alone.
    let onnx = model.to_onnx("serving_default", &[], &["output_1"])?;
    let found = run(&TractRuntime, &onnx, &inputs)?;
    ensure!(found.keys().eq(["output_1"]));
    check("tensorflow.txt", "keras", &found)?;
    let error = message(model.to_onnx::<&str>("serving", &[], &[]));
    assert_eq!(
        error,
        "TensorFlow file: it has no signature `serving`; it has __saved_model_init_op, serve, serving_default"
    );
    let error = message(TensorFlowModel::read(folder().join("keras"), "train", &TensorFlowLimits::default()));
    assert_eq!(error, "TensorFlow file: it has no graph with the tags `train`; it has serve");
    Ok(())
}

#[test]
fn a_saved_model_of_tensorflow_1_computes_what_it_does_there() -> Result<()> {
    let model = TensorFlowModel::read(folder().join("v1"), "serve", &TensorFlowLimits::default())?;
    let second = numbers(&[2, 3])?.data().iter().map(|value| value + 1.0).collect::<Vec<_>>();
    let inputs = [("first", numbers(&[2, 3])?), ("second", tensor(&[2, 3], &second)?)];
    let onnx = model.to_onnx::<&str>("serving_default", &[], &[])?;
    let types: Vec<String> = onnx.inputs().iter().map(ToString::to_string).collect();
    assert_eq!(types, ["first: f64 [?, 3]", "second: f64 [?, 3]"]);
    check("tensorflow.txt", "v1", &run(&OnnxRuntime::find()?, &onnx, &inputs)?)?;
    // Tensors of the graph instead of the signature's names, and an inner one.
    let onnx = model.to_onnx("", &["a:0", "b"], &["inner:0"])?;
    let inputs = [("a:0", inputs[0].1.clone()), ("b", inputs[1].1.clone())];
    check("tensorflow.txt", "v1", &run(&OnnxRuntime::find()?, &onnx, &inputs)?)?;
    Ok(())
}

#[test]
fn what_a_graph_lacks_is_named() -> Result<()> {
    let model = frozen()?;
    let convert = |inputs: &[&str], outputs: &[&str]| message(model.to_onnx("", inputs, outputs));
    assert_eq!(convert(&[], &["out/nothing"]), "TensorFlow file: it has no tensor `out/nothing:0`");
    assert_eq!(convert(&["y"], &["out/relu"]), "TensorFlow file: it has no tensor `y:0` to feed");
    let error = convert(&["image"], &["out/relu"]);
    ensure!(error.contains("node `x` (Placeholder)") && error.contains("among the inputs"), "{error}");
    let error = convert(&["x", "image"], &["out/relu"]);
    assert_eq!(error, "TensorFlow file: the outputs out/relu do not use the input `image`");
    // The operator's name in the file, for another of its length.
    let mut bytes = std::fs::read(folder().join("frozen.pb"))?;
    let at = bytes.windows(9).position(|window| window == b"\x12\x07Softmax").context("no Softmax")?;
    bytes[at + 2..at + 9].copy_from_slice(b"Hardmax");
    let changed = TensorFlowModel::from_graph_def(&bytes, &TensorFlowLimits::default())?;
    let error = message(changed.to_onnx("", &[], &["out/softmax"]));
    ensure!(error.contains("(Hardmax): this operator is not known"), "{error}");
    ensure!(tensorflow_operators().count() > 100);
    Ok(())
}

/// Files with bytes changed, cut out and doubled: an error or a model, never a panic.
#[test]
fn damaged_files_are_errors() -> Result<()> {
    let read = |name: &str| std::fs::read(folder().join(name));
    let limits = TensorFlowLimits { file_bytes: 1 << 20, fields: 100_000, nodes: 10_000 };
    let mut accepted = 0;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for (name, rounds) in
        [("old.onnx", 3_000), ("typed.onnx", 3_000), ("branch.onnx", 3_000), ("frozen.pb", 150)]
    {
        let bytes = read(name)?;
        for _ in 0..rounds {
            let mutated = mutate(&bytes, &mut seed);
            accepted += usize::from(if name.ends_with(".pb") {
                let model = TensorFlowModel::from_graph_def(&mutated, &limits);
                model
                    .and_then(|model| model.to_onnx("", &[], &["out/conv_same", "out/strided_slice"]))
                    .is_ok()
            } else {
                let limits = OnnxLimits { file_bytes: 1 << 20, fields: 100_000 };
                let model = OnnxModel::from_bytes(&mutated, &limits);
                model.and_then(OnnxModel::with_f32_ports).is_ok()
            });
        }
    }
    ensure!(accepted > 0, "all damage is noticed, so that nothing after the check was tried");
    let saved = tempfile::tempdir()?;
    std::fs::create_dir(saved.path().join("variables"))?;
    let names = ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"];
    for name in names.into_iter().cycle().take(300) {
        for name in names {
            std::fs::copy(folder().join("v1").join(name), saved.path().join(name))?;
        }
        std::fs::write(saved.path().join(name), mutate(&read(&format!("v1/{name}"))?, &mut seed))?;
        let model = TensorFlowModel::read(saved.path(), "serve", &limits);
        _ = model.and_then(|model| model.to_onnx::<&str>("serving_default", &[], &[]));
    }
    Ok(())
}
