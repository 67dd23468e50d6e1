"""What one would write in Python in place of `emberline featurize`: Pillow and onnxruntime, a single-threaded process per
core, the same network in the same ONNX file."""

import multiprocessing
import os
import subprocess

import numpy
from PIL import Image

from common import pictures


def onnx_of(work):
    """The network that `emberline` runs: it lies in any saved model."""
    for label in ("a", "b"):
        pictures.folder(work / "few" / label, 6)
    saved = work / "few.ember"
    command = ["emberline", "train", work / "few", "--model", "EfficientNetLite0", "--folds", "2", "--out", saved]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(saved.glob("stages/*/network.onnx"))


def worker(job):
    paths, onnx, draft = job
    import onnxruntime

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


def features(paths, onnx, draft=False):
    """The features of the files, in their order."""
    cores = os.cpu_count()
    jobs = [(paths[i::cores], str(onnx), draft) for i in range(cores)]
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        parts = pool.map(worker, jobs)
    out = numpy.empty((len(paths), parts[0].shape[1]), parts[0].dtype)
    for i, part in enumerate(parts):
        out[i::cores] = part
    return out
