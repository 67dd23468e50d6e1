//! `emberline train`: from a folder of images to a model, and how good it is.
//!
//! The images are read once: features stay in memory, and everything after that works on them. The rows that are held
//! out are chosen first and take part in nothing but the last measurement, so that the accuracy printed is that of
//! the very model that is saved.

pub(crate) mod held_out;
mod report;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use emberline::Session;
use emberline::datafusion::dataframe::DataFrame;
use emberline::datafusion::prelude::ident;
use emberline::ml::{
    CrossValidator, CrossValidatorModel, DeepImageFeaturizer, IfExists, LogisticRegression,
    MulticlassClassificationEvaluator, ParamGridBuilder, PipelineModel, Stage, StringIndexer,
    StringIndexerModel, Transformer, save,
};

use crate::featurize::check_out;
use crate::images::{Images, ImagesArgs};
use crate::network::FeatureArgs;
use crate::progress::Progress;
use crate::summary::BadImages;
use crate::{Common, output};
use report::{Candidate, TrainReport};

/// The column of labels as numbers.
pub(crate) const LABEL_INDEX: &str = "label_index";

/// What `emberline train --help` says after the options.
const DETAILS: &str = "\
Rows are held out first; --folds and --reg-param choose a candidate by cross-validation on the others, on which the
best one is then trained and saved. With --test-ratio 0 it is trained on all rows, and the accuracy is the
cross-validation's.";

/// `emberline train`.
#[derive(Debug, Args)]
#[command(after_help = DETAILS)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    images: ImagesArgs,
    #[command(flatten)]
    features: FeatureArgs,
    /// The folder to save the model in, such as photos.ember
    #[arg(long, value_name = "MODEL.ember")]
    out: PathBuf,
    /// Replace the model if it exists
    #[arg(long)]
    overwrite: bool,
    /// The strengths of regularization to try
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "0.01,0.1,1")]
    reg_param: Vec<f64>,
    /// The shares of L1 in the regularization to try, each with each strength: 0 is ridge, 1 is lasso
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "0")]
    elastic_net: Vec<f64>,
    /// In how many parts the rows are cross-validated
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..))]
    folds: u16,
    /// Chooses other folds and other rows to hold out; the same seed chooses the same
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The share of rows held out of training, to measure on
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = share)]
    test_ratio: f64,
}

pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share: Option<f64> = text.parse().ok().filter(|share| (0.0..1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to less than 1".into())
}

pub(crate) async fn run(args: TrainArgs, common: Common) -> Result<()> {
    check_out(&args.out, args.overwrite)?;
    let session = common.session();
    let images = args.images.open(&session).await?;
    check_labels(&args.images, &images)?;
    let featurizer = args.features.featurizer().await?;
    let files = images.files;

    let rows = featurized(&session, images, &featurizer).await?;
    let bad_images = BadImages::of(session.report(), files);
    let without_label = rows.clone().filter(ident("label").is_null())?.count().await? as u64;
    let usable = rows.filter(ident("label").is_not_null().and(ident("features").is_not_null()))?;
    let usable = usable.select(vec![ident("origin"), ident("label"), ident("features")])?;
    let indexer =
        StringIndexer::new().input_col("label").output_col(LABEL_INDEX).string_order_type("alphabetAsc");
    let indexer = indexer.fit_model(&usable).await?;
    let usable = indexer.transform(usable)?;

    let (train, test) = held_out::hold_out(&usable, args.test_ratio, args.seed).await?;
    let (found, candidates) = cross_validated(&args, &train).await?;
    let held_out = match test {
        Some(test) => {
            Some(held_out::measure(found.best_model.as_ref(), test, indexer.labels(), &evaluator()).await?)
        }
        None => None,
    };
    save_model(&args, indexer.clone(), featurizer, found.best_model.clone())?;

    let report = TrainReport {
        images: files,
        labels: report::counts(&usable, indexer.labels()).await?,
        without_label,
        trained_on: train.count().await? as u64,
        folds: args.folds,
        best: found.best_index,
        candidates,
        held_out,
        out: args.out,
        bad_images,
    };
    if common.json { output::json(&report) } else { report.print() }
}

pub(crate) fn check_labels(args: &ImagesArgs, images: &Images) -> Result<()> {
    if images.labels.len() >= 2 {
        return Ok(());
    }
    let found = images.labels.keys().next().map_or("none".into(), |only| format!("only `{only}`"));
    let hint = match args.label_from.as_str() {
        "folder" => "each folder directly below it is a label",
        _ => "each value of the column is a label",
    };
    bail!(
        "{}: expected images of at least 2 labels, found {found} in {} images; {hint}",
        args.dir,
        images.files
    )
}

/// One pass over the images: origin, label, features; in memory, in the order of origins.
async fn featurized(
    session: &Session,
    images: Images,
    featurizer: &DeepImageFeaturizer,
) -> Result<DataFrame> {
    let columns = vec![ident("origin"), ident(&images.label).alias("label"), ident("features")];
    let table = featurizer.transform(images.table)?.select(columns)?;
    let _progress = Progress::images("Reading images", session.report(), images.files);
    Ok(table.sort(vec![ident("origin").sort(true, false)])?.cache().await?)
}

fn evaluator() -> MulticlassClassificationEvaluator {
    MulticlassClassificationEvaluator::new().label_col(LABEL_INDEX).metric_name("accuracy")
}

/// Chooses among the candidates, and trains the best one on all of `train`.
async fn cross_validated(
    args: &TrainArgs,
    train: &DataFrame,
) -> Result<(CrossValidatorModel, Vec<Candidate>)> {
    let estimator = LogisticRegression::new().label_col(LABEL_INDEX);
    let param = |name: &str| estimator.params().param(name);
    let grid = ParamGridBuilder::new()
        .add_grid(param("regParam")?, args.reg_param.iter().copied())
        .add_grid(param("elasticNetParam")?, args.elastic_net.iter().copied())
        .build();
    let _progress = Progress::waiting(format!(
        "Trying {} on {} folds",
        output::count(grid.len() as u64, "candidate"),
        args.folds
    ));
    let found = CrossValidator::new(Arc::new(estimator), grid, Arc::new(evaluator()))
        .num_folds(args.folds.into())
        .seed(args.seed.cast_signed())
        .fit_model(train)
        .await?;
    // In the grid's order: what was added last varies fastest.
    let settings = args.reg_param.iter().flat_map(|reg| args.elastic_net.iter().map(move |net| (*reg, *net)));
    let metrics = found.avg_metrics.iter().zip(&found.std_metrics);
    let candidates = settings.zip(metrics).map(|((reg_param, elastic_net), (accuracy, std))| Candidate {
        reg_param,
        elastic_net,
        accuracy: *accuracy,
        std: *std,
    });
    let candidates = candidates.collect();
    Ok((found, candidates))
}

fn save_model(
    args: &TrainArgs,
    indexer: StringIndexerModel,
    featurizer: DeepImageFeaturizer,
    classifier: Arc<dyn Transformer>,
) -> Result<()> {
    let model = PipelineModel::new(vec![Arc::new(indexer), Arc::new(featurizer), classifier]);
    let if_exists = if args.overwrite { IfExists::Overwrite } else { IfExists::Fail };
    Ok(save(&model, &args.out, if_exists)?)
}
