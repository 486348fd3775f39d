"""The figures that benchmarks leave, and the tables in documents that are made of them.

``python -m benchmarks.figures`` writes the tables anew; a test says when one differs.
"""

import json
import os
import re
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENTS = (
    "README.md",
    "docs/data.md",
    "docs/rnn.md",
    "benchmarks/QUALITY.md",
    "benchmarks/PROMOTION.md",
    "benchmarks/SPEED.md",
)
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

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached."""
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


def figure(
    name: str, value: float, *, unit: str, goal: float, better: Literal["higher", "lower"], command: str, note: str
) -> Figure:
    """A figure measured now, on this machine, at this commit."""
    described = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True)
    today = datetime.now(UTC).date().isoformat()
    return Figure(name, round(value, 2), unit, goal, better, command, os.cpu_count() or 1, today, described.stdout.strip(), note)


def write(name: str, figures: list[Figure]) -> None:
    """Keep the figures of a benchmark; those of other names in its file stay."""
    path = RESULTS / f"{name}.json"
    kept = {item.figure: item for item in read(name)} if path.exists() else {}
    kept |= {item.figure: item for item in figures}
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps([asdict(item) for item in kept.values()], indent=2, ensure_ascii=False) + "\n")


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
        rows.append(f"| {item.figure} | **{item.value:g}** {item.unit} | {bound} {item.goal:g}{met} | {item.note} |")
    commands = " and ".join(f"`{command}`" for command in dict.fromkeys(item.command for item in figures))
    rows += ["", f"Measured by {commands} on {figures[0].cores} cores, {max(item.date for item in figures)}."]
    return "\n".join(rows)


def brief(name: str) -> str:
    """The figures of a benchmark without their notes, as a Markdown table."""
    rows = [f"| {name} | measured | goal |", "|---|---:|---:|"]
    for item in read(name):
        bound = f"{'at least' if item.better == 'higher' else 'at most'} {item.goal:g}{'' if item.is_met else ' (missed)'}"
        rows.append(f"| `{item.figure}` | **{item.value:g}** {item.unit} | {'' if item.note == REPORTED else bound} |")
    return "\n".join(rows)


def with_tables(text: str) -> str:
    """A document with its tables and screens made anew."""
    text = BRIEF.sub(lambda found: f"<!-- brief: {found[1]} -->\n{brief(found[1])}\n<!-- end of brief -->", text)
    text = MARKED.sub(lambda found: f"<!-- figures: {found[1]} -->\n{table(found[1])}\n<!-- end of figures -->", text)
    text = INCLUDED.sub(lambda found: f"<!-- include: {found[1]} -->\n{included(found[1])}\n<!-- end of include -->", text)
    return SCREEN.sub(lambda found: f"<!-- screen: {found[1]} -->\n```\n{screen(found[1])}\n```\n<!-- end of screen -->", text)


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
