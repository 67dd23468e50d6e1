//! The main job with real weights: folder → featurizer → logistic regression → function.

use std::sync::Arc;

use anyhow::{Context, Result};
use emberline_ml::{
    DeepImageFeaturizer, DeepImagePredictor, Functions, IfExists, LinearSVC, LogisticRegression, OneVsRest,
    Pipeline, PipelineModel, SimilarImages, Stage, StringIndexer, Transformer, load, save,
};
use emberline_table::arrow::array::{Array, AsArray, RecordBatch};
use emberline_table::arrow::datatypes::{Float32Type, Float64Type, Int64Type};
use emberline_table::datafusion::prelude::col;
use emberline_table::{ColumnFunction, Session, SessionOptions, load_function, save_function};

use crate::pictures::{folder, images};

fn featurizer() -> DeepImageFeaturizer {
    DeepImageFeaturizer::new()
        .input_col("image")
        .output_col("features")
        .model_name("EfficientNetLite0")
        .error_col("why")
}

async fn trained(root: &std::path::Path) -> Result<PipelineModel> {
    folder(root, 6)?;
    let pipeline = Pipeline::new()
        .stage(StringIndexer::new().input_col("label").output_col("index"))
        .stage(featurizer())
        .stage(LogisticRegression::new().label_col("index").reg_param(0.01));
    Ok(pipeline.fit_model(&images(&Session::new(), root).await?).await?)
}

/// File name, label found and its probability, sorted by name.
async fn answers(session: &Session, query: &str) -> Result<Vec<(String, Option<String>, Option<f64>)>> {
    let mut all = Vec::new();
    for batch in session.sql(query).await?.collect().await? {
        let (origins, labels) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        let probabilities = batch.column(2).as_primitive::<Float64Type>();
        for i in 0..batch.num_rows() {
            let name = origins.value(i).rsplit('/').take(2).collect::<Vec<_>>();
            let name = format!("{}/{}", name[1], name[0]);
            let probability = probabilities.is_valid(i).then(|| probabilities.value(i));
            all.push((name, labels.is_valid(i).then(|| labels.value(i).to_string()), probability));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_pipeline_is_a_sql_function() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let root = dir.path().join("pictures");
    let model = trained(&root).await?;
    let saved = dir.path().join("model.ember");
    save(&model, &saved, IfExists::Fail)?;
    let session =
        Session::with_options(SessionOptions { functions: Some(Arc::new(Functions)), ..Default::default() });
    let setup = format!(
        "CREATE EXTERNAL TABLE traffic_imgs STORED AS IMAGES LOCATION '{}/';
         CREATE FUNCTION my_object_recognition_function(image) LANGUAGE EMBERLINE AS '{}'",
        root.display(),
        saved.display()
    );
    session.sql(&setup).await?;
    let query = "SELECT image, my_object_recognition_function(image) AS objects FROM traffic_imgs";
    let rows = session.sql(query).await?.collect().await?;
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 14);
    let query = "SELECT origin, o['label'], o['probability'] FROM
                 (SELECT origin, my_object_recognition_function(image) AS o FROM traffic_imgs) AS t";
    let found = answers(&session, query).await?;
    for (name, label, probability) in &found {
        match name.ends_with("broken.png") {
            true => assert_eq!((label, probability), (&None, &None), "{name}"),
            false => {
                assert_eq!(label.as_deref(), name.split('/').next(), "{name}");
                assert!(probability.is_some_and(|p| p > 0.5 && p <= 1.0), "{name}: {probability:?}");
            }
        }
    }
    // The function itself, saved and rebuilt from its description, answers the same to the bit.
    let bare = dir.path().join("function");
    save_function(&model.as_function()?, &bare)?;
    session.register_function("again", load_function(&bare, &emberline_ml::function_kinds())?);
    assert_eq!(answers(&session, &query.replace("my_object_recognition_function", "again")).await?, found);
    // And so does the pipeline that was loaded, on bytes that were decoded by someone else.
    let query = query.replace("my_object_recognition_function(image)", "again(image_decode(image))");
    assert_eq!(answers(&session, &query).await?, found);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_without_probabilities_are_functions_too() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let root = dir.path().join("pictures");
    folder(&root, 4)?;
    let session = Session::new();
    let table = images(&session, &root).await?;
    let pipeline = Pipeline::new()
        .stage(StringIndexer::new().input_col("label").output_col("index"))
        .stage(featurizer());
    let one_vs_rest = OneVsRest::new(Arc::new(LinearSVC::new().reg_param(0.1))).label_col("index");
    let similar = SimilarImages::new().k(1).output_col("similar");
    let classify = pipeline.clone().stage(one_vs_rest).fit_model(&table).await?;
    let find = pipeline.stage(similar).fit_model(&table).await?;
    for (name, model) in [("classify", classify), ("find", find)] {
        let bare = dir.path().join(format!("{name}.function"));
        save_function(&model.as_function()?, &bare)?;
        session.register_function(name, load_function(&bare, &emberline_ml::function_kinds())?);
    }
    let query = format!(
        "SELECT COUNT(*) FROM read_images('{}') WHERE find(image)[1]['id'] = origin
         AND classify(image) = CASE WHEN origin LIKE '%across%' THEN 0 ELSE 1 END",
        root.display()
    );
    let count = session.sql(&query).await?.collect().await?;
    assert_eq!(count[0].column(0).as_primitive::<Int64Type>().value(0), 8);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_model_needs_no_weights() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let model = trained(&dir.path().join("pictures")).await?;
    let saved = dir.path().join("model.ember");
    save(&model, &saved, IfExists::Fail)?;
    let files: Vec<_> = std::fs::read_dir(saved.join("stages"))?.flatten().map(|e| e.file_name()).collect();
    assert_eq!(files.len(), 3);
    let loaded = load(&saved)?;
    let stage = loaded.stage();
    let loaded = emberline_ml::downcast::<PipelineModel>(stage).context("no PipelineModel")?;
    let before = model.as_function()?.describe();
    assert_eq!(loaded.as_function()?.describe(), before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn features_have_a_reason_where_they_are_null() -> Result<()> {
    let dir = tempfile::tempdir()?;
    folder(dir.path(), 2)?;
    let session = Session::new();
    let table = featurizer().transform(images(&session, dir.path()).await?)?;
    let batches = table.select(vec![col("origin"), col("features"), col("why")])?.collect().await?;
    let mut rows = 0;
    for batch in &batches {
        let (origins, features) = (batch.column(0).as_string::<i32>(), batch.column(1).as_fixed_size_list());
        assert_eq!(features.value_length(), 1280);
        for i in 0..batch.num_rows() {
            rows += 1;
            let broken = origins.value(i).ends_with("broken.png");
            assert_eq!(features.is_null(i), broken);
            assert_eq!(batch.column(2).is_valid(i), broken);
        }
    }
    assert_eq!(rows, 6);
    assert_eq!(session.report().counts().failed, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_size_changes_no_answer() -> Result<()> {
    let dir = tempfile::tempdir()?;
    folder(dir.path(), 5)?;
    let mut found: Vec<Vec<(String, Vec<f32>)>> = Vec::new();
    for (batch_size, threads) in [(1, 1), (1, 2), (4, 1)] {
        let session = Session::with_options(SessionOptions { threads: Some(threads), ..Default::default() });
        let table = featurizer().batch_size(batch_size).transform(images(&session, dir.path()).await?)?;
        let mut rows = Vec::new();
        for batch in table.select_columns(&["origin", "features"])?.collect().await? {
            let features = batch.column(1).as_fixed_size_list();
            for i in (0..batch.num_rows()).filter(|i| features.is_valid(*i)) {
                let values = features.value(i).as_primitive::<Float32Type>().values().to_vec();
                rows.push((batch.column(0).as_string::<i32>().value(i).to_string(), values));
            }
        }
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        found.push(rows);
    }
    assert_eq!(found[0].len(), 10);
    assert_eq!(found[0], found[1]);
    // A batch may be summed in another order by the runtime's kernels.
    const CLOSE: f32 = 1e-5;
    for (one, four) in found[0].iter().zip(&found[2]) {
        let scale = one.1.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
        assert!(one.1.iter().zip(&four.1).all(|(a, b)| (a - b).abs() <= CLOSE * scale));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn predictors_answer_in_both_forms() -> Result<()> {
    let dir = tempfile::tempdir()?;
    folder(dir.path(), 1)?;
    let images = images(&Session::new(), dir.path()).await?;
    let predictor =
        DeepImagePredictor::new().input_col("image").output_col("p").model_name("EfficientNetLite0");
    let all = predictor.transform(images.clone())?.filter(col("p").is_not_null())?.select_columns(&["p"])?;
    for batch in all.collect().await? {
        for row in batch.column(0).as_fixed_size_list().iter().flatten() {
            let row = row.as_primitive::<Float32Type>().values().to_vec();
            assert_eq!(row.len(), 1000);
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
    }
    let best =
        predictor.decode_predictions(true).top_k(3).transform(images)?.filter(col("p").is_not_null())?;
    let batches = best.select_columns(&["p"])?.collect().await?;
    for row in
        batches.iter().flat_map(|batch| batch.column(0).as_list::<i32>().iter().flatten().collect::<Vec<_>>())
    {
        let row = row.as_struct();
        assert_eq!(row.len(), 3);
        assert!(row.column(0).as_string::<i32>().value(0).starts_with('n'), "a WordNet id");
        let probabilities = row.column(2).as_primitive::<Float32Type>().values();
        assert!(probabilities.windows(2).all(|pair| pair[0] >= pair[1]));
    }
    Ok(())
}

#[tokio::test]
async fn wrong_names_are_found_before_any_work() -> Result<()> {
    let dir = tempfile::tempdir()?;
    folder(dir.path(), 1)?;
    let images = images(&Session::new(), dir.path()).await?;
    for (featurizer, expected) in [
        (featurizer().model_name("ResNet51"), "parameter `modelName`: expected one of EfficientNetLite0"),
        (featurizer().layer("block99"), "parameter `layer`: expected a layer of EfficientNetLite0, such as"),
        (featurizer().input_col("img"), "parameter `inputCol` names column `img`, which does not exist"),
        (featurizer().input_col("width"), "column `width` has type Int32, expected an image struct"),
        (featurizer().scale_hint("best"), "parameter `scaleHint`: expected a text, one of bilinear"),
        (
            featurizer().batch_size(0),
            "parameter `batchSize`: expected a whole number, from 1 to 1024, found 0",
        ),
    ] {
        let error = featurizer.transform(images.clone()).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
    let twice = featurizer();
    let error = Pipeline::new()
        .stage(twice.clone())
        .stage(twice)
        .fit_model(&images)
        .await
        .err()
        .map(|e| e.to_string());
    assert!(error.unwrap_or_default().contains("is in it twice"));
    let empty = Pipeline::new().fit_model(&images).await?;
    assert_eq!(empty.transform_schema(images.schema().as_arrow())?, *images.schema().as_arrow());
    assert!(empty.as_function().is_err());
    assert_eq!(empty.kind(), "PipelineModel");
    Ok(())
}
