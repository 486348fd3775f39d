r"""Quotes in CSV and TSV: rows in which something stands behind a closing quote are marked as wrong.

Arrow reads on behind a closing quote that no separator follows, so ``"a \"b\" c"`` would become ``a \b\" c"``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc

from data.formats.base import Fault
from data.formats.lines import as_lines, mask

LONGEST_BYTES = 1 << 21  # of a row; one that is longer is left to Arrow, which refuses it
# Noncharacters, which no real text holds: the first begins a wrong row, the others stand for what would cut it.
MARK, SEPARATOR, LINE_FEED, RETURN, QUOTE, ESCAPE = (
    "\ufdd1",
    "\ufdd2",
    "\ufdd3",
    "\ufdd4",
    "\ufdd5",
    "\ufdd6",
)
END_OF_LINE = rb"(?:\r\n|\r|\n)"


class _Rows:
    """What a row looks like, by regular expressions over its bytes."""

    def __init__(self, separator: str, escape: str) -> None:
        self.sign, self.escape, self.num_fields = re.escape(separator).encode(), escape, 0
        self.good = _row(_field(self.sign, escape), self.sign)
        self.loose = _row(
            _field(self.sign, escape, behind=rb"[^" + self.sign + rb"\r\n]*+"), self.sign
        )
        self.escaped = _row(_field(self.sign, "\\"), self.sign)
        self.line = _line(separator, escape)
        kept = {separator: SEPARATOR, "\n": LINE_FEED, "\r": RETURN, '"': QUOTE, escape: ESCAPE}
        self.hidden = {sign.encode(): mark.encode() for sign, mark in kept.items() if sign}

    def checked(self, block: bytes) -> tuple[bytes, int]:
        """Check whole lines: what may be passed on, and where a row begins that is not over yet."""
        if not self.num_fields:
            first = self.good.match(block.lstrip(b"\r\n"))
            self.num_fields = self.count_fields(first[0]) if first else 0
        if b'"' not in block:
            return block, len(block)
        parts, at = list[bytes](), 0
        for start in _line_starts(block, self.line):
            if start < at:
                continue
            parts.append(block[at:start])
            at = start
            while at == start or (
                at < len(block) and block[at - 1 : at] != b"\n"
            ):  # up to the end of a line
                stop, is_wrong = self.row_at(block, at)
                if not stop:
                    return b"".join(parts), at
                parts.append(self.marked(block[at:stop]) if is_wrong else block[at:stop])
                at = stop
        return b"".join([*parts, block[at:]]), len(block)

    def row_at(self, block: bytes, start: int) -> tuple[int, bool]:
        """Where the row that starts there ends, 0 if not in this block, and whether it is wrong."""
        good = self.good.match(block, start)
        is_plain = bool(self.escape) or (good is not None and b'\\"' not in good[0])
        if good and (is_plain or self.num_fields in (0, self.count_fields(good[0]))):
            return good.end(), False
        escaped = None if self.escape else self.escaped.match(block, start)
        if (
            escaped
            and b'\\"' in escaped[0]
            and self.count_fields(escaped[0], "\\") == self.num_fields
        ):
            return escaped.end(), True
        if good:
            return good.end(), False
        loose = self.loose.match(block, start)
        return (loose.end(), True) if loose else (0, False)

    def count_fields(self, row: bytes, escape: str = "") -> int:
        """Count the fields of a row that is well formed."""
        field = (
            _field(self.sign, escape or self.escape)
            + rb"(?:"
            + self.sign
            + rb"|"
            + END_OF_LINE
            + rb")"
        )
        return sum(1 for _ in re.finditer(field, row))

    def marked(self, row: bytes) -> bytes:
        """Write a wrong row as one field that begins with ``MARK``."""
        row = row.rstrip(b"\r\n")
        for sign, mark in self.hidden.items():
            row = row.replace(sign, mark)
        return MARK.encode() + row + b"\n"


def _line_starts(block: bytes, pattern: str) -> list[int]:
    """Where lines begin that are no row by themselves, or not a good one."""
    lines = as_lines(block if block.endswith(b"\n") else block + b"\n")
    is_doubtful = ~mask(pc.match_substring_regex(lines, pattern))
    lengths = pc.binary_length(lines).to_numpy() + 1
    starts = np.cumsum(lengths) - lengths
    return [int(start) for start in starts[is_doubtful]]


def _field(sign: bytes, escape: str, behind: bytes = b"") -> bytes:
    """A field in quotes or without: a quote that is doubled, or stands behind ``escape``, is one of the text."""
    if escape:
        way = re.escape(escape).encode()
        quoted = rb'"(?:[^"' + way + rb']++|""|' + way + rb'[\s\S])*+"'
        plain = (
            rb'(?:[^"'
            + way
            + sign
            + rb"\r\n]|"
            + way
            + rb"[\s\S])(?:[^"
            + way
            + sign
            + rb"\r\n]|"
            + way
            + rb"[\s\S])*+"
        )
    else:
        quoted = rb'"(?:[^"]++|"")*+"'
        plain = rb'[^"' + sign + rb"\r\n][^" + sign + rb"\r\n]*+"
    return rb"(?:" + quoted + behind + rb"|" + plain + rb"|)"


def _row(field: bytes, sign: bytes) -> re.Pattern[bytes]:
    return re.compile(field + rb"(?:" + sign + field + rb")*+" + END_OF_LINE)


def _line(separator: str, escape: str) -> str:
    """A row that is well formed and ends with its line, for RE2."""
    sign, way = re.escape(separator), re.escape(escape)
    if escape:
        field = rf'(?:"(?:[^"{way}\r\n]|""|{way}.)*"|(?:[^"{way}{sign}\r\n]|{way}.)(?:[^{way}{sign}\r\n]|{way}.)*|)'
    else:
        field = rf'(?:"(?:[^"\r\n]|"")*"|[^"{sign}\r\n][^{sign}\r\n]*|)'
    return rf"^{field}(?:{sign}{field})*\r?$"


def checked_quotes(blocks: Iterable[bytes], separator: str, escape: str) -> Iterator[bytes]:
    """Pass on blocks with each wrong row written as one that no reader takes for a good one.

    Args:
        blocks: Of UTF-8, cut anywhere.
        separator: Of fields.
        escape: What stands before a character that means itself, or nothing.
    """
    rows, rest, is_over = _Rows(separator, escape), b"", False
    for block, is_last in _with_last(blocks):
        held = rest + block
        if is_over or len(rest) > LONGEST_BYTES:
            is_over, rest = True, b""
            yield held
            continue
        if is_last and held and not held.endswith((b"\n", b"\r")):
            held += b"\n"
        cut = len(held) if is_last else _last_end(held)
        whole, stop = rows.checked(held[:cut])
        rest = held[stop:]
        if whole:  # an empty block would be taken for the end
            yield whole
    if rest:
        yield rest


def _with_last(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    held = b""
    for block in blocks:
        if held:
            yield held, False
        held = block
    yield held, True


def _last_end(block: bytes) -> int:
    """Where the last whole line of a block ends; a return at the very end may be half of an end."""
    return max(block.rfind(b"\n"), block.rfind(b"\r", 0, max(len(block) - 1, 0))) + 1


def unmarked(row: str) -> str:
    """A wrong row as it stood in the file, but for its separators and escapes, which are put back by ``bad_quotes``."""
    return row.removeprefix(MARK).replace(LINE_FEED, "\n").replace(RETURN, "\r").replace(QUOTE, '"')


def bad_quotes(row: str, options: Mapping[str, Any]) -> Fault:
    """Say of a wrong row what is wrong with its quotes, and what to do."""
    raw = row.replace(SEPARATOR, options["separator"]).replace(ESCAPE, options["escape"])
    lines = raw.count("\n") + 1
    over = f" The row goes over {lines:,} lines: is a quote never closed?" if lines > 1 else ""
    if not options["escape"] and '\\"' in raw:
        reason = "a backslash stands before a quote, which ends the field there: set escape of its format to a backslash"
        return Fault("fields", f"{reason} (escape: '\\'), or write quotes twice.{over}", raw)
    return Fault(
        "fields",
        f"something stands behind a closing quote, expected a separator or the end of the row.{over}",
        raw,
    )
