//! `emberline predict`: what is in images, by a trained model or a named network.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory};
use emberline::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use emberline::arrow::compute::cast;
use emberline::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use emberline::datafusion::dataframe::DataFrame;
use emberline::datafusion::datasource::MemTable;
use emberline::datafusion::prelude::ident;
use emberline::ml::{DeepImagePredictor, PipelineModel};
use emberline::{ColumnFunction, FunctionResolver, ReadOptions, Session, Step, evaluate};
use serde::{Deserialize, Serialize};

use crate::progress::{self, Progress};
use crate::summary::BadImages;
use crate::{Cli, Common, display, network, output};

/// Answers are written when there are this many, in the order in which the images were named.
const PAGE_ROWS: usize = 1_000;
/// Images that one call is about.
const BATCH_ROWS: usize = 32;

/// What `emberline predict --help` says after the options.
const DETAILS: &str = r#"With --json: one object per line and image, {"origin", "predictions": [{"label", "probability"}, ...], "error"},
most probable first; a named network adds the "class", a WordNet id. An image that can't be read has no
predictions, and an error."#;

/// `emberline predict`.
#[derive(Debug, Args)]
#[command(override_usage = "emberline predict [OPTIONS] <MODEL.ember> <IMAGE|DIR|URL>...\n       \
                            emberline predict [OPTIONS] --model <NAME> <IMAGE|DIR|URL>...")]
#[command(after_help = DETAILS)]
pub(crate) struct PredictArgs {
    /// What `emberline train` wrote, unless there is --model; then images, folders of images, and addresses (https://,
    /// s3://, gs://, az://)
    #[arg(required = true, value_name = "MODEL.ember|IMAGE|DIR|URL")]
    paths: Vec<String>,
    /// A named network, which knows the classes of ImageNet
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// With --model: a file with its weights (.h5, .pth, .safetensors) [default: what `emberline models pull` fetches]
    #[arg(long, value_name = "FILE", requires = "model")]
    weights: Option<String>,
    /// How many labels are told of each image
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    top_k: u16,
    /// Which files of folders are images: a pattern such as `*.jpg` [default: all but hidden ones]
    #[arg(long, value_name = "PATTERN")]
    glob: Option<String>,
}

/// What a model said of an image.
#[derive(Serialize)]
struct Prediction {
    origin: String,
    predictions: Vec<Guess>,
    error: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Guess {
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(alias = "description")]
    label: String,
    probability: f64,
}

/// What a model's function answers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Network(Vec<Guess>),
    Trained { label: String, probabilities: Vec<Guess> },
}

pub(crate) async fn run(args: PredictArgs, common: Common) -> Result<()> {
    let session = common.session();
    let (function, paths) = model(&args).await?;
    let origins = origins(&session, paths, args.glob.as_deref()).await?;
    let progress = Progress::images("Predicting", session.report(), origins.len() as u64);
    for page in origins.chunks(PAGE_ROWS) {
        let predictions = predict(&session, &function, page, args.top_k.into()).await?;
        progress::suspend(|| show(&predictions, common))?;
    }
    drop(progress);
    BadImages::of(session.report(), origins.len() as u64).note(common.json);
    Ok(())
}

/// The function from an image to labels, and the paths that are images.
async fn model(args: &PredictArgs) -> Result<(Arc<dyn ColumnFunction>, &[String])> {
    if let Some(name) = &args.model {
        if args.weights.is_none() {
            network::ready(name, None).await?;
        }
        let mut predictor = DeepImagePredictor::new()
            .input_col("image")
            .output_col("labels")
            .model_name(name)
            .decode_predictions(true)
            .top_k(args.top_k.into());
        if let Some(file) = &args.weights {
            predictor = predictor.model_file(file);
        }
        return Ok((Arc::new(PipelineModel::new(vec![Arc::new(predictor)]).as_function()?), &args.paths));
    }
    let Some((model, images @ [_, ..])) = args.paths.split_first() else {
        let message = "expected images after the model, or --model NAME before them";
        Cli::command().error(ErrorKind::MissingRequiredArgument, message).exit();
    };
    let source = model.clone();
    let load = move || -> Result<_> { Ok(emberline::ml::Functions.resolve(&source)?) };
    let function = tokio::task::spawn_blocking(load).await?;
    let function = function
        .context("what comes first must be a model that `emberline train` wrote; or pass --model NAME")?;
    check_answer(model, function.as_ref())?;
    Ok((function, images))
}

/// Refuses a model that does not name labels, before any image is read.
fn check_answer(model: &str, function: &dyn ColumnFunction) -> Result<()> {
    let answer = function.return_field(&[Arc::new(Field::new("image", DataType::Utf8, true))])?;
    let names_labels = match answer.data_type() {
        DataType::Struct(fields) => fields.find("label").is_some() && fields.find("probabilities").is_some(),
        DataType::List(item) => {
            matches!(item.data_type(), DataType::Struct(fields) if fields.find("probability").is_some())
        }
        _ => false,
    };
    if !names_labels {
        bail!(
            "{model} answers {}, not labels; `emberline sql --function f={model}` shows any answer",
            answer.data_type()
        );
    }
    Ok(())
}

/// Where the images are: files as they are named, folders by what is in them. None is read.
async fn origins(session: &Session, paths: &[String], glob: Option<&str>) -> Result<Vec<String>> {
    let mut origins = Vec::new();
    for path in paths {
        let options = ReadOptions { glob: glob.map(String::from), ..ReadOptions::default() };
        let listed = session.read_images(path, options).await?.select(vec![ident("origin")])?;
        let before = origins.len();
        for batch in listed.sort(vec![ident("origin").sort(true, false)])?.collect().await? {
            origins.extend(texts(batch.column(0))?.into_iter().flatten());
        }
        if origins.len() == before {
            bail!("{path}: no images there");
        }
    }
    session.report().reset();
    Ok(origins)
}

/// A page of predictions, in the order of `origins`.
async fn predict(
    session: &Session,
    function: &Arc<dyn ColumnFunction>,
    origins: &[String],
    top_k: usize,
) -> Result<Vec<Prediction>> {
    let step = Step::new(function.clone(), ["origin"], ["answer"]).with_error(Some("error".into()));
    let answers = evaluate::apply(table_of(session, origins)?, &[step])?;
    let answers = answers.sort(vec![ident("place").sort(true, false)])?.collect().await?;
    let mut predictions = Vec::with_capacity(origins.len());
    for batch in answers {
        let column = |name: &str| batch.column_by_name(name).with_context(|| format!("no column {name}"));
        let (origins, errors) = (texts(column("origin")?)?, texts(column("error")?)?);
        let answers = column("answer")?;
        for (row, (origin, error)) in origins.into_iter().zip(errors).enumerate() {
            let mut guesses = guesses(answers, row)?;
            guesses.truncate(top_k);
            predictions.push(Prediction { origin: origin.unwrap_or_default(), predictions: guesses, error });
        }
    }
    Ok(predictions)
}

/// A table of image addresses, a part for each thread.
fn table_of(session: &Session, origins: &[String]) -> Result<DataFrame> {
    let fields =
        vec![Field::new("place", DataType::Int64, false), Field::new("origin", DataType::Utf8, false)];
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let parts = session.context().state().config().target_partitions().max(1);
    let mut partitions = vec![Vec::new(); parts];
    for (i, batch) in origins.chunks(BATCH_ROWS).enumerate() {
        let first = i * BATCH_ROWS;
        let places: Int64Array = (first..first + batch.len()).map(|place| place as i64).collect();
        let origins = StringArray::from_iter_values(batch);
        partitions[i % parts]
            .push(RecordBatch::try_new(schema.clone(), vec![Arc::new(places), Arc::new(origins)])?);
    }
    Ok(session.context().read_table(Arc::new(MemTable::try_new(schema, partitions)?))?)
}

/// The labels of an image, most probable first; none for an image without an answer.
fn guesses(answers: &ArrayRef, row: usize) -> Result<Vec<Guess>> {
    if answers.is_null(row) {
        return Ok(Vec::new());
    }
    Ok(match serde_json::from_value(display::json(answers, row)?)? {
        Answer::Network(guesses) => guesses,
        Answer::Trained { label, mut probabilities } => {
            // Thresholds may choose another label than the most probable one; the chosen one comes first.
            if let Some(chosen) = probabilities.iter().position(|guess| guess.label == label) {
                probabilities[..=chosen].rotate_right(1);
            }
            probabilities
        }
    })
}

fn texts(array: &ArrayRef) -> Result<Vec<Option<String>>> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().iter().map(|text| text.map(String::from)).collect())
}

fn show(predictions: &[Prediction], common: Common) -> Result<()> {
    if common.json {
        return predictions.iter().try_for_each(output::json);
    }
    let mut table = output::table(["image", "label", "probability", "next best"]);
    for Prediction { origin, predictions, error } in predictions {
        let origin = output::short_path(origin);
        match predictions.split_first() {
            None => {
                let reason = output::printable(error.as_deref().unwrap_or("no answer"));
                table.add_row([origin, String::new(), String::new(), format!("not read: {reason}")]);
            }
            Some((best, others)) => {
                let others = others
                    .iter()
                    .map(|other| format!("{} {:.2}", output::printable(&other.label), other.probability));
                let others = others.collect::<Vec<_>>().join(", ");
                table.add_row([
                    origin,
                    output::printable(&best.label),
                    format!("{:.2}", best.probability),
                    others,
                ]);
            }
        }
    }
    Ok(output::print(&table)?)
}
