"""Stages on Spark's tables give what they give in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pictures import LABELS, NETWORK
from pyspark.ml import Pipeline, PipelineModel, Transformer
from pyspark.ml.classification import LogisticRegression as MLlibLogisticRegression
from pyspark.ml.evaluation import MulticlassClassificationEvaluator as MLlibEvaluator
from pyspark.ml.tuning import CrossValidator as MLlibCrossValidator
from pyspark.ml.tuning import ParamGridBuilder
from pyspark.sql import functions as F

import emberline
import emberline.ml
import emberline.spark
from emberline.ml.classification import LogisticRegression
from emberline.spark import _cluster, _versions, stages


def featurizer(column: str = "content") -> Any:
    return emberline.spark.DeepImageFeaturizer(inputCol=column, outputCol="features", modelName=NETWORK)


@pytest.fixture(scope="session")
def expected(folder: Path) -> dict[str, np.ndarray | None]:
    """The features of the files, by name, computed in this process."""
    paths = sorted(folder.glob("*.png"))
    table = emberline.createDataFrame(
        {"path": [str(path) for path in paths], "content": [p.read_bytes() for p in paths]}
    )
    stage = emberline.ml.DeepImageFeaturizer(inputCol="content", outputCol="features", modelName=NETWORK)
    rows = stage.transform(table).select("path", "features").collect()
    return {Path(row.path).name: row.features for row in rows}


def check(rows: list[Any], expected: dict[str, np.ndarray | None], path: str = "path") -> None:
    assert len(rows) == len(expected) == 19
    for row in rows:
        answer = expected[Path(row[path]).name]
        if answer is None:
            assert row["features"] is None
        else:
            # To the bit: single precision as Spark's doubles.
            assert np.array_equal(row["features"].toArray(), answer.astype(np.float64))


def test_features_of_bytes(files: Any, expected: Any) -> None:
    assert isinstance(featurizer(), Transformer)
    check(featurizer().transform(files).select("path", "features").collect(), expected)


def test_features_of_paths(files: Any, expected: Any) -> None:
    check(featurizer("path").transform(files.select("path")).collect(), expected)


def test_features_of_images(spark: Any, folder: Path, expected: Any) -> None:
    images = spark.read.format("image").load(str(folder))
    check(featurizer("image").transform(images).select("image.origin", "features").collect(), expected, "origin")


def test_nulls_stay_null_with_reasons(spark: Any, files: Any) -> None:
    some = files.where(F.col("path").endswith("red0.png") | F.col("path").endswith("broken.png"))
    none = some.limit(1).select("path", F.lit(None).cast("binary").alias("content"), "label")
    stage = featurizer().setErrorCol("why")
    rows = stage.transform(some.union(none)).select("content", "features", "why").collect()
    assert len(rows) == 3
    for row in rows:
        bad = row.content is None or not bytes(row.content).startswith(b"\x89PNG")
        assert (row.features is None) == bad
        assert (row.why is not None) == (row.content is not None and bad)


def test_predictor_names_what_it_sees(files: Any) -> None:
    stage = emberline.spark.DeepImagePredictor(
        inputCol="content", outputCol="objects", modelName=NETWORK, decodePredictions=True, topK=3
    )
    rows = stage.transform(files).where("label = 'red'").select("objects").collect()
    assert len(rows) == 6
    for row in rows:
        assert [set(one.asDict()) for one in row.objects] == [{"class", "description", "probability"}] * 3


def test_beside_mllib(files: Any, tmp_path: Path) -> None:
    """MLlib's own estimator learns from the features, in its pipeline and its validator; all is saved and loaded."""
    good = files.where("label != 'broken'").withColumn("label", (F.col("label") == "red").cast("double"))
    lr = MLlibLogisticRegression(maxIter=3)
    pipeline = Pipeline(stages=[featurizer(), lr])
    model = pipeline.fit(good)
    rows = model.transform(good).select("path", "label", "prediction").collect()
    assert [row.label for row in rows] == [row.prediction for row in rows]

    model.write().save(str(tmp_path / "model"))
    again = PipelineModel.load(str(tmp_path / "model"))
    assert [stage.uid for stage in again.stages] == [stage.uid for stage in model.stages]
    assert isinstance(again.stages[0], stages.DeepImageFeaturizer)
    assert sorted(again.transform(good).select("path", "label", "prediction").collect()) == sorted(rows)

    grid = ParamGridBuilder().addGrid(lr.regParam, [0.01]).build()
    # Folds by MLlib's own seed are others in every process: of 18 pictures, some of them leave a label out.
    folded = good.withColumn("fold", F.regexp_extract("path", r"(\d)\.png$", 1).cast("int") % 2)
    validator = MLlibCrossValidator(
        estimator=pipeline,
        estimatorParamMaps=grid,
        evaluator=MLlibEvaluator(metricName="accuracy"),
        numFolds=2,
        foldCol="fold",
    )
    assert max(validator.fit(folded).avgMetrics) > 0.9


def points(spark: Any) -> Any:
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = (x[:, 0] - 2 * x[:, 1] > 0).astype(float)
    return _versions.from_arrow(spark, pa.table({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "label": y})).repartition(3)


def test_estimators_learn_the_same(spark: Any) -> None:
    df = points(spark)
    chain = [
        emberline.ml.feature.VectorAssembler(inputCols=["a", "b", "c"], outputCol="raw"),
        emberline.ml.feature.StandardScaler(inputCol="raw", outputCol="features", withMean=True),
        LogisticRegression(regParam=0.01),
    ]
    here = emberline.ml.Pipeline(stages=chain).fit(emberline.createDataFrame(_versions.to_arrow(df)))
    there = emberline.ml.Pipeline(stages=chain).fit(df)
    beside = Pipeline(stages=[emberline.spark.on_spark(stage) for stage in chain]).fit(df)
    assert np.array_equal(here.stages[2].coefficients, there.stages[2].coefficients)
    assert np.array_equal(here.stages[2].coefficients, beside.stages[2].coefficients)
    answers = here.transform(emberline.createDataFrame(_versions.to_arrow(df))).select("a", "probability").collect()
    expected = {row.a: row.probability for row in answers}
    for model in (there, beside):
        for row in model.transform(df).select("a", "probability").collect():
            assert np.array_equal(row.probability.toArray(), expected[row.a])


def test_saved_stages_are_what_they_were(spark: Any, tmp_path: Path) -> None:
    df = points(spark)
    assembled = emberline.spark.VectorAssembler(inputCols=["a", "b"], outputCol="features").transform(df)
    model = emberline.spark.LogisticRegression(regParam=0.1).fit(assembled)
    model.save(str(tmp_path / "lr"))
    again = stages.LogisticRegressionModel.load(str(tmp_path / "lr"))
    assert again.uid == model.uid and np.array_equal(again.coefficients, model.coefficients)
    model.write().overwrite().save(str(tmp_path / "lr"))
    with pytest.raises(TypeError, match="expected a saved KMeansModel"):
        stages.KMeansModel.load(str(tmp_path / "lr"))


def test_sparse_vectors_and_nulls(spark: Any) -> None:
    from pyspark.ml.linalg import Vectors

    rows = [(Vectors.dense([3.0, 4.0]),), (Vectors.sparse(2, [1], [2.0]),), (None,)]
    df = spark.createDataFrame(rows, ["v"])
    stage = emberline.spark.Normalizer(inputCol="v", outputCol="u", p=2.0)
    answers = {str(row.v): row.u for row in stage.transform(df).collect()}
    assert answers["None"] is None
    assert np.allclose(answers[str(rows[0][0])].toArray(), [0.6, 0.8])
    assert np.allclose(answers[str(rows[1][0])].toArray(), [0.0, 1.0])
    assert stage.transform(df.where("v IS NULL").withMetadata("v", {"ml_attr": {"num_attrs": 2}})).first().u is None


@pytest.fixture(scope="session")
def function(spark: Any, files: Any) -> None:
    """A function of SQL, from pictures to labels."""
    good = files.where("label != 'broken'")
    stage = emberline.ml.DeepImageFeaturizer(inputCol="content", outputCol="features", modelName=NETWORK)
    indexer = emberline.ml.feature.StringIndexer(inputCol="label", outputCol="index")
    pipeline = emberline.ml.Pipeline(stages=[indexer, stage, LogisticRegression(labelCol="index", maxIter=20)])
    emberline.spark.register_function(spark, "my_object_recognition_function", pipeline.fit(good))


@pytest.mark.usefixtures("function")
def test_function_of_sql(spark: Any, files: Any) -> None:
    files.createOrReplaceTempView("files")
    query = "SELECT my_object_recognition_function(content).label AS l, count(*) AS n FROM files GROUP BY 1"
    assert {row.l: row.n for row in spark.sql(query).collect()} == {**dict.fromkeys(LABELS, 6), None: 1}


@pytest.mark.usefixtures("function")
def test_function_of_images_in_sql(spark: Any, folder: Path) -> None:
    spark.read.format("image").load(str(folder)).createOrReplaceTempView("traffic_imgs")
    query = "SELECT image, my_object_recognition_function(image) AS objects FROM traffic_imgs"
    rows = spark.sql(query).collect()
    assert len(rows) == 19
    for row in rows:
        name = Path(row.image.origin).name
        if name == "broken.png":
            assert row.objects is None
        else:
            assert name.startswith(row.objects.label) and row.objects.probability > 0.5
            assert {one.label for one in row.objects.probabilities} == set(LABELS)


def test_weights_in_a_shared_folder(files: Any, expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cluster, "_store", None)
    emberline.spark.set_store(tmp_path / "weights")
    check(featurizer().transform(files).select("path", "features").collect(), expected)
    assert len(list((tmp_path / "weights").iterdir())) == 1


def test_bad_settings_are_told_before_work_starts(files: Any) -> None:
    with pytest.raises(ValueError, match="column `no`"):
        featurizer("no").transform(files)
    with pytest.raises(ValueError, match="exists already"):
        featurizer().setOutputCol("label").transform(files)
    with pytest.raises(ValueError, match="NoSuchNet"):
        featurizer().setModelName("NoSuchNet").transform(files)
    with pytest.raises(AttributeError):
        emberline.spark.DeepImageFeaturizer(inputColumn="content")
