//! How commands fail: one line, before any work, nothing left behind.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::support::Workplace;

const MODEL: [&str; 2] = ["--model", "EfficientNetLite0"];

#[test]
fn wrong_settings_are_named_before_any_work() -> Result<()> {
    let place = Workplace::with_pictures(1)?;
    std::fs::create_dir(place.path("there.ember"))?;
    std::fs::create_dir_all(place.path("one/label"))?;
    std::fs::copy(place.path("photos/red/red0.png"), place.path("one/label/a.png"))?;
    std::fs::create_dir(place.path("empty"))?;
    let check = |args: &[&str], expected: &[&str]| -> Result<()> {
        let ran = place.run(args)?;
        ensure!(ran.code == Some(1), "{args:?}: {:?} {}", ran.code, ran.stderr);
        ensure!(ran.stdout.is_empty(), "{args:?}: {}", ran.stdout);
        ensure!(
            ran.stderr.starts_with("error: ") && ran.stderr.lines().count() == 1,
            "{args:?}: {}",
            ran.stderr
        );
        for expected in expected {
            ensure!(ran.stderr.contains(expected), "{args:?}: {expected} is not in {}", ran.stderr);
        }
        Ok(())
    };
    let with_model = |args: &[&'static str]| [args, &MODEL[..]].concat();
    check(
        &with_model(&["train", "photos", "--out", "there.ember"]),
        &["there.ember exists already", "--overwrite"],
    )?;
    check(&with_model(&["train", "photos", "--out", "no/m.ember"]), &["folder no does not exist"])?;
    check(&with_model(&["train", "nowhere", "--out", "m.ember"]), &["nowhere", "No such file"])?;
    check(&with_model(&["train", "empty", "--out", "m.ember"]), &["empty: no images there"])?;
    check(&with_model(&["train", "one", "--out", "m.ember"]), &["at least 2 labels", "only `label`"])?;
    check(
        &with_model(&["train", "photos", "--out", "m.ember", "--test-ratio", "0.05"]),
        &["--test-ratio", "too few images"],
    )?;
    check(
        &["fit", "photos", "--fine-tune", MODEL[1], "--out", "m.ember", "--test-ratio", "0.05"],
        &["--test-ratio", "too few images"],
    )?;
    check(
        &with_model(&["train", "photos", "--out", "m.ember", "--label-from", "kind"]),
        &["--label-from", "`kind`"],
    )?;
    check(
        &with_model(&["train", "photos", "--out", "m.ember", "--layer", "x"]),
        &["no layer `x`", "avg_pool"],
    )?;
    check(
        &["train", "photos", "--model", "Nothing", "--out", "m.ember"],
        &["`Nothing`", "EfficientNetLite0"],
    )?;
    check(&with_model(&["featurize", "photos", "--out", "there.ember"]), &["exists already"])?;
    check(&["predict", "photos", "photos/red/red0.png"], &["emberline train", "--model NAME"])?;
    check(&with_model(&["predict", "nowhere.png"]), &["nowhere.png"])?;
    check(&["sql", "SELECT nothing"], &["nothing"])?;
    check(&["sql", "SELECT 1", "--table", "t=nowhere"], &["--table t", "nowhere"])?;
    check(
        &["sql", "SELECT 1", "--function", "f=nowhere"],
        &["--function f", "nowhere", "EfficientNetLite0"],
    )?;
    check(&["models", "info", "Nothing"], &["`Nothing`", "EfficientNetLite0"])?;
    ensure!(place.entries()? == ["empty", "one", "photos", "there.ember"], "{:?}", place.entries()?);
    Ok(())
}

#[test]
fn wrong_usage_is_told_from_errors() -> Result<()> {
    let place = Workplace::with_pictures(0)?;
    let check = |args: &[&str], expected: &str| -> Result<()> {
        let ran = place.run(args)?;
        ensure!(
            ran.code == Some(2) && ran.stderr.contains(expected),
            "{args:?}: {:?} {}",
            ran.code,
            ran.stderr
        );
        Ok(())
    };
    check(&[], "Usage")?;
    check(&["train", "photos", "--model", "EfficientNetLite0"], "--out")?;
    check(
        &["train", "p", "--model", "M", "--out", "o", "--test-ratio", "1"],
        "expected a number from 0 to less than 1",
    )?;
    check(&["train", "p", "--model", "M", "--out", "o", "--folds", "1"], "--folds")?;
    check(&["predict", "model.ember"], "expected images after the model")?;
    check(&["sql", "SELECT 1", "--table", "photos"], "expected NAME=")?;
    Ok(())
}

/// Long enough for the pass over the images to have begun, and to end many times over.
#[cfg(unix)]
#[test]
fn an_interrupted_command_leaves_nothing() -> Result<()> {
    use std::process::{Command, Stdio};
    let place = Workplace::with_pictures(400)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_emberline"));
    let command =
        command.args(["featurize", "photos", "--out", "f.parquet"]).args(MODEL).current_dir(place.path(""));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let started = Instant::now();
    while place.entries()? == ["photos"] && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    ensure!(place.entries()?.len() == 2, "no temporary file: {:?}", place.entries()?);
    ensure!(Command::new("kill").args(["-INT", &child.id().to_string()]).status()?.success());
    ensure!(child.wait()?.code() == Some(130));
    ensure!(place.entries()? == ["photos"], "{:?}", place.entries()?);
    Ok(())
}
