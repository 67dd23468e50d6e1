"""Pictures for the tests, drawn."""

from __future__ import annotations

import struct
import zlib

import numpy as np

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
