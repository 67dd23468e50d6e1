"""The featurizer as scikit-learn has transformers: pictures in, a matrix out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

import emberline
from emberline.ml import feature

__all__ = ["DeepImageFeaturizer"]


class DeepImageFeaturizer(TransformerMixin, BaseEstimator):
    """Features of pictures by a pretrained network; it learns nothing. Pictures are paths, or files' bytes.

    In a pipeline: ``make_pipeline(DeepImageFeaturizer("EfficientNetLite0"), LogisticRegression())``.
    """

    def __init__(
        self, modelName: str = "EfficientNetLite0", layer: str | None = None, pooling: str = "avg", batchSize: int = 1
    ) -> None:
        self.modelName = modelName
        self.layer = layer
        self.pooling = pooling
        self.batchSize = batchSize

    def fit(self, X: Any, y: Any = None) -> DeepImageFeaturizer:
        """Learns nothing."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, X: Sequence[str | os.PathLike[str] | bytes]) -> np.ndarray:
        """A row of features for each picture. ``ValueError`` says which picture can't be read, and why."""
        pictures = [picture if isinstance(picture, bytes) else os.fspath(picture) for picture in np.asarray(X, object)]
        stage = feature.DeepImageFeaturizer(
            inputCol="image",
            outputCol="features",
            errorCol="reason",
            modelName=self.modelName,
            layer=self.layer,
            pooling=self.pooling,
            batchSize=self.batchSize,
        )
        table = stage.transform(emberline.createDataFrame({"image": pictures})).select("features", "reason").cache()
        reasons = table.to_numpy("reason")
        bad = next((i for i, reason in enumerate(reasons) if reason is not None), None)
        if bad is not None:
            name = pictures[bad] if isinstance(pictures[bad], str) else f"picture {bad}"
            raise ValueError(f"{name}: {reasons[bad]}")
        return table.to_numpy("features")
