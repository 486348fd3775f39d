"""A version's weights compared with those of the repeated training: differences and causes."""

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
from tasks.registry.registered_training import CHECKPOINT, TOKENS, Past
from tasks.registry.versions import SNAPSHOT
from tasks.store.artifacts import Checkpoint, TokenSet
from tasks.store.code import digest

MOVING = ("python", "torch", "numpy")  # the libraries that compute in a training
CODE = "training code"


@dataclass(frozen=True)
class Fact:
    """Something that weights depend on, then and now; ``then`` is empty if it is not known."""

    what: str
    then: str
    now: str

    @property
    def differs(self) -> bool:
        """Whether it is known to have changed."""
        return bool(self.then) and self.then != self.now


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The result of training a version again.

    ``largest`` is the largest absolute difference of a weight, None if it is
    not a number; ``worst`` names its tensor. ``misfits`` are tensors that
    cannot be compared, ``reasons`` the possible causes of a difference.
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
    """Compare new weights with those of a version, and find possible causes of differences."""
    tensors = changes_of_weights(past.weights, weights)
    unlike = misfits(past.weights, weights)
    num = sum(each.num for each in tensors)
    differing = sum(each.num_differing for each in tensors)
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
    """List everything that weights depend on, then and now."""
    tags = past.tags
    settings = past.train_settings()
    known = _listed(tags, "refrain.libraries")
    machine = _listed(tags, "refrain.machine")
    here = libraries()
    return [
        Fact("token set", tags[TOKENS], tokens.digest),
        Fact("settings", tags.get("refrain.settings", ""), digest(tokens.settings, past.settings)),
        Fact("seed", tags.get("refrain.seed", ""), str(settings.seed)),
        Fact(CODE, tags.get("refrain.training_code", ""), training_digest(past.problem.name)),
        *(Fact(name, known.get(name, ""), here[name]) for name in MOVING),
        *(
            Fact(name, machine.get(name, ""), now)
            for name, now in describe_machine(settings).items()
        ),
    ]


def _listed(tags: Mapping[str, str], name: str) -> dict[str, str]:
    """Read the JSON object of a tag; empty if the tag is missing or has other content."""
    try:
        return dict(json.loads(tags.get(name) or "{}"))
    except (ValueError, TypeError):
        return {}


def reasons_of(past: Past, facts: list[Fact], weights: Weights) -> Iterator[str]:
    """Yield possible causes of a difference, certain ones first."""
    certain = list(_changed_files(past, weights)) + [
        f"setting {name} no longer exists" for name in past.lost_settings
    ]
    likely = [_describe(past, fact) for fact in facts if fact.differs]
    for name in ("max_minutes", "max_run_minutes", "max_memory_gb"):
        if past.settings.get(name):
            likely.append(f"{name} is set: the number of steps depends on the machine")
    yield from certain + likely
    unknown = [fact.what for fact in facts if not fact.then]
    if unknown:
        yield f"the tags of the version lack: {', '.join(unknown)}"
    elif not certain and not likely:
        yield "none of its tags differs now: " + (
            "a GPU does not guarantee identical bits"
            if facts[-1].now != "cpu"
            else "replay it again; if the difference stays, its weights in MLflow were changed"
        )


def _describe(past: Past, fact: Fact) -> str:
    text = f"{fact.what}: {fact.then} then, {fact.now} now"
    commits = [
        commit or "not known" for commit in (past.tags.get("refrain.git_commit"), git_commit())
    ]
    if fact.what != CODE:
        return text
    return f"{text} (commit {commits[0]} then, {commits[1]} now)"


def _changed_files(past: Past, weights: Weights) -> Iterator[str]:
    """Yield a cause if a version's weights differ from its checkpoint, if that still exists."""
    kept = Checkpoint.listed(past.name, past.tags[CHECKPOINT])
    if kept is None:
        return
    try:
        stored = read_weights(kept.folder)
    except (ValueError, OSError) as error:
        yield (
            "its weights in MLflow cannot be compared with its checkpoint, "
            f"which cannot be read: {error}"
        )
        return
    if _are_same(stored, past.weights):
        return
    also = ", which the replay reproduces bit by bit" if _are_same(stored, weights) else ""
    yield (
        "the weights in MLflow were changed: they differ from the checkpoint "
        f"in {kept.folder}{also}"
    )


def _are_same(some: Weights, others: Weights) -> bool:
    return not misfits(some, others) and not any(
        change.num_differing for change in changes_of_weights(some, others)
    )
