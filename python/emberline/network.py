"""What networks consist of."""

from __future__ import annotations

import os
from typing import Any

from emberline import _emberline
from emberline.row import Row

__all__ = ["Network"]

#: How files of Keras are called.
_SUFFIXES = (".keras", ".h5", ".hdf5")


class Network:
    """The layers of a network: of a named one (see `networks`), of a file of Keras, or of a live ``keras.Model``. The
    weights of a named network are not fetched for it.

    >>> import emberline
    >>> network = emberline.Network("EfficientNetLite0")
    >>> network
    Network('EfficientNetLite0', 144 layers, 4,694,024 parameters)
    >>> network.inputs, network.featureLayer
    ({'image': (224, 224, 3)}, 'avg_pool')
    >>> network.layer("block2b_project_bn").shape
    (56, 56, 24)
    >>> emberline.createDataFrame(network.layers).filter("kind = 'Dense'").select("name", "parameters").collect()
    [Row(name='logits', parameters=1281000)]
    """

    #: Its name.
    name: str
    #: The shapes of what it takes, without the batch, by name: ``(height, width, channels)``, ``(features,)``.
    inputs: dict[str, tuple[int, ...]]
    #: The names of the layers that give its answers.
    outputs: list[str]
    #: A row for each layer, in the order in which they run: ``name``, ``kind`` (the class in Keras), ``shape`` of the
    #: output without the batch, ``parameters`` (means and variances included) and ``multiplyAdds`` for one sample.
    layers: list[Row]
    #: The layers of a named network that are worth cutting at, from early to late; any other will do as well.
    cutLayers: list[str]
    #: The layer whose output is a named network's features, where no other is asked for.
    featureLayer: str | None
    #: The classes of a named network, in the order of its probabilities.
    labels: list[str]
    #: The licence of a named network's weights.
    licence: str | None

    def __init__(self, model: Any) -> None:
        """``model``: a name, a path, or a ``keras.Model``."""
        if isinstance(model, str) and not model.lower().endswith(_SUFFIXES) and not os.path.exists(model):
            native = _emberline.Network.named(model)
        else:
            # Live models need a converter of params, and those NumPy.
            from emberline.ml.param import TypeConverters

            native = _emberline.Network.of_file(TypeConverters.toModelFile(model))
        self.name = native.name()
        self.inputs = {name: tuple(shape) for name, shape in native.inputs()}
        self.outputs = native.outputs()
        self.layers = [
            Row(name=name, kind=kind, shape=tuple(shape), parameters=parameters, multiplyAdds=multiply_adds)
            for name, kind, shape, parameters, multiply_adds in native.layers()
        ]
        card = native.card() or {}
        self.cutLayers = card.get("cutLayers", [])
        self.featureLayer = card.get("featureLayer")
        self.labels = card.get("labels", [])
        self.licence = card.get("licence")

    @property
    def parameters(self) -> int:
        """How many numbers its weights are, means and variances included."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiplyAdds(self) -> int:
        """How many multiplications followed by an addition one sample costs, in convolutions and dense layers."""
        return sum(layer.multiplyAdds for layer in self.layers)

    def layer(self, name: str) -> Row:
        """The row of one layer; ``KeyError`` where there is none of that name."""
        found = next((layer for layer in self.layers if layer.name == name), None)
        if found is None:
            names = self.cutLayers or [layer.name for layer in self.layers[-5:]]
            raise KeyError(f"network {self.name} has no layer {name}; it has {', '.join(names)}, among others")
        return found

    def summary(self) -> None:
        """Prints the layers."""
        last = "worth cutting at" if self.cutLayers else ""
        rows = [("layer", "kind", "output", "parameters", "multiply-adds", last)]
        for layer in self.layers:
            cut = (
                "yes: the features"
                if layer.name == self.featureLayer
                else "yes"
                if layer.name in self.cutLayers
                else ""
            )
            numbers = (f"{layer.parameters:,}", f"{layer.multiplyAdds:,}")
            rows.append((layer.name, layer.kind, "×".join(map(str, layer.shape)), *numbers, cut))
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        print("\n".join([f"{self!r}, inputs {self.inputs}", lines[0], "─" * max(map(len, lines)), *lines[1:]]))

    def __repr__(self) -> str:
        return f"Network({self.name!r}, {len(self.layers)} layers, {self.parameters:,} parameters)"
