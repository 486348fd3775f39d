"""The texts that a model reads: one rule for the command line, files, pyfunc and HTTP."""

import math
import unicodedata
from collections.abc import Sequence

MAX_CHARACTERS = 100_000
# Shown as nothing, though Unicode counts them as letters, marks or symbols.
BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: it is empty, or made of spaces and invisible characters."""
    return all(character in BLANKS or _is_invisible(character) for character in text)


def _is_invisible(character: str) -> bool:
    is_selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return is_selector or unicodedata.category(character)[0] in "ZC"


def text_fault(text: object, *, may_be_empty: bool, max_characters: int) -> tuple[str, str] | None:
    """Explain why a model does not read a text.

    Args:
        text: What came as a text.
        may_be_empty: Whether it is the beginning of a text that the model continues.
        max_characters: The longest that is read.

    Returns:
        A short name of the fault and a sentence; None if the text is read.
    """
    if not isinstance(text, str):
        given = (
            "nothing"
            if text is None or (isinstance(text, float) and math.isnan(text))
            else repr(text)[:80]
        )
        return ("no_text" if given == "nothing" else "not_taken"), f"expected a string, got {given}"
    broken = broken_character(text)
    if broken:
        return "not_taken", broken
    if len(text) > max_characters:
        return (
            "too_long",
            f"{len(text):,} characters, expected at most {max_characters:,} (max_characters)",
        )
    if is_blank(text) and not may_be_empty:
        return (
            "no_text",
            "there is no text"
            if not text
            else "there is no text, only spaces or invisible characters",
        )
    return None


def broken_character(text: str) -> str:
    """Name where a text has half a surrogate pair, which no library takes; empty if it has none."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"half a surrogate pair at character {error.start + 1} is no text"
    return ""


def tokens_fault(tokens: Sequence[object], *, max_characters: int) -> tuple[str, str] | None:
    """Explain why a model does not read a text that is cut into tokens; None if it does."""
    for place, token in enumerate(tokens, 1):
        fault = text_fault(token, may_be_empty=True, max_characters=max_characters)
        if fault:
            return "not_taken", f"token {place}: {fault[1]}"
    fault = text_fault(
        " ".join(map(str, tokens)), may_be_empty=False, max_characters=max_characters
    )
    return fault and (fault[0], f"tokens: {fault[1]}")
