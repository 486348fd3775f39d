r"""Quotes in CSV and TSV: rows with text behind a closing quote are marked as wrong.

Arrow reads on behind a closing quote that no separator follows, so it would
read ``"a \"b\" c"`` as ``a \b\" c"``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc

from data.formats.base import Fault
from data.formats.lines import as_lines, mask

LONGEST_BYTES = 1 << 21  # of a row; Arrow rejects a longer one
# Noncharacters, which no real text holds. The first begins a wrong row; the others replace
# characters that would cut the row.
MARK = "\ufdd1"
SEPARATOR = "\ufdd2"
LINE_FEED = "\ufdd3"
RETURN = "\ufdd4"
QUOTE = "\ufdd5"
ESCAPE = "\ufdd6"
END_OF_LINE = rb"(?:\r\n|\r|\n)"


class _Rows:
    """Regular expressions for rows, over their bytes."""

    def __init__(self, separator: str, escape: str) -> None:
        self.sign = re.escape(separator).encode()
        self.escape = escape
        self.num_fields = 0
        self.good = _row(_field(self.sign, escape), self.sign)
        self.loose = _row(
            _field(self.sign, escape, behind=rb"[^" + self.sign + rb"\r\n]*+"), self.sign
        )
        self.escaped = _row(_field(self.sign, "\\"), self.sign)
        self.line = _line(separator, escape)
        kept = {separator: SEPARATOR, "\n": LINE_FEED, "\r": RETURN, '"': QUOTE, escape: ESCAPE}
        self.hidden = {sign.encode(): mark.encode() for sign, mark in kept.items() if sign}

    def checked(self, block: bytes) -> tuple[bytes, int]:
        """Check whole lines: the bytes to pass on, and the start of a row that has not ended."""
        if not self.num_fields:
            first = self.good.match(block.lstrip(b"\r\n"))
            self.num_fields = self.count_fields(first[0]) if first else 0
        if b'"' not in block:
            return block, len(block)
        parts: list[bytes] = []
        at = 0
        for start in _line_starts(block, self.line):
            if start < at:
                continue
            parts.append(block[at:start])
            at = start
            # Up to the end of a line.
            while at == start or (at < len(block) and block[at - 1 : at] != b"\n"):
                stop, is_wrong = self.row_at(block, at)
                if not stop:
                    return b"".join(parts), at
                parts.append(self.marked(block[at:stop]) if is_wrong else block[at:stop])
                at = stop
        return b"".join([*parts, block[at:]]), len(block)

    def row_at(self, block: bytes, start: int) -> tuple[int, bool]:
        """Find the end of the row that starts at ``start``, and whether the row is wrong.

        The end is 0 if it is not in this block.
        """
        good = self.good.match(block, start)
        is_plain = bool(self.escape) or (good is not None and b'\\"' not in good[0])
        if good and (is_plain or self.num_fields in (0, self.count_fields(good[0]))):
            return good.end(), False
        escaped = None if self.escape else self.escaped.match(block, start)
        has_escape = escaped is not None and b'\\"' in escaped[0]
        if escaped and has_escape and self.count_fields(escaped[0], "\\") == self.num_fields:
            return escaped.end(), True
        if good:
            return good.end(), False
        loose = self.loose.match(block, start)
        return (loose.end(), True) if loose else (0, False)

    def count_fields(self, row: bytes, escape: str = "") -> int:
        """Count the fields of a well-formed row."""
        end = rb"(?:" + self.sign + rb"|" + END_OF_LINE + rb")"
        field = _field(self.sign, escape or self.escape) + end
        return sum(1 for _ in re.finditer(field, row))

    def marked(self, row: bytes) -> bytes:
        """Write a wrong row as one field that begins with ``MARK``."""
        row = row.rstrip(b"\r\n")
        for sign, mark in self.hidden.items():
            row = row.replace(sign, mark)
        return MARK.encode() + row + b"\n"


def _line_starts(block: bytes, pattern: str) -> list[int]:
    """Find the starts of lines that are not one well-formed row."""
    lines = as_lines(block if block.endswith(b"\n") else block + b"\n")
    is_doubtful = ~mask(pc.match_substring_regex(lines, pattern))
    lengths = pc.binary_length(lines).to_numpy() + 1
    starts = np.cumsum(lengths) - lengths
    return [int(start) for start in starts[is_doubtful]]


def _field(sign: bytes, escape: str, behind: bytes = b"") -> bytes:
    """Write a pattern for a field with or without quotes.

    A doubled quote, or one behind ``escape``, belongs to the text.
    """
    if escape:
        way = re.escape(escape).encode()
        quoted = rb'"(?:[^"' + way + rb']++|""|' + way + rb'[\s\S])*+"'
        escaped = way + rb"[\s\S]"
        first = rb'(?:[^"' + way + sign + rb"\r\n]|" + escaped + rb")"
        plain = first + rb"(?:[^" + way + sign + rb"\r\n]|" + escaped + rb")*+"
    else:
        quoted = rb'"(?:[^"]++|"")*+"'
        plain = rb'[^"' + sign + rb"\r\n][^" + sign + rb"\r\n]*+"
    return rb"(?:" + quoted + behind + rb"|" + plain + rb"|)"


def _row(field: bytes, sign: bytes) -> re.Pattern[bytes]:
    return re.compile(field + rb"(?:" + sign + field + rb")*+" + END_OF_LINE)


def _line(separator: str, escape: str) -> str:
    """Write a pattern of RE2 for a well-formed row on one line."""
    sign = re.escape(separator)
    way = re.escape(escape)
    if escape:
        quoted = rf'"(?:[^"{way}\r\n]|""|{way}.)*"'
        plain = rf'(?:[^"{way}{sign}\r\n]|{way}.)(?:[^{way}{sign}\r\n]|{way}.)*'
        field = f"(?:{quoted}|{plain}|)"
    else:
        field = rf'(?:"(?:[^"\r\n]|"")*"|[^"{sign}\r\n][^{sign}\r\n]*|)'
    return rf"^{field}(?:{sign}{field})*\r?$"


def checked_quotes(blocks: Iterable[bytes], separator: str, escape: str) -> Iterator[bytes]:
    """Pass on blocks with each wrong row marked, so that no reader accepts it.

    Args:
        blocks: Of UTF-8, cut anywhere.
        separator: Of fields.
        escape: A character before one that is taken literally, or empty.
    """
    rows = _Rows(separator, escape)
    rest = b""
    is_over = False
    for block, is_last in _with_last(blocks):
        held = rest + block
        if is_over or len(rest) > LONGEST_BYTES:
            is_over = True
            rest = b""
            yield held
            continue
        if is_last and held and not held.endswith((b"\n", b"\r")):
            held += b"\n"
        cut = len(held) if is_last else _last_end(held)
        whole, stop = rows.checked(held[:cut])
        rest = held[stop:]
        if whole:  # an empty block would mean the end
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
    """Find the end of the last whole line of a block.

    A return at the very end may be half of a line end.
    """
    return max(block.rfind(b"\n"), block.rfind(b"\r", 0, max(len(block) - 1, 0))) + 1


def unmarked(row: str) -> str:
    """Restore a wrong row, except separators and escapes, which ``bad_quotes`` restores."""
    row = row.removeprefix(MARK).replace(LINE_FEED, "\n").replace(RETURN, "\r")
    return row.replace(QUOTE, '"')


def bad_quotes(row: str, options: Mapping[str, Any]) -> Fault:
    """Make the fault of a row with wrong quotes, with a remedy."""
    raw = row.replace(SEPARATOR, options["separator"]).replace(ESCAPE, options["escape"])
    lines = raw.count("\n") + 1
    over = f" The row goes over {lines:,} lines: is a quote never closed?" if lines > 1 else ""
    if not options["escape"] and '\\"' in raw:
        reason = (
            "a backslash stands before a quote, which ends the field there: set escape "
            f"of its format to a backslash (escape: '\\'), or write quotes twice.{over}"
        )
        return Fault("fields", reason, raw)
    reason = "something stands behind a closing quote, expected a separator or the end of the row."
    return Fault("fields", f"{reason}{over}", raw)
