//! Training against Keras' own numbers, and what a run promises: the same weights again, errors that name what is wrong.

mod checkpoint;
mod description;
mod formula;
mod keras;
mod settings;
mod training;
