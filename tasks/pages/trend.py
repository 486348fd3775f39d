"""The scores of a dataset's last decisions, as a table and a line of bars."""

from collections.abc import Iterator, Sequence

from tasks.pages.markdown import cell, shortened, table_row
from tasks.pages.scores import digits, title
from tasks.promotion.ledger import Ledger, Line

NUM_LINES = 10
REASON_CHARACTERS = 90
BARS = "▁▂▃▄▅▆▇█"


def trend(dataset: str, metric: str) -> str:
    """Write the last decisions on a dataset, the newest first, with their scores."""
    lines = [line for line in Ledger.of(dataset).lines if metric in line.scores][-NUM_LINES:]
    if not lines:
        return "There is no earlier decision."
    bars = spark([line.scores[metric] for line in lines])
    note = (
        f"{title(metric)}, oldest to newest: `{bars}`. A score is that of the day's test split; "
        "a run that finds everything unchanged makes no new decision."
    )
    return "\n\n".join([note, "\n".join(_rows(lines, metric))])


def _rows(lines: Sequence[Line], metric: str) -> Iterator[str]:
    yield f"| when, UTC | version | {title(metric)} | decision | why |"
    yield "|---|---:|---:|---|---|"
    for line in reversed(lines):
        when = line.when[:16].replace("T", " ")
        link = f"[{when}]({line.flow_run_url})" if line.flow_run_url else when
        score = f"{line.scores[metric]:.{digits(metric)}f}"
        why = shortened(line.why, REASON_CHARACTERS)
        yield table_row(link, [line.version, score, line.event, cell(why)])


def spark(values: Sequence[float]) -> str:
    """Draw numbers as bars of a text.

    Example:
        >>> spark([1.0, 2.0, 8.0])
        '▁▂█'
    """
    low = min(values)
    span = (max(values) - low) or 1.0
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in values)
