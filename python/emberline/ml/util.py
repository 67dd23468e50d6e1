"""Saving and loading, as in ``pyspark.ml.util``; and what stages that the extension module computes have in common."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from emberline import _emberline
from emberline._exchange import is_spark
from emberline._progress import progress
from emberline.ml.base import Estimator, Evaluator, Model, Transformer
from emberline.ml.param import Param, ParamMap, Params

if TYPE_CHECKING:
    from emberline.dataframe import DataFrame

__all__ = ["MLReader", "MLWriter", "load"]

F = TypeVar("F", bound=Callable[..., Any])

#: The classes by their kinds.
_CLASSES: dict[str, type[Native]] = {}


def keyword_only(method: F) -> F:
    """Remembers which arguments were given, so that what was not has its default."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args:
            raise TypeError(f"Method {method.__name__} forces keyword arguments.")
        self._input_kwargs = kwargs
        return method(self, **kwargs)

    return wrapper  # type: ignore[return-value]


class MLWriter:
    """Saves a stage."""

    def __init__(self, stage: Native) -> None:
        self._stage = stage
        self._overwrite = False
        self._options: dict[str, str] = {}

    def overwrite(self) -> MLWriter:
        """Replaces what is there."""
        self._overwrite = True
        return self

    def option(self, key: str, value: Any) -> MLWriter:
        """Sets an option, whose name may be written in upper and lower case. There is one, of the models of
        `CrossValidator` and `TrainValidationSplit`: ``persistSubModels``, whether what ``collectSubModels`` kept is
        saved, too (``"true"``, where it was kept) or not (``"false"``).
        """
        self._options[key.lower()] = str(value)
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Saves the stage as a folder, which appears whole or not at all."""
        self._stage._to_save(self._options).save(os.fspath(path), self._overwrite)


class MLReader:
    """Loads a stage."""

    def __init__(self, of: type[Any]) -> None:
        self._of = of

    def load(self, path: str | os.PathLike[str]) -> Any:
        """Loads a saved stage of the reader's class; every file's digest is verified."""
        stage = load(path)
        if not isinstance(stage, self._of):
            raise TypeError(f"{os.fspath(path)}: expected a saved {self._of.__name__}, found a {type(stage).__name__}")
        return stage


def load(path: str | os.PathLike[str]) -> Any:
    """Loads a saved stage of any class."""
    return wrapped(_emberline.Stage.load(os.fspath(path)))


def wrapped(native: Any) -> Any:
    """The stage of Python around one of the extension module; lists of them likewise."""
    if isinstance(native, list):
        return [wrapped(one) for one in native]
    if not isinstance(native, _emberline.Stage):
        return native
    of = _CLASSES[native.kind()]
    stage = of.__new__(of)
    stage._start()
    stage._resetUid(native.uid())
    stage._set(**native.params())
    stage._take(native)
    return stage


def _check(stage: Params, dataset: Any) -> None:
    from emberline.dataframe import DataFrame

    if not isinstance(dataset, DataFrame):
        raise TypeError(f"{stage.uid}: expected a table (see createDataFrame), found a {type(dataset).__name__}")


class Native(Params):
    """A stage that the extension module computes: its params are here, what it learned is there."""

    _kind: ClassVar[str]
    #: What params are where they are not set.
    _defaults: ClassVar[dict[str, Any]] = {}
    #: What is added to the uid where they are not set.
    _defaults_from_uid: ClassVar[dict[str, str]] = {}
    _input_kwargs: dict[str, Any]
    #: What was learned or loaded.
    _native: _emberline.Stage | None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "_kind" in cls.__dict__:
            _CLASSES[cls._kind] = cls

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        Params.__init__(self)
        self._native = None
        self._setDefault(**self._defaults)
        self._name_defaults()

    def _name_defaults(self) -> None:
        self._setDefault(**{name: self.uid + suffix for name, suffix in self._defaults_from_uid.items()})

    def _resetUid(self, uid: str) -> Any:
        super()._resetUid(uid)
        self._name_defaults()
        return self

    def _set_given(self) -> Any:
        return self._set(**{name: value for name, value in self._input_kwargs.items() if value is not None})

    def _take(self, native: _emberline.Stage) -> None:
        """Keeps what params do not say."""
        self._native = native

    def _values(self) -> list[tuple[str, Any]]:
        return [(param.name, value) for param, value in self._paramMap.items() if value is not None]

    def _to_native(self) -> _emberline.Stage:
        """The stage of the extension module, with the params as they are now."""
        if self._native is None:
            return _emberline.Stage.make(self._kind, self.uid, self._values())
        return self._native.with_params(self._values())

    def _is_native(self) -> bool:
        """Whether the extension module knows all of it: nothing in it is written in Python."""
        return True

    def _attribute(self, name: str) -> Any:
        if self._native is None:
            raise AttributeError(f"{self.uid} has no {name} yet")
        return wrapped(self._native.attribute(name))

    def _to_save(self, options: dict[str, str]) -> _emberline.Stage:
        """What a writer with these options saves."""
        for name in options:
            raise ValueError(f"{self.uid}: a {type(self).__name__} is saved without options, found `{name}`")
        return self._to_native()

    def write(self) -> MLWriter:
        """Saves the stage: ``stage.write().overwrite().save(path)``."""
        return MLWriter(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Saves the stage as a folder; ``FileExistsError`` where something is."""
        self.write().save(path)

    @classmethod
    def read(cls) -> MLReader:
        """Loads a stage of this class."""
        return MLReader(cls)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Any:
        """Loads a saved stage of this class."""
        return cls.read().load(path)


class NativeTransformer(Native, Transformer):
    """A transformer of the extension module."""

    def _transform(self, dataset: DataFrame) -> DataFrame:
        if is_spark(dataset):
            from emberline.spark import _cluster

            return _cluster.transform(self._to_native(), dataset)
        _check(self, dataset)
        return dataset._of(self._to_native().transform(dataset._table))


class NativeModel(NativeTransformer, Model):
    """A model of the extension module; fitting and loading make them."""

    def __init__(self) -> None:
        raise TypeError(f"a {type(self).__name__} is what fitting gives, or loading")


class NativeEstimator(Native, Estimator[Any]):
    """An estimator of the extension module."""

    def fitMultiple(self, dataset: Any, paramMaps: Sequence[ParamMap]) -> Iterator[tuple[int, Any]]:
        """Models for param maps, with their numbers; on Spark a task for each, elsewhere as threads ask for them."""
        if not is_spark(dataset):
            return super().fitMultiple(dataset, paramMaps)
        from emberline.spark import _cluster

        stages = [self.copy(params)._to_native() for params in paramMaps]
        return enumerate(wrapped(_cluster.fit_multiple(stages, dataset)))

    def _fit(self, dataset: DataFrame) -> Any:
        if is_spark(dataset):
            from emberline.spark import _cluster

            return wrapped(_cluster.fit(self._to_native(), dataset))
        _check(self, dataset)
        native = self._to_native()
        with progress(f"Fitting {self.uid}", dataset.sparkSession._native, native) as tick:
            return wrapped(native.fit(dataset._table, tick))


class NativeEvaluator(Native, Evaluator):
    """An evaluator of the extension module."""

    def _evaluate(self, dataset: DataFrame) -> float:
        if is_spark(dataset):
            from emberline.spark import _cluster

            return _cluster.evaluate(self._to_native(), dataset)
        _check(self, dataset)
        with progress(f"Evaluating {self.uid}", dataset.sparkSession._native) as tick:
            return self._to_native().evaluate(dataset._table, tick)

    def isLargerBetter(self) -> bool:
        """Whether a larger metric is a better one."""
        return self._to_native().is_larger_better()


def all_native(stages: list[Any]) -> bool:
    """Whether the extension module knows all of these stages."""
    return all(isinstance(stage, Native) and stage._is_native() for stage in stages)


def settings_of(maps: list[dict[Param[Any], Any]]) -> list[list[tuple[str, str, Any]]]:
    """Param maps for the extension module."""
    return [[(param.parent, param.name, param.typeConverter(value)) for param, value in one.items()] for one in maps]
