//! The part of a network that training never changes: it is computed once for every sample, and not again in every epoch.

use std::collections::{BTreeMap, BTreeSet};

use emberline_net::{Input, Layer, Network, Node, Tensor};

use crate::{Device, Result, TrainOptions, predict};

/// How many samples pass through the trunk at a time.
const SAMPLES_AT_ONCE: usize = 32;

/// A network in two parts at the one value between what stays as it is and what learns.
///
/// ```
/// use emberline_net::{Dense, NetworkBuilder, Tensor};
/// use emberline_train::{
///     FrozenTrunk, Loss, Optimizer, Samples, TrainOptions, fit, initialized,
/// };
///
/// let mut layers = NetworkBuilder::new("net");
/// let input = layers.input("input", [4]);
/// let body = layers.apply("body", Dense::new(3), input);
/// let head = layers.apply("head", Dense::new(1), body);
/// let network = initialized(layers.build(&[head])?, 1, &Default::default())?;
/// let loss = Loss::parse(&"mse".into())?;
/// let mut options = TrainOptions::new(Optimizer::parse(&"sgd".into())?, loss);
/// options.freeze_until = Some("head".to_owned());
///
/// let parts = FrozenTrunk::of(&network, &options)?.unwrap();
/// let inputs = Tensor::new(vec![2, 4], vec![1.0; 8])?;
/// let features = parts.features(&inputs)?;
/// assert_eq!(features.shape(), [2, 3]);
/// let mut samples = Samples::new(vec![features], Tensor::zeros(vec![2, 1])?, 2)?;
/// let trained = fit(&parts.head, &parts.options, &mut samples, None, &mut |_| {})?;
/// let whole = parts.join(&network, &trained.network)?;
/// assert_eq!(whole.weights()["body/kernel"], network.weights()["body/kernel"]);
/// assert_ne!(whole.weights()["head/kernel"], network.weights()["head/kernel"]);
/// # Ok::<(), emberline_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FrozenTrunk {
    /// From the inputs to the value, with its weights.
    pub trunk: Network,
    /// From the value to the output, with its weights. Its input has the value's name.
    pub head: Network,
    /// How the head is trained: without what is said of the trunk's layers.
    pub options: TrainOptions,
}

impl FrozenTrunk {
    /// The parts of a network that is trained so; `None` where no layer with weights stays as it is in front of one that learns,
    /// or several values lie between.
    ///
    /// # Errors
    /// When options name a layer that is not there.
    pub fn of(network: &Network, options: &TrainOptions) -> Result<Option<Self>> {
        let frozen = options.frozen_layers(network)?;
        let mut fixed: BTreeSet<&str> = network.inputs().iter().map(|input| input.name.as_str()).collect();
        for node in network.nodes() {
            let stays = frozen.contains(&node.name) || !has_weights(network, node);
            if stays
                && !is_random(&node.layer)
                && node.inputs.iter().all(|input| fixed.contains(input.as_str()))
            {
                fixed.insert(&node.name);
            }
        }
        let learning: Vec<&Node> =
            network.nodes().iter().filter(|node| !fixed.contains(node.name.as_str())).collect();
        let taken: BTreeSet<&str> = learning
            .iter()
            .flat_map(|node| &node.inputs)
            .map(String::as_str)
            .filter(|name| fixed.contains(name))
            .collect();
        let (Some(&value), 1) = (taken.first(), taken.len()) else { return Ok(None) };
        let trunk = network.nodes().iter().filter(|node| fixed.contains(node.name.as_str()));
        let trunk = before(trunk.collect(), value);
        if !trunk.iter().any(|node| has_weights(network, node)) {
            return Ok(None);
        }
        let inputs = network.inputs().iter();
        let used = |input: &&Input| trunk.iter().any(|node| node.inputs.contains(&input.name));
        let trunk_inputs: Vec<Input> = inputs.filter(used).cloned().collect();
        if trunk_inputs.len() != network.inputs().len()
            || !network.outputs().iter().all(|out| !fixed.contains(out.as_str()))
        {
            return Ok(None);
        }
        let shape = network.shapes().get(value).cloned().unwrap_or_default();
        let input = Input { name: value.to_owned(), shape };
        let head_names: BTreeSet<&str> = learning.iter().map(|node| node.name.as_str()).collect();
        let trunk = part(network, trunk_inputs, trunk, vec![value.to_owned()])?;
        let head = part(network, vec![input], learning.clone(), network.outputs().to_vec())?;
        let mut options = options.clone();
        options.freeze_until = options.freeze_until.filter(|name| head_names.contains(name.as_str()));
        options.frozen.retain(|name| head_names.contains(name.as_str()));
        options.layers.retain(|name, _| head_names.contains(name.as_str()));
        Ok(Some(Self { trunk, head, options }))
    }

    /// The trunk's answers to one input, `[samples, ...]`, on the device of the options.
    ///
    /// # Errors
    /// When the input is not what the trunk takes, or it has layers that can't be trained.
    pub fn features(&self, input: &Tensor) -> Result<Tensor> {
        let device: &Device = &self.options.device;
        let samples = input.shape().first().copied().unwrap_or_default();
        let len = input.data().len() / samples.max(1);
        let mut features = Vec::new();
        for rows in input.data().chunks(SAMPLES_AT_ONCE * len.max(1)) {
            let shape = [&[rows.len() / len.max(1)], &input.shape()[1..]].concat();
            features.extend(predict(&self.trunk, &[Tensor::new(shape, rows.to_vec())?], device)?.into_data());
        }
        let shape = self.head.inputs().first().map_or(&[][..], |input| &input.shape);
        Ok(Tensor::new([&[samples], shape].concat(), features)?)
    }

    /// The whole network with the weights that its head has learned.
    ///
    /// # Errors
    /// When the head is not the network's.
    pub fn join(&self, network: &Network, head: &Network) -> Result<Network> {
        let weights = network.weights().iter().chain(head.weights());
        let weights: BTreeMap<String, Tensor> =
            weights.map(|(name, tensor)| (name.clone(), Tensor::clone(tensor))).collect();
        Ok(network.clone().with_weights(weights)?)
    }
}

/// Of nodes in their order, those that a value is made of.
fn before<'a>(nodes: Vec<&'a Node>, value: &str) -> Vec<&'a Node> {
    let mut needed: BTreeSet<&str> = BTreeSet::from([value]);
    let mut kept = Vec::new();
    for node in nodes.into_iter().rev() {
        if needed.contains(node.name.as_str()) {
            needed.extend(node.inputs.iter().map(String::as_str));
            kept.push(node);
        }
    }
    kept.reverse();
    kept
}

fn part(network: &Network, inputs: Vec<Input>, nodes: Vec<&Node>, outputs: Vec<String>) -> Result<Network> {
    let part = Network::new(network.name(), inputs, nodes.into_iter().cloned().collect(), outputs)?;
    let weights = part.weight_shapes().into_keys();
    let weight = |name: String| Some((name.clone(), Tensor::clone(network.weights().get(&name)?)));
    let weights = weights.filter_map(weight).collect();
    Ok(part.with_weights(weights)?)
}

fn has_weights(network: &Network, node: &Node) -> bool {
    crate::weights::names_of(network, node.weights_name()).next().is_some()
}

/// Whether training gives other values than looking does.
fn is_random(layer: &Layer) -> bool {
    match layer {
        Layer::Dropout { rate } => *rate > 0.0,
        Layer::TimeDistributed(layer) => is_random(layer),
        _ => false,
    }
}
