//! Fits logistic regressions to one matrix, all at once, and says how long it took: the Rust side of `cargo xtask bench
//! logistic_regression` and `regularisation_path`.
//!
//! ```text
//! cargo run --workspace --example logistic_fits -- features.f32 labels.f32 COLUMNS FOLDS ELASTIC_NET_PARAM REG_PARAM...
//! ```
//!
//! The files hold 32-bit floats; row `i` is in fold `i % FOLDS` and takes no part in its fit; with 0 folds there is one fit on
//! all rows. Prints JSON: seconds, iterations, and of every fit its objective, coefficients
//! `[K, d]` and intercepts `[K]`; K is 1 for two classes. Without arguments it fits a small problem.

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context, Result};
use emberline_linear::{LinearOptions, LogisticOptions, LogisticProblem, Matrix, fit_logistic_many};
use serde_json::json;

struct Task {
    features: Vec<f32>,
    labels: Vec<f64>,
    columns: usize,
    folds: usize,
    elastic_net_param: f64,
    reg_params: Vec<f64>,
}

impl Task {
    fn parse(args: &[String]) -> Result<Self> {
        let [features, labels, columns, folds, elastic_net_param, reg_params @ ..] = args else {
            anyhow::bail!("expected features.f32 labels.f32 COLUMNS FOLDS ELASTIC_NET_PARAM REG_PARAM...");
        };
        Ok(Self {
            features: floats(features)?,
            labels: floats(labels)?.into_iter().map(f64::from).collect(),
            columns: columns.parse()?,
            folds: folds.parse()?,
            elastic_net_param: elastic_net_param.parse()?,
            reg_params: reg_params.iter().map(|text| Ok(text.parse()?)).collect::<Result<_>>()?,
        })
    }

    /// Ninety rows of three classes.
    fn small() -> Self {
        let features = (0..90).flat_map(|i| [(i % 3 + i % 7) as f32, (i % 11) as f32]).collect();
        let labels = (0..90).map(|i| f64::from(i % 3)).collect();
        Self { features, labels, columns: 2, folds: 3, elastic_net_param: 0.0, reg_params: vec![0.01, 0.1] }
    }
}

fn floats(path: &str) -> Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| path.to_string())?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let task = if args.is_empty() { Task::small() } else { Task::parse(&args)? };

    let started = Instant::now();
    let x = Matrix::from_f32(&task.features, task.columns)?;
    let masks: Vec<Vec<f64>> = (0..task.folds)
        .map(|fold| (0..x.rows()).map(|row| f64::from(u8::from(row % task.folds != fold))).collect())
        .collect();
    let mut parts: Vec<Option<&[f64]>> = masks.iter().map(|mask| Some(mask.as_slice())).collect();
    if parts.is_empty() {
        parts.push(None);
    }
    let mut problems = Vec::new();
    for reg_param in task.reg_params {
        let options = LinearOptions {
            reg_param,
            elastic_net_param: task.elastic_net_param,
            standardization: false,
            max_iter: 1_000,
            ..LinearOptions::default()
        };
        let logistic = LogisticOptions::default();
        let of = |part| LogisticProblem { logistic: logistic.clone(), options: options.clone(), part };
        problems.extend((0..parts.len()).map(of));
    }
    let fits = fit_logistic_many(&x, &task.labels, &parts, &problems)?;
    let seconds = started.elapsed().as_secs_f64();
    let mut answers = Vec::new();
    let mut iterations = 0;
    for fit in fits {
        let fit = fit?;
        iterations += fit.iterations;
        answers.push(json!({
            "objective": fit.objective_history.last(),
            "coefficients": fit.model.coefficients,
            "intercepts": fit.model.intercepts,
        }));
    }
    let answer = json!({ "seconds": seconds, "iterations": iterations, "fits": answers });
    writeln!(std::io::stdout(), "{answer}")?;
    Ok(())
}
