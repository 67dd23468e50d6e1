//! Deep-learning pipelines over tables of images.
//!
//! A [`Session`] reads folders of images into tables and answers SQL; a [`Pipeline`](ml::Pipeline) turns images into
//! features with a pretrained network and learns from them; the fitted pipeline is a SQL function. Everything here is
//! a name from one of the crates below, which hold the documentation.
//!
//! | module | what it has |
//! |---|---|
//! | the root | sessions, image tables, column functions |
//! | [`ml`] | pipelines, estimators, evaluators, tuning, saving |
//! | [`zoo`] | named networks, their cards, and the store of their weights |
//! | [`image`] | decoding, resizing, limits |
//! | [`net`] | networks as graphs of layers, and the runtimes that run them |
//!
//! ```no_run
//! use emberline::ml::{DeepImageFeaturizer, Functions, IfExists, LogisticRegression, Pipeline, StringIndexer, save};
//! use emberline::{LabelFrom, ReadOptions, Session};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let session = emberline::session(None);
//! let images = session.read_images("photos/", ReadOptions { label: LabelFrom::Folder, ..Default::default() }).await?;
//! let pipeline = Pipeline::new()
//!     .stage(StringIndexer::new().input_col("label").output_col("labelIndex"))
//!     .stage(DeepImageFeaturizer::new().input_col("image").output_col("features").model_name("EfficientNetLite0"))
//!     .stage(LogisticRegression::new().label_col("labelIndex").reg_param(0.01));
//! let model = pipeline.fit_model(&images).await?;
//! save(&model, "photos.ember".as_ref(), IfExists::Fail)?;
//! session.register_function("what_is_it", std::sync::Arc::new(model.as_function()?));
//! session.sql("SELECT origin, what_is_it(image) AS answer FROM read_images('new/')").await?.show().await?;
//! # Ok(()) }
//! ```

pub use emberline_image as image;
pub use emberline_ml as ml;
pub use emberline_net as net;
pub use emberline_table::{
    Blob, Blobs, CacheStats, ColumnFunction, Description, Digest, Evaluated, FeatureCache, FunctionKinds,
    FunctionResolver, ImageBuilder, ImageColumn, ImageInput, ImageTable, LabelFrom, ReadOptions, Report,
    RowCounts, RowError, Session, SessionOptions, Step, TableError, arrow, datafusion, evaluate, functions,
    image_type, load_function, save_function, write_parquet,
};
pub use emberline_zoo as zoo;

/// A session whose SQL knows saved models and named networks; `threads` is the number of cores by default.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), emberline::TableError> {
/// let session = emberline::session(Some(1));
/// let error = session.sql("CREATE FUNCTION f() LANGUAGE EMBERLINE AS 'NoSuchNetwork'").await.unwrap_err();
/// assert!(error.to_string().contains("EfficientNetLite0"));
/// # Ok(()) }
/// ```
pub fn session(threads: Option<usize>) -> Session {
    Session::with_options(SessionOptions { threads, functions: Some(std::sync::Arc::new(ml::Functions)) })
}

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
