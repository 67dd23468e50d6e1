"""Params, as in ``pyspark.ml.param``: what a stage may be told, declared, set, explained and searched over."""

from __future__ import annotations

import atexit
import copy
import itertools
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from emberline._lazy import np

if TYPE_CHECKING:
    from typing_extensions import Self


__all__ = ["Param", "Params", "TypeConverters"]

T = TypeVar("T")


class Param(Generic[T]):
    """A param of one stage. Two are equal if their stage's uid and their names are.

    >>> from emberline.ml.classification import LogisticRegression
    >>> lr = LogisticRegression(regParam=0.1)
    >>> lr.regParam.name, lr.getOrDefault(lr.regParam)
    ('regParam', 0.1)
    """

    def __init__(
        self, parent: Params | str, name: str, doc: str, typeConverter: Callable[[Any], T] | None = None
    ) -> None:
        self.parent = parent if isinstance(parent, str) else parent.uid
        self.name = str(name)
        self.doc = str(doc)
        self.typeConverter: Callable[[Any], Any] = typeConverter or TypeConverters.identity

    def _copy_new_parent(self, parent: Params) -> Param[T]:
        if self.parent != "undefined":
            raise ValueError(f"Cannot copy from non-dummy parent {self.parent}.")
        param = copy.copy(self)
        param.parent = parent.uid
        return param

    def __str__(self) -> str:
        return f"{self.parent}__{self.name}"

    def __repr__(self) -> str:
        return f"Param(parent={self.parent!r}, name={self.name!r}, doc={self.doc!r})"

    def __hash__(self) -> int:
        return hash(str(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Param) and (self.parent, self.name) == (other.parent, other.name)


class TypeConverters:
    """From what a user gives to a param's type; ``TypeError`` where there is no way that loses nothing."""

    @staticmethod
    def _is_numeric(value: Any) -> bool:
        # Python's own first, for which NumPy is not imported.
        if isinstance(value, (int, float)):
            return not isinstance(value, bool)
        return isinstance(value, (np.integer, np.floating))

    @staticmethod
    def _is_integer(value: Any) -> bool:
        return TypeConverters._is_numeric(value) and float(value).is_integer()

    @staticmethod
    def identity(value: T) -> T:
        """The value as it is."""
        return value

    @staticmethod
    def toList(value: Any) -> list[Any]:
        """A list of a list, tuple, range or array."""
        if hasattr(value, "tolist"):
            return list(value.tolist())
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            return list(value)
        raise TypeError(f"Could not convert {value} to list")

    @staticmethod
    def toListFloat(value: Any) -> list[float]:
        """Numbers."""
        values = TypeConverters.toList(value)
        if all(map(TypeConverters._is_numeric, values)):
            return [float(v) for v in values]
        raise TypeError(f"Could not convert {value} to list of floats")

    @staticmethod
    def toListInt(value: Any) -> list[int]:
        """Whole numbers."""
        values = TypeConverters.toList(value)
        if all(map(TypeConverters._is_integer, values)):
            return [int(v) for v in values]
        raise TypeError(f"Could not convert {value} to list of ints")

    @staticmethod
    def toListString(value: Any) -> list[str]:
        """Texts."""
        values = TypeConverters.toList(value)
        if all(isinstance(v, str) for v in values):
            return [str(v) for v in values]
        raise TypeError(f"Could not convert {value} to list of strings")

    @staticmethod
    def toFloat(value: Any) -> float:
        """A number."""
        if TypeConverters._is_numeric(value):
            return float(value)
        raise TypeError(f"Could not convert {value} to float")

    @staticmethod
    def toInt(value: Any) -> int:
        """A whole number."""
        if TypeConverters._is_integer(value):
            return int(value)
        raise TypeError(f"Could not convert {value} to int")

    @staticmethod
    def toString(value: Any) -> str:
        """A text."""
        if isinstance(value, str):
            return str(value)
        raise TypeError(f"Could not convert {type(value)} to string type")

    @staticmethod
    def toJson(value: Any) -> dict[str, Any] | str:
        """A name, or a configuration: a dict, JSON, or an object of Keras that has one."""
        if isinstance(value, str):
            return json.loads(value) if value.lstrip().startswith("{") else str(value)
        if hasattr(value, "get_config") and "keras" in sys.modules:
            value = sys.modules["keras"].saving.serialize_keras_object(value)
        if isinstance(value, dict):
            return json.loads(json.dumps(value))
        raise TypeError(f"Could not convert {type(value)} to a name or a dict")

    @staticmethod
    def toModelFile(value: Any) -> str:
        """A file of Keras. A live model is saved to one that is there until Python ends."""
        if hasattr(value, "get_config") and hasattr(value, "save"):
            folder = tempfile.mkdtemp(prefix="emberline-keras-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            file = os.path.join(folder, "model.keras")
            value.save(file)
            return file
        return TypeConverters.toString(os.fspath(value) if isinstance(value, os.PathLike) else value)

    @staticmethod
    def toBoolean(value: Any) -> bool:
        """True or false."""
        if isinstance(value, bool) or isinstance(value, np.bool_):
            return bool(value)
        raise TypeError(f"Boolean Param requires value of type bool. Found {type(value)}.")


ParamMap = dict[Param[Any], Any]


class Params:
    """Something with a uid and params."""

    #: What the uid starts with.
    _kind: str | None = None

    def __init__(self) -> None:
        #: The name of the stage, kept by copies and by saving.
        self.uid: str = f"{self._kind or type(self).__name__}_{secrets.token_hex(6)}"
        self._paramMap: ParamMap = {}
        self._defaultParamMap: ParamMap = {}
        self._own_params()

    @staticmethod
    def _dummy() -> Params:
        """What params belong to that no stage has yet."""
        dummy = Params()
        dummy.uid = "undefined"
        return dummy

    def _own_params(self) -> None:
        """Makes params of this object of those that its class declares."""
        for name in dir(type(self)):
            declared = getattr(type(self), name, None)
            if isinstance(declared, Param):
                setattr(self, name, declared._copy_new_parent(self))

    def _resetUid(self, uid: str) -> Self:
        """Takes another uid, params included."""
        old_set, old_default = self._paramMap, self._defaultParamMap
        self.uid = str(uid)
        self._paramMap, self._defaultParamMap = {}, {}
        self._own_params()
        for param, value in old_set.items():
            self._paramMap[self.getParam(param.name)] = value
        for param, value in old_default.items():
            self._defaultParamMap[self.getParam(param.name)] = value
        return self

    @property
    def params(self) -> list[Param[Any]]:
        """The params, by name."""
        found = (value for value in vars(self).values() if isinstance(value, Param))
        return sorted(found, key=lambda param: param.name)

    def hasParam(self, paramName: str) -> bool:
        """Whether there is a param of that name."""
        if not isinstance(paramName, str):
            raise TypeError("hasParam(): paramName must be a string")
        return isinstance(vars(self).get(paramName), Param)

    def getParam(self, paramName: str) -> Param[Any]:
        """The param of that name."""
        param = vars(self).get(paramName)
        if isinstance(param, Param):
            return param
        known = ", ".join(param.name for param in self.params)
        raise AttributeError(f"Cannot find param with name {paramName}; {self.uid} has {known}.")

    def _shouldOwn(self, param: Param[Any]) -> None:
        if not (self.uid == param.parent and self.hasParam(param.name)):
            raise ValueError(f"Param {param!r} does not belong to {self!r}.")

    def _resolveParam(self, param: str | Param[Any]) -> Param[Any]:
        if isinstance(param, Param):
            self._shouldOwn(param)
            return param
        if isinstance(param, str):
            return self.getParam(param)
        raise TypeError(f"Cannot resolve {param!r} as a param.")

    def isSet(self, param: str | Param[Any]) -> bool:
        """Whether a value was set."""
        return self._resolveParam(param) in self._paramMap

    def hasDefault(self, param: str | Param[Any]) -> bool:
        """Whether there is a default."""
        return self._resolveParam(param) in self._defaultParamMap

    def isDefined(self, param: str | Param[Any]) -> bool:
        """Whether there is a value, set or by default."""
        return self.isSet(param) or self.hasDefault(param)

    def getOrDefault(self, param: str | Param[T]) -> Any:
        """The value, set or by default; ``KeyError`` where there is neither."""
        resolved = self._resolveParam(param)
        if resolved in self._paramMap:
            return self._paramMap[resolved]
        return self._defaultParamMap[resolved]

    def set(self, param: Param[T], value: T) -> None:
        """Sets a value."""
        self._shouldOwn(param)
        self._set(**{param.name: value})

    def clear(self, param: Param[Any]) -> None:
        """Takes a value back: the default holds again."""
        self._paramMap.pop(self._resolveParam(param), None)

    def _set(self, **values: Any) -> Self:
        for name, value in values.items():
            param = self.getParam(name)
            self._paramMap[param] = None if value is None else self._converted(param, value)
        return self

    def _setDefault(self, **values: Any) -> Self:
        for name, value in values.items():
            param = self.getParam(name)
            self._defaultParamMap[param] = None if value is None else self._converted(param, value)
        return self

    @staticmethod
    def _converted(param: Param[T], value: Any) -> T:
        try:
            return param.typeConverter(value)
        except TypeError as error:
            raise TypeError(f'Invalid param value given for param "{param.name}". {error}') from None
        except ValueError as error:
            raise ValueError(f'Invalid param value given for param "{param.name}". {error}') from None

    def explainParam(self, param: str | Param[Any]) -> str:
        """A param's name, doc, default and value."""
        param = self._resolveParam(param)
        values = []
        if param in self._defaultParamMap:
            values.append(f"default: {self._defaultParamMap[param]}")
        if param in self._paramMap:
            values.append(f"current: {self._paramMap[param]}")
        return f"{param.name}: {param.doc} ({', '.join(values) or 'undefined'})"

    def explainParams(self) -> str:
        """A line per param.

        >>> from emberline.ml.feature import PCA
        >>> print(PCA(k=2).explainParams().splitlines()[1])
        k: number of principal components, at least 1 (current: 2)
        """
        return "\n".join(self.explainParam(param) for param in self.params)

    def extractParamMap(self, extra: ParamMap | None = None) -> ParamMap:
        """All values: the defaults, over them those set, over them ``extra``."""
        return {**self._defaultParamMap, **self._paramMap, **(extra or {})}

    def copy(self, extra: ParamMap | None = None) -> Self:
        """A copy of the same uid, with further values."""
        that = copy.copy(self)
        that._paramMap = {}
        that._defaultParamMap = {}
        return self._copyValues(that, extra)

    def _copyValues(self, to: Any, extra: ParamMap | None = None) -> Any:
        """Gives another object the values of the params that both have."""
        if extra is not None and not isinstance(extra, dict):
            raise TypeError(f"Expecting a dict, but received an object of type {type(extra)}.")
        wrong = [param for param in extra or () if not isinstance(param, Param)]
        if wrong:
            raise TypeError(f"Expecting a valid instance of Param, but received: {wrong[0]}")
        values = {**self._paramMap, **(extra or {})}
        for param in self.params:
            if not to.hasParam(param.name):
                continue
            if param in self._defaultParamMap:
                to._defaultParamMap[to.getParam(param.name)] = self._defaultParamMap[param]
            if param in values:
                to._set(**{param.name: values[param]})
        return to

    def __repr__(self) -> str:
        return self.uid


def combinations(grid: dict[Param[Any], list[Any]]) -> list[ParamMap]:
    """All combinations of values; the param added last varies fastest."""
    converted = {param: [param.typeConverter(value) for value in values] for param, values in grid.items()}
    return [dict(zip(converted, values)) for values in itertools.product(*converted.values())]
