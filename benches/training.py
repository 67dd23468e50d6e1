"""Steps per second of training on all cores: `emberline-train` against Keras on TensorFlow and PyTorch, where they are installed, in
turns; the best of the rounds counts. A small CNN for digits of 28 x 28, all of ResNet18, and the last block of
EfficientNetLite0, for which Emberline computes the features of the frozen blocks once. Keras does so in every step, unless one cuts the
model in two as well; both are measured.

    cargo xtask bench --release training [--steps N] [--batch N] [--only digits|last-block|resnet18] [--tiny]
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
CLASSES = 10
LITE0 = [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)]


def ours(name, steps, batch):
    answer = subprocess.run(["training_speed", name, str(steps), str(batch)], check=True, capture_output=True, text=True).stdout
    *notes, rate = answer.splitlines()
    return float(rate.split()[0]), notes


def keras_networks(name):
    """What is to be compared, by what it is called."""
    import keras
    from keras import layers

    def conv(x, filters, kernel, strides=1):
        x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    def top(x):
        return layers.Dense(CLASSES, activation="softmax")(layers.GlobalAveragePooling2D()(x))

    if name == "digits":
        x = image = keras.Input((28, 28, 1))
        for filters in (32, 64):
            x = layers.MaxPooling2D(2)(layers.Conv2D(filters, 3, activation="relu")(x))
        out = layers.Dense(CLASSES, activation="softmax")(layers.Dropout(0.5)(layers.Flatten()(x)))
        return {"Keras": keras.Model(image, out)}
    image = keras.Input((224, 224, 3))
    if name == "resnet18":
        x = layers.MaxPooling2D(3, 2, padding="same")(layers.ReLU()(conv(image, 64, 7, 2)))
        for stage, filters in enumerate((64, 128, 256, 512)):
            for block in range(2):
                strides = 2 if stage and not block else 1
                shortcut = conv(x, filters, 1, 2) if strides == 2 else x
                x = conv(layers.ReLU()(conv(x, filters, 3, strides)), filters, 3)
                x = layers.ReLU()(layers.Add()([shortcut, x]))
        return {"Keras": keras.Model(image, top(x))}

    def block(x, expansion, kernel, strides, filters, add):
        before = x
        if expansion > 1:
            x = layers.ReLU(6.0)(conv(x, x.shape[-1] * expansion, 1))
        x = layers.DepthwiseConv2D(kernel, strides, padding="same", use_bias=False)(x)
        x = conv(layers.ReLU(6.0)(layers.BatchNormalization()(x)), filters, 1)
        return layers.Add()([before, x]) if add else x

    x = layers.ReLU(6.0)(conv(image, 32, 3, 2))
    for expansion, kernel, strides, filters, repeats in LITE0[:-1]:
        for repeat in range(repeats):
            x = block(x, expansion, kernel, strides if repeat == 0 else 1, filters, repeat > 0)
    trunk = keras.Model(image, x)
    trunk.trainable = False
    features = keras.Input(x.shape[1:])
    y = block(features, *LITE0[-1][:-1], add=False)
    head = keras.Model(features, top(layers.ReLU(6.0)(conv(y, 1280, 1))))
    return {"Keras": keras.Model(image, head(trunk(image))), "Keras upon features": head}


def keras_peers(name, batch):
    """Functions of the number of steps."""
    try:
        import numpy as np

        networks = keras_networks(name)
    except ImportError:
        return {}

    def peer(network):
        network.compile("adam", "sparse_categorical_crossentropy")
        shape = (batch, *network.input_shape[1:])
        images = (np.arange(np.prod(shape)) % 251 / 251).astype(np.float32).reshape(shape)
        labels = np.arange(batch) % CLASSES

        def run(steps):
            rows = np.tile(np.arange(batch), 2)
            network.fit(images[rows], labels[rows], batch, shuffle=False, verbose=0)
            rows = np.tile(np.arange(batch), steps)
            given, wanted = images[rows], labels[rows]
            start = time.perf_counter()
            network.fit(given, wanted, batch, shuffle=False, verbose=0)
            return steps / (time.perf_counter() - start)

        return run

    return {kind: peer(network) for kind, network in networks.items()}


def torch_network(name):
    from torch import nn

    if name == "digits":
        convs = [[nn.Conv2d(a, b, 3), nn.ReLU(), nn.MaxPool2d(2)] for a, b in ((1, 32), (32, 64))]
        return nn.Sequential(*sum(convs, []), nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, CLASSES)), (1, 28, 28)

    def conv(a, b, kernel, strides=1, groups=1):
        return nn.Sequential(nn.Conv2d(a, b, kernel, strides, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(b))

    top = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if name == "last-block":
        body = [conv(192, 1152, 1), nn.ReLU6(), conv(1152, 1152, 3, groups=1152), nn.ReLU6(), conv(1152, 320, 1), conv(320, 1280, 1), nn.ReLU6()]
        return nn.Sequential(*body, *top, nn.Linear(1280, CLASSES)), (192, 7, 7)

    class Block(nn.Module):
        def __init__(self, a, b, strides):
            super().__init__()
            self.body = nn.Sequential(conv(a, b, 3, strides), nn.ReLU(), conv(b, b, 3))
            self.shortcut = conv(a, b, 1, 2) if strides == 2 else nn.Identity()
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(self.body(x) + self.shortcut(x))

    sizes = [64, 64, 64, 128, 128, 256, 256, 512, 512]
    blocks = [Block(a, b, 1 if a == b else 2) for a, b in zip(sizes, sizes[1:])]
    return nn.Sequential(conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *blocks, *top, nn.Linear(512, CLASSES)), (3, 224, 224)


def torch_rate(name, steps, batch):
    import torch

    network, shape = torch_network(name)
    optimizer, loss = torch.optim.Adam(network.parameters()), torch.nn.CrossEntropyLoss()
    images = (torch.arange(batch * shape[0] * shape[1] * shape[2]) % 251 / 251).reshape(batch, *shape)
    labels = torch.arange(batch) % CLASSES

    def steps_of(count):
        for _ in range(count):
            optimizer.zero_grad()
            loss(network(images), labels).backward()
            optimizer.step()

    network.train()
    steps_of(2)
    start = time.perf_counter()
    steps_of(steps)
    return steps / (time.perf_counter() - start)


def torch_peers(name, batch):
    """In a process of its own: it and TensorFlow bring an LLVM each, which do not bear each other."""
    if importlib.util.find_spec("torch") is None:
        return {}

    def run(steps):
        command = [sys.executable, __file__, "--only", name, "--steps", str(steps), "--batch", str(batch), "--torch"]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return {"PyTorch" + (" upon features" if name == "last-block" else ""): run}


WHAT = {"digits": "a small CNN for digits", "last-block": "the last block of EfficientNetLite0", "resnet18": "all of ResNet18"}
SIZES = {"digits": (200, 32), "last-block": (20, 16), "resnet18": (3, 8)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=WHAT)
    parser.add_argument("--tiny", action="store_true", help="one network and one step, to see that it works")
    parser.add_argument("--torch", action="store_true", help="only PyTorch's rate")
    a = parser.parse_args()
    if a.torch:
        return print(torch_rate(a.only, a.steps, a.batch))
    for name in [a.only] if a.only else ["digits"] if a.tiny else WHAT:
        steps, batch = SIZES[name]
        steps, batch, rounds = (1, 2, 1) if a.tiny else (a.steps or steps, a.batch or batch, a.rounds)
        peers = {**keras_peers(name, batch), **torch_peers(name, batch)}
        found, notes = {}, []
        for _ in range(rounds):
            rate, notes = ours(name, steps, batch)
            rates = {"Emberline": rate, **{peer: run(steps) for peer, run in peers.items()}}
            found = {peer: max(rate, found.get(peer, 0.0)) for peer, rate in rates.items()}
        print(f"{WHAT[name]}, batches of {batch}, {os.cpu_count()} cores")
        for peer, rate in found.items():
            print(f"  {peer:22} {rate:8.2f} steps/s, ratio {found['Emberline'] / rate:.2f}")
        for note in notes:
            print(f"  Emberline: {note}")


if __name__ == "__main__":
    main()
