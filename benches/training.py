"""Steps per second of training a small CNN on batches of 32 pictures of 32 x 32, on all cores: `emberline-train` against Keras on
TensorFlow, where that is installed, in turns; the best of the rounds counts.

    cargo xtask bench --release training [--steps N] [--tiny]
"""

import argparse
import os
import subprocess
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def ours(steps):
    answer = subprocess.run(["training_speed", str(steps)], check=True, capture_output=True, text=True).stdout
    return float(answer.split()[0])


def theirs():
    """A function of the number of steps, or None."""
    try:
        import keras
        import numpy as np
        from keras import layers
    except ImportError:
        return None
    network = keras.Sequential([keras.Input((32, 32, 3))])
    for filters in (32, 64, 128):
        network.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        network.add(layers.BatchNormalization())
        network.add(layers.ReLU())
        network.add(layers.MaxPooling2D(2))
    network.add(layers.GlobalAveragePooling2D())
    network.add(layers.Dense(10, activation="softmax"))
    network.compile("adam", "sparse_categorical_crossentropy")

    def run(steps):
        images = (np.arange(steps * 32 * 32 * 32 * 3) % 251 / 251).astype(np.float32).reshape(-1, 32, 32, 3)
        labels = np.arange(len(images)) % 10
        network.fit(images[:64], labels[:64], 32, shuffle=False, verbose=0)
        start = time.perf_counter()
        network.fit(images, labels, 32, shuffle=False, verbose=0)
        return steps / (time.perf_counter() - start)

    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="few steps, to see that it works")
    a = parser.parse_args()
    if a.tiny:
        a.steps, a.rounds = 1, 1
    peer = theirs()
    found = [(ours(a.steps), peer(a.steps) if peer else None) for _ in range(a.rounds)]
    own = max(rate for rate, _ in found)
    print(f"a CNN of three convolutions, batches of 32, {os.cpu_count()} cores")
    print(f"  emberline  {own:8.2f} steps/s")
    if peer:
        best = max(rate for _, rate in found)
        print(f"  Keras      {best:8.2f} steps/s, ratio {own / best:.2f}")
    else:
        print("  Keras is not installed")


if __name__ == "__main__":
    main()
