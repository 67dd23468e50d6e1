"""Transformers, estimators, models and evaluators, as in ``pyspark.ml.base``; any may be written in Python."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from emberline.ml.param import ParamMap, Params

if TYPE_CHECKING:
    from emberline.dataframe import DataFrame

__all__ = ["Estimator", "Evaluator", "Model", "Transformer"]

M = TypeVar("M", bound="Transformer")


def as_table(dataset: Any) -> Any:
    """What other libraries have as tables, as a table of the default session. Anything else goes on as it is: stages in
    Python may take what they like.
    """
    from emberline._exchange import is_table
    from emberline.dataframe import DataFrame
    from emberline.session import default_session

    is_foreign = is_table(dataset) and not isinstance(dataset, DataFrame)
    return default_session().createDataFrame(dataset) if is_foreign else dataset


def _with(stage: Any, params: ParamMap | None) -> Any:
    if params is None or params == {}:
        return stage
    if not isinstance(params, dict):
        raise TypeError(f"Params must be a param map but got {type(params)}.")
    return stage.copy(params)


class Transformer(Params, ABC):
    """A stage that adds columns. In Python: a class with ``_transform``."""

    def transform(self, dataset: Any, params: ParamMap | None = None) -> DataFrame:
        """The table with this stage's columns, lazily."""
        return _with(self, params)._transform(as_table(dataset))

    @abstractmethod
    def _transform(self, dataset: DataFrame) -> DataFrame:
        """The table with this stage's columns."""


class Model(Transformer, ABC):
    """What fitting gives."""


class Estimator(Params, ABC, Generic[M]):
    """A stage that learns. In Python: a class with ``_fit``."""

    def fit(self, dataset: Any, params: ParamMap | Sequence[ParamMap] | None = None) -> Any:
        """Learns from a table; with several param maps, a list of models."""
        dataset = as_table(dataset)
        if isinstance(params, (list, tuple)):
            return [model for _, model in sorted(self.fitMultiple(dataset, params), key=lambda fitted: fitted[0])]
        if params is not None and not isinstance(params, dict):
            raise TypeError(f"Params must be either a param map or a list/tuple of param maps, but got {type(params)}.")
        return _with(self, params)._fit(dataset)

    def fitMultiple(self, dataset: Any, paramMaps: Sequence[ParamMap]) -> Iterator[tuple[int, M]]:
        """Models for param maps, with their numbers, as threads ask for them."""
        return _Fits(self.copy(), as_table(dataset), list(paramMaps))

    @abstractmethod
    def _fit(self, dataset: DataFrame) -> M:
        """Learns from a table."""


class _Fits(Iterator[Any]):
    """Fits one model for each call of ``next``, whichever thread makes it."""

    def __init__(self, estimator: Estimator[Any], dataset: DataFrame, maps: list[ParamMap]) -> None:
        self._estimator, self._dataset, self._maps = estimator, dataset, maps
        self._numbers = iter(range(len(maps)))
        self._lock = threading.Lock()

    def __next__(self) -> tuple[int, Any]:
        with self._lock:
            number = next(self._numbers)
        return number, self._estimator.fit(self._dataset, self._maps[number])


class Evaluator(Params, ABC):
    """Measures how good predictions are. In Python: a class with ``_evaluate``."""

    def evaluate(self, dataset: Any, params: ParamMap | None = None) -> float:
        """The metric over all rows."""
        return _with(self, params)._evaluate(as_table(dataset))

    @abstractmethod
    def _evaluate(self, dataset: DataFrame) -> float:
        """The metric over all rows."""

    def isLargerBetter(self) -> bool:
        """Whether a larger metric is a better one."""
        return True
