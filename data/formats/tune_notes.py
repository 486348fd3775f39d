"""The notes of a tune in ABC notation, as a staff shows them."""

import re
from dataclasses import dataclass, field
from typing import Any

from data.formats.abc_notation import music_library, plain_tune

PITCH = re.compile(r"([A-G])(#+|-+|n)?(-?\d+)")
STEPS = "CDEFGAB"
SIGNS = {"#": "♯", "-": "♭", "n": "♮"}


@dataclass(frozen=True)
class StaffNote:
    """A note or a rest.

    ``step`` counts the white keys up from C0. ``length`` is in quarter notes,
    ``sign`` the accidental before the note, empty for none.
    """

    step: int
    length: float
    sign: str = ""
    is_rest: bool = False


@dataclass(frozen=True)
class StaffBar:
    """A bar, with the repeat or the thick line that ends it, if there is one."""

    notes: list[StaffNote]
    end: str = ""


@dataclass(frozen=True)
class Staff:
    """The notes of a tune: its meter and key as written, its sharps (flats are negative)."""

    meter: str = ""
    key: str = ""
    num_sharps: int = 0
    bars: list[StaffBar] = field(default_factory=list)


def read_staff(tune: str) -> Staff:
    """Read the notes of a tune without faults.

    Raises:
        RowError: If music21 is not installed.
    """
    handler = music_library().abcFormat.ABCHandler()
    handler.process(plain_tune(tune))
    header = {"M": "", "K": ""}
    num_sharps = 0
    bars: list[StaffBar] = []
    notes: list[StaffNote] = []
    for token in handler.tokens:
        kind = type(token).__name__
        if kind == "ABCMetadata" and header.get(token.tag) == "":
            header[token.tag] = token.data.strip()
            if token.tag == "K":
                found = token.getKeySignatureObject()
                num_sharps = int(found.sharps) if found else 0
        elif kind == "ABCNote" and not token.inGrace:
            notes.append(_note(token))
        elif kind == "ABCBar" and notes:
            bars.append(StaffBar(notes, _end_of(token)))
            notes = []
    if notes:
        bars.append(StaffBar(notes))
    return Staff(header["M"], header["K"], num_sharps, bars)


def _note(token: Any) -> StaffNote:
    tuplet = token.activeTuplet
    length = float(token.quarterLength) * float(tuplet.tupletMultiplier() if tuplet else 1)
    found = PITCH.fullmatch(token.pitchName or "")
    if found is None:
        return StaffNote(0, length, is_rest=True)
    sign = SIGNS[found[2][0]] if token.accidentalDisplayStatus and found[2] else ""
    return StaffNote(len(STEPS) * int(found[3]) + STEPS.index(found[1]), length, sign)


def _end_of(token: Any) -> str:
    """Name the line that ends a bar: ``repeat``, ``thick``, or nothing for a plain one."""
    if token.repeatForm == "end" or token.repeatForm.startswith("bi"):
        return "repeat"
    return "" if token.barStyle in ("", "regular") else "thick"
