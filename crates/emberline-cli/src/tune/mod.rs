//! `emberline tune`: many settings of a network's features and of the classifier behind them, by cross-validation, and
//! no work twice.
//!
//! Every network runs once over the images, whatever the number of folds and settings; features come from the cache
//! where it has them; finished trials are in a ledger, so that an interrupted command goes on where it was.

mod grid;
mod picture;

pub(crate) use picture::COLOURS;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use clap::Args;
use emberline::datafusion::prelude::ident;
use emberline::ml::{
    CrossValidator, CrossValidatorModel, DeepImageFeaturizer, IfExists, Ledger, LogisticRegression,
    MulticlassClassificationEvaluator, ParamGridBuilder, ParamMap, ParamValue, Pipeline, PipelineModel,
    Stage, StringIndexer, TuningEvent, TuningObserver, TuningPlan, downcast, save,
};
use serde::Serialize;

use self::grid::Axis;
use self::picture::Picture;
use crate::cache::CacheArgs;
use crate::featurize::check_out;
use crate::images::ImagesArgs;
use crate::network::ready;
use crate::progress::Progress;
use crate::summary::BadImages;
use crate::train::{LABEL_INDEX, check_labels};
use crate::{Common, output};

/// What `emberline tune --help` says after the options.
const DETAILS: &str = "\
Params that --grid may name are those of DeepImageFeaturizer (layer, pooling, scaleHint) and of LogisticRegression
(regParam, elasticNetParam, maxIter, tol, fitIntercept, standardization, family). Without --grid, regParam takes ten
values from 0.001 to 10. Every trial that finishes is kept: `emberline sql \"SELECT * FROM emberline.trials\"`.";

/// `emberline tune`.
#[derive(Debug, Args)]
#[command(after_help = DETAILS)]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    images: ImagesArgs,
    /// The named networks to choose among
    #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
    model: Vec<String>,
    /// A param and the values to try: regParam=0.001..1:log:10, elasticNetParam=0,0.5; may be given several times
    #[arg(long, value_name = "NAME=VALUES", value_parser = Axis::parse)]
    grid: Vec<Axis>,
    /// What is measured on the rows that are held out
    #[arg(long, value_name = "METRIC", default_value = "accuracy")]
    metric: String,
    /// In how many parts the rows are cross-validated
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..))]
    folds: u16,
    /// A column whose equal values stay on one side, such as that of a scene or a patient
    #[arg(long, value_name = "COLUMN")]
    group_by: Option<String>,
    /// Successive halving: each round keeps one of N candidates and takes N times the images
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "3", value_parser = clap::value_parser!(u16).range(2..))]
    halving: Option<u16>,
    /// Chooses other folds; the same seed chooses the same
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// MiB that fits at a time may take beside the features
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    max_memory_in_mb: u32,
    /// Take what earlier commands measured from the ledger instead of measuring it again
    #[arg(long)]
    resume: bool,
    /// The folder to save the best model in, such as best.ember
    #[arg(long, value_name = "MODEL.ember")]
    out: PathBuf,
    /// Replace the model if it exists
    #[arg(long)]
    overwrite: bool,
    /// Also draw the metric against the first param with several values, as SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheArgs,
}

/// The answer of `emberline tune --json`.
#[derive(Debug, Serialize)]
struct TuneReport {
    images: u64,
    metric: String,
    folds: u16,
    /// Runs of networks over the images, and what they would have been one by one.
    passes: usize,
    passes_one_by_one: usize,
    /// Features of images that the cache knew.
    features_known: u64,
    /// Trials measured by this command, and taken from the ledger.
    trials: usize,
    trials_known: usize,
    candidates: Vec<Candidate>,
    /// The place of the best candidate.
    best: usize,
    out: PathBuf,
    plot: Option<PathBuf>,
    bad_images: BadImages,
}

#[derive(Debug, Serialize)]
struct Candidate {
    params: BTreeMap<String, ParamValue>,
    mean: Option<f64>,
    std: Option<f64>,
    error: Option<String>,
}

pub(crate) async fn run(args: TuneArgs, common: Common) -> Result<()> {
    check_out(&args.out, args.overwrite)?;
    let session = common.session();
    let images = args.images.open(&session).await?;
    check_labels(&args.images, &images)?;
    for model in &args.model {
        ready(model, None).await?;
    }
    let cache = args.cache.open();
    let files = images.files;
    let label = ident(&images.label);
    let table = images.table.filter(label.clone().is_not_null())?;
    let table = match images.label.as_str() {
        "label" => table,
        _ => table.with_column("label", label)?,
    };
    let indexer =
        StringIndexer::new().input_col("label").output_col(LABEL_INDEX).string_order_type("alphabetAsc");
    let indexer = indexer.fit_model(&table).await?;
    let table = emberline::ml::Transformer::transform(&indexer, table)?;
    session.report().reset();

    let featurizer = DeepImageFeaturizer::new().input_col("image").output_col("features");
    let lr = LogisticRegression::new().label_col(LABEL_INDEX);
    let mut axes = args.grid.clone();
    if axes.is_empty() {
        axes.extend(Axis::parse("regParam=0.001..10:log:10"));
    }
    let candidates = candidates(&args, &axes, &featurizer, &lr)?;
    let pipeline = Pipeline::new().stage(featurizer).stage(lr);
    let evaluator = MulticlassClassificationEvaluator::new().label_col(LABEL_INDEX).metric_name(&args.metric);
    let news = Arc::new(News::new(files));
    let mut validator = CrossValidator::new(Arc::new(pipeline), candidates.clone(), Arc::new(evaluator))
        .num_folds(args.folds.into())
        .seed(args.seed.cast_signed())
        .max_memory_in_mb(args.max_memory_in_mb as usize)
        .observer(news.observer(session.report()));
    if let Some(column) = &args.group_by {
        validator = validator.group_col(column);
    }
    if let Some(factor) = args.halving {
        validator = validator.halving_factor(factor.into());
    }
    let ledger = Ledger::open(&Ledger::default_path())?;
    let ledger = if args.resume { ledger } else { ledger.recording_only() };
    let found = validator.ledger(Arc::new(ledger)).fit_model(&table).await?;
    drop(news.progress());
    let bad_images = BadImages::of(session.report(), files);

    let best = found.best_model.clone();
    let stages =
        downcast::<PipelineModel>(best.as_ref()).map(|model| model.stages().to_vec()).unwrap_or_default();
    let mut whole: Vec<Arc<dyn emberline::ml::Transformer>> = vec![Arc::new(indexer)];
    whole.extend(stages);
    let if_exists = if args.overwrite { IfExists::Overwrite } else { IfExists::Fail };
    save(&PipelineModel::new(whole), &args.out, if_exists)?;
    if let Some(path) = &args.plot {
        picture(&args, &axes, &candidates, &found).draw(path)?;
    }
    let features_known = cache.and_then(|cache| cache.stats().ok()).map_or(0, |stats| stats.found);
    let report = news.report(args, files, &candidates, &found, bad_images, features_known);
    if common.json { output::json(&report) } else { report.print() }
}

fn candidates(
    args: &TuneArgs,
    axes: &[Axis],
    featurizer: &DeepImageFeaturizer,
    lr: &LogisticRegression,
) -> Result<Vec<ParamMap>> {
    let models = ParamGridBuilder::new()
        .add_grid(featurizer.params().param("modelName")?, args.model.iter().map(String::as_str))
        .build();
    let others = grid::candidates(axes, &[lr.params(), featurizer.params()])?;
    let both = |model: &ParamMap, other: &ParamMap| {
        let mut map = model.clone();
        other.iter().for_each(|(param, value)| map.put(param.clone(), value.clone()));
        map
    };
    Ok(models.iter().flat_map(|model| others.iter().map(move |other| both(model, other))).collect())
}

/// What the validator tells, counted and shown.
struct News {
    files: u64,
    plan: Mutex<Option<TuningPlan>>,
    progress: Mutex<Option<Progress>>,
    measured: AtomicUsize,
    known: AtomicUsize,
}

impl News {
    fn new(files: u64) -> Self {
        Self {
            files,
            plan: Mutex::default(),
            progress: Mutex::default(),
            measured: AtomicUsize::new(0),
            known: AtomicUsize::new(0),
        }
    }

    fn observer(self: &Arc<Self>, report: &emberline::Report) -> TuningObserver {
        let (news, report) = (self.clone(), report.clone());
        Arc::new(move |event| match event {
            TuningEvent::Planned(plan) => {
                output::note(plan);
                // Every pass asks for every image once.
                let total = news.files * plan.passes.max(1) as u64;
                news.show(Some(Progress::images("Reading images", &report, total)));
                *news.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan.clone());
            }
            TuningEvent::Shared => news.show(Some(Progress::waiting("Fitting".into()))),
            TuningEvent::Finished(trial) => {
                let counter = if trial.known { &news.known } else { &news.measured };
                counter.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        })
    }

    fn show(&self, progress: Option<Progress>) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    fn progress(&self) -> Option<Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn report(
        &self,
        args: TuneArgs,
        images: u64,
        candidates: &[ParamMap],
        found: &CrossValidatorModel,
        bad_images: BadImages,
        features_known: u64,
    ) -> TuneReport {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let finite = |value: f64| value.is_finite().then_some(value);
        let candidate = |(i, map): (usize, &ParamMap)| Candidate {
            params: map.iter().map(|(param, value)| (param.name.clone(), value.clone())).collect(),
            mean: finite(found.avg_metrics[i]),
            std: finite(found.std_metrics[i]),
            error: found.errors[i].clone(),
        };
        TuneReport {
            images,
            metric: args.metric,
            folds: args.folds,
            passes: plan.as_ref().map_or(0, |plan| plan.passes),
            passes_one_by_one: plan.as_ref().map_or(0, |plan| plan.candidates * plan.folds + 1),
            features_known,
            trials: self.measured.load(Ordering::Relaxed),
            trials_known: self.known.load(Ordering::Relaxed),
            candidates: candidates.iter().enumerate().map(candidate).collect(),
            best: found.best_index,
            out: args.out,
            plot: args.plot,
            bad_images,
        }
    }
}

impl TuneReport {
    fn print(&self) -> Result<()> {
        let names: Vec<String> =
            self.candidates.first().map(|first| first.params.keys().cloned().collect()).unwrap_or_default();
        let mut table = output::table_of([names.clone(), vec![self.metric.clone(), String::new()]].concat());
        for (i, candidate) in self.candidates.iter().enumerate() {
            let mut row: Vec<String> = names.iter().map(|name| candidate.params[name].to_string()).collect();
            row.push(match (candidate.mean, candidate.std, &candidate.error) {
                (Some(mean), Some(std), _) => format!("{mean:.4} ± {std:.4}"),
                (_, _, Some(error)) => output::printable(error),
                _ => "not a number".into(),
            });
            row.push(if i == self.best { "best".into() } else { String::new() });
            table.add_row(row);
        }
        output::line(format!("Candidates, by {}-fold cross-validation", self.folds))?;
        output::print(&table)?;
        output::line(format!(
            "\n{} over {} instead of {}, with the features of {} from the cache; {} measured, {} taken from the ledger",
            output::count(self.passes as u64, "run"),
            output::count(self.images, "image"),
            self.passes_one_by_one,
            output::count(self.features_known, "image"),
            output::count(self.trials as u64, "trial"),
            self.trials_known,
        ))?;
        output::line(format!("The best model, trained on all images, is in {}.", self.out.display()))?;
        if let Some(plot) = &self.plot {
            output::line(format!("The picture is {}.", plot.display()))?;
        }
        self.bad_images.note(false);
        Ok(())
    }
}

/// The metric against the first param that takes several numbers.
fn picture(args: &TuneArgs, axes: &[Axis], candidates: &[ParamMap], found: &CrossValidatorModel) -> Picture {
    let number = |value: &ParamValue| match value {
        ParamValue::Int(value) => Some(*value as f64),
        ParamValue::Double(value) => Some(*value),
        _ => None,
    };
    let is_numeric = |axis: &&Axis| {
        let of = candidates.iter().flat_map(ParamMap::iter).filter(|(param, _)| param.name == axis.name);
        let numbers: Vec<Option<f64>> = of.map(|(_, value)| number(value)).collect();
        numbers.len() > 1 && numbers.iter().all(Option::is_some)
    };
    let axis = axes.iter().find(is_numeric);
    let name = axis.map_or("candidate", |axis| axis.name.as_str());
    let mut lines: BTreeMap<String, Vec<(f64, f64, f64)>> = BTreeMap::new();
    for (i, candidate) in candidates.iter().enumerate() {
        let (mean, std) = (found.avg_metrics[i], found.std_metrics[i]);
        if mean.is_nan() {
            continue;
        }
        let own = candidate.iter().find(|(param, _)| param.name == name).and_then(|(_, value)| number(value));
        let others = candidate.iter().filter(|(param, _)| param.name != name);
        let words: Vec<String> = others
            .map(|(param, value)| match param.name.as_str() {
                "modelName" => value.to_string(),
                name => format!("{name} {value}"),
            })
            .collect();
        let line = if axis.is_some() { words.join(", ") } else { args.metric.clone() };
        lines.entry(line).or_default().push((own.unwrap_or(i as f64), mean, std));
    }
    lines.values_mut().for_each(|line| line.sort_by(|a, b| a.0.total_cmp(&b.0)));
    Picture {
        metric: args.metric.clone(),
        param: name.into(),
        is_log: axis.is_some_and(|axis| axis.is_log),
        lines,
    }
}
