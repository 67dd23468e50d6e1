//! Single stages on tables made by SQL.

use anyhow::Result;
use emberline_ml::{
    Estimator, Evaluator, IndexToString, LogisticRegression, MulticlassClassificationEvaluator, Stage,
    StringIndexer, Transformer,
};
use emberline_table::Session;
use emberline_table::datafusion::arrow::array::{AsArray, RecordBatch};
use emberline_table::datafusion::dataframe::DataFrame;

use crate::pictures::doubles;

async fn table(values: &str) -> Result<DataFrame> {
    Ok(Session::new().sql(&format!("SELECT * FROM (VALUES {values}) AS t (label)")).await?)
}

const FRUIT: &str = "('pear'), ('apple'), ('fig'), ('apple'), ('fig'), ('apple'), ('plum')";

#[tokio::test]
async fn labels_are_ordered_as_in_mllib() -> Result<()> {
    // StringIndexer.scala: equally frequent labels in alphabetic order.
    for (order, expected) in [
        ("frequencyDesc", ["apple", "fig", "pear", "plum"]),
        ("frequencyAsc", ["pear", "plum", "fig", "apple"]),
        ("alphabetAsc", ["apple", "fig", "pear", "plum"]),
        ("alphabetDesc", ["plum", "pear", "fig", "apple"]),
    ] {
        let indexer = StringIndexer::new().input_col("label").output_col("index").string_order_type(order);
        assert_eq!(indexer.fit_model(&table(FRUIT).await?).await?.labels(), expected, "{order}");
    }
    Ok(())
}

#[tokio::test]
async fn unseen_labels_are_handled() -> Result<()> {
    let fitted = table(FRUIT).await?;
    let unseen = table("('fig'), ('kiwi'), (NULL)").await?;
    for (handling, expected) in [("keep", vec![1.0, 4.0, 4.0]), ("skip", vec![1.0])] {
        let indexer = StringIndexer::new().input_col("label").output_col("index").handle_invalid(handling);
        let model = indexer.fit_model(&fitted).await?;
        let batches = model.transform(unseen.clone())?.collect().await?;
        assert_eq!(doubles(&batches, "index")?, expected, "{handling}");
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), expected.len());
    }
    let model = StringIndexer::new().input_col("label").output_col("index").fit_model(&fitted).await?;
    let error = model.transform(unseen)?.collect().await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("expected a label seen in fitting (apple, fig, pear, plum)"), "{error}");
    Ok(())
}

#[tokio::test]
async fn indices_become_labels_again() -> Result<()> {
    let fruit = table(FRUIT).await?;
    let model = StringIndexer::new().input_col("label").output_col("index").fit_model(&fruit).await?;
    let indexed = model.transform(fruit)?;
    let back = IndexToString::new().input_col("index").output_col("again").transform(indexed.clone())?;
    for batch in back.select_columns(&["label", "again"])?.collect().await? {
        assert_eq!(batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
    }
    let few = IndexToString::new().input_col("index").output_col("again").labels(vec!["one".into()]);
    let error = few.transform(indexed)?.collect().await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("expected a whole number from 0 to 0"), "{error}");
    Ok(())
}

/// Features on a line, most of them on the right side of it.
async fn line(select: &str) -> Result<DataFrame> {
    let query = format!(
        "SELECT {select} FROM (SELECT arrow_cast([x, x * x], 'FixedSizeList(2 x Float64)') AS features,
         CASE WHEN x > 0.3 THEN 1 ELSE 0 END AS label, 1.0 + x AS weight
         FROM (SELECT (value % 41) / 40.0 AS x, value FROM generate_series(1, 400)) AS s) AS t"
    );
    Ok(Session::new().sql(&query).await?)
}

#[tokio::test]
async fn rows_with_nulls_are_left_out_and_counted() -> Result<()> {
    let whole = line("features, label").await?;
    let lr = LogisticRegression::new().reg_param(0.01);
    let expected = lr.fit_model(&whole).await?;
    let holes =
        line("features, label").await?.union(line("NULLIF(features, features) AS features, label").await?)?;
    let model = lr.fit_model(&holes).await?;
    assert_eq!(model.coefficients(), expected.coefficients());
    let summary = model.summary().ok_or_else(|| anyhow::anyhow!("no summary"))?;
    assert_eq!((summary.training.rows, summary.training.rows_left_out), (400, 400));
    assert!(summary.training.objective_history.windows(2).all(|pair| pair[1] <= pair[0]));
    Ok(())
}

#[tokio::test]
async fn the_order_of_rows_changes_no_bit() -> Result<()> {
    let lr = LogisticRegression::new().reg_param(0.01).weight_col("weight");
    let rows = line("features, label, weight").await?;
    let expected = lr.fit_model(&rows).await?;
    let ascending = rows.clone().sort_by(vec![emberline_table::datafusion::prelude::col("weight")])?;
    let spread = rows.repartition(emberline_table::datafusion::prelude::Partitioning::RoundRobinBatch(3))?;
    for other in [ascending, spread] {
        let model = lr.fit_model(&other).await?;
        assert_eq!(model.coefficients(), expected.coefficients());
        assert_eq!(model.intercept_vector(), expected.intercept_vector());
    }
    Ok(())
}

#[tokio::test]
async fn predictions_and_metrics() -> Result<()> {
    let rows = line("features, label").await?;
    let model = LogisticRegression::new().fit_model(&rows).await?;
    let predicted = model.transform(rows.clone())?;
    let evaluator = MulticlassClassificationEvaluator::new();
    for metric in ["accuracy", "f1", "weightedPrecision"] {
        let value = evaluator.clone().metric_name(metric).evaluate(&predicted).await?;
        assert!(value > 0.95, "{metric} is {value}");
    }
    let loss = evaluator.clone().metric_name("logLoss").evaluate(&predicted).await?;
    assert!(loss < 0.1, "logLoss is {loss}");
    assert!(!evaluator.metric_name("logLoss").is_larger_better()?);
    // With threshold 1 nothing is ever class 1.
    let never = model.threshold(1.0).transform(rows)?.collect().await?;
    assert_eq!(doubles(&never, "prediction")?, vec![0.0; 400]);
    Ok(())
}

#[tokio::test]
async fn errors_name_stage_param_given_and_expected() -> Result<()> {
    let rows = line("features, label").await?;
    let cases = [
        (
            LogisticRegression::new().reg_param(-1.0),
            "parameter `regParam`: expected a number, at least 0, found -1",
        ),
        (
            LogisticRegression::new().reg_param(f64::NAN),
            "parameter `regParam`: expected a number, at least 0, found NaN",
        ),
        (
            LogisticRegression::new().family("poisson"),
            "parameter `family`: expected a text, one of auto, binomial",
        ),
        (
            LogisticRegression::new().features_col("x"),
            "parameter `featuresCol` names column `x`, which does not exist; the columns are features, label",
        ),
        (LogisticRegression::new().features_col("label"), "column `label` has type Int64, expected vectors"),
        (LogisticRegression::new().prediction_col("label"), "output column `label` exists already"),
        (
            LogisticRegression::new().thresholds(vec![1.0, 2.0, 3.0]),
            "parameter `thresholds`: expected 2 numbers, one per class",
        ),
    ];
    for (lr, expected) in cases {
        let error = lr.fit(&rows).await.err().map(|e| e.to_string()).unwrap_or_default();
        let uid = lr.params().uid();
        assert!(
            error.starts_with(&format!("{uid}: ")) && error.contains(expected),
            "{error}\nexpected {expected}"
        );
    }
    let mut lr = LogisticRegression::new();
    let error = lr.params_mut().set("regparam", 1.0).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("no parameter `regparam`; it has featuresCol, "), "{error}");
    Ok(())
}
