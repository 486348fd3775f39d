"""The notes of a tune as a staff shows them."""

import pytest

from data.formats.tune_notes import read_staff

pytest.importorskip("music21")
TUNE = "X:1\nT:Lumo\nM:2/4\nL:1/8\nK:D\nA2 ^gz|D,3 (3fga:|"


def test_notes_have_steps_lengths_and_signs() -> None:
    staff = read_staff(TUNE)
    assert (staff.meter, staff.key, staff.num_sharps) == ("2/4", "D", 2)
    first, second = staff.bars
    assert [(note.step, note.length, note.sign, note.is_rest) for note in first.notes] == [
        (33, 1.0, "", False),
        (39, 0.5, "♯", False),
        (0, 0.5, "", True),
    ]
    assert [note.step for note in second.notes] == [22, 38, 39, 40]
    assert second.notes[1].length == pytest.approx(1 / 3)
    assert (first.end, second.end) == ("", "repeat")
