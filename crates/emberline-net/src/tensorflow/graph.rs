//! A graph without functions: every call is replaced by the nodes of what it calls.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    TensorFlowLimits, problem,
    proto::{Attr, FunctionDef, GraphDef, NodeDef},
};
use crate::{Error, Result};

/// How deep calls may nest.
const CALLS_MAX: u64 = 32;

const CALLS: [&str; 2] = ["StatefulPartitionedCall", "PartitionedCall"];

/// Nodes whose inputs are tensors, `node:0`.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    by_name: HashMap<String, usize>,
    /// The tensors that stand for others: what a call gives, and what a function is given.
    alias: HashMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Node<'a> {
    /// With the names of the calls around it.
    pub(super) name: String,
    pub(super) def: &'a NodeDef,
    pub(super) inputs: Vec<String>,
}

/// `node` as `node:0`.
pub(super) fn tensor_id(name: &str) -> String {
    if split_id(name).is_some() { name.to_owned() } else { format!("{name}:0") }
}

/// A tensor's node, and its number among the node's outputs.
pub(super) fn split_id(tensor: &str) -> Option<(&str, usize)> {
    let (node, index) = tensor.rsplit_once(':')?;
    Some((node, index.parse().ok()?))
}

impl<'a> Graph<'a> {
    pub(super) fn of(graph: &'a GraphDef, limits: &TensorFlowLimits) -> Result<Self> {
        let functions = graph.library.iter().flat_map(|library| &library.function);
        let named =
            functions.filter_map(|function| Some((function.signature.as_ref()?.name.as_str(), function)));
        let mut flat = Self { nodes: Vec::new(), by_name: HashMap::new(), alias: HashMap::new() };
        let inline = Inline { functions: named.collect(), nodes_max: limits.nodes };
        inline.add(&mut flat, &graph.node, "", None, CALLS_MAX)?;
        Ok(flat)
    }

    /// What a tensor is, past all calls.
    pub(super) fn resolve<'s>(&'s self, mut tensor: &'s str) -> &'s str {
        // No chain is longer than there are links, unless it is a ring.
        for _ in 0..=self.alias.len() {
            match self.alias.get(tensor) {
                Some(target) => tensor = target,
                None => break,
            }
        }
        tensor
    }

    pub(super) fn node(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The node that makes a tensor, and which of its outputs it is.
    pub(super) fn maker(&self, tensor: &str) -> Option<(usize, usize)> {
        let (node, index) = split_id(self.resolve(tensor))?;
        Some((self.node(node)?, index))
    }

    /// The maker of a tensor past nodes that hand it on.
    pub(super) fn origin(&self, tensor: &str) -> Option<(usize, usize)> {
        let mut maker = self.maker(tensor)?;
        for _ in 0..self.nodes.len() {
            let node = &self.nodes[maker.0];
            match (node.def.op.as_str(), node.inputs.first()) {
                ("Identity", Some(input)) => maker = self.maker(input)?,
                _ => break,
            }
        }
        Some(maker)
    }

    pub(super) fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter(|node| node.def.op == "Placeholder").map(|node| node.name.as_str())
    }

    /// Nodes outside of functions whose outputs no other node uses.
    pub(super) fn last_nodes(&self) -> Vec<&str> {
        let inputs = self.nodes.iter().flat_map(|node| &node.inputs);
        let used: BTreeSet<usize> = inputs.filter_map(|input| Some(self.maker(input)?.0)).collect();
        let is_last = |(i, node): &(usize, &Node<'_>)| {
            !used.contains(i) && !matches!(node.def.op.as_str(), "Placeholder" | "Const" | "NoOp" | "Assert")
        };
        self.nodes.iter().enumerate().filter(is_last).map(|(_, node)| node.name.as_str()).collect()
    }

    pub(super) fn has_variables(&self) -> bool {
        self.nodes
            .iter()
            .any(|node| matches!(node.def.op.as_str(), "VarHandleOp" | "VariableV2" | "Variable"))
    }
}

struct Inline<'a> {
    functions: BTreeMap<&'a str, &'a FunctionDef>,
    nodes_max: u64,
}

impl<'a> Inline<'a> {
    /// Adds nodes, of the graph itself or of a function's body.
    fn add(
        &self,
        flat: &mut Graph<'a>,
        nodes: &'a [NodeDef],
        scope: &str,
        function: Option<&'a FunctionDef>,
        calls_left: u64,
    ) -> Result<()> {
        let ops: HashMap<&str, &str> =
            nodes.iter().map(|node| (node.name.as_str(), node.op.as_str())).collect();
        for node in nodes {
            let name = format!("{scope}{}", node.name);
            let data = node.input.iter().filter(|input| !input.starts_with('^'));
            let inputs = data.map(|input| self.input(input, scope, function, &ops));
            let inputs: Vec<String> = inputs.collect();
            if CALLS.contains(&node.op.as_str()) {
                self.call(flat, node, &name, inputs, calls_left)?;
                continue;
            }
            let asked = flat.nodes.len() as u64 + 1;
            if asked > self.nodes_max {
                let (format, limit) = (super::FORMAT, "nodes");
                return Err(Error::Limit { format, limit, allowed: self.nodes_max, asked });
            }
            if flat.by_name.insert(name.clone(), flat.nodes.len()).is_some() {
                return Err(problem(format!("the node `{name}` is defined twice")));
            }
            flat.nodes.push(Node { name, def: node, inputs });
        }
        Ok(())
    }

    fn call(
        &self,
        flat: &mut Graph<'a>,
        node: &'a NodeDef,
        name: &str,
        inputs: Vec<String>,
        calls_left: u64,
    ) -> Result<()> {
        let wrong = |reason: String| problem(format!("node `{name}`: {reason}"));
        let Some(calls_left) = calls_left.checked_sub(1) else {
            return Err(wrong(format!("calls nest more than {CALLS_MAX} deep")));
        };
        let callee = match node.attr.get("f").and_then(|attr| attr.value.as_ref()) {
            Some(Attr::Func(function)) => function.name.as_str(),
            _ => "",
        };
        let function = self
            .functions
            .get(callee)
            .ok_or_else(|| wrong(format!("it calls `{callee}`, which is missing")))?;
        let Some(signature) = &function.signature else { return Ok(()) };
        if signature.input_arg.len() != inputs.len() {
            let (expected, found) = (signature.input_arg.len(), inputs.len());
            return Err(wrong(format!("`{callee}` takes {expected} arguments, found {found}")));
        }
        let scope = format!("{name}/");
        for (argument, input) in signature.input_arg.iter().zip(inputs) {
            flat.alias.insert(format!("{scope}{}:0", argument.name), input);
        }
        let ops: HashMap<&str, &str> =
            function.node_def.iter().map(|node| (node.name.as_str(), node.op.as_str())).collect();
        for (i, output) in signature.output_arg.iter().enumerate() {
            let value = function.ret.get(&output.name);
            let value =
                value.ok_or_else(|| wrong(format!("`{callee}` does not say what `{}` is", output.name)))?;
            flat.alias.insert(format!("{name}:{i}"), self.input(value, &scope, Some(function), &ops));
        }
        self.add(flat, &function.node_def, &scope, Some(function), calls_left)
    }

    /// A tensor in a scope: `node` or `node:1` in a graph, `argument` or `node:output:0` in a function.
    fn input(
        &self,
        input: &str,
        scope: &str,
        function: Option<&FunctionDef>,
        ops: &HashMap<&str, &str>,
    ) -> String {
        if function.is_none() {
            return tensor_id(input);
        }
        let mut parts = input.rsplitn(3, ':');
        let (last, middle, first) = (parts.next(), parts.next(), parts.next());
        let (Some(index), Some(output), Some(node)) = (last, middle, first) else {
            return format!("{scope}{}", tensor_id(input));
        };
        let index: usize = index.parse().unwrap_or(0);
        let first = ops.get(node).map_or(0, |op| first_of(op, output));
        format!("{scope}{node}:{}", first + index)
    }
}

/// The number of an operator's output that has that name; most have one output, or a list.
fn first_of(op: &str, output: &str) -> usize {
    let names: &[&str] = match op {
        "FusedBatchNorm" | "FusedBatchNormV2" | "FusedBatchNormV3" => &["y", "batch_mean", "batch_variance"],
        "TopK" | "TopKV2" => &["values", "indices"],
        "Unique" | "UniqueV2" => &["y", "idx"],
        _ => &[],
    };
    names.iter().position(|name| *name == output).unwrap_or(0)
}
