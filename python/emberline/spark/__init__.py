"""Emberline on Apache Spark: the same stages over Spark's tables, by its workers.

Stages of `emberline.ml` take Spark's tables as they take Emberline's::

    featurizer = emberline.ml.DeepImageFeaturizer(inputCol="content", outputCol="features", modelName="ResNet50")
    features = featurizer.transform(spark.read.format("binaryFile").load("photos/"))

The stages of this module are the same ones as ``pyspark.ml`` wants them, for its pipelines and validators, beside its
own stages. ``register_function`` makes a model a function of Spark's SQL. docs/spark.md says what workers need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emberline.spark._cluster import set_store
    from emberline.spark.runner import EmberlineRunner, rank, size
    from emberline.spark.sql import register_function
    from emberline.spark.stages import on_spark
    from emberline.spark.tuning import CrossValidator, CrossValidatorModel, TrainValidationSplit

__all__ = [
    "CrossValidator",
    "CrossValidatorModel",
    "EmberlineRunner",
    "TrainValidationSplit",
    "TrainValidationSplitModel",
    "on_spark",
    "rank",
    "register_function",
    "set_store",
    "size",
]

#: Where names are. They are looked up when first used: workers import this module, and not `pyspark.ml`.
_PLACES = {
    "CrossValidator": "tuning",
    "CrossValidatorModel": "tuning",
    "EmberlineRunner": "runner",
    "TrainValidationSplit": "tuning",
    "TrainValidationSplitModel": "tuning",
    "on_spark": "stages",
    "rank": "runner",
    "register_function": "sql",
    "set_store": "_cluster",
    "size": "runner",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name.startswith("_"):
        raise AttributeError(f"module 'emberline.spark' has no attribute {name!r}")
    module = importlib.import_module(f"emberline.spark.{_PLACES.get(name, 'stages')}")
    if not hasattr(module, name):
        raise AttributeError(f"module 'emberline.spark' has no attribute {name!r}")
    return getattr(module, name)
