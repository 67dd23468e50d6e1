"""Training one network by several workers at once, in the manner of HorovodRunner: a function runs on each of them, and
the networks that it fits there are trained as one, on the rows of all workers.
"""

from __future__ import annotations

import os
import pickle
import secrets
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pyspark import cloudpickle

from emberline import _emberline
from emberline._lazy import pa
from emberline.spark import _worker

__all__ = ["EmberlineRunner", "rank", "size"]

#: How often somebody who waits for a process or a file looks, in seconds.
LOOK = 0.02
#: How long workers that lost another may take to say so, in seconds.
GRACE = 10.0

#: The number of this worker, and how many there are.
_place = (0, 1)


def rank() -> int:
    """The number of this worker, from 0, in a function that `EmberlineRunner` runs; elsewhere 0."""
    return _place[0]


def size() -> int:
    """How many workers there are, in a function that `EmberlineRunner` runs; elsewhere 1."""
    return _place[1]


@dataclass(frozen=True)
class _Job:
    """What every worker does."""

    #: A function and its arguments, by cloudpickle.
    call: bytes
    size: int
    #: What workers know each other by.
    secret: bytes
    timeout: float


@dataclass(frozen=True)
class _Outcome:
    """What came of it on one worker: a value, or what went wrong."""

    value: bytes | None = None
    error: str | None = None
    #: Whether what went wrong is that another worker was lost.
    lost: bool = False


class EmberlineRunner:
    """Runs a function on several workers at once.

    ``np`` below 0: so many processes on this machine, without Spark. Above 0: so many tasks of Spark's barrier mode,
    which start together, as soon as there is a slot for each. ``timeout``: for how many seconds a worker waits for
    another one.

    The fits of `KerasImageFileEstimator` and `KerasEstimator` in the function are joint: every worker makes the same
    ones, on a table with rows of its own, and has the same network in the end. Their `batchSize` is a worker's::

        def main(files):
            mine = files[emberline.spark.rank() :: emberline.spark.size()]
            ...
            return KerasImageFileEstimator(...).fit(table).history

        history = EmberlineRunner(np=2).run(main, files=files)
    """

    def __init__(self, *, np: int, timeout: float = 600.0) -> None:
        if np == 0:
            raise ValueError("np: expected a number of tasks, or below 0 a number of processes here; found 0")
        self._np, self._timeout = np, timeout

    def run(self, main: Callable[..., Any], **kwargs: Any) -> Any:
        """Calls ``main(**kwargs)`` on every worker; the value of worker 0, which is data or a stage of `emberline.ml`.

        When a worker fails, so do the others, and ``RuntimeError`` says what happened to the first. A task that is
        lost is Spark's to retry, and all others with it.
        """
        call = cloudpickle.dumps((main, kwargs))
        job = _Job(call, abs(self._np), secrets.token_bytes(32), self._timeout)
        outcomes = _on_spark(job) if self._np > 0 else _here(job)
        failed = [(number, outcome) for number, outcome in enumerate(outcomes) if outcome.error is not None]
        if failed:
            number, outcome = min(failed, key=lambda one: one[1].lost)
            raise RuntimeError(f"worker {number} of {job.size} failed: {outcome.error}")
        return _unpacked(outcomes[0].value or b"")


def _packed(value: Any) -> bytes:
    from emberline.ml.util import Native

    is_stage = isinstance(value, Native)
    return cloudpickle.dumps((is_stage, _worker.packed(value._to_native()) if is_stage else value))


def _unpacked(data: bytes) -> Any:
    from emberline.ml.util import wrapped

    is_stage, value = pickle.loads(data)
    return wrapped(_worker.unpacked(value)) if is_stage else value


def _work(job: _Job, number: int, host: str, gather: Callable[[str], list[str]]) -> _Outcome:
    """A worker's part; `gather` gives all workers' texts for its own."""
    global _place
    try:
        listener = _emberline.WorkerListener(host)
        listener.join(number, gather(f"{host}:{listener.port()}"), job.secret, job.timeout)
        _place = (number, job.size)
        main, kwargs = pickle.loads(job.call)
        value = main(**kwargs)
        return _Outcome(value=_packed(value) if number == 0 else None)
    except (Exception, SystemExit) as error:
        return _Outcome(error=traceback.format_exc(), lost=isinstance(error, ConnectionError))
    finally:
        _place = (0, 1)
        _emberline.leave_workers()


def _on_spark(job: _Job) -> list[_Outcome]:
    from pyspark.sql import SparkSession

    spark = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    tasks = spark.range(0, job.size, 1, job.size)
    outcomes = tasks.mapInArrow(partial(_task, job), "number long, outcome binary", barrier=True)
    # Spark does a barrier stage again when a task is lost, but only if another stage follows.
    rows = outcomes.repartition(1).collect()
    return [pickle.loads(row.outcome) for row in sorted(rows, key=lambda row: row.number)]


def _task(job: _Job, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    from pyspark import BarrierTaskContext

    context = BarrierTaskContext.get()
    _worker.limit_threads()
    number = context.partitionId()
    host = context.getTaskInfos()[number].address.rpartition(":")[0]
    # What goes wrong is an outcome, not a failed task: Spark would do it all again.
    outcome = pickle.dumps(_work(job, number, host, context.allGather))
    for _ in batches:
        pass
    yield pa.RecordBatch.from_pydict({"number": pa.array([number], pa.int64()), "outcome": pa.array([outcome])})


def _here(job: _Job) -> list[_Outcome]:
    """Processes on this machine, which share its cores and a folder."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    environment = {"RAYON_NUM_THREADS": str(max(1, cores // job.size)), **os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(place or os.getcwd() for place in sys.path)
    with tempfile.TemporaryDirectory(prefix="emberline-run-") as folder:
        _write(Path(folder, "job"), pickle.dumps(job))
        code = "import sys; from emberline.spark import runner; runner._serve(sys.argv[1], int(sys.argv[2]))"
        command = [sys.executable, "-c", code, folder]
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for number in range(job.size):
                processes.append(subprocess.Popen([*command, str(number)], env=environment))
            return _outcomes(processes, Path(folder))
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _outcomes(processes: list[subprocess.Popen[bytes]], folder: Path) -> list[_Outcome]:
    """Waits for processes; when one fails, no longer than it takes the others to notice."""
    found: dict[int, _Outcome] = {}
    until = float("inf")
    while len(found) < len(processes) and time.monotonic() < until:
        for number, process in enumerate(processes):
            if number in found or process.poll() is None:
                continue
            file = folder / f"outcome{number}"
            if file.exists():
                found[number] = pickle.loads(file.read_bytes())
            else:
                found[number] = _Outcome(error=f"its process ended with exit code {process.returncode}")
            if found[number].error is not None:
                until = min(until, time.monotonic() + GRACE)
        time.sleep(LOOK)
    ended = _Outcome(error="it was ended, since another failed", lost=True)
    return [found.get(number, ended) for number in range(len(processes))]


def _serve(place: str, number: int) -> None:
    """What a process on this machine does."""
    folder = Path(place)
    job = pickle.loads((folder / "job").read_bytes())

    def gather(text: str) -> list[str]:
        _write(folder / f"said{number}", text.encode())
        files = [folder / f"said{other}" for other in range(job.size)]
        until = time.monotonic() + job.timeout
        while not all(file.exists() for file in files):
            if time.monotonic() > until:
                raise ConnectionError(f"not all of {job.size} workers have started within {job.timeout} s")
            time.sleep(LOOK)
        return [file.read_text() for file in files]

    outcome = _work(job, number, "127.0.0.1", gather)
    _write(folder / f"outcome{number}", pickle.dumps(outcome))
    sys.exit(0 if outcome.error is None else 1)


def _write(file: Path, data: bytes) -> None:
    """A file that is there as a whole or not at all."""
    unfinished = file.with_name(file.name + ".unfinished")
    unfinished.write_bytes(data)
    unfinished.rename(file)
