"""Expressions over columns, as in ``pyspark.sql.Column``: they are SQL, written by Python's operators."""

from __future__ import annotations

from typing import Any

__all__ = ["Column", "col", "expr", "lit"]


def quoted(name: str) -> str:
    """A name as SQL has it, its case kept."""
    return '"' + name.replace('"', '""') + '"'


class Column:
    """An expression. ``&``, ``|`` and ``~`` stand for and, or, not.

    >>> from emberline import col
    >>> (col("label") == "cat") & ~(col("width") < 64)
    Column<((("label" = 'cat')) AND (NOT (("width" < 64))))>
    """

    def __init__(self, sql: str, name: str | None = None) -> None:
        self._sql = sql
        self._name = name

    def __repr__(self) -> str:
        return f"Column<{self._sql}>"

    def _with(self, operator: str, other: Any) -> Column:
        return Column(f"({self._sql} {operator} {_sql(other)})")

    def __eq__(self, other: object) -> Column:  # type: ignore[override]
        return self._with("=", other)

    def __ne__(self, other: object) -> Column:  # type: ignore[override]
        return self._with("<>", other)

    def __lt__(self, other: Any) -> Column:
        return self._with("<", other)

    def __le__(self, other: Any) -> Column:
        return self._with("<=", other)

    def __gt__(self, other: Any) -> Column:
        return self._with(">", other)

    def __ge__(self, other: Any) -> Column:
        return self._with(">=", other)

    def __add__(self, other: Any) -> Column:
        return self._with("+", other)

    def __radd__(self, other: Any) -> Column:
        return lit(other) + self

    def __sub__(self, other: Any) -> Column:
        return self._with("-", other)

    def __rsub__(self, other: Any) -> Column:
        return lit(other) - self

    def __mul__(self, other: Any) -> Column:
        return self._with("*", other)

    def __rmul__(self, other: Any) -> Column:
        return lit(other) * self

    def __truediv__(self, other: Any) -> Column:
        return self._with("/", other)

    def __mod__(self, other: Any) -> Column:
        return self._with("%", other)

    def __neg__(self) -> Column:
        return Column(f"(- {self._sql})")

    def __and__(self, other: Any) -> Column:
        return Column(f"(({self._sql}) AND ({_sql(other)}))")

    def __or__(self, other: Any) -> Column:
        return Column(f"(({self._sql}) OR ({_sql(other)}))")

    def __invert__(self) -> Column:
        return Column(f"NOT ({self._sql})")

    def __getitem__(self, key: str | int) -> Column:
        """A field of a struct; an element of a list, from 0."""
        return Column(f"{self._sql}[{_sql(key + 1 if isinstance(key, int) else key)}]")

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise ValueError("a Column has no truth value: use & for and, | for or, ~ for not")

    def isNull(self) -> Column:
        """Whether there is no value."""
        return Column(f"({self._sql} IS NULL)")

    def isNotNull(self) -> Column:
        """Whether there is a value."""
        return Column(f"({self._sql} IS NOT NULL)")

    def isin(self, *values: Any) -> Column:
        """Whether it is one of these values."""
        if len(values) == 1 and isinstance(values[0], (list, tuple, set, frozenset)):
            values = tuple(values[0])
        return Column(f"({self._sql} IN ({', '.join(map(_sql, values))}))") if values else lit(False)

    def like(self, pattern: str) -> Column:
        """Whether a text is like a pattern of SQL."""
        return self._with("LIKE", pattern)

    def between(self, low: Any, high: Any) -> Column:
        """Whether it is at least ``low`` and at most ``high``."""
        return (self >= low) & (self <= high)

    def cast(self, to: str) -> Column:
        """As another type of SQL."""
        return Column(f"CAST({self._sql} AS {to})")

    def alias(self, name: str) -> Column:
        """Under another name."""
        return Column(self._sql, name)

    def asc(self) -> Column:
        """To order by, ascending."""
        return self

    def desc(self) -> Descending:
        """To order by, descending."""
        return Descending(self._sql, self._name)


class Descending(Column):
    """An expression to order by, from the greatest."""


def _sql(value: Any) -> str:
    if isinstance(value, Column):
        return value._sql
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if hasattr(value, "item"):
        return _sql(value.item())
    raise TypeError(f"a {type(value).__name__} is no value of SQL")


def col(name: str) -> Column:
    """The column of that name."""
    return Column(quoted(name))


def lit(value: Any) -> Column:
    """A value that is the same in every row."""
    return Column(_sql(value))


def expr(sql: str) -> Column:
    """An expression of SQL, functions of the session included."""
    return Column(f"({sql})")
