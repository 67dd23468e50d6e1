"""Forward time of the named networks on one core: Emberline's ONNX in onnxruntime, against onnxruntime on the origin's own
export and against the origin itself, in one run, in turns, with the same weights, which a formula gives.

    cargo xtask bench networks [--networks NAME ...] [--rounds N] [--tiny]

The origins are torchvision and `efficientnet_lite_pytorch` (`torch.onnx.export`), and Keras (`tf2onnx`); each takes part where it
is installed, so with those of PyTorch and Keras in environments of their own this runs once in each. Where none is, as in the
gate, only Emberline's side is timed. Of VGG16 it also says what a featurizer takes: time from start to the first features, and
the most memory, of `emberline featurize`.
"""

import argparse
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from unittest import mock

import numpy

from common import pictures
from common.command import seconds_and_mib

# Before TensorFlow and the threads of others start.
for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ[variable] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tools/goldens"))

OPSET = 17

# The pictures' sides of the networks of `efficientnet_lite_pytorch`.
LITE_SIDES = {"EfficientNetLite0": 224, "EfficientNetLite1": 240, "EfficientNetLite2": 260}


def emberline(*arguments):
    subprocess.run(["emberline", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def session(onnx):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    made = onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
    name = made.get_inputs()[0].name
    return lambda x: made.run(None, {name: x})[0]


def pytorch(name, work):
    """Weights, an ONNX file and a function of PyTorch's network, and the size of its pictures; with channels first."""
    import torch
    from zoo_formula import formula, torch_kind

    torch.set_num_threads(1)
    if name in LITE_SIDES:
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name(f"efficientnet-lite{name[-1]}").eval()
    else:
        import torchvision

        constructor = "vit_b_16" if name == "ViTB16" else name.lower()
        network = getattr(torchvision.models, constructor)(weights=None).eval()
    side = LITE_SIDES.get(name, 224)
    state = network.state_dict()
    for part, tensor in state.items():
        if not part.endswith("num_batches_tracked"):
            kind, fan_in = torch_kind(network, part, tensor)
            tensor.copy_(torch.from_numpy(formula(part, kind, tuple(tensor.shape), fan_in, 1.0)))
    torch.save(state, work / "weights.pth")
    torch.onnx.export(network, torch.zeros(1, 3, side, side), str(work / "origin.onnx"), opset_version=min(OPSET, 16))

    def run(x):
        with torch.inference_mode():
            return network(torch.from_numpy(x)).numpy()

    return work / "weights.pth", work / "origin.onnx", run, side, True


def keras(name, work):
    """The same of Keras' network; with channels last."""
    import h5py
    import keras
    import tensorflow
    import tf2onnx
    from keras.src.legacy.saving import legacy_h5_format
    from zoo_formula import KERAS_SIDES, efficientnet, formula, keras_kind, leaves

    side = KERAS_SIDES.get(name, 224)
    keras.backend.clear_session()
    constructor = getattr(keras.applications, name)
    if name.startswith("EfficientNet"):
        constructor = efficientnet(constructor)
    network = constructor(weights=None, input_shape=(side, side, 3), classifier_activation=None)
    for layer in leaves(network):
        for variable in layer.weights:
            if variable.name != "count":
                path, kind, fan_in = keras_kind(layer, variable)
                variable.assign(formula(path, kind, tuple(variable.shape), fan_in, 1.0))
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
            # tf2onnx takes tensors for inputs, and arrays for constants.
            layer.mean, layer.variance = numpy.asarray(layer.mean), numpy.asarray(layer.variance)
    with h5py.File(work / "weights.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    signature = [tensorflow.TensorSpec((1, side, side, 3), tensorflow.float32, name="image")]
    function = tensorflow.function(lambda image: network(image, training=False), input_signature=signature)

    # Convolutions in groups ask for XLA and `gelu` for the complement of `erf`, for which tf2onnx has no operators.
    def gelu(x, approximate):
        assert not approximate
        return 0.5 * x * (1.0 + tensorflow.math.erf(x * numpy.float32(numpy.sqrt(0.5))))

    plain = mock.patch.object(tensorflow, "function", lambda **_: lambda python: python)
    with plain, mock.patch.object(tensorflow.nn, "gelu", gelu):
        tf2onnx.convert.from_function(function, signature, opset=OPSET, output_path=str(work / "origin.onnx"))
    return work / "weights.h5", work / "origin.onnx", lambda x: network.predict(x, verbose=0), side, False


def tables():
    """The networks of each origin that is installed."""
    from zoo_formula import KERAS, TORCHVISION

    has = importlib.util.find_spec
    found = []
    if has("torchvision"):
        found.append(("torchvision", pytorch, TORCHVISION))
    if has("torch") and has("efficientnet_lite_pytorch"):
        found.append(("PyTorch", pytorch, LITE_SIDES))
    if has("keras") and has("tf2onnx"):
        found.append(("Keras", keras, KERAS))
    return found


def in_turns(sides, x, rounds):
    """The least seconds of each side."""
    best = {}
    for turn in range(rounds + 1):
        for name, (run, layout) in sides.items():
            image = x.transpose(0, 3, 1, 2).copy() if layout else x
            start = time.perf_counter()
            run(image)
            seconds = time.perf_counter() - start
            # The first turn warms up.
            if turn:
                best[name] = min(seconds, best.get(name, seconds))
    return best


def compare(name, origin, build, rounds, work):
    weights, exported, run, side, channels_first = build(name, work)
    # Before the softmax, which the origins leave to the caller.
    layer = "reshape_2" if (name, origin) == ("MobileNet", "Keras") else "logits"
    emberline("models", "export", name, "--weights", weights, "--layer", layer, "--out", work / "ours.onnx")
    sides = {
        "ours": (session(work / "ours.onnx"), True),
        "export": (session(exported), channels_first),
        origin: (run, channels_first),
    }
    x = numpy.random.default_rng(1).uniform(-1, 1, (1, side, side, 3)).astype(numpy.float32)
    answers = [side(x.transpose(0, 3, 1, 2).copy() if first else x).ravel() for side, first in sides.values()]
    far = max(numpy.abs(answer - answers[1]).max() for answer in answers) / numpy.abs(answers[1]).max()
    best = in_turns(sides, x, rounds)
    ours = best["ours"]
    print(
        f"  {name:18} {side:3}  {ours * 1e3:8.1f} ms   {ours / best['export']:5.2f}x of onnxruntime on {origin}'s export"
        f"   {best[origin] / ours:5.2f}x faster than {origin}   answers differ by {far:.0e}",
        flush=True,
    )
    return weights


def featurizer(weights, work):
    """VGG16 without its dense layers, as `emberline featurize` loads it for one picture."""
    images = pictures.folder(work / "one", 1)
    command = ["emberline", "featurize", images, "--model", "VGG16", "--weights", weights, "--layer", "block5_pool"]
    command += ["--out", work / "f.parquet", "--no-cache"]
    seconds, peak = seconds_and_mib(*command)
    megabytes = weights.stat().st_size / 1e6
    print(
        f"  VGG16 as a featurizer, out of a file of {megabytes:.0f} MB: {seconds:.1f} s from start to features,"
        f" at most {peak:.0f} MiB resident",
        flush=True,
    )


def alone(rounds, work):
    emberline("models", "export", "EfficientNetLite0", "--out", work / "ours.onnx")
    x = numpy.random.default_rng(1).uniform(-1, 1, (1, 224, 224, 3)).astype(numpy.float32)
    best = in_turns({"ours": (session(work / "ours.onnx"), True)}, x, rounds)
    print(
        f"  EfficientNetLite0  224  {best['ours'] * 1e3:8.1f} ms   (neither torchvision nor Keras with tf2onnx is here)"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", nargs="+")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tiny", action="store_true", help="one small network, to see that it works")
    arguments = parser.parse_args()
    rounds = 1 if arguments.tiny else arguments.rounds
    found = tables()
    print(f"one picture, one core, least of {rounds} rounds")
    if not found:
        with tempfile.TemporaryDirectory() as work:
            alone(rounds, pathlib.Path(work))
    for origin, build, table in found:
        smallest = {"torchvision": "ResNet18", "Keras": "MobileNet"}.get(origin, "EfficientNetLite0")
        for name in [smallest] if arguments.tiny else [n for n in table if n in (arguments.networks or table)]:
            with tempfile.TemporaryDirectory() as work:
                work = pathlib.Path(work)
                weights = compare(name, origin, build, rounds, work)
                if name == "VGG16":
                    featurizer(weights, work)


if __name__ == "__main__":
    main()
