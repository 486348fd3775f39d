"""A line in the terminal with the progress of a command; plain lines where there is none."""

import sys
import time
from types import TracebackType
from typing import Self

BAR_CHARS = 24
PLAIN_SECONDS = 20.0  # between two lines where there is no terminal, such as in a log


class ProgressLine:
    """One line that is overwritten in a terminal; elsewhere only long work writes lines."""

    def __init__(self) -> None:
        self.is_shown = sys.stderr.isatty()
        self.width = 0
        self.written = time.monotonic()

    def advance(self, what: str, done: int, total: int) -> None:
        """Show a bar in a terminal, and a plain line from time to time elsewhere."""
        numbers = f"{done:,} of {total:,}"
        if self.is_shown:
            filled = round(BAR_CHARS * done / total)
            bar = "#" * filled + "-" * (BAR_CHARS - filled)
            self.show(f"{what} [{bar}] {numbers}")
        elif time.monotonic() - self.written > PLAIN_SECONDS:
            self.written = time.monotonic()
            print(f"{what}: {numbers}", file=sys.stderr, flush=True)

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
