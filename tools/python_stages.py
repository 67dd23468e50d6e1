"""Writes python/emberline/ml/_stages.py: a class for each kind of stage, from the tables of params in the crates.

    python tools/python_stages.py [--check]

It asks the installed package `emberline`, so that comes first: `maturin develop`. With --check nothing is written,
and the exit code says whether the file is what it would be.
"""

import json
import re
import sys
import textwrap
from pathlib import Path

from emberline import _emberline

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "python/emberline/ml/_stages.py"

#: Kinds whose classes are written by hand: they hold other stages.
BY_HAND = {"Pipeline", "PipelineModel"}
#: Kinds whose classes have more written by hand, and the class that has it.
BASES = {
    "CrossValidator": "Validator",
    "CrossValidatorModel": "ValidatorModel",
    "KerasImageFileModel": "TrainedNetwork",
    "KerasModel": "TrainedNetwork",
    "OneVsRest": "OneVsRestBase",
    "TrainValidationSplit": "Validator",
    "TrainValidationSplitModel": "ValidatorModel",
}
#: Stages that take a live model of Keras where its file is named, and the converter.
LIVE_MODELS = {"KerasEstimator", "KerasImageFileEstimator"}
FILES = {"modelFile": "toModelFile"}
#: Stages as params, which the tables do not have.
STAGE_PARAMS = {
    "CrossValidator": ["estimator", "estimatorParamMaps", "evaluator"],
    "OneVsRest": ["classifier"],
    "TrainValidationSplit": ["estimator", "estimatorParamMaps", "evaluator"],
}
#: What pyspark has as methods.
METHODS = {"clusterCenters"}
CONVERTERS = {
    "dict[str, Any]": "toJson",
    "bool": "toBoolean",
    "int": "toInt",
    "float": "toFloat",
    "str": "toString",
    "list[float]": "toListFloat",
    "list[str]": "toListString",
}
HEADER = '''"""A class for each kind of stage. Written by tools/python_stages.py: do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emberline.ml._holders import OneVsRestBase, Validator, ValidatorModel
from emberline.ml._networks import TrainedNetwork
from emberline.ml._summary import summary_of
from emberline.ml.param import Param, TypeConverters
from emberline.ml.util import NativeEstimator, NativeEvaluator, NativeModel, NativeTransformer, keyword_only

if TYPE_CHECKING:
    import numpy
    from typing_extensions import Self

    from emberline.ml._summary import LogisticRegressionTrainingSummary, Summary
    from emberline.ml.base import Estimator, Model
'''


def documents():
    """The first paragraph of the docs of every public struct of emberline-ml, by the struct's name."""
    found = {}
    for path in sorted((ROOT / "crates/emberline-ml/src").rglob("*.rs")):
        for match in re.finditer(r"((?:^ *///.*\n)+)(?:^#\[.*\n)*^pub (?:struct|type) (\w+)", path.read_text(), re.M):
            lines = [line.strip()[3:].strip() for line in match[1].splitlines()]
            text = " ".join(lines[: lines.index("")] if "" in lines else lines)
            text = re.sub(r"\[`([^`\]]+)`\](?:\([^)]*\))?", r"`\1`", text)
            found[match[2].lower()] = text.replace("`", "``").replace("::", ".")
    return found


def wrapped(text, indent):
    return textwrap.fill(text, 118 - indent, break_long_words=False).replace("\n", "\n" + " " * indent)


def docstring(text, indent=4):
    text = text.replace("\\", "\\\\")
    body = wrapped(text, indent)
    return f'{" " * indent}"""{body}"""\n' if "\n" not in body else f'{" " * indent}"""{body}\n{" " * indent}"""\n'


def signature(name, params, indent=4):
    pad = " " * (indent + 4)
    given = "".join(f"{pad}{param}: {of} | None = None,\n" for param, of in params)
    result = "None" if name == "__init__" else "Self"
    stars = f"{pad}*,\n" if params else ""
    return f"    @keyword_only\n    def {name}(\n{pad}self,\n{stars}{given}    ) -> {result}:\n"


def camel(name):
    return name[0].upper() + name[1:]


def default_in_words(default, suffix, required):
    if required:
        return "required"
    if suffix:
        return f"default: uid{suffix}"
    return "not set by default" if default is None else f"default: {default!r}"


def class_docs(what, params):
    """The docstring of a class: what it is, and its params."""
    lines = [
        f"- ``{name}``: {doc}{constraint} ({default_in_words(default, suffix, required)})"
        for name, _, default, suffix, constraint, required, doc in params
    ]
    filled = [textwrap.fill(line, 114, break_long_words=False).replace("\n", "\n      ") for line in lines]
    body = wrapped(what, 4)
    if filled:
        body += "\n\n    Params:\n\n" + "\n".join(f"    {line}" for line in filled) + "\n    "
    return '    """' + body.replace("\\", "\\\\") + '"""\n'


def as_value(of, default):
    return json.loads(default) if of in CONVERTERS and CONVERTERS[of] == "toJson" and default[0] == "{" else default


def declarations(kind, params):
    """The params of a class, and their defaults."""
    for name, of, _, _, constraint, _, doc in params:
        text = f"{doc}{constraint}".replace('"', '\\"')
        converter = f"TypeConverters.{FILES.get(name, CONVERTERS[of]) if kind in LIVE_MODELS else CONVERTERS[of]}"
        yield f'    {name}: Param[{of}] = Param("undefined", "{name}", "{text}", {converter})\n'
    defaults = {name: as_value(of, default) for name, of, default, *_ in params if default is not None}
    if defaults:
        values = "".join(f"        {name!r}: {value!r},\n".replace("'", '"') for name, value in defaults.items())
        yield f"    _defaults = {{\n{values}    }}\n"
    from_uid = {name: suffix for name, _, _, suffix, *_ in params if suffix}
    if from_uid:
        yield f"    _defaults_from_uid = {from_uid!r}\n".replace("'", '"')


def method(head, docs, body, decorator=""):
    return f"\n{decorator}    def {head}:\n{docstring(docs, 8)}        return {body}\n"


def accessors(params):
    """What sets and gets each param."""
    for name, of, *_ in params:
        yield method(f"set{camel(name)}(self, value: {of}) -> Self", f"Sets ``{name}``.", f"self._set({name}=value)")
        yield method(f"get{camel(name)}(self) -> {of}", f"The value of ``{name}``.", f'self.getOrDefault("{name}")')


def properties(attributes):
    """What a model knows beyond its params."""
    for name, of, doc in attributes:
        value = f'self._attribute("{name}")'
        value = f"summary_of({value})" if name == "summary" else f"list({value})" if name in METHODS else value
        yield method(f"{name}(self) -> {of}", doc, value, "" if name in METHODS else "    @property\n")


def written(kind, role, params, attributes, docs):
    is_model = kind.endswith("Model")
    base = BASES.get(kind) or ("NativeModel" if is_model else f"Native{role}")
    what = docs.get(kind.lower()) or docs.get(kind.lower().removesuffix("model"), kind)
    out = [
        f"\n\nclass {kind}({base}):\n",
        class_docs(what, params),
        f'\n    _kind = "{kind}"\n',
        *declarations(kind, params),
    ]
    if not is_model:
        given = [(name, "Any") for name in STAGE_PARAMS.get(kind, [])] + [(name, of) for name, of, *_ in params]
        set_given = docstring("Sets what is given.", 8) + "        return self._set_given()\n"
        out += ["\n", signature("__init__", given), "        super().__init__()\n        self._set_given()\n"]
        out += ["\n", signature("setParams", given), set_given]
    return "".join([*out, *accessors(params), *(properties(attributes) if is_model else ())])


def main():
    docs = documents()
    kinds = [kind for kind in _emberline.kinds() if kind[0] not in BY_HAND]
    names = "".join(f'    "{kind[0]}",\n' for kind in kinds)
    text = HEADER + f"\n__all__ = [\n{names}]\n" + "".join(written(*kind, docs) for kind in kinds)
    if "--check" in sys.argv[1:]:
        if TARGET.read_text() != text:
            sys.exit(f"{TARGET.relative_to(ROOT)} is not what tools/python_stages.py writes; run it")
        return
    TARGET.write_text(text)
    print(f"{TARGET.relative_to(ROOT)}: {len(kinds)} classes")


if __name__ == "__main__":
    main()
