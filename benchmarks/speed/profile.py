"""Profile of a training: data, parts of the model, backward, optimizer, logging, checkpoint.

``python -m benchmarks.speed.profile DATASET`` makes the training that ``refrain run``
would make of a dataset of any catalog here, in a store that is gone
afterwards, and prints a table; a figure is left in ``.refrain-speed``.
``--rows`` and ``--set`` shorten it. ``--keep before`` or ``--keep after`` puts
it into the tables of ``SPEED.md``.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.data.real_sets import own_store
from benchmarks.lib.figures import RESULTS, ROOT
from benchmarks.lib.figures import main as renew_documents
from benchmarks.quality.files import lay_out
from benchmarks.speed.stopwatch import OUTSIDE, STAGES, outside_share, watched
from refrain.commands.training import token_set
from tasks.registry.mlflow_client import client
from tasks.settings import parse_settings
from tasks.task_states import directly
from tasks.train import train

CATALOGS = f"{ROOT / 'benchmarks/data/datasets.yaml'}:{ROOT / 'benchmarks/quality/quality.yaml'}"
HOME = ROOT / ".refrain-speed"
KEPT = RESULTS / "curves" / "profiles.json"
TIMES = ("before", "after")
# One of each problem; short enough to be made again after each change.
SHOWN: dict[str, dict[str, dict[str, Any]]] = {
    "multi30k_tok": {
        "tokens": {"limit": 6_000},
        "training": {"max_epochs": 1, "input_feeding": True},
    },
    "conll2003": {"training": {"max_epochs": 1}},
    "sst2_sentences": {"training": {"max_epochs": 3}},
    "irish": {"training": {"max_epochs": 1}},
}


@dataclass(frozen=True)
class Profile:
    """Seconds of each stage of a training, its steps and source tokens."""

    seconds: dict[str, float]
    steps: int
    tokens: int

    @property
    def total(self) -> float:
        """Seconds of the whole."""
        return sum(self.seconds.values())


def profiled(dataset: str, assignments: list[str]) -> Profile:
    """Train on a dataset, in a store of its own, with a clock at each stage."""
    with own_store():
        lay_out(ROOT / ".refrain-quality")
        settings = parse_settings(assignments, SHOWN.get(dataset))
        tokens = token_set(dataset, settings.tokens, CATALOGS)
        client().search_experiments()  # MLflow lays out its database once in the life of a store
        with watched() as watch:
            checkpoint = directly(train, tokens, settings.training)
        history = json.loads((checkpoint.folder / "history.json").read_text())
        seconds = {stage: watch.seconds[stage] for stage in STAGES if watch.calls[stage]}
        return Profile(
            seconds,
            len(history["steps"]),
            len(history["epochs"]) * int(tokens.examples("train").source.lengths.sum()),
        )


def table(found: Profile) -> str:
    """Stages with seconds, milliseconds per step and percent, in Markdown."""
    lines = ["| stage | seconds | ms per step | share |", "|---|---:|---:|---:|"]
    for stage, seconds in found.seconds.items():
        name = f"{stage} *" if stage in OUTSIDE else stage
        lines.append(
            f"| {name} | {seconds:.2f} | {1000 * seconds / found.steps:.1f} | "
            f"{100 * seconds / found.total:.1f} % |"
        )
    lines.append(f"| all | {found.total:.2f} | {1000 * found.total / found.steps:.1f} | 100 % |")
    return "\n".join(
        [
            *lines,
            "",
            f"\\* outside the model: {outside_share(found.seconds):.1f} %; {found.steps:,} steps",
        ]
    )


def drawn(dataset: str, found: Profile) -> Figure:
    """Stages as bars."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    names = list(found.seconds)[::-1]
    colors = ["#e45756" if name in OUTSIDE else "#4c78a8" for name in names]
    bars = axes.barh(
        names, [1000 * found.seconds[name] / found.steps for name in names], color=colors
    )
    axes.bar_label(
        bars, [f"{100 * found.seconds[name] / found.total:.1f} %" for name in names], padding=3
    )
    axes.set(title=f"{dataset}: a training step, outside the model in red", xlabel="milliseconds")
    axes.margins(x=0.12)
    return figure


def kept_profiles() -> dict[str, dict[str, dict[str, float]]]:
    """Seconds of each stage by dataset and time, as they were kept."""
    return dict(json.loads(KEPT.read_text())) if KEPT.exists() else {}


def kept_table() -> str:
    """The kept profiles side by side, in percent of their training and in milliseconds per step."""
    kept = kept_profiles()
    columns = [
        (dataset, when, kept.get(dataset, {}).get(when)) for dataset in SHOWN for when in TIMES
    ]
    lines = [
        f"| ms per step | {' | '.join(f'`{dataset}` {when}' for dataset, when, _ in columns)} |"
    ]
    lines.append("|---|" + "---:|" * len(columns))
    for stage in (*STAGES, "all"):
        cells = [cell(seen, stage) for _, _, seen in columns]
        lines.append(f"| {stage} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(seen: dict[str, float] | None, stage: str) -> str:
    """Milliseconds of a stage, or that it was not measured."""
    if seen is None:
        return "not measured"
    return f"{seen[stage]:.1f}" if stage in seen else "-"


def keep(dataset: str, when: str, found: Profile) -> None:
    """Put a profile into the tables of the document."""
    milliseconds = {
        stage: round(1000 * seconds / found.steps, 2) for stage, seconds in found.seconds.items()
    }
    milliseconds["all"] = round(1000 * found.total / found.steps, 2)
    kept = kept_profiles()
    kept.setdefault(dataset, {})[when] = milliseconds
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    write_page()


def write_page() -> None:
    """Write the table of the kept profiles, and the documents made of it."""
    (RESULTS / "speed_profiles.md").write_text(kept_table())
    renew_documents()


def main() -> None:
    """Profile a dataset."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.profile", description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument(
        "--set", dest="assignments", action="append", default=[], metavar="STAGE.NAME=VALUE"
    )
    parser.add_argument("--rows", type=int, help="training rows, at most")
    parser.add_argument("--keep", choices=TIMES, help="put it into the tables of SPEED.md")
    arguments = parser.parse_args()
    limit = [f"tokens.limit={arguments.rows}"] if arguments.rows else []
    found = profiled(arguments.dataset, [*arguments.assignments, *limit])
    print(table(found))
    path = Path(HOME) / f"profile_{arguments.dataset}.png"
    path.parent.mkdir(exist_ok=True)
    drawn(arguments.dataset, found).savefig(path, dpi=110)
    print(f"\n{path.relative_to(ROOT)}")
    if arguments.keep:
        keep(arguments.dataset, arguments.keep, found)


if __name__ == "__main__":
    main()
