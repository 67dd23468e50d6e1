//! A fingerprint of a network's weights, by which features made with them are kept.

use super::Network;
use crate::Digest;

impl Network {
    /// The SHA-256 of all weights: in the order of their names, each as its name, its shape and its
    /// values in little-endian bytes, with lengths as 64-bit little-endian numbers.
    #[must_use]
    pub fn weights_digest(&self) -> Digest {
        let number = |value: usize| (value as u64).to_le_bytes().to_vec();
        let mut bytes = Vec::new();
        for (name, tensor) in &self.weights {
            bytes.extend(number(name.len()));
            bytes.extend(name.as_bytes());
            bytes.extend(number(tensor.shape().len()));
            bytes.extend(tensor.shape().iter().flat_map(|&size| number(size)));
            bytes.extend(tensor.data().iter().flat_map(|value| value.to_le_bytes()));
        }
        Digest::of(&bytes)
    }
}
