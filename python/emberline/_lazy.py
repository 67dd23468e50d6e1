"""NumPy and PyArrow, imported when first used: ``import emberline`` need not wait for them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
else:

    class _Lazy:
        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            return getattr(importlib.import_module(self._name), attribute)

    np = _Lazy("numpy")
    pa = _Lazy("pyarrow")

__all__ = ["np", "pa"]
