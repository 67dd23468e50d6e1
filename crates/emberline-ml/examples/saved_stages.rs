//! Writes saved stages, and what they answer, for the test that later versions still read them.
//!
//! ```text
//! cargo run --workspace --example saved_stages -- crates/emberline-ml/tests/fixtures/saved
//! ```
//!
//! The stages go to a folder named after the version, which must not exist: what a version wrote stays as it is.
//! Without a folder they go to a temporary one, to see that it works.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use emberline_ml::{
    CrossValidator, Estimator, IfExists, IndexToString, KMeans, KNearestNeighborsClassifier,
    LinearRegression, LinearSVC, LogisticRegression, MulticlassClassificationEvaluator, NaiveBayes,
    OneVsRest, ParamGridBuilder, Pca, Pipeline, Saved, Stage, StandardScaler, StringIndexer, VectorAssembler,
    save,
};
use emberline_table::Session;
use emberline_table::arrow::json::ArrayWriter;
use serde_json::{Map, Value, json};

/// Sixty rows of three kinds.
const TRAINING_ROWS: &str = "
    SELECT arrow_cast([x, y, x * y], 'FixedSizeList(3 x Float64)') AS features, y + kind AS other,
           CAST(kind AS DOUBLE) AS label, ['apple', 'pear', 'plum'][kind + 1] AS name
    FROM (SELECT kind, kind + (i * 37 % 61) / 61.0 AS x, 2 - kind * 0.7 + (i * 23 % 59) / 59.0 AS y
          FROM (SELECT value AS i, value % 3 AS kind FROM generate_series(1, 60)) AS t) AS t";

/// The rows that the answers are for. They name no series and no formula, so that they stay the same.
const QUESTIONS: &str = "
    SELECT arrow_cast([x, y, z], 'FixedSizeList(3 x Float64)') AS features, other, label, name
    FROM (VALUES (0.25, 2.5, 0.5, 2.75, 0.0, 'apple'), (1.5, 1.75, 2.25, 2.5, 1.0, 'pear'),
                 (2.75, 0.75, 2.0, 3.0, 2.0, 'plum'), (1.0, 1.25, 1.25, 2.0, 1.0, 'pear'))
         AS t (x, y, z, other, label, name)";

async fn stages() -> Result<Vec<(&'static str, Saved)>> {
    let table = Session::new().sql(TRAINING_ROWS).await?;
    let pipeline = Pipeline::new()
        .stage(StringIndexer::new().input_col("name").output_col("index").string_order_type("alphabetAsc"))
        .stage(
            VectorAssembler::new().input_cols(vec!["features".into(), "other".into()]).output_col("joined"),
        )
        .stage(StandardScaler::new().input_col("joined").output_col("scaled").with_mean(true))
        .stage(Pca::new().input_col("scaled").output_col("reduced").k(2))
        .stage(LogisticRegression::new().features_col("reduced").label_col("index").reg_param(0.01))
        .stage(IndexToString::new().input_col("prediction").output_col("predicted"));
    let logistic = LogisticRegression::new();
    let grid = ParamGridBuilder::new().add_grid(logistic.params().param("regParam")?, [10.0, 0.01]).build();
    let evaluator = MulticlassClassificationEvaluator::new().metric_name("accuracy");
    let validator = CrossValidator::new(Arc::new(logistic), grid, Arc::new(evaluator)).num_folds(2).seed(7);
    let mut all: Vec<(&str, Saved)> = Vec::new();
    let estimators: [(&str, &str, Arc<dyn Estimator>); 7] = [
        ("pipeline", "pipeline_model", Arc::new(pipeline)),
        ("cross_validator", "cross_validator_model", Arc::new(validator)),
        ("k_means", "k_means_model", Arc::new(KMeans::new().k(3).seed(7))),
        ("naive_bayes", "naive_bayes_model", Arc::new(NaiveBayes::new().model_type("gaussian"))),
        (
            "linear_regression",
            "linear_regression_model",
            Arc::new(LinearRegression::new().label_col("other")),
        ),
        (
            "one_vs_rest",
            "one_vs_rest_model",
            Arc::new(OneVsRest::new(Arc::new(LinearSVC::new().reg_param(0.1)))),
        ),
        ("neighbors", "neighbors_model", Arc::new(KNearestNeighborsClassifier::new().k(3))),
    ];
    for (name, model_name, estimator) in estimators {
        all.push((model_name, Saved::Transformer(estimator.fit(&table).await?)));
        all.push((name, Saved::Estimator(estimator)));
    }
    Ok(all)
}

/// What a stage is and, if it can be asked, what it adds to the rows.
async fn answer(saved: &Saved) -> Result<Value> {
    let stage = saved.stage();
    let mut answer = json!({
        "kind": stage.kind(), "uid": stage.params().uid(), "params": stage.params().values(),
    });
    if let Saved::Transformer(model) = saved {
        let rows = Session::new().sql(QUESTIONS).await?;
        let given: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
        let answered = model.transform(rows)?;
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let batches = answered.drop_columns(&given)?.collect().await?;
        let mut writer = ArrayWriter::new(Vec::new());
        writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
        writer.finish()?;
        answer["rows"] = serde_json::from_slice(&writer.into_inner())?;
    }
    Ok(answer)
}

#[tokio::main]
async fn main() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let folder = std::env::args_os().nth(1).map_or(temporary.path().into(), std::path::PathBuf::from);
    let folder = folder.join(env!("CARGO_PKG_VERSION"));
    std::fs::create_dir_all(folder.parent().unwrap_or(Path::new(".")))?;
    std::fs::create_dir(&folder).with_context(|| format!("{}: is it there already?", folder.display()))?;
    let mut answers = Map::new();
    for (name, saved) in stages().await? {
        save(saved.stage(), &folder.join(name), IfExists::Fail)?;
        answers.insert(name.into(), answer(&saved).await?);
    }
    let content = json!({ "questions": QUESTIONS, "answers": answers });
    std::fs::write(folder.join("answers.json"), serde_json::to_string_pretty(&content)? + "\n")?;
    writeln!(std::io::stdout(), "{} stages in {}", answers.len(), folder.display())?;
    Ok(())
}
