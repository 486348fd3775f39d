"""A tune as a score."""

import re

from data.formats.tune_notes import Staff, StaffBar, StaffNote
from tasks.figures.style import drawn
from tasks.figures.tunes import LINE_WIDTH, lines_of, tune_figure, width_of


def test_a_score_has_its_title_and_key() -> None:
    figure = drawn(tune_figure, "X:1\nM:6/8\nL:1/8\nK:G\nGAB d2B|A3 G3|]", "A tune")
    assert {"A tune", "♯"} <= set(re.findall(r">([^<>\n]+)</text>", figure))


def test_bars_that_are_too_long_for_a_line_begin_another() -> None:
    bar = StaffBar([StaffNote(33, 0.5)] * 8)
    lines = lines_of(Staff("2/4", "G", 1, [bar] * 9))
    assert sum(map(len, lines)) == 9
    widths = [sum(width_of(note) for each in line for note in each.notes) for line in lines]
    assert max(widths) < LINE_WIDTH
    assert len(lines) > 1
