"""Rows that are rejected because of other rows: leaks, duplicates and conflicts."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.formats.base import TEXT
from data.rows.check_settings import SINGLE_TARGETS
from data.rows.checks import raw_of
from data.rows.splits import SPLITS

TEST = SPLITS.index("test")
VALIDATION = SPLITS.index("validation")
TRAIN = SPLITS.index("train")
LEAK = 1
DUPLICATE = 2
CONFLICT = 3
KINDS = ("", "leak", "duplicate", "conflict")  # by these numbers; 0 is a row that stays


def rejected_copies(
    table: pa.Table, split: NDArray[np.int8], kinds: NDArray[np.int8], *, roles: tuple[str, ...]
) -> pa.Table:
    """Pick the rejected rows, with their kind, their reason and the publisher's label as ``raw``.

    Args:
        table: Checked rows, N of them.
        split: The split of each row, as an index of ``SPLITS``, (N,).
        kinds: Why each row is rejected, as an index of ``KINDS``, (N,).
        roles: Sides of a row, source before target.
    """
    gone = np.flatnonzero(kinds)
    other = next((role for role in SINGLE_TARGETS if role in roles), "label").removesuffix("s")
    messages = {
        DUPLICATE: "the same row stood before",
        CONFLICT: f"the same text stood before with another {other}",
    }
    reasons = [
        messages.get(kind) or _leak_reason(index)
        for kind, index in zip(kinds[gone].tolist(), split[gone].tolist(), strict=True)
    ]
    rejected = table.take(pa.array(gone))
    columns = {
        "kind": pa.array(np.asarray(KINDS, dtype=object)[kinds[gone]], TEXT),
        "reason": pa.array(reasons, TEXT),
        "raw": raw_of(rejected, roles),
    }
    for name, values in columns.items():
        rejected = rejected.set_column(rejected.column_names.index(name), name, values)
    return rejected


def _leak_reason(split: int) -> str:
    if split == TEST:
        return "test: the text was trained on in an earlier snapshot"
    others = "test" if split == VALIDATION else "validation or test"
    return f"{SPLITS[split]}: the same text stands in {others}"
