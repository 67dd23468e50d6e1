"""What newer versions of Spark have by themselves, for older ones: 3.5 and 4.0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyspark

from emberline._lazy import pa
from emberline.spark import _worker

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType

#: Whether Spark moves tables of Arrow between itself and the driver, and ships files alike with Connect and without.
_FROM_4_0 = int(pyspark.__version__.partition(".")[0]) >= 4


def is_remote(spark: SparkSession) -> bool:
    """Whether a session is one of Spark Connect."""
    return not hasattr(spark, "_jvm")


def context(spark: SparkSession) -> Any:
    """What MLlib's readers and writers of metadata take."""
    return spark if _FROM_4_0 else spark.sparkContext


def ship(spark: SparkSession, path: str) -> None:
    """Has all workers get a file."""
    if _FROM_4_0 or is_remote(spark):
        spark.addArtifacts(path, file=True)
    else:
        spark.sparkContext.addFile(path)


def to_arrow(df: DataFrame) -> pa.Table:
    """All rows in the driver's memory, vectors as what they consist of."""
    if _FROM_4_0:
        return df.toArrow()
    if is_remote(df.sparkSession):
        client: Any = df.sparkSession.client
        return client.to_table(df._plan.to_proto(client))[0]
    batches = df._collect_as_arrow()
    if batches:
        return pa.Table.from_batches(batches)
    from pyspark.sql.pandas.types import to_arrow_type

    kinds = (
        (field.name, getattr(field.dataType, "sqlType", lambda kind=field.dataType: kind)()) for field in df.schema
    )
    return pa.schema([(name, to_arrow_type(kind)) for name, kind in kinds]).empty_table()


def from_arrow(spark: SparkSession, table: pa.Table) -> DataFrame:
    """A small table of Spark's."""
    if _FROM_4_0:
        return spark.createDataFrame(table)
    from pyspark.sql.pandas.types import from_arrow_schema

    return spark.createDataFrame(list(zip(*table.to_pydict().values())), from_arrow_schema(table.schema))


def image_function(described: _worker.Described, answer: DataType) -> Any:
    """A described function of images as one of Spark's expressions and SQL; before 4.1 it gets them one at a time."""
    try:
        from pyspark.sql.functions import arrow_udf
    except ImportError:
        from pyspark.sql.functions import udf

        return udf(lambda image: _worker.answer_one(described, image), answer)

    def answers(images):  # type: ignore[no-untyped-def]
        return _worker.answer(described, images)

    # The types say to Spark which kind of function it is.
    answers.__annotations__ = {"images": pa.Array, "return": pa.Array}
    return arrow_udf(answers, answer)
