"""What Python costs on the main job: `emberline featurize` against the same in the Python package, from JPEG files to a
Parquet file, as whole programs: in turns, with both start and writing.

    cargo xtask bench [--release] python_overhead [--images N] [--rounds N] [--tiny]

Compared is the time of the processors (user and system), which other programs on the machine disturb least; the best of the
rounds counts. The time on the clock is told, too.
"""

import argparse
import compileall
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from common import pictures

ROOT = pathlib.Path(__file__).resolve().parents[1]

PROGRAM = """
import sys
import emberline
from emberline.ml import DeepImageFeaturizer

images = emberline.read_images(sys.argv[1])
featurizer = DeepImageFeaturizer(
    inputCol="image", outputCol="features", modelName="EfficientNetLite0", errorCol="error"
)
featurizer.transform(images).select("origin", "features", "error").write.mode("overwrite").parquet(sys.argv[2])
"""


def package(folder):
    """The Python package with the extension module that was built beside the command."""
    built = pathlib.Path(shutil.which("emberline")).parent / "libemberline_python.so"
    if not built.exists():
        sys.exit(f"{built}: not there; cargo build --workspace --lib")
    shutil.copytree(ROOT / "python/emberline", folder / "emberline", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (folder / "emberline/_emberline.abi3.so").symlink_to(built)
    # As pip does.
    compileall.compile_dir(folder / "emberline", quiet=1)
    return folder


def seconds(command, env=None):
    """Seconds of the processors, and on the clock."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command} failed with {status}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="a few images, once: the figures mean nothing")
    args = parser.parse_args()
    if args.tiny:
        args.images, args.rounds = 8, 1
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        images = pictures.folder(work / "images", args.images)
        out = work / "features.parquet"
        network = ["--model", "EfficientNetLite0", "--no-cache", "--overwrite"]
        site = os.pathsep.join([str(package(work / "site")), os.environ.get("PYTHONPATH", "")])
        sides = {
            "command": (["emberline", "featurize", images, "--out", out, *network], None),
            "Python": ([sys.executable, "-c", PROGRAM, images, out], {**os.environ, "PYTHONPATH": site}),
        }
        best = {}
        for _ in range(args.rounds):
            for name, (command, env) in sides.items():
                best[name] = min(best.get(name, (float("inf"),) * 2), seconds(command, env))
    for name, (processors, clock) in best.items():
        print(f"{name:8} {processors:7.2f} s of the processors, {clock:7.2f} s on the clock, {args.images} images")
    print(f"Python / command: {best['Python'][0] / best['command'][0]:.3f}")


if __name__ == "__main__":
    main()
