"""Photo-like JPEGs for benchmarks: smooth colours, edges and grain, 640 x 480, quality 90, some 60 to 90 KB each."""

import os
import pathlib

import numpy
from PIL import Image

WIDTH, HEIGHT = 640, 480


def picture(seed):
    random = numpy.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 8, 3), dtype=numpy.uint8)
    smooth = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    pixels = numpy.asarray(smooth).astype(numpy.int16)
    y, x = numpy.mgrid[0:HEIGHT, 0:WIDTH]
    for _ in range(6):
        cx, cy, radius = random.integers(0, WIDTH), random.integers(0, HEIGHT), random.integers(20, 120)
        pixels[(x - cx) ** 2 + (y - cy) ** 2 < radius**2] += random.integers(-80, 80, 3, dtype=numpy.int16)
    pixels += random.integers(-9, 10, pixels.shape, dtype=numpy.int16)
    return Image.fromarray(numpy.clip(pixels, 0, 255).astype(numpy.uint8))


def folder(path, count, different=200):
    """`count` files, `different` of them different and the rest further names of the same."""
    path = pathlib.Path(path)
    path.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        name = path / f"{i:06}.jpg"
        if i < different:
            picture(i).save(name, quality=90)
        else:
            os.link(path / f"{i % different:06}.jpg", name)
    return path
