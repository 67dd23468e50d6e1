//! Families of networks: one file each, which builds every member from a row of settings.
//!
//! A family gives the graph and says which PyTorch module each layer with weights comes from. How a layer's tensors are
//! called and laid out there follows from its kind alone and is known in one place, `crate::torch`.

mod efficientnet_lite;

use std::collections::BTreeMap;

use emberline_net::Network;

pub(crate) use self::efficientnet_lite::EfficientNetLite;
use crate::Result;

/// A family and the member's settings.
#[derive(Clone, Debug)]
pub(crate) enum Architecture {
    EfficientNetLite(EfficientNetLite),
}

/// A network to be given weights.
#[derive(Debug)]
pub(crate) struct Blueprint {
    /// The graph, without weights.
    pub(crate) network: Network,
    /// The PyTorch module behind every layer that has weights.
    pub(crate) torch_modules: BTreeMap<String, String>,
}

impl Architecture {
    /// The member called `name` for images of `side` x `side` pixels and this many classes.
    pub(crate) fn build(&self, name: &str, side: usize, classes: usize) -> Result<Blueprint> {
        match self {
            Self::EfficientNetLite(settings) => settings.build(name, side, classes),
        }
    }
}
