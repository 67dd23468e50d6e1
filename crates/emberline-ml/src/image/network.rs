//! From a network's name to a column function, once per process and setting.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use emberline_net::{ImageLayout, OnnxOptions, Pooling, default_runtime};
use emberline_table::functions::NetworkFunction;
use emberline_table::{Blob, FeatureCache};
use emberline_zoo::{Card, Cut, ModelStore};

use crate::error::{MlError, Result};
use crate::params::shared::{ERROR_COL, INPUT_COL, OUTPUT_COL};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamSpec, ParamValue, Params};
use crate::shared_functions::SharedFunctions;

pub(super) const COLUMNS: [ParamSpec; 3] = [INPUT_COL, OUTPUT_COL, ERROR_COL];

pub(super) const MODEL_NAME: ParamSpec =
    ParamSpec::new("modelName", ParamKind::Text, "a named network; `emberline models` lists them").required();

pub(super) const MODEL_FILE: ParamSpec = ParamSpec::new(
    "modelFile",
    ParamKind::Text,
    "a file with the network's weights (Keras' .h5, PyTorch's .pth, .safetensors), in place of those that the store fetches",
);

pub(crate) const SCALE_HINT: ParamSpec = ParamSpec::new(
    "scaleHint",
    ParamKind::Text,
    "how images are brought to the network's size; if it is not set, as the network's card says",
)
.constraint(Constraint::OneOf(&[
    "bilinear",
    "bicubic",
    "area",
    "nearest",
    "SCALE_AREA_AVERAGING",
    "SCALE_SMOOTH",
    "SCALE_DEFAULT",
    "SCALE_FAST",
    "SCALE_REPLICATE",
]));

pub(super) const BATCH_SIZE: ParamSpec =
    ParamSpec::new("batchSize", ParamKind::Int, "images per run of the network; does not change the answers")
        .default(ParamDefault::Int(NetworkFunction::BATCH_SIZE_DEFAULT as i64))
        .constraint(Constraint::Between(1.0, 1_024.0));

/// What a function is made of; equal settings share one function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Setting {
    pub(super) model: String,
    pub(super) file: Option<WeightsFile>,
    /// Where the network ends.
    pub(super) cut: Cut,
    pub(super) pooling: Option<&'static str>,
    /// The resizing rule's name, if it is not the card's.
    pub(super) resize: Option<String>,
    pub(super) batch_size: usize,
}

/// A file of the user's, as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct WeightsFile {
    path: String,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Setting {
    /// The settings that the stages over networks have in common.
    pub(super) fn of(params: &Params) -> Result<Self> {
        Ok(Self {
            model: params.text("modelName")?,
            file: params.text_if_defined("modelFile")?.map(WeightsFile::at),
            cut: Cut::Last,
            pooling: None,
            resize: params.text_if_defined("scaleHint")?,
            batch_size: params.count("batchSize")?,
        })
    }

    /// The card of the network.
    pub(super) fn card(&self, params: &Params) -> Result<&'static Card> {
        emberline_zoo::card(&self.model).map_err(|_| {
            let known: Vec<&str> = emberline_zoo::cards().iter().map(|card| card.name).collect();
            let expected = format!("one of {}", known.join(", "));
            params.wrong("modelName", expected, &ParamValue::Text(self.model.clone()))
        })
    }
}

impl WeightsFile {
    /// A file that is not there is told when it is read: a saved stage brings its network, and needs no file.
    pub(crate) fn at(path: String) -> Self {
        let metadata = std::fs::metadata(&path).ok();
        let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
        Self { bytes: metadata.map_or(0, |metadata| metadata.len()), modified, path }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// By setting and the cache's number: a function in use keeps the cache that it was made with.
static FUNCTIONS: SharedFunctions<(Setting, u64), NetworkFunction> = SharedFunctions::new();

/// The cache that functions made from now on look into, and how many there were before it.
static CACHE: Mutex<(Option<Arc<FeatureCache>>, u64)> = Mutex::new((None, 0));

/// Lets stages over images look their features up in a cache, and add new ones to it, from now on and in the whole
/// process; `None` for no cache, which is how a process starts.
///
/// ```
/// use std::sync::Arc;
/// use emberline_table::FeatureCache;
/// let dir = tempfile::tempdir().unwrap();
/// emberline_ml::set_feature_cache(Some(Arc::new(FeatureCache::open(dir.path(), 1 << 30).unwrap())));
/// # emberline_ml::set_feature_cache(None);
/// ```
pub fn set_feature_cache(cache: Option<Arc<FeatureCache>>) {
    let mut current = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    *current = (cache, current.1 + 1);
    FUNCTIONS.forget_latest();
}

/// The function of a setting; fetches the network's weights if the store has not got them.
pub(super) fn function(setting: &Setting, card: &'static Card, uid: &str) -> Result<Arc<NetworkFunction>> {
    let (cache, number) = CACHE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    FUNCTIONS.get(&(setting.clone(), number), || {
        let function = build(setting, card, uid)?;
        Ok(match cache {
            Some(cache) => function.with_cache(cache),
            None => function,
        })
    })
}

fn build(setting: &Setting, card: &'static Card, uid: &str) -> Result<NetworkFunction> {
    // Another core loads the runtime's library in the meantime.
    std::thread::spawn(default_runtime);
    let (card, mut network) = match &setting.file {
        Some(file) => card.load_file(&file.path, &setting.cut)?,
        None => (card, card.load(&ModelStore::open(), &setting.cut)?),
    };
    if let Some(pooling) = setting.pooling {
        network = network.pooled(pooling_of(pooling))?;
    }
    let network = network.fold_batch_norms()?;
    let outputs = match network.output_shapes()[..] {
        [shape] => shape.iter().product(),
        ref several => {
            return Err(MlError::stage(uid, format!("expected one output, found {}", several.len())));
        }
    };
    let onnx = network.to_onnx(&OnnxOptions { input_layout: ImageLayout::ChannelsFirst })?;
    let mut preprocessing = card.preprocessing.clone();
    if let Some(rule) = &setting.resize {
        preprocessing.resize =
            rule.parse().map_err(|e| MlError::stage(uid, format!("parameter `scaleHint`: {e}")))?;
    }
    let onnx = Blob::new(onnx.into());
    Ok(NetworkFunction::try_new(onnx, preprocessing, outputs, setting.batch_size, default_runtime())?)
}

pub(super) fn pooling_of(name: &str) -> Pooling {
    match name {
        "max" => Pooling::Max,
        "flatten" => Pooling::Flatten,
        "none" => Pooling::None,
        _ => Pooling::Avg,
    }
}
