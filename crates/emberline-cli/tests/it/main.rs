//! The built command on small folders of drawn pictures: what it prints, what it writes, how it fails.
//!
//! The weights must be in the model store (`cargo xtask setup`).

mod answers;
mod errors;
mod fit;
mod support;
