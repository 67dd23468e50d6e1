//! Choosing among candidates: grids of params, folds, cross-validation, and never doing work twice.
//!
//! | what | lives in |
//! |---|---|
//! | all combinations of values, and random ones | `grid` |
//! | which rows train and which validate | `folds` |
//! | stages that run once for all folds and candidates | `shared` |
//! | measuring candidates, round by round | `search` |
//! | what was measured before | `ledger` |
//! | what other machines do | `cluster` |
//! | MLlib's two validators, and what they share | `cross_validator`, `train_validation_split`, `validator` |

mod cluster;
mod cross_validator;
mod folds;
mod grid;
mod ledger;
mod search;
mod shared;
mod train_validation_split;
mod validator;

pub use cluster::{Cluster, measure};
pub use cross_validator::{CrossValidator, CrossValidatorModel};
pub(crate) use folds::FOLD;
pub use folds::{Folds, Split, split};
pub use grid::{ParamGridBuilder, ParamRandomBuilder};
pub use ledger::{Ledger, LedgerEntry};
pub use search::{Trial, TuningEvent, TuningObserver, TuningPlan};
pub use train_validation_split::{TrainValidationSplit, TrainValidationSplitModel};
pub use validator::SubModels;
