//! Stages: what makes them of a kind and params, and what all of them can do. `emberline.ml` gives each kind a class.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use emberline::ml::registry::{self, Role};
use emberline::ml::{
    CrossValidator, CrossValidatorModel, Estimator, Evaluator, FoldJob, IfExists, MlError, OneVsRest,
    ParamDefault, ParamKind, ParamMap, ParamSpec, Pipeline, PipelineModel, PipelineStage, Saved,
    TrainValidationSplit, TrainValidationSplitModel, Transformer, TuningEvent, TuningObserver, downcast,
    load, measure, save,
};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyFileExistsError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::attributes;
use crate::cluster::PythonCluster;
use crate::error::Failure;
use crate::function::Function;
use crate::kept::Ledger;
use crate::table::Table;
use crate::value::{Value, param_map, settings, to_python};
use crate::work::wait;

/// Values of params by name.
type Values = Vec<(String, Value)>;

/// A transformer, estimator or evaluator.
#[pyclass(frozen, module = "emberline._emberline")]
pub(crate) struct Stage {
    pub(crate) saved: Saved,
    /// What tuning has told and nobody has read yet.
    news: Arc<Mutex<Vec<TuningEvent>>>,
}

impl From<Saved> for Stage {
    fn from(saved: Saved) -> Self {
        Self { saved, news: Arc::default() }
    }
}

impl From<Arc<dyn Transformer>> for Stage {
    fn from(stage: Arc<dyn Transformer>) -> Self {
        Saved::Transformer(stage).into()
    }
}

impl Stage {
    fn wrong(&self, expected: &str) -> PyErr {
        let stage = self.saved.stage();
        PyTypeError::new_err(format!(
            "{}: expected {expected}, found a {}",
            stage.params().uid(),
            stage.kind()
        ))
    }

    fn transformer(&self) -> PyResult<&Arc<dyn Transformer>> {
        if let Saved::Transformer(stage) = &self.saved { Ok(stage) } else { Err(self.wrong("a transformer")) }
    }

    fn estimator(&self) -> PyResult<&Arc<dyn Estimator>> {
        if let Saved::Estimator(stage) = &self.saved { Ok(stage) } else { Err(self.wrong("an estimator")) }
    }

    fn evaluator(&self) -> PyResult<&Arc<dyn Evaluator>> {
        if let Saved::Evaluator(stage) = &self.saved { Ok(stage) } else { Err(self.wrong("an evaluator")) }
    }
}

/// Gives a stage that takes more than params its uid and params.
fn named<T: emberline::ml::Stage>(mut stage: T, uid: String, params: Values) -> Result<T, MlError> {
    let own = stage.params_mut();
    own.set_uid(uid);
    params.into_iter().try_for_each(|(name, Value(value))| own.set(&name, value))?;
    Ok(stage)
}

#[pymethods]
impl Stage {
    /// A stage that params say all of.
    #[staticmethod]
    fn make(kind: &str, uid: &str, params: Values) -> Result<Self, Failure> {
        let params = params.iter().map(|(name, Value(value))| (name.as_str(), value.clone()));
        Ok(registry::make(kind, uid, params)?.into())
    }

    #[staticmethod]
    fn pipeline(uid: String, stages: Vec<PyRef<'_, Self>>) -> PyResult<Self> {
        let mut pipeline = Pipeline::new();
        for stage in &stages {
            pipeline = pipeline.stage(match &stage.saved {
                Saved::Transformer(stage) => PipelineStage::Transformer(stage.clone()),
                Saved::Estimator(stage) => PipelineStage::Estimator(stage.clone()),
                Saved::Evaluator(_) => return Err(stage.wrong("a transformer or an estimator")),
            });
        }
        let pipeline = named(pipeline, uid, Vec::new()).map_err(Failure::from)?;
        Ok(Saved::Estimator(Arc::new(pipeline)).into())
    }

    #[staticmethod]
    fn pipeline_model(uid: String, stages: Vec<PyRef<'_, Self>>) -> PyResult<Self> {
        let stages = stages.iter().map(|stage| stage.transformer().cloned()).collect::<PyResult<Vec<_>>>()?;
        let model = named(PipelineModel::new(stages), uid, Vec::new()).map_err(Failure::from)?;
        Ok(Saved::Transformer(Arc::new(model)).into())
    }

    #[staticmethod]
    fn one_vs_rest(uid: String, params: Values, classifier: &Self) -> PyResult<Self> {
        let stage = OneVsRest::new(classifier.estimator()?.clone());
        let stage = named(stage, uid, params).map_err(Failure::from)?;
        Ok(Saved::Estimator(Arc::new(stage)).into())
    }

    /// A `CrossValidator` or `TrainValidationSplit`. Candidates are lists of (uid, param, value). Where the work is done, if not
    /// here: see `PythonCluster`.
    #[staticmethod]
    #[pyo3(signature = (kind, uid, params, estimator, candidates, evaluator, ledger=None, cluster=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the parts of a validator, given by name in Python"
    )]
    fn validator(
        kind: &str,
        uid: String,
        params: Values,
        estimator: &Self,
        candidates: Vec<Vec<(String, String, Value)>>,
        evaluator: &Self,
        ledger: Option<&Ledger>,
        cluster: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let cluster = cluster.map(|object| Arc::new(PythonCluster::new(uid.clone(), object)));
        let news: Arc<Mutex<Vec<TuningEvent>>> = Arc::default();
        let heard = news.clone();
        let observer: TuningObserver = Arc::new(move |event: &TuningEvent| {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        });
        let (estimator, evaluator) = (estimator.estimator()?.clone(), evaluator.evaluator()?.clone());
        let candidates = candidates.into_iter().map(param_map).collect();
        let stage: Arc<dyn Estimator> = if kind == "CrossValidator" {
            let mut stage = CrossValidator::new(estimator, candidates, evaluator).observer(observer);
            if let Some(cluster) = cluster {
                stage = stage.cluster(cluster);
            }
            if let Some(ledger) = ledger {
                stage = stage.ledger(ledger.inner.clone());
            }
            Arc::new(named(stage, uid, params).map_err(Failure::from)?)
        } else {
            let mut stage = TrainValidationSplit::new(estimator, candidates, evaluator).observer(observer);
            if let Some(cluster) = cluster {
                stage = stage.cluster(cluster);
            }
            if let Some(ledger) = ledger {
                stage = stage.ledger(ledger.inner.clone());
            }
            Arc::new(named(stage, uid, params).map_err(Failure::from)?)
        };
        Ok(Self { saved: Saved::Estimator(stage), news })
    }

    #[staticmethod]
    fn load(path: PathBuf) -> Result<Self, Failure> {
        Ok(load(&path)?.into())
    }

    #[pyo3(signature = (path, overwrite))]
    fn save(&self, py: Python<'_>, path: PathBuf, overwrite: bool) -> PyResult<()> {
        let if_exists = if overwrite { IfExists::Overwrite } else { IfExists::Fail };
        let existed = path.exists();
        let stage = self.saved.clone();
        let saved = py.detach(|| save(stage.stage(), &path, if_exists));
        saved.map_err(|error| match &error {
            MlError::Saved { path: at, .. } if existed && !overwrite && *at == path => {
                PyFileExistsError::new_err(error.to_string())
            }
            _ => Failure::from(error).into(),
        })
    }

    fn kind(&self) -> &'static str {
        self.saved.stage().kind()
    }

    fn uid(&self) -> String {
        self.saved.stage().params().uid().to_string()
    }

    /// The values set.
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let params = PyDict::new(py);
        for (name, value) in self.saved.stage().params().values() {
            params.set_item(name, to_python(py, value)?)?;
        }
        Ok(params)
    }

    /// A copy with these values of its params, and no others.
    fn with_params(&self, params: Values) -> Result<Self, Failure> {
        let nothing = ParamMap::default();
        let mut saved = match &self.saved {
            Saved::Transformer(stage) => Saved::Transformer(stage.copy(&nothing)?),
            Saved::Estimator(stage) => Saved::Estimator(stage.copy(&nothing)?),
            Saved::Evaluator(stage) => Saved::Evaluator(stage.copy(&nothing)?),
        };
        // Nobody else has the copy yet, so there is always one to set.
        if let Some(own) = saved.params_mut() {
            let old: Vec<&str> = own.values().keys().copied().collect();
            old.into_iter().for_each(|name| own.clear(name));
            params.into_iter().try_for_each(|(name, Value(value))| own.set(&name, value))?;
        }
        Ok(saved.into())
    }

    /// A validator's model as it is saved with its sub-models, or without them.
    fn persist_sub_models(&self, persist: bool) -> PyResult<Self> {
        let stage = self.saved.stage();
        let model: Arc<dyn Transformer> = if let Some(model) = downcast::<CrossValidatorModel>(stage) {
            Arc::new(model.clone().persist_sub_models(persist).map_err(Failure::from)?)
        } else if let Some(model) = downcast::<TrainValidationSplitModel>(stage) {
            Arc::new(model.clone().persist_sub_models(persist).map_err(Failure::from)?)
        } else {
            return Err(self.wrong("a validator's model"));
        };
        Ok(model.into())
    }

    fn transform(&self, py: Python<'_>, table: &Table) -> PyResult<Table> {
        let (stage, frame) = (self.transformer()?.clone(), table.frame.clone());
        wait(py, None, async move { stage.transform(frame) }).map(Table::from)
    }

    #[pyo3(signature = (table, tick=None))]
    fn fit(&self, py: Python<'_>, table: &Table, tick: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let (stage, frame) = (self.estimator()?.clone(), table.frame.clone());
        wait(py, tick, async move { stage.fit(&frame).await }).map(Self::from)
    }

    #[pyo3(signature = (table, tick=None))]
    fn evaluate(&self, py: Python<'_>, table: &Table, tick: Option<&Bound<'_, PyAny>>) -> PyResult<f64> {
        let (stage, frame) = (self.evaluator()?.clone(), table.frame.clone());
        wait(py, tick, async move { stage.evaluate(&frame).await })
    }

    /// The metric of this estimator, fitted on the rows that train for a fold of the table's column of folds.
    #[pyo3(signature = (table, fold, evaluator, tick=None))]
    fn measure(
        &self,
        py: Python<'_>,
        table: &Table,
        fold: usize,
        evaluator: &Self,
        tick: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<f64> {
        let job = FoldJob { estimator: self.estimator()?.clone(), fold };
        let (evaluator, frame) = (evaluator.evaluator()?.clone(), table.frame.clone());
        wait(py, tick, async move { measure(frame, job, evaluator.as_ref()).await })
    }

    /// What this transformer does to a table with the columns of `table`, as one function of the columns that it reads.
    fn function(&self, table: &Table) -> PyResult<Function> {
        let stage = self.transformer()?;
        if !stage.is_row_wise() {
            return Err(self.wrong("a transformer that works row by row and leaves no row out"));
        }
        let steps = stage.steps(table.frame.schema().as_arrow()).map_err(Failure::from)?;
        Ok(Function::of_steps(steps).map_err(Failure::from)?)
    }

    /// A fitted pipeline, or another stage that takes images, as one function of an image.
    pub(crate) fn image_function(&self) -> Result<Function, Failure> {
        let function = match (&self.saved, downcast::<PipelineModel>(self.saved.stage())) {
            (_, Some(model)) => model.as_function()?,
            (Saved::Transformer(stage), None) => PipelineModel::new(vec![stage.clone()]).as_function()?,
            (other, None) => {
                let kind = other.stage().kind();
                let message = format!("expected a model or another transformer, found a {kind}");
                return Err(PyValueError::new_err(message).into());
            }
        };
        Ok(Function(Arc::new(function)))
    }

    fn is_larger_better(&self) -> PyResult<bool> {
        Ok(self.evaluator()?.is_larger_better().map_err(Failure::from)?)
    }

    /// What a model knows by that name: see `attributes`.
    fn attribute(&self, py: Python<'_>, name: &str) -> PyResult<Py<PyAny>> {
        attributes::get(py, &self.saved, name)
    }

    /// The candidates of a validator, as lists of (uid, param, value).
    fn candidates<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let stage = self.saved.stage();
        let maps = emberline::ml::downcast::<CrossValidator>(stage)
            .map(CrossValidator::estimator_param_maps)
            .or_else(|| {
                emberline::ml::downcast::<TrainValidationSplit>(stage)
                    .map(TrainValidationSplit::estimator_param_maps)
            });
        maps.unwrap_or_default().iter().map(|map| settings(py, map)).collect()
    }

    /// What tuning has told since the last call: ("planned", plan in words, passes), ("shared",), or
    /// ("finished", candidate, fold, metric or none, reason or none).
    fn news(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        let news = std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner));
        let told = |event: TuningEvent| match event {
            TuningEvent::Planned(plan) => {
                let trials = plan.candidates * plan.folds;
                ("planned", plan.to_string(), plan.passes, trials).into_py_any(py)
            }
            TuningEvent::Finished(trial) => {
                let (metric, reason) = match trial.outcome {
                    Ok(metric) => (Some(metric), None),
                    Err(reason) => (None, Some(reason)),
                };
                ("finished", trial.candidate, trial.fold, metric, reason).into_py_any(py)
            }
            _ => ("shared",).into_py_any(py),
        };
        news.into_iter().map(told).collect()
    }
}

/// A param's declaration: name, type, default, what to add to the uid as default, constraint in words, required, doc.
type Declared =
    (&'static str, &'static str, Option<Py<PyAny>>, Option<&'static str>, String, bool, &'static str);
/// What a model knows: name, type, doc.
type Known = (&'static str, &'static str, &'static str);

/// The kinds of stage: name, role, params, and what a model of it knows.
#[pyfunction]
#[expect(clippy::type_complexity, reason = "read once, by the generator of the classes")]
pub(crate) fn kinds(
    py: Python<'_>,
) -> PyResult<Vec<(&'static str, &'static str, Vec<Declared>, Vec<Known>)>> {
    let kind = |kind: &registry::Kind| {
        let role = match kind.role {
            Role::Transformer => "Transformer",
            Role::Estimator => "Estimator",
            Role::Evaluator => "Evaluator",
        };
        let params = kind.params.iter().map(|spec| declared(py, spec)).collect::<PyResult<Vec<_>>>()?;
        Ok((kind.name, role, params, attributes::of(kind.name)))
    };
    registry::kinds().iter().map(kind).collect()
}

fn declared(py: Python<'_>, spec: &ParamSpec) -> PyResult<Declared> {
    let kind = match spec.kind {
        ParamKind::Bool => "bool",
        ParamKind::Int => "int",
        ParamKind::Double => "float",
        ParamKind::Text => "str",
        ParamKind::Json => "dict[str, Any]",
        ParamKind::Doubles => "list[float]",
        ParamKind::Texts => "list[str]",
    };
    let (default, suffix) = match spec.default {
        ParamDefault::None => (None, None),
        ParamDefault::Bool(value) => (Some(value.into_py_any(py)?), None),
        ParamDefault::Int(value) => (Some(value.into_py_any(py)?), None),
        ParamDefault::Double(value) => (Some(value.into_py_any(py)?), None),
        ParamDefault::Text(value) => (Some(value.into_py_any(py)?), None),
        ParamDefault::UidAnd(suffix) => (None, Some(suffix)),
    };
    Ok((spec.name, kind, default, suffix, spec.constraint.words(), spec.required, spec.doc))
}
