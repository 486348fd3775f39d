"""Rows of a split to ids on disk, batch by batch, in constant memory."""

import logging
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.arrays import Encoded, RaggedFile, cut, kept
from data.errors import RowError
from data.parallel import map_in_threads
from data.text.char_vocabulary import WordFiles
from data.text.encoder import Encoder
from data.text.settings import TokenSettings

log = logging.getLogger(__name__)


def write_ids(
    folder: Path, split: str, tables: Iterable[pa.Table], encoder: Encoder, settings: TokenSettings
) -> int:
    """Write both sides of a split as ids and offsets, and return the number of rows.

    The words of the source are written too, where the encoder spells them.

    Raises:
        RowError: If no row is left.
    """
    num_rows = num_left_out = 0
    with ExitStack() as files:
        sources = files.enter_context(RaggedFile(folder, f"{split}.source"))
        targets = files.enter_context(RaggedFile(folder, f"{split}.target", encoder.target_dtype))
        words = (
            files.enter_context(WordFiles(folder, split, encoder.characters))
            if encoder.characters
            else None
        )
        for encoded, found in map_in_threads(
            lambda table: (encoder.encode(table), encoder.words(table.column(0))), tables
        ):
            source, target, keep = usable(split, encoded, encoder, settings.max_length)
            if words and found:
                words.append(found, keep, settings.max_length if split == "train" else None)
            sources.append(kept(source, keep))
            targets.append(kept(target, keep))
            num_kept = int(keep.sum())
            num_rows += num_kept
            num_left_out += len(keep) - num_kept
    if not num_rows:
        raise RowError(
            f"no row of {split} is left within max_length {settings.max_length}: "
            "raise tokens.max_length"
            if split == "train"
            else f"no row of {split} is left: all have labels that no row of train has, which are "
            f"{', '.join(encoder.labels)}. Check splits and labels of the catalog entry"
        )
    log.info(
        "%s: %s rows%s",
        split,
        f"{num_rows:,}",
        f", {num_left_out:,} left out" if num_left_out else "",
    )
    return num_rows


def usable(
    split: str, encoded: tuple[Encoded, Encoded], encoder: Encoder, max_length: int
) -> tuple[Encoded, Encoded, NDArray[np.bool_]]:
    """Cut both sides to the length of a split, and mark the rows that it keeps.

    Training examples are cut at ``max_length``; longer training pairs are left
    out. All test rows stay, in their order. Validation rows with a label that
    no training row has are left out.
    """
    source, target = encoded
    keep = np.ones(len(source[1]) - 1, dtype=bool)
    if encoder.labels and split == "validation":
        unknown = np.add.reduceat(np.append(target[0] < 0, 0), target[1][:-1])
        keep = (unknown == 0) | (np.diff(target[1]) == 0)
    if split == "train":
        if encoder.roles[-1] == "target":
            keep = np.maximum(np.diff(source[1]), np.diff(target[1])) <= max_length
        else:
            source = cut(source, max_length)
            target = cut(target, max_length)
    return source, target, keep
