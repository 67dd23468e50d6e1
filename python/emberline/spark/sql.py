"""Models as functions of Spark's SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emberline._lazy import pa
from emberline.spark import _cluster, _types, _versions

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["register_function"]


def register_function(spark: SparkSession, name: str, model: Any) -> Any:
    """Makes a fitted pipeline, or another stage that takes images, a function of Spark's SQL, and returns it for use in
    expressions::

        emberline.spark.register_function(spark, "my_object_recognition_function", model)
        spark.sql("SELECT image, my_object_recognition_function(image) AS objects FROM traffic_imgs")

    It takes images as Spark's struct, as bytes (``binaryFile``'s ``content``) or as paths; the answer is null for a bad
    image, a label with its probability for a classifier. The model is one of `emberline.ml`, of this module, or a
    pipeline of ``pyspark.ml`` whose stages all are.
    """
    from emberline.spark.stages import native_of

    function = native_of(model).image_function()
    described = _cluster.describe(spark, function, None)
    answer = _types.spark_type(_cluster.answer_type(function, pa.schema([("image", _types.IMAGE)])), vectors=False)
    return spark.udf.register(name, _versions.image_function(described, answer))
