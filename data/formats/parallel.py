"""Parallel text: line i of one file is a translation of line i of the other."""

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa

from data.errors import RowError
from data.formats.base import Columns, Fault, FormatKind, as_table
from data.formats.lines import as_lines, is_blank, line_blocks

ROLES = ("source", "target")


def read_parallel(
    streams: Sequence[IO[bytes]], columns: Columns, options: Mapping[str, Any]
) -> Iterator[pa.Table]:
    """Read two files line by line; a pair of which one side is blank is a fault, ``one_side``.

    Args:
        streams: The source's and the target's.
        columns: Not read: the roles are ``source`` and ``target``.
        options: ``encoding``, of both files.

    Raises:
        RowError: At the end, if the files have different numbers of lines.
    """
    sides = [line_blocks(stream, options["encoding"]) for stream in streams]
    ahead = [pa.array([], pa.string())] * 2  # lines whose other side is not read yet
    row = 1
    is_over = False
    while not is_over:
        for side, blocks in enumerate(sides):
            if not len(ahead[side]):
                ahead[side] = as_lines(next(blocks, b""))
        num = min(map(len, ahead))
        is_over = not num
        if num:
            yield _pairs([lines[:num] for lines in ahead], row)
        ahead = [lines[num:] for lines in ahead]
        row += num
    _check_ends(sides, [row - 1 + len(lines) for lines in ahead])


def _pairs(lines: list[pa.Array], row: int) -> pa.Table:
    blank = [is_blank(side) for side in lines]
    faults = {}
    for i in np.flatnonzero(blank[0] != blank[1]).tolist():
        empty, full = ROLES if blank[0][i] else ROLES[::-1]
        raw = "\t".join(side[i].as_py() for side in lines)
        reason = f"the {empty} of line {row + i} is empty, its {full} is not"
        faults[i] = Fault("one_side", reason, raw)
    return as_table(
        dict(zip(ROLES, lines, strict=True)), np.arange(row, row + len(lines[0])), faults
    )


def _check_ends(sides: list[Iterator[bytes]], num_lines: list[int]) -> None:
    for side, blocks in enumerate(sides):
        num_lines[side] += sum(block.count(b"\n") for block in blocks)
    if num_lines[0] != num_lines[1]:
        raise RowError(
            f"the source has {num_lines[0]:,} lines and the target {num_lines[1]:,}, "
            "expected as many"
        )


FORMATS = {
    "parallel": FormatKind(
        read_parallel, {"encoding": "utf-8"}, {}, columns="none", shapes=(ROLES,), num_streams=2
    )
}
