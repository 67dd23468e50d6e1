"""Choosing among settings by Spark's workers: the featurizer runs once over the images, and each fit is a task."""

from __future__ import annotations

from typing import Any

from pyspark.ml.base import Estimator
from pyspark.ml.param import Param, Params, TypeConverters

from emberline import _emberline
from emberline.ml import _stages
from emberline.ml.util import Native, settings_of, wrapped
from emberline.spark import _cluster
from emberline.spark.stages import SparkEstimator, SparkModel, _class_of, native_of, of_native

__all__ = ["CrossValidator", "CrossValidatorModel", "TrainValidationSplit", "TrainValidationSplitModel"]


def _held(name: str, doc: str) -> Param[Any]:
    return Param(Params._dummy(), name, doc, TypeConverters.identity)


class _SparkValidator(SparkEstimator):
    estimator = _held("estimator", "estimator to be tuned, or a pipeline of pyspark's with stages of Emberline's")
    estimatorParamMaps = _held("estimatorParamMaps", "the candidates")
    evaluator = _held("evaluator", "evaluator of Emberline's that says which candidate is best")
    _HELD = ("estimator", "estimatorParamMaps", "evaluator")
    # Each tuning is many tasks by itself.
    fitMultiple = Estimator.fitMultiple

    def setEstimator(self, value: Any) -> Any:
        """Sets ``estimator``."""
        return self._set(estimator=value)

    def getEstimator(self) -> Any:
        """The value of ``estimator``."""
        return self.getOrDefault("estimator")

    def setEstimatorParamMaps(self, value: list[Any]) -> Any:
        """Sets ``estimatorParamMaps``."""
        return self._set(estimatorParamMaps=value)

    def getEstimatorParamMaps(self) -> list[Any]:
        """The value of ``estimatorParamMaps``."""
        return self.getOrDefault("estimatorParamMaps")

    def setEvaluator(self, value: Any) -> Any:
        """Sets ``evaluator``."""
        return self._set(evaluator=value)

    def getEvaluator(self) -> Any:
        """The value of ``evaluator``."""
        return self.getOrDefault("evaluator")

    def copy(self, extra: Any = None) -> Any:
        """A copy, the stages in it with the values of ``extra`` that are theirs."""
        that = super().copy({param: value for param, value in (extra or {}).items() if param.parent == self.uid})
        for name in ("estimator", "evaluator"):
            if self.isSet(name):
                that._set(**{name: self.getOrDefault(name).copy(extra)})
        return that

    def _to_native(self, cluster: Any = None) -> _emberline.Stage:
        return _emberline.Stage.validator(
            self._of._kind,
            self.uid,
            [(param.name, value) for param, value in self._paramMap.items() if param.name not in self._HELD],
            native_of(self.getEstimator()),
            settings_of(self.getEstimatorParamMaps()),
            native_of(self.getEvaluator()),
            cluster=cluster,
        )

    @classmethod
    def _around(cls, native: _emberline.Stage) -> Any:
        stage = super()._around(native)
        stage._native = None
        validator = wrapped(native)
        return stage._set(
            estimator=of_native(native.attribute("estimator")),
            estimatorParamMaps=[
                {Param(param.parent, param.name, param.doc): value for param, value in candidate.items()}
                for candidate in validator.getEstimatorParamMaps()
            ],
            evaluator=of_native(native.attribute("evaluator")),
        )

    def _fit(self, dataset: Any) -> Any:
        return of_native(_cluster.tune(self._to_native, dataset))


class _SparkValidatorModel(SparkModel):
    @property
    def bestModel(self) -> Any:
        """The best candidate, fitted on all rows."""
        return of_native(self._to_native().attribute("bestModel"))


def _with(base: type[Any], of: type[Native]) -> Any:
    """A class for a kind of stage that adds its params to what `base` has."""
    own = {
        name: value
        for name, value in vars(_class_of(of)).items()
        if name == "__doc__" or not (name.startswith("__") or (hasattr(_SparkValidator, name) and name != "_of"))
    }
    return type(of.__name__, (base,), {**own, "__module__": __name__})


CrossValidator = _with(_SparkValidator, _stages.CrossValidator)
CrossValidatorModel = _with(_SparkValidatorModel, _stages.CrossValidatorModel)
TrainValidationSplit = _with(_SparkValidator, _stages.TrainValidationSplit)
TrainValidationSplitModel = _with(_SparkValidatorModel, _stages.TrainValidationSplitModel)

#: The classes of validators and of what they find, by their kinds.
MODELS = {
    "CrossValidator": CrossValidator,
    "CrossValidatorModel": CrossValidatorModel,
    "TrainValidationSplit": TrainValidationSplit,
    "TrainValidationSplitModel": TrainValidationSplitModel,
}
