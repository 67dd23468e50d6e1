//! Tests of image tables, functions and SQL against real files.

mod evaluate;
mod functions;
mod pictures;
mod reader;
mod remote;
mod sql;
mod together;
