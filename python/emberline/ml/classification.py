"""Classifiers, as in ``pyspark.ml.classification``."""

from emberline.ml._stages import (
    KNearestNeighborsClassifier,
    KNearestNeighborsClassifierModel,
    LinearSVC,
    LinearSVCModel,
    LogisticRegression,
    LogisticRegressionModel,
    NaiveBayes,
    NaiveBayesModel,
    OneVsRest,
    OneVsRestModel,
)
from emberline.ml._summary import LogisticRegressionTrainingSummary

__all__ = [
    "KNearestNeighborsClassifier",
    "KNearestNeighborsClassifierModel",
    "LinearSVC",
    "LinearSVCModel",
    "LogisticRegression",
    "LogisticRegressionModel",
    "LogisticRegressionTrainingSummary",
    "NaiveBayes",
    "NaiveBayesModel",
    "OneVsRest",
    "OneVsRestModel",
]
