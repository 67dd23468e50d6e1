"""Images per second from JPEG files to features on disk, all cores: `emberline featurize` against what one would write
in Python: Pillow and onnxruntime, one single-threaded process per core, the same network in the same ONNX file.

    cargo xtask bench throughput [--images N] [--tiny]

Each side is timed as a whole program, start and writing included, in turns; the best of the rounds counts.
"""

import argparse
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from common import pictures


def onnx_of(work):
    """The network that `emberline` runs: it lies in any saved model."""
    for label in ("a", "b"):
        pictures.folder(work / "few" / label, 6)
    saved = work / "few.ember"
    command = ["emberline", "train", work / "few", "--model", "EfficientNetLite0", "--folds", "2", "--out", saved]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(saved.glob("stages/*/network.onnx"))


def emberline(images, work, _onnx):
    out = work / "features.parquet"
    out.unlink(missing_ok=True)
    command = ["emberline", "featurize", images, "--model", "EfficientNetLite0", "--out", out, "--no-cache"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def worker(job):
    paths, onnx, draft = job
    import numpy
    import onnxruntime
    from PIL import Image

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    features = []
    for path in paths:
        with Image.open(path) as image:
            if draft:
                image.draft("RGB", (224, 224))
            image = image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
        tensor = (numpy.asarray(image, dtype=numpy.float32) - 127) / 128
        tensor = numpy.ascontiguousarray(tensor.transpose(2, 0, 1)[None])
        features.append(session.run(None, {name: tensor})[0])
    return numpy.concatenate(features)


def python(images, work, onnx, draft=False):
    import numpy

    cores = os.cpu_count()
    paths = sorted(images.iterdir())
    jobs = [(paths[i::cores], str(onnx), draft) for i in range(cores)]
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        numpy.save(work / "features.npy", numpy.concatenate(pool.map(worker, jobs)))


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
        onnx = onnx_of(work)
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
