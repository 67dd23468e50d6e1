//! Every layer of `keras.layers` against what real Keras gives for it (`tools/goldens/keras_layers.py`), and the table in
//! `docs/keras-layers.md` that says which of them are supported.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{
    config::Config,
    layers::{self, Argument, LIMITS, REFUSED, Source, Stored},
};
use crate::{
    Activation, Bidirectional, Cell, Conv, Dense, Layer, MergeMode, NetworkBuilder, OnnxOptions, OnnxRuntime,
    Padding, PrepareOptions, Recurrent, Runtime, Shape, Tensor, TractRuntime, WindowPooling,
    network::weight_name,
};

const GOLDENS: &str = include_str!("../../tests/fixtures/keras_layers.json");

/// The greatest difference, as a share of the greatest value expected: about a hundred roundings of 2^-24.
const CLOSE: f32 = 1e-5;

/// Where the table is.
fn table_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/keras-layers.md")
}

fn goldens() -> Result<Value> {
    Ok(serde_json::from_str(GOLDENS)?)
}

fn cases(goldens: &Value) -> impl Iterator<Item = (String, &Value)> {
    let cases = goldens["cases"].as_array().into_iter().flatten().enumerate();
    cases.map(|(place, case)| (format!("{}/{place}", class(case)), case))
}

fn class(case: &Value) -> &str {
    case["class"].as_str().unwrap_or_default()
}

fn shape(value: &Value) -> Result<Shape> {
    Ok(serde_json::from_value(value.clone())?)
}

/// The `i`-th number of SplitMix64 from the FNV-1a hash of a name, in `[-1, 1)`: `zoo_formula.py`.
fn hashed(name: &str, i: u64) -> f64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let z = z ^ (z >> 31);
    (z >> 40) as f64 / f64::from(1_u32 << 23) - 1.0
}

#[expect(clippy::cast_possible_truncation, reason = "tensors are in 32 bits")]
fn tensor(name: &str, shape: Shape, f: impl Fn(f64) -> f64) -> Result<Tensor> {
    let count = shape.iter().product::<usize>() as u64;
    Ok(Tensor::new(shape, (1..=count).map(|i| f(hashed(name, i)) as f32).collect())?)
}

/// A layer as a network with the formula's weights.
fn network(name: &str, case: &Value) -> Result<crate::Network> {
    let settings = case["config"].as_object().context("a layer has settings")?;
    let inputs: Vec<Shape> =
        case["inputs"].as_array().into_iter().flatten().map(shape).collect::<Result<_>>()?;
    let names: Vec<String> = (0..inputs.len()).map(|place| format!("input_{place}")).collect();
    let arguments: Vec<Argument<'_>> =
        names.iter().zip(&inputs).map(|(name, shape)| Argument { name, shape }).collect();
    let converted =
        layers::read(class(case), Config::new(settings, 3), &arguments).map_err(anyhow::Error::msg)?;

    let mut builder = NetworkBuilder::new(name);
    let inputs: Vec<_> = names.iter().zip(inputs).map(|(name, shape)| builder.input(name, shape)).collect();
    let mut parts = Vec::new();
    for (place, part) in converted.parts.into_iter().enumerate() {
        let sources = part.inputs.iter().map(|source| match *source {
            Source::Input(place) => inputs[place],
            Source::Part(place) => parts[place],
        });
        let sources: Vec<_> = sources.collect();
        parts.push(builder.merge(&format!("part_{place}"), part.layer, &sources));
    }
    let network = builder.build(&parts[parts.len() - 1..])?;

    let expected = network.weight_shapes();
    let arrays = case["weights"].as_array().context("a layer has a list of weights")?;
    ensure!(arrays.len() == converted.variables.len(), "Keras has the weights {arrays:?}");
    let mut weights = BTreeMap::new();
    for (place, (array, variable)) in arrays.iter().zip(converted.variables).enumerate() {
        let (variance, from) =
            (array[0].as_str().is_some_and(|name| name.contains("variance")), shape(&array[1])?);
        let values = |u: f64| if variance { 1.0 + 0.5 * u } else { u };
        let values = tensor(&format!("{name}/weight/{place}"), from, values)?;
        let weight = weight_name(&format!("part_{}", variable.part), variable.weight);
        match variable.stored {
            Stored::Unused => {}
            Stored::Reshaped => {
                let to = expected.get(&weight).with_context(|| format!("no weight {weight}"))?;
                weights.insert(weight, values.reshaped(to.clone())?);
            }
            Stored::Same | Stored::Kernel { .. } => {
                weights.insert(weight, values);
            }
        }
    }
    Ok(network.with_weights(weights)?)
}

fn inputs(name: &str, case: &Value) -> Result<Vec<Tensor>> {
    let kind = &case["input_kind"];
    let greatest = kind.as_f64().context("an input has a kind")?;
    let value = |u: f64| if kind.is_u64() { ((u + 1.0) / 2.0 * greatest).floor() } else { u * greatest };
    let input = |(place, sample): (usize, &Value)| {
        let shape = [vec![2], shape(sample)?].concat();
        tensor(&format!("{name}/input/{place}"), shape, value)
    };
    case["inputs"].as_array().into_iter().flatten().enumerate().map(input).collect()
}

/// The greatest difference to what Keras gave, as a share of the greatest value.
fn difference(case: &Value, found: &Tensor) -> Result<f32> {
    let expected: Vec<f32> = serde_json::from_value(case["output"].clone())?;
    let shape = [vec![2], shape(&case["shape"])?].concat();
    ensure!(found.shape() == shape, "shape {:?} is not {shape:?}", found.shape());
    let scale = expected.iter().fold(f32::MIN_POSITIVE, |scale, value| scale.max(value.abs()));
    let differences = found.data().iter().zip(&expected).map(|(found, expected)| (found - expected).abs());
    // A value that is no number is as far away as can be.
    Ok(differences.fold(0_f32, |most, d| if d.is_nan() { f32::INFINITY } else { most.max(d) }) / scale)
}

fn run(runtime: &dyn Runtime, onnx: &[u8], inputs: &[Tensor]) -> Result<Tensor> {
    let prepared = runtime.prepare(onnx, &PrepareOptions::default())?;
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    prepared.run(&views)?.pop().context("a network has an output")
}

#[test]
fn every_layer_gives_what_keras_gives() -> Result<()> {
    let onnx_runtime =
        OnnxRuntime::find().context("run `cargo xtask setup` to fetch ONNX Runtime's library")?;
    let goldens = goldens()?;
    let mut failures = Vec::new();
    let mut lacking = BTreeSet::new();
    for (name, case) in cases(&goldens) {
        let check = || -> Result<()> {
            let (network, inputs) = (network(&name, case)?, inputs(&name, case)?);
            let onnx = network.to_onnx(&OnnxOptions::default())?;
            let difference_of = |found: &Tensor| difference(case, found);
            let far = difference_of(&run(&onnx_runtime, &onnx, &inputs)?)?;
            ensure!(far <= CLOSE, "differs by {far:e}");
            match run(&TractRuntime, &onnx, &inputs) {
                Ok(found) => {
                    let far = difference_of(&found)?;
                    ensure!(far <= CLOSE, "in tract differs by {far:e}");
                }
                Err(error) => bail!("in tract: {:.200}", error.to_string()),
            }
            Ok(())
        };
        if let Err(error) = check() {
            lacking.insert(class(case));
            failures.push(format!("{name} of {} with {}: {error:#}", case["inputs"], case["config"]));
        }
    }
    ensure!(failures.is_empty(), "{} fail:\n{}\n{lacking:?}", failures.len(), failures.join("\n"));
    Ok(())
}

/// What would make a mask is refused, by itself and within another layer.
#[test]
fn masks_are_refused() -> Result<()> {
    let check = |class: &str, settings: Value, shape: &[usize], expected: &str| -> Result<()> {
        let settings = settings.as_object().context("no settings")?;
        let inputs = [Argument { name: "x", shape }];
        let problem = layers::read(class, Config::new(settings, 3), &inputs).err().context("was read")?;
        ensure!(problem.contains(expected), "{problem}");
        Ok(())
    };
    check("Masking", json!({"mask_value": 0.0}), &[4, 2], "masks are not followed")?;
    let words = json!({"input_dim": 5, "output_dim": 2, "mask_zero": true});
    let expected = "its setting `mask_zero` makes a mask";
    check("Embedding", words.clone(), &[4], expected)?;
    let within = json!({"layer": {"class_name": "Embedding", "config": words}});
    check("TimeDistributed", within, &[3, 4], expected)
}

/// A layer's network as a `.keras` file.
struct WrittenLayer {
    name: String,
    case: Value,
    file: crate::Result<Vec<u8>>,
}

fn written() -> Result<Vec<WrittenLayer>> {
    let goldens = goldens()?;
    cases(&goldens)
        .map(|(name, case)| {
            let file = network(&name, case)?.to_keras();
            Ok(WrittenLayer { name, case: case.clone(), file })
        })
        .collect()
}

#[test]
fn every_layer_is_written_for_keras() -> Result<()> {
    let onnx_runtime =
        OnnxRuntime::find().context("run `cargo xtask setup` to fetch ONNX Runtime's library")?;
    let mut failures = Vec::new();
    for WrittenLayer { name, case, file } in written()? {
        let check = || -> Result<()> {
            let model = super::parse_model(file?, &super::Options::default())?;
            let onnx = model.network.to_onnx(&OnnxOptions::default())?;
            let far = difference(&case, &run(&onnx_runtime, &onnx, &inputs(&name, &case)?)?)?;
            ensure!(far <= CLOSE, "differs by {far:e}");
            Ok(())
        };
        if let Err(error) = check() {
            failures.push(format!("{name} of {} with {}: {error:#}", case["inputs"], case["config"]));
        }
    }
    ensure!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

/// Layers that Keras has not got, which are written as several, each with the shape of its input.
fn composed() -> Vec<(&'static str, Shape, Layer)> {
    let border = Padding::Explicit { top: 1, bottom: 0, left: 1, right: 1 };
    let pooling = WindowPooling::new_2d(3).strides(2).padding(border);
    let image = || vec![5, 6, 2];
    let function = |activation| Layer::Activation(activation);
    let recurrent = |cell| Recurrent {
        cell,
        units: 3,
        activation: Activation::Tanh,
        recurrent_activation: Activation::HardSigmoidOfKeras2,
        use_bias: true,
        return_sequences: true,
        go_backwards: false,
    };
    let lstm = recurrent(Cell::Lstm);
    let within = |layer: Layer| Layer::TimeDistributed(Box::new(layer));
    let dense = |activation| Layer::from(Dense::new(3).activation(activation));
    let mut all = vec![
        ("max_pooling", image(), Layer::MaxPooling(pooling.clone())),
        ("average_pooling", image(), Layer::AveragePooling(pooling.clone())),
        ("max_pooling_at_each_step", vec![2, 5, 6, 2], within(Layer::MaxPooling(pooling.clone()))),
        ("average_pooling_at_each_step", vec![2, 5, 6, 2], within(Layer::AveragePooling(pooling))),
        ("convolution", image(), Conv::new_2d(2, 3).padding(border).activation(Activation::GeluTanh).into()),
        ("layer_scale", image(), Layer::LayerScale),
        ("dense", vec![4], dense(Activation::Celu { alpha: 0.5 })),
        ("dense_at_each_step", vec![3, 4], within(dense(Activation::GeluTanh))),
        ("lstm", vec![4, 2], lstm.clone().into()),
        ("gru", vec![4, 2], recurrent(Cell::Gru { reset_after: false }).into()),
        ("gru_that_resets_after", vec![4, 2], recurrent(Cell::Gru { reset_after: true }).into()),
        ("lstm_of_each_step", vec![2, 4, 2], within(lstm.clone().into())),
        (
            "bidirectional",
            vec![4, 2],
            Layer::Bidirectional(Bidirectional {
                forward: Recurrent { recurrent_activation: Activation::Sigmoid, ..lstm.clone() },
                backward: Recurrent { go_backwards: true, ..lstm.clone() },
                merge: MergeMode::Concat,
            }),
        ),
        (
            "functions_within",
            vec![4, 2],
            Recurrent {
                activation: Activation::LeakyRelu { slope: 0.3 },
                recurrent_activation: Activation::Sigmoid,
                ..lstm
            }
            .into(),
        ),
    ];
    let functions = [
        ("celu", Activation::Celu { alpha: 2.5 }),
        ("hard_shrink", Activation::HardShrink { threshold: 1.25 }),
        ("hard_shrink_of_nothing", Activation::HardShrink { threshold: 0.0 }),
        ("soft_shrink", Activation::SoftShrink { threshold: 0.75 }),
        ("squareplus", Activation::Squareplus { b: 1.5 }),
        ("squareplus_of_nothing", Activation::Squareplus { b: 0.0 }),
        ("hard_sigmoid_of_keras_2", Activation::HardSigmoidOfKeras2),
        ("gelu_tanh", Activation::GeluTanh),
        ("threshold", Activation::Threshold { threshold: 1.5, value: 0.0 }),
        ("threshold_above_value", Activation::Threshold { threshold: 1.5, value: -2.0 }),
        ("threshold_below_value", Activation::Threshold { threshold: -1.5, value: 2.0 }),
    ];
    all.extend(functions.map(|(name, activation)| (name, vec![3, 4], function(activation))));
    all
}

/// A layer alone as a network with the formula's weights, and an input for it.
fn composed_network(name: &str, shape: Shape, layer: Layer) -> Result<(crate::Network, Tensor)> {
    let mut builder = NetworkBuilder::new(name);
    let input = builder.input("x", shape.clone());
    let output = builder.apply("layer", layer, input);
    let network = builder.build(&[output])?;
    let weights = network.weight_shapes().into_iter().map(|(weight, shape)| {
        let values = tensor(&format!("{name}/{weight}"), shape, |u| u)?;
        Ok((weight, values))
    });
    let weights = weights.collect::<Result<BTreeMap<_, _>>>()?;
    let input = tensor(&format!("{name}/input"), [vec![2], shape].concat(), |u| 4.0 * u)?;
    Ok((network.with_weights(weights)?, input))
}

#[test]
fn what_keras_has_not_got_is_written_as_several_layers() -> Result<()> {
    let onnx_runtime =
        OnnxRuntime::find().context("run `cargo xtask setup` to fetch ONNX Runtime's library")?;
    let mut failures = Vec::new();
    for (name, shape, layer) in composed() {
        let check = || -> Result<()> {
            let (network, input) = composed_network(name, shape, layer)?;
            let inputs = [input];
            let expected = run(&onnx_runtime, &network.to_onnx(&OnnxOptions::default())?, &inputs)?;
            let model = super::parse_model(network.to_keras()?, &super::Options::default())?;
            let found = run(&onnx_runtime, &model.network.to_onnx(&OnnxOptions::default())?, &inputs)?;
            ensure!(found.shape() == expected.shape(), "{:?} is not {:?}", found.shape(), expected.shape());
            let scale = expected.data().iter().fold(0_f32, |scale, value| scale.max(value.abs()));
            for (found, expected) in found.data().iter().zip(expected.data()) {
                ensure!((found - expected).abs() <= CLOSE * scale, "{found} is not {expected}");
            }
            Ok(())
        };
        if let Err(error) = check() {
            failures.push(format!("{name}: {error:#}"));
        }
    }
    ensure!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

/// The classes of the layers in a written file.
fn classes(network: &crate::Network) -> Result<Vec<String>> {
    let file = network.to_keras()?;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(file))?;
    let config: Value = serde_json::from_reader(archive.by_name("config.json")?)?;
    let layers = config["config"]["layers"].as_array().context("a model has layers")?;
    Ok(layers.iter().filter_map(|layer| Some(layer["class_name"].as_str()?.to_owned())).collect())
}

#[test]
fn a_border_around_what_is_never_negative_is_zeros() -> Result<()> {
    let border = Padding::Explicit { top: 1, bottom: 1, left: 1, right: 1 };
    let pooling = WindowPooling::new_2d(3).strides(2).padding(border);
    let after = |activation| -> Result<Vec<String>> {
        let mut builder = NetworkBuilder::new("pooled");
        let input = builder.input("x", [5, 5, 2]);
        let function = builder.apply("function", activation, input);
        let output = builder.apply("pool", Layer::MaxPooling(pooling.clone()), function);
        classes(&builder.build(&[output])?.with_weights(BTreeMap::new())?)
    };
    let zeros = ["InputLayer", "Activation", "ZeroPadding2D", "MaxPooling2D"];
    ensure!(after(Activation::Relu)? == zeros);
    ensure!(after(Activation::Tanh)?.iter().any(|class| class == "Add"));
    Ok(())
}

/// A node may have the name that a part of another one's layers would get.
#[test]
fn names_of_several_layers_are_their_own() -> Result<()> {
    let border = Padding::Explicit { top: 1, bottom: 1, left: 1, right: 1 };
    let mut builder = NetworkBuilder::new("named");
    let input = builder.input("x", [5, 5, 2]);
    let other = builder.apply("pool_pad", Activation::Relu, input);
    let pooling = WindowPooling::new_2d(3).padding(border);
    let output = builder.apply("pool", Layer::MaxPooling(pooling), other);
    let network = builder.build(&[output])?.with_weights(BTreeMap::new())?;
    ensure!(classes(&network)? == ["InputLayer", "Activation", "ZeroPadding2D", "MaxPooling2D"]);
    let model = super::parse_model(network.to_keras()?, &super::Options::default())?;
    ensure!(model.network.nodes().iter().any(|node| node.name == "pool_pad_1"));
    Ok(())
}

/// Writes them into a folder, `EMBERLINE_WRITTEN`, for `tools/goldens/keras_layers.py check`.
#[test]
#[ignore = "writes files for a check with real Keras, which tools/goldens/keras_layers.py makes"]
fn written_layers_for_keras() -> Result<()> {
    let out = PathBuf::from(std::env::var("EMBERLINE_WRITTEN").context("EMBERLINE_WRITTEN names no folder")?);
    for WrittenLayer { name, file, .. } in written()? {
        std::fs::write(out.join(format!("{}.keras", name.replace('/', "_"))), file?)?;
    }
    let onnx_runtime =
        OnnxRuntime::find().context("run `cargo xtask setup` to fetch ONNX Runtime's library")?;
    for (name, shape, layer) in composed() {
        let (network, input) = composed_network(name, shape, layer)?;
        let inputs = [input];
        let output = run(&onnx_runtime, &network.to_onnx(&OnnxOptions::default())?, &inputs)?;
        let answer = json!({"shape": inputs[0].shape(), "input": inputs[0].data(), "output": output.data()});
        std::fs::write(out.join(format!("{name}.keras")), network.to_keras()?)?;
        std::fs::write(out.join(format!("{name}.json")), answer.to_string())?;
    }
    Ok(())
}

/// What is said of every class of `keras.layers`, by its names there.
fn table(goldens: &Value) -> Result<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, case) in cases(goldens) {
        *counts.entry(class(case)).or_default() += 1;
    }
    let names: BTreeMap<String, String> = serde_json::from_value(goldens["names"].clone())?;
    let find = |list: &[(&'static str, &'static str)], class: &str| {
        list.iter().find(|(listed, _)| *listed == class).map(|(_, text)| *text)
    };
    let (mut rows, mut supported, mut refused) = (String::new(), 0, 0);
    for (name, class) in &names {
        let alias = if name == class { String::new() } else { format!("`{class}` by another name; ") };
        let limit = find(&LIMITS, class);
        let row = match (counts.get(class.as_str()), find(&REFUSED, class)) {
            (Some(count), None) => {
                supported += 1;
                format!("yes | {count} | {alias}{}", limit.unwrap_or_default())
            }
            (None, None) if limit.is_some() => {
                supported += 1;
                format!("yes | | {alias}{}", limit.unwrap_or_default())
            }
            (None, Some(reason)) => {
                let settings = serde_json::Map::new();
                ensure!(layers::read(class, Config::new(&settings, 3), &[]).is_err(), "{class} is read");
                refused += 1;
                format!("no | | {alias}{reason}")
            }
            (count, reason) => bail!("{class} has {count:?} cases, and is refused for {reason:?}"),
        };
        rows.push_str(&format!("| {name} | {} |\n", row.trim_end_matches("; ")));
    }
    let version = goldens["keras"].as_str().unwrap_or_default();
    Ok(format!(
        "# Layers of Keras\n\nWhat becomes of the {} classes in `keras.layers` of Keras {version} when a model file is read: \
         {supported} are supported, {refused} are not\nand are refused by name. A number says in how many settings real Keras and \
         this library were compared, within {CLOSE:e} of\nthe greatest value, in ONNX Runtime and in tract. Written by a test of \
         `emberline-net`, `the_table_of_layers_is_true`.\n\n| layer | supported | compared | what to know |\n|---|---|---|---|\n{rows}",
        names.len()
    ))
}

/// `EMBERLINE_WRITE_DOCS=1 cargo test -p emberline-net --lib table` writes it anew.
#[test]
fn the_table_of_layers_is_true() -> Result<()> {
    let table = table(&goldens()?)?;
    if std::env::var_os("EMBERLINE_WRITE_DOCS").is_some() {
        std::fs::write(table_path(), &table)?;
    }
    let written = std::fs::read_to_string(table_path())?;
    ensure!(written == table, "docs/keras-layers.md is stale: run this test with EMBERLINE_WRITE_DOCS=1");
    Ok(())
}
