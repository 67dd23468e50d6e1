"""Stages that hold other stages: what their classes have beyond the tables of params."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emberline import _emberline
from emberline._exchange import is_spark
from emberline._lazy import np
from emberline.ml.base import Estimator, Evaluator
from emberline.ml.param import Param, ParamMap, Params, TypeConverters
from emberline.ml.util import Native, NativeEstimator, NativeModel, all_native, settings_of, wrapped

if TYPE_CHECKING:
    from typing_extensions import Self

    from emberline.dataframe import DataFrame
    from emberline.kept import Ledger


def native_of(uid: str, param: str, stage: Any) -> _emberline.Stage:
    """A stage that a param holds, for the extension module."""
    if not isinstance(stage, Native):
        kind = type(stage).__name__
        raise TypeError(f"{uid}: parameter `{param}`: expected a stage of Emberline's own, found a {kind}")
    return stage._to_native()


class _Holder(NativeEstimator):
    #: The params that hold stages, or what belongs to them.
    _held: tuple[str, ...] = ()

    def _own_values(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in self._values() if name not in self._held]

    def _stage(self, name: str) -> Any:
        if not self.isSet(name):
            raise ValueError(f"{self.uid}: parameter `{name}`: expected a value, found none")
        return self.getOrDefault(name)

    def _is_native(self) -> bool:
        held = (self._paramMap.get(self.getParam(name)) for name in self._held)
        return all_native([stage for stage in held if isinstance(stage, (Estimator, Evaluator))])

    def copy(self, extra: ParamMap | None = None) -> Self:
        """A copy, the stages in it with the values of ``extra`` that are theirs."""
        that = super().copy({param: value for param, value in (extra or {}).items() if param.parent == self.uid})
        for name in self._held:
            stage = that._paramMap.get(that.getParam(name))
            if isinstance(stage, (Estimator, Evaluator)):
                that._set(**{name: stage.copy(extra)})
        return that


def _identity(name: str, doc: str) -> Param[Any]:
    return Param("undefined", name, doc, TypeConverters.identity)


class OneVsRestBase(_Holder):
    """What `OneVsRest` holds: a classifier of two classes."""

    classifier: Param[Any] = _identity("classifier", "the classifier of two classes")
    _held = ("classifier",)

    def setClassifier(self, value: Estimator[Any]) -> Self:
        """Sets ``classifier``."""
        return self._set(classifier=value)

    def getClassifier(self) -> Estimator[Any]:
        """The value of ``classifier``."""
        return self.getOrDefault("classifier")

    def _take(self, native: _emberline.Stage) -> None:
        self._set(classifier=wrapped(native.attribute("classifier")))

    def _to_native(self) -> _emberline.Stage:
        classifier = native_of(self.uid, "classifier", self._stage("classifier"))
        return _emberline.Stage.one_vs_rest(self.uid, self._own_values(), classifier)


class Validator(_Holder):
    """What validators hold: an estimator, candidates, an evaluator."""

    estimator: Param[Any] = _identity("estimator", "estimator to be cross-validated")
    estimatorParamMaps: Param[Any] = _identity("estimatorParamMaps", "estimator param maps")
    evaluator: Param[Any] = _identity("evaluator", "evaluator used to select hyper-parameters that maximize the metric")
    _held = ("estimator", "estimatorParamMaps", "evaluator")
    _ledger: Ledger | None = None
    # Each tuning is many tasks by itself.
    fitMultiple = Estimator.fitMultiple

    def setLedger(self, value: Ledger | None) -> Self:
        """Takes finished trials from a ledger instead of repeating them, and adds new ones to it. It is no param,
        and not saved.
        """
        self._ledger = value
        return self

    def getLedger(self) -> Ledger | None:
        """The ledger of finished trials."""
        return self._ledger

    def setEstimator(self, value: Estimator[Any]) -> Self:
        """Sets ``estimator``."""
        return self._set(estimator=value)

    def getEstimator(self) -> Estimator[Any]:
        """The value of ``estimator``."""
        return self.getOrDefault("estimator")

    def setEstimatorParamMaps(self, value: list[ParamMap]) -> Self:
        """Sets ``estimatorParamMaps``."""
        return self._set(estimatorParamMaps=value)

    def getEstimatorParamMaps(self) -> list[ParamMap]:
        """The value of ``estimatorParamMaps``."""
        return self.getOrDefault("estimatorParamMaps")

    def setEvaluator(self, value: Evaluator) -> Self:
        """Sets ``evaluator``."""
        return self._set(evaluator=value)

    def getEvaluator(self) -> Evaluator:
        """The value of ``evaluator``."""
        return self.getOrDefault("evaluator")

    def _take(self, native: _emberline.Stage) -> None:
        estimator = wrapped(native.attribute("estimator"))
        known = {(param.parent, param.name): param for param in _params_in(estimator)}
        maps = [
            {known.get((parent, name)) or Param(parent, name, ""): value for parent, name, value in candidate}
            for candidate in native.candidates()
        ]
        self._set(estimator=estimator, estimatorParamMaps=maps, evaluator=wrapped(native.attribute("evaluator")))

    def _is_native(self) -> bool:
        """Candidates whose values are stages, such as classifiers to choose among, are Python's."""
        maps = self._paramMap.get(self.estimatorParamMaps) or []
        return super()._is_native() and not any(_holds_stages(value) for one in maps for value in one.values())

    def _to_native(self, cluster: Any = None) -> _emberline.Stage:
        return _emberline.Stage.validator(
            self._kind,
            self.uid,
            self._own_values(),
            native_of(self.uid, "estimator", self._stage("estimator")),
            settings_of(self._stage("estimatorParamMaps")),
            native_of(self.uid, "evaluator", self._stage("evaluator")),
            self._ledger and self._ledger._native,
            cluster,
        )

    def _fit(self, dataset: Any) -> Any:
        if not self._is_native():
            model = self._fit_in_python(dataset)
        elif is_spark(dataset):
            from emberline.spark import _cluster

            model = wrapped(_cluster.tune(self._to_native, dataset))
        else:
            model = super()._fit(dataset)
        model._tuned = self.copy()
        return model

    def _splits(self, dataset: DataFrame) -> list[tuple[DataFrame, DataFrame]]:
        """What trains and what validates."""
        if self.hasParam("trainRatio"):
            share = self.getOrDefault("trainRatio")
            train, validation = dataset.randomSplit([share, 1 - share], self.getOrDefault("seed"))
            return [(train, validation)]
        count = self.getOrDefault("numFolds")
        folds = dataset.randomSplit([1.0] * count, self.getOrDefault("seed"))
        splits = []
        for held_out in range(count):
            train, *others = (fold for i, fold in enumerate(folds) if i != held_out)
            for other in others:
                train = train.union(other)
            splits.append((train, folds[held_out]))
        return splits

    def _fit_in_python(self, dataset: DataFrame) -> ValidatorModel:
        """MLlib's plain way, for stages that are written in Python: nothing is shared between folds and candidates."""
        for name in ("foldCol", "groupCol", "halvingFactor"):
            if self.hasParam(name) and self.isSet(name):
                raise TypeError(f"{self.uid}: parameter `{name}`: not with stages that are written in Python")
        estimator, evaluator = self._stage("estimator"), self._stage("evaluator")
        maps = self._stage("estimatorParamMaps")
        models = [(validation, estimator.fit(train, maps)) for train, validation in self._splits(dataset)]
        metrics = np.array(
            [
                [evaluator.evaluate(model.transform(validation, m)) for model, m in zip(fold, maps)]
                for validation, fold in models
            ]
        )
        mean = metrics.mean(axis=0)
        best = int(mean.argmax() if evaluator.isLargerBetter() else mean.argmin())
        found: dict[str, Any] = {
            "bestModel": estimator.fit(dataset, maps[best]),
            "bestIndex": best,
            "errors": [None] * len(maps),
        }
        sub_models = [fold for _, fold in models] if self.getOrDefault("collectSubModels") else None
        if self.hasParam("trainRatio"):
            found.update(validationMetrics=mean.tolist(), subModels=sub_models and sub_models[0])
        else:
            found.update(avgMetrics=mean.tolist(), stdMetrics=metrics.std(axis=0).tolist(), subModels=sub_models)
        return self._model_class._of_python(self, found)

    @property
    def _model_class(self) -> type[ValidatorModel]:
        from emberline.ml import tuning

        return getattr(tuning, f"{self._kind}Model")


def _holds_stages(value: Any) -> bool:
    return isinstance(value, Params) or (isinstance(value, list) and any(map(_holds_stages, value)))


def _params_in(stage: Any) -> list[Param[Any]]:
    """The params of a stage and of those in it."""
    inner = list(stage._stages()) if hasattr(stage, "_stages") else []
    inner += [
        stage.getOrDefault(name) for name in ("classifier", "estimator") if stage.hasParam(name) and stage.isSet(name)
    ]
    return [*stage.params, *(param for one in inner for param in _params_in(one))]


class ValidatorModel(NativeModel):
    """What a validator found. The validator is kept until the model is saved."""

    _tuned: Validator | None = None
    #: What tuning in Python found.
    _found: dict[str, Any] | None = None

    @classmethod
    def _of_python(cls, validator: Validator, found: dict[str, Any]) -> Self:
        model = cls.__new__(cls)
        model._start()
        model._resetUid(validator.uid)
        validator._copyValues(model)
        model._found = found
        return model

    def _is_native(self) -> bool:
        return self._found is None

    def _attribute(self, name: str) -> Any:
        return super()._attribute(name) if self._found is None else self._found[name]

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return super()._transform(dataset) if self._found is None else self._found["bestModel"].transform(dataset)

    def _to_native(self) -> _emberline.Stage:
        if self._found is not None:
            raise TypeError(f"{self.uid}: its stages are written in Python: only Emberline's own can be saved")
        return super()._to_native()

    def _to_save(self, options: dict[str, str]) -> _emberline.Stage:
        others = dict(options)
        persist = others.pop("persistsubmodels", None)
        native = super()._to_save(others)
        if persist is None:
            return native
        if persist.lower() not in ("true", "false"):
            raise ValueError(f"{self.uid}: option `persistSubModels`: expected true or false, found {persist}")
        return native.persist_sub_models(persist.lower() == "true")

    def _validator(self) -> Validator:
        if self._tuned is None:
            raise RuntimeError(f"{self.uid} was loaded: the candidates are not saved with the models")
        return self._tuned

    def getEstimator(self) -> Estimator[Any]:
        """The estimator that was tuned."""
        return self._validator().getEstimator()

    def getEstimatorParamMaps(self) -> list[ParamMap]:
        """The candidates."""
        return self._validator().getEstimatorParamMaps()

    def getEvaluator(self) -> Evaluator:
        """How candidates were measured."""
        return self._validator().getEvaluator()
