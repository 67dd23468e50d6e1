//! Runs that are killed and go on: the same weights to the bit, from checkpoints that are whole or not there.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use emberline_net::{Dense, Layer, Network, NetworkBuilder, Tensor};
use emberline_train::{
    BatchIterator, Batches, CheckpointOptions, EarlyStopping, Error, Loss, Metric, Optimizer, Samples,
    TrainOptions, Trained, fit, initialized,
};
use serde_json::json;

use crate::{formula::hashed, keras::small};

/// Gives some batches and then fails, as a machine does.
struct Dying {
    samples: Samples,
    batches_left: usize,
}

impl Batches for Dying {
    fn epoch(&mut self, epoch: usize, skipped: usize) -> Result<BatchIterator<'_>, Error> {
        let left = &mut self.batches_left;
        Ok(Box::new(self.samples.epoch(epoch, skipped)?.map(move |batch| {
            if *left == 0 {
                return Err(Error::Data { what: "machine".to_owned(), problem: "power failed".to_owned() });
            }
            *left -= 1;
            batch
        })))
    }
}

/// A network with statistics, dropped values and everything an optimizer can remember.
fn network() -> Network {
    let mut layers = NetworkBuilder::new("resumed");
    let input = layers.input("input", [6]);
    let hidden = layers.apply("hidden", Dense::new(8), input);
    let normal = layers.apply("bn", emberline_net::BatchNormalization::new(1e-3), hidden);
    let dropped = layers.apply("drop", Layer::Dropout { rate: 0.3 }, normal);
    let out = layers.apply("out", Dense::new(1), dropped);
    initialized(layers.build(&[out]).unwrap(), 3, &Default::default()).unwrap()
}

fn samples() -> Samples {
    let numbers = |name: &str, count| hashed(name, count).into_iter().map(|u| u as f32).collect();
    let inputs = Tensor::new(vec![23, 6], numbers("inputs", 23 * 6)).unwrap();
    let targets = Tensor::new(vec![23, 1], numbers("targets", 23)).unwrap();
    Samples::new(vec![inputs], targets, 4).unwrap().shuffled(5)
}

fn options(optimizer: &serde_json::Value) -> TrainOptions {
    let mut options =
        TrainOptions::new(Optimizer::parse(optimizer).unwrap(), Loss::parse(&"mse".into()).unwrap());
    options.metrics = vec![Metric::parse(&"mae".into()).unwrap()];
    options.epochs = 5;
    options.seed = 11;
    let stopping = json!({"patience": 3, "restore_best_weights": true});
    options.early_stopping = Some(EarlyStopping::parse(&stopping).unwrap());
    options
}

fn run(options: &TrainOptions, batches_left: usize) -> Result<Trained, Error> {
    let mut batches = Dying { samples: samples(), batches_left };
    fit(&network(), options, &mut batches, Some(&mut samples()), &mut |_| {})
}

#[test]
fn a_run_killed_at_any_step_ends_with_the_same_weights() {
    for optimizer in [
        json!({"name": "nadam", "use_ema": true, "gradient_accumulation_steps": 2}),
        json!({"name": "sgd", "momentum": 0.9, "learning_rate": {
            "class_name": "CosineDecay", "config": {"initial_learning_rate": 0.1, "decay_steps": 30}}}),
    ] {
        let mut options = options(&optimizer);
        let whole = run(&options, usize::MAX).unwrap();
        let steps: usize = whole.history.iter().map(|epoch| epoch.steps).sum();
        for killed_after in [1, 2, 5, 6, 7, 13, steps - 1] {
            let folder = tempfile::tempdir().unwrap();
            let mut checkpoint = CheckpointOptions::new(folder.path());
            checkpoint.every_steps = Some(2);
            options.checkpoint = Some(checkpoint);
            assert!(run(&options, killed_after).unwrap_err().to_string().contains("power failed"));
            let resumed = run(&options, usize::MAX).unwrap();
            assert_eq!(resumed.history, whole.history, "killed after {killed_after}");
            assert!(resumed.network.weights() == whole.network.weights(), "killed after {killed_after}");
            // Once it is done, there is nothing left to do.
            let again = run(&options, 0).unwrap();
            assert!(again.network.weights() == whole.network.weights());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }
}

/// Where the process that is to be killed keeps its checkpoints.
const FOLDER: &str = "EMBERLINE_TRAIN_TEST_FOLDER";

/// What both processes run, with a checkpoint every other step.
fn long_run(folder: Option<&Path>) -> TrainOptions {
    let mut options = options(&json!("adam"));
    options.early_stopping = None;
    options.epochs = 60;
    options.checkpoint =
        folder.map(|folder| CheckpointOptions { every_steps: Some(2), ..CheckpointOptions::new(folder) });
    options
}

#[test]
#[ignore = "the process that the next test kills"]
fn runs_until_it_is_killed() {
    let folder = env::var_os(FOLDER).unwrap();
    run(&long_run(Some(Path::new(&folder))), usize::MAX).unwrap();
}

#[test]
fn a_killed_process_leaves_what_another_goes_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "checkpoint::runs_until_it_is_killed"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !folder.path().join("checkpoint.json").exists() && start.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(20));
    process.kill().unwrap();
    assert!(!process.wait().unwrap().success(), "it was done before it could be killed");
    let resumed = run(&long_run(Some(folder.path())), usize::MAX).unwrap();
    let whole = run(&long_run(None), usize::MAX).unwrap();
    assert_eq!(resumed.history, whole.history);
    assert!(resumed.network.weights() == whole.network.weights());
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&json!("adam"));
    options.checkpoint = Some(CheckpointOptions::new(folder.path()));
    run(&options, usize::MAX).unwrap();
    options.seed += 1;
    let error = run(&options, usize::MAX).unwrap_err().to_string();
    assert!(error.contains("belongs to a run with other settings"), "{error}");
}

#[test]
fn a_run_goes_on_for_more_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&json!("adam"));
    options.early_stopping = None;
    options.epochs = 4;
    let whole = run(&options, usize::MAX).unwrap();
    options.checkpoint = Some(CheckpointOptions::new(folder.path()));
    options.epochs = 2;
    run(&options, usize::MAX).unwrap();
    options.epochs = 4;
    assert!(run(&options, usize::MAX).unwrap().network.weights() == whole.network.weights());
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&json!("adam"));
    options.checkpoint = Some(CheckpointOptions::new(folder.path()));
    run(&options, usize::MAX).unwrap();
    let file = |end: &str| {
        let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.into_iter().find(|path| path.to_string_lossy().ends_with(end)).unwrap()
    };
    let numbers = file(".safetensors");
    let mut bytes = fs::read(&numbers).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&numbers, bytes).unwrap();
    let error = run(&options, usize::MAX).unwrap_err().to_string();
    assert!(error.contains(".safetensors: expected the SHA-256"), "{error}");
    fs::write(file(".json"), "{").unwrap();
    let error = run(&options, usize::MAX).unwrap_err().to_string();
    assert!(error.contains("checkpoint.json: "), "{error}");
}

#[test]
fn a_checkpoint_can_name_no_file_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (mut options, network) = small("sparse_categorical_crossentropy");
    options.checkpoint = Some(CheckpointOptions::new(folder.path()));
    let mut samples = crate::keras::samples(0..2, "classes");
    fit(&network, &options, &mut samples, None, &mut |_| {}).unwrap();
    let path = folder.path().join("checkpoint.json");
    let text = fs::read_to_string(&path).unwrap().replace("\"checkpoint-", "\"../checkpoint-");
    fs::write(&path, text).unwrap();
    let error = fit(&network, &options, &mut samples, None, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("expected a file's name, found `../checkpoint-"), "{error}");
}
