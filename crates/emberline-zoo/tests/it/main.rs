//! The store against servers and packages made here, and the networks against PyTorch's values.

mod http;
mod networks;
mod pip;
mod server;
mod store;
