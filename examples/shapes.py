"""Pictures for the examples, for those who have none at hand: shapes in colours, drawn from a seed.

    python examples/shapes.py photos/

makes a folder for each of five shapes with 24 pictures in it. Some shapes are small, so that mistakes are left to look
at.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = {"triangle": 3, "square": 4, "pentagon": 5, "hexagon": 6, "circle": 60}
PER_SHAPE = 24


def picture(corners: int, seed: int) -> Image.Image:
    """A regular polygon somewhere on a ground of another colour."""
    random = np.random.default_rng(seed)
    ground, colour = random.integers(120, 256, 3), random.integers(0, 150, 3)
    width, height = (int(side) for side in random.integers(96, 160, 2))
    radius = random.uniform(0.2, 0.45) * min(width, height)
    x, y = (random.uniform(radius, side - radius) for side in (width, height))
    angles = random.uniform(0, 2 * np.pi) + np.arange(corners) * 2 * np.pi / corners
    image = Image.new("RGB", (width, height), tuple(map(int, ground)))
    outline = [(x + radius * np.cos(a), y + radius * np.sin(a)) for a in angles]
    ImageDraw.Draw(image).polygon(outline, fill=tuple(map(int, colour)))
    noise = random.normal(0, random.uniform(0, 6), (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def draw(folder: str | Path, per_shape: int = PER_SHAPE) -> Path:
    """Draws the pictures, unless the folder is there."""
    folder = Path(folder)
    if not folder.exists():
        for place, (name, corners) in enumerate(SHAPES.items()):
            (folder / name).mkdir(parents=True)
            for number in range(per_shape):
                image = picture(corners, seed=1000 * place + number)
                image.save(folder / name / f"{name}{number:02}.jpg", quality=90)
    return folder


if __name__ == "__main__":
    print(draw(sys.argv[1] if len(sys.argv) > 1 else "photos"))
