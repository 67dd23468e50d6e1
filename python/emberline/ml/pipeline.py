"""Stages in sequence, as in ``pyspark.ml.pipeline``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emberline import _emberline
from emberline._exchange import is_spark
from emberline.ml.base import Estimator, Transformer
from emberline.ml.param import Param, ParamMap, TypeConverters
from emberline.ml.util import Native, NativeEstimator, NativeModel, all_native, keyword_only, wrapped

if TYPE_CHECKING:
    from typing_extensions import Self

    from emberline.dataframe import DataFrame

__all__ = ["Pipeline", "PipelineModel"]


def _natives(uid: str, stages: list[Any]) -> list[_emberline.Stage]:
    foreign = [stage.uid for stage in stages if not isinstance(stage, Native)]
    if foreign:
        raise TypeError(
            f"{uid}: {', '.join(foreign)} is written in Python: only Emberline's own stages can be saved or tuned"
        )
    return [stage._to_native() for stage in stages]


class Pipeline(NativeEstimator):
    """Stages in sequence: fitting fits each estimator on what the stages before it give.

    >>> from emberline.ml.feature import StringIndexer
    >>> pipeline = Pipeline(stages=[StringIndexer(inputCol="label", outputCol="index")])
    >>> model = pipeline.fit({"label": ["cat", "dog", "dog"]})
    >>> [row.index for row in model.transform({"label": ["dog", "cat"]}).collect()]
    [0.0, 1.0]
    """

    _kind = "Pipeline"
    # On Spark, its stages are fitted one after the other, each where it belongs.
    fitMultiple = Estimator.fitMultiple
    stages: Param[list[Any]] = Param("undefined", "stages", "a list of pipeline stages", TypeConverters.toList)

    @keyword_only
    def __init__(self, *, stages: list[Any] | None = None) -> None:
        super().__init__()
        self._set_given()

    @keyword_only
    def setParams(self, *, stages: list[Any] | None = None) -> Self:
        """Sets what is given."""
        return self._set_given()

    def setStages(self, value: list[Any]) -> Self:
        """Sets ``stages``."""
        return self._set(stages=value)

    def getStages(self) -> list[Any]:
        """The value of ``stages``."""
        return self.getOrDefault("stages")

    def _stages(self) -> list[Any]:
        return self.getStages() if self.isDefined("stages") else []

    def copy(self, extra: ParamMap | None = None) -> Self:
        """A copy, its stages with the values of ``extra`` that are theirs."""
        that = super().copy({param: value for param, value in (extra or {}).items() if param.parent == self.uid})
        return that._set(stages=[stage.copy(extra) for stage in that._stages()])

    def _take(self, native: _emberline.Stage) -> None:
        self._set(stages=wrapped(native.attribute("stages")))

    def _is_native(self) -> bool:
        return all_native(self._stages())

    def _to_native(self) -> _emberline.Stage:
        return _emberline.Stage.pipeline(self.uid, _natives(self.uid, self._stages()))

    def _fit(self, dataset: DataFrame) -> PipelineModel:
        stages = self.getStages()
        for stage in stages:
            if not isinstance(stage, (Estimator, Transformer)):
                raise TypeError(f"Cannot recognize a pipeline stage of type {type(stage)}.")
        if stages and all_native(stages) and not is_spark(dataset):
            return super()._fit(dataset)
        last = max((i for i, stage in enumerate(stages) if isinstance(stage, Estimator)), default=-1)
        fitted: list[Any] = []
        for i, stage in enumerate(stages):
            model = stage.fit(dataset) if isinstance(stage, Estimator) else stage
            if i < last:
                dataset = model.transform(dataset)
            fitted.append(model)
        return PipelineModel(fitted)._resetUid(self.uid)


class PipelineModel(NativeModel):
    """A fitted `Pipeline`, or stages that need no fitting."""

    _kind = "PipelineModel"

    def __init__(self, stages: list[Any]) -> None:
        self._start()
        #: The stages in order.
        self.stages = list(stages)

    def _stages(self) -> list[Any]:
        return self.stages

    def copy(self, extra: ParamMap | None = None) -> PipelineModel:
        """A copy, its stages with the values of ``extra`` that are theirs."""
        return PipelineModel([stage.copy(extra) for stage in self.stages])._resetUid(self.uid)

    def _take(self, native: _emberline.Stage) -> None:
        self.stages = wrapped(native.attribute("stages"))

    def _is_native(self) -> bool:
        return all_native(self.stages)

    def _to_native(self) -> _emberline.Stage:
        return _emberline.Stage.pipeline_model(self.uid, _natives(self.uid, self.stages))

    def _transform(self, dataset: DataFrame) -> DataFrame:
        if self.stages and all_native(self.stages):
            return super()._transform(dataset)
        for stage in self.stages:
            dataset = stage.transform(dataset)
        return dataset
