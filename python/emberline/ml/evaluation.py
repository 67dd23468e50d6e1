"""Evaluators, as in ``pyspark.ml.evaluation``."""

from emberline.ml._stages import (
    BinaryClassificationEvaluator,
    ClusteringEvaluator,
    MulticlassClassificationEvaluator,
    RegressionEvaluator,
)
from emberline.ml.base import Evaluator

__all__ = [
    "BinaryClassificationEvaluator",
    "ClusteringEvaluator",
    "Evaluator",
    "MulticlassClassificationEvaluator",
    "RegressionEvaluator",
]
