"""Rows, as in ``pyspark.sql.Row``."""

from __future__ import annotations

from typing import Any

__all__ = ["Row"]


class Row(tuple):
    """Values by name: ``row.label``, ``row["label"]``, ``row[0]``.

    >>> row = Row(origin="a.jpg", width=640)
    >>> row.width, row["origin"], row.asDict()
    (640, 'a.jpg', {'origin': 'a.jpg', 'width': 640})
    """

    _fields: tuple[str, ...]

    def __new__(cls, **values: Any) -> Row:
        return cls._of(tuple(values), tuple(values.values()))

    @classmethod
    def _of(cls, names: tuple[str, ...], values: tuple[Any, ...]) -> Row:
        row = tuple.__new__(cls, values)
        row.__dict__["_fields"] = names
        return row

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return tuple.__getitem__(self, key)
        if key not in self._fields:
            raise KeyError(f"no column {key}; there are {', '.join(self._fields)}")
        return tuple.__getitem__(self, self._fields.index(key))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._fields:
            raise AttributeError(f"no column {name}")
        return self[name]

    # Names of columns go before those of a tuple's methods.

    @property
    def index(self) -> Any:  # type: ignore[override]
        """The column ``index``; where there is none, a tuple's method."""
        return self["index"] if "index" in self._fields else super().index

    @property
    def count(self) -> Any:  # type: ignore[override]
        """The column ``count``; where there is none, a tuple's method."""
        return self["count"] if "count" in self._fields else super().count

    def __contains__(self, key: object) -> bool:
        return key in self._fields or tuple.__contains__(self, key)

    def __repr__(self) -> str:
        return f"Row({', '.join(f'{name}={value!r}' for name, value in zip(self._fields, self))})"

    def __reduce__(self) -> Any:
        return Row._of, (self._fields, tuple(self))

    def asDict(self, recursive: bool = False) -> dict[str, Any]:
        """The values by name; with ``recursive``, of rows in it, too."""
        values = (v.asDict(True) if recursive and isinstance(v, Row) else v for v in self)
        return dict(zip(self._fields, values))
