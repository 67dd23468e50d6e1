//! The params of training, and what they say, read at once.

use std::collections::BTreeMap;

use emberline_net::keras::Training;
use emberline_train::{
    CheckpointOptions, Device, EarlyStopping, LearningRate, Loss, Metric, Optimizer, ReduceOnPlateau,
    TrainOptions,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::augment::Augmentation;
use crate::error::{MlError, Result};
use crate::features::columns;
use crate::image::SCALE_HINT;
use crate::params::shared::{
    ERROR_COL, INPUT_COL, INPUT_COLS as COLUMNS, LABEL_COL, OUTPUT_COL, PREDICTION_COL, SEED,
};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamSpec, ParamValue, Params};

const INPUT_COLS: ParamSpec = ParamSpec::new(
    COLUMNS.name,
    ParamKind::Texts,
    "in place of inputCol, a column for each of the network's inputs, in their order",
);
const MODEL_FILE: ParamSpec = ParamSpec::new(
    "modelFile",
    ParamKind::Text,
    "the Keras file (.keras, .h5) of the network that training begins with; with modelName, a file with that network's weights",
);
const MODEL_NAME: ParamSpec = ParamSpec::new(
    "modelName",
    ParamKind::Text,
    "a named network to fine-tune, in place of modelFile: it gets a new head, a Dense layer called `head` with a softmax over the labels",
);
const OPTIMIZER: ParamSpec = ParamSpec::new(
    "kerasOptimizer",
    ParamKind::Json,
    "Keras' name of an optimizer, or its configuration as JSON, such as {\"name\": \"adam\", \"learning_rate\": 0.001}",
)
.default(ParamDefault::Text("adam"));
const LOSS: ParamSpec = ParamSpec::new(
    "kerasLoss",
    ParamKind::Json,
    "Keras' name of a loss, or its configuration as JSON; if it is not set, the loss that the file was compiled with, and of a \
     named network categorical_crossentropy",
);
const METRICS: ParamSpec = ParamSpec::new(
    "kerasMetrics",
    ParamKind::Texts,
    "Keras' names of metrics; if it is not set, accuracy where the loss is a crossentropy",
);
const FIT_PARAMS: ParamSpec = ParamSpec::new(
    "kerasFitParams",
    ParamKind::Json,
    "arguments of Keras' fit as JSON: batch_size, epochs, validation_split, class_weight, shuffle, verbose, and callbacks \
     (EarlyStopping, ReduceLROnPlateau, BackupAndRestore), each {\"class_name\": ..., \"config\": {...}}",
)
.default(ParamDefault::Text("{\"verbose\": 1}"));
const LEARNING_RATE: ParamSpec =
    ParamSpec::new("learningRate", ParamKind::Double, "the learning rate, in place of kerasOptimizer's")
        .constraint(Constraint::Inside(0.0, f64::INFINITY));
const BATCH_SIZE: ParamSpec =
    ParamSpec::new("batchSize", ParamKind::Int, "examples per step, in place of kerasFitParams' batch_size")
        .constraint(Constraint::Between(1.0, 1_048_576.0));
const EPOCHS: ParamSpec = ParamSpec::new(
    "epochs",
    ParamKind::Int,
    "how often all examples are seen, in place of kerasFitParams' epochs",
)
.constraint(Constraint::AtLeast(0.0));
const FREEZE_UNTIL: ParamSpec = ParamSpec::new(
    "freezeUntil",
    ParamKind::Text,
    "the first layer that trains: those before it keep their weights, beside those that the file says are not trainable",
);
const HEAD_EPOCHS: ParamSpec = ParamSpec::new(
    "headEpochs",
    ParamKind::Int,
    "a first phase of so many epochs in which only the last layer with weights trains; epochs follow with all that may",
)
.default(ParamDefault::Int(0))
.constraint(Constraint::AtLeast(0.0));
const LEARNING_RATE_FACTORS: ParamSpec = ParamSpec::new(
    "learningRateFactors",
    ParamKind::Texts,
    "groups of layers that learn slower or faster, as `layer=factor`: a group begins at its layer and ends before the next one's",
);
const INITIAL_WEIGHTS: ParamSpec = ParamSpec::new(
    "initialWeights",
    ParamKind::Json,
    "layers whose weights come from elsewhere, as JSON {\"layer\": \"network/layer\"}, of a named network or a Keras file",
);
const DEVICE: ParamSpec = ParamSpec::new(
    "device",
    ParamKind::Text,
    "where it is computed: cpu, or cuda, metal, vulkan where they were built in",
)
.default(ParamDefault::Text("cpu"));
const CHECKPOINT_DIR: ParamSpec = ParamSpec::new(
    "checkpointDir",
    ParamKind::Text,
    "a folder where a run leaves what it goes on from if it is killed, after every epoch; each run has a folder of its own there",
);
const CHANNEL_ORDER: ParamSpec = ParamSpec::new(
    "channelOrder",
    ParamKind::Text,
    "the channels that the network takes: RGB, BGR or L (gray); if it is not set, RGB of three and L of one",
)
.constraint(Constraint::OneOf(&["L", "RGB", "BGR"]));
const SCALE: ParamSpec = ParamSpec::new(
    "scale",
    ParamKind::Double,
    "pixels from 0 to 255 are multiplied by it, as Keras' Rescaling does; named networks have a preprocessing of their own",
)
.default(ParamDefault::Double(1.0));
const OFFSET: ParamSpec =
    ParamSpec::new("offset", ParamKind::Double, "added to pixels after they are multiplied by scale")
        .default(ParamDefault::Double(0.0));
const AUGMENTATION: ParamSpec = ParamSpec::new(
    "augmentation",
    ParamKind::Json,
    "what happens to training images, anew in every epoch, as JSON: horizontal_flip, vertical_flip (true), crop, brightness, \
     contrast, saturation (shares), rotation (degrees), mixup (alpha)",
);
const OUTPUT_MODE: ParamSpec = ParamSpec::new(
    "outputMode",
    ParamKind::Text,
    "whether the output is a vector, or an image of the output's height and width; training does not depend on it",
)
.default(ParamDefault::Text("vector"))
.constraint(Constraint::OneOf(&["vector", "image"]));
const PREDICTION: ParamSpec = ParamSpec::new(
    PREDICTION_COL.name,
    ParamKind::Text,
    "column of the likeliest class, or of the number that a network with one output for values predicts; none if empty",
)
.default(ParamDefault::Text("prediction"));

pub(super) const MODEL_TENSORS: [ParamSpec; 5] =
    [columns::INPUT_COL, INPUT_COLS, OUTPUT_COL, PREDICTION, ERROR_COL];
pub(super) const MODEL_IMAGE: [ParamSpec; 5] = [INPUT_COL, OUTPUT_COL, PREDICTION, ERROR_COL, OUTPUT_MODE];
/// What both estimators have beside their inputs.
const COMMON: [ParamSpec; 19] = [
    OUTPUT_COL,
    PREDICTION,
    ERROR_COL,
    LABEL_COL,
    MODEL_FILE,
    OPTIMIZER,
    LOSS,
    METRICS,
    FIT_PARAMS,
    LEARNING_RATE,
    BATCH_SIZE,
    EPOCHS,
    SEED,
    FREEZE_UNTIL,
    HEAD_EPOCHS,
    LEARNING_RATE_FACTORS,
    INITIAL_WEIGHTS,
    DEVICE,
    CHECKPOINT_DIR,
];
pub(super) const TENSORS: [ParamSpec; 21] = joined(&[&[columns::INPUT_COL, INPUT_COLS], &COMMON]);
pub(super) const IMAGE: [ParamSpec; 27] = joined(&[
    &[INPUT_COL],
    &COMMON,
    &[OUTPUT_MODE, MODEL_NAME, CHANNEL_ORDER, SCALE_HINT, SCALE, OFFSET, AUGMENTATION],
]);

/// Tables one after the other.
const fn joined<const N: usize>(tables: &[&[ParamSpec]]) -> [ParamSpec; N] {
    let mut all = [INPUT_COL; N];
    let (mut table, mut place) = (0, 0);
    while table < tables.len() {
        let mut i = 0;
        while i < tables[table].len() {
            all[place] = tables[table][i];
            (place, i) = (place + 1, i + 1);
        }
        table += 1;
    }
    all
}

/// What the params say, whatever the network.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) optimizer: Optimizer,
    pub(super) metrics: Option<Vec<Metric>>,
    pub(super) batch_size: usize,
    pub(super) epochs: usize,
    pub(super) head_epochs: usize,
    pub(super) validation_split: f64,
    pub(super) class_weights: BTreeMap<usize, f64>,
    pub(super) shuffle: bool,
    pub(super) seed: u64,
    pub(super) freeze_until: Option<String>,
    /// In the order given: a layer and the factor from there on.
    pub(super) factors: Vec<(String, f64)>,
    /// By layers, where their weights come from.
    pub(super) initial_weights: BTreeMap<String, String>,
    pub(super) augmentation: Augmentation,
    pub(super) device: Device,
    pub(super) early_stopping: Option<EarlyStopping>,
    pub(super) reduce_on_plateau: Option<ReduceOnPlateau>,
    pub(super) checkpoint: Option<CheckpointOptions>,
}

/// The loss, and what it takes.
#[derive(Debug, Clone)]
pub(super) struct ChosenLoss {
    pub(super) loss: Loss,
    /// Whether it compares shares of classes, from 0 to 1.
    pub(super) shares: bool,
}

/// The keys of `kerasFitParams`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FitParams {
    batch_size: usize,
    epochs: usize,
    validation_split: f64,
    class_weight: Option<BTreeMap<String, f64>>,
    shuffle: bool,
    /// What Keras prints; here whoever watches is told everything.
    #[serde(rename = "verbose")]
    _verbose: Value,
    callbacks: Vec<Callback>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Callback {
    class_name: String,
    #[serde(default)]
    config: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Backup {
    backup_dir: String,
    #[serde(default)]
    save_freq: Value,
}

impl Default for FitParams {
    fn default() -> Self {
        Self {
            batch_size: 32,
            epochs: 1,
            validation_split: 0.0,
            class_weight: None,
            shuffle: true,
            _verbose: Value::Null,
            callbacks: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads and checks all params that do not depend on the network.
    pub(super) fn read(params: &Params) -> Result<Self> {
        params.validate()?;
        let reader = Reader { params };
        let fit: FitParams = reader.object("kerasFitParams")?;
        let mut optimizer = Optimizer::parse(&reader.json("kerasOptimizer")?)
            .map_err(|e| reader.failed("kerasOptimizer", e))?;
        if params.is_set("learningRate") {
            optimizer = optimizer.with_learning_rate(LearningRate::Constant(params.double("learningRate")?));
        }
        if !(0.0..1.0).contains(&fit.validation_split) {
            let reason = format!(
                "`validation_split`: expected at least 0 and less than 1, found {}",
                fit.validation_split
            );
            return Err(reader.failed("kerasFitParams", reason));
        }
        let number = |param: &str, given: usize| match params.is_set(param) {
            true => params.count(param),
            false => Ok(given),
        };
        let metric = |name: &String| {
            Metric::parse(&name.as_str().into()).map_err(|e| reader.failed("kerasMetrics", e))
        };
        let augmentation: Augmentation = match params.is_set("augmentation") {
            true => reader.object("augmentation")?,
            false => Augmentation::default(),
        };
        augmentation.check().map_err(|reason| reader.failed("augmentation", reason))?;
        let initial_weights = match params.is_set("initialWeights") {
            true => reader.object("initialWeights")?,
            false => BTreeMap::new(),
        };
        let device = params.text("device")?;
        let mut settings = Self {
            optimizer,
            metrics: params
                .texts_if_defined("kerasMetrics")?
                .map(|names| names.iter().map(metric).collect::<Result<_>>())
                .transpose()?,
            batch_size: number("batchSize", fit.batch_size)?,
            epochs: number("epochs", fit.epochs)?,
            head_epochs: params.count("headEpochs")?,
            validation_split: fit.validation_split,
            class_weights: reader.class_weights(fit.class_weight.as_ref())?,
            shuffle: fit.shuffle,
            seed: params.int("seed")?.cast_unsigned(),
            freeze_until: params.text_if_defined("freezeUntil")?,
            factors: reader.factors()?,
            initial_weights,
            augmentation,
            device: Device::parse(&device).map_err(|e| reader.failed("device", e))?,
            early_stopping: None,
            reduce_on_plateau: None,
            checkpoint: params.text_if_defined("checkpointDir")?.map(CheckpointOptions::new),
        };
        if settings.batch_size == 0 {
            return Err(reader.failed("kerasFitParams", "`batch_size`: expected at least 1, found 0"));
        }
        if settings.epochs + settings.head_epochs == 0 {
            return Err(reader.failed("epochs", "expected at least 1 with headEpochs, found 0"));
        }
        for callback in &fit.callbacks {
            settings.add(callback, &reader)?;
        }
        Ok(settings)
    }

    fn add(&mut self, callback: &Callback, reader: &Reader<'_>) -> Result<()> {
        let failed = |error: &dyn std::fmt::Display| reader.failed("kerasFitParams", error);
        let config = Value::Object(callback.config.clone());
        match callback.class_name.as_str() {
            "EarlyStopping" => {
                self.early_stopping = Some(EarlyStopping::parse(&config).map_err(|e| failed(&e))?);
            }
            "ReduceLROnPlateau" => {
                self.reduce_on_plateau = Some(ReduceOnPlateau::parse(&config).map_err(|e| failed(&e))?);
            }
            "BackupAndRestore" => {
                let backup: Backup = serde_json::from_value(config).map_err(|e| failed(&e))?;
                let every_steps = match &backup.save_freq {
                    Value::Null => None,
                    Value::String(epoch) if epoch == "epoch" => None,
                    Value::Number(steps) if steps.as_u64().is_some_and(|steps| steps > 0) => steps.as_u64(),
                    found => {
                        let reason =
                            format!("`save_freq`: expected \"epoch\" or a number of steps, found {found}");
                        return Err(failed(&reason));
                    }
                };
                let directory =
                    self.checkpoint.take().map_or(backup.backup_dir.into(), |given| given.directory);
                self.checkpoint =
                    Some(CheckpointOptions { every_steps, ..CheckpointOptions::new(directory) });
            }
            other => {
                let reason = format!(
                    "`callbacks`: expected EarlyStopping, ReduceLROnPlateau or BackupAndRestore, found {other}"
                );
                return Err(failed(&reason));
            }
        }
        Ok(())
    }

    /// The options of training, for a loss.
    pub(super) fn options(&self, loss: &ChosenLoss) -> TrainOptions {
        let mut options = TrainOptions::new(self.optimizer.clone(), loss.loss.clone());
        options.metrics = match &self.metrics {
            Some(metrics) => metrics.clone(),
            None if loss.shares => Metric::parse(&"accuracy".into()).into_iter().collect(),
            None => Vec::new(),
        };
        options.epochs = self.epochs;
        options.seed = self.seed;
        options.device = self.device.clone();
        options.class_weights = self.class_weights.clone();
        options.freeze_until = self.freeze_until.clone();
        options.early_stopping = self.early_stopping.clone();
        options.reduce_on_plateau = self.reduce_on_plateau.clone();
        options
    }
}

impl ChosenLoss {
    /// The loss that the params name, or that the file was compiled with.
    pub(super) fn of(params: &Params, compiled: Option<&Training>) -> Result<Self> {
        let reader = Reader { params };
        let named = params.is_set("modelName").then(|| Value::from("categorical_crossentropy"));
        let compiled = compiled.map(|training| training.loss.clone()).filter(|loss| !loss.is_null());
        let Some(value) = params.json_if_defined("kerasLoss")?.or(named).or(compiled) else {
            let reason = "expected a loss, since the file was not compiled with one; found none";
            return Err(reader.failed("kerasLoss", reason));
        };
        let loss = Loss::parse(&value).map_err(|error| reader.failed("kerasLoss", error))?;
        let shares = format!("{value}").to_lowercase().contains("crossentropy");
        Ok(Self { loss, shares })
    }
}

/// Reads params that hold JSON.
struct Reader<'a> {
    params: &'a Params,
}

impl Reader<'_> {
    fn failed(&self, param: &str, error: impl std::fmt::Display) -> MlError {
        MlError::stage(self.params.uid(), format!("parameter `{param}`: {error}"))
    }

    fn json(&self, param: &str) -> Result<Value> {
        Ok(self.params.json_if_defined(param)?.unwrap_or(Value::Null))
    }

    fn object<T: for<'de> Deserialize<'de>>(&self, param: &str) -> Result<T> {
        serde_json::from_value(self.json(param)?).map_err(|error| self.failed(param, error))
    }

    fn class_weights(&self, given: Option<&BTreeMap<String, f64>>) -> Result<BTreeMap<usize, f64>> {
        let one = |(class, weight): (&String, &f64)| match class.parse() {
            Ok(class) if *weight >= 0.0 && weight.is_finite() => Ok((class, *weight)),
            _ => {
                let reason = format!(
                    "`class_weight`: expected numbers of classes and weights from 0, found {class}: {weight}"
                );
                Err(self.failed("kerasFitParams", reason))
            }
        };
        given.into_iter().flatten().map(one).collect()
    }

    fn factors(&self) -> Result<Vec<(String, f64)>> {
        let texts = self.params.texts_if_defined("learningRateFactors")?.unwrap_or_default();
        let one = |text: &String| {
            let parts =
                text.rsplit_once('=').and_then(|(layer, factor)| Some((layer, factor.parse::<f64>().ok()?)));
            match parts.filter(|(_, factor)| *factor >= 0.0 && factor.is_finite()) {
                Some((layer, factor)) => Ok((layer.to_owned(), factor)),
                None => {
                    let found = ParamValue::Texts(vec![text.clone()]);
                    Err(self.params.wrong(
                        "learningRateFactors",
                        "texts `layer=factor` with factors from 0",
                        &found,
                    ))
                }
            }
        };
        texts.iter().map(one).collect()
    }
}
