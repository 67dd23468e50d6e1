//! Tests of stages against references and against their promises.

mod conformance;
mod features;
mod linear;
mod metrics;
mod models;
mod persistence;
mod pictures;
mod pipeline;
mod predictors;
mod stages;
mod training;
mod tuning;
