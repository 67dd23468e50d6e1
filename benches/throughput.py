"""Images per second from JPEG files to features on disk, all cores: `emberline featurize` against what one would write
in Python: Pillow and onnxruntime, one single-threaded process per core, the same network in the same ONNX file.

    cargo xtask bench throughput [--images N] [--tiny]

Each side is timed as a whole program, start and writing included, in turns; the best of the rounds counts.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy

from common import peer, pictures


def emberline(images, work, _onnx):
    out = work / "features.parquet"
    out.unlink(missing_ok=True)
    command = ["emberline", "featurize", images, "--model", "EfficientNetLite0", "--out", out, "--no-cache"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def python(images, work, onnx, draft=False):
    numpy.save(work / "features.npy", peer.features(sorted(images.iterdir()), onnx, draft))


def python_draft(images, work, onnx):
    python(images, work, onnx, draft=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="a few pictures, to see that it works")
    arguments = parser.parse_args()
    count, rounds = (8, 1) if arguments.tiny else (arguments.images, arguments.rounds)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        images = pictures.folder(work / "images", count)
        onnx = peer.onnx_of(work)
        sides = {"emberline": emberline, "Pillow + onnxruntime": python, "the same with JPEG draft mode": python_draft}
        best = {}
        for _ in range(rounds):
            for name, side in sides.items():
                start = time.perf_counter()
                side(images, work, onnx)
                seconds = time.perf_counter() - start
                best[name] = min(seconds, best.get(name, seconds))
    print(f"{count} JPEGs of 640x480 to EfficientNetLite0 features, {os.cpu_count()} cores, best of {rounds}")
    for name, seconds in best.items():
        print(f"  {name:32} {count / seconds:8.1f} images/s   {seconds / best['emberline']:.2f}x emberline's time")
    print("  (draft mode decodes at half size: faster, but other pixels and other features)")


if __name__ == "__main__":
    sys.exit(main())
