"""MLlib's pipelines over tables of images, with the names of ``pyspark.ml`` and ``sparkdl``."""

from emberline.ml.base import Estimator, Evaluator, Model, Transformer
from emberline.ml.feature import (
    KerasImageFileTransformer,
    KerasTransformer,
    OnnxTransformer,
    TFImageTransformer,
    TFTransformer,
)
from emberline.ml.image import DeepImageFeaturizer, DeepImagePredictor
from emberline.ml.keras import KerasEstimator, KerasImageFileEstimator, KerasImageFileModel, KerasModel
from emberline.ml.pipeline import Pipeline, PipelineModel
from emberline.ml.util import load

__all__ = [
    "DeepImageFeaturizer",
    "DeepImagePredictor",
    "Estimator",
    "Evaluator",
    "KerasEstimator",
    "KerasImageFileEstimator",
    "KerasImageFileModel",
    "KerasImageFileTransformer",
    "KerasModel",
    "KerasTransformer",
    "Model",
    "OnnxTransformer",
    "Pipeline",
    "PipelineModel",
    "TFImageTransformer",
    "TFTransformer",
    "Transformer",
    "load",
]
