//! Logistic regression against pyspark.ml (`tools/goldens/ml.py`), and what must hold without a reference.

use anyhow::{Context, Result, ensure};
use emberline_ml::linear::{
    Decision, Family, LinearError, LinearOptions, LogisticFit, LogisticModel, LogisticOptions,
    LogisticProblem, Matrix, Stop, fit_logistic, fit_logistic_many,
};
use serde_json::Value;

/// Relative difference at MLlib's default tolerance of 1e-6, where both solvers stop a little short of the optimum and,
/// once rounding or the line search part their ways, in different places. Largest seen: 1.5e-5.
const AT_DEFAULT_TOLERANCE: f64 = 1e-4;
/// Relative difference at a tight tolerance, where Breeze still stops at a gradient of 1e-8. Largest seen: 1.1e-7.
const AT_TIGHT_TOLERANCE: f64 = 1e-6;
/// How far our objective may lie above Spark's, relative to it: the square of the above, or rounding.
const OBJECTIVE_AT_DEFAULT_TOLERANCE: f64 = 1e-10;
const OBJECTIVE_AT_TIGHT_TOLERANCE: f64 = 1e-14;

/// Settings and answers of one problem in `logistic.json`.
pub(crate) struct Problem {
    pub(crate) settings: Value,
    pub(crate) features: Vec<f64>,
    pub(crate) labels: Vec<f64>,
    pub(crate) weights: Vec<f64>,
}

/// A number in [0, 1): splitmix64 of the place, as in `tools/goldens/ml.py`.
pub(crate) fn uniform(stream: u64, index: usize) -> f64 {
    let place = (stream << 32).wrapping_add(index as u64).wrapping_add(1);
    let mut z = place.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 * 2.0_f64.powi(-53)
}

/// A fixture's content.
pub(crate) fn fixture(name: &str) -> Result<Value> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut value: Value = serde_json::from_str(&std::fs::read_to_string(&path).context(path)?)?;
    Ok(value["content"].take())
}

/// Numbers of a JSON list; infinities are strings.
pub(crate) fn numbers(value: &Value) -> Result<Vec<f64>> {
    let number = |v: &Value| v.as_f64().or_else(|| v.as_str()?.parse().ok()).context("not a number");
    value.as_array().context("not a list")?.iter().map(number).collect()
}

impl Problem {
    /// The data of `problem_data` in `tools/goldens/ml.py`.
    pub(crate) fn new(settings: Value) -> Result<Self> {
        let size = |name: &str| settings[name].as_u64().map(|v| v as usize).context("not a size");
        let (rows, features, classes) = (size("rows")?, size("features")?, size("classes")?);
        let noise = settings["noise"].as_f64().context("noise")?;
        let values = settings["values"].as_str().unwrap_or("plain");
        let (scales, shifts) = ([1.0, 10.0, 0.125, 3.0], [0.0, 5.0, -1.0, 0.5]);
        let (mut x, mut labels, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..rows {
            let at = |j| i * features + j;
            let base: Vec<f64> = (0..features).map(|j| uniform(1, at(j)) + uniform(2, at(j)) - 1.0).collect();
            x.extend(base.iter().enumerate().map(|(j, b)| match (values, j) {
                ("image", _) => f64::from((b * 0.75 + 0.25).max(0.0) as f32),
                ("constant", 2) => 3.7,
                _ => b * scales[j % 4] + shifts[j % 4],
            }));
            let score = |class: usize| {
                let start = noise * (uniform(3, i * classes + class) - 0.5);
                let terms = base.iter().enumerate();
                terms.fold(start, |sum, (j, b)| sum + b * (uniform(4, class * features + j) - 0.5))
            };
            let best =
                (1..classes).fold(0, |best, class| if score(class) > score(best) { class } else { best });
            labels.push(best as f64);
            weights.push(if i % 17 == 0 { 0.0 } else { 0.25 + 2.0 * uniform(5, i) });
        }
        Ok(Self { settings, features: x, labels, weights })
    }

    pub(crate) fn matrix(&self) -> Result<Matrix<'_>> {
        Ok(Matrix::from_f64(&self.features, self.features.len() / self.labels.len())?)
    }

    pub(crate) fn options(&self, answer: &Value) -> Result<LinearOptions> {
        let settings = &self.settings;
        let default = LinearOptions::default();
        Ok(LinearOptions {
            reg_param: settings["regParam"].as_f64().unwrap_or(default.reg_param),
            elastic_net_param: settings["elasticNetParam"].as_f64().unwrap_or(default.elastic_net_param),
            fit_intercept: settings["fitIntercept"].as_bool().unwrap_or(default.fit_intercept),
            standardization: settings["standardization"].as_bool().unwrap_or(default.standardization),
            tol: answer["tol"].as_f64().context("tol")?,
            max_iter: answer["maxIter"].as_u64().context("maxIter")? as usize,
            ..default
        })
    }

    /// The weights, where the problem has any.
    pub(crate) fn weights(&self) -> Option<&[f64]> {
        self.settings["weighted"].as_bool().unwrap_or(false).then_some(self.weights.as_slice())
    }

    fn fit(&self, options: &LinearOptions) -> Result<LogisticFit> {
        let family =
            if self.settings["family"] == "multinomial" { Family::Multinomial } else { Family::Auto };
        let problem = LogisticOptions { family, ..Default::default() };
        Ok(fit_logistic(&self.matrix()?, &self.labels, self.weights(), &problem, options)?)
    }
}

/// Largest difference, relative to the largest expected number.
pub(crate) fn difference(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale =
        expected.iter().copied().filter(|v| v.is_finite()).fold(f64::MIN_POSITIVE, |a, b| a.max(b.abs()));
    let differences =
        found.iter().zip(expected).map(|(f, e)| if f == e { 0.0 } else { (f - e).abs() / scale });
    differences.fold(0.0, f64::max)
}

fn problems() -> Result<Vec<Problem>> {
    let content = fixture("logistic.json")?;
    content.as_array().context("not a list")?.iter().cloned().map(Problem::new).collect()
}

#[test]
fn agrees_with_pyspark() -> Result<()> {
    for problem in problems()? {
        for (kind, close, objective_close) in [
            ("default", AT_DEFAULT_TOLERANCE, OBJECTIVE_AT_DEFAULT_TOLERANCE),
            ("tight", AT_TIGHT_TOLERANCE, OBJECTIVE_AT_TIGHT_TOLERANCE),
        ] {
            let answer = &problem.settings["answers"][kind];
            let fitted = problem.fit(&problem.options(answer)?)?;
            let model = &fitted.model;
            assert_eq!(Some(model.num_classes as u64), answer["numClasses"].as_u64());
            let coefficients = difference(&model.coefficients, &numbers(&answer["coefficients"])?);
            let intercepts = difference(&model.intercepts, &numbers(&answer["intercepts"])?);
            let objective = answer["objective"].as_f64().context("objective")?;
            let last = fitted.objective_history[fitted.iterations];
            // Positive where Spark's objective is the lower one.
            let behind = (last - objective) / objective.abs().max(f64::MIN_POSITIVE);

            let few = Matrix::from_f64(&problem.features[..5 * model.num_features], model.num_features)?;
            let raw = model.raw(&few);
            let probability = difference(&model.probability(&raw), &numbers(&answer["probability"])?);
            let name = &problem.settings["name"];
            let figures = format!(
                "{name} {kind}: coefficients {coefficients:.1e}, intercepts {intercepts:.1e}, probabilities \
                 {probability:.1e}, objective {behind:.1e}, iterations {} (Spark {}), {:?}",
                fitted.iterations, answer["iterations"], fitted.stop
            );
            println!("{figures}");
            ensure!(
                coefficients.max(intercepts).max(probability) <= close && behind <= objective_close,
                figures
            );
            assert_eq!(model.predict(&raw, &Decision::Likeliest), numbers(&answer["prediction"])?);
        }
    }
    Ok(())
}

/// Masks of 3 folds and a path of strengths, 90 columns in all: more than one group, so that later ones start warm.
#[test]
fn many_problems_at_once_reach_the_same_objectives() -> Result<()> {
    let (rows, features, classes) = (600, 20, 3);
    let x: Vec<f32> = (0..rows * features).map(|i| uniform(30, i) as f32).collect();
    let label = |row: usize| {
        ((x[row * features] + x[row * features + 1]) * 0.9 + uniform(31, row) as f32 * 0.4) as usize
    };
    let labels: Vec<f64> = (0..rows).map(|row| label(row).min(classes - 1) as f64).collect();
    let x = Matrix::from_f32(&x, features)?;
    let mask = |fold: usize| (0..rows).map(|row| f64::from(u8::from(row % 3 != fold))).collect::<Vec<f64>>();
    let masks: Vec<Vec<f64>> = (0..3).map(mask).collect();
    let parts: Vec<Option<&[f64]>> = masks.iter().map(|mask| Some(mask.as_slice())).collect();
    let logistic = LogisticOptions { num_classes: Some(classes), ..Default::default() };
    let mut problems = Vec::new();
    for i in 0..10 {
        let (reg_param, elastic_net_param) = (10_f64.powf(-0.4 * f64::from(i)), f64::from(i % 2) * 0.5);
        let options = LinearOptions { reg_param, elastic_net_param, threads: 2, ..Default::default() };
        let of = |part| LogisticProblem { logistic: logistic.clone(), options: options.clone(), part };
        problems.extend((0..3).map(of));
    }
    let together = fit_logistic_many(&x, &labels, &parts, &problems)?;
    let mut cold = 0;
    let mut warm = 0;
    for (problem, fit) in problems.iter().zip(together) {
        let fit = fit?;
        let alone = fit_logistic(&x, &labels, parts[problem.part], &logistic, &problem.options)?;
        let (a, b) = (fit.objective_history[fit.iterations], alone.objective_history[alone.iterations]);
        ensure!(a <= b * (1.0 + 1e-6), "{:?}: {a} together, {b} alone", problem.options);
        warm += fit.iterations;
        cold += alone.iterations;
    }
    ensure!(warm < cold, "{warm} iterations from the solutions of stronger penalties, {cold} from zero");
    Ok(())
}

/// Ridge problems, which share a preconditioner: features of unlike scales that depend on each other, and a constant one.
#[test]
fn ridges_at_once_reach_their_optima_on_any_number_of_threads() -> Result<()> {
    let (rows, features, classes) = (400, 150, 3);
    let mut x: Vec<f32> = (0..rows * features).map(|i| uniform(40, i) as f32).collect();
    for row in x.chunks_exact_mut(features) {
        row[1] = row[0] * 0.9 + row[1] * 0.1;
        row[2] = 7.0;
        row[3] *= 100.0;
    }
    let wide: Vec<f64> = x.iter().copied().map(f64::from).collect();
    let label = |row: usize| ((x[row * features] + 0.3 * uniform(41, row) as f32) * 2.3) as usize;
    let labels: Vec<f64> = (0..rows).map(|row| label(row).min(classes - 1) as f64).collect();
    let mask: Vec<f64> = (0..rows).map(|row| f64::from(u8::from(row % 4 != 0))).collect();
    let parts = [None, Some(mask.as_slice())];
    let logistic = LogisticOptions { num_classes: Some(classes), ..Default::default() };
    for (x, standardization, fit_intercept) in [
        (Matrix::from_f32(&x, features)?, true, true),
        (Matrix::from_f32(&x, features)?, false, true),
        (Matrix::from_f64(&wide, features)?, false, false),
    ] {
        let problems = |threads| -> Vec<LogisticProblem> {
            let of = |(reg_param, part)| LogisticProblem {
                logistic: logistic.clone(),
                options: LinearOptions {
                    reg_param,
                    standardization,
                    fit_intercept,
                    threads,
                    tol: 1e-9,
                    max_iter: 2000,
                    ..Default::default()
                },
                part,
            };
            [1.0, 0.1, 0.03, 0.001]
                .into_iter()
                .flat_map(|strength| [(strength, 0), (strength, 1)])
                .map(of)
                .collect()
        };
        let together = fit_logistic_many(&x, &labels, &parts, &problems(1))?;
        assert_eq!(fit_logistic_many(&x, &labels, &parts, &problems(3))?, together);
        let mut iterations = [0, 0];
        for (problem, fit) in problems(1).iter().zip(together) {
            let fit = fit?;
            let alone = fit_logistic(&x, &labels, parts[problem.part], &logistic, &problem.options)?;
            let (a, b) = (fit.objective_history[fit.iterations], alone.objective_history[alone.iterations]);
            ensure!((a - b).abs() <= 1e-8 * b, "{:?}: {a} together, {b} alone", problem.options);
            let apart = difference(&fit.model.coefficients, &alone.model.coefficients);
            ensure!(apart <= 1e-2, "{:?}: coefficients {apart:.1e} apart", problem.options);
            iterations = [iterations[0] + fit.iterations, iterations[1] + alone.iterations];
        }
        ensure!(iterations[0] < iterations[1], "{iterations:?} iterations together and alone");
    }
    Ok(())
}

#[test]
fn the_number_of_threads_changes_no_bit() -> Result<()> {
    let (rows, features) = (2000, 33);
    let x: Vec<f32> = (0..rows * features).map(|i| uniform(20, i) as f32).collect();
    let labels: Vec<f64> = (0..rows).map(|i| (uniform(21, i) * 3.0).floor()).collect();
    let x = Matrix::from_f32(&x, features)?;
    let fit_on = |threads| {
        let options = LinearOptions { reg_param: 0.01, threads, ..Default::default() };
        fit_logistic(&x, &labels, None, &LogisticOptions::default(), &options)
    };
    let expected = fit_on(1)?;
    for threads in [0, 2, 3, 64] {
        assert_eq!(fit_on(threads)?, expected, "{threads} threads");
    }
    Ok(())
}

#[test]
fn a_row_is_answered_alone_as_in_a_batch() -> Result<()> {
    let x: Vec<f32> = (0..40 * 37).map(|i| uniform(22, i) as f32).collect();
    let model = LogisticModel {
        coefficients: (0..3 * 37).map(|i| uniform(23, i)).collect(),
        intercepts: vec![0.5, -0.5, 0.0],
        num_features: 37,
        num_classes: 3,
        is_multinomial: true,
    };
    let batch = model.raw(&Matrix::from_f32(&x, 37)?);
    for (row, expected) in x.chunks(37).zip(batch.chunks(3)) {
        assert_eq!(model.raw(&Matrix::from_f32(row, 37)?), expected);
    }
    Ok(())
}

#[test]
fn single_precision_features_are_widened_exactly() -> Result<()> {
    let problem =
        problems()?.into_iter().find(|p| p.settings["values"] == "image").context("no image problem")?;
    let narrow: Vec<f32> = problem.features.iter().map(|&v| v as f32).collect();
    let options = LinearOptions { reg_param: 0.01, ..Default::default() };
    let x = Matrix::from_f32(&narrow, problem.matrix()?.columns())?;
    let of_narrow = fit_logistic(&x, &problem.labels, None, &LogisticOptions::default(), &options)?;
    assert_eq!(of_narrow, problem.fit(&options)?);
    Ok(())
}

#[test]
fn decisions_follow_mllib() {
    let model = |is_multinomial: bool| LogisticModel {
        coefficients: vec![0.0; if is_multinomial { 3 } else { 1 }],
        intercepts: vec![0.0; if is_multinomial { 3 } else { 1 }],
        num_features: 1,
        num_classes: if is_multinomial { 3 } else { 2 },
        is_multinomial,
    };
    let check = |is_multinomial, raw: &[f64], decision: Decision, expected: f64| {
        assert_eq!(model(is_multinomial).predict(raw, &decision), [expected], "{raw:?} {decision:?}");
    };
    check(false, &[0.0, 0.0], Decision::Likeliest, 0.0);
    check(false, &[-0.1, 0.1], Decision::Likeliest, 1.0);
    check(false, &[-0.1, 0.1], Decision::Threshold(0.6), 0.0);
    check(false, &[9.0, -9.0], Decision::Threshold(0.0), 1.0);
    check(false, &[-9.0, 9.0], Decision::Threshold(1.0), 0.0);
    // 1 / (1 + 0.2 / 0.8) = 0.8
    check(false, &[-1.0, 1.0], Decision::Thresholds(vec![0.2, 0.8]), 0.0);
    check(true, &[1.0, 1.0, 0.0], Decision::Likeliest, 0.0);
    check(true, &[1.0, 1.0, 0.0], Decision::Thresholds(vec![1.0, 0.5, 1.0]), 1.0);
    check(true, &[5.0, 1.0, 0.0], Decision::Thresholds(vec![1.0, 1.0, 0.0]), 2.0);
    check(true, &[0.0, f64::INFINITY, 0.0], Decision::Likeliest, 1.0);
}

#[test]
fn bad_input_is_named() {
    let check =
        |x: &[f64], labels: &[f64], weights: Option<&[f64]>, options: &LinearOptions, expected: &str| {
            let problem = LogisticOptions { family: Family::Auto, ..Default::default() };
            let found =
                Matrix::from_f64(x, 2).and_then(|x| fit_logistic(&x, labels, weights, &problem, options));
            let found = found.err().map(|error: LinearError| error.to_string()).unwrap_or_default();
            assert!(found.contains(expected), "expected {expected:?} in {found:?}");
        };
    let x = [1.0, 2.0, 3.0, 4.0];
    let options = LinearOptions::default();
    check(&[1.0], &[0.0], None, &options, "whole rows");
    check(&[], &[], None, &options, "at least one row");
    check(&x, &[0.0], None, &options, "label: expected 2 values, found 1");
    check(&x, &[0.0, 0.5], None, &options, "found 0.5 in row 1");
    check(&x, &[0.0, -1.0], None, &options, "found -1 in row 1");
    check(&x, &[0.0, 1e300], None, &options, "in row 1");
    check(&x, &[f64::NAN, 1.0], None, &options, "found NaN in row 0");
    check(&x, &[0.0, 1.0], Some(&[1.0, -2.0]), &options, "weight: expected a finite number");
    check(&x, &[0.0, 1.0], Some(&[0.0, 0.0]), &options, "total weight of 0");
    check(&[1.0, 2.0, 3.0, f64::INFINITY], &[0.0, 1.0], None, &options, "found inf in row 1, feature 1");
    let settings = |options: LinearOptions, expected| check(&x, &[0.0, 2.0], None, &options, expected);
    settings(LinearOptions { reg_param: -1.0, ..Default::default() }, "regParam: expected");
    settings(LinearOptions { elastic_net_param: 1.5, ..Default::default() }, "elasticNetParam: expected");
    settings(LinearOptions { tol: f64::NAN, ..Default::default() }, "tol: expected");
    let binomial = LogisticOptions { family: Family::Binomial, ..Default::default() };
    let found =
        Matrix::from_f64(&x, 2).and_then(|x| fit_logistic(&x, &[0.0, 2.0], None, &binomial, &options));
    assert!(found.is_err_and(|error| error.to_string().contains("at most 2 classes, found 3")));
}

#[test]
fn a_limit_of_no_iterations_answers_the_class_frequencies() -> Result<()> {
    let options = LinearOptions { max_iter: 0, ..Default::default() };
    let x = [1.0, -1.0, 0.5, 2.0];
    let x = Matrix::from_f64(&x, 1)?;
    let fitted = fit_logistic(&x, &[1.0, 1.0, 0.0, 1.0], None, &LogisticOptions::default(), &options)?;
    assert_eq!((fitted.stop, fitted.iterations), (Stop::MaxIter, 0));
    assert_eq!((fitted.model.coefficients[0], fitted.model.intercepts[0]), (0.0, 3.0_f64.ln()));
    Ok(())
}

/// Fewer rows than features: solved in a basis of the rows, which must change neither optimum nor scale, whatever the weights.
#[test]
fn ridges_of_few_rows_reach_their_optima_on_any_number_of_threads() -> Result<()> {
    check_few_rows(60, 130)?;
    // So many that only the leading directions are known by themselves.
    check_few_rows(160, 300)
}

fn check_few_rows(rows: usize, features: usize) -> Result<()> {
    let classes = 3;
    let mut x: Vec<f32> = (0..rows * features).map(|i| uniform(50, i) as f32).collect();
    for row in x.chunks_exact_mut(features) {
        row[1] = row[0];
        row[2] = 7.0;
        row[3] *= 100.0;
    }
    // Two rows are equal.
    x.copy_within(..features, features);
    let wide: Vec<f64> = x.iter().copied().map(f64::from).collect();
    let labels: Vec<f64> = (0..rows).map(|row| (row % classes) as f64).collect();
    let weights: Vec<f64> = (0..rows).map(|row| f64::from((row % 4) as u32) * 0.7).collect();
    let parts = [None, Some(weights.as_slice())];
    let logistic = LogisticOptions { num_classes: Some(classes), ..Default::default() };
    for (x, fit_intercept, standardization) in [
        (Matrix::from_f32(&x, features)?, true, true),
        (Matrix::from_f32(&x, features)?, true, false),
        (Matrix::from_f64(&wide, features)?, true, true),
        (Matrix::from_f64(&wide, features)?, false, true),
    ] {
        let problems = |threads, memory_max| -> Vec<LogisticProblem> {
            let each = |i: usize| {
                let reg_param = 10_f64.powf(-0.5 * (i / 2) as f64);
                let options = LinearOptions {
                    reg_param,
                    fit_intercept,
                    standardization,
                    threads,
                    memory_max,
                    ..Default::default()
                };
                LogisticProblem { logistic: logistic.clone(), options, part: i % 2 }
            };
            (0..12).map(each).collect()
        };
        let fitted =
            |threads, memory_max| fit_logistic_many(&x, &labels, &parts, &problems(threads, memory_max));
        let enough = 1 << 30;
        let together = fitted(1, enough)?;
        assert_eq!(fitted(3, enough)?, together);
        // Room for one part at a time.
        let one = 8 * (4 * rows * (rows + 64) + 18 * (2 * rows + features));
        assert_eq!(fitted(3, one)?, together);
        let in_no_room = fitted(3, 0)?;
        assert_ne!(in_no_room, together, "they were to be solved in another way");
        for ((problem, fit), other) in problems(1, enough).iter().zip(together).zip(in_no_room) {
            let (fit, other) = (fit?, other?);
            // An L1 term that is next to nothing keeps a problem from the basis.
            let exact = LinearOptions {
                tol: 1e-12,
                max_iter: 10_000,
                elastic_net_param: 1e-14,
                ..problem.options.clone()
            };
            let alone = fit_logistic(&x, &labels, parts[problem.part], &logistic, &exact)?;
            let ended = |fit: &LogisticFit| fit.objective_history[fit.iterations];
            let (a, b, c) = (ended(&fit), ended(&alone), ended(&other));
            ensure!((a - b).abs() <= 1e-6 * b, "{:?}: {a} together, {b} alone", problem.options);
            ensure!((c - b).abs() <= 1e-6 * b, "{:?}: {c} in no room, {b} alone", problem.options);
            // The objective is that of the coefficients themselves, not only of the basis.
            let largest =
                alone.model.coefficients.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
            for (ours, theirs) in fit.model.coefficients.iter().zip(&alone.model.coefficients) {
                ensure!((ours - theirs).abs() <= 2e-3 * largest, "{:?}: {ours}, {theirs}", problem.options);
            }
        }
    }
    Ok(())
}
