//! Tests of image tables, functions and SQL against real files.

mod evaluate;
mod feature_cache;
mod functions;
mod new_folder;
mod pictures;
mod reader;
mod remote;
mod sql;
mod together;
