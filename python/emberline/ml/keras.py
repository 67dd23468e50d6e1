"""Keras' networks as stages: as they are, and trained."""

from emberline.ml._stages import (
    KerasEstimator,
    KerasImageFileEstimator,
    KerasImageFileModel,
    KerasImageFileTransformer,
    KerasModel,
    KerasTransformer,
)

__all__ = [
    "KerasEstimator",
    "KerasImageFileEstimator",
    "KerasImageFileModel",
    "KerasImageFileTransformer",
    "KerasModel",
    "KerasTransformer",
]
