//! The `emberline` command: train, fit, tune, predict, featurize, ask in SQL, see to the named networks.
//!
//! Everything it does is a composition of what the crate `emberline` offers; what lives here is reading arguments and
//! showing answers. Standard output has the answers, and nothing else; standard error has progress (on a terminal
//! only), warnings, and counts of the images that could not be read.
//!
//! Exit codes: 0 when the command did what it was asked, also where single images are bad; 1 for an error; 2 for
//! wrong arguments; 130 when it was interrupted.

mod cache;
mod display;
mod featurize;
mod fit;
mod images;
mod models;
mod network;
mod output;
mod predict;
mod progress;
mod sql;
mod summary;
mod train;
mod tune;
mod verify;

use std::io;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::{Args, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// How long an interrupted command may take to remove what it has half written.
const CLEAN_UP_MAX: Duration = Duration::from_secs(5);
/// The stack of a thread that plans and runs queries, in bytes: plans are trees, and are walked by recursion.
const STACK_BYTES: usize = 8 << 20;

/// Deep-learning pipelines over tables of images: from a folder of photos to a trained model to a SQL function.
#[derive(Debug, Parser)]
#[command(name = "emberline", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

/// What every command takes.
#[derive(Debug, Clone, Copy, Args)]
struct Common {
    /// Print JSON, for programs
    #[arg(long, global = true, display_order = 100)]
    json: bool,
    /// How many threads compute [default: one per core]
    #[arg(long, global = true, display_order = 100, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl Common {
    /// A session with as many threads as asked for.
    fn session(self) -> emberline::Session {
        emberline::session(self.threads.map(NonZeroUsize::get))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Learn labels from a folder of images: a named network's features, a logistic regression chosen by
    /// cross-validation
    Train(train::TrainArgs),
    /// Train a network of your own on a folder of images, or fine-tune a named one
    Fit(Box<fit::FitArgs>),
    /// Choose among networks and settings by cross-validation, without doing any work twice
    Tune(Box<tune::TuneArgs>),
    /// Say what is in images, by a trained model or a named network
    Predict(predict::PredictArgs),
    /// Write a named network's features of a folder of images to a Parquet file
    Featurize(featurize::FeaturizeArgs),
    /// Ask in SQL, with models as functions and folders of images as tables
    Sql(sql::SqlArgs),
    /// The features that earlier commands kept: how many there are, or forget them
    Cache(cache::CommandArgs),
    /// The named networks: what there is, what each is, fetching and verifying weights
    Models(models::ModelsArgs),
}

impl Command {
    async fn run(self, common: Common) -> Result<()> {
        match self {
            Self::Train(args) => train::run(args, common).await,
            Self::Fit(args) => fit::run(*args, common).await,
            Self::Tune(args) => tune::run(*args, common).await,
            Self::Predict(args) => predict::run(args, common).await,
            Self::Featurize(args) => featurize::run(args, common).await,
            Self::Sql(args) => sql::run(args, common).await,
            Self::Cache(args) => cache::run(&args, common),
            Self::Models(args) => models::run(args, common).await,
        }
    }
}

/// How a command ended, other than by an error.
enum End {
    Done,
    Interrupted,
}

fn main() -> ExitCode {
    refuse_telemetry();
    let Cli { command, common } = Cli::parse();
    output::log_warnings();
    match start(command, common) {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Interrupted) => ExitCode::from(130),
        // Whoever read the answers has seen enough: `emberline sql ... | head`.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(format!("error: {}", with_causes(&error)));
            ExitCode::FAILURE
        }
    }
}

/// ONNX Runtime, from 1.29 on, gathers what it runs and sends it to its makers unless a variable says no before it is loaded.
fn refuse_telemetry() {
    const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";
    if std::env::var_os(VARIABLE).is_none() {
        // SAFETY: no other thread reads the environment, since none has been started.
        unsafe { std::env::set_var(VARIABLE, "1") };
    }
}

/// Runs a command on threads of its own. This thread only waits for its end or for Ctrl-C, which a thread that
/// computes would notice late.
fn start(command: Command, common: Common) -> Result<End> {
    let mut workers = Builder::new_multi_thread();
    if let Some(threads) = common.threads {
        workers.worker_threads(threads.get());
    }
    let workers = workers.thread_stack_size(STACK_BYTES).enable_all().build()?;
    let task = workers.spawn(command.run(common));
    let end = Builder::new_current_thread().enable_all().build()?.block_on(end_of(task));
    stop(workers);
    end
}

/// Waits for the end of a command. An interrupted one is dropped, and with it every temporary file that it holds.
async fn end_of(mut task: JoinHandle<Result<()>>) -> Result<End> {
    tokio::select! {
        done = &mut task => match done {
            Ok(result) => result.map(|()| End::Done),
            Err(_) => Err(anyhow!("the command failed unexpectedly; the message above says where")),
        },
        signal = tokio::signal::ctrl_c() => {
            signal?;
            task.abort();
            // An end after all counts as interrupted, too: what it wrote is whole.
            let _ = tokio::time::timeout(CLEAN_UP_MAX, task).await;
            Ok(End::Interrupted)
        }
    }
}

/// Computations that can't be interrupted, and reads from the network, must not hold up the end.
fn stop(workers: Runtime) {
    workers.shutdown_timeout(Duration::from_millis(500));
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// An error and its causes in one line. Many messages quote their cause already; it is not said twice.
fn with_causes(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_cause_is_said_once() {
        let error = Err::<(), _>(anyhow!("no such file"));
        let error = error.context("a.jpg: no such file").context("reading\nfailed").unwrap_err();
        assert_eq!(with_causes(&error), "reading failed: a.jpg: no such file");
    }
}
