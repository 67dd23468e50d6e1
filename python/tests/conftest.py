"""Small pictures and tables for the tests. The network is the one that setup fetched; nothing needs the internet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import LABELS, picture

import emberline


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder of six pictures for each label."""
    folder = tmp_path_factory.mktemp("photos")
    for label, colour in LABELS.items():
        (folder / label).mkdir()
        for number in range(6):
            (folder / label / f"{label}{number}.png").write_bytes(picture(colour, number))
    return folder


@pytest.fixture
def session() -> emberline.Session:
    return emberline.Session(threads=2)


@pytest.fixture
def points(session: emberline.Session) -> emberline.DataFrame:
    """Two classes in the plane, ``label`` by the side of a line."""
    x = np.random.default_rng(0).normal(size=(120, 2))
    return session.createDataFrame({"features": x, "label": (x.sum(axis=1) > 0).astype(float)})
