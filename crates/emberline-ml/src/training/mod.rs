//! Training a user's own network, and fine-tuning a named one: sparkdl's `KerasImageFileEstimator`, and `KerasEstimator` for columns
//! of tensors.
//!
//! | step | lives in |
//! |---|---|
//! | params to settings | `settings` |
//! | a file or a name to the network that training begins with | `start` |
//! | table to examples: one pass that decodes, checks labels and writes records of one length to a temporary file | `source`, `labels`, `examples` |
//! | records to batches: read, augmented and normalised by threads ahead of the steps | `batches`, `augment` |
//! | head first, then all; the values of frozen layers computed once | `phases` |
//! | other processes that train the same network | `workers` |
//! | estimator and fitted model | `estimator`, `model`, `prediction` |
//!
//! The mathematics is `emberline-train`'s.

mod augment;
mod batches;
mod estimator;
mod examples;
mod labels;
mod model;
mod phases;
mod prediction;
mod settings;
mod source;
mod start;
mod workers;

pub use estimator::{
    KerasEstimator, KerasImageFileEstimator, NetworkEstimator, TrainingEvent, TrainingObserver,
};
pub use model::{KerasImageFileModel, KerasModel, NetworkModel, NetworkTrainingSummary};
pub(crate) use prediction::{OUTPUT_CLASS, rebuild as rebuild_output_class};
pub use source::{ExampleSource, Images, Tensors};
pub use workers::set_workers;
