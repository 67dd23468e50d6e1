//! Keras' model files: what is in them, as a [`Network`](crate::Network).

mod config;
pub(crate) mod layers;
