//! Splits, folds and cross-validation.

use std::sync::Arc;

use anyhow::Result;
use emberline_ml::LogisticRegressionModel;
use emberline_ml::{
    CrossValidator, LogisticRegression, MulticlassClassificationEvaluator, ParamGridBuilder, Stage, downcast,
    split,
};
use emberline_table::Session;
use emberline_table::datafusion::dataframe::DataFrame;
use emberline_table::datafusion::prelude::{Partitioning, col, lit};

async fn rows() -> Result<DataFrame> {
    let query = "SELECT arrow_cast([x, noise], 'FixedSizeList(2 x Float64)') AS features,
                 CASE WHEN x + noise / 3 > 0.6 THEN 1.0 ELSE 0.0 END AS label
                 FROM (SELECT (value % 101) / 100.0 AS x, (value * 7919 % 97) / 97.0 AS noise
                       FROM generate_series(1, 300)) AS t";
    Ok(Session::new().sql(query).await?)
}

#[tokio::test]
async fn splits_are_stratified_and_do_not_depend_on_order() -> Result<()> {
    let rows = rows().await?;
    let positives = rows.clone().filter(col("label").eq(lit(1.0)))?.count().await?;
    let one = split(&rows, 0.25, 7, Some("label")).await?;
    assert_eq!(one.test.clone().count().await?, 75);
    assert_eq!(one.train.clone().count().await?, 225);
    let test_positives = one.test.clone().filter(col("label").eq(lit(1.0)))?.count().await?;
    assert!(test_positives.abs_diff(positives / 4) <= 1, "{test_positives} of {positives}");
    let text = async |table: DataFrame| -> Result<String> {
        let sorted = table.sort_by(vec![col("features")])?.collect().await?;
        Ok(emberline_table::arrow::util::pretty::pretty_format_batches(&sorted)?.to_string())
    };
    let shuffled =
        rows.clone().repartition(Partitioning::RoundRobinBatch(4))?.sort_by(vec![col("features")])?;
    let other = split(&shuffled, 0.25, 7, Some("label")).await?;
    assert_eq!(text(one.test).await?, text(other.test.clone()).await?);
    let reseeded = split(&rows, 0.25, 8, Some("label")).await?;
    assert_ne!(text(reseeded.test).await?, text(other.test).await?);
    Ok(())
}

#[tokio::test]
async fn the_best_candidate_is_chosen() -> Result<()> {
    let lr = LogisticRegression::new();
    let param = |name: &str| lr.params().param(name);
    let grid = ParamGridBuilder::new()
        .base_on(param("maxIter")?, 50_i64)
        .add_grid(param("regParam")?, [10.0, 0.001, 1.0])
        .build();
    let evaluator = MulticlassClassificationEvaluator::new().metric_name("accuracy");
    let validator = CrossValidator::new(Arc::new(lr), grid, Arc::new(evaluator)).num_folds(4).seed(1);
    let rows = rows().await?;
    let model = validator.fit_model(&rows).await?;
    assert_eq!(model.best_index, 1);
    assert_eq!((model.avg_metrics.len(), model.std_metrics.len()), (3, 3));
    assert!(model.avg_metrics[1] > 0.95, "{:?}", model.avg_metrics);
    let best = downcast::<LogisticRegressionModel>(model.best_model.as_ref())
        .ok_or_else(|| anyhow::anyhow!("type"))?;
    assert_eq!(
        best.summary().map(|summary| summary.training.rows),
        Some(300),
        "the best one is fitted on all rows"
    );
    let spread = rows.repartition(Partitioning::RoundRobinBatch(3))?;
    assert_eq!(validator.fit_model(&spread).await?.avg_metrics, model.avg_metrics);
    Ok(())
}

#[tokio::test]
async fn impossible_validations_are_errors() -> Result<()> {
    let lr = LogisticRegression::new();
    let evaluator = Arc::new(MulticlassClassificationEvaluator::new());
    let few = rows().await?.limit(0, Some(3))?;
    let one = CrossValidator::new(Arc::new(lr.clone()), ParamGridBuilder::new().build(), evaluator.clone());
    let error =
        one.clone().num_folds(5).fit_model(&few).await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("at least as many rows as folds"), "{error}");
    let error = one.num_folds(1).fit_model(&few).await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("parameter `numFolds`: expected a whole number, at least 2, found 1"), "{error}");
    let none = CrossValidator::new(Arc::new(lr), Vec::new(), evaluator);
    let error = none.fit_model(&few).await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("at least one candidate"), "{error}");
    Ok(())
}
