"""A file that is one JSON array, as the lines of JSON Lines that say the same."""

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
    """Pass on blocks of whole lines; of an array of objects, lines with one object each.

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
    """Whether a file is one array: it begins as one of objects, and no line after it follows on one that is a whole array."""
    first, _, others = start.lstrip().partition(b"\n")
    return bool(ARRAY.match(start)) and not (first.rstrip().endswith(b"]") and others.strip())


def _elements(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Write the objects of an array as lines, a block of them for each block that is read."""
    reader, text, num, is_open = json.JSONDecoder(), "", 0, False
    for block in chain(blocks, [b""]):
        text += block.decode()
        lines, at = list[bytes](), SPACE.match(text).end()  # type: ignore[union-attr]
        while at < len(text):
            if text[at] == ("]" if is_open else "["):
                is_open, at = not is_open, at + 1
            elif is_open and text[at] == "," and num:
                at += 1
            else:
                found = _next(reader, text, at)
                if not is_open or found is None:
                    break
                value, at = found
                lines.append(_line(value))
                num += 1
            at = SPACE.match(text, at).end()  # type: ignore[union-attr]
        text = text[at:]
        if lines:
            yield b"".join(lines)
        if len(text) > LONGEST_CHARS:
            raise RowError(
                f"the object after object {num:,} of its array is longer than {LONGEST_CHARS:,} characters"
            )
    if text or is_open:
        raise RowError(
            f"its array is not JSON after object {num:,}: {_why(text)}. Write one object a line (JSON Lines) instead"
        )


def _next(reader: json.JSONDecoder, text: str, at: int) -> tuple[object, int] | None:
    """The next value of an array; None if it is not there as a whole, up to the sign that ends it."""
    try:
        value, stop = reader.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    stop = SPACE.match(text, stop).end()  # type: ignore[union-attr]
    return (value, stop) if text[stop : stop + 1] in (",", "]") and stop < len(text) else None


def _line(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which the reader of lines refuses
        return json.dumps(value).encode() + b"\n"


def _why(text: str) -> str:
    return (
        f"expected an object, a comma or the end of the array, got {text[:40]!r}"
        if text
        else "the array has no end"
    )
