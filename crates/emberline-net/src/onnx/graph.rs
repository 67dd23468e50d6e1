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
use crate::{Network, Tensor, network::Input};

/// ONNX 1.12, which both runtimes have known for years.
pub(super) const OPSET_VERSION: i64 = 17;
pub(super) const IR_VERSION: i64 = 8;

/// The symbol of the batch size.
pub(super) const BATCH_SYMBOL: &str = "N";

pub(super) struct Graph<'a> {
    pub(super) network: &'a Network,
    proto: GraphProto,
    /// The ONNX value that holds a node's output, channels first where it is an image.
    values: BTreeMap<&'a str, String>,
    /// The places of stored tensors by name.
    constants: BTreeMap<String, usize>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(network: &'a Network) -> Self {
        let proto = GraphProto { name: network.name().to_owned(), ..Default::default() };
        Self { network, proto, values: BTreeMap::new(), constants: BTreeMap::new() }
    }

    /// Declares an input; an image that enters channels-last is transposed.
    pub(super) fn input(&mut self, input: &'a Input, layout: ImageLayout) {
        let Input { name, shape } = input;
        let (declared, value) = match (shape.as_slice(), layout) {
            (&[height, width, channels], ImageLayout::ChannelsFirst) => {
                (vec![channels, height, width], name.clone())
            }
            _ if is_spatial(shape) => {
                let first = format!("{name}/channels_first");
                (shape.clone(), self.transpose(name.clone(), first, &to_channels_first(shape.len())))
            }
            _ => (shape.clone(), name.clone()),
        };
        self.proto.input.push(value_info(name, &declared));
        self.values.insert(name, value);
    }

    /// Declares a node's value as an output under its own name; images are transposed to channels-last.
    pub(super) fn output(&mut self, name: &str) {
        let shape = self.network.shape(name);
        self.proto.output.push(value_info(name, shape));
        let value = self.value(name);
        if is_spatial(shape) {
            self.transpose(value, name.to_owned(), &to_channels_last(shape.len()));
        } else if value != name {
            self.op("Identity", vec![value], name.to_owned(), vec![]);
        }
    }

    /// The ONNX value of an input or node.
    pub(super) fn value(&self, name: &str) -> String {
        self.values.get(name).cloned().unwrap_or_default()
    }

    /// The name under which a node's output is to be written: its own, which an output keeps only where it needs no
    /// transposition.
    pub(super) fn value_name(&self, name: &str) -> String {
        let transposed = is_spatial(self.network.shape(name));
        if transposed && self.network.outputs().iter().any(|output| output == name) {
            format!("{name}/channels_first")
        } else {
            name.to_owned()
        }
    }

    /// Says which ONNX value holds a node's output.
    pub(super) fn bind(&mut self, name: &'a str, value: String) {
        self.values.insert(name, value);
    }

    /// Adds an operator with one output, named after it, and gives back that name.
    pub(super) fn op(
        &mut self,
        op_type: &str,
        input: Vec<String>,
        output: String,
        attribute: Vec<AttributeProto>,
    ) -> String {
        self.proto.node.push(NodeProto {
            input,
            output: vec![output.clone()],
            name: output.clone(),
            op_type: op_type.to_owned(),
            attribute,
            ..Default::default()
        });
        output
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

/// Whether values of this shape, images and volumes, are held channels first.
pub(super) fn is_spatial(shape: &[usize]) -> bool {
    shape.len() >= 3
}

/// `[0, 3, 1, 2]` for images.
pub(super) fn to_channels_first(rank: usize) -> Vec<i64> {
    let rank = rank as i64;
    [0, rank].into_iter().chain(1..rank).collect()
}

/// `[0, 2, 3, 1]` for images.
pub(super) fn to_channels_last(rank: usize) -> Vec<i64> {
    let rank = rank as i64;
    [0].into_iter().chain(2..=rank).chain([1]).collect()
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

fn value_info(name: &str, shape: &[usize]) -> ValueInfoProto {
    let sizes: Vec<Option<usize>> = [None].into_iter().chain(shape.iter().copied().map(Some)).collect();
    declared(name, ElementType::Float32, Some(&sizes))
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
