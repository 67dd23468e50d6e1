//! Keras' model files: what they answer, what is refused, limits, damage. `tools/goldens/keras_files.py` writes them.

use std::{collections::BTreeMap, io::Cursor, path::PathBuf};

use anyhow::{Context, Result, ensure};
use emberline_net::{
    Conv, Layer, MultiHeadAttention, Network, NetworkBuilder, Node, Normalization, OnnxOptions, OnnxRuntime,
    PrepareOptions, Reshape, Runtime, Tensor, TractRuntime, h5, keras, read_tensors,
};

/// How near Keras' answers must be, absolutely: theirs are sums of some dozens of products of 32 bits in another order.
const TOLERANCE: f32 = 1e-5;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keras")
}

fn file(name: &str) -> Result<Vec<u8>> {
    std::fs::read(folder().join(name)).with_context(|| format!("reading {name}"))
}

/// What Keras was given and answered, by file.
struct Answers(BTreeMap<String, Tensor>);

impl Answers {
    fn read() -> Result<Self> {
        Ok(Self(read_tensors(folder().join("values.safetensors"))?.read()?))
    }

    fn all(&self, file: &str, kind: &str) -> Vec<&Tensor> {
        (0..).map_while(|number| self.0.get(&format!("{file}/{kind}_{number}"))).collect()
    }

    /// The greatest difference of a network's answers from Keras'.
    fn compare(&self, file: &str, network: &Network, runtime: &dyn Runtime) -> Result<f32> {
        let prepared =
            runtime.prepare(&network.to_onnx(&OnnxOptions::default())?, &PrepareOptions::default())?;
        let inputs: Vec<_> = self.all(file, "input").iter().map(|input| input.view()).collect();
        let outputs = prepared.run(&inputs)?;
        let expected = self.all(file, "output");
        ensure!(!expected.is_empty() && outputs.len() == expected.len(), "{file}: {} outputs", outputs.len());
        let mut worst = 0_f32;
        for (found, expected) in outputs.iter().zip(expected) {
            ensure!(
                found.shape() == expected.shape(),
                "{file}: {:?} is not {:?}",
                found.shape(),
                expected.shape()
            );
            let differences = found.data().iter().zip(expected.data()).map(|(a, b)| (a - b).abs());
            worst = differences
                .fold(worst, |worst, difference| if difference > worst { difference } else { worst });
            ensure!(found.data().iter().all(|value| value.is_finite()), "{file}: not a number");
        }
        Ok(worst)
    }
}

const FILES: [&str; 17] = [
    "branches.h5",
    "branches.keras",
    "branches_2.h5",
    "channels_first.h5",
    "channels_first.keras",
    "keras_1_tf.h5",
    "keras_1_th.h5",
    "nested.h5",
    "nested.keras",
    "nested_2.h5",
    "nested_2.keras",
    "sequential.h5",
    "sequential.keras",
    "sequential_2.h5",
    "shared.h5",
    "shared.keras",
    "shared_2.h5",
];

fn read(name: &str) -> Result<keras::Model> {
    keras::parse_model(file(name)?, &keras::Options::default()).with_context(|| name.to_owned())
}

#[test]
fn models_answer_as_in_keras() -> Result<()> {
    let answers = Answers::read()?;
    let runtimes: [Box<dyn Runtime>; 2] = [Box::new(OnnxRuntime::find()?), Box::new(TractRuntime)];
    for name in FILES.into_iter().chain(["theano.h5", "cntk.h5", "keras_1_gates.h5"]) {
        let network = read(name)?.network;
        for runtime in &runtimes {
            let worst = answers.compare(name, &network, runtime.as_ref())?;
            ensure!(worst <= TOLERANCE, "{name} on {}: {worst}", runtime.name());
            println!("{name} on {}: largest difference {worst:.1e}", runtime.name());
        }
    }
    Ok(())
}

/// Cutting, folding and writing keep what a model answers.
#[test]
fn models_stay_the_same_in_other_forms() -> Result<()> {
    let answers = Answers::read()?;
    let runtime = OnnxRuntime::find()?;
    for name in FILES {
        let network = read(name)?.network;
        let written = keras::parse_model(network.to_keras()?, &keras::Options::default())?.network;
        ensure!(written.inputs().len() == network.inputs().len());
        let outputs: Vec<&str> = network.outputs().iter().map(String::as_str).collect();
        let forms = [written, network.fold_batch_norms()?, network.cut_all(&outputs)?];
        for (place, form) in forms.iter().enumerate() {
            let worst = answers.compare(name, form, &runtime)?;
            ensure!(worst <= TOLERANCE, "{name}, form {place}: {worst}");
        }
    }
    Ok(())
}

#[test]
fn shared_weights_are_kept_once() -> Result<()> {
    let network = read("shared.keras")?.network;
    let names: Vec<&str> = network.layer_names().collect();
    ensure!(names == ["shared", "shared_call_1", "both", "total", "scores"], "{names:?}");
    ensure!(network.weights().len() == 4, "{:?}", network.weights().keys());
    let inputs: Vec<&str> = network.inputs().iter().map(|input| input.name.as_str()).collect();
    ensure!(inputs == ["second", "first"], "{inputs:?}");
    let parameters: Vec<u64> = network.summary().iter().map(|layer| layer.parameters).collect();
    ensure!(parameters == [24, 0, 0, 0, 18], "{parameters:?}");

    // Without the first of the two, the second still has its weights.
    let cut = network.cut("shared_call_1")?;
    ensure!(cut.weights().keys().eq(["shared/bias", "shared/kernel"]), "{:?}", cut.weights().keys());
    let once = network.to_onnx(&OnnxOptions::default())?;
    let kernel = network.weights()["shared/kernel"].data();
    let bytes: Vec<u8> = kernel.iter().flat_map(|value| value.to_le_bytes()).collect();
    let count = once.windows(bytes.len()).filter(|window| *window == bytes).count();
    ensure!(count == 1, "the kernel is in the ONNX file {count} times");
    Ok(())
}

#[test]
fn models_inside_models_are_named_by_both() -> Result<()> {
    for name in ["nested.keras", "nested.h5", "nested_2.keras", "nested_2.h5"] {
        let network = read(name)?.network;
        let frozen: Vec<&str> =
            network.nodes().iter().filter(|node| !node.trainable).map(Node::weights_name).collect();
        ensure!(
            frozen.iter().all(|name| name.ends_with("/own") || name.ends_with("inner/a")),
            "{name}: {frozen:?}"
        );
        ensure!(frozen.contains(&"middle/own"), "{name}: {frozen:?}");
        ensure!(network.layer_names().any(|layer| layer == "middle/inner/b"), "{name}");
    }
    Ok(())
}

#[test]
fn training_is_told() -> Result<()> {
    for name in ["sequential.keras", "sequential.h5", "sequential_2.h5"] {
        let model = read(name)?;
        let training = model.training.context("no training")?;
        ensure!(training.loss == "categorical_crossentropy", "{name}: {}", training.loss);
        // The package that stands for Keras 2 today says `Custom>Adam`.
        let class = training.optimizer["class_name"].as_str().unwrap_or_default();
        ensure!(class.ends_with("Adam"), "{name}: {}", training.optimizer);
        ensure!(training.metrics.to_string().contains("accuracy"), "{name}: {}", training.metrics);
    }
    ensure!(read("shared.keras")?.training.is_none());
    ensure!(read("keras_1_tf.h5")?.keras_version == "1.2.2");
    Ok(())
}

/// Channels first become channels last inside; the input may, too.
#[test]
fn inputs_may_be_channels_last() -> Result<()> {
    let options = keras::Options { channels_last_inputs: true, ..keras::Options::default() };
    let network = keras::parse_model(file("channels_first.keras")?, &options)?.network;
    ensure!(network.inputs()[0].shape == [8, 6, 3]);
    let mut answers = Answers::read()?;
    let name = "channels_first.keras/input_0";
    let turned = answers.0[name].permuted(&[0, 2, 3, 1])?;
    answers.0.insert(name.to_owned(), turned);
    let worst = answers.compare("channels_first.keras", &network, &OnnxRuntime::find()?)?;
    ensure!(worst <= TOLERANCE, "{worst}");
    Ok(())
}

#[test]
fn open_sizes_are_given() -> Result<()> {
    let message = read("free_size.keras").err().map(|error| format!("{:#}", error)).context("was read")?;
    let expected = "layer `image`: the input's shape is [?, ?, 1] in the file; say its sizes in `Options::input_shapes` under \
                    `image`";
    ensure!(message.contains(expected), "{message}");
    let input_shapes = BTreeMap::from([("image".to_owned(), vec![5, 6, 1])]);
    let options = keras::Options { input_shapes, ..keras::Options::default() };
    let network = keras::parse_model(file("free_size.keras")?, &options)?.network;
    let worst = Answers::read()?.compare("free_size.keras", &network, &OnnxRuntime::find()?)?;
    ensure!(worst <= TOLERANCE, "{worst}");
    Ok(())
}

/// The same network without its weights, and with other names.
fn unfilled(network: &Network, prefix: &str) -> Result<Network> {
    let renamed = |name: &String| match network.inputs().iter().any(|input| input.name == *name) {
        true => name.clone(),
        false => format!("{prefix}{name}"),
    };
    let rename = |node: &Node| {
        let mut node = node.clone();
        node.inputs = node.inputs.iter().map(renamed).collect();
        node.weights = node.weights.as_ref().map(renamed);
        node.name = renamed(&node.name);
        node
    };
    let nodes = network.nodes().iter().map(rename).collect();
    let outputs = network.outputs().iter().map(renamed).collect();
    Ok(Network::new("unfilled", network.inputs().to_vec(), nodes, outputs)?)
}

/// Weights alone, by name or, where names differ, in order.
#[test]
fn weights_alone_fill_a_network() -> Result<()> {
    for name in [
        "sequential.h5",
        "sequential_2.h5",
        "nested_2.h5",
        "shared.h5",
        "theano.h5",
        "cntk.h5",
        "keras_1_th.h5",
        "keras_1_gates.h5",
    ] {
        let network = read(name)?.network;
        let filled = unfilled(&network, "")?.with_keras_weights(file(name)?, &keras::Options::default())?;
        ensure!(filled.weights() == network.weights(), "{name}");
    }
    let network = read("nested.keras")?.network;
    let empty = unfilled(&network, "")?;
    let filled = empty.with_keras_weights(file("nested.weights.h5")?, &keras::Options::default())?;
    ensure!(filled.weights() == network.weights());

    // With names of its own, a network takes the file's layers in their order.
    let network = read("sequential_2.h5")?.network;
    let filled = unfilled(&network, "my_")?
        .with_keras_weights(file("sequential_2.h5")?, &keras::Options::default())?;
    ensure!(filled.weights()["my_conv/kernel"] == network.weights()["conv/kernel"]);
    ensure!(filled.weights().values().len() == network.weights().len());

    let other = read("shared.keras")?.network;
    let error = other.with_keras_weights(file("sequential.h5")?, &keras::Options::default()).err();
    let message = error.context("was filled")?.to_string();
    ensure!(message.contains("expected shape"), "{message}");
    Ok(())
}

#[test]
fn code_is_refused() -> Result<()> {
    let check = |name: &str, expected: &str| -> Result<()> {
        let message = read(name).err().map(|error| format!("{error:#}")).context("was read")?;
        ensure!(message.contains(expected) && message.contains("export it to ONNX"), "{message}");
        Ok(())
    };
    check("lambda.keras", "layer `doubled`: a Lambda layer holds Python code, which is never run")?;
    check("custom.keras", "layer `mine`: `Custom` is a class of its own")
}

/// Keras 1's other modes normalise by the sample or the batch at hand.
#[test]
fn other_modes_of_batch_normalization_are_refused() -> Result<()> {
    let mut bytes = file("keras_1_tf.h5")?;
    let setting = br#""mode": 0"#;
    let at = bytes.windows(setting.len()).position(|window| window == setting).context("no mode")?;
    for mode in [b'1', b'2'] {
        bytes[at + setting.len() - 1] = mode;
        let error = keras::parse_model(&bytes, &keras::Options::default()).err().context("was read")?;
        let (message, expected) = (format!("{error:#}"), "its setting `mode` must be 0");
        ensure!(message.contains("layer `batchnormalization_1`") && message.contains(expected), "{message}");
    }
    Ok(())
}

#[test]
fn limits_are_named() -> Result<()> {
    let limits = keras::Limits::default;
    let check = |name: &str, limits: keras::Limits, limit: &str| -> Result<()> {
        let options = keras::Options { limits, ..keras::Options::default() };
        let message = keras::parse_model(file(name)?, &options).err().context("was read")?.to_string();
        ensure!(message.contains(&format!("{limit} is limited to ")), "{message}");
        Ok(())
    };
    for name in ["nested.keras", "nested.h5"] {
        check(name, keras::Limits { config_bytes: 100, ..limits() }, "config_bytes")?;
        check(name, keras::Limits { layers: 5, ..limits() }, "layers")?;
        check(name, keras::Limits { depth: 1, ..limits() }, "depth")?;
        let weights = |weights| keras::Limits { weights, ..limits() };
        check(name, weights(h5::Limits { file_bytes: 1000, ..h5::Limits::default() }), "file_bytes")?;
        check(name, weights(h5::Limits { members: 5, ..h5::Limits::default() }), "members")?;
        check(name, weights(h5::Limits { elements: 5, ..h5::Limits::default() }), "elements")?;
    }
    Ok(())
}

/// A vision transformer's parts, which Keras has no layers for, and learned means.
fn tokens() -> Result<Network> {
    let mut layers = NetworkBuilder::new("tokens");
    let patches = layers.input("patches", [4, 6]);
    let normalization = Normalization { axes: vec![-1], moments: None, invert: false };
    let seen = layers.apply("seen", normalization, patches);
    let class = layers.apply("class_token", Layer::ClassToken, seen);
    let places = layers.apply("encoder/places", Layer::PositionEmbedding, class);
    let attended = layers.apply("attention", MultiHeadAttention::new(2, 3), places);
    let sum = layers.merge("sum", Layer::Add, &[places, attended]);
    let features = layers.apply("features", Layer::TakeToken { index: 0 }, sum);
    let pairs = layers.apply("pairs", Reshape { shape: vec![5, 2, 3] }, places);
    let of_pairs = Layer::TimeDistributed(Box::new(Layer::PositionEmbedding));
    let pairs = layers.apply("places_of_pairs", of_pairs, pairs);
    crate::with_noise(layers.build(&[features, pairs])?)
}

/// What a network of one input gives for noise.
fn answers_of(network: &Network) -> Result<(Tensor, Vec<Tensor>)> {
    let input = crate::noise(&[&[2], network.inputs()[0].shape.as_slice()].concat(), 5)?;
    let onnx = network.to_onnx(&OnnxOptions::default())?;
    let outputs = OnnxRuntime::find()?.prepare(&onnx, &PrepareOptions::default())?.run(&[input.view()])?;
    Ok((input, outputs))
}

#[test]
fn layers_that_keras_lacks_are_written_as_its_own() -> Result<()> {
    let network = tokens()?;
    let written = keras::parse_model(network.to_keras()?, &keras::Options::default())?.network;
    let kinds: Vec<&str> = written.nodes().iter().map(|node| node.layer.kind()).collect();
    ensure!(kinds[..4] == ["Normalization", "ZeroPadding1D", "EinsumDense", "EinsumDense"], "{kinds:?}");
    let ((_, expected), (_, found)) = (answers_of(&network)?, answers_of(&written)?);
    ensure!(expected.len() == 2 && found.len() == 2);
    for (expected, found) in expected.iter().zip(&found) {
        ensure!(expected.shape() == found.shape());
        let mut pairs = expected.data().iter().zip(found.data());
        ensure!(pairs.all(|(a, b)| (a - b).abs() <= TOLERANCE), "{expected:?} {found:?}");
    }
    Ok(())
}

/// Keras finds weights by the order of layers in a model, which is its own: this is what it gives (3.15) for a model of such layers.
#[test]
fn layers_are_written_in_the_order_that_keras_gives_them() -> Result<()> {
    let mut layers = NetworkBuilder::new("order");
    let (unused, image) = (layers.input("unused", [2]), layers.input("image", [5, 5, 3]));
    let conv = || Conv::new_2d(3, 1);
    let short = layers.apply("short", conv(), image);
    let long = layers.apply("long_1", conv(), image);
    let same = layers.apply("same", conv(), long);
    let long = layers.apply("long_2", conv(), same);
    let both = layers.merge("both", Layer::Concatenate { axis: -1 }, &[short, long]);
    let other = layers.apply_again("other", same, &[short]);
    let last = layers.apply("last", conv(), both);
    let network = layers.build(&[other, last])?;
    ensure!(network.inputs().len() == 2, "{unused:?} is an input");
    let zeros = network.weight_shapes().into_iter().map(|(name, shape)| Ok((name, Tensor::zeros(shape)?)));
    let network = network.with_weights(zeros.collect::<Result<_>>()?)?;

    let mut archive = zip::ZipArchive::new(Cursor::new(network.to_keras()?))?;
    let model: serde_json::Value = serde_json::from_reader(archive.by_name("config.json")?)?;
    let found: Vec<_> = model["config"]["layers"].as_array().context("no layers")?.iter().collect();
    let found: Vec<&str> = found.iter().filter_map(|layer| layer["name"].as_str()).collect();
    ensure!(found == ["image", "short", "long_1", "same", "long_2", "both", "unused", "last"], "{found:?}");
    Ok(())
}

/// What real Keras makes of the files that are written here: `tools/goldens/keras_files.py check` compares. The variable names the
/// folder.
#[test]
#[ignore = "writes files for a check with real Keras, which tools/goldens/keras_files.py makes"]
fn written_files_for_keras() -> Result<()> {
    let out = PathBuf::from(std::env::var("EMBERLINE_WRITTEN").context("EMBERLINE_WRITTEN names no folder")?);
    let answers = Answers::read()?;
    let network = tokens()?;
    let (input, outputs) = answers_of(&network)?;
    std::fs::write(out.join("tokens.keras"), network.to_keras()?)?;
    let values = [("input_0", &input), ("output_0", &outputs[0]), ("output_1", &outputs[1])];
    std::fs::write(out.join("tokens.safetensors"), safetensors_of(&values)?)?;
    for name in FILES {
        let stem = name.replace('.', "_");
        std::fs::write(out.join(format!("{stem}.keras")), read(name)?.network.to_keras()?)?;
        let prefix = format!("{name}/");
        let values: Vec<(&str, &Tensor)> =
            answers.0.iter().filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?, value))).collect();
        std::fs::write(out.join(format!("{stem}.safetensors")), safetensors_of(&values)?)?;
    }
    Ok(())
}

fn safetensors_of(values: &[(&str, &Tensor)]) -> Result<Vec<u8>> {
    let bytes: Vec<Vec<u8>> = values
        .iter()
        .map(|(_, value)| value.data().iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let mut header = Vec::new();
    let mut start = 0;
    for ((name, value), bytes) in values.iter().zip(&bytes) {
        let end = start + bytes.len();
        let shape = value.shape();
        header
            .push(format!(r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start},{end}]}}"#));
        start = end;
    }
    let header = format!("{{{}}}", header.join(","));
    let len = u64::try_from(header.len())?.to_le_bytes();
    Ok([len.to_vec(), header.into_bytes(), bytes.concat()].concat())
}
