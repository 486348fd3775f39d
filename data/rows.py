"""The rows of a dataset, from its source to their splits, as a stream of tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.catalog import Dataset
from data.checks import check
from data.errors import RowError
from data.formats import FORMATS, TEXT
from data.splits import CONTENT_KEY, SPLITS, assign, hashes, normalised

REFUSED = "refused"


@dataclass(frozen=True)
class Part:
    """Some rows of one split (or refused ones, with their reasons)."""

    split: str
    table: pa.Table


class Seen:
    """What stood in the source before: texts by split, and whole rows."""

    def __init__(self) -> None:
        self.rows: set[int] = set()
        self.held_out: set[int] = set()  # source sides of test and validation

    def faults(
        self, split: NDArray[np.int8], sides: NDArray[np.uint64], rows: NDArray[np.uint64], *, is_given: bool
    ) -> list[str | None]:
        """Say which rows must go: copies, and training rows that stand in another split too.

        A publisher's own split is kept as it is, copies and all, so that
        scores on it can be compared with published ones.
        """
        found: list[str | None] = []
        for place, side, row in zip(split.tolist(), sides.tolist(), rows.tolist(), strict=True):
            fault = None
            if SPLITS[place] != "train":
                self.held_out.add(side)
            elif side in self.held_out:
                fault = "train: the same text stands in validation or test"
            if not is_given and row in self.rows:
                fault = "duplicate of an earlier row"
            self.rows.add(row)
            found.append(fault)
        return found


def read_rows(dataset: Dataset, downloads: Path) -> Iterator[Part]:
    """Read, check and split the rows of a dataset.

    Args:
        dataset: An entry of the catalog.
        downloads: Folder that keeps what a source fetches.

    Yields:
        Parts of ``train``, ``validation``, ``test``, with the two columns of
        the dataset's roles, and of ``refused``: file, row, reason, raw.

    Raises:
        RowError: If a file is not what the catalog says.
    """
    seen = Seen()
    kind = FORMATS[dataset.format["kind"]]
    columns = {**dataset.columns, **{f"where.{name}": name for name in dataset.where}}
    for given, name, stream in dataset.source.open(downloads):
        try:
            for table in kind.read(stream, columns, dataset.format):
                for wanted, value in dataset.where.items():
                    is_wanted = pc.fill_null(pc.equal(table[f"where.{wanted}"], value), True)
                    table = table.filter(is_wanted).drop_columns([f"where.{wanted}"])
                if table.num_rows:
                    checked = check(table, dataset.labels, is_characters=dataset.tokenizer == "characters")
                    yield from _split(checked, dataset, given, name, seen)
        except RowError as error:
            raise RowError(f"{dataset.name}, {name}: {error}") from error


def _split(table: pa.Table, dataset: Dataset, given: str, name: str, seen: Seen) -> Iterator[Part]:
    """Send each row of a checked table to its split or to the refused."""
    is_fine = pc.is_null(table["fault"])
    yield from _refused(table.filter(pc.invert(is_fine)), name)
    table = table.filter(is_fine)
    source, target = dataset.roles
    key = normalised(table[source])
    if given in ("all", "train"):
        shares = dataset.splits if given == "all" else {k: v for k, v in dataset.splits.items() if k != "test"}
        split = assign(key, shares)
    else:
        split = np.full(table.num_rows, SPLITS.index(given), dtype=np.int8)
    whole = pc.binary_join_element_wise(key, normalised(table[target]), "\t")
    faults = seen.faults(split, hashes(key, CONTENT_KEY), hashes(whole, CONTENT_KEY), is_given=given != "all")
    is_kept = np.asarray([fault is None for fault in faults], dtype=bool)
    table = table.set_column(table.column_names.index("fault"), "fault", pa.array(faults, TEXT))
    yield from _refused(table.filter(pa.array(~is_kept)), name)
    for place, split_name in enumerate(SPLITS):
        chosen = table.filter(pa.array(is_kept & (split == place)))
        if chosen.num_rows:
            yield Part(split_name, chosen.select([source, target]))


def _refused(table: pa.Table, name: str) -> Iterator[Part]:
    if table.num_rows:
        columns = [pa.array([name] * table.num_rows), table["row"], table["fault"], table["raw"]]
        yield Part(REFUSED, pa.table(columns, names=["file", "row", "reason", "raw"]))
