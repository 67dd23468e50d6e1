"""Small pictures and tables for the tests. The network is the one that setup fetched; nothing needs the internet."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

import emberline

#: The labels of the drawn pictures, and the colour that each is mostly of.
LABELS = {"blue": (40, 60, 200), "green": (40, 180, 60), "red": (210, 50, 40)}
NETWORK = "EfficientNetLite0"


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of RGB pixels ``[height, width, 3]``."""
    height, width, _ = pixels.shape

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def picture(colour: tuple[int, int, int], number: int) -> bytes:
    """A picture mostly of one colour, with stripes and noise that differ by number."""
    height, width = 48, 64 + number
    y, x = np.mgrid[:height, :width]
    stripes = np.where((x // 8 + y // 6 + number) % 2 == 0, 20, 0)[..., None]
    noise = np.random.default_rng(number + colour[0]).integers(0, 32, (height, width, 3))
    return png(np.clip(np.array(colour) + noise - stripes, 0, 255).astype(np.uint8))


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
