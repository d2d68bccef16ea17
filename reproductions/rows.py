"""Looking up numbers in rows of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .figures import Row, Value


def find(rows: Sequence[Row], **columns: Value) -> Row | None:
    """The row with these values; None if there is none, as in a quick run."""
    return next((row for row in rows if all(row.get(key) == value for key, value in columns.items())), None)


def number(row: Row | None, column: str) -> float | None:
    """A number of a row, None without a row."""
    if row is None:
        return None
    value = row[column]
    assert isinstance(value, int | float)
    return float(value)


def ratio(above: Row | None, below: Row | None, column: str) -> float | None:
    """How many times one row's number is the other's; None if a row is missing or the divisor is 0."""
    high, low = number(above, column), number(below, column)
    return high / low if high is not None and low else None


def known(values: Mapping[str, float | None]) -> dict[str, float]:
    """The values that there are."""
    return {key: value for key, value in values.items() if value is not None}
