//! What must hold for every stage that can be loaded.

use std::sync::Arc;

use anyhow::{Result, ensure};
use emberline_ml::{
    BinaryClassificationEvaluator, ClusteringEvaluator, CrossValidator, DeepImageFeaturizer,
    DeepImagePredictor, Estimator, Evaluator, IfExists, IndexToString, KMeans, KNearestNeighborsClassifier,
    KerasImageFileEstimator, KerasImageFileTransformer, KerasTransformer, LinearRegression, LinearSVC,
    LogisticRegression, MinMaxScaler, MulticlassClassificationEvaluator, NaiveBayes, Normalizer,
    OneHotEncoder, OneVsRest, OnnxTransformer, ParamDefault, ParamGridBuilder, ParamMap, Pca, Pipeline,
    PipelineModel, RegressionEvaluator, Saved, SimilarImages, SqlTransformer, Stage, StandardScaler,
    StringIndexer, TFImageTransformer, TFTransformer, TrainValidationSplit, Transformer, VectorAssembler,
    function_kinds, load, registry, save,
};
use emberline_table::Session;
use emberline_table::datafusion::arrow::array::Array;
use emberline_table::datafusion::arrow::compute::concat_batches;
use emberline_table::datafusion::dataframe::DataFrame;

use crate::models::foreign;
use crate::pictures::{folder, images};
use crate::training::{fixture, of_points};

/// One of every kind, set up so that it can be used.
async fn every_kind() -> Result<Vec<Saved>> {
    let table = Session::new()
        .sql(
            "SELECT arrow_cast([x, 1.0], 'FixedSizeList(2 x Float64)') AS features, y AS label, x AS origin
              FROM (VALUES (0.0, 0), (1.0, 1), (2.0, 1), (3.0, 0)) AS t (x, y)",
        )
        .await?;
    let lr = LogisticRegression::new().reg_param(0.5);
    let indexer = StringIndexer::new().input_col("label").output_col("index");
    let pipeline = Pipeline::new().stage(indexer.clone()).stage(lr.clone());
    let featurizer =
        DeepImageFeaturizer::new().input_col("image").output_col("features").model_name("EfficientNetLite0");
    let predictor =
        DeepImagePredictor::new().input_col("image").output_col("p").model_name("EfficientNetLite0");
    let standard = StandardScaler::new().input_col("features").output_col("o");
    let min_max = MinMaxScaler::new().input_col("features").output_col("o");
    let pca = Pca::new().input_col("features").output_col("o").k(1);
    let one_hot = OneHotEncoder::new().input_col("label").output_col("o");
    let infinite = Normalizer::new().input_col("features").output_col("o").p(f64::INFINITY);
    let assembler =
        VectorAssembler::new().input_cols(vec!["features".into(), "label".into()]).output_col("o");
    let grid = ParamGridBuilder::new().add_grid(lr.params().param("regParam")?, [0.1, -1.0]).build();
    let evaluator = Arc::new(MulticlassClassificationEvaluator::new().metric_name("accuracy"));
    let validator = CrossValidator::new(Arc::new(lr.clone()), grid.clone(), evaluator.clone())
        .num_folds(2)
        .collect_sub_models(true);
    let split = TrainValidationSplit::new(Arc::new(lr.clone()), grid, evaluator).train_ratio(0.5);
    let mut all = predictors(&table).await?;
    all.extend(of_files());
    all.extend(trained(&table).await?);
    all.extend(vec![
        Saved::Transformer(Arc::new(validator.fit_model(&table).await?)),
        Saved::Estimator(Arc::new(validator)),
        Saved::Transformer(Arc::new(split.fit_model(&table).await?)),
        Saved::Estimator(Arc::new(split)),
        Saved::Transformer(Arc::new(standard.fit_model(&table).await?)),
        Saved::Estimator(Arc::new(standard)),
        Saved::Transformer(Arc::new(min_max.fit_model(&table).await?)),
        Saved::Estimator(Arc::new(min_max)),
        Saved::Transformer(Arc::new(pca.fit_model(&table).await?)),
        Saved::Estimator(Arc::new(pca)),
        Saved::Transformer(Arc::new(one_hot.fit_model(&table).await?)),
        Saved::Estimator(Arc::new(one_hot)),
        Saved::Transformer(Arc::new(infinite)),
        Saved::Transformer(Arc::new(assembler)),
        Saved::Transformer(Arc::new(SqlTransformer::new().statement("SELECT label FROM __THIS__"))),
        Saved::Transformer(Arc::new(featurizer)),
        Saved::Transformer(Arc::new(predictor)),
        Saved::Transformer(Arc::new(
            IndexToString::new().input_col("i").output_col("o").labels(vec!["a".into()]),
        )),
        Saved::Transformer(Arc::new(lr.fit_model(&table).await?)),
        Saved::Estimator(Arc::new(lr)),
        Saved::Evaluator(Arc::new(MulticlassClassificationEvaluator::new().metric_name("accuracy"))),
        Saved::Transformer(Arc::new(indexer.fit_model(&table).await?)),
        Saved::Estimator(Arc::new(indexer)),
        Saved::Transformer(Arc::new(pipeline.fit_model(&table).await?)),
        Saved::Estimator(Arc::new(pipeline)),
    ]);
    Ok(all)
}

/// The stages over models from files.
fn of_files() -> [Saved; 5] {
    let onnx = OnnxTransformer::new()
        .model_file(&foreign("old.onnx"))
        .input_mapping(&[("features", "x")])
        .output_mapping(&[("scores", "p")]);
    let tensorflow = TFTransformer::new()
        .model_file(&foreign("v1"))
        .input_mapping(&[("a", "first"), ("b", "second")])
        .output_col("both");
    let images = TFImageTransformer::new()
        .input_col("image")
        .model_file(&foreign("keras"))
        .channel_order("RGB")
        .output_tensor("output_0");
    let keras = KerasTransformer::new()
        .model_file(&foreign("../keras/shared.keras"))
        .input_mapping(&[("a", "first"), ("b", "second")]);
    let keras_images =
        KerasImageFileTransformer::new().input_col("uri").model_file(&foreign("../keras/sequential.keras"));
    [
        Saved::Transformer(Arc::new(onnx)),
        Saved::Transformer(Arc::new(tensorflow)),
        Saved::Transformer(Arc::new(images)),
        Saved::Transformer(Arc::new(keras)),
        Saved::Transformer(Arc::new(keras_images)),
    ]
}

/// The stages that train networks, and what they give.
async fn trained(table: &DataFrame) -> Result<[Saved; 4]> {
    let dir = tempfile::tempdir()?;
    folder(dir.path(), 2)?;
    let session = Session::new();
    let images = images(&session, dir.path()).await?;
    let tensors = of_points().epochs(1);
    let pictures =
        KerasImageFileEstimator::new().input_col("image").model_file(&fixture("stripes_cnn.keras")).seed(1);
    Ok([
        Saved::Transformer(Arc::new(tensors.fit_model(table).await?)),
        Saved::Estimator(Arc::new(tensors)),
        Saved::Transformer(Arc::new(pictures.fit_model(&images).await?)),
        Saved::Estimator(Arc::new(pictures)),
    ])
}

/// The stages that predict, and the evaluators of predictions.
async fn predictors(table: &DataFrame) -> Result<Vec<Saved>> {
    let estimators: Vec<Arc<dyn Estimator>> = vec![
        Arc::new(KMeans::new()),
        Arc::new(KNearestNeighborsClassifier::new().k(2)),
        Arc::new(LinearRegression::new()),
        Arc::new(LinearSVC::new().reg_param(0.1)),
        Arc::new(NaiveBayes::new().model_type("gaussian")),
        Arc::new(OneVsRest::new(Arc::new(LinearSVC::new()))),
        Arc::new(SimilarImages::new().output_col("similar")),
    ];
    let mut all: Vec<Saved> = Vec::new();
    for estimator in estimators {
        all.push(Saved::Transformer(estimator.fit(table).await?));
        all.push(Saved::Estimator(estimator));
    }
    let evaluators: [Arc<dyn Evaluator>; 3] = [
        Arc::new(BinaryClassificationEvaluator::new()),
        Arc::new(ClusteringEvaluator::new()),
        Arc::new(RegressionEvaluator::new()),
    ];
    all.extend(evaluators.map(Saved::Evaluator));
    Ok(all)
}

#[tokio::test]
async fn every_registered_kind_is_tested() -> Result<()> {
    let mut tested: Vec<_> = every_kind().await?.iter().map(|saved| saved.stage().kind()).collect();
    tested.sort_unstable();
    assert_eq!(tested, registry::kinds().iter().map(|kind| kind.name).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn saving_and_loading_keeps_everything() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for (i, saved) in every_kind().await?.into_iter().enumerate() {
        let stage = saved.stage();
        let path = dir.path().join(i.to_string());
        save(stage, &path, IfExists::Fail)?;
        ensure!(save(stage, &path, IfExists::Fail).is_err(), "{} was saved over", stage.kind());
        save(stage, &path, IfExists::Overwrite)?;
        let loaded = load(&path)?;
        let loaded = loaded.stage();
        assert_eq!(loaded.kind(), stage.kind());
        assert_eq!(loaded.params().uid(), stage.params().uid());
        assert_eq!(loaded.params().values(), stage.params().values(), "{}", stage.kind());
        // What is saved again is the same to the byte.
        let again = dir.path().join(format!("{i}-again"));
        save(loaded, &again, IfExists::Fail)?;
        let metadata = |path: &std::path::Path| std::fs::read_to_string(path.join("metadata.json"));
        assert_eq!(metadata(&again)?, metadata(&path)?, "{}", stage.kind());
    }
    let left: Vec<_> = std::fs::read_dir(dir.path())?
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with('.'))
        .collect();
    assert!(left.is_empty(), "temporary files stay behind: {left:?}");
    Ok(())
}

/// Saved and loaded, described and rebuilt, in one batch or row by row: a predictor's answers are the same.
#[tokio::test]
async fn predictions_survive_saving_describing_and_batches() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let rows =
        "SELECT arrow_cast([x, 1.0], 'FixedSizeList(2 x Float64)') AS features, y AS label, x AS origin
                FROM (VALUES (0.0, 0), (1.0, 1), (2.0, 1), (3.0, 0)) AS t (x, y)";
    let table = Session::new().sql(rows).await?;
    let holes = table.clone().select_columns(&["features"])?.union(
        Session::new().sql("SELECT arrow_cast(NULL, 'FixedSizeList(2 x Float64)') AS features").await?,
    )?;
    let batch = holes.clone().collect().await?;
    let batch = concat_batches(&batch[0].schema(), &batch)?;
    for (i, saved) in predictors(&table).await?.into_iter().enumerate() {
        let Saved::Transformer(model) = saved else { continue };
        let path = dir.path().join(i.to_string());
        save(model.as_ref(), &path, IfExists::Fail)?;
        let Saved::Transformer(loaded) = load(&path)? else { anyhow::bail!("{} changed", model.kind()) };
        let steps = model.steps(&batch.schema())?;
        let again = loaded.steps(&batch.schema())?;
        assert_eq!((steps.len(), again.len()), (1, 1));
        let function = &steps[0].function;
        let inputs = [batch.column(0).clone()];
        let expected = function.evaluate(&inputs)?.values;
        let field = batch.schema().field(0).clone().into();
        assert_eq!(function.return_field(&[field])?.data_type(), expected.data_type());
        ensure!(expected.is_null(4) && expected.null_count() == 1, "{}: {expected:?}", model.kind());
        assert_eq!(&again[0].function.evaluate(&inputs)?.values, &expected, "{}", model.kind());
        let rebuilt = function_kinds().rebuild(&function.describe(), &function.blobs())?;
        assert_eq!(&rebuilt.evaluate(&inputs)?.values, &expected, "{}", model.kind());
        for row in 0..batch.num_rows() {
            let alone = function.evaluate(&[inputs[0].slice(row, 1)])?.values;
            assert_eq!(&alone, &expected.slice(row, 1), "{}", model.kind());
        }
        let empty = function.evaluate(&[inputs[0].slice(0, 0)])?.values;
        assert_eq!((empty.len(), empty.data_type()), (0, expected.data_type()));
        // The columns that a fit promises are those that its model adds; a vector's length is known from rows alone.
        let added = model.transform_schema(&batch.schema())?;
        ensure!(added.fields().len() > 1, "{} adds nothing", model.kind());
    }
    Ok(())
}

#[tokio::test]
async fn tables_of_params_hold_together() -> Result<()> {
    for saved in every_kind().await? {
        let params = saved.stage().params();
        params.validate()?;
        for spec in params.table() {
            ensure!(
                !spec.doc.is_empty() && !spec.name.is_empty(),
                "{} has a param without doc",
                saved.stage().kind()
            );
            ensure!(
                params.explain().contains(&format!("{}: ", spec.name)),
                "explain leaves out {}",
                spec.name
            );
            if !matches!(spec.default, ParamDefault::None) {
                ensure!(params.is_defined(spec.name), "{} has a default", spec.name);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn copies_keep_the_uid_and_take_values() -> Result<()> {
    for saved in every_kind().await? {
        let uid = saved.stage().params().uid().to_string();
        let Some(spec) = saved.stage().params().table().first() else { continue };
        let mut extra = ParamMap::default();
        extra.put(saved.stage().params().param(spec.name)?, "other");
        let mut foreign = ParamMap::default();
        foreign.put(LogisticRegression::new().params().param("regParam")?, 1.0);
        let copy = |extra: &ParamMap| -> Result<Saved> {
            Ok(match &saved {
                Saved::Transformer(stage) => Saved::Transformer(Transformer::copy(stage.as_ref(), extra)?),
                Saved::Estimator(stage) => Saved::Estimator(Estimator::copy(stage.as_ref(), extra)?),
                Saved::Evaluator(stage) => Saved::Evaluator(Evaluator::copy(stage.as_ref(), extra)?),
            })
        };
        let changed = copy(&extra)?;
        assert_eq!(changed.stage().params().uid(), uid);
        assert_eq!(changed.stage().params().text(spec.name)?, "other", "{}", saved.stage().kind());
        let unchanged = copy(&foreign)?;
        assert_eq!(unchanged.stage().params().values(), saved.stage().params().values());
    }
    Ok(())
}

#[test]
fn stages_go_from_thread_to_thread() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Saved>();
    check::<PipelineModel>();
    check::<Pipeline>();
}
