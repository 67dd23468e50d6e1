"""The ``python`` blocks of docs/spark.md, run as the reader would."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/spark.md"
FIXTURES = DOCUMENT.parents[1] / "crates/emberline-ml/tests/fixtures/training"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


def test_blocks_run(spark: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    text = DOCUMENT.read_text().replace('"photos/"', repr(str(tmp_path / "photos")))
    text = text.replace('"points.keras"', repr(str(FIXTURES / "points.keras")))
    names: dict[str, object] = {"spark": spark}
    blocks = list(BLOCK.finditer(text))
    assert len(blocks) == 4
    for block in blocks:
        line = text[: block.start(1)].count("\n")
        exec(compile("\n" * line + block[1], str(DOCUMENT), "exec"), names)
    assert max(names["tuned"].avgMetrics) == 1.0  # type: ignore[attr-defined]
    assert len(names["trained"].history["loss"]) == 3  # type: ignore[attr-defined]
