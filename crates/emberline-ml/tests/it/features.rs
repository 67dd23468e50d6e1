//! Stages that prepare columns: against pyspark.ml (`tools/goldens/ml.py`), and what must hold without a reference.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use emberline_ml::{
    Estimator, IfExists, IndexToString, MinMaxScaler, Normalizer, OneHotEncoder, Params, Pca, Pipeline,
    SqlTransformer, Stage, StandardScaler, StringIndexer, Transformer, VectorAssembler, function_kinds, load,
    save,
};
use emberline_table::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, Float64Array, Int32Array, RecordBatch,
};
use emberline_table::arrow::compute::cast;
use emberline_table::arrow::datatypes::{DataType, Field, Float64Type};
use emberline_table::datafusion::dataframe::DataFrame;
use emberline_table::datafusion::prelude::{Partitioning, col};
use emberline_table::{Session, Step};
use serde_json::Value;

use crate::linear::{fixture, numbers, uniform};

/// Relative difference where Spark sums in another order. Largest seen: 9e-16.
const ROUNDING: f64 = 1e-14;
/// Relative difference of eigenvectors, which turn the more by a rounding the closer their eigenvalues are. Largest seen: 6e-13.
const EIGENVECTORS: f64 = 1e-10;
/// A column of vectors, with nulls.
type Vectors = Vec<Option<Vec<f64>>>;

/// The data of `vectors_data` in `tools/goldens/ml.py`.
fn data(rows: usize, features: usize) -> Vec<Vec<f64>> {
    let (scales, shifts) = ([1.0, 10.0, 0.125, 3.0], [0.0, 5.0, -1.0, 0.5]);
    let number = |i: usize, j: usize| {
        let place = i * features + j;
        let base = uniform(17, place) + uniform(18, place) - 1.0;
        if j == 2 { 3.7 } else { base * scales[j % 4] + shifts[j % 4] }
    };
    (0..rows).map(|i| (0..features).map(|j| number(i, j)).collect()).collect()
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<DataFrame> {
    Ok(Session::new().context().read_batch(RecordBatch::try_from_iter(columns)?)?)
}

/// A table with one column, `x`.
fn vectors_table(rows: Vectors) -> Result<DataFrame> {
    let length = rows.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let rows = rows.into_iter().map(|row| row.map(|row| row.into_iter().map(Some)));
    let array = FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(rows, length as i32);
    table(vec![("x", Arc::new(array))])
}

fn some(rows: Vec<Vec<f64>>) -> Vectors {
    rows.into_iter().map(Some).collect()
}

async fn vectors(table: DataFrame, column: &str) -> Result<Vectors> {
    let mut all = Vec::new();
    for batch in table.select_columns(&[column])?.collect().await? {
        let rows = batch.column(0).as_fixed_size_list();
        all.extend(rows.iter().map(|row| row.map(|row| row.as_primitive::<Float64Type>().values().to_vec())));
    }
    Ok(all)
}

/// All columns of a table as numbers, row by row.
async fn rows_of(table: DataFrame) -> Result<Vec<Vec<Option<f64>>>> {
    let mut all = Vec::new();
    for batch in table.collect().await? {
        let columns =
            batch.columns().iter().map(|c| Ok(cast(c, &DataType::Float64)?)).collect::<Result<Vec<_>>>()?;
        let columns: Vec<&Float64Array> = columns.iter().map(|c| c.as_primitive()).collect();
        let row = |i: usize| columns.iter().map(|c| c.is_valid(i).then(|| c.value(i))).collect();
        all.extend((0..batch.num_rows()).map(row));
    }
    Ok(all)
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().context("not a list")
}

fn size(value: &Value) -> Result<usize> {
    Ok(value.as_u64().context("not a size")? as usize)
}

fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or(false)
}

fn texts(value: &Value) -> Result<Vec<String>> {
    list(value)?.iter().map(|v| v.as_str().map(String::from).context("not a text")).collect()
}

fn expected_vectors(value: &Value) -> Result<Vectors> {
    list(value)?.iter().map(|row| if row.is_null() { Ok(None) } else { numbers(row).map(Some) }).collect()
}

/// The largest difference of two numbers, relative to the expected one or to 1; NaN equals NaN.
fn difference(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected).filter(|(f, e)| !(f.is_nan() && e.is_nan()) && f != e);
    let differences = pairs.map(|(f, e)| (f - e).abs() / e.abs().max(1.0));
    differences.fold(0.0, |most, d| if d.is_nan() { f64::INFINITY } else { most.max(d) })
}

fn close(name: &str, found: &[f64], expected: &[f64], tolerance: f64) -> Result<()> {
    let largest = difference(found, expected);
    ensure!(largest <= tolerance, "{name} differs by {largest:e}: expected {expected:?}, found {found:?}");
    Ok(())
}

fn close_vectors(name: &str, found: &Vectors, expected: &Value, tolerance: f64) -> Result<()> {
    let expected = expected_vectors(expected)?;
    let nulls = |rows: &Vectors| rows.iter().map(Option::is_none).collect::<Vec<_>>();
    assert_eq!(nulls(found), nulls(&expected), "{name}");
    let flat = |rows: &Vectors| rows.iter().flatten().flatten().copied().collect::<Vec<_>>();
    close(name, &flat(found), &flat(&expected), tolerance)
}

fn message<T>(result: Result<T, impl ToString>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

#[tokio::test]
async fn scalers_agree_with_pyspark() -> Result<()> {
    for case in list(&fixture("features.json")?["scalers"])? {
        let mut rows = data(size(&case["rows"])?, size(&case["features"])?);
        if flag(&case["nan"]) {
            rows[1][0] = f64::NAN;
        }
        let table = vectors_table(some(rows))?;
        let few = table.clone().limit(0, Some(3))?;
        for setting in list(&case["standard"])? {
            let (mean, std) = (flag(&setting["withMean"]), flag(&setting["withStd"]));
            let scaler = StandardScaler::new().input_col("x").output_col("y").with_mean(mean).with_std(std);
            let model = scaler.fit_model(&table).await?;
            close("mean", model.mean(), &numbers(&case["mean"])?, ROUNDING)?;
            close("std", model.std(), &numbers(&case["std"])?, ROUNDING)?;
            let found = vectors(model.transform(few.clone())?, "y").await?;
            close_vectors(&format!("StandardScaler {mean} {std}"), &found, &setting["output"], ROUNDING)?;
        }
        for setting in list(&case["minMax"])? {
            let (min, max) =
                (setting["min"].as_f64().context("min")?, setting["max"].as_f64().context("max")?);
            let scaler = MinMaxScaler::new().input_col("x").output_col("y").min(min).max(max);
            let model = scaler.fit_model(&table).await?;
            close("originalMin", model.original_min(), &numbers(&case["originalMin"])?, ROUNDING)?;
            close("originalMax", model.original_max(), &numbers(&case["originalMax"])?, ROUNDING)?;
            let found = vectors(model.transform(few.clone())?, "y").await?;
            close_vectors(&format!("MinMaxScaler {min} {max}"), &found, &setting["output"], ROUNDING)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn normalizer_agrees_with_pyspark() -> Result<()> {
    let mut rows = data(4, 6);
    rows.extend([vec![0.0; 6], vec![1.0, f64::NAN, -3.0, 0.0, 0.0, 2.0]]);
    let table = vectors_table(some(rows))?;
    for case in list(&fixture("features.json")?["normalizer"])? {
        let p = case["p"].as_f64().unwrap_or(f64::INFINITY);
        let normalizer = Normalizer::new().input_col("x").output_col("y").p(p);
        let found = vectors(normalizer.transform(table.clone())?, "y").await?;
        close_vectors(&format!("Normalizer {p}"), &found, &case["output"], ROUNDING)?;
    }
    Ok(())
}

/// The components up to their sign, which Spark leaves to LAPACK.
#[tokio::test]
async fn pca_agrees_with_pyspark() -> Result<()> {
    for case in list(&fixture("features.json")?["pca"])? {
        let (d, k) = (size(&case["features"])?, size(&case["k"])?);
        let table = vectors_table(some(data(size(&case["rows"])?, d)))?;
        let model = Pca::new().input_col("x").output_col("y").k(k).fit_model(&table).await?;
        let expected = numbers(&case["components"])?;
        let signs: Vec<f64> = model
            .components()
            .chunks(d)
            .zip(expected.chunks(d))
            .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>().signum())
            .collect();
        let turned = |vectors: &[f64], length: usize| -> Vec<f64> {
            vectors.iter().enumerate().map(|(i, x)| x * signs[(i / length) % k]).collect()
        };
        close("components", &turned(model.components(), d), &expected, EIGENVECTORS)?;
        close(
            "explainedVariance",
            model.explained_variance(),
            &numbers(&case["explainedVariance"])?,
            EIGENVECTORS,
        )?;
        for component in model.components().chunks(d) {
            let largest =
                component.iter().fold(0.0_f64, |best, x| if x.abs() > best.abs() { *x } else { best });
            ensure!(largest > 0.0, "the largest number of {component:?} is negative");
        }
        let found = vectors(model.transform(table.limit(0, Some(3))?)?, "y").await?;
        let found = found.into_iter().map(|row| row.map(|row| turned(&row, 1))).collect();
        close_vectors("projections", &found, &case["output"], EIGENVECTORS)?;
    }
    Ok(())
}

/// The table that `assembler` in `tools/goldens/ml.py` makes.
fn mixed(null_vector: bool) -> Result<DataFrame> {
    let nan = f64::NAN;
    let vectors = [[10.0, 11.0], [20.0, 21.0], [30.0, 31.0], [40.0, nan], [50.0, nan]];
    let vectors = vectors.iter().enumerate().map(|(i, v)| (!null_vector || i > 0).then(|| v.map(Some)));
    let numbers: Float64Array = [Some(0.5), Some(2.0), Some(nan), None, Some(-0.25)].into_iter().collect();
    let batch = RecordBatch::try_from_iter::<_, &str>([
        (
            "n",
            Arc::new([Some(1), None, Some(3), Some(4), Some(5)].into_iter().collect::<Int32Array>())
                as ArrayRef,
        ),
        ("x", Arc::new(numbers)),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false), Some(true), None, Some(false)]))),
        ("v", Arc::new(FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(vectors, 2))),
    ])?;
    let context = Session::new().context().clone();
    if !null_vector {
        return Ok(context.read_batch(batch)?);
    }
    Ok(context.read_batches([batch.slice(0, 1), batch.slice(4, 1)])?)
}

fn assembler(handle_invalid: &str) -> VectorAssembler {
    let columns = ["b", "x", "v", "n"].map(String::from).to_vec();
    VectorAssembler::new().input_cols(columns).output_col("y").handle_invalid(handle_invalid)
}

#[tokio::test]
async fn assembler_agrees_with_pyspark() -> Result<()> {
    let expected = &fixture("features.json")?["assembler"];
    for handle_invalid in ["skip", "keep"] {
        for (null_vector, suffix) in [(false, ""), (true, "_null_vector")] {
            let answers = assembler(handle_invalid).transform(mixed(null_vector)?)?;
            let name = format!("{handle_invalid}{suffix}");
            close_vectors(&name, &vectors(answers, "y").await?, &expected[&name], ROUNDING)?;
        }
    }
    for (null_vector, column, name) in [(false, "n", "error"), (true, "v", "error_null_vector")] {
        ensure!(expected[name]["error"].is_string(), "Spark accepts {name}");
        let error = message(assembler("error").transform(mixed(null_vector)?)?.collect().await);
        let wanted = format!(
            "VectorAssembler's input `{column}`: expected a value that is neither null nor NaN, or \
             handleInvalid=\"skip\" or \"keep\", found null"
        );
        ensure!(error.contains(&wanted), "{error}");
    }
    Ok(())
}

fn indices(name: &str, values: Vec<Option<f64>>) -> Result<DataFrame> {
    table(vec![(name, Arc::new(Float64Array::from(values)))])
}

#[tokio::test]
async fn one_hot_encoder_agrees_with_pyspark() -> Result<()> {
    let content = &fixture("features.json")?["one_hot"];
    let columns = |a: Vec<Option<f64>>, b: Vec<Option<f64>>| {
        table(vec![
            ("a", Arc::new(Float64Array::from(a)) as ArrayRef),
            ("b", Arc::new(Float64Array::from(b))),
        ])
    };
    let numbers_of = |all: [f64; 4]| all.into_iter().map(Some).collect::<Vec<_>>();
    let learned = columns(numbers_of([0.0, 3.0, 1.0, 2.0]), numbers_of([1.0, 0.0, 0.0, 1.0]))?;
    for case in list(&content["cases"])? {
        let invalid = case["handleInvalid"].as_str().context("handleInvalid")?;
        let encoder = OneHotEncoder::new()
            .input_cols(vec!["a".into(), "b".into()])
            .output_cols(vec!["c".into(), "d".into()])
            .drop_last(flag(&case["dropLast"]))
            .handle_invalid(invalid);
        let model = encoder.fit_model(&learned).await?;
        assert_eq!(model.category_sizes(), [4, 2]);
        let number = |v: &Value| v.as_f64().or_else(|| v.as_str()?.parse().ok());
        let values: Vec<Option<f64>> = list(&case["values"])?.iter().map(number).collect();
        let ones = vec![Some(1.0); values.len()];
        let answers = model.transform(columns(values, ones)?)?;
        for column in ["c", "d"] {
            let name = format!("{invalid} {}", case["values"]);
            let found = vectors(answers.clone(), column).await;
            match case[column]["error"].is_string() {
                true => {
                    ensure!(message(found).contains("expected an index below 4, or handleInvalid=\"keep\""))
                }
                false => close_vectors(&name, &found?, &case[column], ROUNDING)?,
            }
        }
    }
    for (name, value, found) in [
        ("fraction", Some(1.5), "1.5"),
        ("negative", Some(-1.0), "-1"),
        ("null", None, "null"),
        ("nan", Some(f64::NAN), "NaN"),
    ] {
        ensure!(content["refused"][name]["error"].is_string(), "Spark learns from {name}");
        let encoder = OneHotEncoder::new().input_col("a").output_col("c");
        let error = message(encoder.fit_model(&indices("a", vec![Some(0.0), value])?).await);
        ensure!(
            error.contains(&format!("column `a`: expected a whole number from 0 to 1048575, found {found}")),
            "{error}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn labels_give_the_number_of_categories() -> Result<()> {
    let words = Session::new().sql("SELECT * FROM (VALUES ('a'), ('b'), ('c')) AS t (s)").await?;
    let indexer = StringIndexer::new().input_col("s").output_col("a").handle_invalid("keep");
    let indexed = indexer.fit_model(&words).await?.transform(words)?;
    let encoder = OneHotEncoder::new().input_col("a").output_col("c");
    let model = encoder.fit_model(&indexed.clone().limit(0, Some(1))?).await?;
    let expected = &fixture("features.json")?["one_hot"]["sizes_from_labels"];
    assert_eq!(model.category_sizes(), [size(&expected[0])?]);
    let other = Session::new().sql("SELECT 'a' AS s").await?;
    let other = indexer.fit_model(&other).await?.transform(other)?;
    let error = message(model.transform(other));
    ensure!(error.contains("column `a`: expected 4 categories, found 2 in its metadata"), "{error}");
    Ok(())
}

#[tokio::test]
async fn several_columns_are_indexed_as_in_pyspark() -> Result<()> {
    let labelled = "SELECT * FROM (VALUES ('b', 2.5), ('a', 1.0), (NULL, 1.0), ('b', CAST('NaN' AS DOUBLE)),
                    ('c', NULL), ('a', 10.0)) AS t (s, x)";
    let session = Session::new();
    let learned = session.sql(labelled).await?;
    let given = session.sql(&format!("{labelled} UNION ALL SELECT 'new', 1.0")).await?;
    let content = &fixture("features.json")?["indexer"];
    for case in list(&content["cases"])? {
        let (order, invalid) =
            (case["order"].as_str().context("order")?, case["invalid"].as_str().context("invalid")?);
        let indexer = StringIndexer::new()
            .input_cols(vec!["s".into(), "x".into()])
            .output_cols(vec!["i".into(), "j".into()])
            .string_order_type(order)
            .handle_invalid(invalid);
        let model = indexer.fit_model(&learned).await?;
        for (found, expected) in model.labels_array().zip(list(&case["labels"])?) {
            assert_eq!(found, texts(expected)?, "{order}");
        }
        let answers = model.transform(given.clone())?;
        if invalid == "error" {
            ensure!(case["i"]["error"].is_string() && case["j"]["error"].is_string());
            ensure!(message(answers.collect().await).contains("expected a label seen in fitting"));
            continue;
        }
        let mut found = rows_of(answers.select_columns(&["i", "j"])?).await?;
        let pairs = list(&case["i"])?.iter().zip(list(&case["j"])?);
        let mut expected: Vec<Vec<Option<f64>>> = pairs.map(|(i, j)| vec![i.as_f64(), j.as_f64()]).collect();
        // A union's branches come in any order.
        found.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        expected.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        assert_eq!(found, expected, "{order} {invalid}");
    }
    // What a table has not got is passed over.
    let model = StringIndexer::new().input_col("s").output_col("i").fit_model(&learned).await?;
    let without = model.transform(given.drop_columns(&["s"])?)?;
    assert_eq!(without.schema().field_names().len(), list(&content["missing"])?.len());
    Ok(())
}

#[tokio::test]
async fn statements_answer_as_in_pyspark() -> Result<()> {
    let query =
        "SELECT arrow_cast(a, 'Int32') AS id, arrow_cast(b, 'Float64') AS v1, arrow_cast(c, 'Float64') AS v2
                 FROM (VALUES (0, 1.0, 3.0), (2, 2.0, 5.0), (3, 4.0, -1.0)) AS t (a, b, c)";
    let table = Session::new().sql(query).await?;
    for case in list(&fixture("features.json")?["sql"])? {
        let stage = SqlTransformer::new().statement(case["statement"].as_str().context("statement")?);
        let planned = stage.transform_schema(table.schema().as_arrow())?;
        let answers = stage.transform(table.clone())?;
        assert_eq!(planned.fields(), answers.schema().as_arrow().fields());
        let names: Vec<&String> = planned.fields().iter().map(|field| field.name()).collect();
        assert_eq!(names, texts(&case["columns"])?.iter().collect::<Vec<_>>());
        let expected = list(&case["rows"])?.iter().map(numbers).collect::<Result<Vec<_>>>()?;
        let found: Vec<Vec<f64>> =
            rows_of(answers).await?.into_iter().map(|row| row.into_iter().flatten().collect()).collect();
        assert_eq!(found, expected, "{}", case["statement"]);
    }
    Ok(())
}

#[tokio::test]
async fn statements_only_select_from_their_table() -> Result<()> {
    let session = Session::new();
    session.sql("CREATE TABLE other AS SELECT 1 AS x").await?.collect().await?;
    let table = session.sql("SELECT 1 AS x").await?;
    for (statement, expected) in [
        (
            "DROP TABLE __THIS__",
            "parameter `statement`: expected one SELECT statement, found `DROP TABLE __THIS__`",
        ),
        ("SELECT 1; SELECT 2", "expected one SELECT statement, found 2 statements"),
        ("", "expected one SELECT statement, found nothing"),
        ("EXPLAIN SELECT * FROM __THIS__", "expected one SELECT statement"),
        ("COPY __THIS__ TO 'x.csv'", "expected one SELECT statement"),
        ("SELECT * FROM other", "table 'datafusion.public.other' not found"),
        ("SELECT * FROM '/etc/passwd'", "not found"),
        ("SELECT * FROM read_images('photos/')", "read_images"),
        ("SELECT image_width('http://example.org/a.png') FROM __THIS__", "image_width"),
        ("SELECT * FROM information_schema.tables", "not found"),
        ("SELECT y FROM __THIS__", "No field named y"),
        ("SELECT FROM WHERE", "parameter `statement`"),
    ] {
        let stage = SqlTransformer::new().statement(statement);
        for error in [
            message(stage.transform(table.clone())),
            message(stage.transform_schema(table.schema().as_arrow())),
        ] {
            let named = error.starts_with(&format!("{}: ", stage.params().uid()));
            ensure!(named && error.contains(expected), "{error}\nexpected {expected}");
        }
    }
    let error = message(SqlTransformer::new().transform(table));
    ensure!(error.contains("parameter `statement`: expected a value (SELECT statement in which"), "{error}");
    Ok(())
}

#[tokio::test]
async fn labels_travel_with_their_column() -> Result<()> {
    let words =
        Session::new().sql("SELECT * FROM (VALUES ('b', 1.0), ('a', 2.0), ('b', 3.0)) AS t (s, x)").await?;
    let pipeline = Pipeline::new()
        .stage(StringIndexer::new().input_col("s").output_col("i"))
        .stage(VectorAssembler::new().input_cols(vec!["x".into(), "i".into()]).output_col("v"))
        .stage(StandardScaler::new().input_col("v").output_col("w"))
        .stage(SqlTransformer::new().statement("SELECT w, i AS index FROM __THIS__ WHERE x > 1.5"))
        .stage(IndexToString::new().input_col("index").output_col("again"));
    let model = pipeline.fit_model(&words).await?;
    let answers = model.transform(words.clone())?;
    let planned = model.transform_schema(words.schema().as_arrow())?;
    assert_eq!(planned.fields(), answers.schema().as_arrow().fields());
    let batches = answers.select_columns(&["again"])?.collect().await?;
    let mut found: Vec<&str> =
        batches.iter().flat_map(|b| b.column(0).as_string::<i32>().iter().flatten()).collect();
    found.sort_unstable();
    assert_eq!(found, ["a", "b"]);
    Ok(())
}

#[tokio::test]
async fn lengths_may_be_known_only_after_fitting() -> Result<()> {
    let words =
        Session::new().sql("SELECT * FROM (VALUES ('b', 1.0), ('a', 2.0), ('c', 3.0)) AS t (s, x)").await?;
    let pipeline = Pipeline::new()
        .stage(StringIndexer::new().input_col("s").output_col("i"))
        .stage(OneHotEncoder::new().input_col("i").output_col("h").drop_last(false))
        .stage(VectorAssembler::new().input_cols(vec!["x".into(), "h".into()]).output_col("v"))
        .stage(MinMaxScaler::new().input_col("v").output_col("w"))
        .stage(Pca::new().input_col("w").output_col("p").k(4));
    let answers = pipeline.fit_model(&words).await?.transform(words)?;
    let expected: Vectors =
        some(vec![vec![1.0, 0.0, 1.0, 0.0], vec![2.0, 1.0, 0.0, 0.0], vec![3.0, 0.0, 0.0, 1.0]]);
    assert_eq!(vectors(answers.clone(), "v").await?, expected);
    assert!(vectors(answers, "p").await?.iter().flatten().all(|row| row.len() == 4));
    Ok(())
}

/// The stages of vectors, fitted on column `x`.
async fn of_vectors(table: &DataFrame) -> Result<Vec<Arc<dyn Transformer>>> {
    let standard = StandardScaler::new().input_col("x").output_col("y").with_mean(true);
    Ok(vec![
        standard.fit(table).await?,
        MinMaxScaler::new().input_col("x").output_col("y").fit(table).await?,
        Pca::new().input_col("x").output_col("y").k(2).fit(table).await?,
        Arc::new(Normalizer::new().input_col("x").output_col("y")),
        Arc::new(VectorAssembler::new().input_cols(vec!["x".into()]).output_col("y")),
    ])
}

#[tokio::test]
async fn null_vectors_are_left_out_and_stay_null() -> Result<()> {
    let rows = data(50, 5);
    let whole = vectors_table(some(rows.clone()))?;
    let mut holes: Vectors = some(rows);
    (0..4).for_each(|i| holes.insert(i * 9, None));
    let holes = vectors_table(holes)?;
    for (expected, found) in of_vectors(&whole).await?.into_iter().zip(of_vectors(&holes).await?).take(4) {
        let expected = vectors(expected.transform(whole.clone())?, "y").await?;
        let found = vectors(found.transform(holes.clone())?, "y").await?;
        assert_eq!(found.iter().filter(|row| row.is_none()).count(), 4);
        assert_eq!(
            found.into_iter().flatten().collect::<Vec<_>>(),
            expected.into_iter().flatten().collect::<Vec<_>>()
        );
    }
    let nothing = vectors_table(vec![Some(vec![1.0]), None])?.limit(1, Some(1))?;
    let error = message(StandardScaler::new().input_col("x").output_col("y").fit_model(&nothing).await);
    ensure!(
        error.contains("column `x`: expected at least one vector to learn from, found 1 nulls"),
        "{error}"
    );
    let empty =
        Pca::new().input_col("x").output_col("y").k(1).fit_model(&vectors_table(vec![Some(vec![])])?).await;
    ensure!(message(empty).contains("column `x`: expected vectors of 1 to 16384 numbers, found 0"));
    Ok(())
}

#[tokio::test]
async fn single_precision_is_widened() -> Result<()> {
    let narrow = vectors_table(some(data(30, 4)))?;
    let single = col("x").alias("x");
    let narrow = narrow.select(vec![
        emberline_table::datafusion::prelude::cast(
            single,
            DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, true)), 4),
        )
        .alias("x"),
    ])?;
    let wide: Vec<Vec<f64>> =
        data(30, 4).into_iter().map(|row| row.into_iter().map(|x| f64::from(x as f32)).collect()).collect();
    let wide = vectors_table(some(wide))?;
    for (one, other) in of_vectors(&narrow).await?.iter().zip(of_vectors(&wide).await?) {
        let found = vectors(one.transform(narrow.clone())?, "y").await?;
        assert_eq!(found, vectors(other.transform(wide.clone())?, "y").await?, "{}", one.kind());
    }
    Ok(())
}

#[tokio::test]
async fn order_and_batches_change_no_bit_of_the_scalers() -> Result<()> {
    let rows = data(700, 5);
    let expected = vectors_table(some(rows.clone()))?;
    let backwards = vectors_table(rows.into_iter().rev().map(Some).collect())?;
    let spread = expected.clone().repartition(Partitioning::RoundRobinBatch(3))?;
    let standard = StandardScaler::new().input_col("x").output_col("y");
    let pca = Pca::new().input_col("x").output_col("y").k(5);
    let (scaled, turned) = (standard.fit_model(&expected).await?, pca.fit_model(&expected).await?);
    for other in [backwards, spread] {
        let model = standard.fit_model(&other).await?;
        assert_eq!((model.mean(), model.std()), (scaled.mean(), scaled.std()));
        // Sums of products are rounded in the order of the rows.
        close("pca", pca.fit_model(&other).await?.components(), turned.components(), EIGENVECTORS)?;
    }
    Ok(())
}

#[tokio::test]
async fn everything_is_rebuilt_from_its_description_and_from_disk() -> Result<()> {
    let table = vectors_table(some(data(40, 4)))?;
    let mut stages = of_vectors(&table).await?;
    stages.push(Arc::new(Normalizer::new().input_col("x").output_col("y").p(f64::INFINITY)));
    let indices =
        indices("a", vec![Some(0.0), Some(2.0), Some(1.0), None])?.filter(col("a").is_not_null())?;
    let encoder = OneHotEncoder::new().input_col("a").output_col("y").fit_model(&indices).await?;
    let dir = tempfile::tempdir()?;
    let cases = stages
        .into_iter()
        .map(|stage| (stage, &table))
        .chain([(Arc::new(encoder) as Arc<dyn Transformer>, &indices)]);
    for (i, (stage, table)) in cases.enumerate() {
        let expected = vectors(stage.transform(table.clone())?, "y").await?;
        let path = dir.path().join(i.to_string());
        save(stage.as_ref(), &path, IfExists::Fail)?;
        let emberline_ml::Saved::Transformer(loaded) = load(&path)? else {
            anyhow::bail!("not a transformer")
        };
        assert_eq!(vectors(loaded.transform(table.clone())?, "y").await?, expected, "{}", stage.kind());
        let steps = stage.steps(table.schema().as_arrow())?;
        let again = |step: &Step| -> Result<Step> {
            let function = function_kinds().rebuild(&step.function.describe(), &step.function.blobs())?;
            Ok(Step::new(function, step.inputs.clone(), step.outputs.clone()))
        };
        let rebuilt = steps.iter().map(again).collect::<Result<Vec<_>>>()?;
        let answers = emberline_table::evaluate::apply(table.clone(), &rebuilt)?;
        assert_eq!(vectors(answers, "y").await?, expected, "{}", stage.kind());
    }
    Ok(())
}

/// A table of one row: a vector, a text and a number.
async fn one_row() -> Result<DataFrame> {
    let query = "SELECT arrow_cast([1.0, 2.0, 3.0], 'FixedSizeList(3 x Float64)') AS x, 'a' AS s, 1.0 AS y";
    Ok(Session::new().sql(query).await?)
}

/// Checks that an error begins with its stage and says what is expected.
fn names(params: &Params, found: &str, expected: &str) -> Result<()> {
    let named = found.starts_with(&format!("{}: ", params.uid()));
    ensure!(named && found.contains(expected), "{found}\nexpected {expected}");
    Ok(())
}

#[tokio::test]
async fn estimators_name_param_given_and_expected() -> Result<()> {
    let standard = |input: &str, output: &str| StandardScaler::new().input_col(input).output_col(output);
    let min_max = MinMaxScaler::new().input_col("x").output_col("o");
    let pca = Pca::new().input_col("x").output_col("o");
    let estimators: Vec<(Box<dyn Estimator>, &str)> = vec![
        (
            Box::new(standard("z", "o")),
            "parameter `inputCol` names column `z`, which does not exist; the columns are x, s, y",
        ),
        (Box::new(standard("s", "o")), "column `s` has type Utf8, expected vectors of one length"),
        (Box::new(standard("x", "y")), "output column `y` exists already"),
        (Box::new(min_max.clone().min(1.0)), "parameter `min`: expected a number less than max, 1, found 1"),
        (Box::new(min_max.max(f64::INFINITY)), "parameter `max`: expected a number, found inf"),
        (
            Box::new(pca.clone()),
            "parameter `k`: expected a value (number of principal components), found none",
        ),
        (Box::new(pca.clone().k(0)), "parameter `k`: expected a whole number, at least 1, found 0"),
        (
            Box::new(pca.clone().k(4)),
            "parameter `k`: expected at most 3, the length of the vectors of column `x`, found 4",
        ),
        (Box::new(pca.k(1)), "column `x`: expected at least 2 vectors, found 1"),
    ];
    for (stage, expected) in estimators {
        names(stage.params(), &message(stage.fit(&one_row().await?).await), expected)?;
    }
    let infinite = vectors_table(some(vec![vec![1.0, 2.0], vec![3.0, f64::INFINITY]]))?;
    let pca = Pca::new().input_col("x").output_col("o").k(1);
    let error = message(pca.fit_model(&infinite).await);
    names(pca.params(), &error, "column `x`: expected finite numbers, found inf as feature 1")
}

#[tokio::test]
async fn one_column_or_several() -> Result<()> {
    let one_hot = OneHotEncoder::new();
    let estimators: Vec<(Box<dyn Estimator>, &str)> = vec![
        (
            Box::new(one_hot.clone()),
            "expected one of the parameters `inputCol` and `inputCols`, found neither",
        ),
        (
            Box::new(one_hot.clone().input_col("y").input_cols(vec!["y".into()])),
            "expected one of the parameters `inputCol` and `inputCols`, found both",
        ),
        (
            Box::new(one_hot.clone().input_cols(vec!["y".into()])),
            "parameter `outputCols`: expected 1 columns, as many as inputCols, found []",
        ),
        (
            Box::new(one_hot.clone().input_cols(vec!["y".into()]).output_col("o")),
            "parameter `outputCol` does not go with `inputCols`",
        ),
        (
            Box::new(one_hot.clone().input_col("s")),
            "column `s` has type Utf8, expected numbers (a StringIndexer",
        ),
        (
            Box::new(one_hot.input_col("y").handle_invalid("skip")),
            "parameter `handleInvalid`: expected a text, one of error, keep, found skip",
        ),
        (Box::new(StringIndexer::new().input_col("x")), "column `x` has type FixedSizeList"),
        (
            Box::new(
                StringIndexer::new()
                    .input_cols(vec!["s".into(), "z".into()])
                    .output_cols(vec!["a".into(), "b".into()]),
            ),
            "parameter `inputCols` names column `z`, which does not exist",
        ),
    ];
    for (stage, expected) in estimators {
        names(stage.params(), &message(stage.fit(&one_row().await?).await), expected)?;
    }
    Ok(())
}

#[tokio::test]
async fn transformers_name_param_given_and_expected() -> Result<()> {
    let assembler = |columns: &[&str]| {
        VectorAssembler::new().input_cols(columns.iter().map(|c| (*c).to_string()).collect()).output_col("o")
    };
    let transformers: Vec<(Box<dyn Transformer>, &str)> = vec![
        (
            Box::new(Normalizer::new().input_col("x").p(0.5)),
            "parameter `p`: expected a number, at least 1, or infinity, found 0.5",
        ),
        (
            Box::new(Normalizer::new().input_col("x").p(f64::NAN)),
            "parameter `p`: expected a number, at least 1",
        ),
        (Box::new(assembler(&[])), "parameter `inputCols`: expected at least one column, found []"),
        (Box::new(assembler(&["x", "s"])), "column `s` has type Utf8, expected numbers, booleans or vectors"),
        (Box::new(assembler(&["x", "z"])), "parameter `inputCols` names column `z`"),
    ];
    for (stage, expected) in transformers {
        let table = one_row().await?;
        names(stage.params(), &message(stage.transform_schema(table.schema().as_arrow())), expected)?;
        names(stage.params(), &message(stage.transform(table)), expected)?;
    }
    let short = vectors_table(some(vec![vec![1.0, 2.0], vec![3.0, 4.0]]))?;
    for model in of_vectors(&short).await?.into_iter().take(3) {
        let error = message(model.transform(vectors_table(some(vec![vec![1.0]]))?));
        names(model.params(), &error, "of 2 numbers")?;
    }
    Ok(())
}
