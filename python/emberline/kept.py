"""What is kept on disk for later sessions: features of images, and what tuning measured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emberline import _emberline, _exchange

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FeatureCache", "Ledger", "set_feature_cache"]


class FeatureCache:
    """Features on disk, by the image's content, the weights, the layer and the preprocessing: what is there is never
    out of date. Several processes may use it at once; over its limit, what was not used for the longest time goes
    (uses count from when it is half full).

    >>> import emberline, tempfile
    >>> cache = emberline.FeatureCache(tempfile.mkdtemp())
    >>> emberline.set_feature_cache(cache)  # featurizers look there first, from now on
    >>> cache.stats()["entries"]
    0
    >>> emberline.set_feature_cache(None)
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, bytesMax: int | None = None) -> None:
        """In a folder, by default the one that the command ``emberline`` uses too; at most ``bytesMax`` bytes of
        features, by default ``$EMBERLINE_CACHE_BYTES`` or 10 GiB.
        """
        self._native = _emberline.FeatureCache(None if path is None else os.fspath(path), bytesMax)

    @property
    def path(self) -> Path:
        """Its folder."""
        return Path(self._native.folder())

    def stats(self) -> dict[str, int]:
        """How full it is, ``entries``, ``bytes`` and ``bytesMax``; and what it was good for since it was opened:
        features ``found`` and ``added``.
        """
        return dict(zip(("entries", "bytes", "bytesMax", "found", "added"), self._native.stats()))

    def clear(self) -> None:
        """Forgets everything."""
        self._native.clear()

    def __repr__(self) -> str:
        return f"FeatureCache({str(self.path)!r})"


def set_feature_cache(cache: FeatureCache | None) -> None:
    """Has all featurizers and predictors of this process look features up in a cache before the network runs, and add
    new ones; ``None``, as at the start, for no cache.
    """
    _emberline.use_feature_cache(None if cache is None else cache._native)


class Ledger:
    """Finished trials of tuning, on disk: what is in it is not measured again, even if the process was killed between.

    >>> import emberline, tempfile
    >>> from emberline.ml.tuning import CrossValidator
    >>> ledger = emberline.Ledger(tempfile.mkdtemp() + "/trials.jsonl")
    >>> cv = CrossValidator(numFolds=3).setLedger(ledger)
    >>> ledger.to_arrow().column_names
    ['candidate', 'fold', 'share', 'metric_name', 'metric']

    It is a table for whoever takes one: ``session.register_table("emberline.trials", ledger)``.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        """In a file, by default the one that the command ``emberline`` uses too."""
        self._native = _emberline.Ledger(None if path is None else os.fspath(path))

    @property
    def path(self) -> Path:
        """Its file."""
        return Path(self._native.path())

    def to_arrow(self) -> pa.Table:
        """The trials so far, in the order in which they finished."""
        return _exchange.reader(self._native.trials()).read_all()

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"Ledger({str(self.path)!r})"
