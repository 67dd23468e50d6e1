"""Arrow between Python and the extension module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from emberline._lazy import np, pa

if TYPE_CHECKING:
    from emberline._emberline import Bytes


def reader(stream: Bytes) -> pa.RecordBatchReader:
    """What the extension module wrote, in place."""
    return pa.ipc.open_stream(pa.foreign_buffer(stream.address, len(stream), base=stream))


def written(batches: pa.RecordBatchReader) -> pa.Buffer:
    """Batches for the extension module."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


def matrices_apart(table: pa.Table) -> tuple[pa.Table, list[tuple[int, pa.Array, int, int, int, bool]]]:
    """A table with nulls in place of its columns that are matrices in memory, and these: place, what holds the numbers,
    where they are, rows, numbers per row, whether they are doubles.
    """
    matrices = []
    for place, field in enumerate(table.schema):
        column = table.column(place)
        kind = field.type
        if column.num_chunks != 1 or not pa.types.is_fixed_size_list(kind) or column.null_count:
            continue
        numbers = column.chunk(0).flatten()
        if kind.value_type not in (pa.float32(), pa.float64()) or numbers.null_count or not len(numbers):
            continue
        size = kind.value_type.bit_width // 8
        address = numbers.buffers()[1].address + numbers.offset * size
        matrices.append((place, numbers, address, table.num_rows, kind.list_size, size == 8))
        table = table.set_column(place, field.with_type(pa.null()).with_nullable(True), pa.nulls(table.num_rows))
    return table, matrices


def is_table(data: Any) -> bool:
    """Whether it is what `table_of` takes, and no table of Spark's, whose rows are elsewhere."""
    is_known = isinstance(data, (dict, list)) or _is_pandas(data) or hasattr(data, "__arrow_c_stream__")
    return is_known and not is_spark(data)


def is_spark(data: Any) -> bool:
    """Whether it is a table of Spark's, of the JVM's or of Connect's."""
    return type(data).__module__.startswith("pyspark.sql.") and hasattr(data, "mapInArrow")


def _is_pandas(data: Any) -> bool:
    return hasattr(data, "iloc") and hasattr(data, "columns")


def table_of(data: Any, names: list[str] | None = None) -> pa.Table:
    """Anything that is a table: what has ``__arrow_c_stream__``, a dict of columns, rows."""
    if _is_pandas(data):
        # A pandas stream would have its index as a column.
        table = pa.Table.from_pandas(data, preserve_index=False)
    elif hasattr(data, "__arrow_c_stream__"):
        table = pa.RecordBatchReader.from_stream(data).read_all()
    elif isinstance(data, dict):
        table = pa.table({str(name): array_of(values) for name, values in data.items()})
    else:
        table = _of_rows(list(data), names)
    if names and table.column_names != list(names):
        table = table.rename_columns(list(names))
    for place, field in enumerate(table.schema):
        column = table.column(place)
        as_vectors = _as_vectors(column)
        if as_vectors is not column:
            table = table.set_column(place, field.name, as_vectors)
    return table


def _of_rows(rows: list[Any], names: list[str] | None) -> pa.Table:
    if not rows:
        raise ValueError("a table of no rows: give a pyarrow.Table, which says the types of its columns")
    first = rows[0]
    if isinstance(first, dict):
        known = list(first)
        return pa.table({name: array_of([row.get(name) for row in rows]) for name in known})
    known = list(names or getattr(first, "_fields", ()) or (f"_{i + 1}" for i in range(len(first))))
    wrong = next((row for row in rows if len(row) != len(known)), None)
    if wrong is not None:
        raise ValueError(f"expected rows of {len(known)} values ({', '.join(known)}), found one of {len(wrong)}")
    return pa.table({name: array_of([row[i] for row in rows]) for i, name in enumerate(known)})


def array_of(values: Any) -> pa.Array | pa.ChunkedArray:
    """A column of values. NumPy matrices, and lists of vectors, are columns of vectors; a matrix is not copied."""
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    if isinstance(values, np.ndarray) and values.ndim == 2:
        if values.dtype not in (np.float32, np.float64):
            values = values.astype(np.float64)
        flat = pa.array(np.ascontiguousarray(values).reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    if isinstance(values, np.ndarray) and values.ndim > 2:
        raise ValueError(f"expected a column of numbers or a matrix of vectors, found shape {values.shape}")
    values = list(values) if isinstance(values, Iterable) and not isinstance(values, np.ndarray) else values
    if isinstance(values, list):
        values = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
    return pa.array(values)


def _as_vectors(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists of numbers that all have one length, as vectors; other columns as they are."""
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not is_list or not pa.types.is_floating(kind.value_type):
        return column
    import pyarrow.compute as compute

    lengths = set(compute.list_value_length(column).drop_null().unique().to_pylist())
    if len(lengths) != 1:
        return column
    item = pa.float32() if kind.value_type == pa.float32() else pa.float64()
    return column.cast(pa.list_(item, lengths.pop()))
