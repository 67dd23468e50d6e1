"""Deep-learning pipelines over tables of images.

>>> import emberline
>>> from emberline.ml import Pipeline
>>> from emberline.ml.classification import LogisticRegression
>>> from emberline.ml.feature import DeepImageFeaturizer
>>> featurizer = DeepImageFeaturizer(inputCol="image", outputCol="features", modelName="EfficientNetLite0")
>>> pipeline = Pipeline(stages=[featurizer, LogisticRegression(labelCol="label")])
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any

from emberline import _emberline
from emberline._progress import set_progress
from emberline.column import Column, col, expr, lit
from emberline.dataframe import DataFrame
from emberline.kept import FeatureCache, Ledger, set_feature_cache
from emberline.network import Network
from emberline.row import Row
from emberline.session import Session, default_session

__version__ = _emberline.version()

__all__ = [
    "Column",
    "DataFrame",
    "FeatureCache",
    "Ledger",
    "Network",
    "Row",
    "Session",
    "__version__",
    "col",
    "createDataFrame",
    "default_session",
    "expr",
    "lit",
    "networks",
    "readImages",
    "read_images",
    "read_parquet",
    "register_function",
    "set_feature_cache",
    "set_progress",
    "sql",
]


# ONNX Runtime, from 1.29 on, gathers what it runs and sends it to its makers unless this says no before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def _find_onnxruntime() -> None:
    """Tells where the installed ``onnxruntime`` has its library; the package is not imported."""
    found = importlib.util.find_spec("onnxruntime")
    for folder in (found and found.submodule_search_locations) or ():
        _emberline.look_for_onnxruntime_in(str(Path(folder) / "capi"))


_find_onnxruntime()


def read_images(path: str | os.PathLike[str], **options: Any) -> DataFrame:
    """`Session.read_images` of the default session."""
    return default_session().read_images(path, **options)


def readImages(imageDirectory: str | os.PathLike[str], numPartition: int | None = None, **options: Any) -> DataFrame:
    """`read_images` under sparkdl's name; ``numPartition`` changes nothing."""
    return default_session().readImages(imageDirectory, numPartition, **options)


def read_parquet(path: str | os.PathLike[str]) -> DataFrame:
    """`Session.read_parquet` of the default session."""
    return default_session().read_parquet(path)


def createDataFrame(data: Any, schema: list[str] | None = None) -> DataFrame:
    """`Session.createDataFrame` of the default session."""
    return default_session().createDataFrame(data, schema)


def sql(query: str) -> DataFrame:
    """`Session.sql` of the default session."""
    return default_session().sql(query)


def register_function(name: str, model: Any) -> None:
    """`Session.register_function` of the default session."""
    default_session().register_function(name, model)


def __getattr__(name: str) -> Any:
    if name == "ml":
        return importlib.import_module("emberline.ml")
    raise AttributeError(f"module 'emberline' has no attribute {name!r}")


def networks() -> list[str]:
    """The names that ``modelName`` takes; `Network` tells what one consists of.

    >>> import emberline
    >>> "EfficientNetLite0" in emberline.networks()
    True
    """
    return _emberline.networks()
