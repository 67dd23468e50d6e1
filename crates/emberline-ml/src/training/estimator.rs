//! Networks as estimators.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::dataframe::DataFrame;
use emberline_table::functions::vector_type;
use emberline_table::{ColumnFunction, Digest};
use emberline_train::{Epoch, Trained};
use futures::channel::oneshot;
use futures::future::BoxFuture;

use super::examples::Examples;
use super::labels::LabelReader;
use super::model::{About, Learned, NetworkModel, NetworkTrainingSummary};
use super::phases::Job;
use super::prediction::Rule;
use super::settings::Settings;
use super::source::{ExampleSource, Images, Tensors, check_input, collect, input_columns};
use super::start::Start;
use super::workers::workers;
use crate::error::{MlError, Result};
use crate::params::{ParamMap, ParamSpec, Params, setters};
use crate::persistence::StageReader;
use crate::stage::{
    Estimator, Stage, Transformer, copied, fitted, input_field, named_field, with_new_fields,
};

/// News of a training in progress.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TrainingEvent {
    /// All rows are read and checked.
    Read(NetworkTrainingSummary),
    /// Frozen layers were run over so many of the examples.
    Features {
        /// Examples done.
        done: usize,
        /// All examples.
        of: usize,
    },
    /// A step is done.
    Step {
        /// The epoch, from 1.
        epoch: usize,
        /// The step within the epoch, from 1.
        step: usize,
        /// Steps in an epoch.
        steps: usize,
        /// The loss of the batch, before the step.
        loss: f64,
        /// The learning rate.
        learning_rate: f64,
    },
    /// An epoch is done.
    Epoch(Epoch),
}

/// Who wants to know how a training goes.
pub type TrainingObserver = Arc<dyn Fn(&TrainingEvent) + Send + Sync>;

/// A network, from a file or by name, that is trained on a column and labels.
///
/// Labels are whole numbers, texts (classes in alphabetic order) or one-hot vectors; one that is none of the network's outputs is
/// an error before anything is trained. Rows without a label, and those whose input can't be read, are left out and counted.
///
/// The table is read once: what the network takes goes to a temporary file, from which threads read and augment batches ahead
/// of the training steps, so that memory does not grow with the number of rows. The order of every epoch is a function of `seed`
/// and epoch, what happens to an image one of seed, epoch and row. With the same seed, the same rows in any order give the
/// same weights, up to the rounding of sums that several threads make.
#[derive(Clone)]
pub struct NetworkEstimator<S> {
    params: Params,
    observer: Option<TrainingObserver>,
    source: PhantomData<S>,
}

/// sparkdl's `KerasImageFileEstimator`: a Keras network that is trained on images, or a named network that is fine-tuned.
///
/// ```no_run
/// # async fn example(images: emberline_table::datafusion::dataframe::DataFrame) -> emberline_ml::Result<()> {
/// use emberline_ml::KerasImageFileEstimator;
/// let cnn = KerasImageFileEstimator::new()
///     .input_col("image")
///     .output_col("scores")
///     .label_col("label")
///     .model_file("my_cnn.keras")
///     .keras_optimizer("adam")
///     .keras_loss("categorical_crossentropy")
///     .keras_fit_params(r#"{"batch_size": 32, "epochs": 20, "validation_split": 0.1}"#)
///     .scale(1.0 / 255.0);
/// let model = cnn.fit_model(&images).await?;
/// println!("best epoch {} of {}", model.best_epoch(), model.history().len());
/// model.save_keras("trained.keras")?;
/// # Ok(()) }
/// ```
pub type KerasImageFileEstimator = NetworkEstimator<Images>;

/// A Keras network that is trained on a column of numbers, vectors or tensors, or on several columns (`inputCols`), one for
/// each of the network's inputs.
///
/// ```no_run
/// # async fn example(table: emberline_table::datafusion::dataframe::DataFrame) -> emberline_ml::Result<()> {
/// use emberline_ml::KerasEstimator;
/// let network = KerasEstimator::new()
///     .input_col("features")
///     .label_col("label")
///     .model_file("dense.keras")
///     .keras_loss("sparse_categorical_crossentropy")
///     .epochs(10);
/// let model = network.fit_model(&table).await?;
/// # Ok(()) }
/// ```
pub type KerasEstimator = NetworkEstimator<Tensors>;

impl<S: ExampleSource> NetworkEstimator<S> {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = S::PARAMS;

    /// An estimator with the default params.
    #[expect(clippy::new_without_default, reason = "each new stage has an uid of its own")]
    pub fn new() -> Self {
        Self { params: Params::new(S::KIND, S::PARAMS), observer: None, source: PhantomData }
    }

    /// Tells somebody how training goes; not saved.
    #[must_use]
    pub fn observer(mut self, observer: TrainingObserver) -> Self {
        self.observer = Some(observer);
        self
    }

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        Ok(Self { params: reader.params(S::PARAMS)?, observer: None, source: PhantomData })
    }

    /// Trains on the columns of inputs and labels; reads no other. With [`set_workers`](crate::set_workers), it is trained with
    /// others, on the rows of all.
    ///
    /// # Errors
    /// As [`Estimator::fit`]; and when the loss is no number any more, which names epoch, step and learning rate.
    pub async fn fit_model(&self, table: &DataFrame) -> Result<NetworkModel<S>> {
        let fitted = self.learn(table).await;
        if let (Err(_), Some(workers)) = (&fitted, workers()) {
            // They would wait for this one.
            workers.leave();
        }
        fitted
    }

    async fn learn(&self, table: &DataFrame) -> Result<NetworkModel<S>> {
        let params = &self.params;
        let schema = table.schema().as_arrow();
        let settings = Settings::read(params)?;
        let start = Start::read::<S>(params)?;
        self.check_columns(schema, &start)?;
        let labels = self.label_reader(schema, &start)?;
        let examples = collect::<S>(params, table, &start, &labels, settings.seed).await?;
        let summary = summary_of(&examples, settings.validation_split);
        if summary.examples == 0 {
            let reason =
                format!("all {} examples are held out by validation_split", summary.validation_examples);
            return Err(MlError::stage(params.uid(), reason));
        }
        self.tell(&TrainingEvent::Read(summary.clone()));
        let network = start.network(params, &settings, &examples.targets, examples.names.as_deref())?;
        let outputs: usize = network.output_shapes().first().map_or(0, |shape| shape.iter().product());
        let prediction = match (outputs, start.loss.shares) {
            (1, true) => Rule::Half,
            (1, false) => Rule::Value,
            _ => Rule::Greatest,
        };
        let pixels = start
            .pixels
            .as_ref()
            .map(|pixels| Ok::<_, MlError>(pixels.normalised()?.describe()))
            .transpose()?;
        let names = examples.names.clone();
        let checkpoints = self.checkpoints(&settings, &network, &examples);
        let trained = self.train(start, settings, network, examples, checkpoints.clone()).await?;
        if let Some(folder) = checkpoints.filter(|folder| folder.exists()) {
            // Nothing is left to go on from.
            std::fs::remove_dir_all(&folder).map_err(|error| MlError::saved(folder, error))?;
        }
        let about = About {
            history: trained.history,
            best_epoch: trained.best_epoch,
            stopped_early: trained.stopped_early,
            prediction,
            labels: names,
            pixels,
        };
        let learned = Learned { network: Arc::new(trained.network), about, summary: Some(summary) };
        Ok(NetworkModel::new(params, learned))
    }

    /// Trains on a thread of its own, so that whoever waits can stop waiting, which ends the training.
    async fn train(
        &self,
        start: Start,
        settings: Settings,
        network: emberline_net::Network,
        examples: Examples,
        checkpoints: Option<PathBuf>,
    ) -> Result<Trained> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let (mean, std) =
            start.pixels.as_ref().map_or(([0.0; 3], [1.0; 3]), |pixels| (pixels.mean, pixels.std));
        let observer = self.observer.clone();
        let job = Job {
            network,
            settings,
            loss: start.loss,
            layers: start.layers,
            examples: Arc::new(examples),
            mean,
            std,
            checkpoints,
            observer: Box::new(move |event| {
                if let Some(observer) = &observer {
                    observer(event);
                }
            }),
            cancelled: cancelled.clone(),
        };
        let _ends = Ends(cancelled);
        let (sender, receiver) = oneshot::channel();
        let uid = self.params.uid();
        thread::Builder::new()
            .name("training".into())
            .spawn(move || _ = sender.send(job.run()))
            .map_err(|error| MlError::stage(uid, format!("no thread to train on: {error}")))?;
        let trained = receiver.await.map_err(|_| MlError::stage(uid, "the training's thread has ended"))?;
        trained.map_err(|source| MlError::Training { stage: uid.to_owned(), source })
    }

    fn tell(&self, event: &TrainingEvent) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }

    fn check_columns(&self, schema: &Schema, start: &Start) -> Result<()> {
        let (param, inputs) = input_columns::<S>(&self.params)?;
        for input in &inputs {
            check_input::<S>(&self.params, named_field(&self.params, param, input, schema)?.as_ref())?;
        }
        self.label_reader(schema, start).map(|_| ())
    }

    fn label_reader(&self, schema: &Schema, start: &Start) -> Result<LabelReader> {
        let field = input_field(&self.params, "labelCol", schema)?;
        LabelReader::new(self.params.uid(), field.as_ref(), start.expected())
    }

    /// The folder of this run's checkpoints: of these params, this network and these examples.
    fn checkpoints(
        &self,
        settings: &Settings,
        network: &emberline_net::Network,
        examples: &Examples,
    ) -> Option<PathBuf> {
        let directory = &settings.checkpoint.as_ref()?.directory;
        let without =
            |name: &str| ["checkpointDir", "outputCol", "predictionCol", "errorCol"].contains(&name);
        let values = self.params.values().iter().filter(|(name, _)| !without(name));
        let values: Vec<String> = values.map(|(name, value)| format!("{name}={value}")).collect();
        let weights = network.weights_digest();
        let parts = [
            values.join("\n").into_bytes(),
            weights.as_bytes().to_vec(),
            examples.digest.as_bytes().to_vec(),
        ];
        let run = Digest::of_parts(parts.iter().map(Vec::as_slice)).to_string();
        Some(directory.join(run.get(..16).unwrap_or(&run)))
    }
}

/// Ends a training when nobody waits for it any more.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn summary_of(examples: &Examples, validation_split: f64) -> NetworkTrainingSummary {
    let validation_examples = examples.held_out(validation_split) as usize;
    NetworkTrainingSummary {
        examples: examples.order.len() - validation_examples,
        validation_examples,
        unlabelled_rows: examples.left_out.unlabelled,
        unreadable_rows: examples.left_out.unreadable,
        reasons: examples.left_out.reasons.clone(),
    }
}

/// Params, and what the file of the network holds: equal for estimators that learn the same.
impl<S: ExampleSource> fmt::Debug for NetworkEstimator<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.params.text_if_defined("modelFile").ok().flatten();
        let digest = file.and_then(|file| Digest::of_reader(std::fs::File::open(file).ok()?).ok());
        f.debug_struct(S::KIND).field("params", &self.params).field("model_digest", &digest).finish()
    }
}

impl<S: ExampleSource> Stage for NetworkEstimator<S> {
    fn kind(&self) -> &'static str {
        S::KIND
    }

    fn params(&self) -> &Params {
        &self.params
    }

    fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }
}

impl<S: ExampleSource> Estimator for NetworkEstimator<S> {
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        Settings::read(&self.params)?;
        let start = Start::read::<S>(&self.params)?;
        self.check_columns(schema, &start)?;
        // The head of a named network is made for the labels, whose number only rows say.
        let outputs = vector_type(start.outputs().unwrap_or(0));
        let mut fields: Vec<FieldRef> =
            vec![Arc::new(Field::new(self.params.text("outputCol")?, outputs, true))];
        if let Some(error) = self.params.text_if_defined("errorCol")? {
            fields.push(Arc::new(Field::new(error, DataType::Utf8, true)));
        }
        let prediction = self.params.text("predictionCol")?;
        if !prediction.is_empty() {
            fields.push(Arc::new(Field::new(prediction, DataType::Float64, true)));
        }
        with_new_fields(self.params.uid(), schema, fields)
    }

    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
        fitted(self.fit_model(table))
    }

    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>> {
        Ok(copied(self, extra)?)
    }
}

setters!(NetworkEstimator<S: ExampleSource> {
    input_col: &str => "inputCol", output_col: &str => "outputCol", prediction_col: &str => "predictionCol",
    error_col: &str => "errorCol", label_col: &str => "labelCol", model_file: &str => "modelFile",
    keras_optimizer: &str => "kerasOptimizer", keras_loss: &str => "kerasLoss", keras_metrics: Vec<String> => "kerasMetrics",
    keras_fit_params: &str => "kerasFitParams", learning_rate: f64 => "learningRate", batch_size: usize => "batchSize",
    epochs: usize => "epochs", seed: i64 => "seed", freeze_until: &str => "freezeUntil", head_epochs: usize => "headEpochs",
    learning_rate_factors: Vec<String> => "learningRateFactors", initial_weights: &str => "initialWeights",
    device: &str => "device", checkpoint_dir: &str => "checkpointDir",
});

setters!(KerasEstimator { input_cols: Vec<String> => "inputCols" });

setters!(KerasImageFileEstimator {
    model_name: &str => "modelName", output_mode: &str => "outputMode", channel_order: &str => "channelOrder",
    scale_hint: &str => "scaleHint", scale: f64 => "scale", offset: f64 => "offset", augmentation: &str => "augmentation",
});
