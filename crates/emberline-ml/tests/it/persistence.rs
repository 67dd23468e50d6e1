//! Saved stages: those of every version (`examples/saved_stages.rs`), and damaged ones.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use emberline_ml::{
    CrossValidator, CrossValidatorModel, IfExists, LogisticRegression, Saved, Stage, Transformer, downcast,
    load, save,
};
use emberline_table::Session;
use emberline_table::arrow::json::ArrayWriter;
use serde_json::Value;

use crate::linear::difference;

/// Relative difference between the answers of one model: sums in another order.
const ROUNDING: f64 = 1e-11;

/// The folder of saved stages of each version, in order.
fn versions() -> Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/saved");
    let mut found = std::fs::read_dir(root)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    found.sort();
    ensure!(!found.is_empty(), "no saved stages");
    Ok(found)
}

fn json(path: &Path) -> Result<Value> {
    serde_json::from_str(&std::fs::read_to_string(path)?).with_context(|| path.display().to_string())
}

/// What a model adds to the rows that a query gives, as rows of JSON.
async fn answered(model: &dyn Transformer, questions: &str) -> Result<Value> {
    let rows = Session::new().sql(questions).await?;
    let schema = rows.schema().clone();
    let given: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let batches = model.transform(rows)?.drop_columns(&given)?.collect().await?;
    let mut writer = ArrayWriter::new(Vec::new());
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    Ok(serde_json::from_slice(&writer.into_inner())?)
}

/// Compares numbers by their relative difference, list by list, and everything else as it is.
fn check_same(name: &str, found: &Value, expected: &Value) -> Result<()> {
    let numbers =
        |value: &Value| -> Option<Vec<f64>> { value.as_array()?.iter().map(Value::as_f64).collect() };
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            ensure!(a.keys().eq(b.keys()), "{name}: found {found}, expected {expected}");
            a.iter().try_for_each(|(key, value)| check_same(&format!("{name}.{key}"), value, &b[key]))
        }
        (Value::Number(_), Value::Number(_)) => {
            check_same(name, &Value::from([found.clone()]), &Value::from([expected.clone()]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => match numbers(found)
            .zip(numbers(expected))
        {
            Some((a, b)) => {
                let difference = difference(&a, &b);
                ensure!(difference <= ROUNDING, "{name}: {difference:.1e} off: {found}, expected {expected}");
                Ok(())
            }
            None => a.iter().zip(b).try_for_each(|(a, b)| check_same(name, a, b)),
        },
        _ => {
            ensure!(found == expected, "{name}: found {found}, expected {expected}");
            Ok(())
        }
    }
}

#[tokio::test]
async fn what_every_version_saved_is_read_and_answers_the_same() -> Result<()> {
    for version in versions()? {
        let content = json(&version.join("answers.json"))?;
        let answers = content["answers"].as_object().context("answers")?;
        let questions = content["questions"].as_str().context("questions")?;
        assert_eq!(answers.len() + 1, std::fs::read_dir(&version)?.count(), "stages without answers");
        for (name, expected) in answers {
            let saved = load(&version.join(name))?;
            let stage = saved.stage();
            assert_eq!(stage.kind(), expected["kind"], "{name}");
            assert_eq!(stage.params().uid(), expected["uid"], "{name}");
            assert_eq!(serde_json::to_value(stage.params().values())?, expected["params"], "{name}");
            if let Saved::Transformer(model) = &saved {
                check_same(name, &answered(model.as_ref(), questions).await?, &expected["rows"])?;
            }
        }
    }
    Ok(())
}

#[test]
fn what_every_version_tuned_is_read_with_its_candidates() -> Result<()> {
    for version in versions()? {
        let saved = load(&version.join("cross_validator"))?;
        let validator = downcast::<CrossValidator>(saved.stage()).context("type")?;
        let saved = load(&version.join("cross_validator_model"))?;
        let model = downcast::<CrossValidatorModel>(saved.stage()).context("type")?;
        let strengths: Vec<_> = validator.estimator_param_maps().iter().flat_map(|map| map.iter()).collect();
        let regularization = validator.estimator().params().param("regParam")?;
        assert_eq!(strengths, [&(regularization.clone(), 10.0.into()), &(regularization, 0.01.into())]);
        assert_eq!(validator.evaluator().params().text("metricName")?, "accuracy");
        assert_eq!(model.best_index, 1, "the weak penalty is the better one");
        assert!(model.avg_metrics[1] > model.avg_metrics[0], "{:?}", model.avg_metrics);
        assert_eq!(model.errors, [None, None]);
    }
    Ok(())
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

/// A file's bytes, each time damaged in one place or as a whole; `None` is no file at all.
fn damages(good: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let mut all = vec![("deleted".to_owned(), None), ("emptied".to_owned(), Some(Vec::new()))];
    for place in (0..good.len()).step_by(good.len().div_ceil(40)) {
        let bit = 1 << (place % 8);
        let mut flipped = good.to_vec();
        flipped[place] ^= bit;
        all.push((format!("bit {bit} of byte {place} flipped"), Some(flipped)));
    }
    for length in [1, good.len() / 3, good.len() / 2, good.len() - 8, good.len() - 1] {
        all.push((format!("cut to {length} bytes"), Some(good[..length].to_vec())));
    }
    for more in [&b"\0"[..], b" ", b"}", good] {
        all.push((format!("{} bytes longer", more.len()), Some([good, more].concat())));
    }
    all
}

#[tokio::test]
async fn damage_is_noticed_and_named() -> Result<()> {
    let version = versions()?.pop().context("no version")?;
    let questions =
        json(&version.join("answers.json"))?["questions"].as_str().context("questions")?.to_owned();
    let dir = tempfile::tempdir()?;
    let (mut tried, mut noticed) = (0, 0);
    for name in ["pipeline_model", "pipeline", "cross_validator_model"] {
        let path = dir.path().join(name);
        for file in files(&version.join(name))? {
            let copy = path.join(file.strip_prefix(version.join(name))?);
            std::fs::create_dir_all(copy.parent().context("no folder")?)?;
            std::fs::copy(file, copy)?;
        }
        let whole = load(&path)?;
        for file in files(&path)? {
            let good = std::fs::read(&file)?;
            for (damage, bad) in damages(&good) {
                match bad {
                    Some(bad) => std::fs::write(&file, bad)?,
                    None => std::fs::remove_file(&file)?,
                }
                let damage = format!("{}: {damage}", file.display());
                tried += 1;
                match load(&path) {
                    Err(error) => {
                        noticed += 1;
                        let error = error.to_string();
                        let named = error.contains(&file.display().to_string());
                        assert!(named, "{damage}: which file? {error}");
                    }
                    // What means nothing, such as white space, may change; an answer may not.
                    Ok(loaded) => {
                        check_same_stage(&damage, &loaded, &whole, &questions).await?;
                        let data = file.extension().is_none_or(|ending| ending != "json");
                        assert!(!data, "{damage}: not noticed");
                    }
                }
            }
            std::fs::write(&file, &good)?;
        }
        assert!(load(&path).is_ok(), "{name} was not repaired");
    }
    assert!(tried > 600 && noticed > tried * 9 / 10, "{noticed} of {tried} noticed");
    Ok(())
}

async fn check_same_stage(name: &str, found: &Saved, expected: &Saved, questions: &str) -> Result<()> {
    assert_eq!(found.stage().params().uid(), expected.stage().params().uid(), "{name}");
    assert_eq!(found.stage().params().values(), expected.stage().params().values(), "{name}");
    match (found, expected) {
        (Saved::Transformer(a), Saved::Transformer(b)) => {
            assert_eq!(
                answered(a.as_ref(), questions).await?,
                answered(b.as_ref(), questions).await?,
                "{name}"
            );
        }
        _ => assert_eq!(found.stage().kind(), expected.stage().kind(), "{name}"),
    }
    Ok(())
}

#[tokio::test]
async fn newer_formats_and_unknown_kinds_are_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("lr");
    save(&LogisticRegression::new(), &path, IfExists::Fail)?;
    let metadata = path.join("metadata.json");
    let text = std::fs::read_to_string(&metadata)?;
    std::fs::write(&metadata, text.replace("\"formatVersion\": 1", "\"formatVersion\": 99"))?;
    let error = load(&path).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("it has format 99") && error.contains("reads up to 1"), "{error}");
    std::fs::write(&metadata, "{}")?;
    let error = load(&path).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("damaged, or no saved stage"), "{error}");
    let error = load(Path::new("/no/such/model")).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("/no/such/model/metadata.json"), "{error}");
    Ok(())
}

#[test]
fn what_is_there_is_kept_when_saving_fails() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("lr");
    let first = LogisticRegression::new();
    save(&first, &path, IfExists::Fail)?;
    let error = save(&LogisticRegression::new(), &path, IfExists::Fail).err().map(|e| e.to_string());
    assert!(error.unwrap_or_default().contains("it exists already"));
    assert_eq!(load(&path)?.stage().params().uid(), first.params().uid());
    Ok(())
}
