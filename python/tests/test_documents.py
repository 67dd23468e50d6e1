"""The ``python`` blocks of README.md and docs/*.md, run as the reader would, a document at a time."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
DOCUMENTS = [
    path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if BLOCK.search(path.read_text())
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_blocks_run(document: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCK.finditer(document.read_text()):
        line = document.read_text()[: block.start(1)].count("\n")
        exec(compile("\n" * line + block[1], str(document), "exec"), names)


def test_the_readme_has_blocks() -> None:
    assert ROOT / "README.md" in DOCUMENTS
