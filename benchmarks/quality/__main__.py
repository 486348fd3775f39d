"""Scores beside the best published ones of recurrent networks, under the same protocols.

``python -m benchmarks.quality`` lists the rows and what was measured;
``python -m benchmarks.quality NAME [--seed N]`` makes one run, in a store that
is kept, so a run that was killed goes on. With ``--minutes M`` a run is cut
short: it shows how it learns, looks at no test row and leaves no figure.
"""

import argparse
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lib.figures import REPORTED, RESULTS, ROOT, figure, read, write
from benchmarks.quality.files import lay_out
from benchmarks.quality.protocols import Row
from benchmarks.quality.rows import ROWS
from refrain.environment import prepare

HOME = ROOT / ".refrain-quality"
CURVES = RESULTS / "curves" / "quality.json"
CATALOGS = f"{ROOT / 'benchmarks/data/datasets.yaml'}:{ROOT / 'benchmarks/quality/quality.yaml'}"


@dataclass(frozen=True)
class Run:
    """Read one run's score with its interval, its minutes, and its learning curve."""

    score: float
    low: float
    high: float
    minutes: float
    curve: str
    settings: dict[str, Any]


def run_path(row: Row, seed: int) -> Path:
    """Where a run's result is kept."""
    return HOME / "quality" / f"{row.name}-{seed}.json"


def kept_run(row: Row, seed: int) -> Run | None:
    """The result of a run with the settings that the row has now."""
    path = run_path(row, seed)
    found = Run(**json.loads(path.read_text())) if path.exists() else None
    return found if found and found.settings == row.settings else None


def measured(row: Row) -> tuple[float, str] | None:
    """The mean over all seeds of a row and a note, once they are all there."""
    runs = {seed: kept_run(row, seed) for seed in row.seeds}
    done = [run for run in runs.values() if run]
    if len(done) < len(runs):
        return None
    each = ", ".join(f"{run.score:.2f} ({run.low:.2f} to {run.high:.2f})" for run in done)
    minutes = sum(run.minutes for run in done) / len(done)
    beside = kept_run(ROWS[row.beside], 1) if row.beside else None
    more = f"; {ROWS[row.beside].title} {beside.score:.2f}" if beside else ""
    return sum(run.score for run in done) / len(
        done
    ), f"{each}; {minutes:.0f} minutes of training{more}"


def write_figures(row: Row) -> None:
    """Leave the figures of a row, where all its runs are there."""
    found = measured(row)
    if not (found and row.figure):
        return
    command = f"python -m benchmarks.quality {row.name}"
    made = [
        figure(
            row.figure,
            found[0],
            unit=row.unit,
            goal=row.goal,
            better=row.better,
            command=command,
            note=found[1],
        )
    ]
    if row.minutes_figure:
        runs = [run for seed in row.seeds if (run := kept_run(row, seed))]
        minutes = sum(run.minutes for run in runs) / len(runs)
        made.append(
            figure(
                row.minutes_figure,
                minutes,
                unit="min",
                goal=minutes,
                better="lower",
                command=command,
                note=REPORTED,
            )
        )
    write("quality", made)
    write_pages()


def write_pages() -> None:
    """Write the table and the learning curves of this store's runs; other curves stay."""
    (RESULTS / "quality.md").write_text(table())
    kept = kept_curves()
    runs = {
        f"{row.name}, seed {seed}": kept_run(row, seed)
        for row in ROWS.values()
        for seed in row.seeds
    }
    kept |= {name: run.curve for name, run in runs.items() if run}
    CURVES.write_text(
        json.dumps({name: kept[name] for name in runs if name in kept}, indent=1) + "\n"
    )
    (RESULTS / "quality_curves.md").write_text(curves())


def kept_curves() -> dict[str, str]:
    """How the runs that were counted learnt, by their names."""
    return dict(json.loads(CURVES.read_text()))


def curves() -> str:
    """How each run learnt, in Markdown."""
    return "\n".join(f"`{name}`:\n\n```\n{curve}\n```\n" for name, curve in kept_curves().items())


def table() -> str:
    """What there is, what was published, what is wanted and what was measured, in Markdown."""
    figures = (
        {item.figure: item for item in read("quality")}
        if (RESULTS / "quality.json").exists()
        else {}
    )
    lines = ["| row | protocol | published | goal | measured |", "|---|---|---|---|---|"]
    owners = {row.beside: row for row in ROWS.values()}
    for row in ROWS.values():
        item = figures.get(row.figure)
        owner = owners.get(row.name)
        result = f"**{item.value:g}** {item.unit}: {item.note}" if item else "not measured"
        if owner and owner.figure in figures:
            result = f"last in the note of `{owner.name}`"
        bound = (
            f"{'at least' if row.better == 'higher' else 'at most'} {row.goal:g}"
            if row.figure
            else "-"
        )
        lines.append(f"| `{row.name}` | {row.protocol} | {row.published} | {bound} | {result} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """List what there is, or make a run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality")
    parser.add_argument("name", nargs="?", choices=list(ROWS))
    parser.add_argument("--seed", type=int)
    parser.add_argument(
        "--minutes",
        type=float,
        help="cut the training short; looks at no test row, leaves no figure",
    )
    parser.add_argument("--limit", type=int, help="training rows, at most; likewise")
    arguments = parser.parse_args()
    if arguments.name is None:
        write_pages()
        print(table())
        return
    os.environ["REFRAIN_HOME"] = str(HOME)
    prepare()
    from benchmarks.quality.run import run

    row = ROWS[arguments.name]
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("rnn_models").setLevel(logging.INFO)
    lay_out(HOME)
    for seed in [arguments.seed] if arguments.seed is not None else row.seeds:
        found = run(row, seed, CATALOGS, minutes=arguments.minutes, limit=arguments.limit)
        if found:
            run_path(row, seed).parent.mkdir(exist_ok=True)
            run_path(row, seed).write_text(json.dumps(found | {"settings": row.settings}))
            print(
                f"{row.title}: {found['score']:.2f} ({found['low']:.2f} to "
                f"{found['high']:.2f}), published {row.published}"
            )
            print(f"goal: {row.goal:g}")
    write_figures(row)


if __name__ == "__main__":
    main()
