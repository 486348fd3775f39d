"""A tune as a score: staves with notes, drawn from the notes of its ABC notation.

One unit is the distance from a line of a staff to the space beside it.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from data.formats.tune_notes import Staff, StaffBar, StaffNote, read_staff
from tasks.figures.style import empty_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOTTOM_LINE = 30  # E4, the lowest line of a staff under a treble clef, in steps from C0
MIDDLE_LINE = 34
SHARPS = (38, 35, 39, 36, 33, 37, 34)  # F C G D A E B, where a key signature has them
FLATS = (34, 37, 33, 36, 32, 35, 31)  # the same from the other end
LINE_WIDTH = 72.0
STAFF_HEIGHT = 22.0
HEAD = (2.4, 1.8)  # width and height of the head of a note
STEM = 6.5
MOST_STAVES = 8


def tune_figure(tune: str, title: str) -> "Figure":
    """Draw a valid tune as a score."""
    staff = read_staff(tune)
    lines = lines_of(staff)[:MOST_STAVES]
    figure = empty_figure(0.8 + 1.3 * len(lines))
    ax = figure.subplots()
    for number, bars in enumerate(lines):
        _draw_line(ax, staff, bars, -number * STAFF_HEIGHT)
    ax.set(
        title=title,
        xlim=(-1, LINE_WIDTH + 1),
        ylim=(-(len(lines) - 1) * STAFF_HEIGHT - 8, 16),
        aspect="equal",
    )
    ax.set_axis_off()
    return figure


def width_of(note: StaffNote) -> float:
    """Return the room of a note: longer ones have more, but not in proportion."""
    return 3.2 + 2.2 * math.sqrt(note.length) + (1.6 if note.sign else 0)


def lines_of(staff: Staff) -> list[list[StaffBar]]:
    """Break the bars of a tune into lines."""
    lines: list[list[StaffBar]] = []
    room = 0.0
    for bar in staff.bars:
        width = sum(map(width_of, bar.notes)) + 2
        if not lines or width > room:
            lines.append([])
            room = LINE_WIDTH - _start_of_line(staff, is_first=len(lines) == 1)
        lines[-1].append(bar)
        room -= width
    return lines


def _start_of_line(staff: Staff, *, is_first: bool) -> float:
    """Return the room that the key signature, and on the first line the meter, takes."""
    return 2 + 1.8 * abs(staff.num_sharps) + (5 if is_first and staff.meter else 0)


def _draw_line(ax: "Axes", staff: Staff, bars: Sequence[StaffBar], y: float) -> None:
    """Draw one staff whose lowest line is at ``y``; the last bar ends it."""
    x = _start_of_line(staff, is_first=y == 0)
    places = FLATS if staff.num_sharps < 0 else SHARPS
    sign = "♭" if staff.num_sharps < 0 else "♯"
    for number, step in enumerate(places[: abs(staff.num_sharps)]):
        ax.text(1 + 1.8 * number, y + step - BOTTOM_LINE, sign, ha="center", va="center")
    if y == 0 and staff.meter:
        numbers = staff.meter.replace("/", "\n")
        ax.text(x - 3, y + 4, numbers, ha="center", va="center", linespacing=0.9)
    for bar in bars:
        for note in bar.notes:
            width = width_of(note)
            _draw_note(ax, note, x + width / 2, y)
            x += width
        x += 1
        _draw_bar_line(ax, bar.end, x, y)
        x += 1
    for line in range(5):
        ax.plot([0, x - 1], [y + 2 * line] * 2, color="black", linewidth=0.7, zorder=1)


def _draw_bar_line(ax: "Axes", end: str, x: float, y: float) -> None:
    ax.plot([x, x], [y, y + 8], color="black", linewidth=2.5 if end else 0.9)
    if end == "repeat":
        ax.plot([x - 1.5] * 2, [y + 3, y + 5], "o", color="black", markersize=2.5)


def _draw_note(ax: "Axes", note: StaffNote, x: float, y: float) -> None:
    from matplotlib.patches import Ellipse, Rectangle

    if note.is_rest:
        ax.add_patch(Rectangle((x - 1, y + 4), 2, 1, color="black"))
        return
    height = y + note.step - BOTTOM_LINE
    for line in _ledger_lines(note.step):
        at = y + line - BOTTOM_LINE
        ax.plot([x - 2, x + 2], [at, at], color="black", linewidth=0.7)
    is_open = note.length >= 2
    ax.add_patch(
        Ellipse((x, height), *HEAD, angle=20, fill=not is_open, color="black", linewidth=1.2)
    )
    if note.sign:
        ax.text(x - 2.6, height, note.sign, ha="center", va="center")
    if _has_dot(note.length):
        ax.plot([x + 2], [height + 0.5], "o", color="black", markersize=2)
    if note.length < 4:
        _draw_stem(ax, note, x, height)


def _draw_stem(ax: "Axes", note: StaffNote, x: float, height: float) -> None:
    """Draw the stem, up from notes below the middle line, with a flag for each halving."""
    way = 1 if note.step < MIDDLE_LINE else -1
    side = x + way * HEAD[0] / 2 * 0.95
    ax.plot([side, side], [height, height + way * STEM], color="black", linewidth=0.9)
    num_flags = sum(note.length < limit for limit in (1, 0.5, 0.25))
    for number in range(num_flags):
        top = height + way * (STEM - 1.6 * number)
        ax.plot([side, side + 1.6], [top, top - way * 2.2], color="black", linewidth=1.4)


def _ledger_lines(step: int) -> list[int]:
    """List the lines above or below a staff that a note needs."""
    below = range(BOTTOM_LINE - 2, step - 1, -2)
    above = range(BOTTOM_LINE + 10, step + 1, 2)
    return [*below, *above]


def _has_dot(length: float) -> bool:
    """Tell whether a note lasts one and a half times a plain one."""
    return math.isclose(math.log2(length / 1.5) % 1, 0, abs_tol=1e-9)
