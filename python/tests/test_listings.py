"""The listings that Deep Learning Pipelines was known for, with only the imports changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pictures import LABELS, NETWORK

import emberline
from emberline import col, readImages
from emberline.ml import DeepImageFeaturizer, DeepImagePredictor, Pipeline
from emberline.ml.classification import LogisticRegression
from emberline.ml.evaluation import MulticlassClassificationEvaluator
from emberline.ml.feature import StringIndexer
from emberline.ml.tuning import CrossValidator, ParamGridBuilder


def test_read_images(photos: Path) -> None:
    image_df = readImages(photos)
    assert image_df.count() == 18
    row = image_df.orderBy("origin").first()
    assert (row.image.width, row.image.height, row.image.nChannels) == (64, 48, 3)
    assert len(row.image.data) == 64 * 48 * 3
    assert [r.height for r in image_df.select("image.height").take(2)] == [48, 48]


def test_predictor(photos: Path) -> None:
    image_df = readImages(photos)
    predictor = DeepImagePredictor(
        inputCol="image", outputCol="predicted_labels", modelName=NETWORK, decodePredictions=True, topK=10
    )
    rows = predictor.transform(image_df).select("origin", "predicted_labels").collect()
    assert len(rows) == 18
    for row in rows:
        assert len(row.predicted_labels) == 10
        probabilities = [label.probability for label in row.predicted_labels]
        assert probabilities == sorted(probabilities, reverse=True) and 0 < sum(probabilities) <= 1.0001
        assert row.predicted_labels[0]["class"].startswith("n")


def test_transfer_learning_tuning_and_sql(photos: Path, tmp_path: Path) -> None:
    session = emberline.Session()
    images = session.readImages(photos, label="folder")
    train = StringIndexer(inputCol="label", outputCol="index").fit(images).transform(images)
    featurizer = DeepImageFeaturizer(inputCol="image", outputCol="features", modelName=NETWORK)
    lr = LogisticRegression(labelCol="index", maxIter=20)
    pipeline = Pipeline(stages=[featurizer, lr])
    grid = ParamGridBuilder().addGrid(featurizer.modelName, [NETWORK]).addGrid(lr.regParam, [0.01, 0.1]).build()
    evaluator = MulticlassClassificationEvaluator(labelCol="index", metricName="accuracy")
    cv = CrossValidator(estimator=pipeline, estimatorParamMaps=grid, evaluator=evaluator, numFolds=2)
    found = cv.fit(train)
    assert len(found.avgMetrics) == 2 and found.avgMetrics[found.bestIndex] == pytest.approx(1.0)
    assert evaluator.evaluate(found.transform(train)) == 1.0

    found.bestModel.save(tmp_path / "photos.ember")
    session.register_function("my_object_recognition_function", found.bestModel)
    images.createOrReplaceTempView("traffic_imgs")
    query = "SELECT image, label, my_object_recognition_function(image) AS objects FROM traffic_imgs"
    rows = session.sql(query).collect()
    assert [row.objects.label for row in rows] == [row.label for row in rows]
    assert {row.label for row in rows} == set(LABELS)

    session.sql(f"CREATE FUNCTION again(image) LANGUAGE EMBERLINE AS '{tmp_path / 'photos.ember'}'")
    again = session.sql("SELECT again(image) AS objects FROM traffic_imgs").collect()
    assert [row.objects for row in again] == [row.objects for row in rows]


def test_the_listings_run_as_one_file(photos: Path) -> None:
    listings = Path(__file__).resolve().parents[2] / "examples/listings.py"
    run = subprocess.run(
        [sys.executable, listings, photos, NETWORK], capture_output=True, text=True, env={**os.environ, "TERM": "dumb"}
    )
    assert run.returncode == 0, run.stderr
    assert (
        run.stdout.count("loss by epoch") == 4
        and "held out: 1.000" in run.stdout
        and "objects" in run.stdout
        and run.stderr == ""
    )


def test_a_bad_file_is_a_row_with_a_reason(tmp_path: Path, photos: Path) -> None:
    session = emberline.Session()
    (tmp_path / "good.png").write_bytes((photos / "red/red0.png").read_bytes())
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    df = session.read_images(tmp_path)
    bad = df.filter(col("image_error").isNotNull()).select("origin", "image_error").collect()
    assert [Path(row.origin).name for row in bad] == ["broken.png"]
    featurizer = DeepImageFeaturizer(inputCol="image", outputCol="features", modelName=NETWORK, errorCol="why")
    by_name = {Path(row.origin).name: row for row in featurizer.transform(df).drop("image").collect()}
    assert by_name["broken.png"].features is None and by_name["broken.png"].image_error
    assert by_name["good.png"].features.shape == (1280,) and by_name["good.png"].why is None
    assert session.report()["failed"] >= 1
