//! `emberline fit`: a user's own network trained on a folder of images, or a named one fine-tuned.
//!
//! Rows that are held out are chosen first and take part in nothing but the last measurement. Several settings are compared on a
//! fifth of the others; the best one is then trained on all of these and saved. What is kept in memory of an image is its
//! address.

mod curves;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use clap::{ArgGroup, Args};
use emberline::datafusion::dataframe::DataFrame;
use emberline::datafusion::prelude::ident;
use emberline::ml::{
    Epoch, Evaluator, IfExists, KerasImageFileEstimator, KerasImageFileModel, Ledger,
    MulticlassClassificationEvaluator, ParamGridBuilder, ParamMap, PipelineModel, Stage, StringIndexer,
    TrainValidationSplit, TrainingEvent, TrainingObserver, Transformer, downcast, save,
};
use serde::Serialize;

use crate::featurize::check_out;
use crate::images::ImagesArgs;
use crate::network::ready;
use crate::progress::Progress;
use crate::summary::BadImages;
use crate::train::held_out::hold_out;
use crate::train::{LABEL_INDEX, check_labels};
use crate::{Common, output};

/// The column of addresses.
const FILE: &str = "file";
/// The share of the rows that candidates learn from; the others compare them.
const TRAIN_RATIO: f64 = 0.8;

/// What `emberline fit --help` says after the options.
const DETAILS: &str = "\
A run that is killed goes on from its last epoch when the same command is given again; with --resume, candidates that
were measured are not measured again. The network's own file is not changed.";

/// `emberline fit`.
#[derive(Debug, Args)]
#[command(after_help = DETAILS)]
#[command(group = ArgGroup::new("start").required(true).args(["network", "fine_tune"]))]
pub(crate) struct FitArgs {
    #[command(flatten)]
    images: ImagesArgs,
    /// A Keras file (.keras, .h5) of the network to train
    #[arg(long, value_name = "FILE")]
    network: Option<String>,
    /// A named network to fine-tune: it gets a new head for the labels
    #[arg(long, value_name = "NAME")]
    fine_tune: Option<String>,
    /// Keras' name of an optimizer, or its configuration as JSON
    #[arg(long, value_name = "NAME|JSON", default_value = "adam")]
    optimizer: String,
    /// Keras' name of a loss, or its configuration as JSON [default: the one the file was compiled with]
    #[arg(long, value_name = "NAME|JSON")]
    loss: Option<String>,
    /// The learning rates to try [default: the optimizer's]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    learning_rate: Vec<f64>,
    /// The numbers of images per step to try
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "32")]
    batch_size: Vec<usize>,
    /// How often all images are seen
    #[arg(long, value_name = "N", default_value_t = 10)]
    epochs: usize,
    /// Before that, epochs in which the last layer with weights trains alone
    #[arg(long, value_name = "N", default_value_t = 0)]
    head_epochs: usize,
    /// The first layer that trains
    #[arg(long, value_name = "LAYER")]
    freeze_until: Option<String>,
    /// What pixels from 0 to 255 are multiplied by, such as 0.00392156862745098 for networks that want 0 to 1
    #[arg(long, value_name = "NUMBER", conflicts_with = "fine_tune")]
    scale: Option<f64>,
    /// What happens to images anew in every epoch, such as {"horizontal_flip": true, "rotation": 10}
    #[arg(long, value_name = "JSON")]
    augment: Option<String>,
    /// Where it is computed: cpu, or cuda, metal, vulkan where they were built in
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// The share of images held out of training, to measure on
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = crate::train::share)]
    test_ratio: f64,
    /// Chooses other images to hold out, and another order of training; the same seed chooses the same
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Take what earlier commands measured from the ledger instead of measuring it again
    #[arg(long)]
    resume: bool,
    /// The folder to save the model in, such as trained.ember
    #[arg(long, value_name = "MODEL.ember")]
    out: PathBuf,
    /// Replace the model if it exists
    #[arg(long)]
    overwrite: bool,
    /// Also write the trained network as a file that Keras opens
    #[arg(long, value_name = "FILE.keras")]
    keras: Option<PathBuf>,
    /// Also draw loss and metrics against the epochs, as SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// The answer of `emberline fit --json`.
#[derive(Debug, Serialize)]
struct FitReport {
    images: u64,
    trained_on: usize,
    candidates: Vec<Candidate>,
    /// The place of the best candidate.
    best: usize,
    /// Of the saved model, every epoch.
    history: Vec<Epoch>,
    best_epoch: usize,
    /// Accuracy on the images held out; not with `--test-ratio 0`.
    accuracy: Option<f64>,
    held_out: usize,
    seconds: f64,
    out: PathBuf,
    keras: Option<PathBuf>,
    plot: Option<PathBuf>,
    bad_images: BadImages,
}

#[derive(Debug, Serialize)]
struct Candidate {
    learning_rate: Option<f64>,
    batch_size: usize,
    /// On the rows that compare candidates; of a single one, nothing is compared.
    accuracy: Option<f64>,
    error: Option<String>,
}

pub(crate) async fn run(args: FitArgs, common: Common) -> Result<()> {
    check_out(&args.out, args.overwrite)?;
    let started = Instant::now();
    let session = common.session();
    let images = args.images.open(&session).await?;
    check_labels(&args.images, &images)?;
    if let Some(name) = &args.fine_tune {
        ready(name, None).await?;
    }
    let files = images.files;
    let columns = vec![ident("origin").alias(FILE), ident(&images.label).alias("label")];
    let table = images.table.select(columns)?.filter(ident("label").is_not_null())?;
    let indexer =
        StringIndexer::new().input_col("label").output_col(LABEL_INDEX).string_order_type("alphabetAsc");
    let indexer = indexer.fit_model(&table).await?;
    let table = indexer.transform(table)?;
    let (train, test) = hold_out(&table, args.test_ratio, args.seed).await?;
    session.report().reset();

    let watcher = Arc::new(Watcher::default());
    let (best, model, candidates) = fitted(&args, &train, watcher.observer()).await?;
    watcher.end();
    // The saved model takes images, in whatever form.
    let mut takes_images = ParamMap::default();
    takes_images.put(model.params().param("inputCol")?, "image");
    let trained: Arc<dyn Transformer> = Transformer::copy(&model, &takes_images)?;
    let failed_before = session.report().counts().failed;
    let accuracy = match &test {
        Some(test) => {
            let _progress = Progress::waiting("Measuring".into());
            Some(evaluator().evaluate(&model.transform(test.clone())?).await?)
        }
        None => None,
    };
    let held_out = match test {
        Some(test) => test.count().await?,
        None => 0,
    };
    let unreadable = model.summary().map_or(0, |summary| summary.unreadable_rows as u64);
    let bad = unreadable + session.report().counts().failed - failed_before;
    let bad_images = BadImages::of_passes(session.report(), files, bad);
    let if_exists = if args.overwrite { IfExists::Overwrite } else { IfExists::Fail };
    save(&PipelineModel::new(vec![Arc::new(indexer), trained]), &args.out, if_exists)?;
    if let Some(path) = &args.keras {
        model.save_keras(path)?;
    }
    if let Some(path) = &args.plot {
        curves::draw(model.history(), path)?;
    }
    let report = FitReport {
        images: files,
        trained_on: model.summary().map_or(0, |summary| summary.examples),
        candidates,
        best,
        history: model.history().to_vec(),
        best_epoch: model.best_epoch(),
        accuracy,
        held_out,
        seconds: started.elapsed().as_secs_f64(),
        out: args.out,
        keras: args.keras,
        plot: args.plot,
        bad_images,
    };
    if common.json { output::json(&report) } else { report.print() }
}

fn evaluator() -> MulticlassClassificationEvaluator {
    MulticlassClassificationEvaluator::new().label_col(LABEL_INDEX).metric_name("accuracy")
}

/// The best candidate's place, its model, and all candidates.
async fn fitted(
    args: &FitArgs,
    train: &DataFrame,
    observer: TrainingObserver,
) -> Result<(usize, KerasImageFileModel, Vec<Candidate>)> {
    let estimator = estimator(args).observer(observer);
    let params = estimator.params();
    let mut grid = ParamGridBuilder::new();
    if !args.learning_rate.is_empty() {
        grid = grid.add_grid(params.param("learningRate")?, args.learning_rate.iter().copied());
    }
    let grid = grid.add_grid(params.param("batchSize")?, args.batch_size.iter().copied()).build();
    let rates: Vec<Option<f64>> = match args.learning_rate.as_slice() {
        [] => vec![None],
        rates => rates.iter().copied().map(Some).collect(),
    };
    // In the grid's order: what was added last varies fastest.
    let settings = rates.iter().flat_map(|rate| args.batch_size.iter().map(move |size| (*rate, *size)));
    let candidate =
        |(learning_rate, batch_size)| Candidate { learning_rate, batch_size, accuracy: None, error: None };
    let mut candidates: Vec<Candidate> = settings.map(candidate).collect();
    if let [only] = grid.as_slice() {
        let mut estimator = estimator;
        estimator.params_mut().extend(only)?;
        return Ok((0, estimator.fit_model(train).await?, candidates));
    }
    let ledger = Ledger::open(&Ledger::default_path())?;
    let ledger = if args.resume { ledger } else { ledger.recording_only() };
    let found = TrainValidationSplit::new(Arc::new(estimator), grid, Arc::new(evaluator()))
        .train_ratio(TRAIN_RATIO)
        .seed(args.seed.cast_signed())
        .ledger(Arc::new(ledger))
        .fit_model(train)
        .await?;
    for ((candidate, metric), error) in
        candidates.iter_mut().zip(&found.validation_metrics).zip(&found.errors)
    {
        candidate.accuracy = metric.is_finite().then_some(*metric);
        candidate.error.clone_from(error);
    }
    let model: Option<&KerasImageFileModel> = downcast(found.best_model.as_ref());
    let model = model.ok_or_else(|| anyhow::anyhow!("the best model is none of this command's"))?.clone();
    Ok((found.best_index, model, candidates))
}

fn estimator(args: &FitArgs) -> KerasImageFileEstimator {
    let checkpoints = Ledger::default_path().with_file_name("training");
    let mut estimator = KerasImageFileEstimator::new()
        .input_col(FILE)
        .output_col("scores")
        .label_col(LABEL_INDEX)
        .keras_optimizer(&args.optimizer)
        .epochs(args.epochs)
        .head_epochs(args.head_epochs)
        .device(&args.device)
        .checkpoint_dir(&checkpoints.display().to_string())
        .seed(args.seed.cast_signed());
    if let Some(file) = &args.network {
        estimator = estimator.model_file(file);
    }
    if let Some(name) = &args.fine_tune {
        estimator = estimator.model_name(name);
    }
    if let Some(loss) = &args.loss {
        estimator = estimator.keras_loss(loss);
    }
    if let Some(layer) = &args.freeze_until {
        estimator = estimator.freeze_until(layer);
    }
    if let Some(scale) = args.scale {
        estimator = estimator.scale(scale);
    }
    if let Some(augmentation) = &args.augment {
        estimator = estimator.augmentation(augmentation);
    }
    estimator
}

/// Shows how training goes.
#[derive(Default)]
struct Watcher {
    bar: Mutex<Option<Progress>>,
}

impl Watcher {
    fn observer(self: &Arc<Self>) -> TrainingObserver {
        let watcher = self.clone();
        let lasts = Mutex::new(String::new());
        Arc::new(move |event| {
            let mut bar = watcher.bar.lock().unwrap_or_else(PoisonError::into_inner);
            let mut last = lasts.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                TrainingEvent::Read(_) => {
                    last.clear();
                    *bar = Some(Progress::steps());
                }
                TrainingEvent::Features { done, of } => {
                    if let Some(bar) = bar.as_ref() {
                        bar.say("frozen layers".into(), *done as u64, *of as u64);
                    }
                }
                TrainingEvent::Step { epoch, step, steps, loss, .. } => {
                    if let Some(bar) = bar.as_ref() {
                        bar.say(format!("epoch {epoch}: loss {loss:.4}{last}"), *step as u64, *steps as u64);
                    }
                }
                TrainingEvent::Epoch(epoch) => {
                    let values = epoch.values.iter().map(|(name, value)| format!("{name} {value:.4}"));
                    *last = format!(" (before: {})", values.collect::<Vec<_>>().join(", "));
                }
                _ => {}
            }
        })
    }

    fn end(&self) {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl FitReport {
    fn print(&self) -> Result<()> {
        if self.candidates.len() > 1 {
            output::line("Candidates, compared on a fifth of the training images")?;
            let mut table = output::table(["learning-rate", "batch-size", "accuracy", ""]);
            for (i, candidate) in self.candidates.iter().enumerate() {
                table.add_row([
                    candidate.learning_rate.map_or("the optimizer's".into(), |rate| rate.to_string()),
                    candidate.batch_size.to_string(),
                    match (candidate.accuracy, &candidate.error) {
                        (Some(accuracy), _) => format!("{accuracy:.4}"),
                        (None, Some(error)) => output::printable(error),
                        (None, None) => "not a number".into(),
                    },
                    if i == self.best { "best".into() } else { String::new() },
                ]);
            }
            output::print(&table)?;
            output::line("")?;
        }
        let names: Vec<&String> =
            self.history.first().map(|epoch| epoch.values.keys().collect()).unwrap_or_default();
        let head = ["epoch".to_owned()].into_iter().chain(names.iter().map(|name| (*name).clone()));
        let mut table = output::table_of(head.chain([String::new()]).collect());
        for epoch in &self.history {
            let values = names
                .iter()
                .map(|name| format!("{:.4}", epoch.values.get(*name).copied().unwrap_or(f64::NAN)));
            let best = if epoch.epoch == self.best_epoch { "best" } else { "" };
            table.add_row(
                [epoch.epoch.to_string()]
                    .into_iter()
                    .chain(values)
                    .chain([best.to_owned()])
                    .collect::<Vec<_>>(),
            );
        }
        output::print(&table)?;
        if let Some(accuracy) = self.accuracy {
            output::line(format!(
                "\nAccuracy {accuracy:.4} on {} held out",
                output::count(self.held_out as u64, "image")
            ))?;
        }
        let trained_on = output::count(self.trained_on as u64, "image");
        output::line(format!(
            "The model, trained on {trained_on} in {:.1} s, is in {}.",
            self.seconds,
            self.out.display()
        ))?;
        if let Some(file) = &self.keras {
            output::line(format!("The network, for Keras, is {}.", file.display()))?;
        }
        if let Some(plot) = &self.plot {
            output::line(format!("The picture is {}.", plot.display()))?;
        }
        self.bad_images.note(false);
        Ok(())
    }
}
