//! Writing a network as a `.keras` file that Keras 3 loads.

use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Write},
};

use serde_json::{Value, json};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    describe::{Described, StandIns, describe, keras_array, stand_ins},
    graph::{class_in_python, snake_case},
    hdf5::{self, Member},
    layers::Source,
    problem,
};
use crate::{
    Activation, Conv, ConvTranspose, Dense, DepthwiseConv, Error, Layer, Network, Node, Result, Shape, Tensor,
};

/// The version of the format that is written.
const KERAS_VERSION: &str = "3.0.0";

impl Network {
    /// The network as a `.keras` file, which Keras 3 loads as a functional model with the same predictions. Layers keep their
    /// names, but that `outer/inner` is called `outer.inner`, since Keras allows no slash. What Keras has not got as one layer
    /// becomes several, called after it: padding by given numbers a layer before, pooling over such a border, and functions that
    /// Keras can't name within a layer. A class token and an embedding of positions become the bias of an `EinsumDense` whose
    /// kernel is ones. What is frozen stays so.
    ///
    /// # Errors
    /// When the network has no weights, or a layer that Keras has not got, which is named.
    pub fn to_keras(&self) -> Result<Vec<u8>> {
        let mut writer = Writer {
            network: self,
            layers: Vec::new(),
            values: BTreeMap::new(),
            names: BTreeSet::new(),
            never_negative: BTreeSet::new(),
        };
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
    /// The name of the weights, and what is appended to it, under which later nodes find the layer.
    of: Option<(&'a str, &'static str)>,
}

impl Written<'_> {
    fn new(class: &'static str, settings: Value) -> Self {
        let (name, calls, arrays) = (String::new(), Vec::new(), Vec::new());
        Self { name, class, settings, calls, keywords: json!({}), arrays, of: None }
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
    /// The values that have nothing below zero.
    never_negative: BTreeSet<&'a str>,
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
        let is_never_negative = node.inputs.iter().all(|input| self.never_negative.contains(input.as_str()));
        if gives_nothing_negative(&node.layer, is_never_negative) {
            self.never_negative.insert(&node.name);
        }
        let described = describe(&node.layer, shape, is_never_negative).map_err(|problem| Error::Layer {
            network: self.network.name().to_owned(),
            layer: node.name.clone(),
            problem,
        })?;
        let mut made: Vec<KerasValue> = Vec::new();
        for layer in described {
            let value_of = |source: &Source| match *source {
                Source::Input(place) => inputs.get(place).cloned(),
                Source::Part(place) => made.get(place).cloned(),
            };
            let taken = match (&layer.takes, made.last()) {
                (Some(sources), _) => sources.iter().filter_map(value_of).collect(),
                (None, Some(last)) => vec![last.clone()],
                (None, None) => inputs.clone(),
            };
            let value = self.call(node, layer, taken)?;
            made.push(value);
        }
        if let Some(value) = made.pop() {
            self.values.insert(node.name.clone(), value);
        }
        Ok(())
    }

    /// One of the layers that a node becomes, with these inputs.
    fn call(&mut self, node: &'a Node, described: Described, inputs: Vec<KerasValue>) -> Result<KerasValue> {
        let Described { class, mut settings, suffix, keywords, shape, .. } = described;
        // Keras' Discretization takes no such setting.
        if let Value::Object(settings) = &mut settings
            && class != "Discretization"
        {
            settings.entry("trainable").or_insert_with(|| Value::from(node.trainable));
        }
        let of = (node.weights_name(), suffix);
        let shared = self.layers.iter().position(|layer| layer.of == Some(of) && layer.settings == settings);
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
                layer.of = Some(of);
                if suffix.is_empty() {
                    layer.arrays = self.arrays(node)?;
                }
                self.layers.push(layer);
                self.layers.len() - 1
            }
        };
        // Attention of a sequence to itself takes it as query and as value.
        let is_itself = matches!(node.layer, Layer::MultiHeadAttention(_)) && inputs.len() == 1;
        let inputs = if is_itself { [inputs.clone(), inputs].concat() } else { inputs };
        let shape = shape.unwrap_or_else(|| self.network.shape(&node.name).to_vec());
        let layer = &mut self.layers[place];
        layer.calls.push(inputs);
        Ok(KerasValue { layer: layer.name.clone(), call: layer.calls.len() - 1, shape })
    }

    /// A node's weights in Keras' order and with its shapes.
    fn arrays(&self, node: &Node) -> Result<Vec<Array<'a>>> {
        let network = self.network;
        let inputs = network.input_shapes(node);
        let input = inputs.first().copied().unwrap_or_default();
        let array = |(weight, tensor): (&str, Tensor)| {
            let (owner, shape) = keras_array(&node.layer, weight, tensor.shape().to_vec());
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
        arrays.extend(after.into_iter().map(|tensor| array(("", tensor))));
        Ok(arrays)
    }

    fn finish(mut self) -> Result<Vec<u8>> {
        self.layers = self.in_keras_order();
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
                "input_layers": one(inputs),
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

/// A call of a written layer: the layer's place, and which of its calls.
type Call = (usize, usize);

impl<'a> Writer<'a> {
    /// The layers in the order of a model that Keras has loaded, by which it finds their weights: those farther from the outputs first,
    /// and among them those that a walk from the outputs meets first (`map_graph` in Keras' `ops/function.py`). What leads to no output,
    /// and is no input, is left out.
    fn in_keras_order(&mut self) -> Vec<Written<'a>> {
        let places: BTreeMap<&str, usize> =
            self.layers.iter().enumerate().map(|(place, layer)| (layer.name.as_str(), place)).collect();
        let call = |value: &KerasValue| (places[value.layer.as_str()], value.call);
        let taken = |(layer, number): Call| {
            self.layers[layer].calls.get(number).into_iter().flatten().map(call).collect::<Vec<Call>>()
        };
        let outputs = self.network.outputs().iter().filter_map(|output| self.values.get(output));
        let (met, calls) = walk(outputs.map(call), taken);
        // From the outputs on, so that a call's own distance is known before that of what it takes.
        let mut distances: BTreeMap<Call, usize> = BTreeMap::new();
        let mut of_layers: BTreeMap<usize, usize> = BTreeMap::new();
        for call in calls.into_iter().rev() {
            let of_layer = of_layers.entry(call.0).or_default();
            let distance = distances.get(&call).copied().unwrap_or_default().max(*of_layer);
            *of_layer = distance;
            for input in taken(call) {
                let known = distances.entry(input).or_default();
                *known = (*known).max(distance + 1);
            }
        }
        let place = |layer: usize| {
            let input = self.layers[layer].class == "InputLayer";
            let distance = of_layers.get(&layer).copied().or(input.then_some(0))?;
            // Inputs that nothing takes come before all others at the end.
            Some((Reverse(distance), met.get(&layer).map_or(0, |met| met + 1)))
        };
        let mut order: Vec<_> =
            (0..self.layers.len()).filter_map(|layer| Some((place(layer)?, layer))).collect();
        order.sort_unstable();
        let mut layers: Vec<_> = std::mem::take(&mut self.layers).into_iter().map(Some).collect();
        order.into_iter().filter_map(|(_, layer)| layers[layer].take()).collect()
    }
}

/// Walks from calls to what they take, deepest first: when a layer was first met, and the calls in the order they were done with.
fn walk(
    from: impl Iterator<Item = Call>,
    taken: impl Fn(Call) -> Vec<Call>,
) -> (BTreeMap<usize, usize>, Vec<Call>) {
    let (mut met, mut seen, mut done) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    for first in from {
        let mut open = vec![(first, None::<std::vec::IntoIter<Call>>)];
        while let Some((call, rest)) = open.last_mut() {
            let call = *call;
            let Some(rest) = rest else {
                if !seen.insert(call) {
                    open.pop();
                    continue;
                }
                let count = met.len();
                met.entry(call.0).or_insert(count);
                *rest = Some(taken(call).into_iter());
                continue;
            };
            match rest.next() {
                Some(next) => open.push((next, None)),
                None => {
                    done.push(call);
                    open.pop();
                }
            }
        }
    }
    (met, done)
}

/// Whether a layer's output is known to have nothing below zero, given whether that is known of its inputs.
fn gives_nothing_negative(layer: &Layer, inputs: bool) -> bool {
    match layer {
        Layer::Activation(activation)
        | Layer::Conv(Conv { activation, .. })
        | Layer::ConvTranspose(ConvTranspose { activation, .. })
        | Layer::DepthwiseConv(DepthwiseConv { activation, .. })
        | Layer::Dense(Dense { activation, .. }) => match activation {
            Activation::BoundedRelu { max, slope, threshold } => {
                *max >= 0.0 && *slope == 0.0 && *threshold >= 0.0
            }
            Activation::Relu
            | Activation::Relu6
            | Activation::Sigmoid
            | Activation::HardSigmoid
            | Activation::HardSigmoidOfKeras2
            | Activation::Softmax
            | Activation::Softplus
            | Activation::Exponential => true,
            _ => false,
        },
        Layer::MaxPooling(_)
        | Layer::AveragePooling(_)
        | Layer::ZeroPadding(_)
        | Layer::Cropping(_)
        | Layer::Dropout { .. }
        | Layer::Identity
        | Layer::Concatenate { .. }
        | Layer::Maximum
        | Layer::Add => inputs,
        _ => false,
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
