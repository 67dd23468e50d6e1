"""Sessions: where tables and functions have names and queries run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from emberline import _emberline, _exchange
from emberline.dataframe import DataFrame

if TYPE_CHECKING:
    from emberline.ml.base import Transformer

__all__ = ["Session", "default_session"]

_default: Session | None = None


def default_session() -> Session:
    """The session of the functions of the package, made when first asked for."""
    global _default
    if _default is None:
        _default = Session()
    return _default


class Session:
    """Named tables and functions, and the queries over them.

    >>> import emberline
    >>> session = emberline.Session()
    >>> session.sql("SELECT 1 + 1 AS two").collect()
    [Row(two=2)]
    """

    def __init__(self, threads: int | None = None) -> None:
        """``threads`` compute; as many as the machine has cores, by default."""
        self._native = _emberline.Session(threads)

    def read_images(
        self,
        path: str | os.PathLike[str],
        *,
        label: str | None = None,
        recursive: bool = True,
        glob: str | None = None,
        sampleRatio: float = 1.0,
        seed: int = 0,
        dropInvalid: bool = False,
    ) -> DataFrame:
        """A folder of images (or a file, a pattern, an address such as ``s3://...``) as a table, one row per file.

        Columns: ``image`` (Spark's struct, null where a file can't be decoded), ``origin``, ``width``, ``height``, one
        for each ``key=value`` folder, ``label`` if asked for, and ``image_error``, which says why an image is null.

        ``label="folder"`` labels each image with the name of the folder it is in, directly below ``path``.
        """
        if label not in (None, "folder"):
            raise ValueError(
                f"label: expected None or 'folder', found {label!r}; `key=value` folders are columns anyway"
            )
        table = self._native.read_images(
            os.fspath(path), recursive, glob, label == "folder", float(sampleRatio), int(seed), dropInvalid
        )
        return DataFrame(table, self)

    def readImages(
        self, imageDirectory: str | os.PathLike[str], numPartition: int | None = None, **options: Any
    ) -> DataFrame:
        """`read_images` under sparkdl's name. ``numPartition`` changes nothing: tables have a partition per core."""
        return self.read_images(imageDirectory, **options)

    def read_parquet(self, path: str | os.PathLike[str]) -> DataFrame:
        """A Parquet file as a table."""
        path = os.fspath(path)
        if not os.path.exists(path):
            raise FileNotFoundError(f"{path}: no such file or folder")
        return DataFrame(self._native.read_parquet(path), self)

    def createDataFrame(self, data: Any, schema: list[str] | None = None) -> DataFrame:
        """A table of what Python has: anything with ``__arrow_c_stream__`` (PyArrow, Polars, pandas, DuckDB, Hugging
        Face datasets), a dict of columns, NumPy matrices among them, or rows with the names of their columns. A matrix
        is not copied: do not change it while the table is used.

        >>> import emberline
        >>> emberline.createDataFrame([("a", 1.0), ("b", 2.0)], ["name", "value"]).collect()
        [Row(name='a', value=1.0), Row(name='b', value=2.0)]
        """
        if isinstance(data, DataFrame):
            return data
        table, matrices = _exchange.matrices_apart(_exchange.table_of(data, schema))
        buffer = _exchange.written(table.to_reader())
        return DataFrame(self._native.table_of(buffer, buffer.address, buffer.size, matrices), self)

    def table(self, name: str) -> DataFrame:
        """A table by its name."""
        return self.sql(f"SELECT * FROM {name}")

    def register_table(self, name: str, data: Any) -> None:
        """Gives a table, or what `createDataFrame` takes, a name in SQL."""
        self.createDataFrame(data).createOrReplaceTempView(name)

    def register_function(self, name: str, model: Transformer) -> None:
        """Makes a fitted pipeline, or another stage that takes images, a function of SQL: null for a bad image, a label
        with its probability for a classifier.
        """
        self._native.register_function(name, model._to_native())

    def deregister_function(self, name: str) -> bool:
        """Takes a function's name away; false if it had none."""
        return self._native.deregister_function(name)

    def sql(self, query: str) -> DataFrame:
        """A query; of several statements, the last one's answer.

        ``CREATE EXTERNAL TABLE t STORED AS IMAGES LOCATION 'photos/'``, ``SELECT * FROM read_images('photos/')`` and
        ``CREATE FUNCTION f(image) LANGUAGE EMBERLINE AS 'model.ember'`` are statements, too.
        """
        return DataFrame(self._native.sql(query), self)

    def report(self) -> dict[str, Any]:
        """What happened to rows so far: ``read``, ``evaluated``, ``failed``, ``reasons`` and ``samples``."""
        return self._native.report()

    def __repr__(self) -> str:
        return "Session()"
