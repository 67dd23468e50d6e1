//! Putting a named network together: the layers, their weights' places in the origin's files, and Keras' names for layers
//! without one.

use std::collections::BTreeMap;

use emberline_net::{Activation, Dense, GlobalPooling, Layer, NetworkBuilder, NodeId};

use super::{Blueprint, Origin};
use crate::Result;

/// Where in a file the weights of a layer are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The layer of the Keras file, the module of the state dict, or the tensor itself where a layer has but one.
    pub(crate) module: String,
    /// For a dense layer over a flattened image of PyTorch: its `[height, width, channels]`. PyTorch flattens channels
    /// first.
    pub(crate) flattened: Option<[usize; 3]>,
}

/// A builder that notes where each layer's weights come from.
pub(super) struct Layers {
    builder: NetworkBuilder,
    origin: Origin,
    places: BTreeMap<String, Place>,
    numbers: BTreeMap<&'static str, usize>,
}

impl Layers {
    /// An empty network, and its input `image` of `side` x `side` pixels in three channels.
    pub(super) fn new(name: &str, origin: Origin, side: usize) -> (Self, NodeId) {
        let mut builder = NetworkBuilder::new(name);
        let image = builder.input("image", [side, side, 3]);
        (Self { builder, origin, places: BTreeMap::new(), numbers: BTreeMap::new() }, image)
    }

    /// A layer without weights, or one whose weights stand under its own name.
    pub(super) fn apply(&mut self, name: &str, layer: impl Into<Layer>, input: NodeId) -> NodeId {
        self.builder.apply(name, layer, input)
    }

    /// A layer of several inputs.
    pub(super) fn merge(&mut self, name: &str, layer: Layer, inputs: &[NodeId]) -> NodeId {
        self.builder.merge(name, layer, inputs)
    }

    /// A layer whose weights stand under another name.
    pub(super) fn from(
        &mut self,
        module: &str,
        name: &str,
        layer: impl Into<Layer>,
        input: NodeId,
    ) -> NodeId {
        let place = Place { module: module.to_owned(), flattened: None };
        self.places.insert(name.to_owned(), place);
        self.builder.apply(name, layer, input)
    }

    /// A layer under the name that its origin gives it, but in a file of PyTorch under `module`.
    pub(super) fn named(
        &mut self,
        module: &str,
        name: &str,
        layer: impl Into<Layer>,
        input: NodeId,
    ) -> NodeId {
        match self.origin {
            Origin::Keras => self.apply(name, layer, input),
            Origin::PyTorch => self.from(module, name, layer, input),
        }
    }

    /// Says that a dense layer's input was an image.
    pub(super) fn flattened(&mut self, name: &str, image: [usize; 3]) {
        if let Some(place) = self.places.get_mut(name) {
            place.flattened = Some(image);
        }
    }

    /// The name that Keras gives to the next layer of a kind if the user gives none: `conv2d`, `conv2d_1`, `conv2d_2` ...
    pub(super) fn auto(&mut self, kind: &'static str) -> String {
        let number = self.numbers.entry(kind).or_default();
        *number += 1;
        if *number == 1 { kind.to_owned() } else { format!("{kind}_{}", *number - 1) }
    }

    /// The mean of every channel as a vector.
    pub(super) fn mean(&mut self, name: &str, input: NodeId) -> NodeId {
        self.apply(name, Layer::GlobalAveragePooling(GlobalPooling::default()), input)
    }

    /// A dense classifier, whose weights stand under `module`: `logits`, and their softmax `predictions`.
    pub(super) fn classified(mut self, module: &str, features: NodeId, classes: usize) -> Result<Blueprint> {
        let logits = self.from(module, "logits", Dense::new(classes), features);
        self.predicted(logits)
    }

    /// The softmax of the logits, `predictions`, and with it the whole network.
    pub(super) fn predicted(mut self, logits: NodeId) -> Result<Blueprint> {
        let predictions = self.apply("predictions", Activation::Softmax, logits);
        Blueprint::new(self.builder.build(&[predictions])?, self.origin, &self.places)
    }
}
