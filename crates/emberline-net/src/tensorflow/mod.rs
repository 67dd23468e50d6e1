//! TensorFlow: SavedModel directories and frozen graphs, of whose inference operators an [`OnnxModel`] is made. Nothing in them
//! is executed: the graph is read, its functions are put in place of their calls, its variables are looked up in the
//! checkpoint, and every operator is written as those of ONNX ([`ops`]).

mod bundle;
mod convert;
mod graph;
mod ops;
mod proto;
mod tensor;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use prost::Message;

use self::{
    bundle::Bundle,
    convert::{Convert, Port},
    graph::Graph,
    proto::{GraphDef, Kind, MetaGraphDef, SavedModel, SignatureDef, inner_kind},
    tensor::{element_of, sizes_of},
};
use crate::{
    Error, OnnxModel, Result,
    protobuf::{self, Allowed},
};

pub use ops::tensorflow_operators;

const FORMAT: &str = "TensorFlow";
const GRAPH_FILE: &str = "saved_model.pb";

/// What a file may ask for. A file that asks for more is refused before anything is allocated for it.
#[derive(Clone, Debug)]
pub struct TensorFlowLimits {
    /// The bytes of the graph's file, of the checkpoint's index, and of one tensor.
    pub file_bytes: u64,
    /// Nodes, names, attributes and all other parts of the graph, at every depth; tensors of the checkpoint.
    pub fields: u64,
    /// The nodes after all functions are put in place of their calls.
    pub nodes: u64,
}

impl Default for TensorFlowLimits {
    /// The most that a protocol buffer can hold; a million parts and nodes.
    fn default() -> Self {
        Self { file_bytes: 2 << 30, fields: 4_000_000, nodes: 1_000_000 }
    }
}

/// A graph of TensorFlow's: of a SavedModel (of TensorFlow 1 or 2, Keras' exports among them), or frozen in a `.pb` file.
///
/// ```no_run
/// use emberline_net::{PrepareOptions, TensorFlowModel, default_runtime};
///
/// let model = TensorFlowModel::read("saved_model/", "serve", &Default::default())?;
/// let onnx = model.to_onnx::<&str>("serving_default", &[], &[])?;
/// let prepared = onnx.prepare(default_runtime().as_ref(), &PrepareOptions::default())?;
/// # Ok::<(), emberline_net::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TensorFlowModel {
    graph: GraphDef,
    signatures: BTreeMap<String, SignatureDef>,
    /// Of a SavedModel, the path of its checkpoint without endings.
    variables: Option<PathBuf>,
    limits: TensorFlowLimits,
}

/// What a signature of a [`TensorFlowModel`] takes and gives: names in the signature, and the tensors' names in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What it takes.
    pub inputs: BTreeMap<String, String>,
    /// What it gives.
    pub outputs: BTreeMap<String, String>,
}

impl TensorFlowModel {
    /// Reads a SavedModel's directory, the graph with these tags (with commas between them), or the file of a frozen graph,
    /// which has none.
    ///
    /// # Errors
    /// When a file can't be read, is damaged, exceeds a limit, or holds no graph with these tags.
    pub fn read(path: impl AsRef<Path>, tags: &str, limits: &TensorFlowLimits) -> Result<Self> {
        let path = path.as_ref();
        if !path.is_dir() {
            return Self::from_graph_def(&read_file(path, limits)?, limits);
        }
        let bytes = read_file(&path.join(GRAPH_FILE), limits)?;
        let variables = path.join("variables").join("variables");
        let meta = meta_graph(&bytes, tags, limits)?;
        Ok(Self {
            graph: meta.graph_def.unwrap_or_default(),
            signatures: meta.signature_def,
            variables: Some(variables),
            limits: limits.clone(),
        })
    }

    /// Reads a frozen graph from its bytes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_graph_def(bytes: &[u8], limits: &TensorFlowLimits) -> Result<Self> {
        check_bytes(bytes.len() as u64, limits.file_bytes)?;
        protobuf::check(bytes, Kind::Graph, inner_kind, Allowed { format: FORMAT, fields: limits.fields })?;
        let graph = GraphDef::decode(bytes).map_err(damaged)?;
        if graph.node.is_empty() {
            return Err(problem("it has no nodes; is it a frozen graph?".to_owned()));
        }
        Ok(Self { graph, signatures: BTreeMap::new(), variables: None, limits: limits.clone() })
    }

    /// The signatures' names.
    pub fn signatures(&self) -> impl Iterator<Item = &str> {
        self.signatures.keys().map(String::as_str)
    }

    /// The inputs and outputs of the signature of this name.
    #[must_use]
    pub fn signature(&self, key: &str) -> Option<Signature> {
        let signature = self.signatures.get(key)?;
        let names = |ports: &BTreeMap<String, proto::TensorInfo>| {
            ports.iter().map(|(key, info)| (key.clone(), info.name.clone())).collect()
        };
        Some(Signature { inputs: names(&signature.inputs), outputs: names(&signature.outputs) })
    }

    /// The graph between these inputs and outputs as ONNX, under the names given. A name is one of the signature's, or a
    /// tensor's, `node:0`, of whose first output `node` will do. Without names, the signature's are taken; without a signature, the
    /// placeholders, and the nodes that no other uses.
    ///
    /// # Errors
    /// When there is no such signature or tensor, an operator is not known (the error names it), or a variable is missing.
    pub fn to_onnx<S: AsRef<str>>(&self, signature: &str, inputs: &[S], outputs: &[S]) -> Result<OnnxModel> {
        let signature = match (self.signatures.get(signature), inputs.is_empty() || outputs.is_empty()) {
            (None, true) if !self.signatures.is_empty() => {
                let known = self.signatures().collect::<Vec<_>>().join(", ");
                return Err(problem(format!("it has no signature `{signature}`; it has {known}")));
            }
            (found, _) => found,
        };
        let graph = Graph::of(&self.graph, &self.limits)?;
        let of_signature = |ports: Option<&BTreeMap<String, proto::TensorInfo>>, name: &str| {
            let info = ports.and_then(|ports| ports.get(name));
            Port {
                name: name.to_owned(),
                tensor: graph::tensor_id(info.map_or(name, |info| &info.name)),
                element: info.and_then(|info| element_of(info.dtype)),
                shape: info.and_then(|info| sizes_of(info.tensor_shape.as_ref())),
            }
        };
        let (known_inputs, known_outputs) = (signature.map(|s| &s.inputs), signature.map(|s| &s.outputs));
        let ports = |names: &[S], known: Option<&BTreeMap<String, proto::TensorInfo>>| -> Vec<Port> {
            match known {
                Some(all) if names.is_empty() => all.keys().map(|name| of_signature(known, name)).collect(),
                _ => names.iter().map(|name| of_signature(known, name.as_ref())).collect(),
            }
        };
        let mut fed = ports(inputs, known_inputs);
        let mut fetched = ports(outputs, known_outputs);
        let plain = |name: &str| Port { name: name.to_owned(), ..of_signature(None, name) };
        if fetched.is_empty() {
            fetched = graph.last_nodes().into_iter().map(plain).collect();
        }
        let only_used = inputs.is_empty();
        if fed.is_empty() {
            fed = graph.placeholders().map(plain).collect();
        }
        let variables = match &self.variables {
            Some(prefix) if graph.has_variables() => Some(Bundle::open(prefix, &self.limits)?),
            _ => None,
        };
        Convert::new(&graph, variables, &self.limits)?.run(fed, only_used, &fetched)
    }
}

fn meta_graph(bytes: &[u8], tags: &str, limits: &TensorFlowLimits) -> Result<MetaGraphDef> {
    protobuf::check(bytes, Kind::SavedModel, inner_kind, Allowed { format: FORMAT, fields: limits.fields })?;
    let saved = SavedModel::decode(bytes).map_err(damaged)?;
    let mut wanted: Vec<&str> = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
    wanted.sort_unstable();
    let tags_of = |meta: &MetaGraphDef| {
        let mut tags = meta.meta_info_def.as_ref().map(|info| info.tags.clone()).unwrap_or_default();
        tags.sort_unstable();
        tags
    };
    let known: Vec<String> = saved.meta_graphs.iter().map(|meta| tags_of(meta).join(",")).collect();
    saved.meta_graphs.into_iter().find(|meta| tags_of(meta) == wanted).ok_or_else(|| {
        problem(format!("it has no graph with the tags `{tags}`; it has {}", known.join("; ")))
    })
}

fn read_file(path: &Path, limits: &TensorFlowLimits) -> Result<Vec<u8>> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    check_bytes(std::fs::metadata(path).map_err(io)?.len(), limits.file_bytes)?;
    std::fs::read(path).map_err(io)
}

fn check_bytes(asked: u64, allowed: u64) -> Result<()> {
    if asked > allowed {
        return Err(Error::Limit { format: FORMAT, limit: "file_bytes", allowed, asked });
    }
    Ok(())
}

fn damaged(error: prost::DecodeError) -> Error {
    problem(format!("it is damaged: {error}"))
}

fn problem(problem: String) -> Error {
    Error::Format { format: FORMAT, problem }
}
