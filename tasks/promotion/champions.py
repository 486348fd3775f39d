"""The champion of a model: changes of the aliases, one at a time, recorded and verified.

The aliases of a model are ``champion``, ``previous`` (the version that a
rollback takes) and ``challenger`` (the newest version, set by registration).
"""

import logging
from dataclasses import replace
from typing import Any

from prefect.client.schemas.objects import State

from tasks.promotion.ledger import FOUND, KEPT, PROMOTED, ROLLED_BACK, Ledger, Line
from tasks.registry import mlflow_client
from tasks.registry.mlflow_client import CHAMPION, PREVIOUS
from tasks.registry.versions import SCORES, check_complete, check_model, is_complete, version_info
from tasks.store.artifacts import ModelVersion, Scores
from tasks.store.locks import locked

log = logging.getLogger(__name__)
WITHDRAWN = "refrain.rolled_back"  # tag of a version that a person took back: when, and why
MOVES = (PROMOTED, ROLLED_BACK)


class ChampionChangedError(OSError):
    """Another version became champion since the comparison, which must be repeated."""


def was_overtaken(task: Any, run: Any, state: State[Any]) -> bool:
    """Whether a task failed only because the champion changed meanwhile, so it should run again."""
    return isinstance(state.result(raise_on_failure=False), ChampionChangedError)


def rival(name: str, version: str, champion: str | None) -> str:
    """Find the version to compare with: the champion, or the one that the version replaced."""
    if champion != version:
        return champion or ""
    replaced = [
        line.replaced
        for line in Ledger.of(name).lines
        if (line.event, line.version) == (PROMOTED, version)
    ]
    return replaced[-1] if replaced else version


def settle(
    challenger: ModelVersion,
    champion: str | None,
    *,
    is_promoted: bool,
    why: str,
    scores: Scores,
    decision: str,
) -> tuple[bool, str]:
    """Carry out a decision: move the aliases if the challenger is promoted, and record it.

    A version that a person rolled back is not promoted again, but by a person.

    Args:
        challenger: The version.
        champion: The version that it was compared with, None if there was none.
        is_promoted: The decision.
        why: The reason, for a person.
        scores: Of the challenger.
        decision: Digest of the Promotion.

    Returns:
        Whether the challenger is promoted, and why or why not.

    Raises:
        ChampionChangedError: If another is champion by now.
        ValueError: If the challenger is not complete.
    """
    name = challenger.name
    version = challenger.version
    with locked("champion", name):
        ledger = ledger_since(name, version, champion)
        if ledger.champion == version:  # after a flow run that was stopped, or by hand
            made = [
                line for line in ledger.lines if (line.event, line.decision) == (PROMOTED, decision)
            ]
            return (True, made[-1].why) if made else (is_promoted, why)
        taken_back = check_complete(name, version).tags.get(WITHDRAWN)
        if is_promoted and taken_back:
            is_promoted = False
            why = (
                f"not promoted: version {version} was rolled back ({taken_back}); "
                f"{_by_hand(name, version)}"
            )
        event, after = (PROMOTED, version) if is_promoted else (KEPT, ledger.champion)
        line = ledger.next_line(
            event, version, after, why, scores=scores_of(scores), decision=decision
        )
        if is_promoted or not is_noted(ledger, line):
            carry_out(ledger, line)
        return is_promoted, why


def ledger_since(name: str, version: str, champion: str | None) -> Ledger:
    """Read the ledger, and check that no third version became champion since a comparison.

    Raises:
        ChampionChangedError: If one did.
    """
    ledger = caught_up(name)
    if ledger.champion not in (version, champion or ""):
        raise ChampionChangedError(_changed(name, version, champion, ledger.champion))
    return ledger


def _by_hand(name: str, version: str) -> str:
    return f"refrain rollback {name} --to {version} makes it champion by hand"


def roll_back(name: str, to: str | None = None, why: str = "") -> Line:
    """Make the previous champion, or a named version, champion, and record it.

    Raises:
        ValueError: If there is no such model or version, or it is not complete or champion already.
        OSError: If MLflow gave no answer.
    """
    check_model(name)
    with locked("champion", name):
        ledger = caught_up(name)
        target = to or _previous(ledger)
        if target == ledger.champion:
            raise ValueError(
                f"{name} version {target} is champion already; "
                f"refrain history {name} shows who was before"
            )
        check_complete(name, target)
        scores = ledger.scores_of(target) or _stored_scores(name, target)
        line = ledger.next_line(ROLLED_BACK, target, target, why or "by hand", scores=scores)
        done = carry_out(ledger, line).lines[-1]
    log.info(describe_rollback(name, done))
    return done


def withdrawn(name: str, version: str) -> str:
    """Read when and why a person rolled a version back; empty if it is not rolled back."""
    info = version_info(name, version)
    return str(info.tags.get(WITHDRAWN, "")) if info else ""


def describe_rollback(name: str, line: Line) -> str:
    """Describe a rollback in a sentence."""
    before = f"in place of version {line.replaced}" if line.replaced else "where there was none"
    after = (
        f"a further rollback goes to version {line.previous}"
        if line.previous
        else "there is none before it"
    )
    return f"{name}: version {line.champion} is champion now, {before} ({line.why}); {after}"


def caught_up(name: str) -> Ledger:
    """Read the ledger, after finishing what a crash left and recording changes made without it."""
    ledger = _finished(Ledger.of(name))
    champion = mlflow_client.aliases(name).get(CHAMPION, "")
    if champion != ledger.champion:
        why = (
            "set in MLflow by hand, or from another store"
            if ledger.lines
            else "was champion before this ledger began"
        )
        log.warning(
            "%s: champion is version %s, the ledger has %s",
            name,
            champion or "none",
            ledger.champion or "none",
        )
        line = ledger.next_line(
            FOUND, champion, champion, why, scores=_stored_scores(name, champion)
        )
        ledger = carry_out(ledger, line)
    return ledger


def carry_out(ledger: Ledger, line: Line) -> Ledger:
    """Write a line to the ledger, move the aliases as it says, and mark it as done."""
    before = (version for version in ledger.before(line) if is_whole(ledger.name, version))
    line = replace(line, previous=next(before, ""))
    ledger.begin(line)
    if line.event in MOVES:
        _move(ledger.name, line)
    return ledger.finish(line)


def _finished(ledger: Ledger) -> Ledger:
    line = ledger.pending
    if line is None:
        return ledger
    now = mlflow_client.aliases(ledger.name).get(CHAMPION, "")
    if line.event in MOVES and (
        now not in (line.replaced, line.champion) or not is_whole(ledger.name, line.champion)
    ):
        log.warning(
            "%s: %s version %s was begun and not done, and version %s is champion now: dropped",
            ledger.name,
            line.event,
            line.version,
            now or "none",
        )
        ledger.drop(line)
        return ledger
    log.warning(
        "%s: %s version %s was begun and not done: finished", ledger.name, line.event, line.version
    )
    return carry_out(ledger, line)


def _move(name: str, line: Line) -> None:
    """Move the aliases as a line says, and verify them.

    Raises:
        ValueError: If the version is not complete.
        ChampionChangedError: If somebody else moved them at the same moment.
    """
    check_complete(name, line.champion)
    mlflow_client.set_alias(name, CHAMPION, line.champion)
    mlflow_client.set_alias(name, PREVIOUS, line.previous)
    if line.event == ROLLED_BACK:
        mlflow_client.set_version_tag(name, line.champion, WITHDRAWN, "")
        if line.replaced:
            mlflow_client.set_version_tag(
                name, line.replaced, WITHDRAWN, f"{line.when}, {line.why}"
            )
    now = mlflow_client.aliases(name).get(CHAMPION, "")
    if now != line.champion:
        raise ChampionChangedError(_changed(name, line.champion, line.replaced, now))


def _changed(name: str, version: str, compared: str | None, now: str) -> str:
    return (
        f"{name}: version {version} was to replace {named(compared)} as champion, "
        f"which meanwhile is {named(now)}: "
        "start the flow again, and it is compared anew"
    )


def is_noted(ledger: Ledger, line: Line) -> bool:
    """Whether the same decision is the last one on its version."""
    last = next((known for known in reversed(ledger.lines) if known.version == line.version), None)
    return last is not None and (last.event, last.decision, last.champion) == (
        line.event,
        line.decision,
        line.champion,
    )


def _previous(ledger: Ledger) -> str:
    found = mlflow_client.aliases(ledger.name).get(PREVIOUS) or (
        ledger.lines[-1].previous if ledger.lines else ""
    )
    if not found:
        raise ValueError(
            f"{ledger.name} has no previous champion: refrain history {ledger.name} shows its "
            "versions, "
            f"and refrain rollback {ledger.name} --to VERSION takes any of them"
        )
    return found


def is_whole(name: str, version: str) -> bool:
    """Whether a version exists and is complete."""
    info = version_info(name, version)
    return info is not None and is_complete(info)


def scores_of(scores: Scores) -> dict[str, float]:
    """Return the value of each metric."""
    return {name: score["value"] for name, score in scores.metrics.items()}


def _stored_scores(name: str, version: str) -> dict[str, float]:
    info = version_info(name, version)
    found = Scores.find(name, info.tags[SCORES]) if info and info.tags.get(SCORES) else None
    return scores_of(found) if found else {}


def named(version: str | None) -> str:
    """Name a version, or nobody, in a sentence."""
    return f"version {version}" if version else "nobody"
