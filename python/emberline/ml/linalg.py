"""Vectors, as in ``pyspark.ml.linalg``: NumPy arrays, which is what columns of vectors take and give.

There are no sparse vectors in columns; `Vectors.sparse` makes a dense one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["DenseVector", "Vectors"]


class DenseVector(np.ndarray):
    """An array of one axis with the methods of MLlib's vectors.

    >>> v = Vectors.dense(3, 4)
    >>> v.norm(2), v.dot([1, 1]), v.toArray()
    (5.0, 7.0, array([3., 4.]))
    """

    def __new__(cls, values: Any) -> DenseVector:
        array = np.array(values, dtype=np.float64)
        if array.ndim != 1:
            raise ValueError(f"expected numbers on one axis, found shape {array.shape}")
        return array.view(cls)

    @property
    def values(self) -> np.ndarray:
        """The numbers."""
        return self.toArray()

    def toArray(self) -> np.ndarray:
        """The numbers."""
        return np.asarray(self)

    def dot(self, other: Any) -> float:  # type: ignore[override]
        """The sum of the products with another vector's numbers."""
        return float(np.dot(self.toArray(), np.asarray(other, dtype=np.float64)))

    def norm(self, p: float) -> float:
        """The p-norm."""
        return float(np.linalg.norm(self.toArray(), p))

    def squared_distance(self, other: Any) -> float:
        """The sum of squared differences from another vector."""
        difference = self.toArray() - np.asarray(other, dtype=np.float64)
        return float(difference @ difference)

    def numNonzeros(self) -> int:
        """How many numbers are not 0."""
        return int(np.count_nonzero(self.toArray()))


class Vectors:
    """Makes vectors."""

    @staticmethod
    def dense(*values: Any) -> DenseVector:
        """Of numbers, or of a list of them."""
        return DenseVector(values[0] if len(values) == 1 and np.ndim(values[0]) == 1 else values)

    @staticmethod
    def zeros(size: int) -> DenseVector:
        """Of zeros."""
        return DenseVector(np.zeros(size))

    @staticmethod
    def sparse(size: int, *args: Any) -> DenseVector:
        """Of a size and places with their values: as a dict, as pairs, or as two lists."""
        vector = np.zeros(size)
        pairs = (
            args[0].items()
            if len(args) == 1 and isinstance(args[0], dict)
            else args[0]
            if len(args) == 1
            else zip(*args)
        )
        for place, value in pairs:
            vector[place] = value
        return DenseVector(vector)

    @staticmethod
    def norm(vector: Any, p: float) -> float:
        """The p-norm of a vector."""
        return DenseVector(vector).norm(p)

    @staticmethod
    def squared_distance(v1: Any, v2: Any) -> float:
        """The sum of squared differences of two vectors."""
        return DenseVector(v1).squared_distance(v2)
