"""What Spark's workers run: functions that were described as data, over batches of rows.

A worker needs the package and PyArrow. It keeps what it prepared as long as its process lives.
"""

from __future__ import annotations

import gc
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from emberline import _emberline, _exchange
from emberline._lazy import pa
from emberline.session import Session
from emberline.spark import _types

#: Bytes of rows that a function gets at once; its answers for them are in memory at the same time.
CHUNK_BYTES = 8 << 20
#: Rows that it gets at once.
CHUNK_ROWS_MAX = 4_096
#: Functions that a worker keeps ready: a network is a copy of its weights.
FUNCTIONS_MAX = 4
#: Tables of tuning that a worker has open.
TABLES_MAX = 2


@dataclass(frozen=True)
class File:
    """A file that the driver made, told by the SHA-256 of what is in it."""

    digest: str
    #: A folder that all machines see and that has it under its digest; if there is none, Spark brought it.
    store: str | None

    def path(self) -> str:
        """Where it is on this machine."""
        if self.store is None:
            from pyspark import SparkFiles

            path = SparkFiles.get(self.digest)
        else:
            path = os.path.join(self.store, self.digest)
        if not os.path.exists(path):
            where = "the folder of set_store" if self.store else "the files that Spark ships"
            raise FileNotFoundError(f"{path}: {where} should have it; see docs/spark.md, 'Weights'")
        return path


@dataclass(frozen=True)
class Described:
    """A column function as data."""

    description: bytes
    files: tuple[File, ...]
    #: The columns that it takes, and the lengths of those that are Spark's vectors.
    inputs: tuple[tuple[str, int | None], ...]


@cache
def _settle() -> None:
    """Takes what is imported by now out of what Python's garbage collector looks through: Spark runs it after each
    task, and modules, which are never garbage, take it longer than Spark takes for all else of a task of 25 images.
    """
    gc.collect()
    gc.freeze()


@lru_cache(maxsize=FUNCTIONS_MAX)
def _function(described: Described) -> _emberline.Function:
    files = {file.digest: file.path() for file in described.files}
    return _emberline.Function.rebuild(described.description, files)


def _chunks(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in parts of about `CHUNK_BYTES`: Spark's own limit counts rows, and images are large."""
    rows = batch.num_rows
    step = min(max(CHUNK_BYTES * rows // max(batch.nbytes, 1), 1), CHUNK_ROWS_MAX)
    for start in range(0, rows, step):
        yield batch.slice(start, step)


def _answers(described: Described, arguments: list[pa.Array]) -> pa.Array:
    """The function's answers: one array."""
    names = [str(i) for i in range(len(arguments))]
    lengths = [length for _, length in described.inputs]
    batch = pa.RecordBatch.from_arrays(list(map(_types.from_spark, arguments, lengths)), names=names)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    buffer = sink.getvalue()
    stream = _function(described).apply(buffer, buffer.address, buffer.size)
    parts = [answer.column(0) for answer in _exchange.reader(stream)]
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)


def add_columns(
    described: Described, names: list[str], wanted: list[str], vectors: bool, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The columns `wanted` of batches to which the function, whose answer is a struct of `names`, adds its own: as
    Spark's vectors, or as lists of numbers.
    """
    converted = _types.to_spark if vectors else _types.without_vectors
    for batch in batches:
        _settle()
        for rows in _chunks(batch):
            made = _answers(described, [rows.column(name) for name, _ in described.inputs]).flatten()
            columns = dict(zip(rows.schema.names, rows.columns))
            columns.update(zip(names, map(converted, made)))
            yield pa.RecordBatch.from_arrays([columns[name] for name in wanted], names=wanted)


def answer(described: Described, images: pa.Array) -> pa.Array:
    """A function of SQL: its answers for a column of images."""
    _settle()
    parts = []
    for rows in _chunks(pa.RecordBatch.from_arrays([images], names=["image"])):
        parts.append(_types.without_vectors(_answers(described, rows.columns)))
    return pa.concat_arrays(parts)


def answer_one(described: Described, image: Any) -> Any:
    """A function of SQL for one image: bytes, a path, or Spark's struct as a row."""
    if isinstance(image, tuple):
        images = pa.array([image.asDict()], _types.IMAGE)
    else:
        images = pa.array([image], pa.string() if isinstance(image, str) else pa.binary())
    return answer(described, images)[0].as_py()


def put(folder: str, digest: str, data: Any) -> str:
    """Puts a file into a folder under its digest, as a whole or not at all; where it is."""
    path = os.path.join(folder, digest)
    if not os.path.exists(path):
        handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    return path


def put_images(store: str, columns: list[str], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Puts the encoded images of columns into the store, each once, and gives their paths in their place."""
    for batch in batches:
        arrays = dict(zip(batch.schema.names, batch.columns))
        for name in columns:
            images = (None if image is None else image.as_buffer() for image in arrays[name])
            paths = [
                None if image is None else put(store, hashlib.sha256(image).hexdigest(), image) for image in images
            ]
            arrays[name] = pa.array(paths, pa.string())
        yield pa.RecordBatch.from_pydict(arrays)


@dataclass(frozen=True)
class Fits:
    """Estimators to fit, each on all rows of a table, or on those that train for a fold, and then to be measured."""

    table: File
    #: Saved estimators, packed, and the fold that is held out.
    jobs: tuple[tuple[bytes, int | None], ...]
    evaluator: bytes | None
    #: The models' files that estimators name, where the driver has them.
    models: tuple[tuple[str, File], ...]


@lru_cache(maxsize=TABLES_MAX)
def _table(file: File) -> Any:
    # The file is looked at in place: processes on one machine share its pages.
    buffer = pa.memory_map(file.path()).read_buffer()
    if hashlib.sha256(buffer).hexdigest() != file.digest:
        raise OSError(f"{file.path()}: the file is damaged: its SHA-256 is another one")
    # One thread: Spark runs as many of these processes as there are cores.
    return Session(threads=1)._native.table_of(buffer, buffer.address, buffer.size)


#: The columns that `fit` gives.
FITTED = "id long, metric double, model binary, reason string"


def fit(fits: Fits, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The metrics or the models of the fits with the numbers in the column ``id``, or why there are none."""
    limit_threads()
    _settle()
    for batch in batches:
        for number in batch.column("id").to_pylist():
            job, fold = fits.jobs[number]
            metric, model, reason = None, None, None
            table = _table(fits.table)
            stage = with_models(unpacked(job), {path: file.path() for path, file in fits.models})
            try:
                if fold is None or fits.evaluator is None:
                    model = packed(stage.fit(table))
                else:
                    metric = stage.measure(table, fold, unpacked(fits.evaluator))
            except (ValueError, RuntimeError) as error:
                # What is wrong with a candidate would be so on any machine.
                reason = str(error)
            yield pa.RecordBatch.from_pydict(
                {
                    "id": pa.array([number], pa.int64()),
                    "metric": pa.array([metric], pa.float64()),
                    "model": pa.array([model], pa.binary()),
                    "reason": pa.array([reason], pa.string()),
                }
            )


def limit_threads() -> None:
    """Has networks train with as many threads as the task has cores; the first training of a process decides."""
    from pyspark import TaskContext

    context = TaskContext.get()
    os.environ.setdefault("RAYON_NUM_THREADS", str(1 if context is None else context.cpus()))


def model_files(stage: _emberline.Stage) -> set[str]:
    """The models' files that an estimator, or one in it, begins with."""
    if stage.kind() == "Pipeline":
        return {file for inner in stage.attribute("stages") for file in model_files(inner)}
    file = stage.params().get("modelFile")
    return set() if file is None else {file}


def with_models(stage: _emberline.Stage, places: dict[str, str]) -> _emberline.Stage:
    """The same estimator with its model's files where they are on this machine."""
    if not places:
        return stage
    if stage.kind() == "Pipeline":
        inner = [with_models(inner, places) for inner in stage.attribute("stages")]
        return _emberline.Stage.pipeline(stage.uid(), inner)
    params = stage.params()
    if params.get("modelFile") not in places:
        return stage
    return stage.with_params([*{**params, "modelFile": places[params["modelFile"]]}.items()])


def packed(stage: _emberline.Stage) -> bytes:
    """A stage's saved form as one value."""
    folder = tempfile.mkdtemp(prefix="emberline-")
    try:
        saved = Path(folder, "stage")
        stage.save(str(saved), False)
        memory = io.BytesIO()
        with tarfile.open(fileobj=memory, mode="w") as tar:
            for path in sorted(saved.rglob("*")):
                if path.is_file():
                    # Equal stages are equal bytes: neither the time nor the user is in them.
                    entry = tarfile.TarInfo(path.relative_to(saved).as_posix())
                    entry.size = path.stat().st_size
                    with path.open("rb") as file:
                        tar.addfile(entry, file)
        return memory.getvalue()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def unpacked(data: bytes) -> _emberline.Stage:
    """What `packed` gave; every file's digest is verified."""
    folder = tempfile.mkdtemp(prefix="emberline-")
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            # Files below the folder and nothing else.
            tar.extractall(folder, filter="data")
        return _emberline.Stage.load(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
