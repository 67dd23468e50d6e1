//! Folders as tables.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use datafusion::arrow::array::{AsArray, RecordBatch};
use emberline_table::datafusion::prelude::{col, lit};
use emberline_table::{ImageColumn, ImageTable, LabelFrom, ReadOptions, Session, SessionOptions, datafusion};
use futures::TryStreamExt;
use futures::future::try_join_all;

use crate::pictures::{folder, png, rows, texts};

fn root() -> Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    folder(dir.path())?;
    Ok(dir)
}

fn uri(dir: &tempfile::TempDir) -> String {
    dir.path().display().to_string()
}

#[tokio::test]
async fn every_file_is_a_row_and_bad_ones_say_why() -> Result<()> {
    let dir = root()?;
    let session = Session::new();
    let images = session.read_images(&uri(&dir), ReadOptions::default()).await?;
    let table = images.select_columns(&["origin", "width", "height", "image_error"])?.collect().await?;
    let found: Vec<String> =
        rows(&table)?.iter().map(|row| row.replace(&format!("{}/", uri(&dir)), "")).collect();
    assert_eq!(found.len(), 6);
    assert!(found.contains(&"cats/a.png|4|2|".to_string()), "{found:?}");
    assert!(found.contains(&"dogs/c.png|2|5|".to_string()), "{found:?}");
    let reason = |name: &str| found.iter().find(|row| row.starts_with(name)).cloned().unwrap_or_default();
    assert!(reason("dogs/broken.jpg").contains("not a JPEG, PNG"), "{found:?}");
    assert!(reason("dogs/empty.png").contains("empty"), "{found:?}");
    let counts = session.report().counts();
    assert_eq!((counts.read, counts.failed), (6, 2));
    assert!(counts.samples[0].0.as_deref().is_some_and(|origin| origin.ends_with("dogs/broken.jpg")));
    Ok(())
}

#[tokio::test]
async fn images_are_sparks_struct() -> Result<()> {
    let dir = root()?;
    let images =
        Session::new().read_images(&format!("{}/cats/a.png", uri(&dir)), ReadOptions::default()).await?;
    let batches = images.select_columns(&["image"])?.collect().await?;
    let column =
        ImageColumn::try_new(batches[0].column(0)).ok_or_else(|| anyhow::anyhow!("no image column"))?;
    let row = column.get(0).ok_or_else(|| anyhow::anyhow!("null"))?;
    assert_eq!((row.width, row.height, row.channels), (4, 2, 3));
    assert_eq!(row.data[..3], [0, 0, 255], "red is stored blue first");
    let mode = batches[0].column(0).as_struct().column(4).clone();
    assert_eq!(mode.as_primitive::<datafusion::arrow::datatypes::Int32Type>().value(0), 16);
    Ok(())
}

#[tokio::test]
async fn labels_come_from_folders() -> Result<()> {
    let dir = root()?;
    let options = ReadOptions { label: LabelFrom::Folder, ..Default::default() };
    let images = Session::new().read_images(&uri(&dir), options).await?;
    let labels = texts(&images.select_columns(&["label"])?.collect().await?, 0);
    let expected = [None, Some("cats"), Some("cats"), Some("dogs"), Some("dogs"), Some("dogs")];
    assert_eq!(labels, expected.map(|label| label.map(String::from)));
    Ok(())
}

#[tokio::test]
async fn partition_folders_are_columns() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for (path, colour) in [("year=2024/kind=a b/x.png", 1), ("year=2025/kind=c%2Fd/y.png", 2)] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(dir.path()))?;
        std::fs::write(path, png(1, 1, [colour, 0, 0])?)?;
    }
    let session = Session::new();
    let images = session.read_images(&uri(&dir), ReadOptions::default()).await?;
    let table = images.clone().select_columns(&["kind", "year"])?.collect().await?;
    assert_eq!(rows(&table)?, ["a b|2024", "c/d|2025"]);
    let newer = images.filter(col("year").gt(lit(2024)))?.select_columns(&["kind"])?.collect().await?;
    assert_eq!(rows(&newer)?, ["c/d"]);
    assert_eq!(session.report().counts().read, 3, "the filter is answered before a file is read");
    Ok(())
}

#[tokio::test]
async fn origins_and_labels_touch_no_file() -> Result<()> {
    let dir = root()?;
    let options = ReadOptions { label: LabelFrom::Folder, ..Default::default() };
    let images = Session::new().read_images(&uri(&dir), options).await?;
    // Reading any of the files would now fail.
    for entry in ["cats", "dogs"] {
        std::fs::remove_dir_all(dir.path().join(entry))?;
    }
    let table = images.select_columns(&["origin", "label"])?.collect().await?;
    assert_eq!(table.iter().map(datafusion::arrow::array::RecordBatch::num_rows).sum::<usize>(), 6);
    Ok(())
}

#[tokio::test]
async fn sizes_read_headers_only() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let whole = png(7, 5, [1, 2, 3])?;
    // The header is there, the pixels are not.
    std::fs::write(dir.path().join("cut.png"), &whole[..whole.len() - 20])?;
    let images = Session::new().read_images(&uri(&dir), ReadOptions::default()).await?;
    assert_eq!(rows(&images.clone().select_columns(&["width", "height"])?.collect().await?)?, ["7|5"]);
    let error = texts(&images.select_columns(&["image_error"])?.collect().await?, 0);
    assert!(error[0].is_some(), "decoding it fails");
    Ok(())
}

#[tokio::test]
async fn options_choose_files() -> Result<()> {
    let dir = root()?;
    let session = Session::new();
    let uri = uri(&dir);
    let count =
        async |uri: &str, options: ReadOptions| ImageTable::open(uri, options).await.map(|t| t.file_count());
    let glob = |glob: &str| ReadOptions { glob: Some(glob.into()), ..Default::default() };
    assert_eq!(count(&uri, ReadOptions { recursive: false, ..Default::default() }).await?, 1);
    assert_eq!(count(&uri, glob("*.jpg")).await?, 1);
    assert_eq!(count(&uri, glob("cats/*")).await?, 2);
    assert_eq!(count(&uri, glob("**/*.png")).await?, 5);
    assert_eq!(count(&format!("{uri}/*/*.png"), ReadOptions::default()).await?, 4);
    let drop_invalid = ReadOptions { drop_invalid: true, ..Default::default() };
    assert_eq!(session.read_images(&uri, drop_invalid).await?.select_columns(&["origin"])?.count().await?, 4);
    Ok(())
}

#[tokio::test]
async fn samples_depend_on_paths_alone() -> Result<()> {
    let (one, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    for dir in [&one, &other] {
        for i in 0..200 {
            std::fs::write(dir.path().join(format!("{i}.png")), b"")?;
        }
    }
    let sample = async |dir: &tempfile::TempDir, seed: u64, ratio: f64| -> Result<Vec<String>> {
        let options = ReadOptions { sample_ratio: ratio, seed, ..Default::default() };
        let images = Session::new().read_images(&uri(dir), options).await?;
        let origins = texts(&images.select_columns(&["origin"])?.collect().await?, 0);
        Ok(origins.into_iter().flatten().filter_map(|o| Some(o.rsplit_once('/')?.1.to_string())).collect())
    };
    let sampled = sample(&one, 0, 0.3).await?;
    assert_eq!(sampled, sample(&other, 0, 0.3).await?);
    assert_ne!(sampled, sample(&one, 1, 0.3).await?);
    assert!((40..80).contains(&sampled.len()), "{}", sampled.len());
    assert!(sample(&one, 0, 0.0).await?.is_empty());
    // Another file changes nothing for the rest.
    std::fs::write(one.path().join("x.png"), b"")?;
    let more = sample(&one, 0, 0.3).await?;
    assert!(sampled.iter().all(|name| more.contains(name)));
    Ok(())
}

#[tokio::test]
async fn odd_names_are_read() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let names = ["a b.png", "50%.png", "ünï.png", "q?.png", "x#y.png", "[1].png", "a+b&c.png", "tilde~.png"];
    for name in names {
        std::fs::write(dir.path().join(name), png(1, 1, [9, 9, 9])?)?;
    }
    let images = Session::new().read_images(&uri(&dir), ReadOptions::default()).await?;
    let table = images.select_columns(&["origin", "image_error"])?.collect().await?;
    assert_eq!(texts(&table, 1), vec![None; names.len()]);
    for name in names {
        let expected = Some(dir.path().join(name).display().to_string());
        assert!(texts(&table, 0).contains(&expected), "{name}: {:?}", texts(&table, 0));
    }
    Ok(())
}

#[tokio::test]
async fn wrong_settings_are_errors() -> Result<()> {
    let dir = root()?;
    let error = async |uri: &str, options: ReadOptions| match ImageTable::open(uri, options).await {
        Ok(table) => format!("{} files", table.file_count()),
        Err(error) => error.to_string(),
    };
    let missing = error("/no/such/folder", ReadOptions::default()).await;
    assert!(missing.starts_with("/no/such/folder: "), "{missing}");
    let ratio = error(&uri(&dir), ReadOptions { sample_ratio: 1.5, ..Default::default() }).await;
    assert_eq!(ratio, "sampleRatio: expected a number from 0 to 1, found 1.5");
    let glob = error(&uri(&dir), ReadOptions { glob: Some("[".into()), ..Default::default() }).await;
    assert!(glob.starts_with("glob: expected a pattern"), "{glob}");
    let scheme = error("ftp://host/x", ReadOptions::default()).await;
    assert!(scheme.starts_with("ftp://host/x: "), "{scheme}");
    Ok(())
}

#[tokio::test]
async fn answers_do_not_depend_on_threads() -> Result<()> {
    let dir = root()?;
    let mut answers = Vec::new();
    for threads in [1, 3, 8] {
        let session = Session::with_options(SessionOptions { threads: Some(threads), ..Default::default() });
        let images = session.read_images(&uri(&dir), ReadOptions::default()).await?;
        answers.push(rows(&images.select_columns(&["origin", "width", "image_error"])?.collect().await?)?);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    Ok(())
}

/// Where rows are merged in the order of their paths, partitions take files from one queue, anew in each execution; elsewhere each
/// has its own files.
#[tokio::test]
async fn partitions_share_files_that_are_merged_by_their_paths() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for i in 0..100 {
        std::fs::write(dir.path().join(format!("{i:02}.png")), b"")?;
    }
    let session = Session::with_options(SessionOptions { threads: Some(3), ..Default::default() });
    let table = session.read_images(&uri(&dir), ReadOptions::default()).await?.select_columns(&["origin"])?;
    let plan = table.clone().create_physical_plan().await?;
    let first = plan.execute(0, Arc::new(table.task_ctx()))?;
    assert_eq!(origins(&first.try_collect::<Vec<_>>().await?).len(), 34, "its own");

    let merged = table.sort(vec![col("origin").sort(true, false)])?;
    let (context, other) = (Arc::new(merged.task_ctx()), Arc::new(merged.task_ctx()));
    let merged = merged.create_physical_plan().await?;
    let [plan] = merged.children()[..] else { anyhow::bail!("{merged:?}") };
    let first = plan.execute(0, context.clone())?;
    assert_eq!(origins(&first.try_collect::<Vec<_>>().await?).len(), 100, "all, as no other asked for any");
    // Two executions at once, and one of them once more.
    let mut executions = vec![Vec::new(), Vec::new(), Vec::new()];
    for partition in 0..3 {
        executions[0].push(plan.execute(partition, context.clone())?);
        executions[1].push(plan.execute(partition, other.clone())?);
    }
    for partition in 0..3 {
        executions[2].push(plan.execute(partition, context.clone())?);
    }
    for streams in executions {
        let mut all = Vec::new();
        for partition in try_join_all(streams.into_iter().map(TryStreamExt::try_collect::<Vec<_>>)).await? {
            let own = origins(&partition);
            assert!(own.is_sorted(), "{own:?}");
            all.extend(own);
        }
        assert_eq!((all.len(), all.into_iter().collect::<BTreeSet<_>>().len()), (100, 100));
    }
    let merged = origins(&merged.execute(0, context)?.try_collect::<Vec<_>>().await?);
    assert!(merged.len() == 100 && merged.is_sorted(), "{merged:?}");
    Ok(())
}

fn origins(batches: &[RecordBatch]) -> Vec<String> {
    let columns = batches.iter().map(|batch| batch.column(0).as_string::<i32>());
    columns.flat_map(|column| column.iter().flatten().map(str::to_owned)).collect()
}
