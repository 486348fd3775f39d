"""Share of a training outside the model: the worst of three trainings of ``refrain run``."""

from benchmarks.lib.figures import Figure, figure
from benchmarks.lib.goals import Wanted
from benchmarks.speed.profile import profiled
from benchmarks.speed.stopwatch import OUTSIDE, outside_share

COMMAND = "python -m benchmarks.speed outside"
# About a minute each, shorter than most: what happens once, such as the first optimiser, has its
# right share.
TRAININGS = {
    "multi30k_tok": ["tokens.limit=15000", "training.max_epochs=1"],
    "conll2003": ["training.max_epochs=8"],
    "sst2_sentences": ["training.max_epochs=12"],
}
WANTED = (
    Wanted(
        "outside_model_share",
        "data, logging, checkpoints and bookkeeping of a training",
        5,
        "% of a training",
    ),
)


def figures() -> list[Figure]:
    """The share of the worst of some trainings."""
    shares = []
    notes = []
    for dataset, assignments in TRAININGS.items():
        found = profiled(dataset, assignments)
        shares.append(outside_share(found.seconds))
        parts = ", ".join(
            f"{stage} {100 * found.seconds.get(stage, 0) / found.total:.1f}" for stage in OUTSIDE
        )
        notes.append(f"{dataset} {shares[-1]:.1f} ({parts}; {found.total:.0f} s)")
    note = f"the worst of {'; '.join(notes)}"
    item = WANTED[0]
    return [
        figure(
            item.figure,
            max(shares),
            unit=item.unit,
            goal=item.goal,
            better="lower",
            command=COMMAND,
            note=note,
        )
    ]
