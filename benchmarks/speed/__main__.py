"""Speed of Refrain beside its peers, run in turn in one sitting, on the same data and sizes.

``python -m benchmarks.speed`` measures all rows, ``python -m benchmarks.speed
ROW`` one. Each side runs in a process of its own, ours too, so nobody profits
from what another has warmed up; a run warms up before its clock starts. With
``--steps``, ``--threads`` or fewer repetitions than five it is a try: it prints
what it saw, and leaves no figure.
"""

import argparse
import json
import os
from dataclasses import replace

from benchmarks.lib.figures import RESULTS, Figure, figure, read, write
from benchmarks.lib.figures import main as renew_documents
from benchmarks.speed import outside_model, startup
from benchmarks.speed.peer_environments import HOME, prepare_inputs
from benchmarks.speed.rows import ROWS, Goal, Row, Values, Workload, kept, medians, note, ratio

REPETITIONS = 5
COMMAND = "python -m benchmarks.speed"
SEEN = HOME / "seen.json"  # every value of the last sitting
MEMORY = RESULTS / "curves" / "speed_memory.json"
Runs = dict[str, list[Values]]
ALONE = {"outside": outside_model, "startup": startup}  # rows without a peer
WANTED = {
    **{
        goal.figure: (f"{row.name}: {row.about}", goal.goal, goal.unit)
        for row in ROWS.values()
        for goal in row.goals
    },
    **{
        item.figure: (item.about, item.goal, item.unit)
        for part in ALONE.values()
        for item in part.WANTED
    },
}


def busy() -> float:
    """Programs that wanted a core in the last minute."""
    return os.getloadavg()[0]


def measured(row: Row, workload: Workload, repetitions: int) -> tuple[Runs, list[float]]:
    """All sides of a row in turn, several times, and the machine's load before each turn."""
    runs: Runs = {side: [] for side in row.sides}
    loads = []
    for number in range(1, repetitions + 1):
        loads.append(busy())
        for side, run in row.sides.items():
            runs[side].append(run(workload))
            values = ", ".join(f"{name} {value:,.4g}" for name, value in runs[side][-1].items())
            print(f"{row.name:<12} {number} of {repetitions}  {side:<8} {values}", flush=True)
    return runs, loads


def made_figure(row: Row, goal: Goal, runs: Runs, loads: list[float]) -> Figure:
    """A figure of some runs."""
    text = f"{note(row, runs, goal)}; load before a turn {min(loads):.1f} to {max(loads):.1f}"
    command = f"{COMMAND} {row.name}"
    return figure(
        goal.figure,
        ratio(runs, goal),
        unit=goal.unit,
        goal=goal.goal,
        better="higher",
        command=command,
        note=text,
    )


def write_memory(row: Row, runs: Runs) -> None:
    """Keep what a training took beside what its weights need."""
    seen = medians(runs["ours"])
    if "used_mib" in seen:
        names = ("parameters", "needed_mib", "used_mib")
        MEMORY.write_text(
            json.dumps(
                kept(MEMORY) | {row.name: {name: round(seen[name]) for name in names}}, indent=2
            )
            + "\n"
        )


def measure(row: Row, workload: Workload, repetitions: int, *, is_try: bool) -> None:
    """Measure a row, print its ratios, and keep them unless it was a try."""
    runs, loads = measured(row, workload, repetitions)
    SEEN.write_text(json.dumps(kept(SEEN) | {row.name: {"runs": runs, "loads": loads}}, indent=1))
    found = [made_figure(row, goal, runs, loads) for goal in row.goals]
    for item in found:
        print(f"{item.figure}: {item.value:g} {item.unit} (goal {item.goal:g}); {item.note}")
    if not is_try:
        write("speed", found)
        write_memory(row, runs)


def table() -> str:
    """What is wanted and what was measured, in Markdown."""
    found = (
        {item.figure: item for item in read("speed")} if (RESULTS / "speed.json").exists() else {}
    )
    lines = ["| figure | what | goal | measured |", "|---|---|---|---|"]
    for name, (about, goal, unit) in WANTED.items():
        item = found.get(name)
        bound = "at most" if unit in ("s", "% of a training") else "at least"
        result = (
            f"**{item.value:g}**{'' if item.is_met else ' (missed)'}: {item.note}"
            if item
            else "not measured"
        )
        lines.append(f"| `{name}` | {about} | {bound} {goal:g} {unit} | {result} |")
    return "\n".join(lines) + "\n"


def memory_table() -> str:
    """What a training takes beside what its weights need, in Markdown."""
    found = kept(MEMORY)
    lines = [
        "| training | parameters | weights, gradient, optimiser, best epoch | peak above "
        "the start |",
        "|---|---:|---:|---:|",
    ]
    for name in ("translation", "ner", "sentiment"):
        seen = found.get(name)
        cells = (
            [f"{seen['parameters']:,}", f"{seen['needed_mib']} MiB", f"{seen['used_mib']} MiB"]
            if seen
            else ["not measured"] * 3
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write_pages() -> None:
    """Write the tables, and the documents made of them."""
    (RESULTS / "speed.md").write_text(table())
    (RESULTS / "speed_memory.md").write_text(memory_table())
    renew_documents()


def main() -> None:
    """Measure the requested rows."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("row", nargs="?", choices=[*ROWS, *ALONE])
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument(
        "--steps",
        type=int,
        help="steps that are timed, of JoeyNMT and OpenNMT-py, for a try; the faster ones "
        "make more",
    )
    parser.add_argument("--threads", type=int, help="threads of each side, for a try")
    parser.add_argument("--tables", action="store_true", help="measure nothing, write the tables")
    given = parser.parse_args()
    is_try = bool(given.steps or given.threads) or given.repetitions < REPETITIONS
    workload = Workload()
    if given.steps:
        workload = replace(
            workload,
            warmup=min(workload.warmup, given.steps),
            steps=given.steps,
            steps_before_beam=2 * given.steps,
        )
    workload = replace(workload, threads=given.threads or workload.threads)
    for name in [] if given.tables else [given.row] if given.row else [*ROWS, *ALONE]:
        if name in ROWS:
            prepare_inputs()
            measure(ROWS[name], workload, given.repetitions, is_try=is_try)
            continue
        found = ALONE[name].figures()
        for item in found:
            print(f"{item.figure}: {item.value:g} {item.unit} (goal {item.goal:g}); {item.note}")
        if not is_try:
            write("speed", found)
    if not is_try:
        write_pages()


if __name__ == "__main__":
    main()
