"""Peak memory of `emberline featurize` for few and for many images: it must not grow with their number.

    cargo xtask bench memory [--images 1000 10000] [--tiny]
"""

import argparse
import pathlib
import tempfile

from common import pictures
from common.command import seconds_and_mib


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--tiny", action="store_true", help="a few pictures, to see that it works")
    arguments = parser.parse_args()
    for count in [4, 8] if arguments.tiny else arguments.images:
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            images = pictures.folder(work / "images", count)
            command = ["emberline", "featurize", images, "--model", "EfficientNetLite0", "--out", work / "f.parquet", "--no-cache"]
            seconds, peak = seconds_and_mib(*command)
            print(f"{count:7} images: peak RSS {peak:6.0f} MiB, {seconds:6.1f} s")


if __name__ == "__main__":
    main()
