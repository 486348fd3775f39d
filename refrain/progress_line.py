"""A line in the terminal with the progress of a command."""

import sys
from types import TracebackType
from typing import Self


class ProgressLine:
    """One line that is overwritten in a terminal; nothing is written elsewhere."""

    def __init__(self) -> None:
        self.is_shown = sys.stderr.isatty()
        self.width = 0

    def show(self, text: str) -> None:
        """Overwrite the line with a text."""
        if self.is_shown:
            sys.stderr.write(f"\r{text.ljust(self.width)}")
            sys.stderr.flush()
            self.width = len(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.width:
            sys.stderr.write(f"\r{' ' * self.width}\r")
            sys.stderr.flush()
