//! Metrics against pyspark.ml's evaluators (`tools/goldens/ml.py`).

use anyhow::{Context, Result, ensure};
use emberline_ml::metrics::{
    MetricError, Multiclass, MulticlassMetric, Regression, RegressionMetric, areas, log_loss,
};
use serde_json::Value;

use crate::linear::{fixture, uniform};

/// Spark sums in an order of its own; everything else is the same arithmetic.
const ROUNDING: f64 = 1e-12;

fn close(name: &str, found: f64, expected: &Value) -> Result<()> {
    let expected = expected.as_f64().with_context(|| format!("no value for {name}"))?;
    let difference = (found - expected).abs();
    ensure!(difference <= ROUNDING * expected.abs().max(1.0), "{name}: expected {expected}, found {found}");
    Ok(())
}

fn cases(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().context("not a list")
}

fn size(value: &Value) -> Result<usize> {
    Ok(value.as_u64().context("not a size")? as usize)
}

fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or(false)
}

/// The rows of `metrics_data` in `tools/goldens/ml.py`.
struct Classified {
    labels: Vec<f64>,
    predictions: Vec<f64>,
    probabilities: Vec<f64>,
    weights: Vec<f64>,
}

fn classified(classes: usize, rows: usize) -> Classified {
    let mut data = Classified {
        labels: Vec::new(),
        predictions: Vec::new(),
        probabilities: Vec::new(),
        weights: Vec::new(),
    };
    for i in 0..rows {
        let label = (uniform(6, i) * (classes - 1) as f64).floor();
        let prediction = if uniform(7, i) < 0.6 { label } else { (uniform(8, i) * classes as f64).floor() };
        let share = |class: usize| match i {
            3 => f64::from(u8::from(class as f64 == label)),
            4 => f64::from(u8::from(class as f64 != label)),
            _ => uniform(9, i * classes + class) + if class as f64 == prediction { 1.0 } else { 0.0 },
        };
        let total: f64 = (0..classes).map(share).sum();
        data.probabilities.extend((0..classes).map(|class| share(class) / total));
        data.labels.push(label);
        data.predictions.push(prediction);
        data.weights.push(0.25 + 2.0 * uniform(10, i));
    }
    data
}

#[test]
fn multiclass_metrics_agree_with_pyspark() -> Result<()> {
    let content = &fixture("metrics.json")?["multiclass"];
    let classes = size(&content["classes"])?;
    let data = classified(classes, size(&content["rows"])?);
    for case in cases(&content["cases"])? {
        let weights = flag(&case["weighted"]).then_some(data.weights.as_slice());
        let counted = Multiclass::new(&data.labels, &data.predictions, weights)?;
        let (label, beta) =
            (case["metricLabel"].as_f64().context("label")?, case["beta"].as_f64().context("beta")?);
        for metric in MulticlassMetric::ALL {
            let found = match counted.metric(metric, label, beta)? {
                Some(found) => found,
                None => log_loss(&data.labels, &data.probabilities, classes, weights, 1e-15)?,
            };
            close(metric.name(), found, &case["values"][metric.name()])?;
            let larger = &case["values"][format!("{metric}_larger")];
            assert_eq!(Some(metric.is_larger_better()), larger.as_bool(), "{metric}");
            assert_eq!(metric.name().parse::<MulticlassMetric>()?, metric);
        }
        for (found, expected) in
            counted.confusion().iter().zip(case["confusion"].as_array().into_iter().flatten())
        {
            close("confusion", *found, expected)?;
        }
    }
    Ok(())
}

#[test]
fn areas_agree_with_pyspark() -> Result<()> {
    for case in cases(&fixture("metrics.json")?["binary"])? {
        let (mut labels, mut scores, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..size(&case["rows"])? {
            let label = if uniform(11, i) < 0.4 { 1.0 } else { 0.0 };
            let score = uniform(12, i) + 0.5 * label;
            scores.push(if flag(&case["ties"]) { (score * 16.0).floor() / 16.0 } else { score });
            labels.push(label);
            weights.push(0.25 + 2.0 * uniform(13, i));
        }
        let weights = flag(&case["weighted"]).then_some(weights.as_slice());
        let found = areas(&scores, &labels, weights, size(&case["numBins"])?)?;
        close("areaUnderROC", found.roc, &case["values"]["areaUnderROC"])?;
        close("areaUnderPR", found.pr, &case["values"]["areaUnderPR"])?;
    }
    Ok(())
}

#[test]
fn regression_metrics_agree_with_pyspark() -> Result<()> {
    for case in cases(&fixture("metrics.json")?["regression"])? {
        let rows = 0..size(&case["rows"])?;
        let labels: Vec<f64> = rows.clone().map(|i| 4.0 * uniform(14, i) + 1.0).collect();
        let predictions: Vec<f64> =
            labels.iter().enumerate().map(|(i, l)| l + uniform(15, i) - 0.4).collect();
        let weights: Vec<f64> = rows.map(|i| 0.25 + 2.0 * uniform(16, i)).collect();
        let weights = flag(&case["weighted"]).then_some(weights.as_slice());
        let compared = Regression::new(&labels, &predictions, weights)?;
        for metric in RegressionMetric::ALL {
            let found = compared.metric(metric, flag(&case["throughOrigin"]));
            close(metric.name(), found, &case["values"][metric.name()])?;
            assert_eq!(metric.name().parse::<RegressionMetric>()?, metric);
        }
    }
    Ok(())
}

#[test]
fn bad_input_is_named() {
    let check = |found: Result<f64, MetricError>, expected: &str| {
        let found = found.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(found.contains(expected), "expected {expected:?} in {found:?}");
    };
    let accuracy = |labels: &[f64], predictions: &[f64], weights: Option<&[f64]>| {
        Multiclass::new(labels, predictions, weights).map(|m| m.accuracy())
    };
    check(accuracy(&[], &[], None), "at least one row");
    check(accuracy(&[1.0], &[], None), "prediction: expected 1 values, found 0");
    check(accuracy(&[f64::NAN], &[1.0], None), "label: expected a finite number, found NaN in row 0");
    check(accuracy(&[1.0], &[1.0], Some(&[-1.0])), "weight: expected");
    let by_label = Multiclass::new(&[0.0, 1.0], &[0.0, 1.0], None)
        .and_then(|m| m.metric(MulticlassMetric::RecallByLabel, 7.0, 1.0))
        .map(|found| found.unwrap_or_default());
    check(by_label, "metricLabel: expected a label of the data, one of [0.0, 1.0], found 7");
    check(
        log_loss(&[2.0], &[0.5, 0.5], 2, None, 1e-15),
        "label: expected the number of a probability, found 2",
    );
    check(log_loss(&[1.0], &[0.5, 0.5], 2, None, 0.7), "eps: expected");
    check(areas(&[f64::NAN], &[1.0], None, 0).map(|a| a.roc), "rawPrediction: expected a number");
    check("F1".parse::<MulticlassMetric>().map(|_| 0.0), "expected one of f1, accuracy");
}
