"""Peak memory of `emberline featurize` and of `emberline fit`, an epoch of a small CNN, for few and for many images: it must not grow
with their number.

    cargo xtask bench memory [--images 1000 10000] [--examples 5000 50000] [--tiny]
"""

import argparse
import pathlib
import tempfile

import numpy
from PIL import Image

from common import pictures
from common.command import seconds_and_mib

#: Takes 32 x 32 colours, gives two classes.
NETWORK = pathlib.Path(__file__).resolve().parent.parent / "crates/emberline-ml/tests/fixtures/training/stripes_cnn.keras"


def stripes(out, count):
    """PNGs of 32 x 32, no two alike, striped from left to right or from top to bottom, in a folder by that."""
    y, x = numpy.mgrid[0:32, 0:32]
    for label in ("across", "along"):
        (out / label).mkdir(parents=True)
    for n in range(count):
        label, place = ("across", y) if n % 2 == 0 else ("along", x)
        colours = [place * 16 + n // 2, place * 48 + n, (x ^ y) + 7 * n]
        Image.fromarray(numpy.stack(colours, -1).astype(numpy.uint8)).save(out / label / f"{n:06}.png", compress_level=1)
    return out


def featurized(work, count):
    images = pictures.folder(work / "images", count)
    return "featurize", images, "--model", "EfficientNetLite0", "--out", work / "f.parquet", "--no-cache"


def trained(work, count):
    images = stripes(work / "images", count)
    return "fit", images, "--network", NETWORK, "--scale", str(1 / 255), "--epochs", "1", "--out", work / "model.ember"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--examples", type=int, nargs="*", default=[5_000, 50_000])
    parser.add_argument("--tiny", action="store_true", help="a few pictures, to see that it works")
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.images, arguments.examples = [4, 8], [40, 80]
    for command, counts in (featurized, arguments.images), (trained, arguments.examples):
        for count in counts:
            with tempfile.TemporaryDirectory() as work:
                words = command(pathlib.Path(work), count)
                seconds, peak = seconds_and_mib("emberline", *words)
                print(f"{words[0]:9} {count:7} images: peak RSS {peak:6.0f} MiB, {seconds:6.1f} s")


if __name__ == "__main__":
    main()
