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
    /// The parts of a network that is trained so, at the last value that all that learns depends on only through it; `None` where no
    /// layer with weights lies before such a value.
    ///
    /// # Errors
    /// When options name a layer that is not there.
    pub fn of(network: &Network, options: &TrainOptions) -> Result<Option<Self>> {
        let frozen = options.frozen_layers(network)?;
        let mut fixed: BTreeSet<&str> = network.inputs().iter().map(|input| input.name.as_str()).collect();
        let mut values = Vec::new();
        for node in network.nodes() {
            let stays = frozen.contains(&node.name) || !has_weights(network, node);
            let known = node.inputs.iter().all(|input| fixed.contains(input.as_str()));
            if stays && known && !changes_in_training(&node.layer) {
                fixed.insert(&node.name);
                values.push(node.name.as_str());
            }
        }
        let Some((value, trunk)) = values.into_iter().rev().find_map(|value| {
            let trunk = made_of(network, value);
            separates(network, value, &trunk).then_some((value, trunk))
        }) else {
            return Ok(None);
        };
        let (trunk, head): (Vec<&Node>, Vec<&Node>) =
            network.nodes().iter().partition(|node| trunk.contains(node.name.as_str()));
        if !trunk.iter().any(|node| has_weights(network, node)) {
            return Ok(None);
        }
        let shape = network.shapes().get(value).cloned().unwrap_or_default();
        let input = Input { name: value.to_owned(), shape };
        let names: BTreeSet<&str> = head.iter().map(|node| node.name.as_str()).collect();
        let mut options = options.clone();
        options.freeze_until = None;
        options.frozen = frozen.into_iter().filter(|name| names.contains(name.as_str())).collect();
        options.layers.retain(|name, _| names.contains(name.as_str()));
        let trunk = part(network, network.inputs().to_vec(), trunk, vec![value.to_owned()])?;
        let head = part(network, vec![input], head, network.outputs().to_vec())?;
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

/// The inputs and layers that a value is made of, itself among them.
fn made_of<'a>(network: &'a Network, value: &'a str) -> BTreeSet<&'a str> {
    let mut needed = BTreeSet::from([value]);
    for node in network.nodes().iter().rev() {
        if needed.contains(node.name.as_str()) {
            needed.extend(node.inputs.iter().map(String::as_str));
        }
    }
    needed
}

/// Whether all else depends on a value alone and not on what it is made of, nor on the same weights.
fn separates(network: &Network, value: &str, made_of: &BTreeSet<&str>) -> bool {
    let before = |name: &str| made_of.contains(name);
    let (trunk, head): (Vec<&Node>, Vec<&Node>) = network.nodes().iter().partition(|node| before(&node.name));
    let weights: BTreeSet<&str> = trunk.iter().map(|node| node.weights_name()).collect();
    network.inputs().iter().all(|input| before(&input.name))
        && !network.outputs().iter().any(|output| before(output))
        && head.iter().all(|node| {
            !weights.contains(node.weights_name())
                && node.inputs.iter().all(|input| input == value || !before(input))
        })
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

/// Whether training may give other values than looking does.
fn changes_in_training(layer: &Layer) -> bool {
    match layer {
        // An identity may stand for a layer that does.
        Layer::Dropout { .. } | Layer::Identity => true,
        Layer::TimeDistributed(layer) => changes_in_training(layer),
        _ => false,
    }
}
