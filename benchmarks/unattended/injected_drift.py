"""Drift of a stated size, injected into rows of real datasets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

Random = np.random.Generator
Row = dict[str, Any]
LABELS = ("label", "tags")


@dataclass(frozen=True)
class Drift:
    """A change of rows; ``change`` gets the rows, rows of another dataset, and chance."""

    name: str
    size: str
    change: Callable[[list[Row], list[Row], Random], list[Row]]


def foreign_rows(rows: list[Row], others: list[Row], random: Random) -> list[Row]:
    """Take every fifth row from another dataset."""
    chosen = _some(rows, 0.2, random)
    return [
        row | {name: others[i % len(others)][name] for name in row if name in others[0]}
        if i in chosen
        else row
        for i, row in enumerate(rows)
    ]


def shorter_rows(rows: list[Row], others: list[Row], random: Random) -> list[Row]:
    """Cut three rows in ten to their first half."""
    chosen = _some(rows, 0.3, random)
    return [_halved(row) if i in chosen else row for i, row in enumerate(rows)]


def _halved(row: Row) -> Row:
    return {
        name: value if name == "label" else value[: max(1, len(value) // 2)]
        for name, value in row.items()
    }


def new_words(rows: list[Row], others: list[Row], random: Random) -> list[Row]:
    """Replace one word in five by one that no row has: the word backwards, with a mark."""
    return [_each_text(row, lambda text: _with_new_words(text, random)) for row in rows]


def _with_new_words(text: Any, random: Random) -> Any:
    # Texts without spaces are counted by characters.
    words = text if isinstance(text, list) else text.split(" ")
    words = list(text) if len(words) == 1 and not isinstance(text, list) else words
    joint = "" if not isinstance(text, list) and " " not in text else " "
    swapped = random.random(len(words)) < 0.2
    found = [
        (word[::-1] + "\u00a4" if joint or isinstance(text, list) else "\u00a4") if is_new else word
        for word, is_new in zip(words, swapped, strict=True)
    ]
    return found if isinstance(text, list) else joint.join(found)


def broken_characters(rows: list[Row], others: list[Row], random: Random) -> list[Row]:
    """Lose every tenth character of one row in five, as a wrong encoding does."""
    chosen = _some(rows, 0.2, random)
    return [_each_text(row, _broken) if i in chosen else row for i, row in enumerate(rows)]


def _broken(text: Any) -> Any:
    if isinstance(text, list):
        return [_broken(token) if i % 3 == 0 else token for i, token in enumerate(text)]
    return "".join("\ufffd" if i % 10 == 0 else c for i, c in enumerate(text))


def other_labels(rows: list[Row], others: list[Row], random: Random) -> list[Row]:
    """Move 20 points of the labels or entities from the most frequent name to the next."""
    name = next(each for each in LABELS if each in rows[0])
    kinds = [kind for row in rows for kind in _kinds(row[name])]
    names, counts = np.unique(kinds, return_counts=True)
    first, second = names[np.argsort(-counts)][:2]
    share = 0.2 * len(kinds) / counts.max()
    return [
        row | {name: _renamed(row[name], first, second)} if random.random() < share else row
        for row in rows
    ]


def _kinds(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [tag[2:] for tag in value or () if tag.startswith("B-")]


def _renamed(value: Any, first: str, second: str) -> Any:
    if not isinstance(value, list):
        return second if value == first else value
    return [f"{tag[:2]}{second}" if tag[2:] == first else tag for tag in value]


def _each_text(row: Row, change: Callable[[Any], Any]) -> Row:
    return {name: value if name in LABELS else change(value) for name, value in row.items()}


def _some(rows: list[Row], share: float, random: Random) -> set[int]:
    return set(random.permutation(len(rows))[: int(share * len(rows))].tolist())


DRIFTS = (
    Drift("foreign rows", "20 % of rows", foreign_rows),
    Drift("shorter rows", "30 % of rows, by half", shorter_rows),
    Drift("new words", "20 % of words", new_words),
    Drift("broken characters", "10 % in 20 % of rows", broken_characters),
    Drift("other labels", "20 points", other_labels),
)


def drifted_table(table: pa.Table, others: pa.Table, drift: Drift, random: Random) -> pa.Table:
    """Inject a drift into the rows of a table."""
    rows = drift.change(table.to_pylist(), others.to_pylist(), random)
    return pa.Table.from_pylist(rows, schema=table.schema)
