//! Learning by keeping the rows: what is like a row answers for it.

mod classifier;
mod search;
mod similar_images;

pub(crate) use classifier::Voters;
pub use classifier::{KNearestNeighborsClassifier, KNearestNeighborsClassifierModel};
pub(crate) use similar_images::{SIMILAR_IMAGES, rebuild as rebuild_similar_images};
pub use similar_images::{SimilarImages, SimilarImagesModel};
