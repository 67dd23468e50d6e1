//! MLlib's `TrainValidationSplit`.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;

use super::folds::Dealing;
use super::search::Search;
use super::validator::{
    Tuned, check_lengths, finite, load_models, or_nan, validator, validator_model, write_models,
};
use crate::error::Result;
use crate::params::shared::{COLLECT_SUB_MODELS, HALVING_FACTOR, MAX_MEMORY, PARALLELISM, SEED};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{Stage, Transformer, stage_basics};

const TRAIN_RATIO: ParamSpec =
    ParamSpec::new("trainRatio", ParamKind::Double, "share of the rows to train on; the others validate")
        .default(ParamDefault::Double(0.75))
        .constraint(Constraint::Between(0.0, 1.0));

/// Chooses among candidates by one split of the rows and fits the best one on all of them: cheaper than a
/// [`CrossValidator`](super::CrossValidator), and less sure. All that is said there of shared stages, of hashes and of
/// candidates that fail holds here.
///
/// ```no_run
/// # async fn example(features: datafusion::dataframe::DataFrame) -> emberline_ml::Result<()> {
/// use std::sync::Arc;
/// use emberline_ml::{LogisticRegression, MulticlassClassificationEvaluator, ParamGridBuilder, Stage, TrainValidationSplit};
/// let lr = LogisticRegression::new();
/// let grid = ParamGridBuilder::new().add_grid(lr.params().param("regParam")?, [0.01, 0.1, 1.0]).build();
/// let evaluator = MulticlassClassificationEvaluator::new();
/// let model = TrainValidationSplit::new(Arc::new(lr), grid, Arc::new(evaluator)).fit_model(&features).await?;
/// println!("{:?}", model.validation_metrics);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct TrainValidationSplit {
    params: Params,
    tuned: Tuned,
}

impl TrainValidationSplit {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[TRAIN_RATIO, SEED, HALVING_FACTOR, COLLECT_SUB_MODELS, MAX_MEMORY, PARALLELISM];

    fn search(&self) -> Result<Search<'_>> {
        self.params.validate()?;
        let dealing = Dealing::Share { train: self.params.double("trainRatio")? };
        Search::new(&self.params, &self.tuned, dealing)
    }

    /// Fits every candidate on the training rows, and the best candidate on all rows.
    ///
    /// # Errors
    /// When a param is out of its range, one of the parts has no rows, or every candidate fails.
    pub async fn fit_model(&self, table: &DataFrame) -> Result<TrainValidationSplitModel> {
        let found = self.search()?.run(table).await?;
        let only = |metrics: &Result<Vec<f64>, String>| match metrics.as_deref() {
            Ok([metric, ..]) => *metric,
            _ => f64::NAN,
        };
        Ok(TrainValidationSplitModel {
            params: Params::of_model(
                "TrainValidationSplitModel",
                TrainValidationSplitModel::PARAMS,
                &self.params,
            ),
            best_index: found.best_index,
            validation_metrics: found.metrics.iter().map(only).collect(),
            errors: found.metrics.iter().map(|metrics| metrics.as_ref().err().cloned()).collect(),
            best_model: found.best_model,
            sub_models: found.sub_models.and_then(|mut folds| folds.pop()),
        })
    }
}

setters!(TrainValidationSplit {
    train_ratio: f64 => "trainRatio", seed: i64 => "seed", halving_factor: usize => "halvingFactor",
    collect_sub_models: bool => "collectSubModels", parallelism: usize => "parallelism",
    max_memory_in_mb: usize => "maxMemoryInMB",
});
validator!(TrainValidationSplit, "TrainValidationSplit");

/// What a [`TrainValidationSplit`] found; as a stage, the best model.
#[derive(Debug, Clone)]
pub struct TrainValidationSplitModel {
    params: Params,
    /// The best candidate, fitted on all rows.
    pub best_model: Arc<dyn Transformer>,
    /// Its place in the grid; the first one among equals.
    pub best_index: usize,
    /// Each candidate's metric; NaN for one that failed.
    pub validation_metrics: Vec<f64>,
    /// Why a candidate failed, for those that did.
    pub errors: Vec<Option<String>>,
    /// With `collectSubModels`, the models by candidate; `None` for those that failed or were not fitted.
    pub sub_models: Option<Vec<Option<Arc<dyn Transformer>>>>,
}

impl TrainValidationSplitModel {
    /// The table of params: how it was found.
    pub const PARAMS: &'static [ParamSpec] = &[TRAIN_RATIO, SEED];

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let (best_model, sub_models) = load_models(reader)?;
        let model = Self {
            params: reader.params(Self::PARAMS)?,
            best_model,
            best_index: reader.value("bestIndex")?,
            validation_metrics: or_nan(reader.value("validationMetrics")?),
            errors: reader.value("errors")?,
            sub_models: sub_models.and_then(|mut folds| folds.pop()),
        };
        check_lengths(reader, model.best_index, &[model.validation_metrics.len(), model.errors.len()])?;
        Ok(model)
    }
}

impl Stage for TrainValidationSplitModel {
    stage_basics!("TrainValidationSplitModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        writer.value("bestIndex", &self.best_index)?;
        writer.value("validationMetrics", &finite(&self.validation_metrics))?;
        writer.value("errors", &self.errors)?;
        let folds = self.sub_models.clone().map(|models| vec![models]);
        write_models(writer, self.best_model.as_ref(), folds.as_ref())
    }
}

validator_model!(TrainValidationSplitModel);
