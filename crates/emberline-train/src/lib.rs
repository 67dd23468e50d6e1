//! Training a [`Network`](emberline_net::Network) with automatic differentiation, as Keras trains it: its optimizers, losses,
//! metrics, schedules, initializers, regularizers and constraints, by the names and settings they have there. Nothing here
//! knows of tables, images or files of networks.
//!
//! | stage | made by | is |
//! |---|---|---|
//! | a network with weights | [`initialized`], [`copy_weights`], or a file | what training begins with |
//! | [`TrainOptions`] | [`TrainOptions::new`] from [`Optimizer::parse`], [`Loss::parse`] | valid settings |
//! | [`Batches`] | [`Samples`], or whoever reads from disk | what it is fed |
//! | [`Trained`] | [`fit`] | the network with new weights, and its history |
//!
//! Tensors are Burn's: on the processor by default, on other [devices](Device) by name.
//!
//! ```
//! use emberline_net::{Activation, Dense, NetworkBuilder, Tensor};
//! use emberline_train::{Loss, Metric, Optimizer, Samples, TrainOptions, fit, initialized};
//! use serde_json::json;
//!
//! let mut layers = NetworkBuilder::new("xor");
//! let bits = layers.input("bits", [2]);
//! let hidden = layers.apply("hidden", Dense::new(8).activation(Activation::Tanh), bits);
//! let out = layers.apply("out", Dense::new(1).activation(Activation::Sigmoid), hidden);
//! let network = initialized(layers.build(&[out])?, 1, &Default::default())?;
//!
//! let inputs = Tensor::new(vec![4, 2], vec![0., 0., 0., 1., 1., 0., 1., 1.])?;
//! let targets = Tensor::new(vec![4, 1], vec![0., 1., 1., 0.])?;
//! let mut samples = Samples::new(vec![inputs], targets, 4)?;
//!
//! let adam = Optimizer::parse(&json!({"name": "adam", "learning_rate": 0.1}))?;
//! let mut options = TrainOptions::new(adam, Loss::parse(&"binary_crossentropy".into())?);
//! options.metrics.push(Metric::parse(&"accuracy".into())?);
//! options.epochs = 60;
//! let trained = fit(&network, &options, &mut samples, None, &mut |_| {})?;
//! assert_eq!(trained.history.last().unwrap().values["accuracy"], 1.0);
//! # Ok::<(), emberline_train::Error>(())
//! ```

mod checkpoint;
mod config;
mod data;
mod device;
mod error;
mod forward;
mod initializer;
mod loss;
mod metric;
mod optimizer;
mod options;
mod penalty;
mod random;
mod schedule;
mod trainer;
mod transfer;
mod trunk;
mod weights;
mod workers;

pub use self::{
    checkpoint::CheckpointOptions,
    data::{Batch, BatchIterator, Batches, Samples, shuffled_order},
    device::Device,
    error::{Error, Result},
    initializer::{Distribution, Fan, Initializer, initialized},
    loss::Loss,
    metric::Metric,
    optimizer::Optimizer,
    options::{EarlyStopping, LayerOptions, ReduceOnPlateau, TrainOptions},
    penalty::{Constraint, Regularizer},
    schedule::{LearningRate, Schedule},
    trainer::{Epoch, Event, Trained, evaluate, fit, predict},
    transfer::copy_weights,
    trunk::FrozenTrunk,
    workers::{WorkerListener, Workers},
};
