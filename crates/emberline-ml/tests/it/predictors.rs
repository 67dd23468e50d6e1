//! Predictors and their evaluators against pyspark.ml and scikit-learn (`tools/goldens/predictors.py`), and what must hold
//! without a reference.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use emberline_ml::linear::{
    Bounds, LinearOptions, LogisticOptions, Matrix, Solver, fit_hinge, fit_least_squares, fit_logistic,
};
use emberline_ml::metrics::{Dissimilarity, silhouette};
use emberline_ml::{
    BinaryClassificationEvaluator, ClusteringEvaluator, Estimator, Evaluator, IfExists, KMeans,
    KNearestNeighborsClassifier, LinearRegression, LinearSVC, LogisticRegression, LogisticRegressionModel,
    NaiveBayes, OneVsRest, ParamMap, Pipeline, RegressionEvaluator, Saved, SimilarImages, Stage,
    StringIndexer, Transformer, downcast, load, save,
};
use emberline_table::Session;
use emberline_table::datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, RecordBatch,
};
use emberline_table::datafusion::arrow::compute::cast;
use emberline_table::datafusion::arrow::datatypes::{DataType, Field, Float64Type};
use emberline_table::datafusion::dataframe::DataFrame;
use emberline_table::datafusion::prelude::{Partitioning, col, lit};
use serde_json::Value;

use crate::linear::{Problem, difference, fixture, numbers, uniform};

/// Relative difference of what is computed without iterations: sums in another order.
const ROUNDING: f64 = 1e-11;
/// Relative difference at a tight tolerance, where Breeze still stops at a gradient of 1e-8.
const AT_TIGHT_TOLERANCE: f64 = 1e-6;

fn section(name: &str) -> Result<Vec<Value>> {
    fixture("predictors.json")?[name].as_array().cloned().with_context(|| format!("no section {name}"))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("{name} is no text"))
}

fn number(value: &Value, name: &str) -> Result<f64> {
    value[name].as_f64().with_context(|| format!("{name} is no number"))
}

fn flag(value: &Value, name: &str) -> bool {
    value[name].as_bool().unwrap_or(false)
}

/// Checks a difference, and says it.
#[expect(clippy::print_stdout, reason = "whoever asks for the output wants the figures")]
fn close(what: &str, found: &[f64], expected: &Value, tolerance: f64) -> Result<()> {
    let difference = difference(found, &numbers(expected)?);
    println!("{what}: {difference:.1e}");
    ensure!(difference <= tolerance, "{what}: {difference:.1e} is more than {tolerance:.0e}");
    Ok(())
}

/// A table of `features` `[N, d]`, `label`, `weight`, and `id`, the row's number.
fn table(features: &[f64], labels: &[f64], weights: &[f64]) -> Result<DataFrame> {
    let length = features.len() / labels.len();
    let item = Arc::new(Field::new("item", DataType::Float64, false));
    let values = Arc::new(Float64Array::from(features.to_vec()));
    let vectors = FixedSizeListArray::try_new(item, i32::try_from(length)?, values, None)?;
    let column = |values: &[f64]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let id: Vec<f64> = (0..labels.len()).map(|row| row as f64).collect();
    let batch = RecordBatch::try_from_iter([
        ("features", Arc::new(vectors) as ArrayRef),
        ("label", column(labels)),
        ("weight", column(weights)),
        ("id", column(&id)),
    ])?;
    Ok(Session::new().context().read_batch(batch)?)
}

fn problem_table(problem: &Problem) -> Result<DataFrame> {
    table(&problem.features, &problem.labels, &problem.weights)
}

/// A column of numbers or of vectors, in the order of `id`.
async fn column(table: DataFrame, name: &str) -> Result<Vec<f64>> {
    let sorted = table.sort_by(vec![col("id")])?;
    let mut all = Vec::new();
    for batch in sorted.select_columns(&[name])?.collect().await? {
        let values = match batch.column(0).as_fixed_size_list_opt() {
            Some(vectors) => vectors.values().slice(
                usize::try_from(vectors.value_offset(0))?,
                vectors.len() * usize::try_from(vectors.value_length())?,
            ),
            None => batch.column(0).clone(),
        };
        all.extend(cast(&values, &DataType::Float64)?.as_primitive::<Float64Type>().values());
    }
    Ok(all)
}

async fn error_of(estimator: &dyn Estimator, table: &DataFrame) -> String {
    estimator.fit(table).await.err().map(|e| e.to_string()).unwrap_or_default()
}

/// The data of `linear_data` in `tools/goldens/predictors.py`.
fn linear_problem(settings: &Value) -> Result<Problem> {
    let mut settings = settings.clone();
    settings["classes"] = 1.into();
    settings["noise"] = 0.0.into();
    let mut problem = Problem::new(settings)?;
    let rows = problem.labels.len();
    let d = problem.features.len() / rows;
    for (i, row) in problem.features.chunks_exact_mut(d).enumerate() {
        if flag(&problem.settings, "constant") {
            row[2] = 3.5;
        }
        let terms = row.iter().enumerate();
        let label = terms.fold(2.0, |sum, (j, value)| sum + value * (uniform(30, j) - 0.5));
        let label = label + (uniform(31, i) - 0.5);
        problem.labels[i] = if flag(&problem.settings, "constant_label") { 7.0 } else { label };
    }
    Ok(problem)
}

#[tokio::test]
async fn linear_regression_agrees_with_pyspark() -> Result<()> {
    for settings in section("linear")? {
        let problem = linear_problem(&settings)?;
        let table = problem_table(&problem)?;
        for answer in settings["answers"].as_array().into_iter().flatten() {
            let name = format!("linear {} {}", text(&settings, "name")?, text(answer, "solver")?);
            let mut regression =
                LinearRegression::new().solver(text(answer, "solver")?).tol(1e-13).max_iter(1000);
            for param in ["regParam", "elasticNetParam"] {
                if let Some(value) = settings[param].as_f64() {
                    regression.params_mut().set(param, value)?;
                }
            }
            for param in ["fitIntercept", "standardization"] {
                if let Some(value) = settings[param].as_bool() {
                    regression.params_mut().set(param, value)?;
                }
            }
            if flag(&settings, "weighted") {
                regression = regression.weight_col("weight");
            }
            let model = regression.fit_model(&table).await?;
            let exact = text(answer, "solver")? == "normal" && settings["elasticNetParam"].is_null();
            // Spark has no exact answer where a feature is constant: its products are singular without a penalty.
            let tolerance = if exact { 1e-9 } else { AT_TIGHT_TOLERANCE };
            close(
                &format!("{name}: coefficients"),
                model.coefficients(),
                &answer["coefficients"],
                tolerance,
            )?;
            let intercept = serde_json::json!([answer["intercept"]]);
            close(&format!("{name}: intercept"), &[model.intercept()], &intercept, tolerance)?;
            let found = column(model.transform(table.clone())?, "prediction").await?;
            close(&format!("{name}: predictions"), &found[..5], &answer["prediction"], tolerance)?;
            let summary = model.summary().context("summary")?;
            for metric in emberline_ml::metrics::RegressionMetric::ALL {
                let expected = &answer["metrics"][metric.name()];
                let expected =
                    expected.as_f64().or_else(|| expected.as_str()?.parse().ok()).context("metric")?;
                let found = summary.metric(metric);
                let off = (found - expected).abs() / expected.abs().max(1.0);
                ensure!(
                    off <= tolerance || found.to_bits() == expected.to_bits() || !expected.is_finite(),
                    "{name}: {metric} is {found}, expected {expected}"
                );
            }
            let history = numbers(&answer["objectiveHistory"])?;
            let last = summary.training.objective_history.last().copied().unwrap_or_default();
            let spark = history.last().copied().unwrap_or_default();
            ensure!(
                (last - spark).abs() <= 1e-9 * spark.abs().max(1e-3),
                "{name}: objective {last}, Spark {spark}"
            );
        }
    }
    Ok(())
}

#[test]
fn least_squares_are_an_optimum_whatever_the_solver() -> Result<()> {
    // Features that depend on each other have many solutions, with the same predictions.
    let x: Vec<f64> = (0..60)
        .flat_map(|i| {
            let (a, b) = (uniform(40, i), uniform(41, i));
            [a, b, a + 2.0 * b]
        })
        .collect();
    let labels: Vec<f64> = (0..60).map(|i| uniform(42, i)).collect();
    let options = LinearOptions { tol: 1e-13, max_iter: 1000, ..Default::default() };
    let matrix = Matrix::from_f64(&x, 3)?;
    let values = |solver| {
        anyhow::Ok(fit_least_squares(&matrix, &labels, None, solver, &options)?.model.values(&matrix))
    };
    let (normal, iterated) = (values(Solver::Normal)?, values(Solver::LBfgs)?);
    assert!(difference(&normal, &iterated) < 1e-6, "{}", difference(&normal, &iterated));
    Ok(())
}

/// How far the hinge's objective may lie above the optimum, at the tight tolerance and at the default one, and how far its
/// coefficients may be off at the tight one: on a kink nothing says how near the optimum is.
const HINGE_OBJECTIVE: [(&str, f64); 2] = [("tight", 1e-7), ("default", 1e-4)];
const HINGE_COEFFICIENTS: f64 = 1e-3;

#[test]
fn support_vectors_reach_the_optimum_and_spark() -> Result<()> {
    for settings in section("hinge")? {
        let problem = Problem::new(settings.clone())?;
        let exact = &settings["exact"];
        for (kind, tolerance) in HINGE_OBJECTIVE {
            let answer = &settings["answers"][kind];
            let options = problem.options(answer)?;
            let fitted = fit_hinge(&problem.matrix()?, &problem.labels, problem.weights(), &options)?;
            let found = fitted.objective_history.last().copied().context("history")?;
            let (optimum, spark) = (number(exact, "objective")?, number(answer, "objective")?);
            let above = (found - optimum) / optimum;
            let spark_above = (spark - optimum) / optimum;
            let off = difference(&fitted.model.coefficients, &numbers(&exact["coefficients"])?);
            let spark_off = difference(&numbers(&answer["coefficients"])?, &numbers(&exact["coefficients"])?);
            let figures = format!(
                "hinge {} {kind}: objective above the optimum by {above:.1e} (Spark {spark_above:.1e}), coefficients off by \
                 {off:.1e} (Spark {spark_off:.1e}), iterations {} (Spark {}), {:?}",
                settings["name"], fitted.iterations, answer["iterations"], fitted.stop
            );
            println!("{figures}");
            ensure!(above <= tolerance && (kind != "tight" || off <= HINGE_COEFFICIENTS), figures);
        }
    }
    Ok(())
}

#[tokio::test]
async fn support_vectors_decide_by_margin_and_threshold() -> Result<()> {
    let settings = section("hinge")?.swap_remove(0);
    let problem = Problem::new(settings)?;
    let table = problem_table(&problem)?;
    let model = LinearSVC::new().reg_param(0.1).fit_model(&table).await?;
    let raw = column(model.transform(table.clone())?, "rawPrediction").await?;
    let prediction = column(model.transform(table.clone())?, "prediction").await?;
    for (raw, prediction) in raw.chunks(2).zip(&prediction) {
        assert_eq!((raw[0], *prediction), (-raw[1], f64::from(u8::from(raw[1] > 0.0))));
    }
    assert_eq!(
        column(model.clone().threshold(1e9).transform(table.clone())?, "prediction").await?,
        vec![0.0; 150]
    );
    // A column without a name is left out.
    let few = model.raw_prediction_col("").transform(table.clone())?;
    assert!(few.schema().field_with_unqualified_name("rawPrediction").is_err());
    let three = table.with_column("label", lit(2.0))?;
    let error = error_of(&LinearSVC::new(), &three).await;
    assert!(error.contains("expected a whole number from 0 to 1, found 2"), "{error}");
    Ok(())
}

/// The data of `bayes_data` in `tools/goldens/predictors.py`.
fn bayes_data(kind: &str) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (rows, features, classes) = (90, 6, 3);
    let (mut x, mut labels, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..rows {
        let label = (uniform(32, i) * classes as f64).floor();
        for j in 0..features {
            let value = uniform(33, i * features + j) + if (j % classes) as f64 == label { 0.4 } else { 0.0 };
            x.push(match kind {
                "multinomial" | "complement" => (value * 5.0).floor(),
                "bernoulli" => f64::from(u8::from(value > 0.6)),
                _ => value * 3.0 - 1.0,
            });
        }
        labels.push(label);
        weights.push(0.25 + 2.0 * uniform(34, i));
    }
    (x, labels, weights)
}

#[tokio::test]
async fn naive_bayes_agrees_with_pyspark() -> Result<()> {
    for case in section("bayes")? {
        let kind = text(&case, "modelType")?;
        let (x, labels, weights) = bayes_data(kind);
        let table = table(&x, &labels, &weights)?;
        let mut bayes = NaiveBayes::new().model_type(kind).smoothing(number(&case, "smoothing")?);
        if flag(&case, "weighted") {
            bayes = bayes.weight_col("weight");
        }
        let model = bayes.fit_model(&table).await?;
        let name = |what: &str| format!("bayes {kind} {} {what}", flag(&case, "weighted"));
        close(&name("pi"), model.pi(), &case["pi"], ROUNDING)?;
        close(&name("theta"), model.theta(), &case["theta"], ROUNDING)?;
        close(&name("sigma"), model.sigma(), &case["sigma"], ROUNDING)?;
        let answers = model.transform(table.clone())?;
        let raw = column(answers.clone(), "rawPrediction").await?;
        close(&name("raw"), &raw[..15], &case["raw"], ROUNDING)?;
        let probability = column(answers.clone(), "probability").await?;
        close(&name("probability"), &probability[..15], &case["probability"], ROUNDING)?;
        assert_eq!(column(answers, "prediction").await?, numbers(&case["prediction"])?);
        let decided = model.thresholds(vec![0.2, 0.5, 0.7]).transform(table)?;
        assert_eq!(column(decided, "prediction").await?, numbers(&case["thresholded"])?);
    }
    Ok(())
}

#[tokio::test]
async fn naive_bayes_refuses_what_does_not_suit_it() -> Result<()> {
    let (x, labels, weights) = bayes_data("gaussian");
    let numbers = table(&x, &labels, &weights)?;
    let error = error_of(&NaiveBayes::new(), &numbers).await;
    assert!(error.contains("numbers of at least 0") && error.contains("feature"), "{error}");
    let error = error_of(&NaiveBayes::new().model_type("bernoulli"), &numbers).await;
    assert!(error.contains("0 or 1"), "{error}");
    let (x, labels, weights) = bayes_data("multinomial");
    let counts = table(&x, &labels, &weights)?;
    let model = NaiveBayes::new().fit_model(&counts).await?;
    // A row that it can't answer is null; the others are answered.
    let mut mixed = x.clone();
    mixed[0] = -1.0;
    let answers = model.transform(table(&mixed, &labels, &weights)?)?;
    let nulls = answers.filter(col("prediction").is_null())?;
    assert_eq!(column(nulls, "id").await?, [0.0]);
    let error = error_of(&NaiveBayes::new().thresholds(vec![0.1, 0.2]), &counts).await;
    assert!(error.contains("parameter `thresholds`: expected 3 numbers"), "{error}");
    Ok(())
}

#[tokio::test]
async fn one_vs_rest_agrees_with_pyspark() -> Result<()> {
    for case in section("one_vs_rest")? {
        let problem = Problem::new(case["problem"].clone())?;
        let table = problem_table(&problem)?;
        let classifier: Arc<dyn Estimator> = match text(&case, "classifier")? {
            "NaiveBayes" => Arc::new(NaiveBayes::new().model_type("gaussian")),
            _ => Arc::new(LogisticRegression::new().reg_param(0.01).tol(1e-13).max_iter(1000)),
        };
        let model = OneVsRest::new(classifier).weight_col("weight").fit_model(&table).await?;
        let answers = model.transform(table)?;
        let raw = column(answers.clone(), "rawPrediction").await?;
        close(
            &format!("one vs rest {}", text(&case, "classifier")?),
            &raw[..15],
            &case["raw"],
            AT_TIGHT_TOLERANCE,
        )?;
        assert_eq!(column(answers, "prediction").await?, numbers(&case["prediction"])?);
    }
    Ok(())
}

#[tokio::test]
async fn one_vs_rest_reaches_its_classifier_and_names_classes() -> Result<()> {
    let rows = "SELECT arrow_cast([x, x * x], 'FixedSizeList(2 x Float64)') AS features, name, x AS id
                FROM (VALUES (-2.0, 'low'), (-1.8, 'low'), (0.0, 'mid'), (0.1, 'mid'), (2.0, 'top'), (2.1, 'top')) AS t (x, name)";
    let table = Session::new().sql(rows).await?;
    let svc = LinearSVC::new();
    let reg_param = svc.params().param("regParam")?;
    let one_vs_rest = OneVsRest::new(Arc::new(svc));
    let mut extra = ParamMap::default();
    extra.put(reg_param, 0.25);
    let copy = one_vs_rest.copy(&extra)?;
    let copy = downcast::<OneVsRest>(copy.as_ref()).context("type")?;
    assert_eq!(copy.classifier().params().double("regParam")?, 0.25);

    let pipeline =
        Pipeline::new().stage(StringIndexer::new().input_col("name").output_col("label")).stage(one_vs_rest);
    let answers = pipeline.fit_model(&table).await?.transform(table.clone())?;
    assert_eq!(column(answers.clone(), "prediction").await?, column(answers, "label").await?);

    let wrong = OneVsRest::new(Arc::new(LinearRegression::new()));
    let indexed = StringIndexer::new()
        .input_col("name")
        .output_col("label")
        .fit_model(&table)
        .await?
        .transform(table)?;
    let error = error_of(&wrong, &indexed).await;
    assert!(
        error.contains("classifier: expected one with raw predictions, found a LinearRegression"),
        "{error}"
    );
    let halves = indexed.with_column("label", lit(0.5))?;
    let error = error_of(&OneVsRest::new(Arc::new(LinearSVC::new())), &halves).await;
    assert!(error.contains("expected a whole number from 0 to 9999, found 0.5"), "{error}");
    Ok(())
}

/// The data of `blobs` in `tools/goldens/predictors.py`.
fn blobs(spread: f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (rows, features, k) = (90, 4, 3);
    let value = |i: usize, j: usize| {
        (if j == i % k { 8.0 } else { 1.0 }) + spread * (uniform(35, i * features + j) - 0.5)
    };
    let x = (0..rows).flat_map(|i| (0..features).map(move |j| value(i, j))).collect();
    let clusters = (0..rows).map(|i| (i % k) as f64).collect();
    (x, clusters, (0..rows).map(|i| 0.25 + 2.0 * uniform(36, i)).collect())
}

#[tokio::test]
async fn k_means_agrees_with_pyspark_on_clusters_far_apart() -> Result<()> {
    let (x, clusters, weights) = blobs(1.0);
    let table = table(&x, &clusters, &weights)?;
    for case in section("clusters")? {
        let mut k_means = KMeans::new().k(3).tol(0.0).distance_measure(text(&case, "distanceMeasure")?);
        if flag(&case, "weighted") {
            k_means = k_means.weight_col("weight");
        }
        // Random first centers may be of one cluster, in Spark as here.
        k_means = k_means.init_mode(text(&case, "initMode")?);
        let mut model = k_means.fit_model(&table).await?;
        for seed in 1..50 {
            if model.summary().is_some_and(|summary| summary.cluster_sizes == [30, 30, 30]) {
                break;
            }
            model = k_means.clone().seed(seed).fit_model(&table).await?;
        }
        let name = format!(
            "k-means {} {} {}",
            text(&case, "distanceMeasure")?,
            text(&case, "initMode")?,
            flag(&case, "weighted")
        );
        let mut centers: Vec<&[f64]> = model.cluster_centers().chunks(4).collect();
        centers.sort_by(|a, b| {
            a.iter()
                .zip(*b)
                .map(|(a, b)| a.total_cmp(b))
                .find(|o| o.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let expected: Vec<Value> = case["centers"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|c| c.as_array().cloned().unwrap_or_default())
            .collect();
        close(&format!("{name}: centers"), &centers.concat(), &Value::from(expected), ROUNDING)?;
        let summary = model.summary().context("summary")?;
        println!("{name}: {} iterations (Spark {})", summary.num_iter, case["numIter"]);
        // The last iteration's cost is that of the final centers once they rest.
        close(
            &format!("{name}: cost"),
            &[summary.training_cost],
            &serde_json::json!([case["trainingCost"]]),
            1e-9,
        )?;
        let predicted = column(model.transform(table.clone())?, "prediction").await?;
        for (row, cluster) in predicted.iter().enumerate() {
            assert_eq!(*cluster, predicted[row % 3], "row {row}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn k_means_depends_on_seed_and_content_alone() -> Result<()> {
    let (x, clusters, weights) = blobs(14.0);
    let rows = table(&x, &clusters, &weights)?;
    for mode in ["k-means||", "random"] {
        let k_means = KMeans::new().k(4).init_mode(mode).seed(3);
        let expected = k_means.fit_model(&rows).await?;
        let descending = rows.clone().sort_by(vec![col("weight")])?;
        let spread = rows.clone().repartition(Partitioning::RoundRobinBatch(3))?;
        for other in [descending, spread] {
            let model = k_means.fit_model(&other).await?;
            assert_eq!(model.cluster_centers(), expected.cluster_centers());
            assert_eq!(model.summary(), expected.summary());
        }
        let reseeded = k_means.seed(4).fit_model(&rows).await?;
        assert_ne!(reseeded.cluster_centers(), expected.cluster_centers());
    }
    Ok(())
}

#[tokio::test]
async fn k_means_takes_few_and_refuses_zero_vectors() -> Result<()> {
    let same = table(&[1.0, 2.0, 1.0, 2.0, 1.0, 2.0], &[0.0; 3], &[1.0; 3])?;
    let model = KMeans::new().k(3).fit_model(&same).await?;
    assert_eq!((model.num_clusters(), model.cluster_centers()), (1, &[1.0, 2.0][..]));
    let zeros = table(&[0.0, 0.0, 1.0, 2.0, 2.0, 1.0], &[0.0; 3], &[1.0; 3])?;
    let cosine = KMeans::new().distance_measure("cosine");
    let error = error_of(&cosine, &zeros).await;
    assert!(error.contains("distanceMeasure: expected euclidean for a vector of length 0"), "{error}");
    let error = error_of(&KMeans::new().k(1), &zeros).await;
    assert!(error.contains("parameter `k`: expected a whole number, at least 2, found 1"), "{error}");
    let none = table(&[1.0, 2.0], &[0.0], &[0.0])?;
    let error = error_of(&KMeans::new().weight_col("weight"), &none).await;
    assert!(error.contains("total weight of 0"), "{error}");
    Ok(())
}

#[tokio::test]
async fn silhouettes_agree_with_pyspark() -> Result<()> {
    let (mut x, mut clusters, mut weights) = blobs(14.0);
    x.extend([9.0, 9.0, -1.0, 2.0]);
    clusters.push(3.0);
    weights.push(1.5);
    let table = table(&x, &clusters, &weights)?.with_column_renamed("label", "prediction")?;
    for case in section("silhouettes")? {
        let mut evaluator = ClusteringEvaluator::new().distance_measure(text(&case, "distanceMeasure")?);
        if flag(&case, "weighted") {
            evaluator = evaluator.weight_col("weight");
        }
        let found = evaluator.evaluate(&table).await?;
        close(&format!("silhouette {case}"), &[found], &serde_json::json!([case["value"]]), ROUNDING)?;
    }
    let cosine = ClusteringEvaluator::new().distance_measure("cosine");
    let one = table.clone().filter(col("prediction").eq(lit(1.0)))?;
    let error = cosine.evaluate(&one).await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("expected at least two clusters, found 1"), "{error}");
    assert!(cosine.is_larger_better()?);
    let zero = silhouette(&[0.0, 1.0], 1, &[0.0, 1.0], None, Dissimilarity::Cosine);
    assert!(zero.is_err_and(|e| e.to_string().contains("vectors that are not all zeros")));
    Ok(())
}

#[tokio::test]
async fn neighbors_agree_with_scikit_learn() -> Result<()> {
    for case in section("neighbors")? {
        let problem = Problem::new(case["problem"].clone())?;
        let d = problem.features.len() / problem.labels.len();
        let part = |rows: std::ops::Range<usize>| {
            table(
                &problem.features[rows.start * d..rows.end * d],
                &problem.labels[rows.clone()],
                &problem.weights[rows],
            )
        };
        let k = case["k"].as_u64().context("k")? as usize;
        let classifier = KNearestNeighborsClassifier::new()
            .k(k)
            .distance_measure(text(&case, "metric")?)
            .weights(text(&case, "weights")?);
        let answers = classifier.fit_model(&part(0..120)?).await?.transform(part(110..140)?)?;
        let name = format!("neighbors {} {} {k}", text(&case, "metric")?, text(&case, "weights")?);
        close(&name, &column(answers.clone(), "probability").await?, &case["probability"], 1e-9)?;
        assert_eq!(column(answers, "prediction").await?, numbers(&case["prediction"])?, "{name}");
    }
    let few = table(&[1.0, 2.0], &[0.0, 1.0], &[1.0; 2])?;
    let error = error_of(&KNearestNeighborsClassifier::new(), &few).await;
    assert!(error.contains("parameter `k`: expected at most the number of rows, 2, found 5"), "{error}");
    Ok(())
}

#[tokio::test]
async fn similar_images_come_by_falling_cosine() -> Result<()> {
    let rows = "SELECT arrow_cast([x, y], 'FixedSizeList(2 x Float32)') AS features, origin
                FROM (VALUES (1.0, 0.0, 'east'), (2.0, 2.0, 'north-east'), (0.0, 3.0, 'north'), (-1.0, 0.0, 'west'),
                             (5.0, 0.0, 'far east'), (1.0, 1.0, NULL)) AS t (x, y, origin)";
    let table = Session::new().sql(rows).await?;
    let model = SimilarImages::new().k(3).output_col("similar").fit_model(&table).await?;
    assert_eq!((model.num_rows(), model.rows_left_out()), (5, 1));
    let north = table.clone().filter(col("origin").eq(lit("north")))?;
    let found = model.transform(north)?.select_columns(&["similar"])?.collect().await?;
    let list = found[0].column(0).as_list::<i32>().value(0);
    let list = list.as_struct();
    let ids: Vec<_> = list.column(0).as_string::<i32>().iter().flatten().collect();
    // West, east and far east are equally far: the first by content.
    assert_eq!(ids, ["north", "north-east", "west"]);
    let similarity = list.column(1).as_primitive::<Float64Type>().values();
    assert!(
        (similarity[1] - 0.5_f64.sqrt()).abs() < 1e-12 && similarity[0] == 1.0 && similarity[2] == 0.0,
        "{similarity:?}"
    );
    let error = error_of(&SimilarImages::new().id_col("path"), &table).await;
    assert!(error.contains("parameter `idCol` names column `path`, which does not exist"), "{error}");
    Ok(())
}

#[tokio::test]
async fn evaluators_read_scores_and_numbers() -> Result<()> {
    let scores = Session::new()
        .sql("SELECT arrow_cast([-s, s], 'FixedSizeList(2 x Float64)') AS \"rawPrediction\", s AS score, l AS label
              FROM (VALUES (0.9, 1), (0.8, 0), (0.3, 1), (0.1, 0), (0.7, NULL)) AS t (s, l)")
        .await?;
    let evaluator = BinaryClassificationEvaluator::new();
    assert_eq!(evaluator.evaluate(&scores).await?, 0.75);
    assert_eq!(evaluator.clone().raw_prediction_col("score").evaluate(&scores).await?, 0.75);
    let pr = evaluator.clone().metric_name("areaUnderPR").evaluate(&scores).await?;
    assert!((pr - (0.5 + 0.5 * (0.5 + 2.0 / 3.0) / 2.0)).abs() < 1e-12, "{pr}");
    let error = evaluator.clone().metric_name("auc").evaluate(&scores).await.err().map(|e| e.to_string());
    assert!(error.unwrap_or_default().contains("one of areaUnderROC, areaUnderPR, found auc"));
    let regression = RegressionEvaluator::new().prediction_col("score");
    assert!(!regression.is_larger_better()? && regression.clone().metric_name("r2").is_larger_better()?);
    let mse = regression.clone().metric_name("mse").evaluate(&scores).await?;
    assert!((mse - (0.01 + 0.64 + 0.49 + 0.01) / 4.0).abs() < 1e-12, "{mse}");
    let vectors = RegressionEvaluator::new().prediction_col("rawPrediction");
    let error = vectors.evaluate(&scores).await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("column `rawPrediction`") && error.contains("expected numbers"), "{error}");
    let none = scores.filter(lit(false))?;
    assert!(regression.evaluate(&none).await.is_err_and(|e| e.to_string().contains("at least one row")));
    Ok(())
}

#[test]
fn bounded_logistic_regression_agrees_with_pyspark() -> Result<()> {
    for settings in section("bounds")? {
        let problem = Problem::new(settings.clone())?;
        let answer = &settings["answers"];
        let stop = serde_json::json!({"tol": 1e-13, "maxIter": 1000});
        let bound = |name: &str| settings[name].is_array().then(|| numbers(&settings[name])).transpose();
        let bounds = Bounds {
            lower_coefficients: bound("lowerBoundsOnCoefficients")?,
            upper_coefficients: bound("upperBoundsOnCoefficients")?,
            lower_intercepts: bound("lowerBoundsOnIntercepts")?,
            upper_intercepts: bound("upperBoundsOnIntercepts")?,
        };
        let bounded = LogisticOptions { bounds, ..Default::default() };
        let options = problem.options(&stop)?;
        let fitted =
            fit_logistic(&problem.matrix()?, &problem.labels, problem.weights(), &bounded, &options)?;
        let name = format!("bounds {}", text(&settings, "name")?);
        println!(
            "{name}: {} iterations (Spark {}), {:?}",
            fitted.iterations, answer["iterations"], fitted.stop
        );
        let (coefficients, intercepts) = (&fitted.model.coefficients, &fitted.model.intercepts);
        let exact = &settings["exact"];
        close(&format!("{name}: coefficients"), coefficients, &exact["coefficients"], AT_TIGHT_TOLERANCE)?;
        close(&format!("{name}: intercepts"), intercepts, &exact["intercepts"], AT_TIGHT_TOLERANCE)?;
        // Spark stops short of the optimum.
        let spark = difference(&numbers(&answer["coefficients"])?, &numbers(&exact["coefficients"])?);
        println!("{name}: Spark's coefficients are off by {spark:.1e}");
        let objective = fitted.objective_history.last().copied().context("history")?;
        ensure!(objective <= number(answer, "objective")? * (1.0 + 1e-12), "{name}: {objective}");
    }
    Ok(())
}

#[tokio::test]
async fn logistic_summaries_agree_with_pyspark() -> Result<()> {
    for case in section("summaries")? {
        let problem = Problem::new(case["problem"].clone())?;
        let table = problem_table(&problem)?;
        let mut regression = LogisticRegression::new().reg_param(0.01).tol(1e-13).max_iter(1000);
        if problem.weights().is_some() {
            regression = regression.weight_col("weight");
        }
        let model = regression.fit_model(&table).await?;
        let first = table.filter(col("id").lt(lit(100.0)))?;
        let training = model.summary().context("summary")?;
        assert_eq!(training.training.total_iterations + 1, training.training.objective_history.len());
        for (name, summary) in
            [("training", &training.metrics), ("evaluated", &model.evaluate(&first).await?)]
        {
            let expected = &case[name];
            let check = |what: &str, found: &[f64]| {
                let all = expected[what].as_array().cloned().unwrap_or_else(|| vec![expected[what].clone()]);
                close(
                    &format!("summary {name} {what}"),
                    &found[..found.len().min(all.len())],
                    &Value::from(all),
                    1e-7,
                )
            };
            check("accuracy", &[summary.accuracy()])?;
            check("labels", summary.labels())?;
            check("weightedPrecision", &[summary.weighted_precision()])?;
            check("weightedRecall", &[summary.weighted_recall()])?;
            check("weightedTruePositiveRate", &[summary.weighted_recall()])?;
            check("weightedFalsePositiveRate", &[summary.weighted_false_positive_rate()])?;
            check("weightedFMeasure", &[summary.weighted_f_measure(0.5)])?;
            check("precisionByLabel", &summary.precision_by_label())?;
            check("recallByLabel", &summary.recall_by_label())?;
            check("truePositiveRateByLabel", &summary.recall_by_label())?;
            check("falsePositiveRateByLabel", &summary.false_positive_rate_by_label())?;
            check("fMeasureByLabel", &summary.f_measure_by_label(2.0))?;
            let Some(curve) = summary.curve() else {
                assert!(expected["roc"].is_null());
                continue;
            };
            let flat =
                |points: Vec<(f64, f64)>| points.into_iter().flat_map(|(x, y)| [x, y]).collect::<Vec<_>>();
            check("areaUnderROC", &[curve.areas().roc])?;
            check("roc", &flat(curve.roc()))?;
            check("pr", &flat(curve.pr()))?;
            check("precisionByThreshold", &flat(curve.precision_by_threshold()))?;
            check("recallByThreshold", &flat(curve.recall_by_threshold()))?;
            check("fMeasureByThreshold", &flat(curve.f_measure_by_threshold(1.0)))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn bounds_are_params_and_are_kept() -> Result<()> {
    let problem = Problem::new(section("bounds")?.swap_remove(0))?;
    let table = problem_table(&problem)?;
    let bounded = LogisticRegression::new().lower_bounds_on_coefficients(vec![-1e300, 0.0, 0.0, 0.0, 0.0]);
    let dir = tempfile::tempdir()?;
    save(&bounded, &dir.path().join("lr"), IfExists::Fail)?;
    let Saved::Estimator(loaded) = load(&dir.path().join("lr"))? else { anyhow::bail!("not an estimator") };
    let model = loaded.fit(&table).await?;
    let model = downcast::<LogisticRegressionModel>(model.as_ref()).context("type")?;
    assert!(model.coefficients()[1..].iter().all(|v| *v >= 0.0) && model.coefficients()[4] == 0.0);
    let error = error_of(&LogisticRegression::new().upper_bounds_on_coefficients(vec![1.0]), &table).await;
    assert!(error.contains("upperBoundsOnCoefficients: expected 5 numbers"), "{error}");
    Ok(())
}

#[test]
fn bounds_that_make_no_sense_are_named() -> Result<()> {
    let x = Matrix::from_f64(&[1.0, 2.0, 3.0, 4.0], 2)?;
    let check = |bounds: Bounds, options: LinearOptions, expected: &str| {
        let problem = LogisticOptions { bounds, ..Default::default() };
        let found = fit_logistic(&x, &[0.0, 1.0], None, &problem, &options)
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(found.contains(expected), "expected {expected:?} in {found:?}");
    };
    let lower = |values: &[f64]| Bounds { lower_coefficients: Some(values.to_vec()), ..Default::default() };
    check(lower(&[0.0]), LinearOptions::default(), "lowerBoundsOnCoefficients: expected 2 numbers");
    let lasso = LinearOptions { elastic_net_param: 0.5, reg_param: 0.1, ..Default::default() };
    check(lower(&[0.0; 2]), lasso, "elasticNetParam: expected 0");
    let crossed = Bounds { upper_coefficients: Some(vec![1.0, -1.0]), ..lower(&[0.0; 2]) };
    check(
        crossed,
        LinearOptions::default(),
        "lowerBoundsOnCoefficients: expected at most the upper bound -1 in place 1, found 0",
    );
    let intercept = Bounds { upper_intercepts: Some(vec![1.0]), ..Default::default() };
    let without = LinearOptions { fit_intercept: false, ..Default::default() };
    check(intercept, without, "upperBoundsOnIntercepts: expected no value");
    Ok(())
}
