//! Networks as estimators: what `tools/goldens/training_models.py` wrote, trained.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use emberline_ml::{
    CrossValidator, Estimator, IfExists, KerasEstimator, KerasImageFileEstimator, KerasImageFileModel,
    Ledger, MulticlassClassificationEvaluator, ParamGridBuilder, Pipeline, Saved, Stage, StringIndexer,
    TrainingEvent, Transformer, downcast, load, save,
};
use emberline_net::{Activation, Dense, Layer, Network, NetworkBuilder, Tensor, keras};
use emberline_table::Session;
use emberline_table::arrow::array::{AsArray, RecordBatch};
use emberline_table::arrow::compute::concat_batches;
use emberline_table::arrow::datatypes::{Float32Type, Float64Type};
use emberline_table::datafusion::dataframe::DataFrame;
use emberline_table::datafusion::prelude::col;

use crate::pictures::{folder, images};

/// A file that the script wrote.
pub(crate) fn fixture(name: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/fixtures/training").join(name).display().to_string()
}

/// Points of two sides, by a line through the plane.
async fn points(labels: &str) -> Result<DataFrame> {
    let rows: Vec<String> = (0..60)
        .map(|i| {
            let (x, y) = (f64::from(i * 37 % 61) / 30.0 - 1.0, f64::from(i * 17 % 59) / 30.0 - 1.0);
            format!("({x}, {y}, {})", u8::from(x + 0.5 * y > 0.1))
        })
        .collect();
    let sql = format!(
        "SELECT arrow_cast([x, y], 'FixedSizeList(2 x Float64)') AS features, {labels} AS label
         FROM (VALUES {}) AS t (x, y, side)",
        rows.join(", ")
    );
    Ok(Session::new().sql(&sql).await?)
}

pub(crate) fn of_points() -> KerasEstimator {
    KerasEstimator::new()
        .input_col("features")
        .output_col("scores")
        .model_file(&fixture("points.keras"))
        .keras_loss("sparse_categorical_crossentropy")
        .learning_rate(0.05)
        .batch_size(8)
        .epochs(8)
}

fn of_stripes() -> KerasImageFileEstimator {
    KerasImageFileEstimator::new()
        .input_col("image")
        .output_col("scores")
        .model_file(&fixture("stripes_cnn.keras"))
        .keras_optimizer("adam")
        .scale(1.0 / 255.0)
        .learning_rate(0.01)
        .batch_size(4)
        .epochs(4)
        .seed(3)
}

async fn rows(table: DataFrame) -> Result<RecordBatch> {
    let batches = table.collect().await?;
    let schema = batches.first().context("no rows")?.schema();
    Ok(concat_batches(&schema, &batches)?)
}

fn numbers(batch: &RecordBatch, column: &str) -> Result<Vec<f64>> {
    let column = batch.column_by_name(column).with_context(|| format!("no column {column}"))?;
    Ok(column.as_primitive::<Float64Type>().iter().map(|number| number.unwrap_or(f64::NAN)).collect())
}

fn outputs(batch: &RecordBatch) -> Result<Vec<f32>> {
    let list = batch.column_by_name("scores").context("no scores")?.as_fixed_size_list().clone();
    Ok(list.values().as_primitive::<Float32Type>().values().to_vec())
}

fn weights(network: &Network) -> BTreeMap<String, Vec<f32>> {
    network.weights().iter().map(|(name, tensor)| (name.clone(), tensor.data().to_vec())).collect()
}

/// sparkdl returned the network as it was before training; so this is what must hold first.
#[tokio::test]
async fn what_was_trained_is_what_is_returned_and_saved() -> Result<()> {
    let dir = tempfile::tempdir()?;
    folder(dir.path(), 10)?;
    let session = Session::new();
    let table = images(&session, dir.path()).await?;
    let model = of_stripes().epochs(12).fit_model(&table).await?;

    let begun = keras::read_model(fixture("stripes_cnn.keras"), &Default::default())?.network;
    let (before, after) = (weights(&begun), weights(model.network()));
    ensure!(before.keys().eq(after.keys()) && before.iter().all(|(name, values)| after[name] != *values));
    let loss = |at: usize| model.history()[at].values["loss"];
    ensure!(model.history().len() == 12 && loss(11) < 0.7 * loss(0), "{:?}", model.history());
    ensure!(model.best_epoch() > 1 && model.history()[11].values["accuracy"] > 0.7, "{:?}", model.history());
    assert_eq!(model.labels(), Some(["across".to_owned(), "down".to_owned()].as_slice()));

    let summary = model.summary().context("no summary")?;
    assert_eq!((summary.examples, summary.unlabelled_rows, summary.unreadable_rows), (20, 0, 2));
    ensure!(summary.reasons.len() == 2, "{summary:?}");

    let table = table.sort_by(vec![col("origin")])?;
    let answers = rows(model.transform(table.clone())?).await?;
    let right = answers.column_by_name("label").context("no label")?.as_string::<i32>();
    let predicted = numbers(&answers, "prediction")?;
    let hits =
        right.iter().zip(&predicted).filter(|(label, class)| (*label == Some("down")) == (**class == 1.0));
    ensure!(hits.count() > 16);

    let path = dir.path().join("trained.ember");
    save(&model, &path, IfExists::Fail)?;
    let loaded = load(&path)?;
    let loaded = downcast::<KerasImageFileModel>(loaded.stage()).context("another kind")?;
    let again = rows(loaded.transform(table.clone())?).await?;
    assert_eq!(outputs(&again)?, outputs(&answers)?);
    assert_eq!((loaded.history(), loaded.best_epoch()), (model.history(), model.best_epoch()));

    let file = dir.path().join("trained.keras");
    model.save_keras(&file)?;
    assert_eq!(weights(&keras::read_model(&file, &Default::default())?.network), after);
    Ok(())
}

#[tokio::test]
async fn the_order_of_rows_changes_nothing_and_the_seed_does() -> Result<()> {
    let table = points("side").await?;
    let model = of_points().fit_model(&table).await?;
    let turned =
        table.clone().sort(vec![col("label").sort(false, true), col("features").sort(true, true)])?;
    assert_eq!(weights(of_points().fit_model(&turned).await?.network()), weights(model.network()));
    assert_ne!(weights(of_points().seed(1).fit_model(&table).await?.network()), weights(model.network()));
    let last = model.history().last().context("no epochs")?;
    ensure!(last.values["accuracy"] > 0.9, "{last:?}");
    Ok(())
}

#[tokio::test]
async fn labels_may_be_numbers_texts_or_one_hot_vectors() -> Result<()> {
    let by_number = of_points().fit_model(&points("side").await?).await?;
    let texts = points("CASE WHEN side = 1 THEN 'right' ELSE 'left' END").await?;
    let by_text = of_points().fit_model(&texts).await?;
    assert_eq!(by_text.labels(), Some(["left".to_owned(), "right".to_owned()].as_slice()));
    ensure!(by_text.history()[7].values["accuracy"] > 0.9 && by_number.history()[7].values["accuracy"] > 0.9);
    let one_hot = "arrow_cast([1.0 - side, side], 'FixedSizeList(2 x Float64)')";
    let of_vectors = of_points().keras_loss("categorical_crossentropy");
    let by_vector = of_vectors.fit_model(&points(one_hot).await?).await?;
    ensure!(by_vector.history()[7].values["accuracy"] > 0.9);

    for (labels, expected) in [
        ("side * 2", "label 2: expected 0 to 1, since the network has 2 outputs"),
        ("side - 1", "label -1: expected 0 to 1"),
        ("side + 0.5", "label 0.5: expected 0 to 1"),
        ("arrow_cast([side], 'FixedSizeList(1 x Float64)')", "dropLast=false"),
        ("arrow_cast([side, side], 'FixedSizeList(2 x Float64)')", "sum up to 1"),
        ("arrow_cast(round(x * 4), 'Utf8')", "different labels"),
    ] {
        let estimator = if labels.contains("Float64") { &of_vectors } else { &of_points() };
        let error = estimator.fit_model(&points(labels).await?).await.err();
        let error = error.with_context(|| format!("{labels} was taken"))?.to_string();
        ensure!(error.contains(expected), "{labels}: {error}");
    }
    Ok(())
}

/// A network of dense layers over two numbers: of one input, or of two that it puts together first.
fn dense_of(inputs: usize) -> Result<Vec<u8>> {
    let mut layers = NetworkBuilder::new("dense");
    let both = match inputs {
        1 => layers.input("both", [2]),
        _ => {
            let (x, y) = (layers.input("x", [1]), layers.input("y", [1]));
            layers.merge("both", Layer::Concatenate { axis: -1 }, &[x, y])
        }
    };
    let hidden = layers.apply("hidden", Dense::new(8).activation(Activation::Relu), both);
    let scores = layers.apply("scores", Dense::new(2).activation(Activation::Softmax), hidden);
    let network = layers.build(&[scores])?;
    let weights = network.weight_shapes().into_iter().map(|(name, shape)| {
        let count: usize = shape.iter().product();
        let numbers = (0..count).map(|i| (i * 37 % 23) as f32 / 23.0 - 0.5).collect();
        Ok((name, Tensor::new(shape, numbers)?))
    });
    let weights = weights.collect::<Result<_, emberline_net::Error>>()?;
    Ok(network.with_weights(weights)?.to_keras()?)
}

/// A network that puts two columns together learns what one over vectors of both does, to the bit.
#[tokio::test]
async fn several_columns_are_several_inputs() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(file("one.keras"), dense_of(1)?)?;
    std::fs::write(file("two.keras"), dense_of(2)?)?;
    let parts = ["features", "label", "features[1] AS x", "features[2] AS y"];
    let table = points("side").await?.select_exprs(&parts)?;
    let fit_params = r#"{"validation_split": 0.2}"#;
    let one = of_points().model_file(&file("one.keras")).keras_fit_params(fit_params);
    let columns = |names: &[&str]| {
        let mut two = of_points().model_file(&file("two.keras")).keras_fit_params(fit_params);
        two.params_mut().clear("inputCol");
        two.input_cols(names.iter().map(ToString::to_string).collect())
    };
    let two = columns(&["x", "y"]);
    let (one, two) = (one.fit_model(&table).await?, two.fit_model(&table).await?);
    ensure!(two.history() == one.history() && weights(two.network()) == weights(one.network()));
    let expected = rows(one.transform(table.clone())?).await?;
    save(&two, &dir.path().join("two"), IfExists::Fail)?;
    let loaded = load(&dir.path().join("two"))?;
    let Saved::Transformer(loaded) = loaded else { bail!("no model") };
    for model in [&two as &dyn Transformer, loaded.as_ref()] {
        let found = rows(model.transform(table.clone())?).await?;
        ensure!(found.column_by_name("scores") == expected.column_by_name("scores"));
        ensure!(found.column_by_name("prediction") == expected.column_by_name("prediction"));
    }
    let other = columns(&["y", "x"]).fit_model(&table).await?;
    ensure!(
        weights(other.network()) != weights(one.network()),
        "their order is that of the network's inputs"
    );

    let check = async |estimator: KerasEstimator, expected: &str| {
        let error = estimator.fit_model(&table).await.err().context("it was fitted")?.to_string();
        ensure!(error.contains(expected), "{error}");
        Ok(())
    };
    let expected = "one output and as many inputs as there are input columns (1), found 1 and 2";
    check(columns(&["x"]), expected).await?;
    check(columns(&["x", "z"]), "`inputCols` names column `z`, which does not exist").await?;
    check(columns(&["x", "features"]), "expected 1 numbers for a tensor of shape [1], found 2").await?;
    check(columns(&[]), "at least one column").await?;
    check(columns(&["x", "y"]).input_col("x"), "found both").await
}

#[tokio::test]
async fn settings_are_checked_before_anything_is_read() -> Result<()> {
    let table = points("side").await?;
    let check = async |estimator: KerasEstimator, expected: &str| {
        let error = estimator.fit_model(&table).await.err().context("it was fitted")?.to_string();
        ensure!(error.contains(expected), "{error}");
        Ok(())
    };
    check(of_points().keras_optimizer("adamant"), "kerasOptimizer").await?;
    check(of_points().keras_optimizer(r#"{"name": "adam", "beta": 1}"#), "no parameter `beta`").await?;
    check(of_points().keras_fit_params(r#"{"batchsize": 4}"#), "unknown field `batchsize`, expected one of")
        .await?;
    check(of_points().keras_fit_params("{"), "a name or JSON").await?;
    let callback = r#"{"callbacks": [{"class_name": "TensorBoard"}]}"#;
    check(of_points().keras_fit_params(callback), "EarlyStopping, ReduceLROnPlateau or BackupAndRestore")
        .await?;
    check(of_points().freeze_until("neck"), "no layer `neck`").await?;
    check(of_points().learning_rate_factors(vec!["hidden".into()]), "`layer=factor`").await?;
    check(of_points().initial_weights(r#"{"hidden": "AlexNet"}"#), "AlexNet/features.0").await?;
    let twice = format!(r#"{{"hidden": "{}/side"}}"#, fixture("points.keras"));
    check(of_points().initial_weights(&twice), "[8], but in layer `side` of `points` it has shape [2]")
        .await?;
    check(of_points().device("abacus"), "abacus").await?;
    check(of_points().model_file("nowhere.keras"), "nowhere.keras").await?;
    let diverging = of_points().keras_optimizer("sgd").learning_rate(1e38);
    check(diverging, "in epoch 1, step").await
}

/// Epochs, batches and what watches them, by Keras' words; and the params that stand in for them.
#[tokio::test]
async fn arguments_of_fit_and_params_in_their_place() -> Result<()> {
    let table = points("side").await?;
    let seen: Arc<Mutex<Vec<(usize, usize, f64)>>> = Arc::default();
    let noted = seen.clone();
    let stage = KerasEstimator::new()
        .input_col("features")
        .model_file(&fixture("points.keras"))
        .keras_loss("sparse_categorical_crossentropy")
        .keras_optimizer(r#"{"class_name": "SGD", "config": {"learning_rate": 0.5, "momentum": 0.9}}"#)
        .keras_fit_params(
            r#"{"batch_size": 16, "epochs": 3, "validation_split": 0.2, "class_weight": {"0": 1, "1": 2}, "verbose": 0,
                "callbacks": [{"class_name": "EarlyStopping",
                               "config": {"monitor": "val_loss", "patience": 1, "min_delta": 9.0}}]}"#,
        )
        .observer(Arc::new(move |event| {
            if let (TrainingEvent::Step { epoch, steps, learning_rate, .. }, Ok(mut seen)) = (event, noted.lock()) {
                seen.push((*epoch, *steps, *learning_rate));
            }
        }));
    let model = stage.fit_model(&table).await?;
    let summary = model.summary().context("no summary")?;
    assert_eq!((summary.examples, summary.validation_examples), (48, 12));
    ensure!(model.history()[0].values.contains_key("val_accuracy"));
    ensure!(model.stopped_early() && model.history().len() < 3, "{:?}", model.history());
    let first = seen.lock().map_err(|_| anyhow::anyhow!("poisoned"))?[0];
    assert_eq!(first, (1, 3, 0.5));
    let model = stage.learning_rate(0.25).batch_size(48).epochs(1).fit_model(&table).await?;
    assert_eq!((model.history().len(), model.history()[0].steps), (1, 1));
    let last = *seen.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.last().context("no step")?;
    assert_eq!(last, (1, 1, 0.25));
    Ok(())
}

/// The learning rate and the batch size in a grid, behind an indexer, and a second search that knows all trials.
#[tokio::test]
async fn a_grid_in_a_pipeline_with_a_ledger() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let table = points("CASE WHEN side = 1 THEN 'right' ELSE 'left' END").await?;
    let indexer =
        StringIndexer::new().input_col("label").output_col("index").string_order_type("alphabetAsc");
    let network = of_points().label_col("index").epochs(6);
    let params = network.params();
    let grid = ParamGridBuilder::new()
        .add_grid(params.param("learningRate")?, [0.0001, 0.05])
        .add_grid(params.param("batchSize")?, [4_i64, 30])
        .build();
    let pipeline = Pipeline::new().stage(indexer).stage(network);
    let evaluator = MulticlassClassificationEvaluator::new().label_col("index").metric_name("accuracy");
    let search = |ledger: Ledger| {
        CrossValidator::new(Arc::new(pipeline.clone()), grid.clone(), Arc::new(evaluator.clone()))
            .num_folds(2)
            .ledger(Arc::new(ledger))
    };
    let path = dir.path().join("trials.jsonl");
    let found = search(Ledger::open(&path)?).fit_model(&table).await?;
    let metrics = &found.avg_metrics;
    ensure!(metrics.len() == 4 && metrics[2] > 0.85 && metrics[2] > metrics[1] + 0.1, "{metrics:?}");
    assert_eq!(Ledger::open(&path)?.entries().len(), 8);
    let again = search(Ledger::open(&path)?).fit_model(&table).await?;
    assert_eq!(&again.avg_metrics, metrics);
    assert_eq!(Ledger::open(&path)?.entries().len(), 8, "trials were made again");
    Ok(())
}

/// Two phases, groups of layers, weights from another layer's file; what is frozen stays, to the bit.
#[tokio::test]
async fn frozen_layers_stay_and_their_values_are_computed_once() -> Result<()> {
    let dir = tempfile::tempdir()?;
    folder(dir.path(), 6)?;
    let session = Session::new();
    let table = images(&session, dir.path()).await?;
    let begun = weights(&keras::read_model(fixture("stripes_cnn.keras"), &Default::default())?.network);

    let computed: Arc<Mutex<usize>> = Arc::default();
    let count = computed.clone();
    let observer: emberline_ml::TrainingObserver = Arc::new(move |event| {
        if let (TrainingEvent::Features { done, of }, Ok(mut count)) = (event, count.lock()) {
            *count += usize::from(done == of);
        }
    });
    let head = of_stripes().head_epochs(2).epochs(0).observer(observer.clone()).fit_model(&table).await?;
    let trained = weights(head.network());
    for (name, values) in &begun {
        assert_eq!(trained[name] != *values, name.starts_with("direction/"), "{name}");
    }
    assert_eq!(computed.lock().map(|count| *count).ok(), Some(1));

    let both = of_stripes()
        .head_epochs(2)
        .epochs(2)
        .freeze_until("hidden")
        .learning_rate_factors(vec!["hidden=0.0".into(), "direction=1.0".into()])
        .observer(observer)
        .fit_model(&table)
        .await?;
    let trained = weights(both.network());
    for (name, values) in &begun {
        assert_eq!(trained[name] != *values, name.starts_with("direction/"), "{name}");
    }
    let epochs: Vec<usize> = both.history().iter().map(|epoch| epoch.epoch).collect();
    assert_eq!(epochs, [1, 2, 3, 4]);
    assert_eq!(computed.lock().map(|count| *count).ok(), Some(3));

    // With augmentation every epoch has other pictures, so nothing can be computed once; and the same seed gives the same.
    let flipped = of_stripes().head_epochs(0).epochs(2).augmentation(
        r#"{"horizontal_flip": true, "rotation": 5, "crop": 0.2, "brightness": 0.1, "mixup": 0.2}"#,
    );
    let (one, two) = (flipped.fit_model(&table).await?, flipped.fit_model(&table).await?);
    assert_eq!(weights(one.network()), weights(two.network()));
    ensure!(weights(one.network()) != weights(of_stripes().epochs(2).fit_model(&table).await?.network()));

    let file = dir.path().join("one.keras");
    one.save_keras(&file)?;
    let places = format!(r#"{{"conv1": "{}/conv1"}}"#, file.display());
    let copied =
        of_stripes().initial_weights(&places).freeze_until("hidden").epochs(1).fit_model(&table).await?;
    assert_eq!(weights(copied.network())["conv1/kernel"], weights(one.network())["conv1/kernel"]);
    Ok(())
}

/// A run that ends in the middle, as if killed, goes on to the weights of one that did not.
#[tokio::test]
async fn a_run_goes_on_where_it_was() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let table = points("side").await?;
    let whole = of_points().fit_model(&table).await?;
    let kept = of_points().checkpoint_dir(&dir.path().display().to_string());
    let fit = kept.clone().observer(Arc::new(|event| {
        if let TrainingEvent::Step { epoch: 4, step: 3, .. } = event {
            // The thread of the training ends as a killed process would.
            std::panic::resume_unwind(Box::new("killed"));
        }
    }));
    let error = fit.fit_model(&table).await.err().context("it went on")?.to_string();
    ensure!(error.contains("thread has ended"), "{error}");
    let seen: Arc<Mutex<Vec<usize>>> = Arc::default();
    let noted = seen.clone();
    let resumed = kept.observer(Arc::new(move |event| {
        if let (TrainingEvent::Epoch(epoch), Ok(mut seen)) = (event, noted.lock()) {
            seen.push(epoch.epoch);
        }
    }));
    let resumed = resumed.fit_model(&table).await?;
    assert_eq!(seen.lock().map(|seen| seen.clone()).ok(), Some(vec![4, 5, 6, 7, 8]));
    assert_eq!(weights(resumed.network()), weights(whole.network()));
    assert_eq!(resumed.history(), whole.history());
    assert_eq!(std::fs::read_dir(dir.path())?.count(), 0, "checkpoints of a finished run stay");
    Ok(())
}

#[tokio::test]
async fn estimators_keep_their_params_when_saved() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let stage = of_stripes().keras_fit_params(r#"{"epochs": 2}"#);
    let schema = points("side").await?;
    ensure!(stage.transform_schema(schema.schema().as_arrow()).is_err(), "there are no images");
    save(&stage, &dir.path().join("cnn"), IfExists::Fail)?;
    let loaded = load(&dir.path().join("cnn"))?;
    assert_eq!(loaded.stage().params().values(), stage.params().values());
    Ok(())
}
