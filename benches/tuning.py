"""5 folds x 20 candidates over real pictures with EfficientNetLite0: `emberline tune`, with an empty and with a full cache of
features, as a multiple of one pass of the network over the pictures; and scikit-learn's GridSearchCV (a) over a pipeline
that featurizes inside, as MLlib's CrossValidator does, (b) over features computed once by hand.

    cargo xtask bench tuning [--images N] [--full] [--tiny]

The pictures are those of the demo, mirrored and cropped for more. (a) is one pass and one fit for each of the 100 trials and
once more for the best: computed from the two, or run with --full, which takes a quarter of an hour.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy
from PIL import Image, ImageOps

from common import peer
from common.command import home, with_own_home

FOLDS = 5
STRENGTHS = numpy.logspace(-3, 0, 20)
GRID = "regParam=0.001..1:log:20"
LABELS = ("animals", "clothes", "food", "household", "plants", "town", "vehicles")


def real_pictures(out, count):
    """`count` different JPEGs in a folder for each label."""
    stamps = home() / "datasets/tuxpaint-stamps-default/usr/share/tuxpaint/stamps"
    found = sorted(path for label in LABELS for path in (stamps / label).rglob("*.png"))
    if not found:
        sys.exit(f"{stamps}: expected the demo's pictures, found none; `cargo xtask demo` fetches them")
    changes = (
        lambda image: image,
        ImageOps.mirror,
        lambda image: ImageOps.crop(image, min(image.size) // 12),
        lambda image: ImageOps.mirror(ImageOps.crop(image, min(image.size) // 8)),
    )
    # Every picture takes part before any is changed, and few pictures are of all labels.
    order = [path for i in range(7) for path in found[i::7]]
    for i in range(count):
        path, change = order[i % len(order)], changes[i // len(order) % len(changes)]
        label = path.relative_to(stamps).parts[0]
        (out / label).mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            change(Image.alpha_composite(white, image).convert("RGB")).save(out / label / f"{i:05}.jpg", quality=92)
    return out


def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def command(environment, *arguments):
    subprocess.run(["emberline", *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)


def search(steps, grid):
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    return GridSearchCV(Pipeline(steps), grid, cv=FOLDS, n_jobs=os.cpu_count())


def classifier(train_rows):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    steps = [("scale", StandardScaler()), ("classify", LogisticRegression(max_iter=1_000))]
    return steps, {"classify__C": 1 / (STRENGTHS * train_rows)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--full", action="store_true", help="run (a) instead of computing it")
    parser.add_argument("--tiny", action="store_true", help="a few pictures, to see that it works")
    a = parser.parse_args()
    count = 70 if a.tiny else a.images
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        pictures = real_pictures(work / "pictures", count)
        onnx = peer.onnx_of(work)
        environment = with_own_home(work, "models", "onnxruntime")
        network = ("--model", "EfficientNetLite0")

        def tune(*more):
            best = work / "best.ember"
            options = ("--grid", GRID, "--folds", str(FOLDS), "--out", best, "--overwrite", *more)
            command(environment, "tune", pictures, *network, *options)

        def one_pass():
            out = work / "features.parquet"
            out.unlink(missing_ok=True)
            command(environment, "featurize", pictures, *network, "--out", out, "--no-cache")

        by_pass, _ = timed(one_pass)
        empty, _ = timed(tune)
        full, _ = timed(tune)
        known, _ = timed(lambda: tune("--resume"))
        paths = numpy.array(sorted(pictures.rglob("*.jpg")))
        labels = numpy.array([path.parent.name for path in paths])
        steps, grid = classifier(count * (FOLDS - 1) // FOLDS)
        peer_pass, features = timed(lambda: peer.features(list(paths), onnx))
        fits, _ = timed(lambda: search(steps, grid).fit(features, labels))
        inside = (len(STRENGTHS) * FOLDS + 1) * peer_pass + fits
        if a.full:
            from sklearn.preprocessing import FunctionTransformer

            featurize = ("featurize", FunctionTransformer(lambda part: peer.features(list(part), onnx)))
            searched = search([featurize, *steps], grid).set_params(n_jobs=1)
            inside, _ = timed(lambda: searched.fit(paths, labels))
    print(f"{count} pictures, {FOLDS} folds x {len(STRENGTHS)} candidates, {os.cpu_count()} cores")
    print(f"  one pass of `emberline featurize`        {by_pass:8.1f} s")
    print(f"  `emberline tune`, empty cache            {empty:8.1f} s   {empty / by_pass:.2f}x a pass")
    print(f"  `emberline tune`, full cache             {full:8.1f} s   {full / by_pass:.2f}x a pass")
    print(f"  the same with --resume: no trial again   {known:8.1f} s   {known / by_pass:.2f}x a pass")
    print(f"  (a) GridSearchCV, featurizing inside     {inside:8.1f} s   {inside / empty:.1f}x" + ("" if a.full else "   (computed)"))
    print(f"  (b) GridSearchCV over kept features      {fits:8.1f} s   {fits / full:.1f}x of the full cache's, start and reading included")


if __name__ == "__main__":
    sys.exit(main())
