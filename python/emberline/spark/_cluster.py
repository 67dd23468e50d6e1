"""From the driver: stages over Spark's tables."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emberline import _emberline, _exchange
from emberline._lazy import pa
from emberline._progress import progress
from emberline.session import Session, default_session
from emberline.spark import _types, _versions, _worker

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: A folder that all machines see, for weights and tables of tuning; without one, Spark ships them.
_store: str | None = None
#: Files on their way to Spark; by session, those that it has.
_outbox: str | None = None
_shipped: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()


def set_store(folder: str | os.PathLike[str] | None) -> None:
    """Names a folder that the driver and all workers see under one path (NFS, a volume): weights are put there once,
    under their digests, and read from there. ``None``, as at first: Spark ships them to its workers.
    """
    global _store
    _store = None if folder is None else os.path.abspath(os.fspath(folder))
    if _store is not None:
        os.makedirs(_store, exist_ok=True)


def _ship(spark: SparkSession, digest: str, data: Any) -> _worker.File:
    """Brings a file to where workers find it."""
    global _outbox
    if _store is not None:
        _worker.put(_store, digest, data)
        return _worker.File(digest, _store)
    if _outbox is None:
        _outbox = tempfile.mkdtemp(prefix="emberline-spark-")
        atexit.register(shutil.rmtree, _outbox, ignore_errors=True)
    known = _shipped.setdefault(spark, set())
    if digest not in known:
        path = _worker.put(_outbox, digest, data)
        _versions.ship(spark, path)
        known.add(digest)
    return _worker.File(digest, None)


def describe(spark: SparkSession, function: _emberline.Function, schema: pa.Schema | None) -> _worker.Described:
    """A function for workers, its weights on their way to them; of images, if it is told no columns."""
    description = function.description()
    files = tuple(
        _ship(spark, digest, pa.foreign_buffer(blob.address, len(blob), base=blob)) for digest, blob in function.blobs()
    )
    names = json.loads(description)["params"]["inputs"]
    lengths = [None if schema is None else _types.vector_length(schema.field(name).type) for name in names]
    return _worker.Described(description, files, tuple(zip(names, lengths)))


def answer_type(function: _emberline.Function, inputs: pa.Schema) -> pa.DataType:
    """The type of a function's answers for columns like these."""
    buffer = _exchange.written(inputs.empty_table().to_reader())
    return _exchange.reader(function.schema(buffer, buffer.address, buffer.size)).schema.field(0).type


def named_columns(stage: _emberline.Stage) -> set[str]:
    """All texts that params of a stage, and of those in it, have as values: the columns that it reads are among
    them.
    """
    found: set[str] = set()
    for value in stage.params().values():
        found.update([value] if isinstance(value, str) else value if isinstance(value, list) else [])
    if stage.kind() in ("Pipeline", "PipelineModel"):
        for inner in stage.attribute("stages"):
            found |= named_columns(inner)
    if stage.kind() in ("CrossValidatorModel", "TrainValidationSplitModel"):
        found |= named_columns(stage.attribute("bestModel"))
    return found | _default_columns(stage.kind())


def _default_columns(kind: str) -> set[str]:
    from emberline.ml.util import _CLASSES

    return {value for value in _CLASSES[kind]._defaults.values() if isinstance(value, str)}


def schema_of(df: DataFrame, wanted: Iterable[str] | None = None) -> pa.Schema:
    """The columns of a table as the extension module has them; those of types that it has not are left out. A column of
    vectors whose metadata does not say how long they are has its first row read.
    """
    from pyspark.ml.linalg import VectorUDT

    fields = []
    for field in df.schema.fields:
        if wanted is not None and field.name not in wanted:
            continue
        width = None
        if isinstance(field.dataType, VectorUDT):
            width = _types.width_in(field)
            if width is None:
                row = df.select(df[field.name]).where(df[field.name].isNotNull()).first()
                width = 0 if row is None else len(row[0])
        converted = _types.arrow_field(field, width)
        if converted is not None:
            fields.append(converted)
    return pa.schema(fields)


def empty_table(schema: pa.Schema) -> _emberline.Table:
    """A table of the extension module with these columns and no rows."""
    buffer = _exchange.written(schema.empty_table().to_reader())
    return default_session()._native.table_of(buffer, buffer.address, buffer.size)


def _in_store(df: DataFrame, schema: pa.Schema, images: list[str]) -> tuple[DataFrame, pa.Schema]:
    """The columns of a table, with paths in place of encoded images, which the workers put into the store."""
    from pyspark.sql.types import StringType, StructField, StructType

    fields = [StructField(f.name, StringType()) if f.name in images else f for f in df.schema.fields]
    df = df.mapInArrow(partial(_worker.put_images, _store, images), StructType(fields))
    return df, pa.schema([pa.field(f.name, pa.string()) if f.name in images else f for f in schema])


def collected(df: DataFrame, schema: pa.Schema, images: Iterable[str] | None = None) -> _emberline.Table:
    """Columns of a table of Spark's, in the driver's memory. Encoded images (all columns of bytes, if it is not
    said) stay outside where there is a store.
    """
    from pyspark.ml.linalg import VectorUDT

    df = df.select(*[df[name] for name in schema.names])
    encoded = [field.name for field in schema if pa.types.is_binary(field.type)]
    encoded = [name for name in encoded if images is None or name in images]
    if encoded and _store is not None:
        df, schema = _in_store(df, schema, encoded)
    table = _versions.to_arrow(df)
    columns = []
    for field, column in zip(schema, table.columns):
        whole = column.combine_chunks()
        if isinstance(whole, pa.ChunkedArray):
            whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], column.type)
        if isinstance(df.schema[field.name].dataType, VectorUDT):
            whole = _types.from_spark(whole, _types.vector_length(field.type))
        columns.append(whole if whole.type == field.type else whole.cast(field.type))
    table = pa.Table.from_arrays(columns, schema=schema)
    buffer = _exchange.written(table.to_reader())
    return default_session()._native.table_of(buffer, buffer.address, buffer.size)


def with_columns(
    df: DataFrame,
    function: _emberline.Function,
    schema: pa.Schema,
    wanted: list[str] | None = None,
    vectors: bool = True,
) -> tuple[DataFrame, pa.DataType]:
    """A table with the columns that a function of its columns makes; or those of its columns that are wanted."""
    from pyspark.sql.types import StructType

    described = describe(df.sparkSession, function, schema)
    made = answer_type(function, pa.schema([schema.field(name) for name, _ in described.inputs]))
    names = [field.name for field in made]
    for name in names:
        if name in df.columns:
            raise ValueError(f"output column `{name}` exists already; choose another name")
    fields = {field.name: field for field in df.schema.fields}
    fields.update({field.name: _types.spark_field(field, vectors) for field in made})
    wanted = list(fields) if wanted is None else wanted
    run = partial(_worker.add_columns, described, names, wanted, vectors)
    return df.mapInArrow(run, StructType([fields[name] for name in wanted])), made


def transform(stage: _emberline.Stage, df: DataFrame) -> DataFrame:
    """A table with a stage's columns: lazily, by the workers."""
    schema = schema_of(df, named_columns(stage))
    return with_columns(df, stage.function(empty_table(schema)), schema)[0]


def fit(stage: _emberline.Stage, df: DataFrame) -> _emberline.Stage:
    """Fits an estimator: the columns that it names come to the driver."""
    table = collected(df, schema_of(df, named_columns(stage)))
    with progress(f"Fitting {stage.uid()}", default_session()._native, stage) as tick:
        return stage.fit(table, tick)


def fit_multiple(stages: list[_emberline.Stage], df: DataFrame) -> list[_emberline.Stage]:
    """Fits estimators by the workers, a task each; the columns that they name pass through the driver."""
    named = set().union(*map(named_columns, stages))
    table = collected(df, schema_of(df, named))
    rows = _fitted(df.sparkSession, table, [(stage, None) for stage in stages])
    for row in rows:
        if row["reason"] is not None:
            raise ValueError(row["reason"])
    return [_worker.unpacked(row["model"]) for row in rows]


def _fitted(
    spark: SparkSession,
    table: _emberline.Table,
    jobs: Sequence[tuple[_emberline.Stage, int | None]],
    evaluator: _emberline.Stage | None = None,
) -> list[Any]:
    """What a task for each fit gives."""
    if not jobs:
        return []
    stream = table.collect()
    data = pa.foreign_buffer(stream.address, len(stream), base=stream)
    file = _ship(spark, hashlib.sha256(data).hexdigest(), data)
    paths = sorted(set().union(*(_worker.model_files(stage) for stage, _ in jobs)))
    models = {path: Path(path).read_bytes() for path in paths}
    shipped = [(path, _ship(spark, hashlib.sha256(model).hexdigest(), model)) for path, model in models.items()]
    work = tuple((_worker.packed(stage), fold) for stage, fold in jobs)
    fits = _worker.Fits(file, work, evaluator and _worker.packed(evaluator), tuple(shipped))
    tasks = spark.range(0, len(jobs), 1, len(jobs))
    return sorted(tasks.mapInArrow(partial(_worker.fit, fits), _worker.FITTED).collect(), key=lambda row: row["id"])


def evaluate(stage: _emberline.Stage, df: DataFrame) -> float:
    """A metric: the columns that the evaluator names come to the driver."""
    return stage.evaluate(collected(df, schema_of(df, named_columns(stage))))


def tune(make: Any, df: DataFrame) -> _emberline.Stage:
    """Tunes by the workers; `make` gives a validator that has its work done by the cluster it is given."""
    schema = schema_of(df)
    validator = make(Cluster(df, schema))
    with progress(f"Fitting {validator.uid()}", default_session()._native, validator) as tick:
        return validator.fit(empty_table(schema), tick)


class Cluster:
    """Spark, as tuning has its work done."""

    def __init__(self, df: DataFrame, schema: pa.Schema) -> None:
        self._df, self._schema = df, schema
        self._session: Session = default_session()

    def table(self, function: _emberline.Function | None, columns: list[str]) -> _emberline.Table:
        """The shared stages' columns of all rows, in the driver's memory; images stay where they are."""
        known = {field.name: field for field in self._schema}
        if function is None:
            return collected(self._df, pa.schema([known[name] for name in columns]))
        df, made = with_columns(self._df, function, self._schema, columns, vectors=False)
        known.update({field.name: field for field in made})
        return collected(df, pa.schema([known[name] for name in columns]), self._schema.names)

    def measure(
        self, table: _emberline.Table, jobs: list[tuple[_emberline.Stage, int]], evaluator: _emberline.Stage
    ) -> list[tuple[float | None, str | None]]:
        """A task for each fit."""
        return [(row["metric"], row["reason"]) for row in _fitted(self._df.sparkSession, table, jobs, evaluator)]
