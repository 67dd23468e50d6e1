//! Transformers and estimators: what a pipeline is made of.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::Expr;
use datafusion::prelude::ident;
use emberline_table::{Step, evaluate};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};

use crate::error::{MlError, Result};
use crate::params::{ParamMap, Params};
use crate::persistence::StageWriter;
use crate::tuning::Folds;

/// What transformers, estimators and evaluators have in common: a kind, params and a saved form.
pub trait Stage: Any + Debug + Send + Sync {
    /// The name it is registered under: `LogisticRegression`.
    fn kind(&self) -> &'static str;

    /// Its params.
    fn params(&self) -> &Params;

    /// Its params, to set.
    fn params_mut(&mut self) -> &mut Params;

    /// Writes what the params do not say.
    ///
    /// # Errors
    /// When a file can't be written.
    fn write(&self, _writer: &mut StageWriter) -> Result<()> {
        Ok(())
    }
}

/// What `impl Stage` says of every stage with a field `params`: its kind, and that field.
macro_rules! stage_basics {
    ($kind:literal) => {
        fn kind(&self) -> &'static str {
            $kind
        }

        fn params(&self) -> &Params {
            &self.params
        }

        fn params_mut(&mut self) -> &mut Params {
            &mut self.params
        }
    };
}
pub(crate) use stage_basics;

/// A copy of a stage that holds no other stages, with the values of `extra` that are its own.
pub(crate) fn copied<T: Stage + Clone>(stage: &T, extra: &ParamMap) -> Result<Arc<T>> {
    let mut copy = stage.clone();
    copy.params_mut().extend(extra)?;
    Ok(Arc::new(copy))
}

/// A stage that adds columns: a featurizer, a fitted model.
pub trait Transformer: Stage {
    /// The column functions it applies to a table with these columns, row by row independent.
    ///
    /// # Errors
    /// As [`transform_schema`](Self::transform_schema).
    fn steps(&self, schema: &Schema) -> Result<Vec<Step>>;

    /// The columns after this stage, checked before any row moves.
    ///
    /// # Errors
    /// When a param is out of its range, or a column is missing, of the wrong type, or there already.
    fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        schema_after(self.params().uid(), schema, &self.steps(schema)?)
    }

    /// The table with this stage's columns, lazily.
    ///
    /// # Errors
    /// As [`transform_schema`](Self::transform_schema).
    fn transform(&self, table: DataFrame) -> Result<DataFrame> {
        let steps = self.steps(table.schema().as_arrow())?;
        Ok(evaluate::apply(table, &steps)?)
    }

    /// Whether [`steps`](Self::steps) say all that it does: columns added row by row, and no row left out. Tuning runs
    /// such a stage once for all folds and candidates.
    fn is_row_wise(&self) -> bool {
        true
    }

    /// A copy with the values of `extra` that are of this stage (or of a stage in it).
    ///
    /// # Errors
    /// When `extra` has a param that does not exist.
    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>>;
}

/// A stage that learns: from a table to a [`Transformer`].
pub trait Estimator: Stage {
    /// The columns after this stage, checked before any row moves.
    ///
    /// # Errors
    /// When a param is out of its range, or a column is missing, of the wrong type, or there already.
    fn transform_schema(&self, schema: &Schema) -> Result<Schema>;

    /// Learns from a table.
    ///
    /// # Errors
    /// As [`transform_schema`](Self::transform_schema); and when the rows can't be learned from.
    fn fit<'a>(&'a self, table: &'a DataFrame) -> BoxFuture<'a, Result<Arc<dyn Transformer>>>;

    /// A copy with the values of `extra` that are of this stage (or of a stage in it).
    ///
    /// # Errors
    /// When `extra` has a param that does not exist.
    fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Estimator>>;

    /// Fits copies of this estimator, each on the rows that train for one fold; gives each job's number and its model
    /// as they are done. One after the other, unless an estimator can do better, within `memory_max` bytes beside the rows and
    /// the models.
    fn fit_folds<'a>(
        &'a self,
        folds: &'a Folds,
        jobs: Vec<FoldJob>,
        memory_max: usize,
    ) -> BoxStream<'a, (usize, FitResult)> {
        // Each takes what one takes.
        let _ = memory_max;
        fit_one_by_one(folds, jobs)
    }
}

/// [`Estimator::fit_folds`] for estimators that can do no better.
pub(crate) fn fit_one_by_one(folds: &Folds, jobs: Vec<FoldJob>) -> BoxStream<'_, (usize, FitResult)> {
    stream::iter(jobs.into_iter().enumerate())
        .then(move |(i, job)| async move {
            let fit = async { job.estimator.fit(&folds.train(job.fold)?).await };
            (i, fit.await)
        })
        .boxed()
}

/// What [`Estimator::fit`] gives.
pub type FitResult = Result<Arc<dyn Transformer>>;

/// A fit of [`Estimator::fit_folds`].
#[derive(Debug, Clone)]
pub struct FoldJob {
    /// A copy of the estimator with its own params.
    pub estimator: Arc<dyn Estimator>,
    /// The fold that is held out.
    pub fold: usize,
}

/// What [`Estimator::fit`] returns, from a `fit_model`.
///
/// The traits say `BoxFuture<'a, _>` rather than `#[async_trait]`, whose `where 'life0: 'async_trait` keeps the compiler
/// from remembering which types are `Send`: it took 3 seconds for each implementation.
pub(crate) fn fitted<'a, T: Transformer + 'static>(
    model: impl Future<Output = Result<T>> + Send + 'a,
) -> BoxFuture<'a, Result<Arc<dyn Transformer>>> {
    Box::pin(async move { Ok(Arc::new(model.await?) as Arc<dyn Transformer>) })
}

/// A stage of a pipeline that is not fitted yet.
#[derive(Debug, Clone)]
pub enum PipelineStage {
    /// Adds columns as it is.
    Transformer(Arc<dyn Transformer>),
    /// Has to learn first.
    Estimator(Arc<dyn Estimator>),
}

impl PipelineStage {
    /// What both kinds have in common.
    pub fn stage(&self) -> &dyn Stage {
        match self {
            Self::Transformer(stage) => stage.as_ref(),
            Self::Estimator(stage) => stage.as_ref(),
        }
    }

    /// The columns after this stage.
    ///
    /// # Errors
    /// As [`Transformer::transform_schema`].
    pub fn transform_schema(&self, schema: &Schema) -> Result<Schema> {
        match self {
            Self::Transformer(stage) => stage.transform_schema(schema),
            Self::Estimator(stage) => stage.transform_schema(schema),
        }
    }

    /// A copy with the values of `extra` that are of this stage.
    ///
    /// # Errors
    /// When `extra` has a param that does not exist.
    pub fn copy(&self, extra: &ParamMap) -> Result<Self> {
        Ok(match self {
            Self::Transformer(stage) => Self::Transformer(stage.copy(extra)?),
            Self::Estimator(stage) => Self::Estimator(stage.copy(extra)?),
        })
    }
}

/// Whether a stage is of type `T`: `downcast::<LogisticRegressionModel>(model.stages()[2].as_ref())`.
pub fn downcast<T: Stage>(stage: &dyn Stage) -> Option<&T> {
    (stage as &dyn Any).downcast_ref()
}

/// Applies steps and leaves out the rows that they can't answer: `handleInvalid="skip"`.
///
/// # Errors
/// As [`Transformer::transform`].
pub(crate) fn apply_or_skip(table: DataFrame, steps: &[Step]) -> Result<DataFrame> {
    let table = evaluate::apply(table, steps)?;
    let answered = steps.iter().flat_map(|step| &step.outputs).map(|output| ident(output).is_not_null());
    match answered.reduce(Expr::and) {
        Some(all) => Ok(table.filter(all)?),
        None => Ok(table),
    }
}

/// The columns of a table after some steps.
///
/// # Errors
/// When a step's column is missing or of the wrong type, or a new one is there already.
pub(crate) fn schema_after(uid: &str, schema: &Schema, steps: &[Step]) -> Result<Schema> {
    let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
    for step in steps {
        let find = |name: &String| {
            fields
                .iter()
                .find(|field| field.name() == name)
                .cloned()
                .ok_or_else(|| missing(uid, "inputCol", name, schema))
        };
        let inputs = step.inputs.iter().map(find).collect::<Result<Vec<_>>>()?;
        let answer = step.function.return_field(&inputs)?;
        let answers: Vec<FieldRef> = match (step.outputs.len(), answer.data_type()) {
            (1, _) => vec![answer],
            (_, DataType::Struct(parts)) => parts.iter().cloned().collect(),
            (n, other) => {
                return Err(MlError::stage(uid, format!("{n} columns from an answer of type {other}")));
            }
        };
        for (name, field) in step.outputs.iter().zip(answers) {
            fields.push(Arc::new(field.as_ref().clone().with_name(name).with_nullable(true)));
        }
        if let Some(name) = &step.error {
            fields.push(Arc::new(datafusion::arrow::datatypes::Field::new(name, DataType::Utf8, true)));
        }
    }
    with_new_fields(uid, schema, fields.split_off(schema.fields().len()))
}

/// The columns of a table and new ones.
///
/// # Errors
/// When a new one is there already.
pub(crate) fn with_new_fields(uid: &str, schema: &Schema, new: Vec<FieldRef>) -> Result<Schema> {
    let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
    for field in new {
        if fields.iter().any(|known| known.name() == field.name()) {
            let reason = format!("output column `{}` exists already; choose another name", field.name());
            return Err(MlError::stage(uid, reason));
        }
        fields.push(field);
    }
    Ok(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The field of a column that a param names.
///
/// # Errors
/// When there is no such column.
pub(crate) fn input_field(params: &Params, param: &str, schema: &Schema) -> Result<FieldRef> {
    named_field(params, param, &params.text(param)?, schema)
}

/// The field of one of the columns that a param names.
///
/// # Errors
/// When there is no such column.
pub(crate) fn named_field(params: &Params, param: &str, name: &str, schema: &Schema) -> Result<FieldRef> {
    match schema.fields().find(name) {
        Some((_, field)) => Ok(field.clone()),
        None => Err(missing(params.uid(), param, name, schema)),
    }
}

/// A field that holds numbers.
///
/// # Errors
/// When it holds something else.
pub(crate) fn numeric(params: &Params, field: FieldRef) -> Result<FieldRef> {
    if field.data_type().is_numeric() {
        return Ok(field);
    }
    Err(MlError::ColumnType {
        stage: params.uid().into(),
        column: field.name().clone(),
        expected: "numbers (a StringIndexer makes them of text)".into(),
        found: field.data_type().clone(),
    })
}

/// The error of a column that a param names and that is not there.
pub(crate) fn missing(uid: &str, param: &str, column: &str, schema: &Schema) -> MlError {
    let known: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    MlError::MissingColumn {
        stage: uid.into(),
        param: param.into(),
        column: column.into(),
        known: known.join(", "),
    }
}
