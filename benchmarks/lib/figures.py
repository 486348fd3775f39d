"""The figures that benchmarks measure, and the tables in documents that are made of them.

``python -m benchmarks.lib.figures`` writes the tables; a test fails when one is out of date.
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

import torch

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
# What may differ from the commit while figures are written: they are themselves results, and
# documents are made of them.
NOT_MEASURED = (":!benchmarks/results", ":!*.md")
DOCUMENTS = (
    "README.md",
    "docs/quick-start.md",
    "docs/concepts/rnn.md",
    "docs/reference/datasets.md",
    "docs/reliability.md",
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
    threads: int | None = None  # of torch; None in results older than this field

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
    """Make a figure measured now, on this machine, at this commit."""
    return Figure(
        figure=name,
        value=round(value, 2),
        unit=unit,
        goal=goal,
        better=better,
        command=command,
        cores=os.cpu_count() or 1,
        date=datetime.now(UTC).date().isoformat(),
        commit=commit(),
        note=note,
        processor=processor(),
        threads=torch.get_num_threads(),
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
    """Make the figure of the mean of several measurements, with their lowest and highest."""
    mean = figure(
        name, fmean(values), unit=unit, goal=goal, better=better, command=command, note=note
    )
    return replace(mean, low=round(min(values), 2), high=round(max(values), 2))


def commit() -> str:
    """Name the measured commit, marked where the measured code differs from it."""
    named = _git("rev-parse", "--short", "HEAD")
    return f"{named}-dirty" if changed_paths() else named


def changed_paths() -> list[str]:
    """List the files that differ from the commit, except results and documents."""
    status = _git("status", "--porcelain", "--", ".", *NOT_MEASURED)
    return [line.split(maxsplit=1)[1] for line in status.splitlines()]


def require_clean_tree() -> None:
    """End the benchmark where the code that it measures is in no commit.

    Raises:
        SystemExit: If a file differs from the commit.
    """
    changed = changed_paths()
    if changed:
        raise SystemExit(
            f"figures belong to a commit, but {len(changed)} files differ from it "
            f"({', '.join(changed[:3])}{', ...' if len(changed) > 3 else ''}): "
            "commit or stash them, then measure again"
        )


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def processor() -> str:
    """Name the processor and the widest instructions that torch uses on it."""
    lines = CPUS.read_text(errors="replace").splitlines() if CPUS.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    limited = f", limited to {limit}" if limit else ""
    name = next(named, "") or platform.processor() or platform.machine()
    return f"{name} ({torch.backends.cpu.get_cpu_capability()}{limited})"


def write(name: str, figures: list[Figure]) -> None:
    """Write the figures of a benchmark; those of other names in its file stay.

    Raises:
        SystemExit: If the code that was measured is in no commit.
    """
    require_clean_tree()
    path = RESULTS / f"{name}.json"
    kept = {item.figure: item for item in read(name)} if path.exists() else {}
    kept |= {item.figure: item for item in figures}
    RESULTS.mkdir(exist_ok=True)
    path.write_text(
        json.dumps([asdict(item) for item in kept.values()], indent=2, ensure_ascii=False) + "\n"
    )


def read(name: str) -> list[Figure]:
    """Read the figures of a benchmark."""
    return [Figure(**item) for item in json.loads((RESULTS / f"{name}.json").read_text())]


def table(name: str) -> str:
    """Write the figures of a benchmark as a Markdown table."""
    figures = read(name)
    rows = ["| figure | measured | goal | note |", "|---|---|---|---|"]
    for item in figures:
        bound = "at least" if item.better == "higher" else "at most"
        met = "" if item.is_met else " (missed)"
        spread = f" ({item.low:g} to {item.high:g})" if item.low is not None else ""
        value = f"**{item.value:g}** {item.unit}{spread}"
        rows.append(f"| {item.figure} | {value} | {bound} {item.goal:g}{met} | {item.note} |")
    commands = " and ".join(
        f"`{command}`" for command in dict.fromkeys(item.command for item in figures)
    )
    machines = " and ".join(
        dict.fromkeys(f"{item.cores} cores{_machine(item)}" for item in figures)
    )
    rows += ["", f"Measured by {commands} on {machines}, {max(item.date for item in figures)}."]
    return "\n".join(rows)


def _machine(item: Figure) -> str:
    threads = f", {item.threads} threads" if item.threads else ""
    return (f" of {item.processor}" if item.processor else "") + threads


def brief(name: str) -> str:
    """Make a table of the measured values; their goals are on the pages of the site."""
    rows = [f"| {name.replace('_', ' ')} | measured |", "|---|---:|"]
    rows += [f"| `{item.figure}` | **{item.value:g}** {item.unit} |" for item in read(name)]
    return "\n".join(rows)


def with_tables(text: str) -> str:
    """Replace the tables and screens of a document by current ones."""
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
    """Read the Markdown that a benchmark wrote."""
    return (RESULTS / f"{name}.md").read_text().strip("\n")


def screen(name: str) -> str:
    """Read the terminal output that a benchmark kept."""
    lines = (RESULTS / f"{name}.screen.txt").read_text().strip("\n").splitlines()
    return "\n".join(line.rstrip() for line in lines)


def main() -> None:
    """Write the tables of all documents."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(with_tables(path.read_text()))


if __name__ == "__main__":
    main()
