//! Tests of stages against references and against their promises.

mod conformance;
mod linear;
mod metrics;
mod persistence;
mod pictures;
mod pipeline;
mod predictors;
mod stages;
mod tuning;
