"""Writes the Keras files that the tests of training begin with, to crates/emberline-ml/tests/fixtures/training/.

    python tools/goldens/training_models.py

- digits_cnn.keras: a small convolutional network over scikit-learn's digits, 8x8 pixels, compiled.
- colours_cnn.keras: one over 12x12 pixels of three channels and three classes, for the documents.
- stripes_cnn.keras: one over 32x32 pixels of three channels and two classes, compiled.
- points.keras: two layers over vectors of two numbers and two classes, not compiled.
"""

import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
from keras import layers

TARGET = Path(__file__).resolve().parents[2] / "crates/emberline-ml/tests/fixtures/training"


def main():
    TARGET.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(7)
    digits = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1"),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv2"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flat"),
            layers.Dense(32, activation="relu", name="hidden"),
            layers.Dropout(0.25, name="drop"),
            layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits_cnn",
    )
    digits.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    digits.save(TARGET / "digits_cnn.keras")

    stripes = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(8, 5, strides=2, use_bias=False, name="conv1"),
            layers.BatchNormalization(momentum=0.8, name="norm"),
            layers.ReLU(name="relu"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(8, activation="relu", name="hidden"),
            layers.Dense(2, activation="softmax", name="direction"),
        ],
        name="stripes_cnn",
    )
    stripes.compile(optimizer="sgd", loss="categorical_crossentropy")
    stripes.save(TARGET / "stripes_cnn.keras")

    colours = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, strides=2, activation="tanh", name="conv1"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, activation="softmax", name="colour"),
        ],
        name="colours_cnn",
    )
    colours.save(TARGET / "colours_cnn.keras")

    points = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(8, activation="tanh", name="hidden"),
            layers.Dense(2, activation="softmax", name="side"),
        ],
        name="points",
    )
    points.save(TARGET / "points.keras")


if __name__ == "__main__":
    main()
