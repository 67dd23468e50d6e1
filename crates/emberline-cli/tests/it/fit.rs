//! `emberline fit`: a Keras file trained on drawn pictures.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::support::{Workplace, file_name};

/// The arguments of a training of the network that the tests of stages have.
fn fit<'a>(network: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let first =
        ["fit", "photos", "--network", network, "--loss", "categorical_crossentropy", "--scale", "0.0039"];
    [&first[..], more].concat()
}

/// How far losses may be apart, of 1 or of themselves if they are greater: threads add up in an order that changes.
const CLOSE: f64 = 1e-3;

/// Fails when two trainings went differently.
fn check_history(found: &Value, expected: &Value) {
    let losses = |report: &Value| -> Vec<f64> {
        let epochs = report["history"].as_array().map_or(&[][..], Vec::as_slice);
        epochs.iter().filter_map(|epoch| epoch["values"]["loss"].as_f64()).collect()
    };
    let (found, expected) = (losses(found), losses(expected));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= CLOSE * expected.max(1.0), "{found}, expected {expected}");
    }
}

fn network() -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../emberline-ml/tests/fixtures/training");
    fixtures.join("colours_cnn.keras").display().to_string()
}

#[test]
fn a_grid_is_trained_measured_saved_and_drawn() -> Result<()> {
    let place = Workplace::with_pictures(10)?;
    place.write("photos/red/broken.png", b"no picture")?;
    let network = network();
    let grid = ["--learning-rate", "0.05,0.00001", "--batch-size", "4,8", "--epochs", "8"];
    let files = ["--out", "trained.ember", "--keras", "trained.keras", "--plot", "curves.svg"];
    let args = fit(&network, &[&grid[..], &files[..]].concat());
    let report = place.json(&args)?;
    let candidates = report["candidates"].as_array().map_or(&[][..], Vec::as_slice);
    let settings: Vec<(&Value, &Value)> =
        candidates.iter().map(|c| (&c["learning_rate"], &c["batch_size"])).collect();
    assert_eq!(settings[1], (&json!(0.05), &json!(8)));
    assert_eq!((candidates.len(), settings[2]), (4, (&json!(0.00001), &json!(4))));
    assert!(report["best"].as_u64() < Some(2), "{report}");
    assert!(report["accuracy"].as_f64() > Some(0.8), "{report}");
    assert_eq!(report["history"].as_array().map(Vec::len), Some(8));
    assert_eq!(report["bad_images"]["count"], json!(1), "{report}");
    let picture = std::fs::read_to_string(place.path("curves.svg"))?;
    assert!(picture.starts_with("<svg") && picture.contains("loss") && picture.contains("accuracy"));
    assert!(std::fs::read(place.path("trained.keras"))?.starts_with(b"PK"));

    // Trials are known now, so that nothing but the best one is trained.
    let again = place.json(&[&args[..], &["--overwrite", "--resume"]].concat())?;
    assert_eq!(again["candidates"], report["candidates"]);
    check_history(&again, &report);
    let rows = place.succeed(&["predict", "trained.ember", "photos/blue", "--json"])?.json_lines()?;
    let blue = rows.iter().filter(|row| file_name(&row["origin"]).starts_with("blue")).count();
    let right = rows.iter().filter(|row| row.to_string().contains("\"label\":\"blue\"")).count();
    assert!(blue == 10 && right >= 8, "{rows:?}");
    let text = place.succeed(&[&args[..], &["--overwrite", "--resume"]].concat())?.stdout;
    assert!(text.contains("Candidates") && text.contains("best") && text.contains("held out"), "{text}");
    Ok(())
}

#[test]
fn a_killed_training_goes_on_to_the_same_end() -> Result<()> {
    let network = network();
    let files = ["--out", "trained.ember", "--keras", "trained.keras"];
    let args = fit(&network, &[&["--epochs", "300", "--test-ratio", "0"], &files[..]].concat());
    let killed = Workplace::with_pictures(6)?;
    let mut child = killed.spawn(&args)?;
    let kept = || {
        let runs =
            std::fs::read_dir(killed.ledger().with_file_name("training")).into_iter().flatten().flatten();
        runs.map(|run| run.path().join("from-epoch-1/checkpoint.json")).any(|state| state.exists())
    };
    while !kept() && child.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill()?;
    child.wait()?;
    assert!(kept(), "it was not killed in the middle");
    assert_eq!(killed.entries()?, ["photos"], "beside the pictures");
    // What a process that is killed while it saves leaves, and one that is killed while it writes a checkpoint.
    std::fs::create_dir_all(killed.path(".emberline-killed/new"))?;
    killed.write(".emberline-killed/lock", b"")?;
    let resumed = killed.json(&args)?;
    let undisturbed = Workplace::with_pictures(6)?;
    let whole = undisturbed.json(&args)?;
    check_history(&resumed, &whole);
    let weights = |place: &Workplace| std::fs::read(place.path("trained.keras"));
    assert!(weights(&killed)? == weights(&undisturbed)?, "other weights");
    assert!(!kept(), "what a finished run went on from stays");
    assert_eq!(killed.entries()?, undisturbed.entries()?);
    assert_eq!(killed.kept()?, undisturbed.kept()?);
    Ok(())
}

#[test]
fn wrong_arguments_are_told_before_anything_is_trained() -> Result<()> {
    let place = Workplace::with_pictures(2)?;
    let network = network();
    let check = |args: &[&str], code: i32, expected: &str| -> Result<()> {
        let ran = place.run(args)?;
        assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
        Ok(())
    };
    let out = ["--out", "trained.ember"];
    check(&[&["fit", "photos"], &out[..]].concat(), 2, "--network")?;
    check(&fit("nowhere.keras", &out), 1, "nowhere.keras")?;
    check(&fit(&network, &[&out[..], &["--optimizer", "adamant"]].concat()), 1, "adamant")?;
    check(&fit(&network, &[&out[..], &["--freeze-until", "neck"]].concat()), 1, "neck")?;
    check(&[&["fit", "photos", "--network", &network], &out[..]].concat(), 1, "kerasLoss")?;
    assert_eq!(place.entries()?, ["photos"]);
    Ok(())
}
