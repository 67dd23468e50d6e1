//! MLlib's `CrossValidator`.

use std::sync::Arc;

use datafusion::dataframe::DataFrame;

use super::folds::Dealt;
use crate::error::{MlError, Result};
use crate::evaluation::Evaluator;
use crate::params::shared::SEED;
use crate::params::{Constraint, ParamDefault, ParamKind, ParamMap, ParamSpec, Params, setters};
use crate::stage::{Estimator, Transformer};

const NUM_FOLDS: ParamSpec = ParamSpec::new("numFolds", ParamKind::Int, "number of folds")
    .default(ParamDefault::Int(3))
    .constraint(Constraint::AtLeast(2.0));

/// Chooses among candidates by cross-validation and fits the best one on all rows.
///
/// The rows are read once and kept in memory; folds come from a hash of the row and have the same share of each
/// label (the evaluator's `labelCol`).
///
/// ```no_run
/// # async fn example(features: datafusion::dataframe::DataFrame) -> emberline_ml::Result<()> {
/// use std::sync::Arc;
/// use emberline_ml::{CrossValidator, LogisticRegression, MulticlassClassificationEvaluator, ParamGridBuilder, Stage};
/// let lr = LogisticRegression::new();
/// let grid = ParamGridBuilder::new().add_grid(lr.params().param("regParam")?, [0.01, 0.1, 1.0]).build();
/// let evaluator = MulticlassClassificationEvaluator::new().metric_name("accuracy");
/// let model = CrossValidator::new(Arc::new(lr), grid, Arc::new(evaluator)).num_folds(5).fit_model(&features).await?;
/// println!("{:?}", model.avg_metrics);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct CrossValidator {
    params: Params,
    estimator: Arc<dyn Estimator>,
    estimator_param_maps: Vec<ParamMap>,
    evaluator: Arc<dyn Evaluator>,
}

impl CrossValidator {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] = &[NUM_FOLDS, SEED];

    /// A validator with the default params.
    pub fn new(
        estimator: Arc<dyn Estimator>,
        estimator_param_maps: Vec<ParamMap>,
        evaluator: Arc<dyn Evaluator>,
    ) -> Self {
        Self {
            params: Params::new("CrossValidator", Self::PARAMS),
            estimator,
            estimator_param_maps,
            evaluator,
        }
    }

    /// Fits every candidate on every fold, and the best candidate on all rows.
    ///
    /// # Errors
    /// When a param is out of its range, there are fewer rows than folds, or a fit fails.
    pub async fn fit_model(&self, table: &DataFrame) -> Result<CrossValidatorModel> {
        self.params.validate()?;
        if self.estimator_param_maps.is_empty() {
            return Err(MlError::stage(
                self.params.uid(),
                "estimatorParamMaps: expected at least one candidate, found none",
            ));
        }
        let folds = self.params.count("numFolds")?;
        let seed = self.params.int("seed")?.cast_unsigned();
        let label = self.evaluator.params().text_if_defined("labelCol")?;
        let dealt = Dealt::new(table, seed, label.as_deref()).await?;
        let mut metrics = vec![Vec::with_capacity(folds); self.estimator_param_maps.len()];
        for fold in 0..folds {
            let train = dealt.part(|place| place % folds != fold)?;
            let validation = dealt.part(|place| place % folds == fold)?;
            if train.clone().count().await? == 0 || validation.clone().count().await? == 0 {
                let reason =
                    format!("fold {fold} of {folds} is empty: expected at least as many rows as folds");
                return Err(MlError::stage(self.params.uid(), reason));
            }
            for (candidate, metrics) in self.estimator_param_maps.iter().zip(&mut metrics) {
                let model = self.estimator.copy(candidate)?.fit(&train).await?;
                metrics.push(self.evaluator.evaluate(&model.transform(validation.clone())?).await?);
            }
        }
        let avg_metrics: Vec<f64> = metrics.iter().map(|values| mean(values)).collect();
        let best_index = best(&avg_metrics, self.evaluator.is_larger_better()?);
        let best = self.estimator.copy(&self.estimator_param_maps[best_index])?;
        Ok(CrossValidatorModel {
            best_model: best.fit(&dealt.part(|_| true)?).await?,
            best_index,
            std_metrics: metrics.iter().map(|values| population_std(values)).collect(),
            avg_metrics,
        })
    }
}

setters!(CrossValidator { num_folds: usize => "numFolds", seed: i64 => "seed" });

/// What cross-validation found.
#[derive(Debug, Clone)]
pub struct CrossValidatorModel {
    /// The best candidate, fitted on all rows.
    pub best_model: Arc<dyn Transformer>,
    /// Its place in the grid; the first one among equals.
    pub best_index: usize,
    /// Each candidate's metric, averaged over the folds.
    pub avg_metrics: Vec<f64>,
    /// Each candidate's standard deviation over the folds (of the population, as pyspark's).
    pub std_metrics: Vec<f64>,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn population_std(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// The first best one; NaN is never better.
fn best(metrics: &[f64], larger_is_better: bool) -> usize {
    let mut best = 0;
    for (i, metric) in metrics.iter().enumerate() {
        let better = if larger_is_better { *metric > metrics[best] } else { *metric < metrics[best] };
        if better || (metrics[best].is_nan() && !metric.is_nan()) {
            best = i;
        }
    }
    best
}
