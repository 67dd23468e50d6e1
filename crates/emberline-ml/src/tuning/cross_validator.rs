//! MLlib's `CrossValidator`.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;

use super::folds::{Dealing, Folds};
use super::search::{Search, mean, population_std};
use super::validator::{
    SubModels, Tuned, check_lengths, column, finite, load_models, or_nan, validator, validator_model,
    write_models,
};
use crate::error::Result;
use crate::params::shared::{COLLECT_SUB_MODELS, HALVING_FACTOR, MAX_MEMORY, PARALLELISM, SEED};
use crate::params::{Constraint, ParamDefault, ParamKind, ParamSpec, Params, setters};
use crate::persistence::{StageReader, StageWriter};
use crate::stage::{Stage, Transformer, stage_basics};

const NUM_FOLDS: ParamSpec = ParamSpec::new("numFolds", ParamKind::Int, "number of folds")
    .default(ParamDefault::Int(3))
    .constraint(Constraint::AtLeast(2.0));
const FOLD_COL: ParamSpec = ParamSpec::new(
    "foldCol",
    ParamKind::Text,
    "column of each row's fold, from 0 to numFolds - 1; if empty, folds come from a hash of the row and the seed",
)
.default(ParamDefault::Text(""));
const GROUP_COL: ParamSpec = ParamSpec::new(
    "groupCol",
    ParamKind::Text,
    "column whose equal values stay in one fold, so that near-duplicates do not validate each other; empty for none",
)
.default(ParamDefault::Text(""));

/// Chooses among candidates by cross-validation and fits the best one on all rows.
///
/// The stages that candidates have in common and that learn nothing, a featurizer above all, run once over all rows, not
/// once for each fold and candidate: see [`plan`](Self::plan). What they give is kept in memory; images are not. Logistic
/// regressions that differ in their settings alone are solved together.
///
/// Folds come from a hash of the row and the seed, and have the same share of each label (the evaluator's `labelCol`), so
/// neither the order of the rows nor their partitioning matters. `foldCol` and `groupCol` deal them otherwise. The column
/// `origin` has no part in the hash, and an image counts by its content, so that a folder may move.
///
/// A candidate that fails is left out, with its reason in the model's
/// [`errors`](CrossValidatorModel::errors); the whole fails only when all do.
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
    tuned: Tuned,
}

impl CrossValidator {
    /// The table of params.
    pub const PARAMS: &'static [ParamSpec] =
        &[NUM_FOLDS, FOLD_COL, GROUP_COL, SEED, HALVING_FACTOR, COLLECT_SUB_MODELS, MAX_MEMORY, PARALLELISM];

    fn search(&self) -> Result<Search<'_>> {
        self.params.validate()?;
        let folds = self.params.count("numFolds")?;
        let dealing = match (column(&self.params, "foldCol")?, column(&self.params, "groupCol")?) {
            (Some(column), None) => Dealing::Column { folds, column },
            (None, Some(column)) => Dealing::Groups { folds, column },
            (None, None) => Dealing::InTurn { folds },
            (Some(_), Some(column)) => {
                return Err(self.params.wrong("groupCol", "no value beside `foldCol`", &column.into()));
            }
        };
        Search::new(&self.params, &self.tuned, dealing)
    }

    /// The folds that the rows of a table are dealt to, with the table's own columns but images.
    ///
    /// # Errors
    /// When a param is out of its range, or there are fewer rows than folds.
    pub async fn folds(&self, table: &DataFrame) -> Result<Folds> {
        self.search()?.folds(table).await
    }

    /// Fits every candidate on every fold, and the best candidate on all rows.
    ///
    /// # Errors
    /// When a param is out of its range, there are fewer rows than folds, or every candidate fails.
    pub async fn fit_model(&self, table: &DataFrame) -> Result<CrossValidatorModel> {
        let found = self.search()?.run(table).await?;
        let each = |summary: fn(&[f64]) -> f64| -> Vec<f64> {
            found.metrics.iter().map(|metrics| metrics.as_deref().map_or(f64::NAN, summary)).collect()
        };
        Ok(CrossValidatorModel {
            params: Params::of_model("CrossValidatorModel", CrossValidatorModel::PARAMS, &self.params),
            best_index: found.best_index,
            avg_metrics: each(mean),
            std_metrics: each(population_std),
            errors: found.metrics.iter().map(|metrics| metrics.as_ref().err().cloned()).collect(),
            best_model: found.best_model,
            sub_models: found.sub_models,
        })
    }
}

setters!(CrossValidator {
    num_folds: usize => "numFolds", fold_col: &str => "foldCol", group_col: &str => "groupCol", seed: i64 => "seed",
    halving_factor: usize => "halvingFactor", collect_sub_models: bool => "collectSubModels",
    parallelism: usize => "parallelism",
    max_memory_in_mb: usize => "maxMemoryInMB",
});
validator!(CrossValidator, "CrossValidator");

/// What cross-validation found; as a stage, the best model.
#[derive(Debug, Clone)]
pub struct CrossValidatorModel {
    params: Params,
    /// The best candidate, fitted on all rows.
    pub best_model: Arc<dyn Transformer>,
    /// Its place in the grid; the first one among equals.
    pub best_index: usize,
    /// Each candidate's metric, averaged over the folds; NaN for one that failed.
    pub avg_metrics: Vec<f64>,
    /// Each candidate's standard deviation over the folds (of the population, as pyspark's).
    pub std_metrics: Vec<f64>,
    /// Why a candidate failed, for those that did.
    pub errors: Vec<Option<String>>,
    /// With `collectSubModels`, the models by fold and candidate; `None` for those that failed or were not fitted.
    pub sub_models: Option<SubModels>,
}

impl CrossValidatorModel {
    /// The table of params: how it was found.
    pub const PARAMS: &'static [ParamSpec] = &[NUM_FOLDS, FOLD_COL, SEED];

    pub(crate) fn load(reader: &StageReader) -> Result<Self> {
        let (best_model, sub_models) = load_models(reader)?;
        let model = Self {
            params: reader.params(Self::PARAMS)?,
            best_model,
            best_index: reader.value("bestIndex")?,
            avg_metrics: or_nan(reader.value("avgMetrics")?),
            std_metrics: or_nan(reader.value("stdMetrics")?),
            errors: reader.value("errors")?,
            sub_models,
        };
        let lengths = [model.avg_metrics.len(), model.std_metrics.len(), model.errors.len()];
        check_lengths(reader, model.best_index, &lengths)?;
        Ok(model)
    }
}

impl Stage for CrossValidatorModel {
    stage_basics!("CrossValidatorModel");

    fn write(&self, writer: &mut StageWriter) -> Result<()> {
        writer.value("bestIndex", &self.best_index)?;
        writer.value("avgMetrics", &finite(&self.avg_metrics))?;
        writer.value("stdMetrics", &finite(&self.std_metrics))?;
        writer.value("errors", &self.errors)?;
        write_models(writer, self.best_model.as_ref(), self.sub_models.as_ref())
    }
}

validator_model!(CrossValidatorModel);
