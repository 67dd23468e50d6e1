"""Trained networks: what their classes have beyond the tables of params."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from emberline.ml.util import NativeModel


class TrainedNetwork(NativeModel):
    """A network that was trained, also for Keras."""

    def saveKeras(self, path: str | os.PathLike[str]) -> None:
        """Writes the trained network as a ``.keras`` file, which Keras 3 opens."""
        Path(path).write_bytes(self._attribute("kerasFile"))

    def toKeras(self) -> Any:
        """The trained network as a live ``keras.Model``; Keras has to be installed."""
        import keras

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.keras"
            self.saveKeras(file)
            return keras.saving.load_model(file)
