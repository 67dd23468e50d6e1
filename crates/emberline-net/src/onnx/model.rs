//! Foreign ONNX: a model that somebody else wrote, read within limits, cut, and made to take and give `f32`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::{Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};

use prost::Message;

use super::{
    graph::{BATCH_SYMBOL, int},
    proto::{
        DataType, Dimension, DimensionValue, GraphProto, ModelProto, NodeProto, TensorProto, TensorTypeProto,
        TypeProto, TypeValue, ValueInfoProto,
    },
};
use crate::{
    Error, PrepareOptions, Prepared, Result, Runtime,
    protobuf::{self, Allowed},
};

const FORMAT: &str = "ONNX";

/// The oldest operator set that is read: the first with broadcasting as it is today. CNTK writes 7 to 9.
const OPSET_MIN: i64 = 7;

/// The first version where stored tensors need not be inputs, too, and so are constants for sure.
const IR_VERSION_MIN: i64 = 4;

/// What a file may ask for. A file that asks for more is refused before anything is allocated for it.
#[derive(Clone, Debug)]
pub struct OnnxLimits {
    /// The bytes of the file and of those with its tensors, together.
    pub file_bytes: u64,
    /// Nodes, names, tensors and all other parts of the model, at every depth.
    pub fields: u64,
}

impl Default for OnnxLimits {
    /// The most that a protocol buffer can hold; a million parts.
    fn default() -> Self {
        Self { file_bytes: 2 << 30, fields: 1_000_000 }
    }
}

/// An ONNX model from a file, as it is: named inputs and outputs, nodes that a runtime knows. Nothing in it is executed
/// before a runtime [prepares](Self::prepare) it.
///
/// ```
/// use emberline_net::{Layer, NetworkBuilder, OnnxModel, OnnxOptions};
///
/// let mut layers = NetworkBuilder::new("tiny");
/// let image = layers.input("image", [4, 4, 3]);
/// let flat = layers.apply("flat", Layer::Flatten, image);
/// let onnx = layers.build(&[flat])?.to_onnx(&OnnxOptions::default())?;
///
/// let model = OnnxModel::from_bytes(&onnx, &Default::default())?;
/// assert_eq!(model.inputs()[0].to_string(), "image: f32 [?, 4, 4, 3]");
/// assert_eq!(model.outputs()[0].to_string(), "flat: f32 [?, 48]");
/// assert_eq!(model.opset(), 17);
/// # Ok::<(), emberline_net::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct OnnxModel {
    pub(crate) proto: ModelProto,
}

/// The name, element type and shape of an input or output of an [`OnnxModel`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnnxPort {
    /// Its name in the model.
    pub name: String,
    /// The type of its elements; `None` where the model does not say, as of inner tensors, and of what is no tensor.
    pub element: Option<ElementType>,
    /// The size of every axis, `None` where it is open; `None` for all where not even the rank is known.
    pub shape: Option<Vec<Option<usize>>>,
}

impl fmt::Display for OnnxPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        match self.element {
            Some(element) => write!(f, "{element}")?,
            None => write!(f, "?")?,
        }
        let Some(shape) = &self.shape else { return Ok(()) };
        let sizes = shape.iter().map(|size| size.map_or("?".to_owned(), |size| size.to_string()));
        write!(f, " [{}]", sizes.collect::<Vec<_>>().join(", "))
    }
}

/// The type of a tensor's elements.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElementType {
    Float16,
    BFloat16,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Bool,
    String,
}

impl ElementType {
    const ALL: [(Self, DataType, &'static str); 14] = [
        (Self::Float16, DataType::Float16, "f16"),
        (Self::BFloat16, DataType::Bfloat16, "bf16"),
        (Self::Float32, DataType::Float, "f32"),
        (Self::Float64, DataType::Double, "f64"),
        (Self::Int8, DataType::Int8, "i8"),
        (Self::Int16, DataType::Int16, "i16"),
        (Self::Int32, DataType::Int32, "i32"),
        (Self::Int64, DataType::Int64, "i64"),
        (Self::Uint8, DataType::Uint8, "u8"),
        (Self::Uint16, DataType::Uint16, "u16"),
        (Self::Uint32, DataType::Uint32, "u32"),
        (Self::Uint64, DataType::Uint64, "u64"),
        (Self::Bool, DataType::Bool, "bool"),
        (Self::String, DataType::String, "text"),
    ];

    fn of(elem_type: i32) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known as i32 == elem_type).map(|(element, _, _)| *element)
    }

    pub(crate) fn data_type(self) -> DataType {
        let known = Self::ALL.iter().find(|(element, _, _)| *element == self);
        known.map_or(DataType::Undefined, |(_, data_type, _)| *data_type)
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(element, _, _)| element == self).map_or("", |(_, _, name)| name))
    }
}

impl OnnxModel {
    /// Reads a model from a file. Tensors that are stored in files of their own are read from the model's folder alone:
    /// a path with a separator, and a link that leads elsewhere, are refused.
    ///
    /// # Errors
    /// When a file can't be read, is damaged or no ONNX model, exceeds a limit, or is of an operator set before 7.
    pub fn read(path: impl AsRef<Path>, limits: &OnnxLimits) -> Result<Self> {
        let path = path.as_ref();
        let io = |source| Error::Io { path: path.to_owned(), source };
        let asked = std::fs::metadata(path).map_err(io)?.len();
        check_bytes(asked, limits)?;
        let mut model = Self::decode(&std::fs::read(path).map_err(io)?, limits)?;
        let mut external = External { folder: path.parent(), bytes: asked, limits };
        if let Some(graph) = &mut model.proto.graph {
            external.load(graph)?;
        }
        model.checked()
    }

    /// Reads a model from its bytes.
    ///
    /// # Errors
    /// As [`read`](Self::read); and when the model's tensors are in files of their own.
    pub fn from_bytes(bytes: &[u8], limits: &OnnxLimits) -> Result<Self> {
        check_bytes(bytes.len() as u64, limits)?;
        let mut model = Self::decode(bytes, limits)?;
        if let Some(graph) = &mut model.proto.graph {
            External { folder: None, bytes: bytes.len() as u64, limits }.load(graph)?;
        }
        model.checked()
    }

    pub(crate) fn from_proto(proto: ModelProto) -> Result<Self> {
        Self { proto }.checked()
    }

    fn decode(bytes: &[u8], limits: &OnnxLimits) -> Result<Self> {
        let allowed = Allowed { format: FORMAT, fields: limits.fields };
        protobuf::check(bytes, Kind::Model, inner_kind, allowed)?;
        let proto = ModelProto::decode(bytes).map_err(|error| problem(format!("it is damaged: {error}")))?;
        Ok(Self { proto })
    }

    /// Checks what all else relies on: a graph of an operator set that is read, whose names are defined once and before use.
    fn checked(mut self) -> Result<Self> {
        let opset = self.opset();
        let graph = match &mut self.proto.graph {
            Some(graph) if !graph.output.is_empty() => graph,
            _ => return Err(problem("it has no graph with outputs; is it an ONNX model?".to_owned())),
        };
        if !(OPSET_MIN..).contains(&opset) {
            let found = if opset == 0 { "none".to_owned() } else { opset.to_string() };
            let hint = "`onnx.version_converter` of Python's onnx converts older models";
            return Err(problem(format!(
                "expected operator set {OPSET_MIN} or later, found {found}; {hint}"
            )));
        }
        // Old files list stored tensors as inputs as well, which could be fed in place of them.
        self.proto.ir_version = self.proto.ir_version.max(IR_VERSION_MIN);
        let stored: BTreeSet<String> = stored_names(graph).map(str::to_owned).collect();
        graph.input.retain(|input| !stored.contains(&input.name));
        check_names(graph, &mut BTreeSet::new())?;
        Ok(self)
    }

    /// What it takes, in order.
    #[must_use]
    pub fn inputs(&self) -> Vec<OnnxPort> {
        self.proto.graph.iter().flat_map(|graph| graph.input.iter().map(port)).collect()
    }

    /// What it gives, in order.
    #[must_use]
    pub fn outputs(&self) -> Vec<OnnxPort> {
        self.proto.graph.iter().flat_map(|graph| graph.output.iter().map(port)).collect()
    }

    /// The names of all tensors that its nodes make, in order: what [`with_outputs`](Self::with_outputs) takes.
    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        let nodes = self.proto.graph.iter().flat_map(|graph| &graph.node);
        nodes.flat_map(|node| &node.output).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The version of ONNX's own operator set; 0 if it names none.
    #[must_use]
    pub fn opset(&self) -> i64 {
        self.opsets().find(|(domain, _)| matches!(*domain, "" | "ai.onnx")).map_or(0, |(_, version)| version)
    }

    /// The operator sets it uses, by their domains; ONNX's own has none.
    pub fn opsets(&self) -> impl Iterator<Item = (&str, i64)> {
        self.proto.opset_import.iter().map(|set| (set.domain.as_str(), set.version))
    }

    /// The operators it uses and how often, in alphabetic order; those of other domains as `domain.Operator`.
    #[must_use]
    pub fn operators(&self) -> BTreeMap<String, usize> {
        let mut operators = BTreeMap::new();
        for node in self.proto.graph.iter().flat_map(|graph| &graph.node) {
            let name = match node.domain.as_str() {
                "" | "ai.onnx" => node.op_type.clone(),
                domain => format!("{domain}.{}", node.op_type),
            };
            *operators.entry(name).or_default() += 1;
        }
        operators
    }

    /// The model with these tensors as its outputs, outputs or inner ones, in this order; nodes, stored tensors and inputs
    /// that they do not need are left out.
    ///
    /// # Errors
    /// When there is no such tensor, or no or the same name twice is asked for.
    pub fn with_outputs<S: AsRef<str>>(mut self, names: &[S]) -> Result<Self> {
        let Some(graph) = &mut self.proto.graph else { return Ok(self) };
        let mut outputs: Vec<ValueInfoProto> = Vec::new();
        for name in names.iter().map(AsRef::as_ref) {
            let made = |node: &NodeProto| node.output.iter().any(|output| output == name);
            let known = graph.output.iter().chain(&graph.value_info).find(|info| info.name == name);
            if name.is_empty() || !graph.node.iter().any(made) {
                return Err(problem(unknown_tensor(graph, name)));
            }
            if outputs.iter().any(|output| output.name == name) {
                return Err(problem(format!("output `{name}` is asked for twice")));
            }
            let unknown = || ValueInfoProto { name: name.to_owned(), ..Default::default() };
            outputs.push(known.cloned().unwrap_or_else(unknown));
        }
        if outputs.is_empty() {
            return Err(problem("expected the name of at least one output".to_owned()));
        }
        graph.output = outputs;
        cut(graph);
        Ok(self)
    }

    /// The model with inputs and outputs of `f32`: where they are of another type of numbers, a cast stands before or after
    /// them. Numbers are cut off at the point where an input is of integers; those above 2^24 are rounded.
    ///
    /// # Errors
    /// When an input or output holds text or is no tensor; [`with_outputs`](Self::with_outputs) can leave an output out.
    pub fn with_f32_ports(mut self) -> Result<Self> {
        let Some(graph) = &mut self.proto.graph else { return Ok(self) };
        for i in 0..graph.input.len() {
            let OnnxPort { name, element, .. } = number_port("input", &graph.input[i], false)?;
            let (Some(element), false) = (element, element == Some(ElementType::Float32)) else { continue };
            let inner = format!("{name}/{element}");
            set_f32(&mut graph.input[i]);
            rename(graph, &name, &inner, Side::Uses);
            graph.node.insert(0, cast(name, inner, element));
        }
        for i in 0..graph.output.len() {
            let OnnxPort { name, element, .. } = number_port("output", &graph.output[i], true)?;
            if element == Some(ElementType::Float32) {
                continue;
            }
            let inner =
                format!("{name}/{}", element.map_or("inner".to_owned(), |element| element.to_string()));
            set_f32(&mut graph.output[i]);
            rename(graph, &name, &inner, Side::Both);
            graph.value_info.retain(|info| info.name != name);
            graph.node.push(cast(inner, name, ElementType::Float32));
        }
        Ok(self)
    }

    /// The model with an input of this shape, where it leaves sizes open; runtimes then know the sizes of what follows.
    ///
    /// # Errors
    /// When there is no such input, or its shape is another.
    pub fn with_input_shape(mut self, name: &str, shape: &[Option<usize>]) -> Result<Self> {
        let graph = self.proto.graph.get_or_insert_default();
        let Some(info) = graph.input.iter_mut().find(|info| info.name == name) else {
            return Err(problem(format!("it has no input `{name}`")));
        };
        let known = port(info);
        let fits = |known: &Vec<Option<usize>>| {
            let open = |(known, size): (&Option<usize>, &Option<usize>)| known.is_none() || known == size;
            known.len() == shape.len() && known.iter().zip(shape).all(open)
        };
        if !known.shape.as_ref().is_none_or(fits) {
            return Err(problem(format!("input `{known}` can't have the shape {shape:?}")));
        }
        *info = declared(name, known.element.unwrap_or(ElementType::Float32), Some(shape));
        // Sizes that were derived from others are derived again.
        graph.value_info.clear();
        for output in &mut graph.output {
            if let Some(TypeProto { value: Some(TypeValue::Tensor(tensor)), .. }) = &mut output.r#type {
                tensor.shape = None;
            }
        }
        Ok(self)
    }

    /// The model whose outputs are vectors: all numbers of a row in a row, `[N, numbers]`.
    #[must_use]
    pub fn with_flat_outputs(mut self) -> Self {
        let graph = self.proto.graph.get_or_insert_default();
        for i in 0..graph.output.len() {
            let OnnxPort { name, element, .. } = port(&graph.output[i]);
            let inner = format!("{name}/axes");
            graph.output[i] = match element {
                Some(element) => declared(&name, element, Some(&[None, None])),
                None => ValueInfoProto { name: name.clone(), ..Default::default() },
            };
            rename(graph, &name, &inner, Side::Both);
            graph.value_info.retain(|info| info.name != name);
            graph.node.push(NodeProto {
                name: format!("{name}/flat"),
                input: vec![inner],
                output: vec![name],
                op_type: "Flatten".to_owned(),
                attribute: vec![int("axis", 1)],
                ..Default::default()
            });
        }
        self
    }

    /// The model as ONNX bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.proto.encode_to_vec()
    }

    /// The model, with [`f32` ports](Self::with_f32_ports), ready to run.
    ///
    /// # Errors
    /// As [`with_f32_ports`](Self::with_f32_ports) and [`Runtime::prepare`].
    pub fn prepare(&self, runtime: &dyn Runtime, options: &PrepareOptions) -> Result<Arc<dyn Prepared>> {
        runtime.prepare(&self.clone().with_f32_ports()?.to_bytes(), options)
    }
}

fn problem(problem: String) -> Error {
    Error::Format { format: FORMAT, problem }
}

fn check_bytes(asked: u64, limits: &OnnxLimits) -> Result<()> {
    let allowed = limits.file_bytes;
    if asked > allowed {
        return Err(Error::Limit { format: FORMAT, limit: "file_bytes", allowed, asked });
    }
    Ok(())
}

/// The messages that are counted before they are decoded.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    ValueInfo,
    Type,
    ElementType,
    MapType,
    TensorType,
    Shape,
    Properties,
}

fn inner_kind(kind: Kind, field: u64) -> Option<Kind> {
    Some(match (kind, field) {
        (Kind::Model, 7) | (Kind::Attribute, 6 | 11) => Kind::Graph,
        (Kind::Model, 25) => Kind::Function,
        (Kind::Graph, 1) | (Kind::Function, 7) => Kind::Node,
        (Kind::Node, 5) | (Kind::Function, 11) => Kind::Attribute,
        (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) | (Kind::SparseTensor, 1 | 2) => Kind::Tensor,
        (Kind::Graph, 15) | (Kind::Attribute, 22 | 23) => Kind::SparseTensor,
        (Kind::Graph, 11..=13) | (Kind::Function, 12) => Kind::ValueInfo,
        (Kind::ValueInfo, 2) | (Kind::Attribute, 14 | 15) | (Kind::ElementType, 1) | (Kind::MapType, 2) => {
            Kind::Type
        }
        (Kind::Type, 4 | 9) => Kind::ElementType,
        (Kind::Type, 5) => Kind::MapType,
        (Kind::Type, 1 | 8) => Kind::TensorType,
        (Kind::TensorType, 2) => Kind::Shape,
        (Kind::Graph, 14) => Kind::Properties,
        _ => return None,
    })
}

/// Tensors in files of their own, being brought into the model.
struct External<'a> {
    folder: Option<&'a Path>,
    bytes: u64,
    limits: &'a OnnxLimits,
}

impl External<'_> {
    fn load(&mut self, graph: &mut GraphProto) -> Result<()> {
        graph.initializer.iter_mut().try_for_each(|tensor| self.load_tensor(tensor))?;
        for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
            attribute
                .t
                .iter_mut()
                .chain(&mut attribute.tensors)
                .try_for_each(|tensor| self.load_tensor(tensor))?;
            attribute.g.iter_mut().chain(&mut attribute.graphs).try_for_each(|graph| self.load(graph))?;
        }
        Ok(())
    }

    fn load_tensor(&mut self, tensor: &mut TensorProto) -> Result<()> {
        if tensor.data_location == 0 && tensor.external_data.is_empty() {
            return Ok(());
        }
        let wrong = |reason: String| problem(format!("tensor `{}`: {reason}", tensor.name));
        let value =
            |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        let number = |key: &str| match value(key) {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| wrong(format!("`{key}` is `{text}`"))),
        };
        let location = value("location").map_or("", String::as_str);
        let Some(folder) = self.folder else {
            return Err(wrong(format!(
                "it is stored in `{location}`; read the model from its file, beside which that is"
            )));
        };
        // One plain component: no separator of any system, no `..`.
        if location.is_empty() || location.contains(['/', '\\', ':']) || location.starts_with("..") {
            return Err(wrong(format!("it is stored in `{location}`, expected a file beside the model")));
        }
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let path = folder.join(location);
        let io = |source| Error::Io { path: path.clone(), source };
        let (real, real_folder) = (path.canonicalize().map_err(io)?, folder.canonicalize().map_err(io)?);
        if real.parent() != Some(&real_folder) || !real.is_file() {
            return Err(wrong(format!("`{location}` is no file in the model's folder")));
        }
        let offset = number("offset")?.unwrap_or(0);
        let mut file = std::fs::File::open(&real).map_err(io)?;
        let there = file.metadata().map_err(io)?.len().saturating_sub(offset);
        let length = number("length")?.unwrap_or(there);
        if length > there {
            return Err(wrong(format!("`{location}` has {there} bytes from {offset} on, expected {length}")));
        }
        self.bytes = self.bytes.saturating_add(length);
        check_bytes(self.bytes, self.limits)?;
        let mut data = vec![0; usize::try_from(length).unwrap_or(0)];
        file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut data)).map_err(io)?;
        tensor.raw_data = data;
        tensor.data_location = 0;
        tensor.external_data.clear();
        Ok(())
    }
}

fn stored_names(graph: &GraphProto) -> impl Iterator<Item = &str> {
    let sparse = graph.sparse_initializer.iter().filter_map(|tensor| tensor.values.as_ref());
    graph.initializer.iter().chain(sparse).map(|tensor| tensor.name.as_str())
}

/// Checks that every name is defined once, and before its use; `outer` are the names of the graphs around, and afterwards
/// what it was.
fn check_names(graph: &GraphProto, outer: &mut BTreeSet<String>) -> Result<()> {
    let mut own = Vec::new();
    let mut define = |name: &str, outer: &mut BTreeSet<String>| {
        if outer.insert(name.to_owned()) {
            own.push(name.to_owned());
            return Ok(());
        }
        Err(problem(format!("the tensor `{name}` is defined twice")))
    };
    let inputs = graph.input.iter().map(|input| input.name.as_str());
    let stored = stored_names(graph).filter(|name| !graph.input.iter().any(|input| input.name == *name));
    for name in inputs.chain(stored) {
        define(name, outer)?;
    }
    for (i, node) in graph.node.iter().enumerate() {
        let title = || format!("node {i} (`{}`, {})", node.name, node.op_type);
        if let Some(unknown) = node.input.iter().find(|input| !input.is_empty() && !outer.contains(*input)) {
            return Err(problem(format!("{}: nothing before it gives its input `{unknown}`", title())));
        }
        for attribute in &node.attribute {
            attribute.g.iter().chain(&attribute.graphs).try_for_each(|graph| check_names(graph, outer))?;
        }
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            define(output, outer).map_err(|error| problem(format!("{}: {error}", title())))?;
        }
    }
    if let Some(output) = graph.output.iter().find(|output| !outer.contains(&output.name)) {
        return Err(problem(format!("nothing gives its output `{}`", output.name)));
    }
    for name in own {
        outer.remove(&name);
    }
    Ok(())
}

fn unknown_tensor(graph: &GraphProto, name: &str) -> String {
    let outputs =
        graph.output.iter().map(|output| output.name.as_str()).take(8).collect::<Vec<_>>().join(", ");
    format!("no node makes the tensor `{name}`; its outputs are {outputs}, its nodes {}", graph.node.len())
}

/// Leaves out what the outputs do not need.
fn cut(graph: &mut GraphProto) {
    let mut needed: BTreeSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    let mut kept = vec![false; graph.node.len()];
    for (node, kept) in graph.node.iter().zip(&mut kept).rev() {
        *kept = node.output.iter().any(|output| needed.contains(output));
        if *kept {
            add_uses(node, &mut needed);
        }
    }
    let mut kept = kept.into_iter();
    graph.node.retain(|_| kept.next().unwrap_or(true));
    graph.initializer.retain(|tensor| needed.contains(&tensor.name));
    graph
        .sparse_initializer
        .retain(|t| t.values.as_ref().is_some_and(|values| needed.contains(&values.name)));
    graph.input.retain(|input| needed.contains(&input.name));
    let made: BTreeSet<&String> = graph.node.iter().flat_map(|node| &node.output).collect();
    graph.value_info.retain(|info| made.contains(&info.name));
    graph.quantization_annotation.retain(|annotation| made.contains(&annotation.tensor_name));
}

/// The names that a node uses, itself and in the graphs in its attributes.
fn add_uses(node: &NodeProto, needed: &mut BTreeSet<String>) {
    needed.extend(node.input.iter().filter(|input| !input.is_empty()).cloned());
    for graph in node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)) {
        graph.node.iter().for_each(|node| add_uses(node, needed));
        needed.extend(graph.output.iter().map(|output| output.name.clone()));
    }
}

/// Which names of nodes are changed.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Uses,
    Both,
}

/// Gives a tensor another name inside a graph, and in the graphs in its nodes. The graph's own inputs and outputs keep theirs.
fn rename(graph: &mut GraphProto, from: &str, to: &str, side: Side) {
    let change = |name: &mut String| {
        if name == from {
            to.clone_into(name);
        }
    };
    for node in &mut graph.node {
        node.input.iter_mut().for_each(change);
        if side == Side::Both {
            node.output.iter_mut().for_each(change);
        }
        for attribute in &mut node.attribute {
            for inner in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                rename(inner, from, to, side);
                inner.output.iter_mut().for_each(|output| change(&mut output.name));
            }
        }
    }
}

fn port(info: &ValueInfoProto) -> OnnxPort {
    let tensor = tensor_type(info);
    let size = |dimension: &Dimension| match &dimension.value {
        Some(DimensionValue::Size(size)) => usize::try_from(*size).ok(),
        _ => None,
    };
    OnnxPort {
        name: info.name.clone(),
        element: tensor.and_then(|tensor| ElementType::of(tensor.elem_type)),
        shape: tensor.and_then(|t| t.shape.as_ref()).map(|shape| shape.dim.iter().map(size).collect()),
    }
}

fn tensor_type(info: &ValueInfoProto) -> Option<&TensorTypeProto> {
    match info.r#type.as_ref()?.value.as_ref()? {
        TypeValue::Tensor(tensor) => Some(tensor),
        _ => None,
    }
}

/// A port that holds numbers; `may_be_unknown` says whether it may be without a type.
fn number_port(side: &str, info: &ValueInfoProto, may_be_unknown: bool) -> Result<OnnxPort> {
    let port = port(info);
    let typeless = info.r#type.as_ref().is_none_or(|known| known.value.is_none());
    match port.element {
        Some(element) if element != ElementType::String => Ok(port),
        None if typeless && may_be_unknown => Ok(port),
        found => {
            let found = found.map_or("something else".to_owned(), |element| element.to_string());
            let hint = if may_be_unknown { "; choose other outputs" } else { "" };
            Err(problem(format!("{side} `{}`: expected a tensor of numbers, found {found}{hint}", port.name)))
        }
    }
}

fn set_f32(info: &mut ValueInfoProto) {
    let shape = tensor_type(info).and_then(|tensor| tensor.shape.clone());
    info.r#type = Some(tensor_of(ElementType::Float32, shape.map(|shape| shape.dim)));
}

/// A type of tensors; `None` for a shape that is not known.
fn tensor_of(element: ElementType, dim: Option<Vec<Dimension>>) -> TypeProto {
    let shape = dim.map(|dim| super::proto::TensorShapeProto { dim });
    let tensor = TensorTypeProto { elem_type: element.data_type().into(), shape };
    TypeProto { value: Some(TypeValue::Tensor(tensor)), ..Default::default() }
}

/// A declaration of an input or output whose open sizes have names, the first one the batch's.
pub(crate) fn declared(name: &str, element: ElementType, shape: Option<&[Option<usize>]>) -> ValueInfoProto {
    let dimension = |(axis, size): (usize, &Option<usize>)| {
        let value = match size {
            Some(size) => DimensionValue::Size(*size as i64),
            None if axis == 0 => DimensionValue::Symbol(BATCH_SYMBOL.to_owned()),
            None => DimensionValue::Symbol(format!("{name}/{axis}")),
        };
        Dimension { value: Some(value), ..Default::default() }
    };
    let dim = shape.map(|shape| shape.iter().enumerate().map(dimension).collect());
    ValueInfoProto { name: name.to_owned(), r#type: Some(tensor_of(element, dim)), ..Default::default() }
}

fn cast(input: String, output: String, to: ElementType) -> NodeProto {
    NodeProto {
        name: format!("{output}/cast"),
        input: vec![input],
        output: vec![output],
        op_type: "Cast".to_owned(),
        attribute: vec![int("to", i64::from(i32::from(to.data_type())))],
        ..Default::default()
    }
}
