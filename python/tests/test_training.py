"""Networks as estimators: sparkdl's listing, a grid, files for Keras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import emberline
from emberline.ml import KerasEstimator, KerasImageFileEstimator, KerasImageFileModel, load
from emberline.ml.evaluation import MulticlassClassificationEvaluator
from emberline.ml.tuning import CrossValidator, ParamGridBuilder

FIXTURES = Path(__file__).resolve().parents[2] / "crates/emberline-ml/tests/fixtures/training"


def cnn(**params: object) -> KerasImageFileEstimator:
    return KerasImageFileEstimator(
        inputCol="image",
        outputCol="scores",
        labelCol="label",
        modelFile=FIXTURES / "stripes_cnn.keras",
        kerasOptimizer="adam",
        kerasLoss="categorical_crossentropy",
        kerasFitParams={"batch_size": 4, "epochs": 5, "validation_split": 0.25},
        scale=1 / 255,
        **params,
    )


@pytest.fixture
def two_colours(photos: Path, session: emberline.Session) -> emberline.DataFrame:
    return session.read_images(photos, label="folder").filter("label <> 'green'")


def test_a_network_is_trained_saved_and_loaded(two_colours: emberline.DataFrame, tmp_path: Path) -> None:
    model = cnn(learningRate=0.02).fit(two_colours)
    assert isinstance(model, KerasImageFileModel)
    assert len(model.history["loss"]) == len(model.history["val_accuracy"]) == 5
    assert model.history["learning_rate"] == [0.02] * 5
    assert model.history["loss"][-1] < model.history["loss"][0]
    assert 1 <= model.bestEpoch <= 5 and not model.stoppedEarly and model.labels == ["blue", "red"]
    assert (model.summary.examples, model.summary.validationExamples, model.summary.unreadableRows) == (9, 3, 0)
    answers = model.transform(two_colours).orderBy("origin").select("scores", "prediction").toPandas()
    model.save(tmp_path / "cnn.ember")
    again = load(tmp_path / "cnn.ember").transform(two_colours).orderBy("origin").select("scores").toPandas()
    assert np.array_equal(np.stack(again.scores), np.stack(answers.scores))
    model.saveKeras(tmp_path / "trained.keras")
    once_more = cnn(learningRate=1e-9).setModelFile(tmp_path / "trained.keras").fit(two_colours)
    assert once_more.history["loss"][0] < model.history["loss"][0]


def test_params_take_dicts_names_and_json(tmp_path: Path) -> None:
    estimator = cnn()
    assert estimator.getKerasFitParams()["epochs"] == 5 and estimator.getKerasOptimizer() == "adam"
    estimator.setKerasOptimizer({"name": "sgd", "momentum": 0.9}).setKerasFitParams('{"epochs": 2}')
    assert estimator.getKerasFitParams() == {"epochs": 2}
    estimator.save(tmp_path / "estimator")
    assert KerasImageFileEstimator.load(tmp_path / "estimator").getKerasOptimizer() == {"name": "sgd", "momentum": 0.9}
    assert KerasEstimator().getKerasFitParams() == {"verbose": 1}
    with pytest.raises(TypeError, match="to a name or a dict"):
        estimator.setKerasOptimizer(3)


def test_a_live_model_is_taken(points: emberline.DataFrame) -> None:
    class Live:
        """What is asked of a ``keras.Model``; the tests do without Keras."""

        def get_config(self) -> dict[str, object]:
            return {}

        def save(self, path: str) -> None:
            Path(path).write_bytes((FIXTURES / "points.keras").read_bytes())

    network = KerasEstimator(inputCol="features", modelFile=Live(), kerasLoss="sparse_categorical_crossentropy")
    assert network.getModelFile().endswith(".keras")
    assert len(network.setEpochs(2).fit(points).history["loss"]) == 2


def test_learning_rate_and_batch_size_in_a_grid(points: emberline.DataFrame) -> None:
    network = KerasEstimator(
        inputCol="features",
        modelFile=str(FIXTURES / "points.keras"),
        kerasLoss="sparse_categorical_crossentropy",
        kerasFitParams={"epochs": 8},
    )
    grid = ParamGridBuilder().addGrid(network.learningRate, [1e-5, 0.05]).addGrid(network.batchSize, [8, 64]).build()
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy")
    found = CrossValidator(estimator=network, estimatorParamMaps=grid, evaluator=evaluator, numFolds=2).fit(points)
    assert found.bestIndex >= 2 and found.avgMetrics[2] > 0.9 > found.avgMetrics[0]
    models = dict(network.fitMultiple(points, grid[2:]))
    assert sorted(models) == [0, 1] and len(models[1].history["loss"]) == 8


def test_what_is_wrong_is_told_before_training(points: emberline.DataFrame) -> None:
    network = KerasEstimator(
        inputCol="features", modelFile=str(FIXTURES / "points.keras"), kerasLoss="sparse_categorical_crossentropy"
    )
    with pytest.raises(ValueError, match=r"label 2: expected 0 to 1"):
        network.fit(points.withColumn("label", emberline.expr("label * 2")))
    with pytest.raises(ValueError, match=r"as many inputs as there are input columns \(2\), found 1 and 1"):
        KerasEstimator(inputCols=["features", "label"], modelFile=network.getModelFile()).fit(points)
    with pytest.raises(ValueError, match="unknown field `epoch`"):
        network.copy().setKerasFitParams({"epoch": 2}).fit(points)
