"""Tables: lazy queries, with the names of ``pyspark.sql.DataFrame``."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emberline import _exchange
from emberline._lazy import np, pa
from emberline._progress import progress
from emberline.column import Column, Descending, col, quoted
from emberline.row import Row

if TYPE_CHECKING:
    import pandas

    from emberline._emberline import Table
    from emberline.session import Session

__all__ = ["DataFrame", "DataFrameWriter"]

#: The fields of Spark's image struct.
_IMAGE_FIELDS = {"origin", "height", "width", "nChannels", "mode", "data"}


def is_image(kind: pa.DataType) -> bool:
    """Whether a column of this type holds decoded images."""
    return pa.types.is_struct(kind) and {field.name for field in kind} == _IMAGE_FIELDS


class DataFrame:
    """A table. Nothing is read, decoded or computed before rows are asked for.

    >>> import emberline
    >>> df = emberline.createDataFrame({"label": ["cat", "dog", "cat"], "width": [64, 32, 16]})
    >>> df.filter("width > 20").select("label").collect()
    [Row(label='cat'), Row(label='dog')]

    It is an Arrow stream for whoever takes one: ``polars.DataFrame(df)``, ``pyarrow.table(df)``, ``duckdb``.
    """

    def __init__(self, table: Table, session: Session) -> None:
        self._table = table
        self._session = session

    def _of(self, table: Table) -> DataFrame:
        return DataFrame(table, self._session)

    # What it is

    @property
    def sparkSession(self) -> Session:
        """The session it belongs to."""
        return self._session

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self._table.columns()

    @property
    def schema(self) -> pa.Schema:
        """The columns, their types and metadata."""
        return _exchange.reader(self._table.schema()).schema

    @property
    def dtypes(self) -> list[tuple[str, str]]:
        """The names and types of the columns."""
        return [(field.name, "image" if is_image(field.type) else str(field.type)) for field in self.schema]

    def printSchema(self) -> None:
        """Prints the columns."""
        print("root\n" + "".join(f" |-- {name}: {kind}\n" for name, kind in self.dtypes))

    def explain(self) -> None:
        """Prints the plan."""
        print(self._table.plan())

    def __repr__(self) -> str:
        return f"DataFrame[{', '.join(f'{name}: {kind}' for name, kind in self.dtypes)}]"

    def __getitem__(self, name: str) -> Column:
        if name not in self.columns:
            raise KeyError(f"no column {name}; there are {', '.join(self.columns)}")
        return col(name)

    def __getattr__(self, name: str) -> Column:
        if name.startswith("_") or "_table" not in vars(self) or name not in self.columns:
            raise AttributeError(f"a DataFrame has no {name}, neither as a method nor as a column")
        return col(name)

    # What makes other tables of it

    def select(self, *columns: str | Column | Sequence[str | Column]) -> DataFrame:
        """Some columns: names (of fields in structs, too: ``"image.height"``), ``"*"``, expressions."""
        if len(columns) == 1 and isinstance(columns[0], (list, tuple)):
            columns = tuple(columns[0])
        expressions: list[str] = []
        for column in columns:
            if column == "*" if isinstance(column, str) else False:
                expressions += map(quoted, self.columns)
            else:
                expressions.append(self._named(column))
        return self._of(self._table.select(expressions))

    def _expression(self, column: str | Column) -> str:
        if isinstance(column, Column):
            return column._sql
        first, _, rest = column.partition(".")
        known = self.columns
        if column not in known and rest and first in known:
            return quoted(first) + "".join(f"['{field}']" for field in rest.split("."))
        return quoted(column)

    def _named(self, column: str | Column) -> str:
        if isinstance(column, Column):
            return column._sql + (f" AS {quoted(column._name)}" if column._name else "")
        sql = self._expression(column)
        return sql if sql == quoted(column) else f"{sql} AS {quoted(column.rpartition('.')[2])}"

    def selectExpr(self, *expressions: str) -> DataFrame:
        """Some columns, as SQL: ``"width * height AS pixels"``."""
        return self._of(self._table.select(list(expressions)))

    def filter(self, condition: str | Column) -> DataFrame:
        """The rows where a condition holds: SQL or an expression."""
        return self._of(self._table.filter(condition._sql if isinstance(condition, Column) else condition))

    where = filter

    def withColumn(self, name: str, column: Column) -> DataFrame:
        """With one more column, or another one under a name that is there."""
        if not isinstance(column, Column):
            raise TypeError(
                f"withColumn({name!r}): expected a Column (col, lit, expr), found a {type(column).__name__}"
            )
        return self._of(self._table.with_column(name, column._sql))

    def withColumnRenamed(self, existing: str, new: str) -> DataFrame:
        """With another name for a column."""
        names = (quoted(name) + (f" AS {quoted(new)}" if name == existing else "") for name in self.columns)
        return self._of(self._table.select(list(names)))

    def drop(self, *columns: str) -> DataFrame:
        """Without some columns; names that are not there change nothing."""
        return self._of(self._table.drop_columns(list(columns)))

    def limit(self, num: int) -> DataFrame:
        """At most so many rows; which ones is only certain of a sorted table (see `take`)."""
        return self._of(self._table.limit(num))

    def orderBy(self, *columns: str | Column, ascending: bool | Sequence[bool] = True) -> DataFrame:
        """In order of some columns, nulls first where it ascends."""
        ways = [ascending] * len(columns) if isinstance(ascending, bool) else list(ascending)
        by = [
            (self._expression(column), way and not isinstance(column, Descending))
            for column, way in zip(columns, ways, strict=True)
        ]
        return self._of(self._table.sort(by))

    sort = orderBy

    def union(self, other: DataFrame) -> DataFrame:
        """The rows of both; columns go by their places."""
        return self._of(self._table.union(other._table))

    def distinct(self) -> DataFrame:
        """Each row once."""
        return self._of(self._table.distinct())

    def cache(self) -> DataFrame:
        """The same rows, computed now and kept in memory."""
        with self._progress("Reading") as tick:
            return self._of(self._table.cache(tick))

    def randomSplit(self, weights: Sequence[float], seed: int = 0, stratify: str | None = None) -> list[DataFrame]:
        """The rows in parts of these shares, dealt by a hash of row and seed; with ``stratify``, the same shares of
        each value of that column. The rows are read once, into memory.

        >>> import emberline
        >>> train, test = emberline.createDataFrame({"x": list(range(10))}).randomSplit([0.8, 0.2], seed=1)
        >>> train.count(), test.count()
        (8, 2)
        """
        if not weights or any(not (math.isfinite(weight) and weight >= 0) for weight in weights) or not sum(weights):
            raise ValueError(f"weights: expected shares of at least 0 that are not all 0, found {list(weights)}")
        parts, rest, left = [], self._table, float(sum(weights))
        for weight in weights[:-1]:
            with self._progress("Reading") as tick:
                rest, part = rest.split(weight / left if left else 0.0, seed, stratify, tick)
            parts.append(self._of(part))
            left -= weight
        return [*parts, self._of(rest)]

    def createOrReplaceTempView(self, name: str) -> None:
        """Gives the table a name in SQL."""
        self._session._native.register_table(name, self._table)

    # What asks for rows

    def _progress(self, what: str) -> Any:
        return progress(what, self._session._native)

    def count(self) -> int:
        """The number of rows."""
        with self._progress("Counting") as tick:
            return self._table.count(tick)

    def to_arrow(self) -> pa.Table:
        """All rows as a ``pyarrow.Table``, in the same order each time."""
        with self._progress("Reading") as tick:
            return _exchange.reader(self._table.collect(tick)).read_all()

    toArrow = to_arrow

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def iter_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as they come, in no certain order unless the table is sorted; memory does not grow with them."""
        batches = self._table.stream()
        with self._progress("Reading") as tick:
            while (chunk := batches.next(tick)) is not None:
                yield from _exchange.reader(chunk)

    def to_numpy(self, column: str) -> np.ndarray:
        """A column; one of vectors as a matrix, a row each (of NaN where there is no vector).

        >>> import emberline, numpy
        >>> emberline.createDataFrame({"v": numpy.eye(2)}).to_numpy("v")
        array([[1., 0.],
               [0., 1.]])
        """
        kind = self.schema.field(column).type
        if not pa.types.is_fixed_size_list(kind):
            return self.select(column).to_arrow().column(0).to_numpy()
        with self._progress("Reading") as tick:
            data, rows, width, dtype = self._table.matrix(column, tick)
        if rows == 0:
            return np.empty((0, kind.list_size), kind.value_type.to_pandas_dtype())
        buffer = pa.foreign_buffer(data.address, len(data), base=data)
        return np.frombuffer(buffer, dtype).reshape(rows, width)

    def toPandas(self) -> pandas.DataFrame:
        """All rows as a ``pandas.DataFrame``."""
        return self.to_arrow().to_pandas()

    def collect(self) -> list[Row]:
        """All rows. Images are rows of Spark's fields, vectors are NumPy arrays."""
        return _collected(self.to_arrow())

    def _first(self, num: int) -> pa.Table:
        with self._progress("Reading") as tick:
            return _exchange.reader(self._table.first(num, tick)).read_all()

    def take(self, num: int) -> list[Row]:
        """The first rows, the same each time."""
        return _collected(self._first(num))

    def first(self) -> Row | None:
        """The first row, if there is one."""
        return next(iter(self.take(1)), None)

    def head(self, n: int | None = None) -> Any:
        """The first row, or a list of the first ``n``."""
        return self.first() if n is None else self.take(n)

    def show(self, n: int = 20, truncate: bool | int = True) -> None:
        """Prints the first rows. Texts are cut to 20 characters, or to ``truncate``; images are told by size."""
        width = 20 if truncate is True else int(truncate)
        table = self._first(n + 1)
        more = table.num_rows > n
        table = table.slice(0, n)
        cells = [[name, *map(_told, _values(table.column(i)))] for i, name in enumerate(table.column_names)]
        cells = [
            [cell if not width or len(cell) <= width else cell[: width - 3] + "..." for cell in column]
            for column in cells
        ]
        widths = [max(map(len, column)) for column in cells]
        rule = "+" + "+".join("-" * width for width in widths) + "+"
        rows = ["|" + "|".join(cell.rjust(width) for cell, width in zip(row, widths)) + "|" for row in zip(*cells)]
        print("\n".join([rule, rows[0], rule, *rows[1:], rule]) if rows else "")
        if more:
            print(f"only showing top {n} rows")

    def _repr_html_(self) -> str:
        """The first rows for a notebook, images as thumbnails."""
        from emberline._html import table_html

        return table_html(self)

    @property
    def write(self) -> DataFrameWriter:
        """Writes the table: ``df.write.mode("overwrite").parquet("features.parquet")``."""
        return DataFrameWriter(self)


def _collected(table: pa.Table) -> list[Row]:
    names = tuple(table.column_names)
    columns = [_values(column) for column in table.columns]
    return [Row._of(names, values) for values in zip(*columns)] if columns else []


def _values(column: pa.ChunkedArray) -> list[Any]:
    kind = column.type
    if pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type):
        return [
            None if value is None else np.asarray(value, kind.value_type.to_pandas_dtype())
            for value in column.to_pylist()
        ]
    return [_rows_of(value) for value in column.to_pylist()]


def _rows_of(value: Any) -> Any:
    """Structs as rows, however deep."""
    if isinstance(value, dict):
        return Row._of(tuple(value), tuple(map(_rows_of, value.values())))
    return [_rows_of(item) for item in value] if isinstance(value, list) else value


def _told(value: Any) -> str:
    """A value for a person."""
    if value is None:
        return "NULL"
    if isinstance(value, Row) and set(value._fields) == _IMAGE_FIELDS:
        return f"{value['width']}x{value['height']}x{value['nChannels']}"
    if isinstance(value, Row):
        return "{" + ", ".join(map(_told, value)) + "}"
    if isinstance(value, np.ndarray) and len(value) > 8:
        return f"[{len(value)} numbers]"
    if isinstance(value, (list, np.ndarray)):
        return "[" + ", ".join(map(_told, value)) + "]"
    if isinstance(value, (bytes, bytearray)):
        return f"[{len(value)} bytes]"
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)


class DataFrameWriter:
    """Writes a table."""

    def __init__(self, df: DataFrame) -> None:
        self._df = df
        self._mode = "error"

    def mode(self, saveMode: str) -> DataFrameWriter:
        """What happens where something is: ``"error"``, ``"overwrite"`` or ``"ignore"``."""
        modes = {"error": "error", "errorifexists": "error", "overwrite": "overwrite", "ignore": "ignore"}
        if saveMode not in modes:
            raise ValueError(f"mode: expected one of {', '.join(modes)}, found {saveMode}")
        self._mode = modes[saveMode]
        return self

    def parquet(self, path: str | os.PathLike[str], mode: str | None = None) -> None:
        """Writes a Parquet file, which appears when it is complete. Rows are written as they come."""
        if mode is not None:
            self.mode(mode)
        path = Path(path)
        if path.exists() and self._mode != "overwrite":
            if self._mode == "ignore":
                return
            raise FileExistsError(f'{path}: it exists already; choose another name, or mode("overwrite")')
        with self._df._progress("Writing") as tick:
            self._df._table.write_parquet(path, self._mode == "overwrite", tick)
