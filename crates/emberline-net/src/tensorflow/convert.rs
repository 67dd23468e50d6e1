//! From a graph of TensorFlow's to one of ONNX: order, names, constants and variables. What each operator becomes stands in
//! [`ops`](super::ops).

use std::collections::{BTreeMap, HashMap};

use super::{
    TensorFlowLimits,
    bundle::Bundle,
    graph::{Graph, Node},
    ops, problem,
    proto::{Attr, TensorProto},
    tensor::{Constant, element_of, sizes_of},
};
use crate::{
    ElementType, OnnxModel, Result,
    onnx::{
        declared, int,
        proto::{
            AttributeProto, AttributeType, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
            TensorProto as OnnxTensor,
        },
        versions,
    },
};

/// An input or output of the model to be made.
#[derive(Clone, Debug)]
pub(super) struct Port {
    /// The name it has in the model.
    pub(super) name: String,
    /// The tensor's in the graph, `node:0`.
    pub(super) tensor: String,
    pub(super) element: Option<ElementType>,
    pub(super) shape: Option<Vec<Option<usize>>>,
}

/// A tensor of the ONNX graph.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) name: String,
    pub(super) element: Option<ElementType>,
}

/// Which of a node's outputs.
type Output = (usize, usize);

pub(super) struct Convert<'a> {
    graph: &'a Graph<'a>,
    /// The checkpoint's keys of variables, by their nodes.
    keys: HashMap<usize, String>,
    bundle: Option<Bundle>,
    limits: &'a TensorFlowLimits,
    onnx: GraphProto,
    values: HashMap<Output, Value>,
    /// By their ONNX names.
    constants: BTreeMap<String, Constant>,
    constant_bytes: u64,
}

impl<'a> Convert<'a> {
    pub(super) fn new(
        graph: &'a Graph<'a>,
        bundle: Option<Bundle>,
        limits: &'a TensorFlowLimits,
    ) -> Result<Self> {
        let mut convert = Self {
            graph,
            keys: HashMap::new(),
            bundle,
            limits,
            onnx: GraphProto { name: "tensorflow".to_owned(), ..Default::default() },
            values: HashMap::new(),
            constants: BTreeMap::new(),
            constant_bytes: 0,
        };
        convert.keys = convert.variable_keys();
        Ok(convert)
    }

    /// The keys of variables: those that the graph itself restores them from.
    fn variable_keys(&self) -> HashMap<usize, String> {
        let assigned = |node: &Node<'_>| {
            let [variable, value] = node.inputs.as_slice() else { return None };
            if !matches!(node.def.op.as_str(), "AssignVariableOp" | "Assign") {
                return None;
            }
            let (restore, index) = self.graph.origin(value)?;
            let restore = &self.graph.nodes[restore];
            if restore.def.op != "RestoreV2" {
                return None;
            }
            let (names, _) = self.graph.origin(restore.inputs.get(1)?)?;
            let Some(Attr::Tensor(names)) = attr(self.graph.nodes[names].def, "value") else { return None };
            let key = String::from_utf8(names.string_val.get(index)?.clone()).ok()?;
            Some((self.graph.origin(variable)?.0, key))
        };
        self.graph.nodes.iter().filter_map(assigned).collect()
    }

    /// The model between these inputs and outputs; inputs that are not used are an error unless `only_used`.
    pub(super) fn run(mut self, inputs: Vec<Port>, only_used: bool, outputs: &[Port]) -> Result<OnnxModel> {
        for port in inputs {
            self.feed(port)?;
        }
        let mut wanted = Vec::new();
        for port in outputs {
            let maker = self.graph.maker(&port.tensor);
            wanted.push(maker.ok_or_else(|| problem(format!("it has no tensor `{}`", port.tensor)))?);
        }
        for node in self.order(wanted.iter().map(|(node, _)| *node))? {
            self.write(node)?;
        }
        for (port, output) in outputs.iter().zip(&wanted) {
            let Some(value) = self.values.get(output).cloned() else {
                return Err(problem(format!("the node of `{}` has no such output", port.tensor)));
            };
            if value.name != port.name {
                self.push("Identity", vec![value.name], vec![port.name.clone()], Vec::new());
            }
            let mut info = declared(&port.name, ElementType::Float32, port.shape.as_deref());
            match value.element.or(port.element) {
                Some(element) => info = declared(&port.name, element, port.shape.as_deref()),
                None => info.r#type = None,
            }
            self.onnx.output.push(info);
        }
        let fed: Vec<String> = self.onnx.input.iter().map(|input| input.name.clone()).collect();
        let model = self.into_model()?;
        let names: Vec<&str> = outputs.iter().map(|port| port.name.as_str()).collect();
        let model = model.with_outputs(&names)?;
        let used: Vec<String> = model.inputs().into_iter().map(|port| port.name).collect();
        match fed.iter().find(|input| !used.contains(input)) {
            Some(unused) if !only_used => {
                Err(problem(format!("the outputs {} do not use the input `{unused}`", names.join(", "))))
            }
            _ => Ok(model),
        }
    }

    fn feed(&mut self, port: Port) -> Result<()> {
        let Some(maker) = self.graph.maker(&port.tensor) else {
            return Err(problem(format!("it has no tensor `{}` to feed", port.tensor)));
        };
        let def = self.graph.nodes[maker.0].def;
        let element = port.element.or_else(|| type_of(def, "dtype")).or_else(|| type_of(def, "T"));
        let element = element.unwrap_or(ElementType::Float32);
        let shape = port.shape.or_else(|| match attr(def, "shape") {
            Some(Attr::Shape(shape)) => sizes_of(Some(shape)),
            _ => None,
        });
        self.onnx.input.push(declared(&port.name, element, shape.as_deref()));
        if self.values.insert(maker, Value { name: port.name, element: Some(element) }).is_some() {
            return Err(problem(format!("the tensor `{}` is fed twice", port.tensor)));
        }
        Ok(())
    }

    /// The nodes that these need, each after those it needs itself.
    fn order(&self, wanted: impl Iterator<Item = usize>) -> Result<Vec<usize>> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Done,
        }
        let mut states = vec![State::New; self.graph.nodes.len()];
        let mut order = Vec::new();
        let mut stack: Vec<(usize, bool)> = wanted.map(|node| (node, false)).collect();
        while let Some((node, inputs_done)) = stack.pop() {
            if inputs_done {
                states[node] = State::Done;
                order.push(node);
                continue;
            }
            match states[node] {
                State::Done => continue,
                State::Open => return Err(problem(format!("{} is part of a loop", self.title(node)))),
                State::New => {}
            }
            if self.values.contains_key(&(node, 0)) {
                states[node] = State::Done;
                continue;
            }
            states[node] = State::Open;
            stack.push((node, true));
            for input in &self.graph.nodes[node].inputs {
                let Some(maker) = self.graph.maker(input) else {
                    return Err(problem(format!("{}: its input `{input}` is missing", self.title(node))));
                };
                if !self.values.contains_key(&maker) && states[maker.0] != State::Done {
                    stack.push((maker.0, false));
                }
            }
        }
        Ok(order)
    }

    fn title(&self, node: usize) -> String {
        let Node { name, def, .. } = &self.graph.nodes[node];
        format!("node `{name}` ({})", def.op)
    }

    fn write(&mut self, index: usize) -> Result<()> {
        let node = &self.graph.nodes[index];
        let operator = ops::find(&node.def.op).ok_or_else(|| {
            let hint = "convert the model to ONNX with another tool, or choose outputs before it";
            problem(format!("{}: this operator is not known; {hint}", self.title(index)))
        })?;
        operator(&mut Op { convert: self, node, index, helpers: 0 })
            .map_err(|error| problem(format!("{}: {error}", self.title(index))))
    }

    fn push(
        &mut self,
        op_type: &str,
        input: Vec<String>,
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        let name = output.first().cloned().unwrap_or_default();
        let op_type = op_type.to_owned();
        self.onnx.node.push(NodeProto { input, output, name, op_type, attribute, ..Default::default() });
    }

    fn add_constant(&mut self, name: String, constant: Constant) -> Result<String> {
        self.constant_bytes = self.constant_bytes.saturating_add(constant.data.len() as u64);
        super::check_bytes(self.constant_bytes, self.limits.file_bytes)?;
        self.constants.insert(name.clone(), constant);
        Ok(name)
    }

    fn into_model(self) -> Result<OnnxModel> {
        let mut graph = self.onnx;
        graph.initializer =
            self.constants.into_iter().map(|(name, constant)| stored(name, constant)).collect();
        let (ir_version, version) = versions();
        OnnxModel::from_proto(ModelProto {
            ir_version,
            producer_name: "emberline".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(graph),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version }],
            ..Default::default()
        })
    }
}

fn stored(name: String, constant: Constant) -> OnnxTensor {
    OnnxTensor {
        dims: constant.shape.iter().map(|&size| size as i64).collect(),
        data_type: constant.element.data_type().into(),
        name,
        raw_data: constant.data,
        ..Default::default()
    }
}

fn attr<'n>(def: &'n super::proto::NodeDef, name: &str) -> Option<&'n Attr> {
    def.attr.get(name)?.value.as_ref()
}

fn type_of(def: &super::proto::NodeDef, name: &str) -> Option<ElementType> {
    match attr(def, name) {
        Some(Attr::Type(dtype)) => element_of(*dtype),
        _ => None,
    }
}

/// A node being written. Errors say what is wrong with it, not which it is.
pub(super) struct Op<'c, 'a> {
    convert: &'c mut Convert<'a>,
    node: &'c Node<'a>,
    index: usize,
    /// How many tensors in between it has made.
    helpers: usize,
}

impl Op<'_, '_> {
    /// The operator, such as `Conv2D`.
    pub(super) fn kind(&self) -> &str {
        &self.node.def.op
    }

    pub(super) fn input_count(&self) -> usize {
        self.node.inputs.len()
    }

    pub(super) fn value(&self, i: usize) -> Result<Value> {
        let input = self.node.inputs.get(i).ok_or_else(|| problem(format!("expected an input {i}")))?;
        let value = self.convert.graph.maker(input).and_then(|maker| self.convert.values.get(&maker));
        value.cloned().ok_or_else(|| problem(format!("its input `{input}` is no tensor of numbers")))
    }

    pub(super) fn input(&self, i: usize) -> Result<String> {
        Ok(self.value(i)?.name)
    }

    pub(super) fn inputs(&self) -> Result<Vec<String>> {
        (0..self.input_count()).map(|i| self.input(i)).collect()
    }

    /// The value of an input, if it is a constant.
    pub(super) fn constant(&self, i: usize) -> Option<&Constant> {
        self.convert.constants.get(&self.value(i).ok()?.name)
    }

    /// The shape of an input that has to be a constant.
    pub(super) fn constant_shape(&self, i: usize) -> Result<Vec<usize>> {
        let shape = self.constant(i).map(|constant| constant.shape.clone());
        shape.ok_or_else(|| problem(format!("expected a constant as its input {i}")))
    }

    /// Integers that have to be a constant.
    pub(super) fn integers(&self, i: usize) -> Result<Vec<i64>> {
        let integers = self.constant(i).and_then(Constant::integers);
        integers.ok_or_else(|| problem(format!("expected constant integers as its input {i}")))
    }

    pub(super) fn integer(&self, i: usize) -> Result<i64> {
        match self.integers(i)?.as_slice() {
            [only] => Ok(*only),
            several => {
                Err(problem(format!("expected one integer as its input {i}, found {}", several.len())))
            }
        }
    }

    pub(super) fn int(&self, name: &str) -> Option<i64> {
        match attr(self.node.def, name) {
            Some(Attr::I(value)) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn bool(&self, name: &str) -> Option<bool> {
        match attr(self.node.def, name) {
            Some(Attr::B(value)) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn float(&self, name: &str) -> Option<f32> {
        match attr(self.node.def, name) {
            Some(Attr::F(value)) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match attr(self.node.def, name) {
            Some(Attr::S(value)) => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }

    pub(super) fn ints(&self, name: &str) -> Vec<i64> {
        match attr(self.node.def, name) {
            Some(Attr::List(list)) => list.i.clone(),
            _ => Vec::new(),
        }
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&TensorProto> {
        match attr(self.node.def, name) {
            Some(Attr::Tensor(tensor)) => Some(tensor),
            _ => None,
        }
    }

    pub(super) fn r#type(&self, name: &str) -> Option<ElementType> {
        type_of(self.node.def, name)
    }

    /// Adds an operator whose output stays inside, and gives back its name.
    pub(super) fn step(
        &mut self,
        op_type: &str,
        inputs: Vec<String>,
        attributes: Vec<AttributeProto>,
    ) -> String {
        let name = self.helper();
        self.convert.push(op_type, inputs, vec![name.clone()], attributes);
        name
    }

    /// Adds an operator with several outputs that stay inside.
    pub(super) fn steps(
        &mut self,
        op_type: &str,
        inputs: Vec<String>,
        attributes: Vec<AttributeProto>,
        count: usize,
    ) -> Vec<String> {
        let names: Vec<String> = (0..count).map(|_| self.helper()).collect();
        self.convert.push(op_type, inputs, names.clone(), attributes);
        names
    }

    /// No name of TensorFlow's has a `#`.
    fn helper(&mut self) -> String {
        self.helpers += 1;
        format!("{}#{}", self.node.name, self.helpers)
    }

    /// Adds the operator that gives the node's output, of the type `T`.
    pub(super) fn finish(
        &mut self,
        op_type: &str,
        inputs: Vec<String>,
        attributes: Vec<AttributeProto>,
    ) -> Result<()> {
        let element = self.r#type("T");
        self.finish_as(op_type, inputs, attributes, element)
    }

    pub(super) fn finish_as(
        &mut self,
        op_type: &str,
        inputs: Vec<String>,
        attributes: Vec<AttributeProto>,
        element: Option<ElementType>,
    ) -> Result<()> {
        let name = format!("{}:0", self.node.name);
        self.convert.push(op_type, inputs, vec![name.clone()], attributes);
        self.bind(0, Value { name, element });
        Ok(())
    }

    /// Says which ONNX tensor is one of the node's outputs.
    pub(super) fn bind(&mut self, output: usize, value: Value) {
        self.convert.values.insert((self.index, output), value);
    }

    pub(super) fn store(&mut self, constant: Constant) -> Result<String> {
        let name = self.helper();
        self.convert.add_constant(name, constant)
    }

    /// Integers as a list.
    pub(super) fn list(&mut self, values: &[i64]) -> Result<String> {
        self.store(Constant::of_integers(ElementType::Int64, vec![values.len()], values))
    }

    /// A number of the node's type `T`.
    pub(super) fn number(&mut self, value: f32) -> Result<String> {
        let stored = self.store(Constant::of_f32(Vec::new(), &[value]))?;
        Ok(match self.r#type("T") {
            None | Some(ElementType::Float32) => stored,
            Some(element) => self.cast(stored, element),
        })
    }

    pub(super) fn cast(&mut self, input: String, to: ElementType) -> String {
        self.step("Cast", vec![input], vec![int("to", i64::from(i32::from(to.data_type())))])
    }

    /// An input as 64-bit integers, which ONNX wants of shapes and places.
    pub(super) fn as_i64(&mut self, i: usize) -> Result<String> {
        let value = self.value(i)?;
        if let Some(constant) = self.convert.constants.get(&value.name)
            && let Some(integers) = constant.integers()
        {
            let shape = constant.shape.clone();
            return self.store(Constant::of_integers(ElementType::Int64, shape, &integers));
        }
        Ok(if value.element == Some(ElementType::Int64) {
            value.name
        } else {
            self.cast(value.name, ElementType::Int64)
        })
    }

    /// The node's output is a constant.
    pub(super) fn finish_constant(&mut self, constant: Constant) -> Result<()> {
        let (name, element) = (format!("{}:0", self.node.name), Some(constant.element));
        let name = self.convert.add_constant(name, constant)?;
        self.bind(0, Value { name, element });
        Ok(())
    }

    pub(super) fn bytes_max(&self) -> u64 {
        self.convert.limits.file_bytes
    }

    /// The numbers of the variable that this node is, or that its first input leads to.
    pub(super) fn variable(&self) -> Result<Constant> {
        let place = match self.node.inputs.first() {
            Some(input) => self.convert.graph.origin(input).map(|(node, _)| node),
            None => Some(self.index),
        };
        let place = place.ok_or_else(|| problem("its variable is missing".to_owned()))?;
        let name = &self.convert.graph.nodes[place].name;
        let Some(bundle) = &self.convert.bundle else {
            let hint = "freeze the graph, or give the SavedModel's directory";
            return Err(problem(format!("the variable `{name}` has no value here; {hint}")));
        };
        // Where the graph does not say how it restores its variables, they have their own names.
        bundle.tensor(self.convert.keys.get(&place).unwrap_or(name), self.convert.limits)
    }
}

/// A text as an attribute.
pub(super) fn text(name: &str, s: &str) -> AttributeProto {
    let s = s.as_bytes().to_vec();
    AttributeProto { name: name.to_owned(), s, r#type: AttributeType::String.into(), ..Default::default() }
}
