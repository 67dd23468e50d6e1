"""Several workers train the network that one trains on the rows of all; one that fails ends all."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emberline
import emberline.spark
from emberline.spark import EmberlineRunner

FIXTURES = Path(__file__).resolve().parents[3] / "crates/emberline-ml/tests/fixtures/training"
#: What the order of sums makes of probabilities, after some epochs.
SUMMED = 1e-5


def rows() -> dict[str, np.ndarray]:
    x = np.random.default_rng(4).normal(size=(90, 2))
    return {"x": x, "label": np.where(x.sum(axis=1) > 0, "above", "below")}


def training(model_file: str) -> Any:
    """The function that workers run. They have no module of this name: they get what is in it by value."""

    def main(x: Any, label: Any, parts: list[list[int]] | None = None, killed: str | None = None) -> Any:
        import numpy as np

        import emberline
        import emberline.spark
        from emberline.ml import KerasEstimator

        if parts is not None:
            assert emberline.spark.size() == len(parts)
            x, label = (values[parts[emberline.spark.rank()]] for values in (x, label))
        if killed is not None and emberline.spark.rank() == 1 and not os.path.exists(killed):
            Path(killed).write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        table = emberline.createDataFrame({"features": np.asarray(x), "label": list(label)})
        network = KerasEstimator(
            inputCol="features",
            outputCol="scores",
            modelFile=model_file,
            kerasLoss="sparse_categorical_crossentropy",
            kerasOptimizer={"name": "sgd", "learning_rate": 0.5, "momentum": 0.9},
            kerasFitParams={"batch_size": 1000, "epochs": 12},
        )
        return network.fit(table)

    return main


#: Rows 1 to 60 of the first worker, and the rest of the second one.
PARTS = [list(range(60)), list(range(60, 90))]


def check(model: Any) -> None:
    table = emberline.createDataFrame({"features": rows()["x"]})
    alone = training(str(FIXTURES / "points.keras"))(**rows())
    found, expected = ([row.scores for row in one.transform(table).collect()] for one in (model, alone))
    assert np.abs(np.array(found) - np.array(expected)).max() < SUMMED
    assert np.ptp(np.array(expected)[:, 0]) > 0.5
    assert model.labels == alone.labels == ["above", "below"]
    for name in ("loss", "accuracy"):
        assert model.history[name] == pytest.approx(alone.history[name], abs=SUMMED)


def test_processes_here() -> None:
    check(EmberlineRunner(np=-2).run(training(str(FIXTURES / "points.keras")), **rows(), parts=PARTS))
    assert (emberline.spark.rank(), emberline.spark.size()) == (0, 1)
    assert EmberlineRunner(np=-1).run(lambda one: [one, emberline.spark.size()], one=1) == [1, 1]


def test_a_label_that_one_worker_lacks_is_a_class_all_the_same() -> None:
    data = rows()
    above, below = (np.flatnonzero(data["label"] == name).tolist() for name in ("above", "below"))
    parts = [above + below[:5], below[5:]]
    check(EmberlineRunner(np=-2).run(training(str(FIXTURES / "points.keras")), **data, parts=parts))


def test_tasks_of_spark(spark: Any) -> None:
    check(EmberlineRunner(np=2).run(training(str(FIXTURES / "points.keras")), **rows(), parts=PARTS))


def test_spark_does_all_again_when_a_task_is_lost(spark: Any, tmp_path: Path) -> None:
    main, killed = training(str(FIXTURES / "points.keras")), tmp_path / "killed"
    check(EmberlineRunner(np=2).run(main, **rows(), parts=PARTS, killed=str(killed)))
    assert killed.exists()


@pytest.mark.parametrize("np", [-3, 2])
def test_what_a_worker_raises_is_told(np: int, request: pytest.FixtureRequest) -> None:
    if np > 0:
        request.getfixturevalue("spark")
    train = training(str(FIXTURES / "points.keras"))

    def main(**arguments: Any) -> Any:
        import emberline.spark

        if emberline.spark.rank() == 1:
            raise KeyError("no such picture")
        return train(**arguments)

    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"(?s)^worker 1 of \d failed: .*KeyError: 'no such picture'"):
        EmberlineRunner(np=np).run(main, **rows())
    assert time.monotonic() - start < 60


def test_a_process_that_is_killed_ends_the_run(tmp_path: Path) -> None:
    main, killed = training(str(FIXTURES / "points.keras")), tmp_path / "killed"
    with pytest.raises(RuntimeError, match="worker 1 of 2 failed: its process ended with exit code -9"):
        EmberlineRunner(np=-2).run(main, **rows(), parts=PARTS, killed=str(killed))


def test_none_is_no_number_of_workers() -> None:
    with pytest.raises(ValueError, match="np: expected a number of tasks"):
        EmberlineRunner(np=0)
