//! Stages over images: the named networks as featurizers and as predictors.

mod featurizer;
mod network;
mod predictor;

pub use featurizer::DeepImageFeaturizer;
pub use network::set_feature_cache;
pub(crate) use network::{SCALE_HINT, WeightsFile};
pub use predictor::DeepImagePredictor;
