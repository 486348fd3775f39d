"""The page of a replay: which weights differ from the registered ones, by how much, and why."""

from collections.abc import Iterator

from rnn_models.checkpoints.weight_diff import Change
from tasks.pages.markdown import cell, table_row
from tasks.registry.mlflow_client import version_link
from tasks.registry.replay_report import Replay

NUM_SHOWN = 10  # tensors of a page, those that are farthest off


def told(made: Replay) -> str:
    """What came of it, in a sentence."""
    if made.is_identical:
        return f"all {made.num_weights:,} weights in {len(made.tensors)} tensors are the same to the last bit"
    parts = [f"{len(made.misfits)} tensors cannot be compared"] if made.misfits else []
    if made.num_differing:
        share = f"{made.num_differing:,} of {made.num_weights:,} weights ({100 * made.share_differing:.3g} %)"
        parts.append(
            f"{share} {'differs' if made.num_differing == 1 else 'differ'}, {off(made.largest)} at most, in {made.worst}"
        )
    return "; ".join(parts)


def off(largest: float | None) -> str:
    """By how much something is off."""
    return "by what is no number" if largest is None else f"by {largest:.3g}"


def replay_text(made: Replay) -> str:
    """What came of it, where a difference may come from, which tensors are farthest off, and what was then and is now."""
    parts = [
        f"# {made.model}, version {made.version}, trained again",
        f"**{cell(told(made))}**",
        *(
            ["Where that may come from:", "\n".join(f"- {cell(reason)}" for reason in made.reasons)]
            if made.reasons
            else []
        ),
        *(["\n".join(f"- {cell(misfit)}" for misfit in made.misfits)] if made.misfits else []),
        *(["\n".join(_tensor_rows(made.tensors))] if made.num_differing else []),
        "\n".join(_fact_rows(made)),
        f"Snapshot `{made.snapshot}`, {made.epochs} epochs, {made.minutes:.1f} minutes; nothing was registered. "
        f"[version {made.version}]({version_link(made.model, made.version)})",
    ]
    return "\n\n".join(parts) + "\n"


def _tensor_rows(tensors: list[Change]) -> Iterator[str]:
    yield from ("| tensor | weights | differ | at most |", "|---|---:|---:|---|")
    differing = [each for each in tensors if each.num_differing]
    for each in differing[:NUM_SHOWN]:
        yield table_row(
            cell(each.name), [f"{each.num:,}", f"{each.num_differing:,}", off(each.largest)]
        )
    if len(differing) > NUM_SHOWN:
        yield table_row(f"and {len(differing) - NUM_SHOWN} more", ["", "", ""])


def _fact_rows(made: Replay) -> Iterator[str]:
    yield from ("| | when it was trained | now |", "|---|---|---|")
    for fact in made.facts:
        yield table_row(
            fact.what,
            [
                cell(fact.then or "not written down"),
                "the same" if fact.then == fact.now else cell(fact.now),
            ],
        )
