"""The page of a replay: which weights differ from the registered ones, by how much, and why."""

from collections.abc import Iterator

from rnn_models.checkpoints.weight_diff import Change
from tasks.pages.markdown import cell, table_row
from tasks.registry.mlflow_client import version_link
from tasks.registry.replay_report import Replay

NUM_SHOWN = 10  # tensors on a page, those with the largest differences


def describe_result(made: Replay) -> str:
    """Describe the result of a replay in a sentence."""
    if made.is_identical:
        return f"all {made.num_weights:,} weights in {len(made.tensors)} tensors are bit-identical"
    parts = [f"{len(made.misfits)} tensors cannot be compared"] if made.misfits else []
    if made.num_differing:
        percent = f"{100 * made.share_differing:.3g} %"
        differ = "differs" if made.num_differing == 1 else "differ"
        parts.append(
            f"{made.num_differing:,} of {made.num_weights:,} weights ({percent}) {differ}, "
            f"{off(made.largest)} at most, in {made.worst}"
        )
    return "; ".join(parts)


def off(largest: float | None) -> str:
    """Format the size of a difference."""
    return "by NaN" if largest is None else f"by {largest:.3g}"


def replay_text(made: Replay) -> str:
    """Write the page: the result, possible causes, the tensors that differ most, the facts."""
    parts = [
        f"# {made.model}, version {made.version}, trained again",
        f"**{cell(describe_result(made))}**",
        *(
            ["Possible causes:", "\n".join(f"- {cell(reason)}" for reason in made.reasons)]
            if made.reasons
            else []
        ),
        *(["\n".join(f"- {cell(misfit)}" for misfit in made.misfits)] if made.misfits else []),
        *(["\n".join(_tensor_rows(made.tensors))] if made.num_differing else []),
        "\n".join(_fact_rows(made)),
        f"Snapshot `{made.snapshot}`, {made.epochs} epochs, {made.minutes:.1f} minutes; "
        "nothing was registered. "
        f"[version {made.version}]({version_link(made.model, made.version)})",
    ]
    return "\n\n".join(parts) + "\n"


def _tensor_rows(tensors: list[Change]) -> Iterator[str]:
    yield from ("| tensor | weights | differing | largest difference |", "|---|---:|---:|---|")
    differing = [each for each in tensors if each.num_differing]
    for each in differing[:NUM_SHOWN]:
        yield table_row(
            cell(each.name), [f"{each.num:,}", f"{each.num_differing:,}", off(each.largest)]
        )
    if len(differing) > NUM_SHOWN:
        yield table_row(f"and {len(differing) - NUM_SHOWN} more", ["", "", ""])


def _fact_rows(made: Replay) -> Iterator[str]:
    yield from ("| | at training | now |", "|---|---|---|")
    for fact in made.facts:
        yield table_row(
            fact.what,
            [
                cell(fact.then or "not recorded"),
                "the same" if fact.then == fact.now else cell(fact.now),
            ],
        )
