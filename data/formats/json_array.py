"""A file that is one JSON array, converted to JSON Lines."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from data.errors import RowError

UNDECIDED = re.compile(rb"\s*(\[\s*)?")
ARRAY = re.compile(rb"\s*\[\s*(\{|\]\s*\Z)")
SPACE = re.compile(r"\s*")
LONGEST_CHARS = 1 << 28  # of an object


def object_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on blocks of whole lines, or write an array of objects as one object a line.

    Args:
        blocks: Of whole lines, in UTF-8.

    Raises:
        RowError: If an array is not JSON up to its end.
    """
    rest = iter(blocks)
    held = list[bytes]()
    while UNDECIDED.fullmatch(b"".join(held)) and (block := next(rest, b"")):
        held.append(block)
    held.append(next(rest, b""))
    if _is_array(b"".join(held)):
        yield from _elements(chain(held, rest))
        return
    yield from (block for block in chain(held, rest) if block)


def _is_array(start: bytes) -> bool:
    """Whether a file is one array of objects, and not lines whose first is a whole array."""
    first, _, others = start.lstrip().partition(b"\n")
    return bool(ARRAY.match(start)) and not (first.rstrip().endswith(b"]") and others.strip())


def _elements(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Write the objects of an array as lines, one block for each input block."""
    reader = json.JSONDecoder()
    text = ""
    num = 0
    is_open = False
    for block in chain(blocks, [b""]):
        text += block.decode()
        lines: list[bytes] = []
        at = _skip_space(text, 0)
        while at < len(text):
            if text[at] == ("]" if is_open else "["):
                is_open = not is_open
                at += 1
            elif is_open and text[at] == "," and num:
                at += 1
            else:
                found = _next(reader, text, at)
                if not is_open or found is None:
                    break
                value, at = found
                lines.append(_line(value))
                num += 1
            at = _skip_space(text, at)
        text = text[at:]
        if lines:
            yield b"".join(lines)
        if len(text) > LONGEST_CHARS:
            raise RowError(
                f"the object after object {num:,} of its array is longer "
                f"than {LONGEST_CHARS:,} characters"
            )
    if text or is_open:
        raise RowError(
            f"its array is not JSON after object {num:,}: {_why(text)}. "
            "Write one object a line (JSON Lines) instead"
        )


def _skip_space(text: str, start: int) -> int:
    found = SPACE.match(text, start)
    return found.end() if found else start


def _next(reader: json.JSONDecoder, text: str, at: int) -> tuple[object, int] | None:
    """Read the next value of an array; None if the text ends before the comma or bracket."""
    try:
        value, stop = reader.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    stop = _skip_space(text, stop)
    return (value, stop) if text[stop : stop + 1] in (",", "]") and stop < len(text) else None


def _line(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which the reader of lines rejects
        return json.dumps(value).encode() + b"\n"


def _why(text: str) -> str:
    return (
        f"expected an object, a comma or the end of the array, got {text[:40]!r}"
        if text
        else "the array has no end"
    )
