//! The ONNX graph under construction: names, layouts, and messages put together.

use std::collections::BTreeMap;

use super::{
    ImageLayout,
    model::{ElementType, declared},
    proto::{
        AttributeProto, AttributeType, DataType, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
        TensorProto, ValueInfoProto,
    },
};
use crate::{Network, Shape, Tensor, network::Input};

/// ONNX 1.12, which both runtimes have known for years.
pub(super) const OPSET_VERSION: i64 = 17;
pub(super) const IR_VERSION: i64 = 8;

/// The symbol of the batch size.
pub(super) const BATCH_SYMBOL: &str = "N";

/// Where the channels of a value stand. Of vectors, both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Right after the batch: what ONNX's windows take.
    First,
    /// Behind all other axes, as in Keras.
    Last,
}

/// A value of the ONNX graph that stands for what an input or layer gives.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) name: String,
    pub(super) layout: Layout,
    /// Channels last, without the batch.
    pub(super) shape: Shape,
}

pub(super) struct Graph<'a> {
    pub(super) network: &'a Network,
    proto: GraphProto,
    /// What each input and node gives.
    values: BTreeMap<&'a str, Value>,
    /// The ONNX value that holds another's values in the other layout.
    transposed: BTreeMap<String, String>,
    /// Names that are taken, and how often.
    names: BTreeMap<String, usize>,
    /// Where among the initializers the stored tensors are.
    constants: BTreeMap<String, usize>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(network: &'a Network) -> Self {
        let proto = GraphProto { name: network.name().to_owned(), ..Default::default() };
        let names = network.shapes().keys().map(|name| (name.clone(), 1)).collect();
        Self {
            network,
            proto,
            values: BTreeMap::new(),
            transposed: BTreeMap::new(),
            names,
            constants: BTreeMap::new(),
        }
    }

    /// Declares an input; only images may enter channels first.
    pub(super) fn input(&mut self, input: &'a Input, layout: ImageLayout) {
        let Input { name, shape } = input;
        let (declared, layout) = match (shape.as_slice(), layout) {
            (&[height, width, channels], ImageLayout::ChannelsFirst) => {
                (vec![channels, height, width], Layout::First)
            }
            _ => (shape.clone(), Layout::Last),
        };
        self.proto.input.push(value_info(name, &declared));
        self.values.insert(name, Value { name: name.clone(), layout, shape: shape.clone() });
    }

    /// Declares a node's value as an output under its own name, channels last.
    pub(super) fn output(&mut self, name: &str) {
        let shape = self.network.shape(name);
        self.proto.output.push(value_info(name, shape));
        let Some(value) = self.values.get(name).cloned() else { return };
        if value.layout == Layout::First && shape.len() > 1 {
            let axes = permutation(Layout::Last, shape.len());
            self.transpose(value.name, name.to_owned(), &axes);
        } else if value.name != name {
            self.op("Identity", vec![value.name], name.to_owned(), vec![]);
        }
    }

    /// What an input or node gives.
    pub(super) fn value(&self, name: &str) -> Value {
        let unknown = || Value { name: String::new(), layout: Layout::Last, shape: Vec::new() };
        self.values.get(name).cloned().unwrap_or_else(unknown)
    }

    /// The name of a value in this layout; it is transposed once at most.
    pub(super) fn laid_out(&mut self, value: &Value, layout: Layout) -> String {
        if value.layout == layout || value.shape.len() < 2 {
            return value.name.clone();
        }
        if let Some(name) = self.transposed.get(&value.name) {
            return name.clone();
        }
        let suffix = if layout == Layout::First { "channels_first" } else { "channels_last" };
        let name = self.unique(format!("{}/{suffix}", value.name));
        let name = self.transpose(value.name.clone(), name, &permutation(layout, value.shape.len()));
        self.transposed.insert(value.name.clone(), name.clone());
        self.transposed.insert(name.clone(), value.name.clone());
        name
    }

    /// How many operators there are.
    pub(super) fn len(&self) -> usize {
        self.proto.node.len()
    }

    /// Says what a node gives. The operator that makes it, if it is the last of those added since there were `before`, gets
    /// the node's name; an output that is yet to be transposed leaves it to the transposition.
    pub(super) fn bind(&mut self, node: &'a str, mut value: Value, before: usize) {
        let is_transposed = value.layout == Layout::First
            && value.shape.len() > 1
            && self.network.outputs().iter().any(|output| output == node);
        let name =
            if is_transposed { self.unique(format!("{node}/channels_first")) } else { node.to_owned() };
        let added = self.proto.node.len() > before;
        if let Some(last) =
            self.proto.node.last_mut().filter(|last| added && last.output == [value.name.as_str()])
        {
            self.transposed.retain(|from, to| *from != value.name && *to != value.name);
            last.name.clone_from(&name);
            last.output = vec![name.clone()];
            value.name = name;
        }
        self.values.insert(node, value);
    }

    /// The name, with a number behind it if it is taken.
    pub(super) fn unique(&mut self, name: String) -> String {
        let count = self.names.entry(name.clone()).or_insert(0);
        *count += 1;
        match *count {
            1 => name,
            count => self.unique(format!("{name}_{count}")),
        }
    }

    /// Adds an operator with one output, named after it, and gives back that name.
    pub(super) fn op(
        &mut self,
        op_type: &str,
        input: Vec<String>,
        output: String,
        attribute: Vec<AttributeProto>,
    ) -> String {
        self.op_of_many(op_type, input, vec![output.clone()], attribute);
        output
    }

    /// Adds an operator with several outputs; those that nobody wants have no name.
    pub(super) fn op_of_many(
        &mut self,
        op_type: &str,
        input: Vec<String>,
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        let name = output.iter().find(|name| !name.is_empty()).cloned().unwrap_or_default();
        let op_type = op_type.to_owned();
        self.proto.node.push(NodeProto { input, output, name, op_type, attribute, ..Default::default() });
    }

    pub(super) fn transpose(&mut self, input: String, output: String, permutation: &[i64]) -> String {
        self.op("Transpose", vec![input], output, vec![ints("perm", permutation)])
    }

    /// Whether it is this tensor that is stored under a name; `None` where nothing is.
    pub(super) fn constant_is(&self, name: &str, tensor: &Tensor) -> Option<bool> {
        let stored = self.constants.get(name).and_then(|place| self.proto.initializer.get(*place));
        stored.map(|stored| {
            let values = stored.raw_data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
            stored.dims.iter().map(|size| *size as usize).eq(tensor.shape().iter().copied())
                && values.map(f32::to_bits).eq(tensor.data().iter().map(|value| value.to_bits()))
        })
    }

    /// Adds a stored tensor and gives back its name.
    pub(super) fn constant(&mut self, name: String, tensor: &Tensor) -> String {
        self.constants.insert(name.clone(), self.proto.initializer.len());
        self.raw_constant(name, DataType::Float, tensor.shape(), little_endian(tensor.data()))
    }

    /// Adds one stored number and gives back its name.
    pub(super) fn scalar(&mut self, name: String, value: f32) -> String {
        self.raw_constant(name, DataType::Float, &[], value.to_le_bytes().to_vec())
    }

    /// Adds a stored list of integers and gives back its name.
    pub(super) fn integers(&mut self, name: String, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.raw_constant(name, DataType::Int64, &[values.len()], bytes)
    }

    /// Adds one stored integer and gives back its name.
    pub(super) fn integer(&mut self, name: String, value: i64) -> String {
        self.raw_constant(name, DataType::Int64, &[], value.to_le_bytes().to_vec())
    }

    /// Adds stored integers in rows of one length and gives back its name.
    pub(super) fn integer_rows(&mut self, name: String, length: usize, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.raw_constant(name, DataType::Int64, &[values.len() / length.max(1), length], bytes)
    }

    fn raw_constant(
        &mut self,
        name: String,
        data_type: DataType,
        shape: &[usize],
        raw_data: Vec<u8>,
    ) -> String {
        let dims = shape.iter().map(|&size| size as i64).collect();
        self.proto.initializer.push(TensorProto {
            dims,
            data_type: data_type.into(),
            name: name.clone(),
            raw_data,
            ..Default::default()
        });
        name
    }

    pub(super) fn into_model(self) -> ModelProto {
        ModelProto {
            ir_version: IR_VERSION,
            producer_name: "emberline".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(self.proto),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET_VERSION }],
            ..Default::default()
        }
    }
}

/// The order of the batch's and `rank` more axes that brings a value into this layout from the other one.
fn permutation(layout: Layout, rank: usize) -> Vec<i64> {
    let rank = rank as i64;
    match layout {
        Layout::First => [0, rank].into_iter().chain(1..rank).collect(),
        Layout::Last => [0].into_iter().chain(2..=rank).chain([1]).collect(),
    }
}

pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i, r#type: AttributeType::Int.into(), ..Default::default() }
}

pub(crate) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    let (name, ints) = (name.to_owned(), ints.to_vec());
    AttributeProto { name, ints, r#type: AttributeType::Ints.into(), ..Default::default() }
}

pub(crate) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), f, r#type: AttributeType::Float.into(), ..Default::default() }
}

pub(super) fn text(name: &str, text: &str) -> AttributeProto {
    let (name, s) = (name.to_owned(), text.as_bytes().to_vec());
    AttributeProto { name, s, r#type: AttributeType::String.into(), ..Default::default() }
}

fn value_info(name: &str, shape: &[usize]) -> ValueInfoProto {
    let sizes: Vec<Option<usize>> = [None].into_iter().chain(shape.iter().copied().map(Some)).collect();
    declared(name, ElementType::Float32, Some(&sizes))
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
