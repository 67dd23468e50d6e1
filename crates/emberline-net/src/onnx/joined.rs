//! Several models that begin alike as one, which computes what they have in common once.

use std::collections::{BTreeMap, HashMap};

use prost::Message;

use super::{
    model::OnnxModel,
    proto::{DataType, GraphProto, ModelProto, NodeProto, TensorProto},
};

/// What [`OnnxModel::joined`] makes of several models.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinedModels {
    /// The model that gives what all of them give.
    pub model: OnnxModel,
    /// For each output of the first model, the second and so on, its place among the outputs of `model`. Outputs that are
    /// the same tensor have one place.
    pub outputs: Vec<usize>,
}

impl OnnxModel {
    /// One model in place of several that take the same inputs: operators that do the same with the same tensors are there
    /// once, whatever they are called. So cuts of one network at several layers cost no more than the deepest of them.
    ///
    /// `None` where it is of no use, for they have no operator with weights in common, or not possible, for their inputs or
    /// operator sets differ or they hold graphs within operators.
    ///
    /// ```
    /// use emberline_net::{Dense, NetworkBuilder, OnnxModel, OnnxOptions, Tensor};
    ///
    /// let mut layers = NetworkBuilder::new("tiny");
    /// let x = layers.input("x", [2]);
    /// let hidden = layers.apply("hidden", Dense::new(3), x);
    /// let answer = layers.apply("answer", Dense::new(1), hidden);
    /// let network = layers.build(&[answer])?;
    /// let zeros = |shape: &Vec<usize>| Tensor::zeros(shape.clone());
    /// let shapes = network.weight_shapes();
    /// let weights = shapes.iter().map(|(name, shape)| Ok((name.clone(), zeros(shape)?)));
    /// let network = network.with_weights(weights.collect::<emberline_net::Result<_>>()?)?;
    ///
    /// let model = |cut: &str| {
    ///     OnnxModel::from_bytes(&network.cut(cut)?.to_onnx(&OnnxOptions::default())?, &Default::default())
    /// };
    /// let joined = OnnxModel::joined(&[model("hidden")?, model("answer")?]).unwrap();
    /// assert_eq!(joined.model.operators(), model("answer")?.operators());
    /// assert_eq!(joined.outputs, [0, 1]);
    /// # Ok::<(), emberline_net::Error>(())
    /// ```
    #[must_use]
    pub fn joined(models: &[Self]) -> Option<JoinedModels> {
        let first = &models.first()?.proto;
        let mut joining = Joining::new(first)?;
        let mut outputs = Vec::new();
        for model in models {
            outputs.extend(joining.add(first, &model.proto)?);
        }
        if !joining.shares_weights {
            return None;
        }
        let model = Self { proto: ModelProto { graph: Some(joining.graph), ..without_graph(first) } };
        Some(JoinedModels { model, outputs })
    }
}

fn without_graph(model: &ModelProto) -> ModelProto {
    ModelProto {
        ir_version: model.ir_version,
        producer_name: model.producer_name.clone(),
        producer_version: model.producer_version.clone(),
        opset_import: model.opset_import.clone(),
        ..Default::default()
    }
}

/// The graph that is put together, and what is in it by what it is.
struct Joining {
    graph: GraphProto,
    /// The places of stored tensors among the initializers, by shape and type.
    stored: HashMap<(Vec<i64>, i32), Vec<usize>>,
    /// What operators give, by the operators without their names.
    made: HashMap<Vec<u8>, Vec<String>>,
    /// Names that are taken, and how often.
    names: HashMap<String, usize>,
    /// Whether an operator with weights is of use to two models.
    shares_weights: bool,
}

impl Joining {
    fn new(first: &ModelProto) -> Option<Self> {
        let input = first.graph.as_ref()?.input.clone();
        let names = input.iter().map(|input| (input.name.clone(), 1)).collect();
        let graph = GraphProto { name: "joined".to_owned(), input, ..Default::default() };
        let (stored, made) = (HashMap::new(), HashMap::new());
        Some(Self { graph, stored, made, names, shares_weights: false })
    }

    /// Adds what a model has and this has not, and says where the model's outputs are.
    fn add(&mut self, first: &ModelProto, model: &ModelProto) -> Option<Vec<usize>> {
        let graph = model.graph.as_ref()?;
        let plain = model.functions.is_empty()
            && graph.sparse_initializer.is_empty()
            && graph.quantization_annotation.is_empty();
        if !plain || model.opset_import != first.opset_import || graph.input.len() != self.graph.input.len() {
            return None;
        }
        // What the model's names are called here; an input or output that is left out has none.
        let mut renamed: BTreeMap<&str, String> = BTreeMap::from([("", String::new())]);
        for (input, known) in graph.input.iter().zip(&self.graph.input) {
            if input.r#type != known.r#type {
                return None;
            }
            renamed.insert(&input.name, known.name.clone());
        }
        for tensor in &graph.initializer {
            renamed.insert(&tensor.name, self.store(tensor));
        }
        for node in &graph.node {
            let inputs = node.input.iter().map(|name| renamed.get(name.as_str()).cloned());
            let outputs = self.make(node, inputs.collect::<Option<_>>()?)?;
            renamed.extend(node.output.iter().map(String::as_str).zip(outputs));
        }
        let mut places = Vec::new();
        for output in &graph.output {
            let name = renamed.get(output.name.as_str())?;
            if !self.graph.node.iter().any(|node| node.output.contains(name)) {
                return None;
            }
            let known = self.graph.output.iter().position(|known| known.name == *name);
            places.push(known.unwrap_or(self.graph.output.len()));
            if known.is_none() {
                let mut output = output.clone();
                output.name.clone_from(name);
                self.graph.output.push(output);
            }
        }
        Some(places)
    }

    /// The name of a stored tensor.
    fn store(&mut self, tensor: &TensorProto) -> String {
        let key = (tensor.dims.clone(), tensor.data_type);
        let same = |place: &&usize| {
            let known = &self.graph.initializer[**place];
            // Numbers are compared as they are stored: nearly always as raw bytes, of which no copy is made here.
            known.raw_data == tensor.raw_data
                && (!tensor.raw_data.is_empty() || without_name(known) == without_name(tensor))
        };
        if let Some(place) = self.stored.get(&key).and_then(|places| places.iter().find(same)) {
            return self.graph.initializer[*place].name.clone();
        }
        let name = self.unique(&tensor.name);
        self.stored.entry(key).or_default().push(self.graph.initializer.len());
        self.graph.initializer.push(TensorProto { name: name.clone(), ..tensor.clone() });
        name
    }

    /// What an operator gives; it is added if it is new.
    fn make(&mut self, node: &NodeProto, input: Vec<String>) -> Option<Vec<String>> {
        // Graphs within operators use names of the graph around them.
        if node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty()) {
            return None;
        }
        let wanted = node.output.iter().map(|name| if name.is_empty() { "" } else { "1" }.to_owned());
        let mut made = NodeProto {
            input,
            output: wanted.collect(),
            name: String::new(),
            doc_string: String::new(),
            ..node.clone()
        };
        let key = made.encode_to_vec();
        if let Some(outputs) = self.made.get(&key) {
            self.shares_weights |= made.input.iter().any(|name| self.is_weight(name));
            return Some(outputs.clone());
        }
        made.output = node.output.iter().map(|name| self.unique(name)).collect();
        made.name = made.output.first().cloned().unwrap_or_default();
        let outputs = made.output.clone();
        self.made.insert(key, outputs.clone());
        self.graph.node.push(made);
        Some(outputs)
    }

    fn is_weight(&self, name: &str) -> bool {
        let is_float = |tensor: &TensorProto| tensor.data_type == i32::from(DataType::Float);
        self.graph
            .initializer
            .iter()
            .any(|tensor| tensor.name == name && is_float(tensor) && tensor.dims.iter().product::<i64>() > 1)
    }

    /// The name, with a number behind it if it is taken.
    fn unique(&mut self, name: &str) -> String {
        if name.is_empty() {
            return String::new();
        }
        let count = self.names.entry(name.to_owned()).or_insert(0);
        *count += 1;
        match *count {
            1 => name.to_owned(),
            count => self.unique(&format!("{name}_{count}")),
        }
    }
}

fn without_name(tensor: &TensorProto) -> TensorProto {
    TensorProto { name: String::new(), doc_string: String::new(), ..tensor.clone() }
}
