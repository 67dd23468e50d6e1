//! A trained network as a stage.

use std::fs;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::datatypes::Schema;
use emberline_net::{Network, OnnxModel, OnnxOptions, default_runtime, keras};
use emberline_table::functions::{ModelFunction, PixelChannels};
use emberline_table::{Blob, ColumnFunction, Description, Step};
use emberline_train::Epoch;
use serde::{Deserialize, Serialize};

use super::prediction::{OutputClass, Rule};
use super::source::{ExampleSource, Images, Tensors, input_columns};
use crate::error::{MlError, Result};
use crate::functions::function_kinds;
use crate::model::over_images;
use crate::params::{ParamMap, ParamSpec, Params};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{Stage, Transformer, copied, named_field};

/// The file of the network in a saved model.
const NETWORK: &str = "network.keras";

/// A network that was trained: its weights, how its loss and metrics went, and its predictions.
///
/// Output: `outputCol` holds all numbers of the network's output as a vector (`Float32`), `predictionCol` the likeliest class, or
/// the number itself of a network that was not trained on classes. Null where the input can't be used (`errorCol` says why).
#[derive(Debug, Clone)]
pub struct NetworkModel<S> {
    params: Params,
    learned: Learned,
    /// Of the network's outputs as they are, and as vectors.
    functions: Arc<[OnceLock<Arc<ModelFunction>>; 2]>,
    source: PhantomData<S>,
}

/// A fitted [`KerasImageFileEstimator`](crate::KerasImageFileEstimator).
pub type KerasImageFileModel = NetworkModel<Images>;

/// A fitted [`KerasEstimator`](crate::KerasEstimator).
pub type KerasModel = NetworkModel<Tensors>;

/// What training gave.
#[derive(Debug, Clone)]
pub(super) struct Learned {
    pub(super) network: Arc<Network>,
    pub(super) about: About,
    pub(super) summary: Option<NetworkTrainingSummary>,
}

/// What is saved beside the network.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    pub(super) history: Vec<Epoch>,
    pub(super) best_epoch: usize,
    pub(super) stopped_early: bool,
    pub(super) prediction: Rule,
    /// The names of the classes.
    pub(super) labels: Option<Vec<String>>,
    /// The function from images to what the network takes.
    pub(super) pixels: Option<Description>,
}

/// What a network was trained on. It is not saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkTrainingSummary {
    /// Examples that it learned from.
    pub examples: usize,
    /// Examples that were held out by `validation_split`.
    pub validation_examples: usize,
    /// Rows left out because their label is null.
    pub unlabelled_rows: usize,
    /// Rows left out because their image or tensor is null or can't be read.
    pub unreadable_rows: usize,
    /// Why they can't be read, of the first ones.
    pub reasons: Vec<String>,
}

impl<S: ExampleSource> NetworkModel<S> {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = S::MODEL_PARAMS;

    pub(super) fn new(estimator: &Params, learned: Learned) -> Self {
        Self {
            params: Params::of_model(S::MODEL_KIND, S::MODEL_PARAMS, estimator),
            learned,
            functions: Arc::default(),
            source: PhantomData,
        }
    }

    /// The network with its trained weights.
    pub fn network(&self) -> &Network {
        &self.learned.network
    }

    /// Loss and metrics of every epoch, those of the validation with `val_` before their names.
    pub fn history(&self) -> &[Epoch] {
        &self.learned.about.history
    }

    /// The epoch, from 1, that was best by what early stopping watches, or by the loss, of the validation where there is one.
    pub fn best_epoch(&self) -> usize {
        self.learned.about.best_epoch
    }

    /// Whether early stopping ended the training.
    pub fn stopped_early(&self) -> bool {
        self.learned.about.stopped_early
    }

    /// The names of the classes, where labels have them.
    pub fn labels(&self) -> Option<&[String]> {
        self.learned.about.labels.as_deref()
    }

    /// What it was trained on; `None` for a model that was loaded.
    pub fn summary(&self) -> Option<&NetworkTrainingSummary> {
        self.learned.summary.as_ref()
    }

    /// The network as a `.keras` file, which Keras 3 opens.
    ///
    /// # Errors
    /// When Keras lacks one of its layers, which is named.
    pub fn to_keras(&self) -> Result<Vec<u8>> {
        Ok(self.learned.network.to_keras()?)
    }

    /// Writes the network as a `.keras` file.
    ///
    /// # Errors
    /// As [`to_keras`](Self::to_keras), and when the file can't be written.
    pub fn save_keras(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        fs::write(path, self.to_keras()?).map_err(|error| MlError::saved(path, error))
    }

    fn function(&self, flat: bool) -> Result<Arc<ModelFunction>> {
        let [whole, vectors] = self.functions.as_ref();
        let place = if flat { vectors } else { whole };
        if let Some(function) = place.get() {
            return Ok(function.clone());
        }
        let onnx = self.learned.network.fold_batch_norms()?.to_onnx(&OnnxOptions::default())?;
        let mut model = OnnxModel::from_bytes(&onnx, &Default::default())?;
        if flat {
            model = model.with_flat_outputs();
        }
        let onnx = Blob::new(model.with_f32_ports()?.to_bytes().into());
        let function = ModelFunction::try_new(onnx, ModelFunction::BATCH_SIZE_DEFAULT, default_runtime())?;
        Ok(place.get_or_init(|| Arc::new(function)).clone())
    }

    /// The function from the input columns to the output column; of images, `input` is the column.
    fn answers(&self, input: &str) -> Result<Arc<dyn ColumnFunction>> {
        let Some(pixels) = &self.learned.about.pixels else { return Ok(self.function(false)?) };
        let as_image = self.params.text("outputMode")? == "image";
        let tensor = function_kinds().rebuild(pixels, &Vec::<Blob>::new())?;
        let image = as_image.then_some(PixelChannels::Rgb);
        let function = over_images(input, tensor, self.function(!as_image)?, image);
        Ok(Arc::new(function.map_err(|reason| MlError::stage(self.params.uid(), reason))?))
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let bytes = reader.file(NETWORK)?;
        let model = keras::parse_model(bytes, &Default::default())?;
        let learned =
            Learned { network: Arc::new(model.network), about: reader.value("training")?, summary: None };
        Ok(Self {
            params: reader.params(S::MODEL_PARAMS)?,
            learned,
            functions: Arc::default(),
            source: PhantomData,
        })
    }
}

impl<S: ExampleSource> Stage for NetworkModel<S> {
    fn kind(&self) -> &'static str {
        S::MODEL_KIND
    }

    fn params(&self) -> &Params {
        &self.params
    }

    fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        writer.value("training", &self.learned.about)?;
        writer.file(NETWORK, &self.to_keras()?)
    }
}

impl<S: ExampleSource> Transformer for NetworkModel<S> {
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>> {
        self.params.validate()?;
        let (param, inputs) = input_columns::<S>(&self.params)?;
        inputs.iter().try_for_each(|input| named_field(&self.params, param, input, schema).map(drop))?;
        let output = self.params.text("outputCol")?;
        let prediction = self.params.text("predictionCol")?;
        let answers = self.answers(inputs.first().map_or("", String::as_str))?;
        let answers = Step::new(answers, inputs, [output.clone()]);
        let mut steps = vec![answers.with_error(self.params.text_if_defined("errorCol")?)];
        let as_image = S::IMAGES && self.params.text("outputMode")? == "image";
        if !prediction.is_empty() && !as_image {
            let About { prediction: rule, labels, .. } = &self.learned.about;
            let class = OutputClass { rule: *rule, labels: labels.clone() };
            steps.push(Step::new(Arc::new(class), [output], [prediction]));
        }
        Ok(steps)
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
        Ok(copied(self, extra)?)
    }
}
