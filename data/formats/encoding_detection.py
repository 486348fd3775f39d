"""The encoding of a file: checked by name, found by a byte order mark, or guessed."""

import codecs
import logging
from difflib import get_close_matches
from encodings.aliases import aliases

import numpy as np
import pyarrow as pa
from charset_normalizer import from_bytes

from data.errors import RowError

SAMPLE_BYTES = 1 << 18  # enough for a guess at the encoding
DETECT = "detect"
# The mark of UTF-32 begins with that of UTF-16, so it comes first.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WESTERN = ("utf-8", "utf-16", "cp1252", "latin-1")
COMMON = (*WESTERN, "gb18030", "big5", "shift_jis", "euc_kr", "koi8_r", DETECT)
# Common encodings of text files; among all code pages, French is detected as mac_latin2.
PLAUSIBLE = [
    *("utf_16_le", "utf_16_be", "gb18030", "big5", "shift_jis", "cp932", "euc_jp", "euc_kr"),
    *("cp949", "koi8_r", "cp874"),
    *(f"cp125{number}" for number in range(9)),
]
# Codecs of Python that are no encodings of text files.
NO_TEXT = {
    *("idna", "punycode", "undefined", "raw_unicode_escape", "unicode_escape"),
    *("utf_7", "mbcs", "oem"),
}
logger = logging.getLogger(__name__)


def check_encoding(name: str) -> None:
    """Check the name of an encoding, ``detect`` included.

    Raises:
        ValueError: If there is none of that name, with the nearest.
    """
    if name != DETECT and not _is_encoding(name):
        known = [*COMMON, *(alias.replace("_", "-") for alias in aliases if _is_encoding(alias))]
        close = get_close_matches(name.lower().replace("_", "-"), known, n=1)
        hint = (
            f"did you mean {close[0]}?"
            if close
            else f"expected {', '.join(COMMON)} or another that Python knows"
        )
        raise ValueError(f"there is no encoding {name!r}: {hint}")


def _is_encoding(name: str) -> bool:
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):  # ValueError: a name with a null character
        return False
    return _is_text_codec(found.name) and found.name.replace("-", "_") not in NO_TEXT


def _is_text_codec(name: str) -> bool:
    """Whether a codec decodes bytes to text, unlike base64 or zlib."""
    try:
        b"a".decode(name, "replace")
    except LookupError:  # Python refuses codecs from bytes to bytes here
        return False
    except UnicodeError:  # the byte is too few, or wrong, for this text codec
        return True
    return True


def encoding_of(sample: bytes, encoding: str) -> str:
    """Choose an encoding by its name, by a byte order mark, or by a guess.

    Raises:
        RowError: If a guess fails, or UTF-16 or UTF-32 lacks its byte order mark.
    """
    is_default = encoding == DETECT or codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    found = _marked_encoding(sample) if is_default else None
    if found is None and encoding != DETECT:
        _check_mark(sample, encoding)
        return "utf-8" if is_default else encoding
    if found is None:
        sample = sample[:SAMPLE_BYTES]
        found = suggest_encoding(sample)
        if found is None:
            raise RowError(
                f"the encoding cannot be detected from {len(sample):,} bytes: "
                f"name it, such as {', '.join(WESTERN)}"
            )
    if found != "utf-8":
        by_sample = f"its first {len(sample):,} bytes"
        reason = "its byte order mark" if _marked_encoding(sample) else by_sample
        logger.info("read as %s, by %s", found, reason)
    return found


def _check_mark(sample: bytes, encoding: str) -> None:
    """Reject UTF-16 and UTF-32 whose byte order neither a mark nor the name gives."""
    name = codecs.lookup(encoding).name
    marks = tuple(mark for mark, known in BYTE_ORDER_MARKS.items() if known == name != "utf-8")
    if marks and sample and not sample.startswith(marks):
        raise RowError(
            f"has no byte order mark, expected one of {name}: else name {name}-le or {name}-be"
        )


def _marked_encoding(sample: bytes) -> str | None:
    return next((name for mark, name in BYTE_ORDER_MARKS.items() if sample.startswith(mark)), None)


def suggest_encoding(sample: bytes) -> str | None:
    """Guess the encoding of bytes; None if no common one fits.

    Valid UTF-8 counts as UTF-8. A western text that fits cp1252 as well as
    another code page counts as cp1252.
    """
    named = _marked_encoding(sample)
    if named is not None:
        return named
    # UTF-16 without a mark; ASCII letters in it are valid UTF-8 too.
    has_nulls = sample.count(0) > len(sample) // 8
    if not has_nulls and is_utf8(sample[: len(sample) - num_cut(sample)]):
        return "utf-8"
    whole_lines = sample[: sample.rfind(b"\n") + 1 - has_nulls]
    matches = from_bytes(whole_lines or sample, cp_isolation=PLAUSIBLE)
    best = matches.best()
    if best is None:
        return None
    alike = {
        name
        for match in matches
        if match.chaos <= best.chaos
        for name in match.could_be_from_charset
    }
    return "cp1252" if "cp1252" in alike else best.encoding


def num_cut(block: bytes) -> int:
    """Count the bytes of a character that the end of a block cuts."""
    for num, byte in enumerate(reversed(block[-3:]), 1):
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return num if num < length else 0
        if byte < 0x80:
            return 0
    return 0


def is_utf8(block: bytes) -> bool:
    """Check UTF-8 with Arrow, several times as fast as decoding it."""
    offsets = pa.py_buffer(np.array([0, len(block)], np.int64))
    text = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(block)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
