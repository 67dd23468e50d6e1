//! What MLlib's validators share: an estimator, its candidates and an evaluator, and how they are saved.

use std::sync::Arc;

use super::cluster::Cluster;
use super::ledger::Ledger;
use super::search::TuningObserver;
use crate::error::Result;
use crate::evaluation::Evaluator;
use crate::params::{ParamMap, Params};
use crate::persistence::{Saved, StageReader, StageWriter};
use crate::stage::{Estimator, Stage, Transformer};

/// Models by fold and candidate; `None` for those that failed or were not fitted.
pub type SubModels = Vec<Vec<Option<Arc<dyn Transformer>>>>;

/// The estimator that a validator tunes, the candidates, and how they are measured.
#[derive(Clone)]
pub(super) struct Tuned {
    pub(super) estimator: Arc<dyn Estimator>,
    pub(super) candidates: Vec<ParamMap>,
    pub(super) evaluator: Arc<dyn Evaluator>,
    pub(super) ledger: Option<Arc<Ledger>>,
    pub(super) observer: Option<TuningObserver>,
    pub(super) cluster: Option<Arc<dyn Cluster>>,
}

impl std::fmt::Debug for Tuned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { estimator, candidates, evaluator, .. } = self;
        write!(f, "{estimator:?} {candidates:?} {evaluator:?}")
    }
}

impl Tuned {
    pub(super) fn new(
        estimator: Arc<dyn Estimator>,
        candidates: Vec<ParamMap>,
        evaluator: Arc<dyn Evaluator>,
    ) -> Self {
        Self { estimator, candidates, evaluator, ledger: None, observer: None, cluster: None }
    }

    /// MLlib's `copy`: `extra` reaches the estimator and the evaluator.
    pub(super) fn copy(&self, extra: &ParamMap) -> Result<Self> {
        let (estimator, evaluator) = (self.estimator.copy(extra)?, self.evaluator.copy(extra)?);
        Ok(Self { estimator, evaluator, ..self.clone() })
    }

    pub(super) fn write(&self, writer: &mut StageWriter) -> Result<()> {
        writer.stage("estimator", self.estimator.as_ref())?;
        writer.stage("evaluator", self.evaluator.as_ref())?;
        writer.value("estimatorParamMaps", &self.candidates)
    }

    pub(super) fn load(reader: &StageReader) -> Result<Self> {
        let Saved::Estimator(estimator) = reader.stage("estimator")? else {
            return Err(reader.error("`estimator` is no estimator"));
        };
        let Saved::Evaluator(evaluator) = reader.stage("evaluator")? else {
            return Err(reader.error("`evaluator` is no evaluator"));
        };
        Ok(Self::new(estimator, reader.value("estimatorParamMaps")?, evaluator))
    }
}

/// A param of a validator that names a column or is empty, as MLlib's `foldCol`.
pub(super) fn column(params: &Params, param: &str) -> Result<Option<String>> {
    Ok(params.text_if_defined(param)?.filter(|column| !column.is_empty()))
}

/// The models of a validator in one directory: the best one, and the others where they were collected.
pub(super) fn write_models(
    writer: &mut StageWriter,
    best: &dyn Transformer,
    sub_models: Option<&SubModels>,
) -> Result<()> {
    writer.stage("bestModel", best as &dyn Stage)?;
    let mut names: Option<Vec<Vec<Option<String>>>> = None;
    if let Some(folds) = sub_models {
        let mut all = Vec::with_capacity(folds.len());
        for (fold, models) in folds.iter().enumerate() {
            let mut own = Vec::with_capacity(models.len());
            for (candidate, model) in models.iter().enumerate() {
                let name = format!("subModels/fold{fold}/{candidate}");
                if let Some(model) = model {
                    writer.stage(&name, model.as_ref() as &dyn Stage)?;
                }
                own.push(model.is_some().then_some(name));
            }
            all.push(own);
        }
        names = Some(all);
    }
    writer.value("subModels", &names)
}

/// Reads what [`write_models`] wrote.
pub(super) fn load_models(reader: &StageReader) -> Result<(Arc<dyn Transformer>, Option<SubModels>)> {
    let model = |name: &str| match reader.stage(name)? {
        Saved::Transformer(model) => Ok(model),
        other => Err(reader.error(format!("`{name}` is a {}, which is no model", other.stage().kind()))),
    };
    let names: Option<Vec<Vec<Option<String>>>> = reader.value("subModels")?;
    let one = |name: Option<String>| name.as_deref().map(&model).transpose();
    let sub_models = names.map(|folds| {
        let fold = |names: Vec<Option<String>>| names.into_iter().map(one).collect::<Result<Vec<_>>>();
        folds.into_iter().map(fold).collect::<Result<Vec<_>>>()
    });
    Ok((model("bestModel")?, sub_models.transpose()?))
}

/// Numbers of candidates, where `None` stands for one that failed; JSON has no NaN.
pub(super) fn finite(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().map(|value| value.is_finite().then_some(*value)).collect()
}

pub(super) fn or_nan(values: Vec<Option<f64>>) -> Vec<f64> {
    values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect()
}

/// Checks that lists saved for the candidates are of one length.
pub(super) fn check_lengths(reader: &StageReader, best_index: usize, lengths: &[usize]) -> Result<()> {
    if lengths.iter().all(|length| *length == lengths[0] && best_index < *length) {
        return Ok(());
    }
    Err(reader.error(format!("lists of {lengths:?} candidates, the best one being number {best_index}")))
}

/// What every validator is, but for its own params and what it makes of a search: `search` and `fit_model`.
macro_rules! validator {
    ($stage:ident, $kind:literal) => {
        impl $stage {
            /// A validator with the default params.
            pub fn new(
                estimator: std::sync::Arc<dyn crate::stage::Estimator>,
                estimator_param_maps: Vec<crate::params::ParamMap>,
                evaluator: std::sync::Arc<dyn crate::evaluation::Evaluator>,
            ) -> Self {
                let tuned = Tuned::new(estimator, estimator_param_maps, evaluator);
                Self { params: Params::new($kind, Self::PARAMS), tuned }
            }

            pub(crate) fn load(reader: &StageReader) -> Result<Self> {
                Ok(Self { params: reader.params(Self::PARAMS)?, tuned: Tuned::load(reader)? })
            }

            /// What fitting a table with these columns is going to do: how often stages run over the images, and how much
            /// is fitted.
            ///
            /// # Errors
            /// When a param is out of its range, or no candidate fits the columns.
            pub fn plan(&self, schema: &Schema) -> Result<super::TuningPlan> {
                self.search()?.plan(schema)
            }

            /// Finds finished trials in `ledger` instead of repeating them, and adds new ones to it.
            #[must_use]
            pub fn ledger(mut self, ledger: std::sync::Arc<super::Ledger>) -> Self {
                self.tuned.ledger = Some(ledger);
                self
            }

            /// Calls `observer` with news while fitting.
            #[must_use]
            pub fn observer(mut self, observer: super::TuningObserver) -> Self {
                self.tuned.observer = Some(observer);
                self
            }

            /// Has `cluster` run the shared stages over its rows, and measure the candidates.
            #[must_use]
            pub fn cluster(mut self, cluster: std::sync::Arc<dyn super::Cluster>) -> Self {
                self.tuned.cluster = Some(cluster);
                self
            }

            /// The estimator that is tuned.
            #[must_use]
            pub fn estimator(&self) -> &std::sync::Arc<dyn crate::stage::Estimator> {
                &self.tuned.estimator
            }

            /// The candidates.
            #[must_use]
            pub fn estimator_param_maps(&self) -> &[crate::params::ParamMap] {
                &self.tuned.candidates
            }

            /// How candidates are measured.
            #[must_use]
            pub fn evaluator(&self) -> &std::sync::Arc<dyn crate::evaluation::Evaluator> {
                &self.tuned.evaluator
            }
        }

        impl Stage for $stage {
            stage_basics!($kind);

            fn write(&self, writer: &mut StageWriter) -> Result<()> {
                self.tuned.write(writer)
            }
        }

        impl crate::stage::Estimator for $stage {
            fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
                self.params.validate()?;
                self.tuned.estimator.transform_schema(schema)
            }

            fn fit<'a>(
                &'a self,
                table: &'a DataFrame,
            ) -> futures::future::BoxFuture<'a, crate::stage::FitResult> {
                crate::stage::fitted(self.fit_model(table))
            }

            fn copy(
                &self,
                extra: &crate::params::ParamMap,
            ) -> Result<std::sync::Arc<dyn crate::stage::Estimator>> {
                let mut params = self.params.clone();
                params.extend(extra)?;
                Ok(std::sync::Arc::new(Self { params, tuned: self.tuned.copy(extra)? }))
            }
        }
    };
}
pub(super) use validator;

/// What every validator's model is: what its best model does to tables, and MLlib's option for saving it.
macro_rules! validator_model {
    ($model:ident) => {
        impl $model {
            /// The model as MLlib saves it with the option `persistSubModels`: with its sub-models, or without them.
            /// Without the option it is saved as it is.
            ///
            /// # Errors
            /// When they are to be saved, and fitting did not keep them.
            pub fn persist_sub_models(mut self, persist: bool) -> Result<Self> {
                if !persist {
                    self.sub_models = None;
                } else if self.sub_models.is_none() {
                    return Err(crate::error::MlError::stage(
                        self.params.uid(),
                        "option `persistSubModels`: expected sub-models, which fitting with collectSubModels keeps, \
                         found none",
                    ));
                }
                Ok(self)
            }
        }

        impl Transformer for $model {
            fn steps(&self, schema: &Schema) -> Result<Vec<emberline_table::Step>> {
                self.best_model.steps(schema)
            }

            fn transform(&self, table: DataFrame) -> Result<DataFrame> {
                self.best_model.transform(table)
            }

            fn is_row_wise(&self) -> bool {
                self.best_model.is_row_wise()
            }

            fn copy(&self, extra: &crate::params::ParamMap) -> Result<Arc<dyn Transformer>> {
                let mut params = self.params.clone();
                params.extend(extra)?;
                Ok(Arc::new(Self { params, best_model: self.best_model.copy(extra)?, ..self.clone() }))
            }
        }
    };
}
pub(super) use validator_model;
