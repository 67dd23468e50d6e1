"""Features as a network gives them, drawn by chance: non-negative, single precision, most of them small."""

import numpy as np


def labelled(rows, columns, classes, seed=0):
    """`rows` vectors around a centre for each of `classes` labels, and the labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, rows)
    centres = random.gamma(0.4, 0.5, (classes, columns))
    features = random.gamma(0.5, 0.6, (rows, columns)) + 0.35 * centres[labels]
    return features.astype(np.float32), labels
