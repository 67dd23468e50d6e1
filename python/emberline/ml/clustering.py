"""Clusters, as in ``pyspark.ml.clustering``."""

from emberline.ml._stages import KMeans, KMeansModel

__all__ = ["KMeans", "KMeansModel"]
