//! Fits a whole regularization path on every fold at once, and says how long it took: the Rust side of `cargo xtask
//! bench regularisation_path`.
//!
//! ```text
//! cargo run --workspace --example logistic_path -- features.f32 labels.f32 ROWS COLUMNS FOLDS STRENGTH...
//! ```
//!
//! The files hold 32-bit floats; row `i` is in fold `i % FOLDS`. Prints JSON: seconds, and the objective of every fit.

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context, Result};
use emberline_ml::linear::{LinearOptions, LogisticOptions, LogisticProblem, Matrix, fit_logistic_many};

fn floats(path: &str) -> Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| path.to_string())?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [features, labels, rows, columns, folds, strengths @ ..] = args.as_slice() else {
        anyhow::bail!("expected features.f32 labels.f32 ROWS COLUMNS FOLDS STRENGTH...");
    };
    let (rows, columns, folds): (usize, usize, usize) = (rows.parse()?, columns.parse()?, folds.parse()?);
    let features = floats(features)?;
    let labels: Vec<f64> = floats(labels)?.into_iter().map(f64::from).collect();
    anyhow::ensure!(
        features.len() == rows * columns && labels.len() == rows,
        "the files are of another size"
    );

    let started = Instant::now();
    let x = Matrix::from_f32(&features, columns)?;
    let masks: Vec<Vec<f64>> = (0..folds)
        .map(|fold| (0..rows).map(|row| f64::from(u8::from(row % folds != fold))).collect())
        .collect();
    let parts: Vec<Option<&[f64]>> = masks.iter().map(|mask| Some(mask.as_slice())).collect();
    let mut problems = Vec::new();
    for strength in strengths {
        let options = LinearOptions {
            reg_param: strength.parse()?,
            standardization: false,
            max_iter: 1_000,
            ..LinearOptions::default()
        };
        let logistic = LogisticOptions::default();
        let of = |part| LogisticProblem { logistic: logistic.clone(), options: options.clone(), part };
        problems.extend((0..folds).map(of));
    }
    let fits = fit_logistic_many(&x, &labels, &parts, &problems)?;
    let seconds = started.elapsed().as_secs_f64();
    let mut objectives = Vec::new();
    let mut iterations = 0;
    for fit in fits {
        let fit = fit?;
        iterations += fit.iterations;
        objectives.push(fit.objective_history.last().copied().unwrap_or(f64::NAN));
    }
    let answer =
        serde_json::json!({ "seconds": seconds, "iterations": iterations, "objectives": objectives });
    writeln!(std::io::stdout(), "{answer}")?;
    Ok(())
}
