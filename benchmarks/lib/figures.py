"""The figures that benchmarks leave, and the tables in documents that are made of them.

``python -m benchmarks.lib.figures`` writes the tables anew; a test says when one differs.
"""

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENTS = (
    "README.md",
    "docs/quick-start.md",
    "docs/concepts/rnn.md",
    "docs/reference/datasets.md",
    "docs/benchmarks/main-job.md",
    "docs/benchmarks/data.md",
    "docs/benchmarks/quality.md",
    "docs/benchmarks/promotion.md",
    "docs/benchmarks/speed.md",
)
CPUS = Path("/proc/cpuinfo")
REPORTED = "reported, not asked for"  # the note of a figure without a goal
BRIEF = re.compile(r"<!-- brief: (\w+) -->\n.*?<!-- end of brief -->", flags=re.DOTALL)
MARKED = re.compile(r"<!-- figures: (\w+) -->\n.*?<!-- end of figures -->", flags=re.DOTALL)
SCREEN = re.compile(r"<!-- screen: (\w+) -->\n.*?<!-- end of screen -->", flags=re.DOTALL)
INCLUDED = re.compile(r"<!-- include: (\w+) -->\n.*?<!-- end of include -->", flags=re.DOTALL)


@dataclass(frozen=True)
class Figure:
    """One measured figure, its goal, and how to measure it again."""

    figure: str
    value: float
    unit: str
    goal: float
    better: Literal["higher", "lower"]
    command: str
    cores: int
    date: str
    commit: str
    note: str
    processor: str = ""
    low: float | None = None  # of several seeds or sittings, whose mean the value is
    high: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached."""
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


def figure(
    name: str,
    value: float,
    *,
    unit: str,
    goal: float,
    better: Literal["higher", "lower"],
    command: str,
    note: str,
) -> Figure:
    """A figure measured now, on this machine, at this commit."""
    today = datetime.now(UTC).date().isoformat()
    cores = os.cpu_count() or 1
    return Figure(
        name,
        round(value, 2),
        unit,
        goal,
        better,
        command,
        cores,
        today,
        commit(),
        note,
        processor(),
    )


def mean_figure(
    name: str,
    values: Sequence[float],
    *,
    unit: str,
    goal: float,
    better: Literal["higher", "lower"],
    command: str,
    note: str,
) -> Figure:
    """The mean of several measurements, with the lowest and the highest of them."""
    made = figure(
        name, fmean(values), unit=unit, goal=goal, better=better, command=command, note=note
    )
    return replace(made, low=round(min(values), 2), high=round(max(values), 2))


def commit() -> str:
    """The commit that is measured, marked where anything but the results and documents differs from it."""
    named = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", ".", ":!benchmarks/results", ":!*.md")
    return f"{named}-dirty" if changed else named


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def processor() -> str:
    """The processor and the widest instructions that torch uses on it, which a variable may limit."""
    import torch

    lines = CPUS.read_text(errors="replace").splitlines() if CPUS.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    limited = f", limited to {limit}" if limit else ""
    name = next(named, "") or platform.processor() or platform.machine()
    return f"{name} ({torch.backends.cpu.get_cpu_capability()}{limited})"


def write(name: str, figures: list[Figure]) -> None:
    """Keep the figures of a benchmark; those of other names in its file stay."""
    path = RESULTS / f"{name}.json"
    kept = {item.figure: item for item in read(name)} if path.exists() else {}
    kept |= {item.figure: item for item in figures}
    RESULTS.mkdir(exist_ok=True)
    path.write_text(
        json.dumps([asdict(item) for item in kept.values()], indent=2, ensure_ascii=False) + "\n"
    )


def read(name: str) -> list[Figure]:
    """The figures of a benchmark."""
    return [Figure(**item) for item in json.loads((RESULTS / f"{name}.json").read_text())]


def table(name: str) -> str:
    """The figures of a benchmark as a Markdown table."""
    figures = read(name)
    rows = ["| figure | measured | goal | note |", "|---|---|---|---|"]
    for item in figures:
        bound = "at least" if item.better == "higher" else "at most"
        met = "" if item.is_met else " (missed)"
        spread = f" ({item.low:g} to {item.high:g})" if item.low is not None else ""
        rows.append(
            f"| {item.figure} | **{item.value:g}** {item.unit}{spread} | {bound} {item.goal:g}{met} | {item.note} |"
        )
    commands = " and ".join(
        f"`{command}`" for command in dict.fromkeys(item.command for item in figures)
    )
    machines = " and ".join(
        dict.fromkeys(f"{item.cores} cores{_of(item.processor)}" for item in figures)
    )
    rows += ["", f"Measured by {commands} on {machines}, {max(item.date for item in figures)}."]
    return "\n".join(rows)


def _of(processor: str) -> str:
    return f" of {processor}" if processor else ""


def brief(name: str) -> str:
    """Make a table of the measured values; their goals are on the pages of the site."""
    rows = [f"| {name.replace('_', ' ')} | measured |", "|---|---:|"]
    rows += [f"| `{item.figure}` | **{item.value:g}** {item.unit} |" for item in read(name)]
    return "\n".join(rows)


def with_tables(text: str) -> str:
    """A document with its tables and screens made anew."""
    text = BRIEF.sub(
        lambda found: f"<!-- brief: {found[1]} -->\n{brief(found[1])}\n<!-- end of brief -->", text
    )
    text = MARKED.sub(
        lambda found: f"<!-- figures: {found[1]} -->\n{table(found[1])}\n<!-- end of figures -->",
        text,
    )
    text = INCLUDED.sub(
        lambda found: (
            f"<!-- include: {found[1]} -->\n{included(found[1])}\n<!-- end of include -->"
        ),
        text,
    )
    return SCREEN.sub(
        lambda found: (
            f"<!-- screen: {found[1]} -->\n```\n{screen(found[1])}\n```\n<!-- end of screen -->"
        ),
        text,
    )


def included(name: str) -> str:
    """A piece of Markdown that a benchmark wrote."""
    return (RESULTS / f"{name}.md").read_text().strip("\n")


def screen(name: str) -> str:
    """What a benchmark saw on the screen."""
    lines = (RESULTS / f"{name}.screen.txt").read_text().strip("\n").splitlines()
    return "\n".join(line.rstrip() for line in lines)


def main() -> None:
    """Write the tables of all documents."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(with_tables(path.read_text()))


if __name__ == "__main__":
    main()
