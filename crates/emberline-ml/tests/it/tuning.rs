//! Splits, folds and cross-validation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use emberline_ml::{
    Cluster, CrossValidator, CrossValidatorModel, Estimator, Evaluator, FoldJob, IfExists,
    LogisticRegression, LogisticRegressionModel, MulticlassClassificationEvaluator, ParamGridBuilder,
    ParamMap, Pipeline, PipelineModel, PipelineStage, Stage, StringIndexer, SubModels, TrainValidationSplit,
    TrainValidationSplitModel, Transformer, TuningEvent, downcast, load, measure, save, split,
};
use emberline_table::arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch};
use emberline_table::arrow::datatypes::{DataType, Field};
use emberline_table::datafusion::dataframe::DataFrame;
use emberline_table::datafusion::prelude::{Partitioning, col, ident, lit};
use emberline_table::{Session, Step, evaluate};
use futures::future::BoxFuture;

use crate::pictures;

async fn rows() -> Result<DataFrame> {
    let query = "SELECT arrow_cast([x, noise], 'FixedSizeList(2 x Float64)') AS features,
                 CASE WHEN x + noise / 3 > 0.6 THEN 1.0 ELSE 0.0 END AS label
                 FROM (SELECT (value % 101) / 100.0 AS x, (value * 7919 % 97) / 97.0 AS noise
                       FROM generate_series(1, 300)) AS t";
    Ok(Session::new().sql(query).await?)
}

#[tokio::test]
async fn splits_are_stratified_and_do_not_depend_on_order() -> Result<()> {
    let rows = rows().await?;
    let positives = rows.clone().filter(col("label").eq(lit(1.0)))?.count().await?;
    let one = split(&rows, 0.25, 7, Some("label")).await?;
    assert_eq!(one.test.clone().count().await?, 75);
    assert_eq!(one.train.clone().count().await?, 225);
    let test_positives = one.test.clone().filter(col("label").eq(lit(1.0)))?.count().await?;
    assert!(test_positives.abs_diff(positives / 4) <= 1, "{test_positives} of {positives}");
    let text = async |table: DataFrame| -> Result<String> {
        let sorted = table.sort_by(vec![col("features")])?.collect().await?;
        Ok(emberline_table::arrow::util::pretty::pretty_format_batches(&sorted)?.to_string())
    };
    let shuffled =
        rows.clone().repartition(Partitioning::RoundRobinBatch(4))?.sort_by(vec![col("features")])?;
    let other = split(&shuffled, 0.25, 7, Some("label")).await?;
    assert_eq!(text(one.test).await?, text(other.test.clone()).await?);
    let reseeded = split(&rows, 0.25, 8, Some("label")).await?;
    assert_ne!(text(reseeded.test).await?, text(other.test).await?);
    Ok(())
}

#[tokio::test]
async fn a_folder_that_moves_is_split_as_before() -> Result<()> {
    let session = Session::new();
    let held_out = async || -> Result<(Vec<String>, String)> {
        let root = tempfile::tempdir()?;
        pictures::folder(root.path(), 12)?;
        let table = pictures::images(&session, root.path()).await?;
        let test = split(&table, 0.25, 3, None).await?.test;
        let names = test.select_exprs(&["image['origin']"])?.collect().await?;
        let place = root.path().display().to_string();
        let names = emberline_table::arrow::util::pretty::pretty_format_batches(&names)?.to_string();
        let mut names: Vec<String> =
            names.lines().filter_map(|line| Some(line.split_once(&place)?.1.into())).collect();
        names.sort();
        Ok((names, place))
    };
    let (here, there) = (held_out().await?, held_out().await?);
    assert_ne!(here.1, there.1);
    assert!(!here.0.is_empty());
    assert_eq!(here.0, there.0);
    Ok(())
}

#[tokio::test]
async fn the_best_candidate_is_chosen() -> Result<()> {
    let lr = LogisticRegression::new();
    let param = |name: &str| lr.params().param(name);
    let grid = ParamGridBuilder::new()
        .base_on(param("maxIter")?, 50_i64)
        .add_grid(param("regParam")?, [10.0, 0.001, 1.0])
        .build();
    let evaluator = MulticlassClassificationEvaluator::new().metric_name("accuracy");
    let validator = CrossValidator::new(Arc::new(lr), grid, Arc::new(evaluator)).num_folds(4).seed(1);
    let rows = rows().await?;
    let model = validator.fit_model(&rows).await?;
    assert_eq!(model.best_index, 1);
    assert_eq!((model.avg_metrics.len(), model.std_metrics.len()), (3, 3));
    assert!(model.avg_metrics[1] > 0.95, "{:?}", model.avg_metrics);
    let best = downcast::<LogisticRegressionModel>(model.best_model.as_ref())
        .ok_or_else(|| anyhow::anyhow!("type"))?;
    assert_eq!(
        best.summary().map(|summary| summary.training.rows),
        Some(300),
        "the best one is fitted on all rows"
    );
    let spread = rows.repartition(Partitioning::RoundRobinBatch(3))?;
    assert_eq!(validator.fit_model(&spread).await?.avg_metrics, model.avg_metrics);
    Ok(())
}

#[tokio::test]
async fn impossible_validations_are_errors() -> Result<()> {
    let lr = LogisticRegression::new();
    let evaluator = Arc::new(MulticlassClassificationEvaluator::new());
    let few = rows().await?.limit(0, Some(3))?;
    let one = CrossValidator::new(Arc::new(lr.clone()), ParamGridBuilder::new().build(), evaluator.clone());
    let error =
        one.clone().num_folds(5).fit_model(&few).await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("at least as many rows (or groups) as folds"), "{error}");
    let error = one.num_folds(1).fit_model(&few).await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("parameter `numFolds`: expected a whole number, at least 2, found 1"), "{error}");
    let none = CrossValidator::new(Arc::new(lr), Vec::new(), evaluator);
    let error = none.fit_model(&few).await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("at least one candidate"), "{error}");
    Ok(())
}

/// A featurizer that counts the rows that it is asked for.
mod counting {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, PoisonError};

    use emberline_ml::{ParamDefault, ParamKind};
    use emberline_ml::{ParamMap, ParamSpec, Params, Result, Stage, Transformer};
    use emberline_table::arrow::array::{ArrayRef, AsArray, FixedSizeListArray, Float64Array};
    use emberline_table::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema};
    use emberline_table::{ColumnFunction, Description, Evaluated, Step, TableError};

    /// How many rows each scale was asked for.
    pub(super) type Counts = Arc<Mutex<BTreeMap<i64, usize>>>;

    /// `x` to `[x, x * scale]`.
    #[derive(Debug, Clone)]
    pub(super) struct Counting {
        params: Params,
        pub(super) counts: Counts,
    }

    const PARAMS: &[ParamSpec] =
        &[ParamSpec::new("scale", ParamKind::Int, "a factor").default(ParamDefault::Int(1))];

    impl Counting {
        pub(super) fn new() -> Self {
            Self { params: Params::new("Counting", PARAMS), counts: Counts::default() }
        }
    }

    impl Stage for Counting {
        fn kind(&self) -> &'static str {
            "Counting"
        }
        fn params(&self) -> &Params {
            &self.params
        }
        fn params_mut(&mut self) -> &mut Params {
            &mut self.params
        }
    }

    impl Transformer for Counting {
        fn steps(&self, _: &Schema) -> Result<Vec<Step>> {
            let function =
                Arc::new(Function { scale: self.params.int("scale")?, counts: self.counts.clone() });
            Ok(vec![Step::new(function, ["x"], ["features"])])
        }
        fn copy(&self, extra: &ParamMap) -> Result<Arc<dyn Transformer>> {
            let mut copy = self.clone();
            copy.params.extend(extra)?;
            Ok(Arc::new(copy))
        }
    }

    #[derive(Debug)]
    struct Function {
        scale: i64,
        counts: Counts,
    }

    fn vector() -> DataType {
        DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float64, false)), 2)
    }

    impl ColumnFunction for Function {
        fn describe(&self) -> Description {
            Description::new("counting", serde_json::json!(self.scale))
        }
        fn return_field(&self, _: &[FieldRef]) -> Result<FieldRef, TableError> {
            Ok(Arc::new(Field::new("counting", vector(), true)))
        }
        fn evaluate(&self, inputs: &[ArrayRef]) -> Result<Evaluated, TableError> {
            let x = inputs[0].as_primitive::<Float64Type>();
            *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(self.scale).or_default() +=
                x.len();
            let scale = self.scale as f64;
            let values: Float64Array =
                x.values().iter().flat_map(|x| [*x, (x * scale).sin()]).map(Some).collect();
            let DataType::FixedSizeList(item, size) = vector() else { unreachable!() };
            Ok(Evaluated::new(Arc::new(FixedSizeListArray::new(item, size, Arc::new(values), None))))
        }
    }
}

async fn plain_rows() -> Result<DataFrame> {
    let query =
        "SELECT x, CASE WHEN x + (value * 7919 % 97) / 400.0 > 0.6 THEN 'yes' ELSE 'no' END AS answer,
                 value % 40 AS scene, value AS number
                 FROM (SELECT value, (value % 101) / 100.0 AS x FROM generate_series(1, 300)) AS t";
    Ok(Session::new().sql(query).await?)
}

/// A pipeline of an indexer, the counting featurizer and a regression; and a grid of two scales and three strengths.
fn tuned() -> Result<(Pipeline, Vec<ParamMap>)> {
    let (pipeline, grid, _) = tuned_and_counted()?;
    Ok((pipeline, grid))
}

fn tuned_and_counted() -> Result<(Pipeline, Vec<ParamMap>, counting::Counts)> {
    let featurizer = counting::Counting::new();
    let counts = featurizer.counts.clone();
    let lr = LogisticRegression::new();
    let grid = ParamGridBuilder::new()
        .add_grid(featurizer.params().param("scale")?, [3_i64, 50])
        .add_grid(lr.params().param("regParam")?, [0.001, 0.1, 10.0])
        .build();
    let pipeline = Pipeline::new()
        .stage(StringIndexer::new().input_col("answer").output_col("label"))
        .stage(PipelineStage::Transformer(Arc::new(featurizer)))
        .stage(lr);
    Ok((pipeline, grid, counts))
}

fn accuracy() -> Arc<MulticlassClassificationEvaluator> {
    Arc::new(MulticlassClassificationEvaluator::new().metric_name("accuracy"))
}

#[tokio::test]
async fn featurizers_run_once_for_all_folds_and_candidates() -> Result<()> {
    let (pipeline, grid, counts) = tuned_and_counted()?;
    let rows = plain_rows().await?;
    let validator = CrossValidator::new(Arc::new(pipeline.clone()), grid.clone(), accuracy()).num_folds(4);
    let plan = validator.plan(rows.schema().as_arrow())?;
    assert_eq!((plan.candidates, plan.folds, plan.shared.len(), plan.fits), (6, 4, 2, 25));
    let model = validator.fit_model(&rows).await?;
    let counts: Vec<_> = counts.lock().unwrap().clone().into_iter().collect();
    assert_eq!(counts, [(3, 300), (50, 300)], "25 fits, and each row went through each featurizer once");
    let best = downcast::<PipelineModel>(model.best_model.as_ref()).ok_or_else(|| anyhow::anyhow!("type"))?;
    let kinds: Vec<_> = best.stages().iter().map(|stage| stage.kind()).collect();
    assert_eq!(
        kinds,
        ["StringIndexerModel", "Counting", "LogisticRegressionModel"],
        "nothing is missing in the end"
    );

    // The same numbers as without sharing: fold by fold, the whole pipeline fitted anew.
    let folds = with_folds(&rows, &validator, 4).await?;
    for (candidate, expected) in grid.iter().zip(&model.avg_metrics) {
        let mut sum = 0.0;
        for fold in 0..4 {
            let train = folds.clone().filter(col("fold").not_eq(lit(fold)))?;
            let held_out = folds.clone().filter(col("fold").eq(lit(fold)))?;
            let fitted = Estimator::copy(&pipeline, candidate)?.fit(&train).await?;
            sum += accuracy().evaluate(&fitted.transform(held_out)?).await?;
        }
        assert!((sum / 4.0 - expected).abs() < 1e-12, "{} and {expected}", sum / 4.0);
    }
    Ok(())
}

/// A cluster that has its rows and does its work in this process.
struct Here {
    rows: DataFrame,
    measured: AtomicUsize,
}

impl Cluster for Here {
    fn table(
        &self,
        steps: Vec<Step>,
        columns: Vec<String>,
    ) -> BoxFuture<'_, emberline_ml::Result<DataFrame>> {
        let made = evaluate::apply(self.rows.clone(), &steps);
        let wanted: Vec<_> = columns.iter().map(ident).collect();
        Box::pin(async move { Ok(made?.select(wanted)?) })
    }

    fn measure(
        &self,
        table: DataFrame,
        jobs: Vec<FoldJob>,
        evaluator: Arc<dyn Evaluator>,
    ) -> BoxFuture<'_, emberline_ml::Result<Vec<Result<f64, String>>>> {
        self.measured.fetch_add(jobs.len(), Ordering::SeqCst);
        Box::pin(async move {
            let mut outcomes = Vec::new();
            for job in jobs {
                let outcome = measure(table.clone(), job, evaluator.as_ref()).await;
                outcomes.push(outcome.map_err(|error| error.to_string()));
            }
            Ok(outcomes)
        })
    }
}

#[tokio::test]
async fn a_cluster_finds_the_same() -> Result<()> {
    let (pipeline, grid) = tuned()?;
    let rows = plain_rows().await?;
    let validator = CrossValidator::new(Arc::new(pipeline), grid, accuracy()).num_folds(3).seed(5);
    let here = validator.fit_model(&rows).await?;
    let cluster = Arc::new(Here { rows, measured: AtomicUsize::new(0) });
    let elsewhere = validator.clone().cluster(cluster.clone());
    // The rows are where the cluster is: of the table, only the columns count.
    let there = elsewhere.fit_model(&rows_of_none().await?).await?;
    assert_eq!(cluster.measured.load(Ordering::SeqCst), 18);
    assert_eq!((there.best_index, there.avg_metrics), (here.best_index, here.avg_metrics));
    let error = elsewhere.collect_sub_models(true).fit_model(&rows_of_none().await?).await.err();
    assert!(error.is_some_and(|error| error.to_string().contains("collectSubModels")));
    Ok(())
}

/// The columns of [`plain_rows`], without rows.
async fn rows_of_none() -> Result<DataFrame> {
    Ok(plain_rows().await?.limit(0, Some(0))?)
}

/// The folds that a validator deals, found by giving it none to fit: each row with its fold.
async fn with_folds(rows: &DataFrame, validator: &CrossValidator, folds: usize) -> Result<DataFrame> {
    let probe = validator.clone().collect_sub_models(false);
    let dealt = probe.folds(rows).await?;
    let mut all: Option<DataFrame> = None;
    for fold in 0..folds {
        let part = dealt.validation(fold)?.with_column("fold", lit(fold as i64))?;
        all = Some(match all {
            Some(all) => all.union(part)?,
            None => part,
        });
    }
    all.ok_or_else(|| anyhow::anyhow!("no folds"))
}

#[tokio::test]
async fn order_and_partitions_change_nothing() -> Result<()> {
    let (pipeline, grid) = tuned()?;
    let validator = CrossValidator::new(Arc::new(pipeline), grid, accuracy()).num_folds(3).seed(5);
    let rows = plain_rows().await?;
    let one = validator.fit_model(&rows).await?;
    let shuffled = rows
        .sort(vec![(col("number") * lit(7919) % lit(301)).sort(true, false)])?
        .repartition(Partitioning::RoundRobinBatch(3))?;
    let other = validator.fit_model(&shuffled).await?;
    assert_eq!((one.best_index, &one.avg_metrics), (other.best_index, &other.avg_metrics));
    let coefficients = |model: &emberline_ml::CrossValidatorModel| {
        let stages = downcast::<PipelineModel>(model.best_model.as_ref()).map(PipelineModel::stages);
        let lr = stages.and_then(|stages| downcast::<LogisticRegressionModel>(stages[2].as_ref()));
        lr.map(|lr| lr.coefficients().to_vec())
    };
    assert!(coefficients(&one).is_some());
    assert_eq!(coefficients(&one), coefficients(&other), "to the bit");
    Ok(())
}

#[tokio::test]
async fn a_candidate_that_fails_is_left_out() -> Result<()> {
    let lr = LogisticRegression::new();
    let grid = ParamGridBuilder::new().add_grid(lr.params().param("regParam")?, [-1.0, 0.1]).build();
    let rows = rows().await?;
    let model = CrossValidator::new(Arc::new(lr.clone()), grid, accuracy()).fit_model(&rows).await?;
    assert_eq!(model.best_index, 1);
    assert!(model.avg_metrics[0].is_nan() && model.avg_metrics[1] > 0.9);
    let reason = model.errors[0].clone().unwrap_or_default();
    assert!(reason.contains("parameter `regParam`: expected") && reason.contains("found -1"), "{reason}");
    assert_eq!(model.errors[1], None);
    let all_bad = ParamGridBuilder::new().add_grid(lr.params().param("regParam")?, [-1.0, -2.0]).build();
    let error = CrossValidator::new(Arc::new(lr), all_bad, accuracy()).fit_model(&rows).await.err();
    let error = error.map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("no candidate can be fitted") && error.contains("regParam"), "{error}");
    Ok(())
}

#[tokio::test]
async fn groups_stay_together_and_columns_deal() -> Result<()> {
    let rows = plain_rows().await?;
    let (pipeline, grid) = tuned()?;
    let validator = CrossValidator::new(Arc::new(pipeline), grid, accuracy()).num_folds(3);
    let folds = validator.clone().group_col("scene").folds(&rows).await?;
    let mut sizes = Vec::new();
    for fold in 0..3 {
        let scenes = |table: DataFrame| async move {
            let distinct = table.select_columns(&["scene"])?.distinct()?;
            anyhow::Ok(distinct.count().await?)
        };
        let (held_out, train) = (scenes(folds.validation(fold)?).await?, scenes(folds.train(fold)?).await?);
        assert_eq!(held_out + train, 40, "no scene is on both sides");
        sizes.push(folds.validation(fold)?.count().await?);
    }
    assert!(sizes.iter().all(|size| (98..=105).contains(size)), "{sizes:?}");
    let by_column = validator.clone().fold_col("number");
    let error = by_column.fit_model(&rows).await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("foldCol: expected 0 to 2, found"), "{error}");
    let dealt = rows.clone().with_column("fold", col("number") % lit(3))?;
    let folds = validator.clone().fold_col("fold").folds(&dealt).await?;
    assert_eq!(folds.validation(1)?.filter((col("number") % lit(3)).eq(lit(1)))?.count().await?, 100);
    let both = validator.fold_col("fold").group_col("scene").fit_model(&dealt).await.err();
    let error = both.map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("groupCol"), "{error}");
    Ok(())
}

#[tokio::test]
async fn halving_finds_the_same_with_fewer_fits() -> Result<()> {
    let lr = LogisticRegression::new();
    let values = [100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.001, 50.0];
    let grid = ParamGridBuilder::new().add_grid(lr.params().param("regParam")?, values).build();
    let fits = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = fits.clone();
    let observer: emberline_ml::TuningObserver = Arc::new(move |event: &TuningEvent| {
        if let TuningEvent::Finished(trial) = event {
            seen.lock().unwrap().push((trial.candidate, trial.share));
        }
    });
    let full = CrossValidator::new(Arc::new(lr), grid, accuracy()).num_folds(3).observer(observer);
    let rows = rows().await?;
    let whole = full.fit_model(&rows).await?;
    assert_eq!(fits.lock().unwrap().drain(..).count(), 27);
    let halved = full.clone().halving_factor(3).fit_model(&rows).await?;
    let trials: Vec<_> = fits.lock().unwrap().drain(..).collect();
    let of = |share: f64| trials.iter().filter(|(_, own)| (own - share).abs() < 1e-9).count();
    assert_eq!((of(1.0 / 3.0), of(1.0)), (27, 9), "{trials:?}");
    assert_eq!(halved.best_index, whole.best_index);
    assert_eq!(halved.avg_metrics[halved.best_index], whole.avg_metrics[whole.best_index]);
    Ok(())
}

#[tokio::test]
async fn finished_trials_are_not_repeated() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("trials.jsonl");
    let known = Arc::new(std::sync::Mutex::new((0, 0)));
    let counter = known.clone();
    let observer: emberline_ml::TuningObserver = Arc::new(move |event: &TuningEvent| {
        if let TuningEvent::Finished(trial) = event {
            let mut known = counter.lock().unwrap();
            if trial.known { known.0 += 1 } else { known.1 += 1 }
        }
    });
    let counts = || std::mem::take(&mut *known.lock().unwrap());
    let rows = plain_rows().await?;
    // Each run is a process of its own: other uids, the same settings.
    let run = async |values: &[f64], seed: i64| -> Result<_> {
        let (pipeline, _) = tuned()?;
        let lr = pipeline.stages()[2].stage().params().param("regParam")?;
        let grid = ParamGridBuilder::new().add_grid(lr, values.iter().copied()).build();
        let ledger = Arc::new(emberline_ml::Ledger::open(&path)?);
        let validator = CrossValidator::new(Arc::new(pipeline), grid, accuracy()).seed(seed);
        Ok(validator.ledger(ledger).observer(observer.clone()).fit_model(&rows).await?)
    };
    let first = run(&[0.1, 1.0], 0).await?;
    assert_eq!(counts(), (0, 6));
    let again = run(&[0.1, 1.0], 0).await?;
    assert_eq!(counts(), (6, 0));
    assert_eq!(again.avg_metrics, first.avg_metrics);
    // A larger grid repeats nothing of the smaller one; a line that a killed process left unfinished costs one trial.
    let text = std::fs::read_to_string(&path)?;
    std::fs::write(&path, &text[..text.len() - 20])?;
    run(&[0.1, 1.0, 10.0], 0).await?;
    assert_eq!(counts(), (5, 4));
    run(&[0.1], 1).await?;
    assert_eq!(counts(), (0, 3), "other folds are other trials");
    assert_eq!(emberline_ml::Ledger::open(&path)?.entries().len(), 12);
    Ok(())
}

#[tokio::test]
async fn one_split_chooses_too() -> Result<()> {
    let lr = LogisticRegression::new();
    let grid = ParamGridBuilder::new().add_grid(lr.params().param("regParam")?, [10.0, 0.001]).build();
    let validator = TrainValidationSplit::new(Arc::new(lr), grid, accuracy()).collect_sub_models(true);
    let model = validator.fit_model(&rows().await?).await?;
    assert_eq!((model.best_index, model.validation_metrics.len()), (1, 2));
    let sub_models = model.sub_models.ok_or_else(|| anyhow::anyhow!("collected"))?;
    let coefficients = |model: &Option<Arc<dyn Transformer>>| {
        Some(downcast::<LogisticRegressionModel>(model.as_ref()?.as_ref())?.coefficients().to_vec())
    };
    let (weak, strong) = (coefficients(&sub_models[1]), coefficients(&sub_models[0]));
    assert!(weak.map(|c| c[0].abs()) > strong.map(|c| c[0].abs()), "each has the strength of its candidate");
    Ok(())
}

#[tokio::test]
async fn sub_models_are_saved_as_the_option_says() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lr = LogisticRegression::new();
    // The last one fails.
    let grid = ParamGridBuilder::new().add_grid(lr.params().param("regParam")?, [0.1, 10.0, -1.0]).build();
    let coefficients = |models: &SubModels| -> Vec<Vec<Option<Vec<f64>>>> {
        let of = |model: &Option<Arc<dyn Transformer>>| {
            Some(downcast::<LogisticRegressionModel>(model.as_ref()?.as_ref())?.coefficients().to_vec())
        };
        models.iter().map(|fold| fold.iter().map(of).collect()).collect()
    };
    let rows = rows().await?;

    let cv = CrossValidator::new(Arc::new(lr.clone()), grid.clone(), accuracy()).num_folds(2);
    let with = cv.clone().collect_sub_models(true).fit_model(&rows).await?;
    let expected = with.sub_models.as_ref().map(coefficients).unwrap_or_default();
    assert!(expected.iter().all(|fold| fold[0].is_some() && fold[1].is_some() && fold[2].is_none()));
    let saved_and_loaded = |model: &CrossValidatorModel, name: &str| -> Result<Option<_>> {
        save(model, &dir.path().join(name), IfExists::Fail)?;
        let loaded = load(&dir.path().join(name))?;
        let loaded =
            downcast::<CrossValidatorModel>(loaded.stage()).ok_or_else(|| anyhow::anyhow!("kind"))?;
        assert_eq!(format!("{:?}", loaded.avg_metrics), format!("{:?}", model.avg_metrics));
        Ok(loaded.sub_models.as_ref().map(&coefficients))
    };
    assert_eq!(saved_and_loaded(&with, "as it is")?, Some(expected.clone()));
    assert_eq!(saved_and_loaded(&with.clone().persist_sub_models(true)?, "with")?, Some(expected));
    assert_eq!(saved_and_loaded(&with.persist_sub_models(false)?, "without")?, None);
    assert!(!dir.path().join("without/subModels").exists());
    let without = cv.fit_model(&rows).await?;
    let error = without.clone().persist_sub_models(true).err().map(|error| error.to_string());
    let expected = format!(
        "{}: option `persistSubModels`: expected sub-models, which fitting with collectSubModels keeps, found none",
        without.params().uid()
    );
    assert_eq!(error, Some(expected));
    assert_eq!(saved_and_loaded(&without.persist_sub_models(false)?, "never there")?, None);

    let split = TrainValidationSplit::new(Arc::new(lr), grid, accuracy()).collect_sub_models(true);
    let model = split.fit_model(&rows).await?.persist_sub_models(true)?;
    let expected = model.sub_models.clone().map(|models| coefficients(&vec![models]));
    save(&model, &dir.path().join("split"), IfExists::Fail)?;
    let loaded = load(&dir.path().join("split"))?;
    let loaded = downcast::<TrainValidationSplitModel>(loaded.stage());
    let found = loaded.and_then(|model| model.sub_models.clone()).map(|models| coefficients(&vec![models]));
    assert!(found.is_some() && found == expected);
    Ok(())
}

#[tokio::test]
async fn little_memory_changes_no_more_than_the_tolerance() -> Result<()> {
    let (rows, features) = (300, 500);
    let values: Float32Array = (0..rows * features).map(|i| (i * 7919 % 1009) as f32 / 1009.0).collect();
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let vectors = FixedSizeListArray::try_new(item, features as i32, Arc::new(values), None)?;
    let labels: Float64Array = (0..rows).map(|row| f64::from(u8::from(row % 5 > 2))).collect();
    let columns: [(&str, ArrayRef); 2] = [("features", Arc::new(vectors)), ("label", Arc::new(labels))];
    let table = Session::new().context().read_batch(RecordBatch::try_from_iter(columns)?)?;
    let lr = LogisticRegression::new();
    let grid =
        ParamGridBuilder::new().add_grid(lr.params().param("regParam")?, [1.0, 0.3, 0.1, 0.03]).build();
    let validator = CrossValidator::new(Arc::new(lr), grid, accuracy()).num_folds(3).collect_sub_models(true);
    let coefficients = async |validator: CrossValidator| -> Result<Vec<f64>> {
        let found = validator.fit_model(&table).await?.sub_models.unwrap_or_default();
        let models = found.iter().flatten().flatten().map(|model| downcast(model.as_ref()));
        let models: Vec<&LogisticRegressionModel> = models.collect::<Option<_>>().unwrap_or_default();
        Ok(models.iter().flat_map(|model| model.coefficients().iter().copied()).collect())
    };
    // One fold's training rows take 1.7 MB while they are solved together.
    let (much, little) =
        (coefficients(validator.clone()).await?, coefficients(validator.max_memory_in_mb(1)).await?);
    assert_eq!((much.len(), little.len()), (12 * features, 12 * features));
    assert_ne!(much, little, "they were to be solved in another way");
    let largest = much.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for (much, little) in much.iter().zip(&little) {
        assert!((much - little).abs() < 2e-3 * largest, "{much} {little}");
    }
    Ok(())
}

#[tokio::test]
async fn many_regressions_at_once_equal_one_by_one() -> Result<()> {
    let lr = LogisticRegression::new().tol(1e-9);
    let param = |name: &str| lr.params().param(name);
    let grid = ParamGridBuilder::new()
        .add_grid(param("regParam")?, [1.0, 0.1, 0.01])
        .add_grid(param("elasticNetParam")?, [0.0, 0.5])
        .add_grid(param("family")?, ["binomial", "multinomial"])
        .build();
    let validator = CrossValidator::new(Arc::new(lr.clone()), grid.clone(), accuracy())
        .num_folds(3)
        .collect_sub_models(true);
    let rows = rows().await?;
    let model = validator.fit_model(&rows).await?;
    let folds = validator.folds(&rows).await?;
    let sub_models = model.sub_models.ok_or_else(|| anyhow::anyhow!("collected"))?;
    for (fold, own) in sub_models.iter().enumerate() {
        for (candidate, together) in grid.iter().zip(own) {
            let together = together.as_ref().and_then(|m| downcast::<LogisticRegressionModel>(m.as_ref()));
            let alone = Estimator::copy(&lr, candidate)?.fit(&folds.train(fold)?).await?;
            let alone = downcast::<LogisticRegressionModel>(alone.as_ref());
            let (Some(together), Some(alone)) = (together, alone) else { anyhow::bail!("types") };
            for (a, b) in together.coefficients().iter().zip(alone.coefficients()) {
                assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{candidate:?}: {a} {b}");
            }
        }
    }
    Ok(())
}
