"""Tuning by workers finds what tuning in this process finds: to the bit, but for logistic regressions' metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pictures import NETWORK
from pyspark.ml import Pipeline
from pyspark.ml.tuning import ParamGridBuilder
from pyspark.sql import functions as F

import emberline
import emberline.ml
import emberline.spark
from emberline import _exchange
from emberline.ml import KerasImageFileEstimator
from emberline.ml.classification import LinearSVC, LogisticRegression, NaiveBayes, OneVsRest
from emberline.ml.evaluation import MulticlassClassificationEvaluator
from emberline.ml.feature import StringIndexer
from emberline.ml.tuning import CrossValidator
from emberline.spark import _cluster, _versions, stages

#: One process solves a path of logistic regressions together, workers each alone: both end within `tol` of the minimum.
#: At the default of 1e-6, metrics on a few rows were up to 1.1e-5 apart, as the folds fell; at this, up to 1e-7.
TOL = 1e-9
CONVERGED = 1e-6
#: What threads make of sums, after some steps of training.
TRAINED = 1e-4
FIXTURES = Path(__file__).resolve().parents[3] / "crates/emberline-ml/tests/fixtures/training"


def validator() -> Any:
    """Two features of images, three regularisations."""
    featurizer = emberline.ml.DeepImageFeaturizer(inputCol="content", outputCol="features", modelName=NETWORK)
    lr = LogisticRegression(labelCol="index", tol=TOL)
    grid = emberline.ml.tuning.ParamGridBuilder()
    grid.addGrid(featurizer.pooling, ["avg", "max"]).addGrid(lr.regParam, [0.01, 0.1, 10.0])
    return CrossValidator(
        estimator=emberline.ml.Pipeline(stages=[featurizer, lr]),
        estimatorParamMaps=grid.build(),
        evaluator=MulticlassClassificationEvaluator(labelCol="index", metricName="logLoss"),
        numFolds=3,
        seed=7,
    )


@pytest.fixture(scope="session")
def train(files: Any) -> Any:
    good = files.where("label != 'broken'")
    return StringIndexer(inputCol="label", outputCol="index").fit(good).transform(good).drop("label")


@pytest.fixture(scope="session")
def found(train: Any) -> Any:
    """What tuning in this process finds."""
    return validator().fit(emberline.createDataFrame(_versions.to_arrow(train)))


def check(model: Any, found: Any) -> None:
    assert model.bestIndex == found.bestIndex
    assert len(found.avgMetrics) == 6
    assert np.allclose(model.avgMetrics, found.avgMetrics, rtol=0, atol=CONVERGED)
    assert np.allclose(model.stdMetrics, found.stdMetrics, rtol=0, atol=CONVERGED)
    assert np.array_equal(model.bestModel.stages[-1].coefficientMatrix, found.bestModel.stages[-1].coefficientMatrix)


def test_validator_of_emberline(train: Any, found: Any) -> None:
    model = validator().fit(train)
    check(model, found)
    rows = model.transform(train).select("index", "prediction").collect()
    assert [row["index"] for row in rows] == [row.prediction for row in rows]


def test_validator_of_pyspark(train: Any, found: Any, tmp_path: Any) -> None:
    """The same with pyspark's pipeline, params and grid."""
    featurizer = emberline.spark.DeepImageFeaturizer(inputCol="content", outputCol="features", modelName=NETWORK)
    lr = stages.LogisticRegression(labelCol="index", tol=TOL)
    grid = ParamGridBuilder().addGrid(featurizer.pooling, ["avg", "max"]).addGrid(lr.regParam, [0.01, 0.1, 10.0])
    tuned = emberline.spark.CrossValidator(
        estimator=Pipeline(stages=[featurizer, lr]),
        estimatorParamMaps=grid.build(),
        evaluator=stages.MulticlassClassificationEvaluator(labelCol="index", metricName="logLoss"),
        numFolds=3,
        seed=7,
    )
    model = tuned.fit(train)
    check(model, found)
    model.save(str(tmp_path / "tuned"))
    again = emberline.spark.CrossValidatorModel.load(str(tmp_path / "tuned"))
    assert again.avgMetrics == model.avgMetrics
    first = again.transform(train).select("path", "prediction").collect()
    assert sorted(first) == sorted(model.transform(train).select("path", "prediction").collect())


def test_fits_by_themselves_agree_to_the_bit(train: Any) -> None:
    featurizer = emberline.ml.DeepImageFeaturizer(inputCol="content", outputCol="features", modelName=NETWORK)
    bayes = NaiveBayes(labelCol="index", modelType="gaussian")
    svc = OneVsRest(classifier=LinearSVC(maxIter=5), labelCol="index")
    for last, params in ((bayes, {"smoothing": [0.5, 1.0]}), (svc, {})):
        grid = emberline.ml.tuning.ParamGridBuilder()
        for name, values in params.items():
            grid.addGrid(last.getParam(name), values)
        tuned = CrossValidator(
            estimator=emberline.ml.Pipeline(stages=[featurizer, last]),
            estimatorParamMaps=grid.build(),
            evaluator=MulticlassClassificationEvaluator(labelCol="index", metricName="f1"),
            numFolds=3,
        )
        here, there = tuned.fit(emberline.createDataFrame(_versions.to_arrow(train))), tuned.fit(train)
        assert (there.bestIndex, there.avgMetrics, there.stdMetrics) == (
            here.bestIndex,
            here.avgMetrics,
            here.stdMetrics,
        )


def test_a_candidate_that_fails_is_left_out(spark: Any) -> None:
    x = np.random.default_rng(1).normal(size=(40, 2))
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "label": (x.sum(axis=1) > 0).astype(float)})
    assembler = emberline.ml.feature.VectorAssembler(inputCols=["a", "b"], outputCol="features")
    lr = LogisticRegression()
    tuned = CrossValidator(
        estimator=emberline.ml.Pipeline(stages=[assembler, lr]),
        estimatorParamMaps=emberline.ml.tuning.ParamGridBuilder().addGrid(lr.regParam, [-1.0, 0.1]).build(),
        evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
    )
    model, here = tuned.fit(_versions.from_arrow(spark, table)), tuned.fit(emberline.createDataFrame(table))
    assert model.bestIndex == 1 and np.isnan(model.avgMetrics[0]) and "regParam" in model.errors[0]
    assert model.avgMetrics[1] == pytest.approx(here.avgMetrics[1], abs=CONVERGED)
    tuned.setParams(collectSubModels=True)
    with pytest.raises(ValueError, match="collectSubModels"):
        tuned.fit(_versions.from_arrow(spark, table))


def network(**params: Any) -> Any:
    return KerasImageFileEstimator(
        inputCol="content",
        outputCol="scores",
        labelCol="label",
        modelFile=str(FIXTURES / "stripes_cnn.keras"),
        kerasOptimizer="adam",
        kerasLoss="categorical_crossentropy",
        kerasFitParams={"batch_size": 4, "epochs": 4},
        scale=1 / 255,
        **params,
    )


def test_a_networks_grid_is_a_task_for_each_training(files: Any, tmp_path: Any) -> None:
    """Images stay in the store, each once; metrics are those of one process, up to the rounding of sums."""
    two = files.where("label in ('red', 'blue')").select("content", F.expr("double(label = 'red')").alias("label"))
    estimator = network()
    grid = emberline.ml.tuning.ParamGridBuilder().addGrid(estimator.learningRate, [1e-6, 0.02]).build()
    tuned = CrossValidator(
        estimator=estimator,
        estimatorParamMaps=grid,
        evaluator=MulticlassClassificationEvaluator(metricName="logLoss", probabilityCol="scores"),
        numFolds=2,
    )
    here = tuned.fit(emberline.createDataFrame(_versions.to_arrow(two)))
    store = tmp_path / "store"
    emberline.spark.set_store(store)
    try:
        there = tuned.fit(two)
        paths = _cluster.collected(two, _cluster.schema_of(two)).schema()
        first, second = estimator.fit(two, grid)
    finally:
        emberline.spark.set_store(None)
    assert there.bestIndex == here.bestIndex == 1
    assert np.allclose(there.avgMetrics, here.avgMetrics, rtol=0, atol=TRAINED)
    images = [file for file in store.iterdir() if file.read_bytes().startswith(b"\x89PNG")]
    assert len(images) == 12 and not any(
        b"\x89PNG\r\n" in file.read_bytes() for file in store.iterdir() if file not in images
    )
    assert _exchange.reader(paths).schema.field("content").type == pa.string()
    answers = [row.scores for row in there.transform(two).orderBy("label").select("scores").collect()]
    assert len(answers) == 12
    assert second.history["loss"][-1] < first.history["loss"][-1]
    assert second.history["loss"] == pytest.approx(there.bestModel.history["loss"], abs=TRAINED)


def test_several_param_maps_are_as_many_tasks(spark: Any) -> None:
    x = np.random.default_rng(5).normal(size=(50, 3))
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "label": (x.sum(axis=1) > 0).astype(float)})
    df = emberline.spark.VectorAssembler(inputCols=["a", "b"], outputCol="features").transform(
        _versions.from_arrow(spark, table)
    )
    svc = LinearSVC(maxIter=10)
    maps = [{svc.regParam: 0.0}, {svc.regParam: 0.5}]
    here = [svc.fit(df, one).coefficients for one in maps]
    beside = stages.LinearSVC(maxIter=10)
    for models in (svc.fit(df, maps), beside.fit(df, [{beside.regParam: 0.0}, {beside.regParam: 0.5}])):
        assert [np.array_equal(model.coefficients, one) for model, one in zip(models, here)] == [True, True]
    with pytest.raises(ValueError, match="regParam"):
        svc.fit(df, [{svc.regParam: -1.0}])
