//! A fingerprint of a network's weights, by which features made with them are kept.

use sha2::{Digest, Sha256};

use super::Network;

impl Network {
    /// The SHA-256, in hexadecimal, of all weights: in the order of their names, each as its name, its shape and its
    /// values in little-endian bytes, with lengths as 64-bit little-endian numbers.
    #[must_use]
    pub fn weights_digest(&self) -> String {
        let mut sha = Sha256::new();
        for (name, tensor) in &self.weights {
            sha.update((name.len() as u64).to_le_bytes());
            sha.update(name.as_bytes());
            sha.update((tensor.shape().len() as u64).to_le_bytes());
            for &size in tensor.shape() {
                sha.update((size as u64).to_le_bytes());
            }
            for chunk in tensor.data().chunks(4096) {
                let bytes: Vec<u8> = chunk.iter().flat_map(|value| value.to_le_bytes()).collect();
                sha.update(&bytes);
            }
        }
        sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
