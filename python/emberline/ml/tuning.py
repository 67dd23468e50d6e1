"""Choosing among settings, as in ``pyspark.ml.tuning``."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from emberline.ml._stages import (
    CrossValidator,
    CrossValidatorModel,
    TrainValidationSplit,
    TrainValidationSplitModel,
)
from emberline.ml.param import Param, ParamMap, combinations

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "CrossValidator",
    "CrossValidatorModel",
    "ParamGridBuilder",
    "ParamRandomBuilder",
    "TrainValidationSplit",
    "TrainValidationSplitModel",
]


class ParamGridBuilder:
    """All combinations of values of params; the param added last varies fastest.

    >>> from emberline.ml.classification import LogisticRegression
    >>> lr = LogisticRegression()
    >>> grid = ParamGridBuilder().addGrid(lr.regParam, [0.1, 1]).addGrid(lr.maxIter, [5, 10]).build()
    >>> [(candidate[lr.regParam], candidate[lr.maxIter]) for candidate in grid]
    [(0.1, 5), (0.1, 10), (1.0, 5), (1.0, 10)]
    """

    def __init__(self) -> None:
        self._param_grid: dict[Param[Any], list[Any]] = {}

    def addGrid(self, param: Param[Any], values: Iterable[Any]) -> Self:
        """Tries these values, in place of those added before."""
        if not isinstance(param, Param):
            raise TypeError(f"param must be an instance of Param, found a {type(param).__name__}")
        self._param_grid[param] = list(values)
        return self

    def baseOn(self, *args: Any) -> Self:
        """Gives params the same values in every combination: a dict, or pairs of param and value."""
        if args and isinstance(args[0], dict):
            args = tuple(args[0].items())
        for param, value in args:
            self.addGrid(param, [value])
        return self

    def build(self) -> list[ParamMap]:
        """The combinations."""
        return combinations(self._param_grid)


class ParamRandomBuilder(ParamGridBuilder):
    """Random values of params: with many params, fewer candidates find more than a grid's.

    The values depend on ``seed`` alone.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self._random = random.Random(seed)

    def _drawn(self, param: Param[Any], x: float, y: float, n: int, draw: Any) -> Self:
        if type(x) is not type(y):
            raise TypeError(f"both ends must be of one type, found {type(x).__name__} and {type(y).__name__}")
        return self.addGrid(param, [draw() for _ in range(n)])

    def addRandom(self, param: Param[Any], x: float, y: float, n: int) -> Self:
        """Tries ``n`` values from ``x`` to ``y``: whole ones where both are."""
        draw = self._random.randint if isinstance(x, int) and isinstance(y, int) else self._random.uniform
        return self._drawn(param, x, y, n, lambda: draw(x, y))  # type: ignore[arg-type]

    def addLog10Random(self, param: Param[Any], x: float, y: float, n: int) -> Self:
        """Tries ``n`` values from ``x`` to ``y``, both above 0, whose logarithms are spread evenly."""
        if not (x > 0 and y > 0):
            raise ValueError(f"both ends must be above 0, found {x} and {y}")
        low, high = math.log10(x), math.log10(y)
        whole = isinstance(x, int) and isinstance(y, int)

        def draw() -> float:
            value = 10 ** self._random.uniform(low, high)
            return round(value) if whole else value

        return self._drawn(param, x, y, n, draw)
