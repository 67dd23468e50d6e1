"""Runs pyspark's own tests of pyspark.ml against Emberline, by putting Emberline in place of pyspark's modules.

    python tools/pyspark_cases.py [FILE.py...]

The files are those of Spark's `python/pyspark/ml/tests/`, or `pyspark/ml/tests.py` of pyspark 2.4, the last that had
its tests in the package (`pip install pyspark==2.4.8`), which is looked for by default. No Spark, no Java is started. A
case that uses what Emberline has not got (a stage, sparse vectors, the JVM) does not apply, and the reason is told; so
is the reason of those in `NOT_APPLICABLE`. The exit code is 1 if a case fails.
"""

from __future__ import annotations

import ast
import builtins
import collections
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import re
import sys
import types
import unittest
from abc import ABCMeta
from pathlib import Path
from typing import Any

import emberline
from emberline.ml import Estimator, Model, Pipeline, PipelineModel, Transformer
from emberline.ml import util as ml_util
from emberline.ml.param import Param, Params, TypeConverters
from emberline.ml.util import Native

#: Cases that do not apply, with the reason. The others tell theirs themselves.
UNSAVED = "candidates that are stages are tuned, and can't be saved"
NO_PARALLELISM = "OneVsRest has no parallelism: the cores choose what runs at once"
NO_ROWS = "a training summary has numbers, not rows: model.transform(df) has them"
NOT_APPLICABLE: dict[str, str] = {
    "CrossValidatorTests.test_save_load_nested_estimator": UNSAVED,
    "TrainValidationSplitTests.test_save_load_nested_estimator": UNSAVED,
    "FeatureTests.test_string_indexer_from_labels": "no StringIndexerModel.from_labels",
    "JavaWrapperMemoryTests.test_java_object_gets_detached": "no JVM",
    "OneVsRestTests.test_output_columns": NO_PARALLELISM,
    "OneVsRestTests.test_parallelism_doesnt_change_output": NO_PARALLELISM,
    "ParamTests.test_logistic_regression_check_thresholds": "settings are checked when used",
    "PersistenceTest.test_linear_regression_pmml_basic": "no PMML",
    "TrainingSummaryTest.test_binary_logistic_regression_summary": NO_ROWS,
    "TrainingSummaryTest.test_kmeans_summary": NO_ROWS,
    "TrainingSummaryTest.test_linear_regression_summary": "the normal equations need no iterations; " + NO_ROWS,
    "TrainingSummaryTest.test_multiclass_logistic_regression_summary": NO_ROWS,
}

#: Reasons in errors of Emberline's: what was asked for is not there.
ABSENT = re.compile(r"a DataFrame has no \w+|no attribute '_java_\w+'")


class Absent(ABCMeta):
    """The classes that are not there: they may be named and derived from, and whoever uses one does not apply."""

    absent_name: str

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise unittest.SkipTest(f"no {cls.absent_name}")

    def __getattr__(cls, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        raise unittest.SkipTest(f"no {cls.absent_name}")


def absent(name: str) -> Any:
    """A class that is not there."""
    return Absent(name.rpartition(".")[2], (), {"absent_name": name})


class Session(emberline.Session):
    """A session under the name and arguments of Spark's."""

    def __init__(self, *_: Any) -> None:
        super().__init__(threads=2)

    def stop(self) -> None:
        """There is nothing to stop."""

    def __getattr__(self, name: str) -> Any:
        raise unittest.SkipTest(f"no SparkSession.{name}")


class Context:
    """Stands for a SparkContext that nobody needs."""

    def __getattr__(self, name: str) -> Any:
        raise unittest.SkipTest(f"no SparkContext.{name}")


class TestCase(unittest.TestCase):
    """A test with a session."""

    sc = Context()
    spark: Session
    # Names of Python 2, which older cases use.
    assertEquals = unittest.TestCase.assertEqual
    assertRaisesRegexp = unittest.TestCase.assertRaisesRegex

    @classmethod
    def setUpClass(cls) -> None:
        cls.spark = Session()

    @classmethod
    def tearDownClass(cls) -> None:
        pass


class _ComputedByTheEngine(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        holds_stages = isinstance(instance, (Pipeline, PipelineModel)) or hasattr(instance, "classifier")
        return isinstance(instance, Native) and not holds_stages


class JavaParams(metaclass=_ComputedByTheEngine):
    """What pyspark leaves to the JVM, we leave to the extension module."""


def shared(name: str, doc: str, converter: Any, *, random_default: bool = False) -> type[Params]:
    """A mixin of `pyspark.ml.param.shared`."""

    def start(self: Any) -> None:
        super(mixin, self).__init__()
        if random_default:
            self._setDefault(**{name: hash(type(self).__name__)})

    title = name[0].upper() + name[1:]
    mixin = type(
        f"Has{title}",
        (Params,),
        {
            name: Param("undefined", name, doc, converter),
            "__init__": start,
            f"get{title}": lambda self: self.getOrDefault(name),
            f"set{title}": lambda self, value: self._set(**{name: value}),
        },
    )
    return mixin


class MockDataset:
    """Counts how often it went through a stage."""

    def __init__(self) -> None:
        self.index = 0


class HasFake(Params):
    """Has a param."""

    def __init__(self) -> None:
        super().__init__()
        self.fake = Param(self, "fake", "fake param")

    def getFake(self) -> Any:
        """The value of ``fake``."""
        return self.getOrDefault(self.fake)


class MockTransformer(Transformer, HasFake):
    """Says that it was here."""

    def __init__(self) -> None:
        super().__init__()
        self.dataset_index: int | None = None

    def _transform(self, dataset: Any) -> Any:
        self.dataset_index = dataset.index
        dataset.index += 1
        return dataset


class MockModel(MockTransformer, Model):
    """What `MockEstimator` makes."""


class MockEstimator(Estimator[MockModel], HasFake):
    """Says that it was here."""

    def __init__(self) -> None:
        super().__init__()
        self.dataset_index: int | None = None

    def _fit(self, dataset: Any) -> MockModel:
        self.dataset_index = dataset.index
        model = MockModel()
        self._copyValues(model)
        return model


#: What stands for what pyspark has beside `pyspark.ml`.
STAND_INS: dict[str, dict[str, Any]] = {
    "pyspark": {"keyword_only": ml_util.keyword_only},
    "pyspark.sql": {"Row": emberline.Row, "SparkSession": Session, "DataFrame": emberline.DataFrame},
    "pyspark.sql.functions": {
        "rand": lambda seed=0: emberline.expr("random()"),
        "col": emberline.col,
        "lit": emberline.lit,
    },
    "pyspark.tests": {"ReusedPySparkTestCase": TestCase, "PySparkTestCase": TestCase},
    "pyspark.serializers": {"PickleSerializer": object},
    "pyspark.testing.mlutils": {
        "PySparkTestCase": TestCase,
        "SparkSessionTestCase": TestCase,
        "MockDataset": MockDataset,
        "MockEstimator": MockEstimator,
        "MockModel": MockModel,
        "MockTransformer": MockTransformer,
    },
    "pyspark.testing.sqlutils": {"ReusedSQLTestCase": TestCase},
    "pyspark.ml.wrapper": {"JavaParams": JavaParams},
    "pyspark.ml.param": {"Param": Param, "Params": Params, "TypeConverters": TypeConverters},
    "pyspark.ml.param.shared": {
        "HasInputCol": shared("inputCol", "input column name.", TypeConverters.toString),
        "HasMaxIter": shared("maxIter", "max number of iterations (>= 0).", TypeConverters.toInt),
        "HasSeed": shared("seed", "random seed.", TypeConverters.toInt, random_default=True),
    },
    "pyspark.ml.image": {},
}


class Substitute(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes Emberline's modules, and the stand-ins, pyspark's."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] not in ("pyspark", "py4j"):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        ours: Any = None
        if spec.name.startswith("pyspark.ml"):
            try:
                ours = importlib.import_module(spec.name.replace("pyspark", "emberline", 1))
            except ImportError:
                ours = None
        module = types.ModuleType(spec.name)
        names = {name: getattr(ours, name) for name in getattr(ours, "__all__", ())}
        names.update(STAND_INS.get(spec.name, {}))
        vars(module).update(names, __all__=list(names))
        module.__getattr__ = self.missing(spec.name)  # type: ignore[method-assign]
        return module

    @staticmethod
    def missing(module: str) -> Any:
        """What a name gives that the module has not got."""

        def get(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            full = f"{module}.{name}"
            return sys.modules.get(full) or absent(full)

        return get

    def exec_module(self, module: types.ModuleType) -> None:
        """Everything is there already."""


class Names(dict[str, Any]):
    """Python's own names, and classes that are not there: what a star would have imported."""

    def __missing__(self, name: str) -> Any:
        if not name[0].isupper():
            raise KeyError(name)
        return absent(name)


class Result(unittest.TestResult):
    """Tells apart what failed and what does not apply."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, tuple[str, str]] = {}

    def _tell(self, test: Any, outcome: str, reason: str = "") -> None:
        self.told[".".join(test.id().split(".")[-2:])] = (outcome, reason)

    def _wrong(self, test: Any, error: Any) -> None:
        case = ".".join(test.id().split(".")[-2:])
        text = f"{type(error[1]).__name__}: {error[1]}".splitlines()[0]
        found = ABSENT.search(text)
        known = NOT_APPLICABLE.get(case) or (found and found[0])
        self._tell(test, "not applicable" if known else "failed", known or text)

    def addSuccess(self, test: Any) -> None:
        self._tell(test, "passed")

    def addSkip(self, test: Any, reason: str) -> None:
        self._tell(test, "not applicable", reason)

    def addError(self, test: Any, error: Any) -> None:
        self._wrong(test, error)

    def addFailure(self, test: Any, error: Any) -> None:
        self._wrong(test, error)

    def addSubTest(self, test: Any, subtest: Any, error: Any) -> None:
        if error is not None:
            self._wrong(test, error)


def files() -> list[Path]:
    """The files named, or the tests of an installed pyspark."""
    named = [Path(name) for name in sys.argv[1:]]
    if named:
        return [file for path in named for file in (sorted(path.rglob("test_*.py")) if path.is_dir() else [path])]
    spec = importlib.util.find_spec("pyspark")
    installed = Path(str(spec.origin)).parent / "ml/tests.py" if spec else None
    if installed is None or not installed.exists():
        sys.exit("no tests found: pip install pyspark==2.4.8, or name files of Spark's python/pyspark/ml/tests/")
    return [installed]


def loaded(path: Path, result: Result) -> types.ModuleType:
    """A file of cases, without the classes that can't be made."""
    module = types.ModuleType(f"cases_{path.stem}")
    sys.modules[module.__name__] = module
    vars(module)["__builtins__"] = Names(vars(builtins))
    for statement in ast.parse(path.read_text()).body:
        try:
            exec(compile(ast.Module([statement], []), str(path), "exec"), vars(module))
        except unittest.SkipTest as reason:
            for member in getattr(statement, "body", ()):
                if isinstance(member, ast.FunctionDef) and member.name.startswith("test"):
                    result.told[f"{statement.name}.{member.name}"] = ("not applicable", str(reason))  # type: ignore[attr-defined]
    return module


def main() -> None:
    paths = files()
    sys.meta_path.insert(0, Substitute())
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyspark"]:
        del sys.modules[name]
    result = Result()
    for path in paths:
        unittest.defaultTestLoader.loadTestsFromModule(loaded(path, result)).run(result)
    unused = [case for case in NOT_APPLICABLE if result.told.get(case, ("not applicable",))[0] != "not applicable"]
    counts = collections.Counter(outcome for outcome, _ in result.told.values())
    for case, (outcome, reason) in sorted(result.told.items(), key=lambda told: (told[1][0], told[0])):
        print(f"{outcome:14} {case}{': ' if reason else ''}{reason}")
    print(", ".join(f"{counts[outcome]} {outcome}" for outcome in ("passed", "failed", "not applicable")))
    if unused:
        sys.exit(f"these apply after all: {', '.join(unused)}")
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
