"""Peak memory of `emberline featurize` for few and for many images: it must not grow with their number.

    cargo xtask bench memory [--images 1000 10000] [--tiny]
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from common import pictures


def peak_mib(command):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command} failed with {status}")
    return usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--tiny", action="store_true", help="a few pictures, to see that it works")
    arguments = parser.parse_args()
    for count in [4, 8] if arguments.tiny else arguments.images:
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            images = pictures.folder(work / "images", count)
            start = time.perf_counter()
            command = ["emberline", "featurize", images, "--model", "EfficientNetLite0", "--out", work / "f.parquet", "--no-cache"]
            peak = peak_mib(command)
            print(f"{count:7} images: peak RSS {peak:6.0f} MiB, {time.perf_counter() - start:6.1f} s")


if __name__ == "__main__":
    main()
