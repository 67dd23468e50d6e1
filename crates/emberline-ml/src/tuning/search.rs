//! Measuring candidates: what `CrossValidator` and `TrainValidationSplit` have in common.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::runtime::SpawnedTask;
use datafusion::dataframe::DataFrame;
use emberline_table::Digest;
use futures::StreamExt;

use super::cluster::Cluster;
use super::folds::{Dealing, Dealt, FOLD, Folds};
use super::ledger::{Ledger, LedgerEntry};
use super::shared::Shared;
use super::validator::{SubModels, Tuned};
use crate::error::{MlError, Result};
use crate::evaluation::Evaluator;
use crate::params::{ParamMap, Params};
use crate::stage::{Estimator, FitResult, FoldJob, Stage, Transformer};

/// The estimator that a candidate's parameters give, or why they give none.
type Candidate = Result<Arc<dyn Estimator>, String>;

/// One candidate measured on one fold.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The candidate's place in the grid.
    pub candidate: usize,
    /// The fold that was held out.
    pub fold: usize,
    /// The share of the rows that took part: below 1 in the early rounds of halving.
    pub share: f64,
    /// The metric, or why there is none.
    pub outcome: Result<f64, String>,
    /// Whether the ledger knew it.
    pub known: bool,
}

/// What tuning is about to do.
///
/// ```
/// use emberline_ml::TuningPlan;
/// let plan = TuningPlan { candidates: 20, folds: 5, passes: 1, shared: vec!["DeepImageFeaturizer".into()], fits: 101 };
/// assert!(plan.to_string().contains("1 pass over the images instead of 101"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TuningPlan {
    /// How many candidates there are.
    pub candidates: usize,
    /// How many folds are held out in turn.
    pub folds: usize,
    /// How often a stage runs over all images.
    pub passes: usize,
    /// The stages that run once for all candidates and folds that have them, in words.
    pub shared: Vec<String>,
    /// Fits of what is left, the best one's on all rows included; at most, where halving leaves candidates out.
    pub fits: usize,
}

impl fmt::Display for TuningPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_by_one = self.candidates * self.folds + 1;
        if self.passes > 0 {
            let passes = if self.passes == 1 { "pass" } else { "passes" };
            writeln!(f, "{} {passes} over the images instead of {one_by_one}:", self.passes)?;
        }
        for stage in &self.shared {
            writeln!(f, "  once: {stage}")?;
        }
        write!(
            f,
            "{} fits: {} candidates x {} folds, and the best one on all rows",
            self.fits, self.candidates, self.folds
        )
    }
}

/// News of a tuning in progress.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TuningEvent {
    /// What is going to happen.
    Planned(TuningPlan),
    /// The shared stages have run, and the rows are in memory.
    Shared,
    /// A candidate was measured on a fold.
    Finished(Trial),
}

/// Who wants to know how a tuning goes.
pub type TuningObserver = Arc<dyn Fn(&TuningEvent) + Send + Sync>;

/// A search for the best of several candidates.
pub(super) struct Search<'a> {
    uid: &'a str,
    estimator: &'a Arc<dyn Estimator>,
    candidates: &'a [ParamMap],
    evaluator: &'a Arc<dyn Evaluator>,
    dealing: Dealing,
    seed: u64,
    /// Each round keeps one of so many candidates and takes so many times the rows; all of them at once if `None`.
    halving_factor: Option<usize>,
    collect_sub_models: bool,
    /// Bytes that fits at a time may take.
    memory_max: usize,
    ledger: Option<&'a Ledger>,
    observer: Option<&'a TuningObserver>,
    cluster: Option<&'a Arc<dyn Cluster>>,
}

/// What a search found.
pub(super) struct Found {
    pub(super) best_index: usize,
    pub(super) best_model: Arc<dyn Transformer>,
    /// The metrics of each candidate's last round, one for each fold; or why there are none.
    pub(super) metrics: Vec<Result<Vec<f64>, String>>,
    /// `[fold][candidate]`, of each candidate's last round.
    pub(super) sub_models: Option<SubModels>,
}

/// A round of the search: candidates on a share of the rows.
struct Round {
    share: f64,
    survivors: usize,
}

impl<'a> Search<'a> {
    /// A search by the params that every validator has.
    pub(super) fn new(params: &'a Params, tuned: &'a Tuned, dealing: Dealing) -> Result<Self> {
        let collect_sub_models = params.bool("collectSubModels")?;
        if collect_sub_models && tuned.cluster.is_some() {
            return Err(params.wrong(
                "collectSubModels",
                "false on a cluster, which keeps no models",
                &true.into(),
            ));
        }
        Ok(Self {
            uid: params.uid(),
            estimator: &tuned.estimator,
            candidates: &tuned.candidates,
            evaluator: &tuned.evaluator,
            dealing,
            seed: params.int("seed")?.cast_unsigned(),
            halving_factor: params
                .is_set("halvingFactor")
                .then(|| params.count("halvingFactor"))
                .transpose()?,
            collect_sub_models,
            memory_max: params.count("maxMemoryInMB")? << 20,
            ledger: tuned.ledger.as_deref(),
            observer: tuned.observer.as_ref(),
            cluster: tuned.cluster.as_ref(),
        })
    }

    /// The candidates, checked against the table's columns.
    fn estimators(&self, schema: &Schema) -> Vec<Candidate> {
        let checked = |map: &ParamMap| {
            let estimator = self.estimator.copy(map)?;
            estimator.transform_schema(schema)?;
            Ok::<_, MlError>(estimator)
        };
        self.candidates.iter().map(|map| checked(map).map_err(|e| e.to_string())).collect()
    }

    fn shared(&self, schema: &Schema, estimators: &[Candidate]) -> Result<Shared> {
        let valid: Vec<Option<Arc<dyn Estimator>>> = estimators.iter().map(|e| e.clone().ok()).collect();
        let mut shared = Shared::plan(schema, &valid, &[self.evaluator.as_ref() as &dyn Stage])?;
        shared.keep(match &self.dealing {
            Dealing::Groups { column, .. } | Dealing::Column { column, .. } => Some(column),
            Dealing::InTurn { .. } | Dealing::Share { .. } => None,
        });
        Ok(shared)
    }

    fn check(&self, estimators: &[Candidate]) -> Result<()> {
        match estimators {
            [] => Err(MlError::stage(
                self.uid,
                "estimatorParamMaps: expected at least one candidate, found none",
            )),
            [first, ..] if estimators.iter().all(Result::is_err) => {
                let reason = first.as_ref().err().cloned().unwrap_or_default();
                Err(MlError::stage(self.uid, format!("no candidate can be fitted; the first: {reason}")))
            }
            _ => Ok(()),
        }
    }

    /// The candidates and what they share, of which at least one fits the columns.
    fn prepared(&self, schema: &Schema) -> Result<(Vec<Candidate>, Shared)> {
        let estimators = self.estimators(schema);
        self.check(&estimators)?;
        let shared = self.shared(schema, &estimators)?;
        Ok((estimators, shared))
    }

    /// What [`run`](Self::run) would do.
    pub(super) fn plan(&self, schema: &Schema) -> Result<TuningPlan> {
        let (_, shared) = self.prepared(schema)?;
        Ok(self.plan_of(&shared))
    }

    fn plan_of(&self, shared: &Shared) -> TuningPlan {
        let folds = self.dealing.held_out();
        TuningPlan {
            candidates: self.candidates.len(),
            folds,
            passes: shared.passes(),
            shared: shared.stages.clone(),
            fits: self.candidates.len() * folds + 1,
        }
    }

    fn tell(&self, event: TuningEvent) {
        if let Some(observer) = self.observer {
            observer(&event);
        }
    }

    /// The shared table in memory, its rows in the order in which they are dealt.
    async fn dealt(&self, shared: &Shared, table: &DataFrame) -> Result<Dealt> {
        let label = self.evaluator.params().text_if_defined("labelCol")?;
        let label = label.filter(|label| table.schema().as_arrow().column_with_name(label).is_some());
        let is_content = |column: &str| shared.is_content(column);
        let table = match self.cluster {
            Some(cluster) => cluster.table(shared.steps(), shared.columns()).await?,
            None => shared.table(table)?,
        };
        Dealt::new(&table, self.seed, label.as_deref(), is_content).await
    }

    /// How the rows are dealt, with the columns of the table that stay in memory.
    pub(super) async fn folds(&self, table: &DataFrame) -> Result<Folds> {
        let (_, shared) = self.prepared(table.schema().as_arrow())?;
        let folds = self.dealt(&shared, table).await?.deal(self.uid, &self.dealing, 1.0)?;
        Ok(folds.of(shared.kept(folds.table(), FOLD)?))
    }

    /// Measures all candidates and fits the best one on all rows.
    pub(super) async fn run(&self, table: &DataFrame) -> Result<Found> {
        let (estimators, shared) = self.prepared(table.schema().as_arrow())?;
        self.tell(TuningEvent::Planned(self.plan_of(&shared)));
        let dealt = self.dealt(&shared, table).await?;
        self.tell(TuningEvent::Shared);
        if let Dealing::InTurn { folds } = self.dealing {
            match dealt.rare_labels(folds) {
                0 => {}
                rare => {
                    log::warn!("{}: {rare} of the labels have fewer rows than the {folds} folds", self.uid)
                }
            }
        }

        let mut metrics: Vec<Result<Vec<f64>, String>> = estimators
            .iter()
            .map(|estimator| estimator.as_ref().map(|_| Vec::new()).map_err(Clone::clone))
            .collect();
        let mut sub_models =
            self.collect_sub_models.then(|| vec![vec![None; self.candidates.len()]; self.dealing.held_out()]);
        for round in self.rounds(metrics.iter().filter(|metrics| metrics.is_ok()).count()) {
            let alive = self.ranked(&metrics)?;
            let alive = &alive[..round.survivors.min(alive.len())];
            let folds = dealt.deal(self.uid, &self.dealing, round.share)?;
            let trials =
                self.round(&shared, &estimators, alive, &folds, round.share, dealt.digest(), &mut sub_models);
            for (candidate, outcome) in trials.await? {
                metrics[candidate] = outcome;
            }
        }
        let best_index = *self.ranked(&metrics)?.first().ok_or_else(|| {
            let reason =
                metrics.first().and_then(|metrics| metrics.as_ref().err()).cloned().unwrap_or_default();
            MlError::stage(self.uid, format!("every candidate failed; the first: {reason}"))
        })?;
        let front = &shared.candidates[best_index];
        let view = shared.view(&dealt.part(|_| true)?, best_index, &[])?;
        let best = estimators[best_index].as_ref().map_err(|e| MlError::stage(self.uid, e))?;
        let best_model = front.whole(front.rest(best).fit(&view).await?);
        Ok(Found { best_index, best_model, metrics, sub_models })
    }

    /// One round over all rows; or, with halving, rounds that each keep the best ones, the last over all rows.
    fn rounds(&self, candidates: usize) -> Vec<Round> {
        let Some(factor) = self.halving_factor.filter(|factor| *factor > 1) else {
            return vec![Round { share: 1.0, survivors: candidates }];
        };
        let mut survivors = vec![candidates];
        while let Some(&last) = survivors.last().filter(|last| **last > factor) {
            survivors.push(last.div_ceil(factor));
        }
        let last = survivors.len() - 1;
        let share = |round: usize| (factor as f64).powi(-((last - round) as i32));
        survivors.iter().enumerate().map(|(i, &survivors)| Round { share: share(i), survivors }).collect()
    }

    /// The candidates that have not failed, best first; equal ones in their order.
    fn ranked(&self, metrics: &[Result<Vec<f64>, String>]) -> Result<Vec<usize>> {
        let larger_is_better = self.evaluator.is_larger_better()?;
        let mut ranked: Vec<(usize, f64)> = metrics
            .iter()
            .enumerate()
            .filter_map(|(i, metrics)| Some((i, mean(metrics.as_ref().ok()?))))
            .collect();
        // The sort is stable, and what is no number comes last.
        ranked.sort_by(|(_, a), (_, b)| {
            let by_value = if larger_is_better { b.total_cmp(a) } else { a.total_cmp(b) };
            a.is_nan().cmp(&b.is_nan()).then(if a == b || a.is_nan() {
                std::cmp::Ordering::Equal
            } else {
                by_value
            })
        });
        Ok(ranked.into_iter().map(|(i, _)| i).collect())
    }

    /// Measures candidates on every fold.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the parts of one search, borrowed each for its own time"
    )]
    async fn round(
        &self,
        shared: &Shared,
        estimators: &[Candidate],
        alive: &[usize],
        folds: &Folds,
        share: f64,
        rows: Digest,
        sub_models: &mut Option<SubModels>,
    ) -> Result<Vec<(usize, Result<Vec<f64>, String>)>> {
        let mut outcomes: BTreeMap<(usize, usize), Result<f64, String>> = BTreeMap::new();
        let at_once = available_parallelism().map_or(1, usize::from);
        for candidates in shared.groups(alive) {
            let front = &shared.candidates[candidates[0]];
            let view = folds.of(shared.view(folds.table(), candidates[0], &[FOLD])?);
            let (mut jobs, mut places, mut keys) = (Vec::new(), Vec::new(), Vec::new());
            for candidate in candidates {
                let Ok(estimator) = &estimators[candidate] else { continue };
                let rest = shared.candidates[candidate].rest(estimator);
                let about = self.about(shared, candidate, rest.as_ref(), share, rows);
                for fold in 0..folds.count() {
                    let key = Digest::of(format!("{about} fold {fold}").as_bytes());
                    let known =
                        self.ledger.filter(|_| sub_models.is_none()).and_then(|ledger| ledger.metric(&key));
                    if let Some(metric) = known {
                        let trial = Trial { candidate, fold, share, outcome: Ok(metric), known: true };
                        self.tell(TuningEvent::Finished(trial));
                        outcomes.insert((candidate, fold), Ok(metric));
                        continue;
                    }
                    jobs.push(FoldJob { estimator: rest.clone(), fold });
                    places.push((candidate, fold));
                    keys.push(key);
                }
            }
            let mut finished = |job: usize, outcome: Result<f64, String>| {
                let (candidate, fold) = places[job];
                if let Ok(metric) = outcome {
                    self.record(keys[job], candidate, fold, share, metric)?;
                }
                let trial = Trial { candidate, fold, share, outcome: outcome.clone(), known: false };
                self.tell(TuningEvent::Finished(trial));
                outcomes.insert((candidate, fold), outcome);
                Ok::<_, MlError>(())
            };
            if let Some(cluster) = self.cluster {
                let measured = cluster.measure(view.table().clone(), jobs, self.evaluator.clone()).await?;
                measured.into_iter().enumerate().try_for_each(|(job, outcome)| finished(job, outcome))?;
                continue;
            }
            let base = front.rest(self.estimator);
            let held_out = held_out(&view, &jobs).await?;
            let fold_of: Vec<usize> = jobs.iter().map(|job| job.fold).collect();
            let mut fits = base.fit_folds(&view, jobs, self.memory_max);
            let mut running = VecDeque::new();
            loop {
                while running.len() < at_once
                    && let Some((job, fitted)) = fits.next().await
                {
                    let table = held_out[&fold_of[job]].clone();
                    running.push_back((job, measure(fitted, table, Arc::clone(self.evaluator))));
                }
                let Some((job, measuring)) = running.pop_front() else { break };
                let measured = measuring.join_unwind().await.map_err(|cancelled| cancelled.to_string());
                let measured = measured.and_then(|measured| measured.map_err(|error| error.to_string()));
                let (candidate, fold) = places[job];
                if let (Ok((model, _)), Some(sub_models)) = (&measured, sub_models.as_mut()) {
                    sub_models[fold][candidate] = Some(shared.candidates[candidate].whole(model.clone()));
                }
                finished(job, measured.map(|(_, metric)| metric))?;
            }
        }
        let of = |candidate: usize| {
            let own = outcomes.range((candidate, 0)..(candidate + 1, 0));
            (candidate, own.map(|(_, outcome)| outcome.clone()).collect())
        };
        Ok(alive.iter().map(|candidate| of(*candidate)).collect())
    }

    /// All that a candidate's metric depends on but the fold: equal in every process and version of the same kind.
    fn about(
        &self,
        shared: &Shared,
        candidate: usize,
        rest: &dyn Estimator,
        share: f64,
        rows: Digest,
    ) -> String {
        let evaluator = without_chance(&format!("{:?}", self.evaluator));
        let rest = without_chance(&format!("{rest:?}"));
        let version = env!("CARGO_PKG_VERSION");
        let front = shared.description(candidate);
        format!("{version} {front} {rest} {evaluator} {:?} {} {share} {rows}", self.dealing, self.seed)
    }

    fn record(&self, key: Digest, candidate: usize, fold: usize, share: f64, metric: f64) -> Result<()> {
        let Some(ledger) = self.ledger else { return Ok(()) };
        let metric_name = self.evaluator.params().text_if_defined("metricName")?.unwrap_or_default();
        let candidate = words(&self.candidates[candidate]);
        ledger.record(LedgerEntry { key, candidate, fold, share, metric_name, metric })
    }
}

/// Begins to measure a model.
fn measure(
    fitted: FitResult,
    table: DataFrame,
    evaluator: Arc<dyn Evaluator>,
) -> SpawnedTask<Result<(Arc<dyn Transformer>, f64)>> {
    SpawnedTask::spawn(async move {
        let model = fitted?;
        let metric = evaluator.evaluate(&model.transform(table)?).await?;
        Ok((model, metric))
    })
}

/// The rows that validate the jobs, by fold: taken out once, since many candidates are measured on them.
async fn held_out(folds: &Folds, jobs: &[FoldJob]) -> Result<BTreeMap<usize, DataFrame>> {
    let mut held_out = BTreeMap::new();
    for job in jobs {
        if let Entry::Vacant(entry) = held_out.entry(job.fold) {
            entry.insert(folds.validation(job.fold)?.cache().await?);
        }
    }
    Ok(held_out)
}

/// A candidate in words: `LogisticRegression.regParam=0.1, ...`.
pub(crate) fn words(candidate: &ParamMap) -> String {
    let one = |(param, value): &(crate::params::Param, crate::params::ParamValue)| {
        let stage = param.parent.rsplit_once('_').map_or(param.parent.as_str(), |(kind, _)| kind);
        format!("{stage}.{}={value}", param.name)
    };
    candidate.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A text without the random part of uids: `_` and 12 hexadecimal digits.
fn without_chance(text: &str) -> String {
    let mut parts = text.split('_');
    let mut rest = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let is_random = part.len() >= 12
            && part.bytes().take(12).all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            && !part[12..].starts_with(|c: char| c.is_ascii_alphanumeric());
        rest.push('_');
        rest.push_str(if is_random { &part[12..] } else { part });
    }
    rest
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a population, as pyspark's.
pub(super) fn population_std(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}
