"""Emberline's stages as ``pyspark.ml`` wants them: a class for each kind, under the same name as in `emberline.ml`.

They go into ``pyspark.ml.Pipeline``, ``CrossValidator`` and ``ParamGridBuilder`` beside MLlib's own, and are saved with
them. Their params are MLlib's ``Param``; what they do is what `emberline.ml`'s stages do on Spark's tables.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from pyspark.ml.base import Estimator, Model, Transformer
from pyspark.ml.evaluation import Evaluator
from pyspark.ml.param import Param, Params
from pyspark.ml.pipeline import Pipeline, PipelineModel
from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReadable, MLReader, MLWritable, MLWriter

from emberline import _emberline
from emberline._lazy import pa
from emberline.ml import _holders, _stages
from emberline.ml import pipeline as _pipeline
from emberline.ml.util import (
    Native,
    NativeEstimator,
    NativeEvaluator,
    NativeModel,
    NativeTransformer,
    wrapped,
)
from emberline.spark import _cluster, _versions

#: The folder in a saved stage that has Emberline's own form of it, as a table of files.
FILES = "emberline"


class _Writer(MLWriter):
    """Saves a stage where Spark can write: MLlib's metadata, and Emberline's saved form as a table of files."""

    def __init__(self, stage: SparkStage) -> None:
        super().__init__()
        self._stage = stage

    def save(self, path: str) -> None:
        """Saves the stage."""
        mode = "overwrite" if self.shouldOverwrite else "error"
        spark = self.sparkSession
        metadata = DefaultParamsWriter._get_metadata_to_save(self._stage, _versions.context(spark), paramMap={})
        with tempfile.TemporaryDirectory(prefix="emberline-") as folder:
            saved = Path(folder, "stage")
            self._stage._to_native().save(str(saved), False)
            files = sorted(file for file in saved.rglob("*") if file.is_file())
            table = pa.table(
                {
                    "path": [file.relative_to(saved).as_posix() for file in files],
                    "data": pa.array([file.read_bytes() for file in files], pa.binary()),
                }
            )
        lines = spark.createDataFrame([(metadata,)], schema=["value"]).coalesce(1)
        lines.write.mode(mode).text(os.path.join(path, "metadata"))
        _versions.from_arrow(spark, table).coalesce(1).write.mode(mode).parquet(os.path.join(path, FILES))


class _Reader(MLReader[Any]):
    def __init__(self, of: type[SparkStage]) -> None:
        super().__init__()
        self._of = of

    def load(self, path: str) -> Any:
        """Loads a stage that this module saved; every file's digest is verified."""
        spark = self.sparkSession
        DefaultParamsReader.loadMetadata(path, _versions.context(spark))
        with tempfile.TemporaryDirectory(prefix="emberline-") as folder:
            root = Path(folder).resolve()
            for row in spark.read.parquet(os.path.join(path, FILES)).collect():
                file = (root / row["path"]).resolve()
                if root not in file.parents:
                    raise ValueError(f"{path}: a saved stage has no file `{row['path']}` outside its folder")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(row["data"])
            stage = of_native(_emberline.Stage.load(str(root)))
        if not isinstance(stage, self._of):
            raise TypeError(f"{path}: expected a saved {self._of.__name__}, found a {type(stage).__name__}")
        return stage


class SparkStage(Params, MLWritable, MLReadable[Any]):
    """A stage of Emberline's with MLlib's params."""

    #: The class of `emberline.ml`.
    _of: ClassVar[type[Native]]
    #: What was learned or loaded.
    _native: _emberline.Stage | None = None

    def __init__(self, **params: Any) -> None:
        super().__init__()
        self._setDefault(**self._of._defaults)
        self._name_defaults()
        self.setParams(**params)

    def _name_defaults(self) -> None:
        self._setDefault(**{name: self.uid + suffix for name, suffix in self._of._defaults_from_uid.items()})

    def _resetUid(self, newUid: Any) -> Any:
        super()._resetUid(newUid)
        self._name_defaults()
        return self

    def setParams(self, **params: Any) -> Any:
        """Sets what is given."""
        for name in params:
            self.getParam(name)
        return self._set(**{name: value for name, value in params.items() if value is not None})

    def _to_native(self) -> _emberline.Stage:
        values = [(param.name, value) for param, value in self._paramMap.items() if value is not None]
        if self._native is None:
            return _emberline.Stage.make(self._of._kind, self.uid, values)
        return self._native.with_params(values)

    def embedded(self) -> Any:
        """The stage of `emberline.ml`, for tables in this process."""
        return wrapped(self._to_native())

    @classmethod
    def _around(cls, native: _emberline.Stage) -> Any:
        stage = cls.__new__(cls)
        SparkStage.__init__(stage)
        stage._resetUid(native.uid())
        stage._set(**{name: value for name, value in native.params().items() if stage.hasParam(name)})
        stage._native = native
        return stage

    def write(self) -> MLWriter:
        """Saves the stage."""
        return _Writer(self)

    @classmethod
    def read(cls) -> MLReader[Any]:
        """Loads a stage of this class."""
        return _Reader(cls)


class SparkTransformer(SparkStage, Transformer):
    """A transformer of Emberline's."""

    def _transform(self, dataset: Any) -> Any:
        return _cluster.transform(self._to_native(), dataset)


class SparkModel(SparkTransformer, Model):
    """A model of Emberline's; fitting and loading make them."""

    def __init__(self, **params: Any) -> None:
        raise TypeError(f"a {type(self).__name__} is what fitting gives, or loading")

    def __getattr__(self, name: str) -> Any:
        # What the model learned: `coefficients`, `labels`.
        if not name.startswith("_") and hasattr(type(self)._of, name):
            return getattr(self.embedded(), name)
        raise AttributeError(f"a {type(self).__name__} has no {name}")


class SparkEstimator(SparkStage, Estimator):
    """An estimator of Emberline's. The columns that it names come to the driver, where it learns."""

    def _fit(self, dataset: Any) -> Any:
        return of_native(_cluster.fit(self._to_native(), dataset))

    def fitMultiple(self, dataset: Any, paramMaps: Any) -> Any:
        """Models for param maps, with their numbers: a task for each."""
        stages = [self.copy(params)._to_native() for params in paramMaps]
        return enumerate(map(of_native, _cluster.fit_multiple(stages, dataset)))


class SparkEvaluator(SparkStage, Evaluator):
    """An evaluator of Emberline's. The columns that it names come to the driver."""

    def _evaluate(self, dataset: Any) -> float:
        return _cluster.evaluate(self._to_native(), dataset)

    def isLargerBetter(self) -> bool:
        """Whether a larger metric is a better one."""
        return self._to_native().is_larger_better()


_BASES: tuple[tuple[type[Native], type[SparkStage]], ...] = (
    (NativeModel, SparkModel),
    (NativeTransformer, SparkTransformer),
    (NativeEstimator, SparkEstimator),
    (NativeEvaluator, SparkEvaluator),
)


def _accessors(name: str) -> dict[str, Any]:
    def setter(self: Any, value: Any) -> Any:
        return self._set(**{name: value})

    def getter(self: Any) -> Any:
        return self.getOrDefault(name)

    title = name[0].upper() + name[1:]
    setter.__doc__, getter.__doc__ = f"Sets ``{name}``.", f"The value of ``{name}``."
    return {f"set{title}": setter, f"get{title}": getter}


def _class_of(of: type[Native]) -> type[SparkStage]:
    base = next(spark for native, spark in _BASES if issubclass(of, native))
    members: dict[str, Any] = {"_of": of, "__module__": __name__, "__doc__": of.__doc__}
    for name in dir(of):
        declared = getattr(of, name)
        if hasattr(declared, "typeConverter"):
            members[name] = Param(Params._dummy(), name, declared.doc, declared.typeConverter)
            members.update(_accessors(name))
    return type(of.__name__, (base,), members)


class EmberlinePipelineModel(SparkModel):
    """A pipeline that Emberline fitted, as one stage: all of it in one pass over the rows."""

    _of = _pipeline.PipelineModel

    @property
    def stages(self) -> list[Any]:
        """The stages in order."""
        return [of_native(stage) for stage in self._to_native().attribute("stages")]


#: The classes by their kinds. Those of stages that hold others are in `tuning`, or pyspark's own.
_SPARK_CLASSES = {
    name: _class_of(getattr(_stages, name))
    for name in _stages.__all__
    if not issubclass(getattr(_stages, name), (_holders._Holder, _holders.ValidatorModel))
}
globals().update(_SPARK_CLASSES)
_SPARK_CLASSES["PipelineModel"] = EmberlinePipelineModel

__all__ = [*(of.__name__ for of in _SPARK_CLASSES.values()), "native_of", "on_spark"]


def of_native(native: _emberline.Stage) -> Any:
    """The stage for pyspark around one of the extension module; an unfitted pipeline is pyspark's own."""
    from emberline.spark import tuning

    kind = native.kind()
    if kind == "Pipeline":
        return Pipeline(stages=[of_native(stage) for stage in native.attribute("stages")])._resetUid(native.uid())
    known = {**_SPARK_CLASSES, **tuning.MODELS}
    if kind not in known:
        raise TypeError(f"{native.uid()}: a {kind} is no stage of pyspark's pipelines")
    return known[kind]._around(native)


def native_of(stage: Any) -> _emberline.Stage:
    """A stage of this module or of `emberline.ml`, or a pipeline of pyspark's of such, for the extension module."""
    if isinstance(stage, (SparkStage, Native)):
        return stage._to_native()
    if isinstance(stage, Pipeline):
        return _emberline.Stage.pipeline(stage.uid, [native_of(inner) for inner in stage.getStages()])
    if isinstance(stage, PipelineModel):
        return _emberline.Stage.pipeline_model(stage.uid, [native_of(inner) for inner in stage.stages])
    raise TypeError(f"expected a stage of Emberline's (emberline.spark, emberline.ml), found a {type(stage).__name__}")


def on_spark(stage: Any) -> Any:
    """A stage of `emberline.ml`, fitted or not, as ``pyspark.ml`` wants it."""
    return of_native(native_of(stage))
