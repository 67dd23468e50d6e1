"""A worker that is killed costs time and changes nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import SERVER
from pictures import NETWORK
from pyspark.sql.types import LongType, StructField, StructType

import emberline
import emberline.ml
from emberline.ml.classification import LinearSVC
from emberline.ml.evaluation import BinaryClassificationEvaluator
from emberline.ml.tuning import CrossValidator, ParamGridBuilder
from emberline.spark import _versions


def killing(marker: str) -> Any:
    """A function that passes rows on; the first task that gets to it kills its executor, the grandparent of its
    process. Workers have no module of this name: they get what is in here by value.
    """

    def passed_on(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            executor = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1]
            os.kill(int(executor), signal.SIGKILL)

    return passed_on


def executors(spark: Any) -> set[int]:
    """The processes of the executors, as tasks on them see them."""

    def parents(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            time.sleep(0.5)
            parent = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1]
            yield pa.RecordBatch.from_pydict({"pid": pa.array([int(parent)], pa.int64())})

    df = spark.range(0, 4, 1, 4).mapInArrow(parents, StructType([StructField("pid", LongType())]))
    return {row.pid for row in df.collect()}


def test_killed_in_a_transform(files: Any, tmp_path: Path) -> None:
    featurizer = emberline.ml.DeepImageFeaturizer(inputCol="content", outputCol="features", modelName=NETWORK)
    whole = {row.path: row.features for row in featurizer.transform(files).select("path", "features").collect()}
    killed = files.mapInArrow(killing(str(tmp_path / "killed")), files.schema)
    rows = featurizer.transform(killed).select("path", "features").collect()
    assert (tmp_path / "killed").exists()
    assert len(rows) == len(whole) == 19 and {row.path: row.features for row in rows} == whole


@pytest.mark.skipif(SERVER != "classic", reason="the status of jobs is the JVM's")
def test_killed_in_tuning(spark: Any) -> None:
    x = np.random.default_rng(2).normal(size=(3000, 60))
    labels = (x[:, :3].sum(axis=1) + np.random.default_rng(3).normal(size=3000) > 0).astype(float)
    columns = {f"x{i}": x[:, i] for i in range(60)}
    df = _versions.from_arrow(spark, pa.table({**columns, "label": labels}))
    assembler = emberline.ml.feature.VectorAssembler(inputCols=list(columns), outputCol="features")
    svc = LinearSVC(maxIter=50)
    grid = ParamGridBuilder().addGrid(svc.regParam, [0.0, 0.001, 0.01, 0.1]).build()
    tuned = CrossValidator(
        estimator=emberline.ml.Pipeline(stages=[assembler, svc]),
        estimatorParamMaps=grid,
        evaluator=BinaryClassificationEvaluator(),
        numFolds=3,
    )
    here = tuned.fit(emberline.createDataFrame(_versions.to_arrow(df)))

    victim, tracker, killed = min(executors(spark)), spark.sparkContext.statusTracker(), threading.Event()

    def kill() -> None:
        """Waits for the stage with a task per fit to run, with some done and others not."""
        while not killed.is_set():
            stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
            if any(stage and stage.numTasks == 12 and 2 <= stage.numCompletedTasks < 12 for stage in stages):
                os.kill(victim, signal.SIGKILL)
                killed.set()
            time.sleep(0.01)

    watcher = threading.Thread(target=kill)
    watcher.start()
    try:
        there = tuned.fit(df)
    finally:
        was_killed = killed.is_set()
        killed.set()
        watcher.join()
    assert was_killed
    assert (there.bestIndex, there.avgMetrics) == (here.bestIndex, here.avgMetrics)
    assert np.array_equal(there.bestModel.stages[-1].coefficients, here.bestModel.stages[-1].coefficients)
