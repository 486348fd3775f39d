"""The data report: labels, lengths, words and rejected rows, counted while rows stream by."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.ingestion.splitting import REFUSED, Part
from data.rows.arrow_text import num_characters
from data.rows.hash_set import Hashes
from data.rows.missing_values import count_missing_words, rejected_with_missing_words
from data.rows.splits import SPLITS
from data.text.numbers import NUMBERS
from data.text.scripts import count_scripts

# Rows whose words are counted, because counting all is slow; more of train, which defines the
# known words.
SAMPLE_ROWS = {"train": 20_000, "validation": 5_000, "test": 5_000}
EXAMPLES = 5  # of each reason
RAW_SHOWN = 300  # characters of a refused row
PERCENTILES = (5, 25, 50, 75, 95, 99, 100)


class Sample:
    """A sample of a stream: the rows with the smallest hashes, independent of their order."""

    def __init__(self, size: int) -> None:
        """Keep up to ``size`` rows."""
        self.size = size
        self.bound = np.uint64(2**64 - 1)
        self.tables: list[pa.Table] = []
        self.hashes: Hashes = np.zeros(0, np.uint64)

    def add(self, table: pa.Table, hashes: Hashes) -> None:
        """Add more rows of the stream."""
        chosen = hashes <= self.bound
        if not chosen.any():
            return
        self.tables.append(table.filter(pa.array(chosen)))
        self.hashes = np.concatenate([self.hashes, hashes[chosen]])
        if len(self.hashes) > 2 * self.size:
            self._shrink()

    def _shrink(self) -> None:
        order = np.sort(np.argsort(self.hashes, kind="stable")[: self.size])
        self.tables = [pa.concat_tables(self.tables).take(pa.array(order))]
        self.hashes = self.hashes[order]
        self.bound = self.hashes.max(initial=np.uint64(0))

    def table(self) -> pa.Table | None:
        """Return the rows of the sample; None if there are none."""
        if len(self.hashes) > self.size:
            self._shrink()
        return pa.concat_tables(self.tables) if self.tables else None


class SplitCount:
    """Counts over the rows of one split."""

    def __init__(self, sample_rows: int) -> None:
        """Begin with no rows."""
        self.rows = 0
        self.labels = Counter[str]()
        self.entities = Counter[str]()
        self.lengths: dict[str, NDArray[np.int64]] = {}
        self.missing: dict[str, Counter[str]] = {}  # side to words for missing values
        self.sample = Sample(sample_rows)

    def add(self, part: Part) -> None:
        """Count some rows."""
        self.rows += part.table.num_rows
        for name in part.table.column_names:
            column = part.table[name]
            if name == "label":
                self.labels.update(
                    {item["values"]: item["counts"] for item in pc.value_counts(column).to_pylist()}
                )
            elif name == "tags":
                tags = pc.list_flatten(column)
                begun = pc.value_counts(tags.filter(pc.starts_with(tags, "B-"))).to_pylist()
                self.entities.update({item["values"][2:]: item["counts"] for item in begun})
            elif name not in NUMBERS:
                self._add_lengths(name, column)
            if not pa.types.is_list(column.type):
                self.missing.setdefault(name, Counter()).update(count_missing_words(column))
        self.sample.add(part.table, part.hashes)

    def _add_lengths(self, name: str, column: pa.ChunkedArray) -> None:
        is_list = pa.types.is_list(column.type)
        length = (pc.list_value_length(column) if is_list else num_characters(column)).to_numpy()
        before = self.lengths.get(name, np.zeros(0, np.int64))
        counts = np.bincount(length, minlength=len(before))
        counts[: len(before)] += before
        self.lengths[name] = counts

    def as_json(self) -> dict[str, Any]:
        """Return the counts for JSON."""
        return {
            "rows": self.rows,
            "labels": dict(self.labels.most_common()),
            "entities": dict(self.entities.most_common()),
            "lengths": {name: percentiles(counts) for name, counts in self.lengths.items()},
            "missing_words": {
                name: dict(counts.most_common()) for name, counts in self.missing.items() if counts
            },
        }


def percentiles(counts: NDArray[np.int64]) -> dict[str, int]:
    """Compute percentiles of lengths from the number of rows of each length."""
    below = np.cumsum(counts)
    lengths = np.searchsorted(below, np.asarray(PERCENTILES) / 100 * below[-1])
    return {str(share): int(length) for share, length in zip(PERCENTILES, lengths, strict=True)}


def words_of(column: pa.ChunkedArray, *, is_characters: bool) -> Counter[str]:
    """Count the words of a column, or its characters without spaces."""
    if pa.types.is_list(column.type):
        flat = pc.list_flatten(column)
    elif is_characters:
        return Counter(
            character
            for text in column.to_pylist()
            for character in text
            if not character.isspace()
        )
    else:
        flat = pc.list_flatten(pc.utf8_split_whitespace(pc.utf8_lower(column)))
    return Counter(
        {
            item["values"]: item["counts"]
            for item in pc.value_counts(flat).to_pylist()
            if item["values"]
        }
    )


class Tally:
    """All counts of the data report of a dataset."""

    def __init__(self) -> None:
        """Begin with no rows."""
        self.splits = {split: SplitCount(SAMPLE_ROWS[split]) for split in SPLITS}
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, list[dict[str, Any]]] = {}
        # Rejected rows with a word for a missing value: the number of each kind, and the words.
        self.about_missing: Counter[str] = Counter()
        self.missing_words: Counter[str] = Counter()

    def add(self, part: Part) -> None:
        """Count some rows of a split, or some rejected rows."""
        if part.split != REFUSED:
            self.splits[part.split].add(part)
            return
        for kind in pc.unique(part.table["kind"]).to_pylist():
            of_kind = part.table.filter(pc.equal(part.table["kind"], kind))
            self.reasons[kind] += of_kind.num_rows
            if kind in ("conflict", "duplicate", "unknown_label"):
                num, words = rejected_with_missing_words(of_kind["raw"])
                self.about_missing[kind] += num
                self.missing_words.update(words)
            shown = self.examples.setdefault(kind, [])
            shown += [_short(row) for row in of_kind.slice(0, EXAMPLES - len(shown)).to_pylist()]

    def as_json(self, *, is_characters: bool) -> dict[str, Any]:
        """Return the report for JSON."""
        refused = sum(self.reasons.values())
        kept = sum(count.rows for count in self.splits.values())
        return {
            "read": refused + kept,
            "kept": kept,
            "refused": refused,
            "reasons": dict(self.reasons.most_common()),
            "examples": self.examples,
            "about_missing": {kind: num for kind, num in self.about_missing.items() if num},
            "missing_words": dict(self.missing_words.most_common()),
            "splits": {split: count.as_json() for split, count in self.splits.items()},
            "words": self._words(is_characters=is_characters),
        }

    def _words(self, *, is_characters: bool) -> dict[str, Any]:
        """Count the vocabulary of each side in a sample, and the share of unknown words."""
        found: dict[str, Any] = {
            "unit": "characters" if is_characters else "words",
            "rows": {},
            "sides": {},
        }
        samples = {split: count.sample.table() for split, count in self.splits.items()}
        for split, table in samples.items():
            found["rows"][split] = table.num_rows if table is not None else 0
            if table is None:
                continue
            for name in table.column_names:
                if name in ("label", "tags", *NUMBERS):
                    continue
                side = found["sides"].setdefault(name, {})
                if "unspaced_share" not in side:
                    side |= _unit(table[name], is_characters=is_characters)
                words = words_of(table[name], is_characters=side["unit"] == "characters")
                known = words if split == "train" else side.get("known", Counter())
                side |= {"known": known} if split == "train" else {}
                num = max(1, words.total())
                unknown = sum(count for word, count in words.items() if word not in known)
                side[split] = {
                    "distinct": len(words),
                    "running": words.total(),
                    "unknown_share": unknown / num,
                }
        for side in found["sides"].values():
            side.pop("known", None)
        return found


def _unit(column: pa.ChunkedArray, *, is_characters: bool) -> dict[str, Any]:
    """Choose the unit to count: words or, where spaces do not separate them, characters."""
    scripts = count_scripts([column])
    is_unspaced = scripts.is_unspaced and not pa.types.is_list(column.type)
    unit = "characters" if is_characters or is_unspaced else "words"
    return {"unit": unit, "unspaced_share": scripts.unspaced_share, "han_share": scripts.han_share}


def _short(row: dict[str, Any]) -> dict[str, Any]:
    raw = row["raw"] or ""
    return row | {"raw": raw if len(raw) <= RAW_SHOWN else raw[:RAW_SHOWN] + " ..."}
