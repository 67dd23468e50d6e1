"""sparkdl's stages for images."""

from emberline.ml._stages import DeepImageFeaturizer, DeepImagePredictor

__all__ = ["DeepImageFeaturizer", "DeepImagePredictor"]
