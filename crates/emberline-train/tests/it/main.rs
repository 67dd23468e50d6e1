//! Training against Keras' own numbers, and what a run promises: the same weights again, errors that name what is wrong.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "what tests are made of fails as tests do, and lists every case"
)]

mod checkpoint;
mod description;
mod formula;
mod keras;
mod settings;
mod training;
mod trunk;
mod workers;
