//! Writing a network as a `.keras` file that Keras 3 loads.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Write},
};

use serde_json::{Value, json};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    graph::snake_case,
    hdf5::{self, Member},
    problem,
};
use crate::{
    Activation, Conv, DepthwiseConv, Error, Layer, Network, Node, Padding, Result, Shape, WindowPooling,
    ZeroPadding,
    layer::{PROJECTIONS, Problem},
};

/// The version of the format that is written.
const KERAS_VERSION: &str = "3.0.0";

impl Network {
    /// The network as a `.keras` file, which Keras 3 loads as a functional model with the same predictions. Layers keep their
    /// names, but that `outer/inner` is called `outer.inner`, since Keras allows no slash, and that padding by given numbers
    /// becomes a layer of its own. What is frozen stays so.
    ///
    /// # Errors
    /// When the network has no weights, or a layer that Keras has not got, which is named.
    pub fn to_keras(&self) -> Result<Vec<u8>> {
        let mut writer =
            Writer { network: self, layers: Vec::new(), values: BTreeMap::new(), names: BTreeSet::new() };
        for input in self.inputs() {
            let name = writer.name(&input.name);
            let mut layer =
                Written::new("InputLayer", json!({"batch_shape": batched(&input.shape), "dtype": "float32"}));
            layer.name.clone_from(&name);
            writer.layers.push(layer);
            writer
                .values
                .insert(input.name.clone(), KerasValue { layer: name, call: 0, shape: input.shape.clone() });
        }
        for node in self.nodes() {
            writer.node(node)?;
        }
        writer.finish()
    }
}

/// A layer of the written model.
struct Written<'a> {
    name: String,
    class: &'static str,
    settings: Value,
    /// What each call takes.
    calls: Vec<Vec<KerasValue>>,
    /// By owner and number, with the shapes that Keras has them in.
    arrays: Vec<(&'static str, &'a crate::Tensor, Shape)>,
    /// The name of the weights, under which later nodes find the layer.
    weights: Option<String>,
}

impl Written<'_> {
    fn new(class: &'static str, settings: Value) -> Self {
        let (name, calls, arrays) = (String::new(), Vec::new(), Vec::new());
        Self { name, class, settings, calls, arrays, weights: None }
    }
}

/// An output of a written layer.
#[derive(Clone)]
struct KerasValue {
    layer: String,
    call: usize,
    shape: Shape,
}

struct Writer<'a> {
    network: &'a Network,
    layers: Vec<Written<'a>>,
    values: BTreeMap<String, KerasValue>,
    names: BTreeSet<String>,
}

impl<'a> Writer<'a> {
    /// A name that Keras takes and that no other layer has.
    fn name(&mut self, name: &str) -> String {
        let name = name.replace('/', ".");
        let numbered = (1..).map(|number| format!("{name}_{number}"));
        let free = [name.clone()].into_iter().chain(numbered).find(|name| !self.names.contains(name));
        let free = free.unwrap_or(name);
        self.names.insert(free.clone());
        free
    }

    fn node(&mut self, node: &'a Node) -> Result<()> {
        let inputs: Vec<KerasValue> =
            node.inputs.iter().filter_map(|input| self.values.get(input)).cloned().collect();
        let input = self.network.input_shapes(node);
        let shape = input.first().copied().unwrap_or_default();
        let described = describe(&node.layer).map_err(|problem| Error::Layer {
            network: self.network.name().to_owned(),
            layer: node.name.clone(),
            problem,
        })?;
        let last = described.len().saturating_sub(1);
        let mut value = None;
        let weights = |place: usize| (place == last).then(|| node.weights_name().to_owned());
        for (place, (class, settings, name)) in described.into_iter().enumerate() {
            let inputs = value.take().map_or_else(|| inputs.clone(), |value| vec![value]);
            let shared = weights(place).and_then(|weights| {
                self.layers.iter().position(|layer| layer.weights.as_ref() == Some(&weights))
            });
            let place = match shared {
                Some(shared) => shared,
                None => {
                    let name = match name {
                        "" => self.name(&node.name),
                        suffix => self.name(&format!("{}_{suffix}", node.name)),
                    };
                    let mut layer = Written::new(class, settings);
                    layer.name = name;
                    layer.weights = weights(place);
                    if let Value::Object(settings) = &mut layer.settings {
                        settings.insert("trainable".to_owned(), Value::from(node.trainable));
                    }
                    if place == last {
                        layer.arrays = self.arrays(node)?;
                    }
                    self.layers.push(layer);
                    self.layers.len() - 1
                }
            };
            // Attention of a sequence to itself takes it as query and as value.
            let is_itself = class == "MultiHeadAttention" && inputs.len() == 1;
            let inputs = if is_itself { [inputs.clone(), inputs].concat() } else { inputs };
            let shape = match &node.layer {
                // The border that stands before a convolution.
                Layer::Conv(Conv { padding, .. }) | Layer::DepthwiseConv(DepthwiseConv { padding, .. })
                    if class == "ZeroPadding2D" =>
                {
                    border(*padding)
                        .map(|border| Layer::from(border).output_shape(&[shape]))
                        .and_then(Result::ok)
                        .unwrap_or_default()
                }
                _ => self.network.shape(&node.name).to_vec(),
            };
            let layer = &mut self.layers[place];
            layer.calls.push(inputs);
            value = Some(KerasValue { layer: layer.name.clone(), call: layer.calls.len() - 1, shape });
        }
        if let Some(value) = value {
            self.values.insert(node.name.clone(), value);
        }
        Ok(())
    }

    /// A node's weights in Keras' order and with its shapes.
    fn arrays(&self, node: &Node) -> Result<Vec<(&'static str, &'a crate::Tensor, Shape)>> {
        let network = self.network;
        let inputs = network.input_shapes(node);
        let mut arrays = Vec::new();
        for (weight, shape) in node.layer.weight_shapes(&inputs) {
            let (owner, shape) = keras_array(&node.layer, weight, shape);
            arrays.push((owner, network.weight(node, weight)?, shape));
        }
        Ok(arrays)
    }

    fn finish(self) -> Result<Vec<u8>> {
        let reference = |value: &KerasValue| json!([value.layer, value.call, 0]);
        let mut outputs = Vec::new();
        for output in self.network.outputs() {
            outputs.extend(self.values.get(output).map(reference));
        }
        let inputs: Vec<Value> = self
            .network
            .inputs()
            .iter()
            .filter_map(|input| self.values.get(&input.name))
            .map(reference)
            .collect();
        let one = |mut values: Vec<Value>| {
            if values.len() == 1 { values.swap_remove(0) } else { Value::Array(values) }
        };
        let layers: Vec<Value> = self.layers.iter().map(description).collect();
        let model = json!({
            "module": "keras.src.models.functional",
            "class_name": "Functional",
            "config": {
                "name": self.network.name().replace('/', "."),
                "trainable": true,
                "layers": layers,
                "input_layers": inputs,
                "output_layers": one(outputs),
            },
            "registered_name": "Functional",
        });
        let metadata = json!({"keras_version": KERAS_VERSION, "date_saved": "1970-01-01@00:00:00"});

        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut groups = BTreeMap::new();
        for layer in &self.layers {
            let class = snake_case(layer.class);
            let count = counts.entry(class.clone()).or_default();
            let name = if *count == 0 { class } else { format!("{class}_{count}") };
            *count += 1;
            groups.insert(name, layer_group(layer));
        }
        let vars = || Member::Group(BTreeMap::new());
        let root = [("layers".to_owned(), Member::Group(groups)), ("vars".to_owned(), vars())];
        let weights = hdf5::file(&Member::Group(root.into()))?;
        archive(&model, &metadata, &weights)
    }
}

/// The group of a layer in the file of weights: `vars`, and one for each owner.
fn layer_group<'a>(layer: &Written<'a>) -> Member<'a> {
    let mut members: BTreeMap<&str, BTreeMap<String, Member<'a>>> = [("", BTreeMap::new())].into();
    for (owner, tensor, shape) in &layer.arrays {
        let arrays = members.entry(owner).or_default();
        arrays.insert(arrays.len().to_string(), Member::Array(tensor, shape.clone()));
    }
    let mut group = BTreeMap::new();
    for (owner, arrays) in members {
        let vars = Member::Group(arrays);
        match owner {
            "" => drop(group.insert("vars".to_owned(), vars)),
            owner => drop(group.insert(owner.to_owned(), Member::Group([("vars".to_owned(), vars)].into()))),
        }
    }
    Member::Group(group)
}

fn description(layer: &Written<'_>) -> Value {
    let tensor = |value: &KerasValue| {
        json!({
            "class_name": "__keras_tensor__",
            "config": {
                "shape": batched(&value.shape),
                "dtype": "float32",
                "keras_history": [value.layer, value.call, 0],
            },
        })
    };
    let merges = matches!(
        layer.class,
        "Add" | "Subtract" | "Multiply" | "Average" | "Maximum" | "Minimum" | "Concatenate" | "Dot"
    );
    let call = |inputs: &Vec<KerasValue>| {
        let tensors: Vec<Value> = inputs.iter().map(tensor).collect();
        let arguments = if merges { vec![Value::Array(tensors)] } else { tensors };
        json!({"args": arguments, "kwargs": {}})
    };
    let mut settings = layer.settings.clone();
    if let Value::Object(settings) = &mut settings {
        settings.insert("name".to_owned(), Value::from(layer.name.as_str()));
    }
    json!({
        "module": "keras.layers",
        "class_name": layer.class,
        "config": settings,
        "registered_name": null,
        "name": layer.name,
        "inbound_nodes": layer.calls.iter().map(call).collect::<Vec<_>>(),
    })
}

fn archive(model: &Value, metadata: &Value, weights: &[u8]) -> Result<Vec<u8>> {
    let error = |error: String| problem(format!("the archive can't be written: {error}"));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let options = options.large_file(weights.len() >= u32::MAX as usize);
    let (model, metadata) = (model.to_string(), metadata.to_string());
    for (name, content) in [
        ("metadata.json", metadata.as_bytes()),
        ("config.json", model.as_bytes()),
        ("model.weights.h5", weights),
    ] {
        archive.start_file(name, options).map_err(|source| error(source.to_string()))?;
        archive.write_all(content).map_err(|source| error(source.to_string()))?;
    }
    let file = archive.finish().map_err(|source| error(source.to_string()))?;
    Ok(file.into_inner())
}

fn batched(shape: &[usize]) -> Value {
    let sizes = shape.iter().map(|size| Value::from(*size));
    [Value::Null].into_iter().chain(sizes).collect()
}

/// Whose an array is in Keras, and its shape there.
fn keras_array(layer: &Layer, weight: &str, shape: Shape) -> (&'static str, Shape) {
    let Layer::MultiHeadAttention(attention) = layer else { return ("", shape) };
    let owners = ["query_dense", "key_dense", "value_dense", "output_dense"];
    let place = PROJECTIONS.iter().position(|weights| weights.contains(&weight)).unwrap_or(0);
    let heads = match place {
        0 => [attention.heads, attention.key_dim],
        1 => [attention.key_value_heads, attention.key_dim],
        2 => [attention.key_value_heads, attention.value_dim],
        _ => [attention.heads, attention.value_dim],
    };
    let shape = match (place, shape.as_slice()) {
        (3, [_, features]) => [&heads[..], &[*features]].concat(),
        (3, _) => shape,
        (_, [features, _]) => [&[*features], &heads[..]].concat(),
        _ => heads.to_vec(),
    };
    (owners[place], shape)
}

/// The Keras layers that do what a layer does, one after the other: the last but for an activation has its weights. Each has its
/// class, its settings, and what is appended to the layer's name.
type Described = Vec<(&'static str, Value, &'static str)>;

fn describe(layer: &Layer) -> Result<Described, Problem> {
    let one = |class, settings| Ok(vec![(class, settings, "")]);
    match layer {
        Layer::Dense(layer) => {
            let activation = activation(layer.activation)?;
            one("Dense", json!({"units": layer.units, "use_bias": layer.use_bias, "activation": activation}))
        }
        Layer::Rescaling(layer) => {
            let value = |values: &[f32]| if let [value] = values { json!(value) } else { json!(values) };
            one("Rescaling", json!({"scale": value(&layer.scale), "offset": value(&layer.offset)}))
        }
        Layer::Activation(Activation::LeakyRelu { slope }) => {
            one("LeakyReLU", json!({"negative_slope": slope}))
        }
        Layer::Activation(Activation::Elu { alpha }) => one("ELU", json!({"alpha": alpha})),
        Layer::Activation(function) => one("Activation", json!({"activation": activation(*function)?})),
        Layer::Softmax { axes: summed } => one("Softmax", json!({"axis": axes(summed)})),
        Layer::PRelu { shared_axes } => one("PReLU", json!({"shared_axes": shared_axes})),
        Layer::Embedding(layer) => {
            one("Embedding", json!({"input_dim": layer.rows, "output_dim": layer.features}))
        }
        Layer::RepeatVector { count } => one("RepeatVector", json!({"n": count})),
        Layer::Identity => one("Identity", json!({})),
        Layer::Flatten => one("Flatten", json!({})),
        Layer::Reshape(layer) => one("Reshape", json!({"target_shape": layer.shape})),
        Layer::Permute { axes } => {
            let dims: Vec<usize> = axes.iter().map(|axis| axis + 1).collect();
            one("Permute", json!({"dims": dims}))
        }
        Layer::Dropout { rate } => one("Dropout", json!({"rate": rate})),
        Layer::Add | Layer::Subtract | Layer::Multiply | Layer::Average | Layer::Maximum | Layer::Minimum => {
            one(layer.kind(), json!({}))
        }
        Layer::Concatenate { axis } => one("Concatenate", json!({"axis": axis})),
        Layer::Dot(layer) => one("Dot", json!({"axes": layer.axes, "normalize": layer.normalize})),
        Layer::MultiHeadAttention(layer) if !layer.causal && layer.heads == layer.key_value_heads => one(
            "MultiHeadAttention",
            json!({
                "num_heads": layer.heads,
                "key_dim": layer.key_dim,
                "value_dim": layer.value_dim,
                "output_shape": layer.features,
                "use_bias": layer.use_bias,
            }),
        ),
        layer => match described_windows(layer)?.or_else(|| described_normalisation(layer)) {
            Some(described) => Ok(described),
            None => Err(format!(
                "a layer of kind {} can't be written for Keras; write the network as ONNX",
                layer.kind()
            )),
        },
    }
}

/// Layers whose windows or borders go over the axes before the channels; `None` for others.
fn described_windows(layer: &Layer) -> Result<Option<Described>, Problem> {
    let one = |class, settings| vec![(class, settings, "")];
    Ok(Some(match layer {
        Layer::Conv(conv) => {
            let activation = activation(conv.activation)?;
            let settings = json!({
                "filters": conv.filters,
                "kernel_size": conv.kernel,
                "strides": conv.strides,
                "padding": padding(conv.padding),
                "dilation_rate": conv.dilation,
                "groups": conv.groups,
                "use_bias": conv.use_bias,
                "activation": activation,
            });
            bordered(conv.padding, layer.kind(), settings)
        }
        Layer::DepthwiseConv(wise) => {
            let activation = activation(wise.activation)?;
            let settings = json!({
                "kernel_size": wise.kernel,
                "strides": wise.strides,
                "padding": padding(wise.padding),
                "dilation_rate": wise.dilation,
                "depth_multiplier": wise.depth_multiplier,
                "use_bias": wise.use_bias,
                "activation": activation,
            });
            bordered(wise.padding, layer.kind(), settings)
        }
        Layer::ZeroPadding(border) => one(layer.kind(), json!({"padding": ends(&border.pads)})),
        Layer::Cropping(border) => one(layer.kind(), json!({"cropping": ends(&border.crops)})),
        Layer::MaxPooling(settings) | Layer::AveragePooling(settings) => {
            one(layer.kind(), pooling(settings)?)
        }
        Layer::GlobalAveragePooling(settings) | Layer::GlobalMaxPooling(settings) => {
            one(layer.kind(), json!({"keepdims": settings.keepdims}))
        }
        Layer::AdaptiveAveragePooling(settings) | Layer::AdaptiveMaxPooling(settings) => {
            one(layer.kind(), json!({"output_size": settings.output_size}))
        }
        _ => return Ok(None),
    }))
}

/// Normalisations; `None` for other layers.
fn described_normalisation(layer: &Layer) -> Option<Described> {
    let one = |class, settings| vec![(class, settings, "")];
    Some(match layer {
        Layer::BatchNormalization(layer) => one(
            "BatchNormalization",
            json!({"axis": layer.axis, "epsilon": layer.epsilon, "scale": layer.scale, "center": layer.center}),
        ),
        Layer::LayerNormalization(layer) => one(
            "LayerNormalization",
            json!({
                "axis": axes(&layer.axes),
                "epsilon": layer.epsilon,
                "scale": layer.scale,
                "center": layer.center,
                "rms_scaling": layer.rms_scaling,
            }),
        ),
        Layer::RmsNormalization(layer) => {
            one("RMSNormalization", json!({"axis": axes(&layer.axes), "epsilon": layer.epsilon}))
        }
        Layer::UnitNormalization { axes: normalised } => {
            one("UnitNormalization", json!({"axis": axes(normalised)}))
        }
        Layer::GroupNormalization(layer) => one(
            "GroupNormalization",
            json!({
                "groups": layer.groups.map_or(json!(-1), |groups| json!(groups)),
                "axis": layer.axis,
                "epsilon": layer.epsilon,
                "scale": layer.scale,
                "center": layer.center,
            }),
        ),
        _ => return None,
    })
}

/// A layer with padding by given numbers, which Keras has as a layer of its own.
fn bordered(padding: Padding, class: &'static str, settings: Value) -> Described {
    let border =
        border(padding).map(|border| ("ZeroPadding2D", json!({"padding": ends(&border.pads)}), "pad"));
    border.into_iter().chain([(class, settings, "")]).collect()
}

fn border(padding: Padding) -> Option<ZeroPadding> {
    match padding {
        Padding::Explicit { top, bottom, left, right } => {
            Some(ZeroPadding { pads: vec![(top, bottom), (left, right)] })
        }
        Padding::Valid | Padding::Same | Padding::Causal => None,
    }
}

/// Numbers for both ends of each axis; of one axis, Keras wants the pair alone.
fn ends(ends: &[(usize, usize)]) -> Value {
    match ends {
        [(before, after)] => json!([before, after]),
        ends => json!(ends),
    }
}

/// Axes as Keras names them, the last one where none are given.
fn axes(axes: &[isize]) -> Value {
    if axes.is_empty() { json!(-1) } else { json!(axes) }
}

fn pooling(layer: &WindowPooling) -> Result<Value, Problem> {
    if border(layer.padding).is_some() {
        return Err("Keras pools with padding `valid` or `same` alone, found padding by given numbers; write the network as \
                    ONNX"
            .to_owned());
    }
    let padding = padding(layer.padding);
    Ok(json!({"pool_size": layer.window, "strides": layer.strides, "padding": padding}))
}

fn padding(padding: Padding) -> &'static str {
    match padding {
        Padding::Same => "same",
        Padding::Causal => "causal",
        Padding::Valid | Padding::Explicit { .. } => "valid",
    }
}

/// The name of a function in Keras 3.
fn activation(activation: Activation) -> Result<&'static str, Problem> {
    Ok(match activation {
        Activation::Linear => "linear",
        Activation::Relu => "relu",
        Activation::Relu6 => "relu6",
        Activation::Sigmoid => "sigmoid",
        Activation::Tanh => "tanh",
        Activation::Softmax => "softmax",
        Activation::Softplus => "softplus",
        Activation::Swish => "silu",
        Activation::HardSigmoid => "hard_sigmoid",
        Activation::HardSwish => "hard_silu",
        Activation::Gelu => "gelu",
        Activation::Selu => "selu",
        Activation::Exponential => "exponential",
        Activation::LogSigmoid => "log_sigmoid",
        Activation::LogSoftmax => "log_softmax",
        Activation::TanhShrink => "tanh_shrink",
        Activation::Sparsemax => "sparsemax",
        Activation::Softsign => "softsign",
        Activation::Mish => "mish",
        Activation::HardTanh => "hard_tanh",
        Activation::SparsePlus => "sparse_plus",
        Activation::SparseSigmoid => "sparse_sigmoid",
        other => {
            return Err(format!(
                "Keras can't name the activation {other:?} within a layer; put it into one of its own"
            ));
        }
    })
}
