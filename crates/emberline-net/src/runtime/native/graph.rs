//! From ONNX to the few operators that run here: values are images of `[height, width, channels]`, vectors images of one place.
//! Normalisations go into the convolutions before them, activations and sums into the operator that they follow.

use std::collections::HashMap;

use super::{
    attributes::{Attributes, Constant, window_of},
    vector::Activation,
};
use crate::{
    PortInfo,
    onnx::proto::{DataType, DimensionValue, GraphProto, NodeProto, TypeValue, ValueInfoProto},
};

/// Why a model does not run here.
pub(super) type Refused = String;

/// Numbers in a value, at most: 1 GiB.
const NUMBERS_MAX: usize = 1 << 28;

/// The least part of all multiplications that depthwise convolutions have in models that run best here.
const DEPTHWISE_SHARE: usize = 20;

/// How ONNX orders a value's axes behind the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axes {
    /// `[channels, height, width]`.
    First,
    /// `[height, width, channels]`.
    Last,
    /// `[channels]`.
    Flat,
}

/// Height, width and channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

impl Shape {
    fn new(height: usize, width: usize, channels: usize) -> Result<Self, Refused> {
        let shape = Self { height, width, channels };
        let numbers = height.checked_mul(width).and_then(|places| places.checked_mul(channels));
        match numbers {
            Some(1..=NUMBERS_MAX) => Ok(shape),
            _ => Err(format!("a value of {height} x {width} x {channels} numbers")),
        }
    }

    /// Height times width.
    pub(super) fn places(&self) -> usize {
        self.height * self.width
    }

    /// All numbers.
    pub(super) fn numbers(&self) -> usize {
        self.places() * self.channels
    }
}

impl Axes {
    /// The sizes of a value's axes, as ONNX orders them.
    pub(super) fn sizes(self, shape: Shape) -> Vec<usize> {
        let Shape { height, width, channels } = shape;
        match self {
            Self::First => vec![channels, height, width],
            Self::Last => vec![height, width, channels],
            Self::Flat => vec![channels],
        }
    }

    fn shape(self, sizes: &[usize]) -> Result<Shape, Refused> {
        match (self, sizes) {
            (Self::First, &[channels, height, width]) | (Self::Last, &[height, width, channels]) => {
                Shape::new(height, width, channels)
            }
            (Self::Flat, &[channels]) => Shape::new(1, 1, channels),
            _ => Err(format!("a value of sizes {sizes:?}")),
        }
    }
}

/// The window of a convolution or pooling; heights first, then widths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) size: [usize; 2],
    pub(super) strides: [usize; 2],
    pub(super) dilations: [usize; 2],
    /// Padding above and to the left.
    pub(super) before: [usize; 2],
    /// Padding below and to the right.
    pub(super) after: [usize; 2],
}

impl Window {
    /// How many windows there are over an image, down and across.
    fn over(&self, shape: Shape) -> Result<[usize; 2], Refused> {
        let mut counts = [0; 2];
        for (axis, size) in [shape.height, shape.width].into_iter().enumerate() {
            let seen = (self.size[axis] - 1) * self.dilations[axis] + 1;
            let padded = size + self.before[axis] + self.after[axis];
            let room = padded.checked_sub(seen).ok_or_else(|| format!("a window of {seen} over {padded}"))?;
            counts[axis] = room / self.strides[axis] + 1;
        }
        Ok(counts)
    }
}

/// What is done with the inputs.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// A convolution, and the sum of it and the second input where there is one.
    Convolution(Kernel),
    /// Every channel with a kernel of its own.
    Depthwise(Kernel),
    /// `factor * x + offset` by channel.
    Scale {
        factors: Vec<f32>,
        offsets: Vec<f32>,
    },
    /// The sum of two values.
    Add,
    /// The product of two values; the second may be one place.
    Multiply,
    /// The activation alone.
    Activate,
    MaxPool(Window),
    /// Whether padding counts as zeros.
    AveragePool(Window, bool),
    /// The mean of every channel.
    GlobalAverage,
    /// The greatest number of every channel.
    GlobalMax,
    /// Channels of the first input, then of the second, and so on.
    Concatenate,
    /// One place of all numbers, in the order of these axes.
    Flatten(Axes),
    /// Shares of one, over the channels.
    Softmax,
}

/// The numbers of a convolution, `[channels, channels of the input / groups, height, width]`.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) window: Window,
    pub(super) groups: usize,
}

impl Kernel {
    fn scale(&mut self, factors: &[f32], offsets: &[f32]) {
        let per_channel = self.weights.len() / self.bias.len();
        for (weights, factor) in self.weights.chunks_exact_mut(per_channel).zip(factors) {
            weights.iter_mut().for_each(|weight| *weight *= factor);
        }
        for ((bias, factor), offset) in self.bias.iter_mut().zip(factors).zip(offsets) {
            *bias = *bias * factor + offset;
        }
    }
}

/// An operator and the value it makes.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) operation: Operation,
    pub(super) inputs: Vec<usize>,
    pub(super) output: usize,
    /// None but for convolutions, scales, sums, products and activations alone.
    pub(super) activation: Activation,
}

/// An input or output of the model.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) info: PortInfo,
    pub(super) value: usize,
    pub(super) axes: Axes,
}

/// A model in operators that run here, in an order in which they can run.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) shapes: Vec<Shape>,
    pub(super) nodes: Vec<Node>,
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
}

impl Graph {
    /// Whether this runtime is faster than ONNX Runtime, by measurement: a twentieth of the multiplications or more are those of
    /// depthwise convolutions (`MobileNetV2`: a fifteenth, `EfficientNetLite0`: an eleventh; less in `MobileNet` and Xception), and
    /// activations are bounds, since the others take as long in both.
    pub(super) fn runs_best_here(&self) -> bool {
        let (mut depthwise, mut all) = (0, 0);
        for node in &self.nodes {
            if !matches!(node.activation, Activation::Clip { .. }) {
                return false;
            }
            let places = self.shapes[node.output].places();
            match &node.operation {
                Operation::Convolution(kernel) => all += places * kernel.weights.len(),
                Operation::Depthwise(kernel) => {
                    depthwise += places * kernel.weights.len();
                    all += places * kernel.weights.len();
                }
                _ => {}
            }
        }
        depthwise > 0 && depthwise * DEPTHWISE_SHARE >= all
    }
}

/// Reads a graph of operator set 13 or later.
pub(super) fn read(proto: &GraphProto) -> Result<Graph, Refused> {
    let mut reader = Reader::new(proto)?;
    for node in &proto.node {
        reader.node(node).map_err(|problem| format!("{} `{}`: {problem}", node.op_type, node.name))?;
    }
    for info in &proto.output {
        let &(value, axes) = reader.value(&info.name)?;
        let mut shape = vec![reader.batch];
        shape.extend(axes.sizes(reader.graph.shapes[value]).into_iter().map(Some));
        let info = PortInfo { name: info.name.clone(), shape };
        reader.graph.outputs.push(Port { info, value, axes });
    }
    Ok(reader.graph)
}

struct Reader<'a> {
    graph: Graph,
    batch: Option<usize>,
    constants: HashMap<&'a str, Constant<'a>>,
    values: HashMap<&'a str, (usize, Axes)>,
    /// How often a name is used, by outputs of the model as well.
    uses: HashMap<&'a str, usize>,
}

impl<'a> Reader<'a> {
    fn new(proto: &'a GraphProto) -> Result<Self, Refused> {
        let mut uses: HashMap<&str, usize> = HashMap::new();
        let used =
            proto.node.iter().flat_map(|node| &node.input).chain(proto.output.iter().map(|info| &info.name));
        used.for_each(|name| *uses.entry(name).or_default() += 1);
        let constants =
            proto.initializer.iter().map(|tensor| (tensor.name.as_str(), Constant::new(tensor))).collect();
        if !proto.sparse_initializer.is_empty() {
            return Err("sparse tensors".to_owned());
        }
        let mut reader =
            Self { graph: Graph::default(), batch: None, constants, values: HashMap::new(), uses };
        for (i, info) in proto.input.iter().enumerate() {
            reader
                .input(proto, info, i == 0)
                .map_err(|problem| format!("input `{}`: {problem}", info.name))?;
        }
        Ok(reader)
    }

    fn input(&mut self, proto: &GraphProto, info: &'a ValueInfoProto, first: bool) -> Result<(), Refused> {
        let shape = declared_shape(info)?;
        let [batch, sizes @ ..] = shape.as_slice() else { return Err("no batch axis".to_owned()) };
        if !first && *batch != self.batch {
            return Err("a batch of another size than the first input's".to_owned());
        }
        self.batch = *batch;
        let sizes: Option<Vec<usize>> = sizes.iter().copied().collect();
        let sizes = sizes.ok_or("open sizes")?;
        let mut users = proto.node.iter().filter(|node| node.input.contains(&info.name)).peekable();
        let turned = users.peek().is_some() && users.all(is_to_channels_first);
        let axes = match (sizes.len(), turned) {
            (1, _) => Axes::Flat,
            (_, true) => Axes::Last,
            _ => Axes::First,
        };
        let value = self.add_value(axes.shape(&sizes)?);
        self.values.insert(&info.name, (value, axes));
        let info = PortInfo { name: info.name.clone(), shape };
        self.graph.inputs.push(Port { info, value, axes });
        Ok(())
    }

    fn add_value(&mut self, shape: Shape) -> usize {
        self.graph.shapes.push(shape);
        self.graph.shapes.len() - 1
    }

    fn value(&self, name: &str) -> Result<&(usize, Axes), Refused> {
        self.values.get(name).ok_or_else(|| format!("`{name}` is no value that a node makes"))
    }

    fn shape(&self, value: usize) -> Shape {
        self.graph.shapes[value]
    }

    fn floats(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>), Refused> {
        self.constants.get(name).ok_or_else(|| format!("`{name}` is not stored in the model"))?.floats()
    }

    fn push(&mut self, operation: Operation, inputs: Vec<usize>, shape: Shape) -> usize {
        let output = self.add_value(shape);
        self.graph.nodes.push(Node { operation, inputs, output, activation: Activation::NONE });
        output
    }

    /// The node that makes a value, if nothing else uses the value under this name and no activation follows yet.
    fn open(&self, name: &str, value: usize, uses: usize) -> Option<usize> {
        let node = self.graph.nodes.iter().rposition(|node| node.output == value)?;
        let is_open = self.graph.nodes[node].activation == Activation::NONE;
        (is_open && self.is_used_only(name, value, uses)).then_some(node)
    }

    /// Whether a value is used so often under this name, and has no other: it is used by whoever gave it that.
    fn is_used_only(&self, name: &str, value: usize, uses: usize) -> bool {
        let names = self.values.values().filter(|(known, _)| *known == value).count();
        self.uses.get(name) == Some(&uses) && names == 1
    }

    fn activate(
        &mut self,
        name: &str,
        uses: usize,
        activation: Activation,
    ) -> Result<(usize, Axes), Refused> {
        let &(value, axes) = self.value(name)?;
        let open = self.open(name, value, uses).filter(|node| {
            let operation = &self.graph.nodes[*node].operation;
            matches!(
                operation,
                Operation::Convolution(_)
                    | Operation::Depthwise(_)
                    | Operation::Scale { .. }
                    | Operation::Add
                    | Operation::Multiply
            )
        });
        let value = match open {
            Some(node) => {
                self.graph.nodes[node].activation = activation;
                self.values.remove(name);
                value
            }
            None => {
                let output = self.push(Operation::Activate, vec![value], self.shape(value));
                if let Some(node) = self.graph.nodes.last_mut() {
                    node.activation = activation;
                }
                output
            }
        };
        Ok((value, axes))
    }

    fn node(&mut self, node: &'a NodeProto) -> Result<(), Refused> {
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Err(format!("it is of `{}`", node.domain));
        }
        let output = node.output.first().ok_or("it has no output")?.as_str();
        if node.output.iter().skip(1).any(|output| !output.is_empty()) {
            return Err("it has several outputs".to_owned());
        }
        let attributes = Attributes(node);
        if node.op_type == "Constant" {
            let tensor = attributes.tensor("value").ok_or("it has no tensor")?;
            self.constants.insert(output, Constant::new(tensor));
            return Ok(());
        }
        let input = |i: usize| node.input.get(i).map_or("", String::as_str);
        let named = match node.op_type.as_str() {
            "Conv" => self.convolution(node, &attributes)?,
            "Gemm" | "MatMul" => self.dense(node, &attributes)?,
            "BatchNormalization" => self.normalization(node, &attributes)?,
            "Relu" => self.activate(input(0), 1, Activation::Clip { low: 0.0, high: f32::INFINITY })?,
            "Clip" => self.clip(node)?,
            "Sigmoid" => self.activate(input(0), 1, Activation::Sigmoid)?,
            "HardSigmoid" => {
                let activation = Activation::HardSigmoid {
                    alpha: attributes.float("alpha", 0.2),
                    beta: attributes.float("beta", 0.5),
                };
                self.activate(input(0), 1, activation)?
            }
            "HardSwish" => self.activate(input(0), 1, Activation::HardSwish)?,
            "Add" => self.add(input(0), input(1))?,
            "Mul" => self.multiply(input(0), input(1))?,
            "GlobalAveragePool" => self.global(input(0), Operation::GlobalAverage)?,
            "GlobalMaxPool" => self.global(input(0), Operation::GlobalMax)?,
            "MaxPool" | "AveragePool" => self.pool(node, &attributes)?,
            "Concat" => self.concatenate(node, &attributes)?,
            "Flatten" => self.flatten(input(0), &attributes)?,
            "Reshape" => self.reshape(input(0), input(1))?,
            "Transpose" => self.transpose(input(0), &attributes)?,
            "Softmax" => self.softmax(input(0), &attributes)?,
            "Dropout" if !input(2).is_empty() => return Err("while training".to_owned()),
            "Identity" | "Dropout" => *self.value(input(0))?,
            _ => return Err("this operator does not run here".to_owned()),
        };
        self.values.insert(output, named);
        Ok(())
    }

    fn image(&self, name: &str) -> Result<(usize, Shape), Refused> {
        match *self.value(name)? {
            (value, Axes::First) => Ok((value, self.shape(value))),
            _ => Err(format!("`{name}` is no image with its channels first")),
        }
    }

    fn convolution(
        &mut self,
        node: &NodeProto,
        attributes: &Attributes<'_>,
    ) -> Result<(usize, Axes), Refused> {
        let (value, shape) = self.image(first_input(node))?;
        let (sizes, weights) = self.floats(node.input.get(1).ok_or("it has no kernel")?)?;
        let &[channels, of_group, height, width] = sizes.as_slice() else {
            return Err(format!("a kernel of sizes {sizes:?}"));
        };
        let groups = attributes.positive("group", 1)?;
        if channels == 0 || channels % groups != 0 || Some(shape.channels) != of_group.checked_mul(groups) {
            return Err(format!(
                "{groups} groups of {of_group} channels from {}, {channels} to",
                shape.channels
            ));
        }
        let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
            Some(name) => self.floats(name)?.1,
            None => vec![0.0; channels],
        };
        if bias.len() != channels {
            return Err(format!("a bias of {} for {channels} channels", bias.len()));
        }
        let window = window_of([height, width], attributes)?;
        let [down, across] = window.over(shape)?;
        let kernel = Kernel { weights, bias, window, groups };
        let operation = match (groups, of_group) {
            (2.., 1) if channels == groups => Operation::Depthwise(kernel),
            // Groups are written in eights.
            (2.., _) if channels / groups % 8 != 0 => {
                return Err(format!("{channels} channels in {groups} groups"));
            }
            _ => Operation::Convolution(kernel),
        };
        Ok((self.push(operation, vec![value], Shape::new(down, across, channels)?), Axes::First))
    }

    fn dense(&mut self, node: &NodeProto, attributes: &Attributes<'_>) -> Result<(usize, Axes), Refused> {
        let [input, kernel, ..] = node.input.as_slice() else { return Err("it has no kernel".to_owned()) };
        let &(value, Axes::Flat) = self.value(input)? else { return Err(format!("`{input}` is no vector")) };
        let terms = self.shape(value).channels;
        let plain = attributes.float("alpha", 1.0) == 1.0 && attributes.float("beta", 1.0) == 1.0;
        if !plain || attributes.int("transA", 0) != 0 {
            return Err("factors, or a turned input".to_owned());
        }
        let (sizes, numbers) = self.floats(kernel)?;
        let turned = attributes.int("transB", 0) != 0;
        let (channels, weights) = match (sizes.as_slice(), turned) {
            (&[channels, found], true) if found == terms => (channels, numbers),
            (&[found, channels], false) if found == terms => {
                let column = |channel| numbers[channel..].iter().step_by(channels).copied();
                (channels, (0..channels).flat_map(column).collect())
            }
            _ => return Err(format!("a kernel of sizes {sizes:?} for {terms} numbers")),
        };
        let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
            Some(name) => self.floats(name)?.1,
            None => vec![0.0; channels],
        };
        if bias.len() != channels {
            return Err(format!("a bias of {} for {channels} channels", bias.len()));
        }
        let window =
            Window { size: [1; 2], strides: [1; 2], dilations: [1; 2], before: [0; 2], after: [0; 2] };
        let operation = Operation::Convolution(Kernel { weights, bias, window, groups: 1 });
        Ok((self.push(operation, vec![value], Shape::new(1, 1, channels)?), Axes::Flat))
    }

    fn normalization(
        &mut self,
        node: &NodeProto,
        attributes: &Attributes<'_>,
    ) -> Result<(usize, Axes), Refused> {
        let &(value, axes) = self.value(first_input(node))?;
        if axes == Axes::Last || attributes.int("training_mode", 0) != 0 {
            return Err("channels last, or training".to_owned());
        }
        let channels = self.shape(value).channels;
        let mut parts = Vec::new();
        for i in 1..5 {
            let (_, numbers) = self.floats(node.input.get(i).ok_or("a statistic is missing")?)?;
            if numbers.len() != channels {
                return Err(format!("statistics of {} for {channels} channels", numbers.len()));
            }
            parts.push(numbers);
        }
        let epsilon = attributes.float("epsilon", 1e-5);
        let factors: Vec<f32> = parts[0]
            .iter()
            .zip(&parts[3])
            .map(|(gamma, variance)| gamma / (variance + epsilon).sqrt())
            .collect();
        let offsets: Vec<f32> = parts[1]
            .iter()
            .zip(&parts[2])
            .zip(&factors)
            .map(|((beta, mean), factor)| beta - mean * factor)
            .collect();
        Ok((self.scale(first_input(node), value, factors, offsets), axes))
    }

    /// A value times factors and offsets by channel, within the convolution or scale that makes it where that is all that uses it.
    fn scale(&mut self, name: &str, value: usize, factors: Vec<f32>, offsets: Vec<f32>) -> usize {
        if let Some(open) = self.open(name, value, 1) {
            let Node { operation, inputs, .. } = &mut self.graph.nodes[open];
            let within = match operation {
                Operation::Convolution(kernel) | Operation::Depthwise(kernel) if inputs.len() == 1 => {
                    kernel.scale(&factors, &offsets);
                    true
                }
                Operation::Scale { factors: before, offsets: known } => {
                    for (((before, known), factor), offset) in
                        before.iter_mut().zip(known).zip(&factors).zip(&offsets)
                    {
                        *before *= factor;
                        *known = *known * factor + offset;
                    }
                    true
                }
                _ => false,
            };
            if within {
                self.values.remove(name);
                return value;
            }
        }
        self.push(Operation::Scale { factors, offsets }, vec![value], self.shape(value))
    }

    fn clip(&mut self, node: &NodeProto) -> Result<(usize, Axes), Refused> {
        let bound = |i: usize, missing: f32| match node.input.get(i).filter(|name| !name.is_empty()) {
            Some(name) => self.floats(name)?.1.first().copied().ok_or_else(|| format!("`{name}` is empty")),
            None => Ok(missing),
        };
        let (low, high) = (bound(1, f32::NEG_INFINITY)?, bound(2, f32::INFINITY)?);
        self.activate(first_input(node), 1, Activation::Clip { low, high })
    }

    /// A constant by channel: a number for each, or one for all.
    fn by_channel(&self, name: &str, axes: Axes, channels: usize) -> Result<Vec<f32>, Refused> {
        let (sizes, numbers) = self.floats(name)?;
        // From the last axis on, the sizes that a constant by channel has.
        let expected: &[usize] = match axes {
            Axes::First => &[1, 1, channels, 1],
            Axes::Last => &[channels, 1, 1, 1],
            Axes::Flat => &[channels, 1],
        };
        let fits = sizes.len() <= expected.len()
            && sizes.iter().rev().zip(expected).all(|(size, expected)| size == expected);
        match numbers.as_slice() {
            [number] if sizes.len() <= expected.len() => Ok(vec![*number; channels]),
            _ if fits => Ok(numbers),
            _ => Err(format!("`{name}` of sizes {sizes:?} for {channels} channels")),
        }
    }

    fn add(&mut self, left: &'a str, right: &'a str) -> Result<(usize, Axes), Refused> {
        let (left, right) = if self.constants.contains_key(left) { (right, left) } else { (left, right) };
        let &(first, axes) = self.value(left)?;
        if self.constants.contains_key(right) {
            let channels = self.shape(first).channels;
            let offsets = self.by_channel(right, axes, channels)?;
            return Ok((self.scale(left, first, vec![1.0; channels], offsets), axes));
        }
        let &(second, other_axes) = self.value(right)?;
        if axes != other_axes || self.shape(first) != self.shape(second) {
            return Err("values of different shapes".to_owned());
        }
        for ((name, value), other) in [((left, first), second), ((right, second), first)] {
            let Some(open) = self.open(name, value, 1) else { continue };
            let made = self.graph.nodes.iter().position(|node| node.output == other);
            let Node { operation: Operation::Convolution(_), inputs, .. } = &mut self.graph.nodes[open]
            else {
                continue;
            };
            // An input of the model is there from the start.
            if inputs.len() == 1 && made.is_none_or(|made| made < open) {
                inputs.push(other);
                self.values.remove(name);
                return Ok((value, axes));
            }
        }
        Ok((self.push(Operation::Add, vec![first, second], self.shape(first)), axes))
    }

    fn multiply(&mut self, left: &'a str, right: &'a str) -> Result<(usize, Axes), Refused> {
        let (left, right) = if self.constants.contains_key(left) { (right, left) } else { (left, right) };
        let &(first, axes) = self.value(left)?;
        if self.constants.contains_key(right) {
            let channels = self.shape(first).channels;
            let factors = self.by_channel(right, axes, channels)?;
            return Ok((self.scale(left, first, factors, vec![0.0; channels]), axes));
        }
        let &(second, other_axes) = self.value(right)?;
        for ((x, x_value), (gate, gate_value)) in
            [((left, first), (right, second)), ((right, second), (left, first))]
        {
            if self.is_gate_of(gate, gate_value, x_value) {
                self.graph.nodes.pop();
                self.values.remove(gate);
                return self.activate(x, 2, Activation::Swish);
            }
        }
        let (shape, other) = (self.shape(first), self.shape(second));
        let (inputs, shape) = match () {
            () if shape == other => (vec![first, second], shape),
            () if other.places() == 1 && other.channels == shape.channels => (vec![first, second], shape),
            () if shape.places() == 1 && other.channels == shape.channels => (vec![second, first], other),
            () => return Err("values of different shapes".to_owned()),
        };
        if axes != other_axes {
            return Err("values of different orders".to_owned());
        }
        Ok((self.push(Operation::Multiply, inputs, shape), axes))
    }

    /// Whether a value is the sigmoid of another, made by the last node and used once.
    fn is_gate_of(&self, gate: &str, gate_value: usize, x: usize) -> bool {
        let made_last = self.graph.nodes.last().is_some_and(|node| {
            matches!(node.operation, Operation::Activate)
                && node.activation == Activation::Sigmoid
                && node.output == gate_value
                && node.inputs == [x]
        });
        made_last && self.is_used_only(gate, gate_value, 1)
    }

    fn global(&mut self, name: &str, operation: Operation) -> Result<(usize, Axes), Refused> {
        let (value, shape) = self.image(name)?;
        Ok((self.push(operation, vec![value], Shape { height: 1, width: 1, ..shape }), Axes::First))
    }

    fn pool(&mut self, node: &NodeProto, attributes: &Attributes<'_>) -> Result<(usize, Axes), Refused> {
        let (value, shape) = self.image(first_input(node))?;
        let size = attributes.pair("kernel_shape", None)?.ok_or("it has no window")?;
        let window = window_of(size, attributes)?;
        if attributes.int("ceil_mode", 0) != 0 || attributes.int("storage_order", 0) != 0 {
            return Err("sizes rounded up".to_owned());
        }
        // A window of padding alone has no greatest number and no mean.
        let seen = |axis: usize| (window.size[axis] - 1) * window.dilations[axis] + 1;
        if (0..2).any(|axis| window.before[axis] >= seen(axis) || window.after[axis] >= seen(axis))
            || window.dilations != [1; 2]
        {
            return Err("more padding than window, or dilations".to_owned());
        }
        let [down, across] = window.over(shape)?;
        let operation = if node.op_type == "MaxPool" {
            Operation::MaxPool(window)
        } else {
            Operation::AveragePool(window, attributes.int("count_include_pad", 0) != 0)
        };
        Ok((self.push(operation, vec![value], Shape::new(down, across, shape.channels)?), Axes::First))
    }

    fn concatenate(
        &mut self,
        node: &NodeProto,
        attributes: &Attributes<'_>,
    ) -> Result<(usize, Axes), Refused> {
        let axis = attributes.int("axis", 0);
        let mut inputs = Vec::new();
        let mut joined: Option<(Shape, Axes)> = None;
        for name in &node.input {
            let &(value, axes) = self.value(name)?;
            let channel_axes: &[i64] = match axes {
                Axes::First => &[1, -3],
                Axes::Last => &[3, -1],
                Axes::Flat => &[1, -1],
            };
            let shape = self.shape(value);
            joined = match joined {
                _ if !channel_axes.contains(&axis) => return Err(format!("axis {axis}")),
                None => Some((shape, axes)),
                Some((all, known)) if (all.height, all.width, known) == (shape.height, shape.width, axes) => {
                    Some((Shape::new(all.height, all.width, all.channels + shape.channels)?, axes))
                }
                Some(_) => return Err("values of different sizes".to_owned()),
            };
            inputs.push(value);
        }
        let (shape, axes) = joined.ok_or("it has no inputs")?;
        Ok((self.push(Operation::Concatenate, inputs, shape), axes))
    }

    fn flatten(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(usize, Axes), Refused> {
        match attributes.int("axis", 1) {
            1 => self.flat(name),
            axis => Err(format!("axis {axis}")),
        }
    }

    fn flat(&mut self, name: &str) -> Result<(usize, Axes), Refused> {
        let &(value, axes) = self.value(name)?;
        let shape = self.shape(value);
        if shape.places() == 1 {
            return Ok((value, Axes::Flat));
        }
        let flat = Shape::new(1, 1, shape.numbers())?;
        Ok((self.push(Operation::Flatten(axes), vec![value], flat), Axes::Flat))
    }

    fn reshape(&mut self, name: &str, sizes: &str) -> Result<(usize, Axes), Refused> {
        let sizes = self.constants.get(sizes).ok_or("sizes that are not stored")?.ints()?;
        let &(value, _) = self.value(name)?;
        let shape = self.shape(value);
        let (Some((0 | -1, sizes)), 0..=1) = (
            sizes.split_first().map(|(batch, sizes)| (*batch, sizes)),
            sizes.iter().filter(|size| **size == -1).count(),
        ) else {
            return Err(format!("to {sizes:?}"));
        };
        let known: i64 = sizes.iter().filter(|size| **size > 0).product();
        let numbers = i64::try_from(shape.numbers()).map_err(|_| "too many numbers")?;
        if known == 0 || numbers % known != 0 || sizes.iter().any(|size| *size < -1 || *size == 0) {
            return Err(format!("to {sizes:?}"));
        }
        let sizes: Vec<i64> =
            sizes.iter().map(|size| if *size == -1 { numbers / known } else { *size }).collect();
        if sizes.iter().product::<i64>() != numbers {
            return Err(format!("{numbers} numbers to {sizes:?}"));
        }
        match sizes.as_slice() {
            [_] => self.flat(name),
            [_, 1, 1] if shape.places() == 1 => Ok((value, Axes::First)),
            [1, 1, _] if shape.places() == 1 => Ok((value, Axes::Last)),
            _ => Err(format!("to {sizes:?}")),
        }
    }

    fn transpose(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(usize, Axes), Refused> {
        let &(value, axes) = self.value(name)?;
        match (attributes.ints("perm"), axes) {
            (&[0, 3, 1, 2], Axes::Last) => Ok((value, Axes::First)),
            (&[0, 2, 3, 1], Axes::First) => Ok((value, Axes::Last)),
            (axes, _) => Err(format!("to {axes:?}")),
        }
    }

    fn softmax(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(usize, Axes), Refused> {
        let &(value, axes) = self.value(name)?;
        if axes != Axes::Flat || !matches!(attributes.int("axis", -1), 1 | -1) {
            return Err("over an axis of an image".to_owned());
        }
        Ok((self.push(Operation::Softmax, vec![value], self.shape(value)), axes))
    }
}

/// The name of a node's first input; empty where it has none.
fn first_input(node: &NodeProto) -> &str {
    node.input.first().map_or("", String::as_str)
}

fn is_to_channels_first(node: &NodeProto) -> bool {
    node.op_type == "Transpose" && Attributes(node).ints("perm") == [0, 3, 1, 2]
}

fn declared_shape(info: &ValueInfoProto) -> Result<Vec<Option<usize>>, Refused> {
    let tensor = match info.r#type.as_ref().and_then(|kind| kind.value.as_ref()) {
        Some(TypeValue::Tensor(tensor)) if tensor.elem_type == DataType::Float as i32 => tensor,
        _ => return Err("no tensor of f32".to_owned()),
    };
    let shape = tensor.shape.as_ref().ok_or("no shape")?;
    let size = |size: &Option<DimensionValue>| match size {
        Some(DimensionValue::Size(size)) => {
            usize::try_from(*size).map(Some).map_err(|_| format!("a size of {size}"))
        }
        _ => Ok(None),
    };
    shape.dim.iter().map(|dimension| size(&dimension.value)).collect()
}
