"""Regression, as in ``pyspark.ml.regression``."""

from emberline.ml._stages import LinearRegression, LinearRegressionModel

__all__ = ["LinearRegression", "LinearRegressionModel"]
