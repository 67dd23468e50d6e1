//! Writing a network as a `.keras` file that Keras 3 loads.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Write},
};

use serde_json::{Value, json};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    describe::{Described, StandIns, border, describe, keras_array, stand_ins},
    graph::{class_in_python, snake_case},
    hdf5::{self, Member},
    problem,
};
use crate::{Conv, DepthwiseConv, Error, Layer, Network, Node, Result, Shape, Tensor};

/// The version of the format that is written.
const KERAS_VERSION: &str = "3.0.0";

impl Network {
    /// The network as a `.keras` file, which Keras 3 loads as a functional model with the same predictions. Layers keep their
    /// names, but that `outer/inner` is called `outer.inner`, since Keras allows no slash, and that padding by given numbers
    /// becomes a layer of its own. A class token and an embedding of positions, which Keras has not got, become the bias of an
    /// `EinsumDense` whose kernel is ones. What is frozen stays so.
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
    /// What each call is given besides.
    keywords: Value,
    /// By owner and number, with the shapes that Keras has them in.
    arrays: Vec<Array<'a>>,
    /// The name of the weights, under which later nodes find the layer.
    weights: Option<String>,
}

impl Written<'_> {
    fn new(class: &'static str, settings: Value) -> Self {
        let (name, calls, arrays) = (String::new(), Vec::new(), Vec::new());
        Self { name, class, settings, calls, keywords: json!({}), arrays, weights: None }
    }
}

type Array<'a> = (String, Cow<'a, Tensor>, Shape);

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
        let described = describe(&node.layer, shape).map_err(|problem| Error::Layer {
            network: self.network.name().to_owned(),
            layer: node.name.clone(),
            problem,
        })?;
        let last = described.len().saturating_sub(1);
        let mut value = None;
        let weights = |place: usize| (place == last).then(|| node.weights_name().to_owned());
        for (place, described) in described.into_iter().enumerate() {
            let Described { class, settings, suffix, keywords } = described;
            let inputs = value.take().map_or_else(|| inputs.clone(), |value| vec![value]);
            let shared = weights(place).and_then(|weights| {
                self.layers.iter().position(|layer| layer.weights.as_ref() == Some(&weights))
            });
            let place = match shared {
                Some(shared) => shared,
                None => {
                    let name = match suffix {
                        "" => self.name(&node.name),
                        suffix => self.name(&format!("{}_{suffix}", node.name)),
                    };
                    let mut layer = Written::new(class, settings);
                    layer.name = name;
                    layer.keywords = keywords;
                    layer.weights = weights(place);
                    // Keras' Discretization takes no such setting.
                    if let Value::Object(settings) = &mut layer.settings
                        && class != "Discretization"
                    {
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
            let is_itself = matches!(node.layer, Layer::MultiHeadAttention(_)) && inputs.len() == 1;
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
                Layer::TakeToken { .. } if class == "Cropping1D" => vec![1, shape[1]],
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
    fn arrays(&self, node: &Node) -> Result<Vec<Array<'a>>> {
        let network = self.network;
        let inputs = network.input_shapes(node);
        let input = inputs.first().copied().unwrap_or_default();
        let array = |tensor: Tensor| {
            let (owner, shape) = keras_array(&node.layer, "", tensor.shape().to_vec());
            (owner, Cow::Owned(tensor), shape)
        };
        let after = match stand_ins(&node.layer, input, |weight| network.weight(node, weight))? {
            StandIns::Instead(tensors) => return Ok(tensors.into_iter().map(array).collect()),
            StandIns::After(tensors) => tensors,
            StandIns::None => Vec::new(),
        };
        let mut arrays = Vec::new();
        for (weight, shape) in node.layer.weight_shapes(&inputs) {
            let (owner, shape) = keras_array(&node.layer, weight, shape);
            arrays.push((owner, Cow::Borrowed(network.weight(node, weight)?), shape));
        }
        arrays.extend(after.into_iter().map(array));
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
            let class = snake_case(class_in_python(layer.class));
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

/// The group of a layer in the file of weights: `vars`, and one for each owner, which may be in another.
fn layer_group<'a>(layer: &'a Written<'_>) -> Member<'a> {
    fn add<'a>(group: &mut BTreeMap<String, Member<'a>>, owner: &[&str], array: Member<'a>) {
        let (name, rest) = match owner {
            ["", ..] | [] => ("vars", None),
            [first, rest @ ..] => (*first, Some(rest)),
        };
        let empty = || Member::Group(BTreeMap::new());
        let Member::Group(members) = group.entry(name.to_owned()).or_insert_with(empty) else { return };
        match rest {
            Some(rest) => add(members, rest, array),
            None => drop(members.insert(members.len().to_string(), array)),
        }
    }
    let mut group = BTreeMap::from([("vars".to_owned(), Member::Group(BTreeMap::new()))]);
    for (owner, tensor, shape) in &layer.arrays {
        let owner: Vec<&str> = owner.split('/').collect();
        add(&mut group, &owner, Member::Array(tensor, shape.clone()));
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
        "Add"
            | "Subtract"
            | "Multiply"
            | "Average"
            | "Maximum"
            | "Minimum"
            | "Concatenate"
            | "Dot"
            | "Attention"
            | "AdditiveAttention"
    );
    let call = |inputs: &Vec<KerasValue>| {
        let tensors: Vec<Value> = inputs.iter().map(tensor).collect();
        let arguments = if merges { vec![Value::Array(tensors)] } else { tensors };
        json!({"args": arguments, "kwargs": layer.keywords})
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
