//! Choosing among candidates: grids of params, folds, cross-validation.

mod cross_validator;
mod folds;
mod grid;

pub use cross_validator::{CrossValidator, CrossValidatorModel};
pub use folds::{Split, split};
pub use grid::ParamGridBuilder;
