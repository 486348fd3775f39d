"""The one style of the figures of a run: their size, their colors, and how they become SVG.

The colors are those of Okabe and Ito (2008), which people with any color vision tell apart. Marks
differ in shape too. SVG keeps text as text: it is sharp at any size, and the browser has the
characters that fonts on this machine lack.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tasks.figures.drawing import new_figure, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 6.4  # inches: MLflow shows a figure 500 pixels wide, where text of 10 points is legible
OURS = "#0072B2"
THEIRS = "#E69F00"  # of the champion
WARNING = "#D55E00"
GOOD = "#009E73"
QUIET = "#767676"  # as pale as text may be on white
SEVERAL = (OURS, THEIRS, GOOD, "#CC79A7", WARNING, "#56B4E9", "#8B7B00", "#000000")
SHADES = "cividis"  # of a table, from dark to light
STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e5e5",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "text.parse_math": False,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw in the style of a run's figures."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def empty_figure(height: float) -> "Figure":
    """Make a figure as wide as the page; the height is in inches."""
    return new_figure(WIDTH, height)


def drawn(draw: Callable[..., "Figure"], *args: Any) -> str:
    """Draw a figure in this style, and return it as SVG."""
    with figure_style():
        return svg(draw(*args))


def shade_of_text(share: float) -> str:
    """Choose the color of a text on a shade, 0 for the darkest and 1 for the lightest."""
    return "black" if share > 0.5 else "white"
