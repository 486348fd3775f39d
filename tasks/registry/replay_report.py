"""A version's weights held against those of the same training done again: how far off they are, and why."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rnn_models.checkpoints.machine import describe_machine
from rnn_models.checkpoints.weight_diff import (
    Change,
    Weights,
    changes_of_weights,
    misfits,
    read_weights,
)
from tasks.registry.lineage import git_commit, libraries, training_digest
from tasks.registry.registered_training import CHECKPOINT, SNAPSHOT, TOKENS, Past
from tasks.store.artifacts import Checkpoint, TokenSet
from tasks.store.code import digest

MOVING = ("python", "torch", "numpy")  # what of the libraries computes in a training
CODE = "training code"


@dataclass(frozen=True)
class Fact:
    """Something that weights depend on, as the version tells it and as it is now; empty where it was not written down."""

    what: str
    then: str
    now: str

    @property
    def differs(self) -> bool:
        """Whether it is known to be another."""
        return bool(self.then) and self.then != self.now


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What came of training a version again.

    ``largest`` is the largest absolute difference of a weight, None where it is
    no number; ``worst`` names its tensor. ``misfits`` are tensors that cannot
    be compared at all, ``reasons`` say where a difference may come from.
    """

    model: str
    version: str
    is_identical: bool
    num_weights: int
    num_differing: int
    share_differing: float
    largest: float | None
    worst: str
    misfits: list[str]
    reasons: list[str]
    facts: list[Fact]
    tensors: list[Change]
    snapshot: str
    epochs: int
    minutes: float


def compared(
    past: Past, weights: Weights, facts: list[Fact], *, epochs: int, minutes: float
) -> Replay:
    """Hold new weights against those of a version, and say where differences may come from."""
    tensors, unlike = changes_of_weights(past.weights, weights), misfits(past.weights, weights)
    num, differing = sum(each.num for each in tensors), sum(each.num_differing for each in tensors)
    is_identical = not differing and not unlike
    return Replay(
        model=past.name,
        version=past.number,
        is_identical=is_identical,
        num_weights=num,
        num_differing=differing,
        share_differing=differing / max(1, num),
        largest=tensors[0].largest if tensors else None,
        worst=tensors[0].name if differing else "",
        misfits=unlike,
        facts=facts,
        tensors=tensors,
        reasons=[] if is_identical else list(reasons_of(past, facts, weights)),
        snapshot=past.tags[SNAPSHOT],
        epochs=epochs,
        minutes=minutes,
    )


def facts_of(past: Past, tokens: TokenSet) -> list[Fact]:
    """All that weights depend on, then and now."""
    tags, ours = past.tags, past.train_settings()
    known, built, here = (
        _listed(tags, "refrain.libraries"),
        _listed(tags, "refrain.machine"),
        libraries(),
    )
    return [
        Fact("token set", tags[TOKENS], tokens.digest),
        Fact("settings", tags.get("refrain.settings", ""), digest(tokens.settings, past.settings)),
        Fact("seed", tags.get("refrain.seed", ""), str(ours.seed)),
        Fact(CODE, tags.get("refrain.training_code", ""), training_digest(past.problem.name)),
        *(Fact(name, known.get(name, ""), here[name]) for name in MOVING),
        *(Fact(name, built.get(name, ""), now) for name, now in describe_machine(ours).items()),
    ]


def _listed(tags: Mapping[str, str], name: str) -> dict[str, str]:
    """What a tag lists; nothing if it is not there, or somebody wrote something else into it."""
    try:
        return dict(json.loads(tags.get(name) or "{}"))
    except (ValueError, TypeError):
        return {}


def reasons_of(past: Past, facts: list[Fact], weights: Weights) -> Iterator[str]:
    """Say where a difference may come from, what is certain first."""
    certain = list(_changed_files(past, weights)) + [
        f"there is no setting {name} any more" for name in past.lost_settings
    ]
    told = [_said(past, fact) for fact in facts if fact.differs]
    if past.settings.get("max_minutes"):
        told.append(
            "max_minutes is set: where a clock ends a training, it decides how many steps there are"
        )
    yield from certain + told
    unknown = [fact.what for fact in facts if not fact.then]
    if unknown:
        yield f"the version does not tell with what it was trained: {', '.join(unknown)}"
    elif not certain and not told:
        yield "nothing that it tells of itself is another now: " + (
            "on a GPU the same bits are not promised"
            if facts[-1].now != "cpu"
            else "replay it again, and if the difference stays, its weights in MLflow are not those that were registered"
        )


def _said(past: Past, fact: Fact) -> str:
    told = f"{fact.what}: {fact.then} then, {fact.now} now"
    commits = [
        commit or "not known" for commit in (past.tags.get("refrain.git_commit"), git_commit())
    ]
    return f"{told} (commit {commits[0]} then, {commits[1]} now)" if fact.what == CODE else told


def _changed_files(past: Past, weights: Weights) -> Iterator[str]:
    """Say if a version's weights are not those of the checkpoint that it was made of, where that is still there."""
    kept = Checkpoint.find(past.name, past.tags[CHECKPOINT])
    if kept is None:
        return
    try:
        theirs = read_weights(kept.folder)
    except (ValueError, OSError) as error:
        yield f"whether its weights in MLflow were changed cannot be told, for its checkpoint cannot be read: {error}"
        return
    if _are_same(theirs, past.weights):
        return
    also = ", which the replay has to the last bit" if _are_same(theirs, weights) else ""
    yield f"the weights in MLflow were changed: they are not those of the checkpoint in {kept.folder}{also}"


def _are_same(ours: Weights, theirs: Weights) -> bool:
    return not misfits(ours, theirs) and not any(
        change.num_differing for change in changes_of_weights(ours, theirs)
    )
