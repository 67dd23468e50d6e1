"""scikit-learn's 1,797 handwritten digits as pictures, and a small network that Keras defined: `emberline fit` in a grid of three learning
rates and two batch sizes. Prints the accuracy on the pictures held out, the candidate that was chosen, and how far apart the
best and the worst one are; and, where Keras is installed, the accuracy of the file that `--keras` wrote on the same pictures.

    cargo xtask bench digits [--epochs N] [--tiny]

An accuracy below 0.98 is an error, but for --tiny.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
from PIL import Image

from common.command import with_own_home

NETWORK = pathlib.Path(__file__).resolve().parent.parent / "crates/emberline-ml/tests/fixtures/training/digits_cnn.keras"
LEARNING_RATES = "0.01,0.003,0.0001"
BATCH_SIZES = "32,64"
ACCURACY_MIN = 0.98


def digits(out, count):
    """A picture of 8x8 gray pixels for each digit, in a folder by its label."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    for i, (pixels, label) in enumerate(zip(images[:count], labels[:count])):
        folder = out / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = numpy.round(pixels.reshape(8, 8) * 255 / 16).astype(numpy.uint8)
        Image.fromarray(pixels, "L").save(folder / f"{i:04}.png")
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--tiny", action="store_true", help="few digits and epochs, to see that it works")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        pictures = digits(work / "digits", 200 if a.tiny else 1_797)
        environment = with_own_home(work, "onnxruntime")
        arguments = ["emberline", "fit", pictures, "--network", NETWORK, "--scale", str(1 / 255)]
        arguments += ["--learning-rate", LEARNING_RATES, "--batch-size", BATCH_SIZES]
        arguments += ["--epochs", str(2 if a.tiny else a.epochs), "--out", work / "digits.ember"]
        arguments += ["--keras", work / "digits.keras", "--plot", work / "curves.svg", "--json"]
        report = json.loads(subprocess.run(arguments, check=True, stdout=subprocess.PIPE, env=environment).stdout)
        found = [candidate["accuracy"] for candidate in report["candidates"]]
        for i, candidate in enumerate(report["candidates"]):
            chosen = "  chosen" if i == report["best"] else ""
            rate, size, accuracy = candidate["learning_rate"], candidate["batch_size"], candidate["accuracy"]
            print(f"learning rate {rate:<7} batch size {size:<3} accuracy {accuracy:.4f}{chosen}")
        print(f"best - worst: {max(found) - min(found):.4f}")
        print(f"held out: {report['accuracy']:.4f} of {report['held_out']} pictures, {report['seconds']:.0f} s for everything")
        steps = sum(epoch["steps"] for epoch in report["history"])
        print(f"loss {report['history'][0]['values']['loss']:.4f} to {report['history'][-1]['values']['loss']:.4f} in {steps} steps")
        if not a.tiny and report["accuracy"] < ACCURACY_MIN:
            sys.exit(f"expected an accuracy of at least {ACCURACY_MIN}, found {report['accuracy']}")


if __name__ == "__main__":
    main()
