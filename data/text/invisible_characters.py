"""Invisible characters: stored with a text, but ignored when texts are compared.

These are the code points with Unicode's property Default_Ignorable_Code_Point
(zero-width spaces and joiners, soft hyphens, directional marks, variation
selectors, Hangul fillers, tags), the marks of interlinear annotations and the
blank of Braille. Joiners carry meaning in Persian, in Indic scripts and between
emoji, so stored texts keep them; only hashes and comparisons leave them out.
"""

import re
import unicodedata

import pyarrow as pa
import pyarrow.compute as pc

# Unicode 16, DerivedCoreProperties.txt; then U+2800 and U+FFF9 to U+FFFB.
RANGES = (
    (0xAD, 0xAD),
    (0x34F, 0x34F),
    (0x61C, 0x61C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
    (0x2800, 0x2800),
    (0xFFF9, 0xFFFB),
)
_CLASS = "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in RANGES)
INVISIBLE = f"[{_CLASS}]"  # for RE2, as Arrow has it
_SPACE_OR_INVISIBLE = rf"[\s\pZ\x{{85}}{_CLASS}]+"
BLANK = f"^(?:{_SPACE_OR_INVISIBLE})?$"  # a text without visible characters
_EDGES = f"^{_SPACE_OR_INVISIBLE}|{_SPACE_OR_INVISIBLE}$"
# For Python's own patterns, which write code points in another way.
INVISIBLE_CHARACTER = re.compile(
    "[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in RANGES) + "]"
)
# Letters of Cyrillic and Greek whose glyphs are those of Latin letters in common fonts.
LATIN_TWINS = str.maketrans(
    "\u0430\u0441\u0435\u0456\u0458\u043e\u0440\u0455\u0443\u0445"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u041e"
    "\u0420\u0405\u0422\u0425\u0391\u0392\u0395\u0396\u0397\u0399"
    "\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf",
    "aceijopsyxABCEHIJKMOPSTXABEZHIKMNOPTYXo",
)


def without_invisible(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Remove the invisible characters from texts.

    Args:
        column: Strings. ASCII has none of them, so the caller skips ASCII texts.

    Returns:
        The same column if it has none, because a search is faster than a replacement.
    """
    is_hit = pc.match_substring_regex(column, INVISIBLE)
    if not pc.any(is_hit).as_py():
        return column
    return pc.replace_substring_regex(column, INVISIBLE, "")


def trimmed(column: pa.ChunkedArray | pa.Array, *, is_ascii: bool) -> pa.ChunkedArray | pa.Array:
    """Remove spaces and invisible characters from the edges of names, which are short."""
    if is_ascii:
        return pc.ascii_trim_whitespace(column)
    return pc.replace_substring_regex(column, _EDGES, "")


def trimmed_name(name: str) -> str:
    """Remove spaces and invisible characters from the edges of one name."""
    found: str = trimmed(pa.array([name], pa.string()), is_ascii=name.isascii())[0].as_py()
    return found


def skeleton(name: str) -> str:
    """Return a form that two names share if they look the same on a screen."""
    text = unicodedata.normalize("NFKC", INVISIBLE_CHARACTER.sub("", name)).translate(LATIN_TWINS)
    return " ".join(text.split())


def alike(name: str) -> str:
    """Return a form that two names share if they look the same or differ only in case."""
    return skeleton(name).casefold()
