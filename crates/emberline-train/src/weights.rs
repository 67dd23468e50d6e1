//! A network's weights while it trains: flat tensors on a device, with what belongs to each.

use std::collections::BTreeMap;

use burn_tensor::{Tensor, TensorData};
use emberline_net::Network;

use crate::{Constraint, Device, Error, Regularizer, Result};

/// One weight. It is kept as `[len]`, so that rules of optimizers know one kind of tensor; layers see it in its shape.
#[derive(Clone, Debug)]
pub(crate) struct Weight {
    value: Tensor<1>,
    pub(crate) shape: Vec<usize>,
    pub(crate) trainable: bool,
    pub(crate) learning_rate_factor: f64,
    pub(crate) regularizer: Option<Regularizer>,
    pub(crate) constraint: Option<Constraint>,
}

impl Weight {
    pub(crate) fn value(&self) -> Tensor<1> {
        self.value.clone()
    }

    pub(crate) fn set(&mut self, value: Tensor<1>) {
        self.value = value;
    }
}

/// All weights by `layer/kernel`.
#[derive(Clone, Debug)]
pub(crate) struct Weights(BTreeMap<String, Weight>);

impl Weights {
    /// Those of a network, on a device; none trains yet.
    pub(crate) fn new(network: &Network, device: &Device) -> Self {
        let weight = |(name, tensor): (&String, &std::sync::Arc<emberline_net::Tensor>)| {
            let weight = Weight {
                value: on_device(tensor.data().to_vec(), device),
                shape: tensor.shape().to_vec(),
                trainable: false,
                learning_rate_factor: 1.0,
                regularizer: None,
                constraint: None,
            };
            (name.clone(), weight)
        };
        Self(network.weights().iter().map(weight).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Weight> {
        self.0.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Weight> {
        self.0.get_mut(name)
    }

    pub(crate) fn trainable_mut(&mut self, name: &str) -> Option<&mut Weight> {
        self.get_mut(name).filter(|weight| weight.trainable)
    }

    pub(crate) fn trainables(&self) -> impl Iterator<Item = (&String, &Weight)> {
        self.0.iter().filter(|(_, weight)| weight.trainable)
    }

    pub(crate) fn trainables_mut(&mut self) -> impl Iterator<Item = (&String, &mut Weight)> {
        self.0.iter_mut().filter(|(_, weight)| weight.trainable)
    }

    /// What steps change: what trains, and statistics.
    pub(crate) fn changing(&self) -> impl Iterator<Item = (&String, &Weight)> {
        let is_statistic = |name: &str| name.rsplit('/').next().is_some_and(|own| own.starts_with("moving_"));
        self.0.iter().filter(move |(name, weight)| weight.trainable || is_statistic(name))
    }

    /// Brings every weight back within its constraint.
    pub(crate) fn constrain(&mut self) {
        for (_, weight) in self.trainables_mut() {
            if let Some(constraint) = &weight.constraint {
                weight.value = constraint.apply(weight.value.clone(), &weight.shape);
            }
        }
    }

    /// The numbers of all weights.
    pub(crate) fn tensors(&self) -> Result<BTreeMap<String, emberline_net::Tensor>> {
        let tensor = |(name, weight): (&String, &Weight)| {
            let numbers = numbers(weight.value())?;
            Ok((name.clone(), emberline_net::Tensor::new(weight.shape.clone(), numbers)?))
        };
        self.0.iter().map(tensor).collect()
    }

    /// Takes over the numbers of weights; those that are not given stay. Names and sizes must be right.
    pub(crate) fn load(&mut self, tensors: &BTreeMap<String, emberline_net::Tensor>, device: &Device) {
        for (name, tensor) in tensors {
            if let Some(weight) = self.0.get_mut(name) {
                weight.value = on_device(tensor.data().to_vec(), device);
            }
        }
    }
}

/// The weights kept under a layer's name: their names without the layer's, and as they are.
pub(crate) fn names_of<'a>(network: &'a Network, layer: &str) -> impl Iterator<Item = (&'a str, &'a String)> {
    let own = move |name: &'a String| {
        let (owner, own) = name.rsplit_once('/')?;
        (owner == layer).then_some((own, name))
    };
    network.weights().keys().filter_map(own)
}

pub(crate) fn on_device(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device.plain())
}

/// The numbers of a tensor, fetched from its device.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.try_into_vec_as::<f32>().map_err(|error| Error::Device { problem: error.to_string() })
}
