"""Tunes in ABC notation: their faults, and their sound as MIDI.

music21 reads notes, their lengths and bars. It accepts much that is no ABC:
unknown fields, letters that are no notes, bars of any length. Those faults are
found here.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from data.errors import RowError

FIELD = re.compile(r"([A-Za-z]):(.*)")
FIELDS = {
    "X": re.compile(r"\d+"),
    "M": re.compile(r"C\|?|none|\d+(\+\d+)*/(1|2|4|8|16|32)"),
    "L": re.compile(r"1(/(1|2|4|8|16|32|64))?"),
    "K": re.compile(
        r"(none|HP|Hp|[A-G][#b]?\s*(m|maj(or)?|min(or)?|mix(olydian)?|dor(ian)?|phr(ygian)?|"
        r"lyd(ian)?|loc(rian)?|aeo(lian)?|ion(ian)?)?)(\s.*)?",
        re.IGNORECASE,
    ),
}
EXPECTED = {
    "X": "a number",
    "M": "a meter, such as 6/8",
    "L": "a length, such as 1/8",
    "K": "a key, such as G or A dorian",
}
# Marked parts of a line: text and chords, decorations, inline fields, comments.
MARKED = re.compile(r'"[^"\n]*"|![^!\s|]+!|\[[A-Za-z]:[^\]\n]*\]|%.*')
UNKNOWN = re.compile(r"""[^\sA-Ga-gxXyzZ0-9_^='/,|:\[\]()<>{}~.HLMOPSTuv!*`\\&-]""")
NOTE = re.compile(r"[\^_=]*[A-Ga-g]")
LONG = re.compile(r"\d{4,}")  # no length, tuplet or ending is written with so many digits
THICK_BAR = re.compile(r"\|\]|\[\||\[\d|\|\[")  # thick bars and endings have brackets too
INLINE = re.compile(r"\[([A-Za-z]:[^\]\n]*)\]")
MAX_FAULTS = 5
LONGEST_DENOMINATOR = 10_000  # music21's thirds and fifths are floats


@dataclass(frozen=True)
class Bar:
    """A bar: its length and that of its meter in quarter notes, and whether a repeat ends it."""

    length: Fraction
    whole: Fraction
    is_end: bool


def faults(tune: str) -> list[str]:
    """List the faults of a tune; a valid one has none.

    A tune is one ``X:`` and its header, which ``K:`` ends, then music that
    music21 reads. No bar is longer than its meter; a shorter one is the first
    or the last, stands beside a repeat, or makes a whole one with its
    neighbour.

    Raises:
        RowError: If music21 is not installed.
    """
    lines = [line.rstrip() for line in tune.strip().split("\n")]
    found = [*_header_faults(lines), *_music_faults(lines)]
    if not found:
        try:
            found += bar_faults(_bars(tune))
        except RowError:
            raise
        except Exception as error:  # music21 has no common class of its errors
            found.append(f"music21 does not read it: {' '.join(str(error).split())[:100]}")
    return found[:MAX_FAULTS]


def _header_length(lines: Sequence[str]) -> int:
    """Count the lines up to and with ``K:``; all if there is none."""
    return next((i for i, line in enumerate(lines, 1) if line.startswith("K:")), len(lines))


def _header_faults(lines: Sequence[str]) -> Iterator[str]:
    header = lines[: _header_length(lines)]
    if not header[0].startswith("X:"):
        yield f"line 1: expected X: and a number, got {header[0][:40]!r}"
    if not header[-1].startswith("K:"):
        yield "there is no K:, which ends the header"
    for number, line in enumerate(lines, 1):
        field = FIELD.match(line)
        if field is None and number <= len(header) and not line.startswith("%"):
            yield f"line {number}: expected a field before K:, got {line[:40]!r}"
        if field and field[1] == "X" and number > 1:
            yield f"line {number}: X: begins a tune, and stands there again"
        if field and field[1] in FIELDS:
            name = field[1]
            if not FIELDS[name].fullmatch(field[2].split("%")[0].strip()):
                found = field[2].strip()[:40]
                yield f"line {number}: {name}: expected {EXPECTED[name]}, got {found!r}"


def _music_faults(lines: Sequence[str]) -> Iterator[str]:
    start = _header_length(lines)
    has_note = False
    for number, line in enumerate(lines[start:], start + 1):
        if FIELD.match(line) or line.startswith("%"):
            continue
        music = MARKED.sub(" ", line)
        unknown = UNKNOWN.search(music) or LONG.search(music)
        if unknown:
            yield f"line {number}: {unknown[0]!r} is no note nor anything else of ABC"
        has_note = has_note or bool(NOTE.search(music))
        for opened, closed in ("[]", "{}"):
            inner = THICK_BAR.sub("", music) if opened == "[" else music
            num_opened = inner.count(opened)
            num_closed = inner.count(closed)
            if num_opened != num_closed:
                yield f"line {number}: {num_opened} {opened} and {num_closed} {closed}"
    if not has_note:
        yield "there is no note"


def music_library() -> Any:
    """Import music21.

    Raises:
        RowError: If it is not installed.
    """
    try:
        import music21  # noqa: PLC0415, an optional extra
    except ImportError:
        raise RowError(
            "tunes are read by a library that is not installed: "
            "make extras, or pip install 'refrain-rnn[music]'"
        ) from None
    return music21


def plain_tune(tune: str) -> str:
    """Write inline fields as lines, because music21 reads ``[M:3/4]`` as a chord."""
    return INLINE.sub(r"\n\1\n", tune.strip())


def _bars(tune: str) -> list[Bar]:
    """List the bars of a tune, from music21's notes.

    A bar without length, as between two repeats, does not count.
    """
    handler = music_library().abcFormat.ABCHandler()
    handler.process(plain_tune(tune))
    found: list[Bar] = []
    whole = Fraction(0)
    length = Fraction(0)
    for token in handler.tokens:
        kind = type(token).__name__
        if kind == "ABCMetadata" and token.tag == "M":
            meter = token.getTimeSignatureObject()
            whole = Fraction(meter.barDuration.quarterLength) if meter else Fraction(0)
        elif kind in ("ABCNote", "ABCChord") and not token.inGrace:
            tuplet = token.activeTuplet
            length += Fraction(token.quarterLength) * (tuplet.tupletMultiplier() if tuplet else 1)
        elif kind == "ABCBar":
            is_end = token.barStyle != "regular" or bool(token.repeatForm)
            if length:
                found.append(Bar(length.limit_denominator(LONGEST_DENOMINATOR), whole, is_end))
            elif found:
                found[-1] = replace(found[-1], is_end=found[-1].is_end or is_end)
            length = Fraction(0)
    if length:
        found.append(Bar(length.limit_denominator(LONGEST_DENOMINATOR), whole, False))
    return found


def bar_faults(bars: Sequence[Bar]) -> Iterator[str]:
    """Find bars whose length the meter does not allow; free meter allows all."""
    last = len(bars) - 1
    for i, bar in enumerate(bars):
        missing = bar.whole - bar.length
        if not bar.whole or not missing:
            continue
        message = f"bar {i + 1}: {bar.length} quarter notes, its meter has {bar.whole}"
        if missing < 0:
            yield message
            continue
        is_free = i in (0, last) or bar.is_end or bars[i - 1].is_end
        if not is_free and missing not in (bars[i - 1].length, bars[i + 1].length):
            yield message


def write_midi(tune: str, path: Path) -> None:
    """Write a tune as a MIDI file, its repeats played.

    Raises:
        RowError: If the tune has faults, or music21 is not installed.
    """
    found = faults(tune)
    if found:
        raise RowError(f"not a valid tune: {'; '.join(found)}")
    music21 = music_library()
    score = music21.converter.parseData(plain_tune(tune), format="abc")
    # Odd repeats, or too few bars for repeats, are played as written.
    with suppress(music21.exceptions21.Music21Exception):
        score = score.expandRepeats()
    score.write("midi", str(path))
