"""Stages: params, fitting, saving, tuning; every registered kind has a class."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emberline
from emberline import DataFrame, Session, _emberline, col
from emberline.ml import (
    Estimator,
    Evaluator,
    Model,
    Pipeline,
    PipelineModel,
    Transformer,
    classification,
    clustering,
    evaluation,
    feature,
    keras,
    load,
    regression,
    tuning,
    util,
)
from emberline.ml.classification import LinearSVC, LogisticRegression, LogisticRegressionModel, NaiveBayes, OneVsRest
from emberline.ml.clustering import KMeans
from emberline.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator
from emberline.ml.feature import PCA, StandardScaler, StringIndexer, VectorAssembler
from emberline.ml.linalg import DenseVector, Vectors
from emberline.ml.param import Param, TypeConverters
from emberline.ml.regression import LinearRegression
from emberline.ml.tuning import (
    CrossValidator,
    CrossValidatorModel,
    ParamGridBuilder,
    ParamRandomBuilder,
    TrainValidationSplit,
    TrainValidationSplitModel,
)

MODULES = (classification, clustering, evaluation, feature, keras, regression, tuning)
KINDS = _emberline.kinds()


def public(name: str) -> type[Any]:
    found = [getattr(module, name) for module in MODULES if name in module.__all__]
    return found[0] if found else {"Pipeline": Pipeline, "PipelineModel": PipelineModel}[name]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0])
def test_every_kind_has_a_class_with_its_params(kind: Any) -> None:
    name, role, params, attributes = kind
    of = public(name)
    assert util._CLASSES[name] is of
    assert issubclass(of, {"Transformer": Transformer, "Estimator": Estimator, "Evaluator": Evaluator}[role])
    for param, *_ in params:
        assert isinstance(getattr(of, param), Param)
        assert callable(getattr(of, f"set{param[0].upper()}{param[1:]}"))
        assert callable(getattr(of, f"get{param[0].upper()}{param[1:]}"))
    if name.endswith("Model"):
        for attribute, *_ in attributes:
            assert hasattr(of, attribute) or name == "PipelineModel"
        return
    stage = of()
    for param, _, default, suffix, _, _, _ in params:
        expected = stage.uid + suffix if suffix else default
        assert stage.hasDefault(param) == (expected is not None)
        # Settings in JSON are dicts in Python.
        assert expected is None or expected in (stage.getOrDefault(param), json.dumps(stage.getOrDefault(param)))
    assert stage.uid.startswith(name + "_") and len(stage.explainParams().splitlines()) == len(stage.params)
    if name not in ("CrossValidator", "TrainValidationSplit", "OneVsRest"):
        assert stage._to_native().kind() == name and stage._to_native().uid() == stage.uid


def test_params_are_pysparks() -> None:
    lr = LogisticRegression(maxIter=5, regParam=1)
    assert lr.getMaxIter() == 5 and lr.getRegParam() == 1.0 and isinstance(lr.getRegParam(), float)
    assert lr.isSet(lr.maxIter) and not lr.isSet("tol") and lr.hasDefault("tol") and not lr.isDefined("weightCol")
    assert lr.setTol(0.5) is lr and lr.getTol() == 0.5
    lr.clear(lr.tol)
    assert lr.getTol() == 1e-6
    copy = lr.copy({lr.regParam: 2.0})
    assert copy.uid == lr.uid and copy.getRegParam() == 2.0 and lr.getRegParam() == 1.0
    assert lr.extractParamMap({lr.regParam: 3.0})[lr.regParam] == 3.0
    assert "regParam: regularization parameter" in lr.explainParam("regParam")
    assert "(default: 0.0, current: 1.0)" in lr.explainParam(lr.regParam)
    assert LogisticRegression().regParam != lr.regParam
    with pytest.raises(TypeError, match="regParam"):
        LogisticRegression(regParam="strong")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        LogisticRegression("features")  # type: ignore[misc]
    with pytest.raises(ValueError, match="does not belong"):
        lr.set(LogisticRegression().regParam, 1.0)
    with pytest.raises(AttributeError, match="regparam"):
        lr.getOrDefault("regparam")
    with pytest.raises(KeyError):
        lr.getWeightCol()


def test_wrong_values_are_errors_before_any_work(points: DataFrame) -> None:
    with pytest.raises(ValueError, match="parameter `regParam`: expected a number, at least 0, found -1"):
        LogisticRegression(regParam=-1).fit(points)
    with pytest.raises(ValueError, match="names column `nowhere`, which does not exist"):
        LogisticRegression(labelCol="nowhere").fit(points)
    with pytest.raises(ValueError, match="expected a value"):
        feature.DeepImageFeaturizer(inputCol="features").transform(points)
    with pytest.raises(ValueError, match="`modelName`: expected one of EfficientNetLite0"):
        feature.DeepImageFeaturizer(inputCol="features", modelName="NoNet").transform(points)
    with pytest.raises(TypeError, match="what fitting gives"):
        LogisticRegressionModel()


def test_logistic_regression(points: DataFrame, session: Session) -> None:
    lr = LogisticRegression(regParam=0.01)
    model = lr.fit(points)
    assert model.uid == lr.uid and model.numClasses == 2 and model.numFeatures == 2
    assert model.coefficients.shape == (2,) and model.coefficientMatrix.shape == (1, 2)
    assert (model.coefficients > 0).all() and isinstance(model.intercept, float)
    summary = model.summary
    assert summary.accuracy > 0.9 and summary.areaUnderROC > 0.95 and summary.totalIterations > 1
    assert len(summary.objectiveHistory) == summary.totalIterations + 1 and summary.numInstances == 120
    assert summary.weightedFMeasure(1.0) > 0.9 and len(summary.roc) > 2 and "accuracy" in dir(summary)
    rows = model.transform(points).collect()
    margins = points.to_numpy("features") @ model.coefficients + model.intercept
    assert np.allclose([row.rawPrediction[1] for row in rows], margins, atol=1e-12)
    assert [row.prediction for row in rows] == (margins > 0).astype(float).tolist()
    model.setThreshold(1.0)
    assert {row.prediction for row in model.transform(points).collect()} == {0.0}
    model.clear(model.threshold)
    assert {row.prediction for row in model.transform(points).collect()} == {0.0, 1.0}
    models = lr.fit(points, [{lr.regParam: 0.1}, {lr.regParam: 10.0}])
    assert np.linalg.norm(models[0].coefficients) > np.linalg.norm(models[1].coefficients)
    numbers = sorted(number for number, _ in lr.fitMultiple(points, [{}, {}, {}]))
    assert numbers == [0, 1, 2]


def test_other_models(points: DataFrame) -> None:
    scaled = StandardScaler(inputCol="features", outputCol="scaled", withMean=True).fit(points)
    assert np.allclose(scaled.mean, points.to_numpy("features").mean(axis=0))
    assert np.allclose(scaled.std, points.to_numpy("features").std(axis=0, ddof=1))
    assert np.allclose(scaled.transform(points).to_numpy("scaled").mean(axis=0), 0)
    assert PCA(k=1, inputCol="features", outputCol="pc").fit(points).pc.shape == (2, 1)
    kmeans = KMeans(k=3, seed=1).fit(points)
    assert sum(kmeans.summary.clusterSizes) == 120 and kmeans.summary.trainingCost > 0
    assert len(kmeans.clusterCenters()) == 3 and kmeans.clusterCenters()[0].shape == (2,)
    linear = LinearRegression().fit(points)
    assert linear.summary.r2 > 0.3 and linear.coefficients.shape == (2,)
    one = OneVsRest(classifier=LinearSVC(regParam=0.01)).fit(points)
    assert [type(model).__name__ for model in one.models] == ["LinearSVCModel"] * 2
    bayes = NaiveBayes(modelType="gaussian").fit(points)
    assert bayes.pi.shape == (2,) and bayes.theta.shape == bayes.sigma.shape == (2, 2)
    labels = StringIndexer(inputCol="t", outputCol="i").fit({"t": ["b", "a", "b"]})
    assert labels.labels == ["b", "a"] and labels.labelsArray == [["b", "a"]]
    both = VectorAssembler(inputCols=["a", "b"], outputCol="v").transform({"a": [1.0], "b": np.array([[2.0, 3.0]])})
    assert both.first().v.tolist() == [1, 2, 3]


def test_evaluators(points: DataFrame) -> None:
    predicted = LogisticRegression().fit(points).transform(points)
    accuracy = MulticlassClassificationEvaluator(metricName="accuracy")
    right = predicted.filter(col("prediction") == col("label")).count()
    assert accuracy.evaluate(predicted) == pytest.approx(right / 120)
    assert accuracy.isLargerBetter()
    loss = accuracy.evaluate(predicted, {accuracy.metricName: "logLoss"})
    assert 0 < loss < math.log(2)
    assert not accuracy.copy({accuracy.metricName: "logLoss"}).isLargerBetter()
    assert BinaryClassificationEvaluator().evaluate(predicted) > 0.95


def saved_and_loaded(stage: Any, path: Path) -> Any:
    stage.save(path)
    with pytest.raises(FileExistsError, match="exists already"):
        stage.save(path)
    stage.write().overwrite().save(path)
    again = type(stage).load(path)
    assert type(again) is type(load(path)) is type(stage) and again.uid == stage.uid
    assert {p.name: again.getOrDefault(p) for p in again.params if again.isSet(p) and p.name not in HELD} == {
        p.name: stage.getOrDefault(p) for p in stage.params if stage.isSet(p) and p.name not in HELD
    }
    return again


HELD = {"stages", "estimator", "evaluator", "estimatorParamMaps", "classifier"}


def test_saving(points: DataFrame, tmp_path: Path) -> None:
    lr = LogisticRegression(regParam=0.01, thresholds=[0.3, 0.7])
    scaler = StandardScaler(inputCol="features", outputCol="scaled")
    pipeline = Pipeline(stages=[scaler, lr.setFeaturesCol("scaled")])
    saved_and_loaded(lr, tmp_path / "lr")
    again = saved_and_loaded(pipeline, tmp_path / "pipeline")
    assert [stage.uid for stage in again.getStages()] == [scaler.uid, lr.uid]
    model = pipeline.fit(points)
    loaded = saved_and_loaded(model, tmp_path / "model")
    assert loaded.stages[1].coefficients.tolist() == model.stages[1].coefficients.tolist()
    assert loaded.stages[1].hasSummary is False and model.stages[1].hasSummary is True
    with pytest.raises(RuntimeError, match="not saved"):
        _ = loaded.stages[1].summary
    expected = [tuple(map(str, row)) for row in model.transform(points).collect()]
    assert [tuple(map(str, row)) for row in loaded.transform(points).collect()] == expected
    one = OneVsRest(classifier=LinearSVC(maxIter=7))
    assert saved_and_loaded(one, tmp_path / "ovr").getClassifier().getMaxIter() == 7
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    with pytest.raises(TypeError, match="expected a saved LogisticRegression, found a Pipeline"):
        LogisticRegression.load(tmp_path / "pipeline")


def test_tuning(points: DataFrame, tmp_path: Path) -> None:
    lr = LogisticRegression()
    grid = ParamGridBuilder().baseOn({lr.maxIter: 50}).addGrid(lr.regParam, [0.001, 10.0]).build()
    assert len(grid) == 2 and all(candidate[lr.maxIter] == 50 for candidate in grid)
    evaluator = BinaryClassificationEvaluator()
    cv = CrossValidator(
        estimator=lr, estimatorParamMaps=grid, evaluator=evaluator, numFolds=3, seed=4, collectSubModels=True
    )
    model = cv.fit(points)
    assert model.bestIndex == max(range(2), key=model.avgMetrics.__getitem__)
    assert isinstance(model.bestModel, LogisticRegressionModel) and len(model.stdMetrics) == 2
    assert [len(fold) for fold in model.subModels] == [2, 2, 2] and model.errors == [None, None]
    assert model.getEstimatorParamMaps() == grid and model.getEvaluator().uid == evaluator.uid
    assert cv.fit(points).avgMetrics == model.avgMetrics
    assert (model.getNumFolds(), model.getSeed(), model.getFoldCol()) == (3, 4, "")
    again = saved_and_loaded(cv, tmp_path / "cv")
    assert again.getEstimatorParamMaps() == grid and again.getEstimator().uid == lr.uid
    assert again.fit(points).avgMetrics == model.avgMetrics
    loaded = saved_and_loaded(model, tmp_path / "model")
    assert isinstance(loaded, CrossValidatorModel) and loaded.avgMetrics == model.avgMetrics
    assert (
        loaded.transform(points).select("prediction").collect()
        == model.transform(points).select("prediction").collect()
    )
    with pytest.raises(RuntimeError, match="loaded"):
        loaded.getEstimator()
    assert [[one.coefficients.tolist() for one in fold] for fold in loaded.subModels] == [
        [one.coefficients.tolist() for one in fold] for fold in model.subModels
    ]
    model.write().option("persistSubModels", False).save(tmp_path / "without")
    assert CrossValidatorModel.load(tmp_path / "without").subModels is None
    model.write().overwrite().option("persistsubmodels", "true").save(tmp_path / "without")
    assert len(CrossValidatorModel.load(tmp_path / "without").subModels) == 3
    with pytest.raises(ValueError, match="`persistSubModels`: expected true or false, found maybe"):
        model.write().option("persistSubModels", "maybe").save(tmp_path / "never")
    with pytest.raises(ValueError, match="saved without options, found `compression`"):
        model.write().option("compression", "gzip").save(tmp_path / "never")
    split = TrainValidationSplit(estimator=lr, estimatorParamMaps=grid, evaluator=evaluator, trainRatio=0.5)
    model = split.fit(points)
    assert len(model.validationMetrics) == 2
    with pytest.raises(ValueError, match="expected sub-models, which fitting with collectSubModels keeps, found none"):
        model.write().option("persistSubModels", "true").save(tmp_path / "never")
    assert not (tmp_path / "never").exists()
    model = split.setCollectSubModels(True).fit(points)
    model.write().option("persistSubModels", "true").save(tmp_path / "split")
    assert [one.uid for one in TrainValidationSplitModel.load(tmp_path / "split").subModels] == [
        one.uid for one in model.subModels
    ]
    with pytest.raises(ValueError, match="`evaluator`: expected a value"):
        CrossValidator(estimator=lr, estimatorParamMaps=grid).fit(points)
    with pytest.raises(TypeError, match="Param"):
        ParamGridBuilder().addGrid("regParam", [1])  # type: ignore[arg-type]


def test_finished_trials_are_not_repeated(points: DataFrame, session: Session, tmp_path: Path) -> None:
    lr = LogisticRegression()
    grid = ParamGridBuilder().addGrid(lr.regParam, [0.001, 10.0]).build()
    cv = CrossValidator(estimator=lr, estimatorParamMaps=grid, evaluator=BinaryClassificationEvaluator())
    expected = cv.fit(points).avgMetrics
    ledger = emberline.Ledger(tmp_path / "trials.jsonl")
    assert ledger.path == tmp_path / "trials.jsonl" and ledger.to_arrow().num_rows == 0
    assert cv.setLedger(ledger).fit(points).avgMetrics == expected
    again = emberline.Ledger(ledger.path)
    trials = again.to_arrow()
    assert trials.num_rows == 6 and set(trials["metric_name"].to_pylist()) == {"areaUnderROC"}
    copied = cv.copy({cv.seed: cv.getSeed()}).setLedger(again)
    assert copied.fit(points).avgMetrics == expected and again.to_arrow().num_rows == 6
    split = TrainValidationSplit(estimator=lr, estimatorParamMaps=grid, evaluator=BinaryClassificationEvaluator())
    split.setLedger(again).fit(points)
    session.register_table("emberline.trials", again)
    assert session.sql("SELECT * FROM emberline.trials").count() == 8
    row = session.sql("SELECT DISTINCT candidate FROM emberline.trials ORDER BY candidate").first()
    assert row.candidate == "LogisticRegression.regParam=0.001"


def test_a_candidate_that_fails_is_told_apart(points: DataFrame) -> None:
    lr = LogisticRegression()
    grid = ParamGridBuilder().addGrid(lr.regParam, [0.1, -1.0]).build()
    model = CrossValidator(estimator=lr, estimatorParamMaps=grid, evaluator=BinaryClassificationEvaluator()).fit(points)
    assert model.bestIndex == 0 and math.isnan(model.avgMetrics[1]) and "regParam" in model.errors[1]


def test_random_candidates() -> None:
    lr = LogisticRegression()
    one, two = (
        ParamRandomBuilder(seed=3).addLog10Random(lr.regParam, 1e-4, 1.0, 4).addRandom(lr.maxIter, 1, 9, 2).build()
        for _ in range(2)
    )
    assert one == two and len(one) == 8
    assert all(1e-4 <= c[lr.regParam] <= 1 and isinstance(c[lr.maxIter], int) for c in one)


class Doubled(Transformer):
    """A stage in Python."""

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return dataset.withColumn("twice", col("x") * 2)


def test_stages_in_python_go_into_pipelines() -> None:
    pipeline = Pipeline(
        stages=[Doubled(), VectorAssembler(inputCols=["x", "twice"], outputCol="features"), KMeans(k=2)]
    )
    model = pipeline.fit({"x": [0.0, 0.1, 5.0, 5.1]})
    assert isinstance(model, PipelineModel) and model.uid == pipeline.uid
    rows = model.transform({"x": [0.05, 4.0]}).collect()
    assert rows[0].twice == 0.1 and rows[0].prediction != rows[1].prediction
    with pytest.raises(TypeError, match="written in Python"):
        model.save("/tmp/never")
    with pytest.raises(TypeError, match="Cannot recognize a pipeline stage"):
        Pipeline(stages=[Doubled(), object()]).fit({"x": [1.0]})


class Off(Model):
    """Predicts the column ``x`` and an error."""

    error: Param[float] = Param("undefined", "error", "what is added", TypeConverters.toFloat)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return dataset.withColumn("prediction", col("x") + self.getOrDefault("error"))


class Offset(Estimator[Off]):
    """Learns nothing."""

    error: Param[float] = Param("undefined", "error", "what is added", TypeConverters.toFloat)

    def _fit(self, dataset: DataFrame) -> Off:
        return self._copyValues(Off())


@pytest.mark.parametrize(("metric", "best"), [("rmse", 0.0), ("r2", 1.0)])
def test_stages_in_python_are_tuned(metric: str, best: float) -> None:
    offset = Offset()
    grid = ParamGridBuilder().addGrid(offset.error, [100.0, 0.0, 1000.0]).build()
    evaluator = evaluation.RegressionEvaluator(metricName=metric, labelCol="x")
    data = emberline.createDataFrame({"x": [float(i) for i in range(40)]})
    settings = {"estimator": offset, "estimatorParamMaps": grid, "evaluator": evaluator}
    model = CrossValidator(**settings, numFolds=4, seed=1, collectSubModels=True).fit(data)
    assert model.bestIndex == 1 and model.bestModel.getOrDefault("error") == 0.0 and model.avgMetrics[1] == best
    assert len(model.stdMetrics) == 3 and [len(fold) for fold in model.subModels] == [3] * 4
    assert evaluator.evaluate(model.transform(data)) == best and model.getNumFolds() == 4
    split = TrainValidationSplit(**settings, trainRatio=0.5).fit(data)
    assert split.validationMetrics[1] == best and split.subModels is None
    with pytest.raises(TypeError, match="written in Python"):
        model.save("/tmp/never")
    with pytest.raises(TypeError, match="foldCol"):
        CrossValidator(**settings, foldCol="x").fit(data)


def test_stages_are_candidates(points: DataFrame) -> None:
    pipeline = Pipeline(stages=[])
    lr, bayes = LogisticRegression(), NaiveBayes(modelType="gaussian")
    grid = ParamGridBuilder().addGrid(pipeline.stages, [[lr], [bayes]]).build()
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy")
    model = CrossValidator(estimator=pipeline, estimatorParamMaps=grid, evaluator=evaluator).fit(points)
    assert len(model.avgMetrics) == 2 and min(model.avgMetrics) > 0.8
    assert model.bestModel.stages[0].uid == (lr, bayes)[model.bestIndex].uid


def test_a_pipeline_of_nothing_changes_nothing(points: DataFrame) -> None:
    assert Pipeline(stages=[]).fit(points).transform(points) is points
    with pytest.raises(KeyError):
        Pipeline().fit(points)


class Counted(DataFrame):
    """Stands for a table in tests of stages in Python."""

    def __init__(self) -> None:
        self.times = 0


def test_what_is_no_whole_table_says_so() -> None:
    with pytest.raises(AttributeError, match="a DataFrame has no columns"):
        _ = Counted().columns
    assert Pipeline(stages=[]).fit(Counted()).transform(Counted()).times == 0


def test_vectors() -> None:
    v = Vectors.dense([1.0, 2.0, 0.0])
    assert isinstance(v, DenseVector) and v.numNonzeros() == 2 and v.norm(1) == 3
    assert Vectors.sparse(3, {0: 1.0, 1: 2.0}).tolist() == Vectors.sparse(3, [0, 1], [1, 2]).tolist() == v.tolist()
    assert Vectors.squared_distance(v, [0, 0, 0]) == 5
    df = emberline.createDataFrame([(0.0, v), (1.0, Vectors.zeros(3))], ["label", "features"])
    assert df.to_numpy("features").tolist() == [[1, 2, 0], [0, 0, 0]]
