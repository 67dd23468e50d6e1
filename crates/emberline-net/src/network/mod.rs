//! [`Network`]: a valid graph of named layers, their shapes, and their weights.

mod builder;
mod cut;
mod digest;
mod fold;
mod summary;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use self::{
    builder::{NetworkBuilder, NodeId},
    cut::Pooling,
    summary::LayerSummary,
};
use crate::{
    Error, Layer, Result, Tensor,
    layer::{Problem, Shape},
};

/// What a network takes: a name and the shape of one sample, `[depth, height, width, channels]`,
/// `[height, width, channels]`, `[tokens, features]` or `[features]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The name, unique among inputs and layers.
    pub name: String,
    /// The shape without the batch.
    pub shape: Shape,
}

/// A layer where it stands in the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The name, unique among inputs and layers.
    pub name: String,
    /// What it computes.
    pub layer: Layer,
    /// Whose outputs it takes: names of inputs or of earlier nodes.
    pub inputs: Vec<String>,
    /// Under which name its weights are kept, if not its own: nodes that use one set of weights give the same name here.
    pub weights: Option<String>,
    /// Whether training changes its weights; a frozen layer's stay.
    pub trainable: bool,
}

impl Node {
    /// A layer with weights of its own, which training changes.
    #[must_use]
    pub fn new(name: impl Into<String>, layer: impl Into<Layer>, inputs: Vec<String>) -> Self {
        Self { name: name.into(), layer: layer.into(), inputs, weights: None, trainable: true }
    }

    /// The name under which its weights are kept: `{name}/kernel`.
    #[must_use]
    pub fn weights_name(&self) -> &str {
        self.weights.as_deref().unwrap_or(&self.name)
    }
}

/// A graph of layers with named weights.
///
/// A `Network` is valid by construction: names are unique, nodes stand in topological order, every shape is known, and
/// its weights, once it has them, are complete and of the right shapes. Weights are shared, so that a clone or a cut
/// network costs no copy of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    name: String,
    inputs: Vec<Input>,
    nodes: Vec<Node>,
    outputs: Vec<String>,
    /// By input and node.
    shapes: BTreeMap<String, Shape>,
    /// By `layer/kernel`; empty, or exactly those of `weight_shapes`.
    weights: BTreeMap<String, Arc<Tensor>>,
}

impl Network {
    /// A network without weights. Fails on a name that is given twice or that nothing carries, on nodes that are not
    /// in topological order, on inputs a layer can't take, and on weights shared by layers that differ.
    pub fn new(name: &str, inputs: Vec<Input>, nodes: Vec<Node>, outputs: Vec<String>) -> Result<Self> {
        let mut network = Self {
            name: name.to_owned(),
            inputs,
            nodes,
            outputs,
            shapes: BTreeMap::new(),
            weights: BTreeMap::new(),
        };
        network.shapes = network.infer_shapes()?;
        network.check_shared_weights()?;
        if network.outputs.is_empty() {
            return Err(network.error("has no output"));
        }
        let mut seen = BTreeSet::new();
        for output in &network.outputs {
            if !network.shapes.contains_key(output) {
                return Err(network.error(format!("output `{output}` is neither a layer nor an input")));
            }
            if !seen.insert(output) {
                return Err(network.error(format!("output `{output}` is given twice")));
            }
        }
        Ok(network)
    }

    /// The network's name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the network takes.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The layers in topological order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The names of the nodes whose values the network gives.
    #[must_use]
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// The names of all layers, in topological order: where the network can be [`cut`](Self::cut).
    pub fn layer_names(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.name.as_str())
    }

    /// The shape, without the batch, of every input and layer by name.
    #[must_use]
    pub fn shapes(&self) -> &BTreeMap<String, Shape> {
        &self.shapes
    }

    /// The shapes of the outputs, in their order.
    #[must_use]
    pub fn output_shapes(&self) -> Vec<&[usize]> {
        self.outputs.iter().map(|name| self.shape(name)).collect()
    }

    /// The names and shapes of the weights this network needs, whether it has them or not.
    #[must_use]
    pub fn weight_shapes(&self) -> BTreeMap<String, Shape> {
        let of_node = |node: &Node| {
            let weights = node.layer.weight_shapes(&self.input_shapes(node));
            weights
                .into_iter()
                .map(|(name, shape)| (weight_name(node.weights_name(), name), shape))
                .collect::<Vec<_>>()
        };
        self.nodes.iter().flat_map(of_node).collect()
    }

    /// The weights by `layer/kernel` name; empty for a network that has not been given any.
    #[must_use]
    pub fn weights(&self) -> &BTreeMap<String, Arc<Tensor>> {
        &self.weights
    }

    /// Whether the weights are there.
    #[must_use]
    pub fn has_weights(&self) -> bool {
        !self.weights.is_empty() || self.weight_shapes().is_empty()
    }

    /// The network with these weights. They must be exactly those of [`weight_shapes`](Self::weight_shapes).
    pub fn with_weights(self, weights: BTreeMap<String, Tensor>) -> Result<Self> {
        self.with_shared_weights(weights.into_iter().map(|(name, tensor)| (name, Arc::new(tensor))).collect())
    }

    fn with_shared_weights(mut self, weights: BTreeMap<String, Arc<Tensor>>) -> Result<Self> {
        let error = |weight: &str, problem: String| Error::Weight {
            network: self.name.clone(),
            weight: weight.to_owned(),
            problem,
        };
        let expected = self.weight_shapes();
        for (name, shape) in &expected {
            match weights.get(name) {
                None => return Err(error(name, format!("is missing, expected shape {shape:?}"))),
                Some(found) if found.shape() != shape => {
                    return Err(error(name, format!("expected shape {shape:?}, found {:?}", found.shape())));
                }
                Some(_) => {}
            }
        }
        if let Some(name) = weights.keys().find(|&name| !expected.contains_key(name)) {
            return Err(error(name, "no layer has a weight of this name".to_owned()));
        }
        self.weights = weights;
        Ok(self)
    }

    pub(crate) fn shape(&self, name: &str) -> &[usize] {
        self.shapes.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn input_shapes(&self, node: &Node) -> Vec<&[usize]> {
        node.inputs.iter().map(|input| self.shape(input)).collect()
    }

    /// A weight of a layer; fails when the network has not been given weights.
    pub(crate) fn weight(&self, node: &Node, weight: &str) -> Result<&Tensor> {
        let name = weight_name(node.weights_name(), weight);
        self.weights.get(&name).map(Arc::as_ref).ok_or_else(|| Error::Weight {
            network: self.name.clone(),
            weight: name,
            problem: "is needed, but the network has no weights yet; see Network::with_weights".to_owned(),
        })
    }

    /// Layers that use one set of weights must be equal and need weights of the same shapes.
    fn check_shared_weights(&self) -> Result<()> {
        let mut first: BTreeMap<&str, &Node> = BTreeMap::new();
        for node in &self.nodes {
            let weights = |node: &Node| node.layer.weight_shapes(&self.input_shapes(node));
            let Some(other) = first.insert(node.weights_name(), node) else { continue };
            if other.layer != node.layer || weights(other) != weights(node) {
                return Err(Error::Layer {
                    network: self.name.clone(),
                    layer: node.name.clone(),
                    problem: format!(
                        "it uses the weights `{}` of layer `{}`, which has other settings or weights of other shapes",
                        node.weights_name(),
                        other.name
                    ),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn error(&self, problem: impl Into<String>) -> Error {
        Error::Network { network: self.name.clone(), problem: problem.into() }
    }

    fn infer_shapes(&self) -> Result<BTreeMap<String, Shape>> {
        let mut shapes: BTreeMap<String, Shape> = BTreeMap::new();
        let error = |layer: &str, problem| Error::Layer {
            network: self.name.clone(),
            layer: layer.to_owned(),
            problem,
        };
        for Input { name, shape } in &self.inputs {
            let rank_known = matches!(shape.len(), 1..=4);
            if !rank_known || shape.contains(&0) {
                let problem = format!(
                    "an input is [depth, height, width, channels], [height, width, channels], [tokens, features] or \
                     [features], found {shape:?}"
                );
                return Err(error(name, problem));
            }
            insert_new(&mut shapes, name, shape.clone()).map_err(|problem| error(name, problem))?;
        }
        for node in &self.nodes {
            let shape = node_shape(node, &shapes).map_err(|problem| error(&node.name, problem))?;
            insert_new(&mut shapes, &node.name, shape).map_err(|problem| error(&node.name, problem))?;
        }
        Ok(shapes)
    }
}

/// The name of a layer's weight: `conv1/kernel`.
pub(crate) fn weight_name(layer: &str, weight: &str) -> String {
    format!("{layer}/{weight}")
}

fn node_shape(node: &Node, shapes: &BTreeMap<String, Shape>) -> Result<Shape, Problem> {
    let find = |name: &String| {
        let shape = shapes.get(name).map(Vec::as_slice);
        shape.ok_or_else(|| format!("input `{name}` is neither an input nor an earlier layer"))
    };
    let inputs = node.inputs.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    let shape = node.layer.output_shape(&inputs)?;
    match shape.contains(&0) || crate::tensor::len_of(&shape).is_err() {
        true => Err(format!("the output's shape {shape:?} is empty or too large")),
        false => Ok(shape),
    }
}

fn insert_new(shapes: &mut BTreeMap<String, Shape>, name: &str, shape: Shape) -> Result<(), Problem> {
    match shapes.insert(name.to_owned(), shape) {
        None => Ok(()),
        Some(_) => Err("the name is given twice".to_owned()),
    }
}
