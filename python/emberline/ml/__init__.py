"""MLlib's pipelines over tables of images, with the names of ``pyspark.ml`` and ``sparkdl``."""

from emberline.ml.base import Estimator, Evaluator, Model, Transformer
from emberline.ml.image import DeepImageFeaturizer, DeepImagePredictor
from emberline.ml.pipeline import Pipeline, PipelineModel
from emberline.ml.util import load

__all__ = [
    "DeepImageFeaturizer",
    "DeepImagePredictor",
    "Estimator",
    "Evaluator",
    "Model",
    "Pipeline",
    "PipelineModel",
    "Transformer",
    "load",
]
