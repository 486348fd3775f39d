"""Blocks of CSV on their way to Arrow's reader: NULs marked, an end added, not too many ahead."""

import threading
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

# A last row of our own: if it is not read as a row, a quote was never closed.
END = "\U0010fffe end of file"
NUL = "\ufdd0"  # a noncharacter, which no real text holds


class MarkedNuls:
    """Blocks with ``NUL`` in place of each NUL.

    Arrow 25 loses rows where a NUL is near the edge of a block.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.blocks = blocks
        self.has_any = False

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks:
            marked = block.replace(b"\0", NUL.encode())
            self.has_any |= len(marked) > len(block)
            yield marked

    def restored(self, column: pa.Array) -> pa.Array:
        """Put the NULs of a column back."""
        return pc.replace_substring(column, NUL, "\0") if self.has_any else column


def with_end(first: bytes, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Add the row ``END`` to the last block.

    pyarrow reads no header from a block that does not hold the header's line end.
    """
    for block in blocks:
        yield first
        first = block
    yield first + f"\n{END}\n".encode()


class PacedBlocks:
    """Blocks for Arrow's reader, which would otherwise take 32 of them ahead."""

    def __init__(self, blocks: Iterator[bytes], *, max_ahead: int, patience_seconds: float) -> None:
        """Wait while ``max_ahead`` blocks are unused, at most ``patience_seconds`` for each."""
        self.blocks = blocks
        self.max_ahead = max_ahead
        self.patience_seconds = patience_seconds
        self.num_ahead = 0
        self.is_over = False
        self.changed = threading.Condition()

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks:
            with self.changed:
                self.changed.wait_for(self._has_room, timeout=self.patience_seconds)
                self.num_ahead += 1
            if self.is_over:
                return
            yield block

    def _has_room(self) -> bool:
        return self.is_over or self.num_ahead < self.max_ahead

    def use(self) -> None:
        """Count a block as used: the reader gave a batch."""
        with self.changed:
            self.num_ahead -= 1
            self.changed.notify()

    def stop(self) -> None:
        """End the blocks: the reader wants no more."""
        with self.changed:
            self.is_over = True
            self.changed.notify()
