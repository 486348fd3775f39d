"""Watermarks of growing tables: their types, their text, and ranges of rows between two."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from data.errors import RowError

# The types of a watermark, and how each is read from the text of a mark.
TYPES = {
    "int": int,
    "float": float,
    "decimal": Decimal,
    "text": str,
    "time": datetime,
    "date": date,
}
PARSERS: dict[str, Callable[[str], Any]] = {
    **TYPES,
    "time": datetime.fromisoformat,
    "date": date.fromisoformat,
}


@dataclass(frozen=True)
class Stretch:
    """A range of rows: those with watermarks from ``low`` to ``top``, both included."""

    source: str  # digest of the entry it belongs to
    low: Any  # None at the beginning of the table
    top: Any
    edge: str  # digest of the rows at ``top``, because more may come with the same watermark

    @property
    def text(self) -> str:
        """Write the range as the mark of a partition."""
        return json.dumps([self.source, typed(self.low), typed(self.top), self.edge])

    @classmethod
    def read(cls, text: str) -> "Stretch":
        """Read a mark that ``text`` wrote."""
        source, low, top, edge = json.loads(text)
        return cls(source, low and PARSERS[low[0]](low[1]), PARSERS[top[0]](top[1]), edge)


def in_utc(value: Any) -> Any:
    """Bring a time with a zone to UTC.

    A stored mark must not depend on the server's zone, and in other zones two
    times of the hour that a clock repeats compare as equal.
    """
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def as_text(value: Any) -> str | None:
    """Write a value of a database as text; times in ISO 8601."""
    value = in_utc(value)
    if value is None:
        return None
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def typed(value: Any) -> list[str] | None:
    """Write a watermark as the name of its type and its text.

    Raises:
        RowError: If a watermark cannot have its type.
    """
    for name, kind in TYPES.items():
        if type(value) is kind:
            return [name, repr(value) if kind is float else str(as_text(value))]
    if value is None:
        return None
    raise RowError(f"a watermark must be a number, text or a time, got {value!r}")


def bound(value: Any) -> sa.BindParameter[Any]:
    """Make a parameter of a watermark, with its time zone where it has one."""
    has_zone = isinstance(value, datetime) and value.tzinfo is not None
    return sa.literal(value, sa.DateTime(timezone=True)) if has_zone else sa.literal(value)
