//! Saved stages that were damaged.

use std::path::{Path, PathBuf};

use anyhow::Result;
use emberline_ml::{IfExists, LogisticRegression, Pipeline, Stage, StringIndexer, load, save};
use emberline_table::Session;
use emberline_table::datafusion::dataframe::DataFrame;

use crate::pictures::doubles;

async fn rows() -> Result<DataFrame> {
    let query = "SELECT arrow_cast([x, x * x], 'FixedSizeList(2 x Float64)') AS features, y AS name
                 FROM (VALUES (0.0, 'a'), (1.0, 'b'), (2.0, 'c'), (3.0, 'c'), (1.5, 'b'), (0.2, 'a')) AS t (x, y)";
    Ok(Session::new().sql(query).await?)
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

async fn answers(path: &Path) -> Result<Vec<f64>, String> {
    let saved = load(path).map_err(|e| e.to_string())?;
    let emberline_ml::Saved::Transformer(model) = saved else { return Err("no model".into()) };
    let table = rows().await.map_err(|e| e.to_string())?;
    let table =
        model.transform(table).map_err(|e| e.to_string())?.collect().await.map_err(|e| e.to_string())?;
    doubles(&table, "prediction").map_err(|e| e.to_string())
}

#[tokio::test]
async fn damage_is_noticed_and_named() -> Result<()> {
    let pipeline = Pipeline::new()
        .stage(StringIndexer::new().input_col("name").output_col("label"))
        .stage(LogisticRegression::new().reg_param(0.01));
    let model = pipeline.fit_model(&rows().await?).await?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("model");
    save(&model, &path, IfExists::Fail)?;
    let expected = answers(&path).await.map_err(anyhow::Error::msg)?;
    let (mut positions, mut noticed) = (0, 0);
    for file in files(&path)? {
        let good = std::fs::read(&file)?;
        for i in (0..good.len()).step_by(good.len().div_ceil(150)) {
            let mut bad = good.clone();
            bad[i] ^= 0x41;
            std::fs::write(&file, &bad)?;
            positions += 1;
            match answers(&path).await {
                // A change of what means nothing, such as white space, may pass; a wrong answer may not.
                Ok(found) => assert_eq!(found, expected, "byte {i} of {}", file.display()),
                Err(error) => {
                    noticed += 1;
                    assert!(error.contains(&dir.path().display().to_string()), "which file? {error}");
                }
            }
        }
        std::fs::write(&file, &good[..good.len() / 2])?;
        assert!(answers(&path).await.is_err(), "{} was cut in half", file.display());
        std::fs::remove_file(&file)?;
        assert!(answers(&path).await.is_err(), "{} is gone", file.display());
        std::fs::write(&file, &good)?;
    }
    assert!(positions > 400 && noticed > positions * 9 / 10, "{noticed} of {positions} noticed");
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
