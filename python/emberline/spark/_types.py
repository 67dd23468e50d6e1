"""Columns between Spark and the extension module: a vector on one side is a list of fixed length on the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from emberline._lazy import np, pa

if TYPE_CHECKING:
    from pyspark.sql.types import DataType, StructField

#: The metadata of MLlib: labels, lengths of vectors.
ML_ATTR = "ml_attr"

#: Spark's struct of images.
IMAGE = pa.struct(
    [
        pa.field("origin", pa.string()),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("nChannels", pa.int32(), nullable=False),
        pa.field("mode", pa.int32(), nullable=False),
        pa.field("data", pa.binary(), nullable=False),
    ]
)


def from_spark(column: pa.Array, length: int | None) -> pa.Array:
    """A column as the extension module takes it: vectors, which have `length` numbers, as lists of that length."""
    if length is None:
        return column
    kinds, sizes, indices, values = column.flatten()
    nulls = column.is_null()
    is_dense = kinds.fill_null(1).to_numpy(zero_copy_only=False) == 1
    lengths = pa.compute.if_else(pa.array(is_dense), pa.compute.list_value_length(values), sizes).drop_null()
    wrong = [found for found in lengths.unique().to_pylist() if found != length]
    if wrong:
        raise ValueError(f"expected vectors of {length} numbers, found one of {wrong[0]}")
    if is_dense.all() and not nulls.true_count:
        return pa.FixedSizeListArray.from_arrays(values.flatten(), length)
    matrix = np.zeros((len(column), length))
    for row in range(len(column)):
        if nulls[row].as_py():
            continue
        numbers = values[row].values.to_numpy(zero_copy_only=False)
        if is_dense[row]:
            matrix[row] = numbers
        else:
            matrix[row, indices[row].values.to_numpy(zero_copy_only=False)] = numbers
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), length, mask=nulls)


def to_spark(column: pa.Array) -> pa.Array:
    """A column as Spark takes it: lists of a fixed length as vectors."""
    if not pa.types.is_fixed_size_list(column.type):
        return column
    rows = len(column)
    fields = [
        pa.field("type", pa.int8(), nullable=False),
        pa.field("size", pa.int32()),
        pa.field("indices", pa.list_(pa.field("element", pa.int32(), nullable=False))),
        pa.field("values", pa.list_(pa.field("element", pa.float64(), nullable=False))),
    ]
    values = _lists(column, pa.float64()).cast(fields[3].type)
    parts = [pa.repeat(pa.scalar(1, pa.int8()), rows), pa.nulls(rows, fields[1].type), pa.nulls(rows, fields[2].type)]
    return pa.StructArray.from_arrays([*parts, values], fields=fields, mask=column.is_null())


def without_vectors(column: pa.Array) -> pa.Array:
    """A column whose lists are of any length."""
    return _lists(column, column.type.value_type) if pa.types.is_fixed_size_list(column.type) else column


def _lists(column: pa.Array, item: pa.DataType) -> pa.Array:
    # Null rows have numbers all the same; as a list of any length they are empty.
    width = column.type.list_size
    lengths = np.where(column.is_valid().to_numpy(zero_copy_only=False), width, 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), column.flatten().cast(item), mask=column.is_null())


def spark_type(kind: pa.DataType, vectors: bool = True) -> DataType:
    """The type that Spark has for a column of the extension module's."""
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql.pandas.types import from_arrow_type
    from pyspark.sql.types import ArrayType, StructField, StructType

    if pa.types.is_fixed_size_list(kind) and vectors:
        return VectorUDT()
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        return ArrayType(spark_type(kind.value_type, False))
    if pa.types.is_struct(kind):
        return StructType([StructField(part.name, spark_type(part.type, False), True) for part in kind])
    return from_arrow_type(kind)


def spark_field(field: pa.Field, vectors: bool = True) -> StructField:
    """The field that Spark has for a column that the extension module makes, with MLlib's metadata."""
    from pyspark.sql.types import StructField

    metadata: dict[str, Any] = {}
    for key, value in (field.metadata or {}).items():
        if key.decode() == ML_ATTR:
            metadata[ML_ATTR] = {"name": field.name, **json.loads(value)}
    if vectors and pa.types.is_fixed_size_list(field.type):
        metadata.setdefault(ML_ATTR, {})["num_attrs"] = field.type.list_size
    return StructField(field.name, spark_type(field.type, vectors), True, metadata or None)


def vector_length(kind: pa.DataType) -> int | None:
    """How long the vectors are that the extension module has in columns of a type; none if it is no type of vectors."""
    return kind.list_size if pa.types.is_fixed_size_list(kind) else None


def width_in(field: StructField) -> int | None:
    """How long a column's vectors are, if its metadata says."""
    attributes = (field.metadata or {}).get(ML_ATTR, {})
    if "num_attrs" in attributes:
        return int(attributes["num_attrs"])
    groups = attributes.get("attrs")
    return sum(len(group) for group in groups.values()) if groups else None


def arrow_field(field: StructField, width: int | None) -> pa.Field | None:
    """The field that the extension module has for a column of Spark's; none if it has no such type."""
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql.pandas.types import to_arrow_type

    try:
        if isinstance(field.dataType, VectorUDT):
            kind = pa.list_(pa.float64(), width or 0)
        else:
            kind = to_arrow_type(field.dataType)
    except Exception:  # Spark's own class, which has moved between versions
        return None
    attributes = (field.metadata or {}).get(ML_ATTR)
    metadata = {ML_ATTR: json.dumps(attributes)} if attributes and "vals" in attributes else None
    return pa.field(field.name, kind, True, metadata)
