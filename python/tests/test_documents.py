"""The ``python`` blocks of README.md and docs/*.md, run as the reader would, a document at a time."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
#: A small model that real Keras saved.
KERAS_MODEL = ROOT / "crates/emberline-net/tests/fixtures/keras/sequential.keras"
FIXTURES = ROOT / "crates/emberline-ml/tests/fixtures/training"
#: Keras files to train.
NETWORKS = {"my_cnn": FIXTURES / "colours_cnn.keras", "points": FIXTURES / "points.keras"}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
#: The one about Spark runs with Spark's tests.
DOCUMENTS = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if BLOCK.search(path.read_text()) and path.name != "spark.md"
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_blocks_run(document: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    shutil.copy(KERAS_MODEL, tmp_path / "model.keras")
    for network in ("my_cnn", "points"):
        shutil.copy(NETWORKS[network], tmp_path / f"{network}.keras")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCK.finditer(document.read_text()):
        line = document.read_text()[: block.start(1)].count("\n")
        exec(compile("\n" * line + block[1], str(document), "exec"), names)


def test_documents_have_blocks_and_are_in_the_index() -> None:
    assert ROOT / "README.md" in DOCUMENTS
    index = (ROOT / "docs/README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, page.name


@pytest.mark.parametrize("document", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), target
