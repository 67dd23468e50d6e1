"""How training went: values by name, with the names of ``pyspark.ml``."""

from __future__ import annotations

from typing import Any

__all__ = ["LogisticRegressionTrainingSummary", "Summary"]


class Summary:
    """Values by name: ``summary.objectiveHistory``."""

    def __init__(self, values: dict[str, Any], metrics: Any = None) -> None:
        self._values = values
        self._metrics = metrics

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._values:
            return self._values[name]
        if self._metrics is not None:
            return getattr(self._metrics, name)
        raise AttributeError(f"no {name}; there are {', '.join(self._values)}")

    def __dir__(self) -> list[str]:
        metrics = [name for name in dir(self._metrics) if not name.startswith("_")] if self._metrics is not None else []
        return [*super().__dir__(), *self._values, *metrics]

    def _repr_html_(self) -> str:
        """The values for a notebook."""
        from emberline._html import pairs_html
        from emberline.dataframe import _told

        return pairs_html([(name, _told(value)) for name, value in self._values.items()])

    def __repr__(self) -> str:
        return f"Summary({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"


class LogisticRegressionTrainingSummary(Summary):
    """How a logistic regression was trained, and its metrics over the rows it learned from.

    ``accuracy``, ``weightedRecall``, ``precisionByLabel``, ``fMeasureByLabel(beta)``, and for two classes ``roc``,
    ``areaUnderROC``, ``pr``, ...
    """


def summary_of(values: Any) -> Any:
    """The summary of what the extension module tells."""
    return LogisticRegressionTrainingSummary(*values) if isinstance(values, tuple) else Summary(values)
