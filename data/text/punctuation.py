"""Punctuation of words: signs, apostrophes, initials and addresses."""

import re
import unicodedata
from functools import cache

APOSTROPHES = "'\u2019\u02bc"
# 's, 'll, n't
ENDINGS = re.compile(rf"(?:[{APOSTROPHES}][^\W\d_]{{1,3}}|n[{APOSTROPHES}]t)\Z", re.IGNORECASE)
BEGINNINGS = re.compile(rf"[^\W\d_]{{1,4}}[{APOSTROPHES}]\Z", re.IGNORECASE)  # l', qu'
INITIALS = re.compile(r"(?:[^\W\d_]\.){2,}\Z")  # U.S.
ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.)\S|\S+@\S+\.\S", re.IGNORECASE)


def plainly(word: str) -> str:
    """Lowercase a word and write its apostrophes as in ASCII."""
    return re.sub(f"[{APOSTROPHES}]", "'", word.lower())


@cache
def is_sign(character: str) -> bool:
    """Whether a character is punctuation or a symbol."""
    return unicodedata.category(character)[0] in "PS"
