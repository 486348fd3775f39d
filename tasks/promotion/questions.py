"""Questions to a person: a challenger that the rule would promote, and that waits for an answer.

A question is a line ``asked`` of the ledger, and its answer another line. A model
has one question at a time: that about a newer version takes the place of an older
one. A change of the champion ends a question too, as it compared with another.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tasks.promotion.champions import (
    ChampionChangedError,
    carry_out,
    caught_up,
    is_noted,
    ledger_since,
    scores_of,
)
from tasks.promotion.ledger import ASKED, KEPT, PROMOTED, Ledger, Line, ledger_names
from tasks.registry.versions import check_complete
from tasks.store.artifacts import ModelVersion, Promotion, Scores
from tasks.store.code import digest
from tasks.store.locks import locked

NOBODY = "nobody"
ANSWERED = (PROMOTED, KEPT)


def end_of_question(hours: float) -> str:
    """Return the time at which a question that is asked now ends, ISO 8601, UTC."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="minutes")


def ask(
    challenger: ModelVersion,
    champion: str | None,
    *,
    why: str,
    until: str,
    scores: Scores,
    decision: str,
) -> Line:
    """Ask a person whether a challenger becomes champion; an open question about it stays.

    Args:
        challenger: The version.
        champion: The version that it was compared with, None if there was none.
        why: What the rule found, for a person.
        until: When the question ends, ISO 8601, UTC.
        scores: Of the challenger.
        decision: Digest of the Promotion.

    Raises:
        ChampionChangedError: If another is champion by now.
        ValueError: If the challenger is not complete.
    """
    name = challenger.name
    version = challenger.version
    with locked("champion", name):
        ledger = ledger_since(name, version, champion)
        if ledger.champion == version:
            raise ChampionChangedError(f"{name}: version {version} became champion meanwhile")
        check_complete(name, version)
        line = ledger.next_line(
            ASKED,
            version,
            ledger.champion,
            why,
            scores=scores_of(scores),
            decision=decision,
            until=until,
        )
        asked = ledger.question
        if asked and is_noted(ledger, line):
            return asked
        return carry_out(ledger, line).lines[-1]


def settle_question(
    name: str, decision: str, *, is_promoted: bool, by: str, why: str = ""
) -> Line | None:
    """Carry out the answer to a question: move the aliases, or keep the champion, and record it.

    After its end a question is answered by nobody, and the champion stays.

    Args:
        name: The model.
        decision: Digest of the Promotion that the question is about.
        is_promoted: The answer.
        by: The person who answers.
        why: The reason, empty if there is none.

    Returns:
        The line of the answer; None if the question was void or answered before.
    """
    with locked("champion", name):
        ledger = caught_up(name)
        asked = ledger.question
        if asked is None or asked.decision != decision:
            return None
        if asked.has_ended:
            is_promoted = False
            by = NOBODY
        event, champion = (PROMOTED, asked.version) if is_promoted else (KEPT, asked.champion)
        line = ledger.next_line(
            event,
            asked.version,
            champion,
            _reason(asked, by, why, is_promoted=is_promoted),
            scores=asked.scores,
            decision=digest(decision, event),
            by=by,
        )
        return carry_out(ledger, line).lines[-1]


def _reason(asked: Line, by: str, why: str, *, is_promoted: bool) -> str:
    if by == NOBODY:
        return f"not promoted: nobody decided until {at(asked.until)}, so the champion stays"
    decision = "promoted by" if is_promoted else "not promoted, decided by"
    return f"{decision} {by}{f': {why}' if why else ''}"


def at(moment: str) -> str:
    """Write a time of the ledger for a person."""
    return f"{moment[:16].replace('T', ' ')} UTC"


def expire(name: str) -> Line | None:
    """Settle the question of a model if its time has passed."""
    asked = Ledger.of(name).question
    if asked is None or not asked.has_ended:
        return None
    return settle_question(name, asked.decision, is_promoted=False, by=NOBODY)


def is_question_of(line: Line, flow_run: str) -> bool:
    """Whether a line of the ledger is a question that a flow run asked."""
    return (line.event, line.flow_run) == (ASKED, flow_run)


def asked_by(name: str, flow_run: str) -> Promotion | None:
    """Find the decision about a model that a flow run asked a person about; None if there is none.

    Args:
        name: The model.
        flow_run: Id of the flow run.
    """
    asked = [line for line in Ledger.of(name).lines if is_question_of(line, flow_run)]
    return Promotion.find(name, asked[-1].decision) if asked else None


def open_questions() -> Iterator[tuple[str, Line]]:
    """List the questions of all models that wait for a person."""
    for name in ledger_names():
        asked = Ledger.of(name).question
        if asked and not asked.has_ended:
            yield name, asked


def latest(promotion: Promotion) -> Promotion:
    """Return a decision as it stands: with the answer, if a person was asked and has decided."""
    if not promotion.asked_until:
        return promotion
    ledger = Ledger.of(promotion.dataset)
    answers = {digest(promotion.digest, event) for event in ANSWERED}
    for line in reversed(ledger.lines):
        if line.decision in answers:
            return answered(promotion, line)
        if (line.event, line.decision) == (ASKED, promotion.digest):
            return promotion if ledger.question == line else void(promotion, ledger)
    return promotion


def answered(promotion: Promotion, line: Line) -> Promotion:
    """Make the artifact of a decision with its answer, or find it."""
    made = replace(
        promotion,
        digest=line.decision,
        is_promoted=line.event == PROMOTED,
        reason=line.why,
        asked_until="",
        decided_by=line.by,
    )
    with Promotion.once(promotion.dataset, line.decision) as (found, _):
        return found or made.commit()


def void(promotion: Promotion, ledger: Ledger) -> Promotion:
    """Describe a question that ended without an answer."""
    newer = ledger.question
    cause = (
        f"version {newer.version} waits for an answer instead"
        if newer
        else f"the champion changed meanwhile, it is version {ledger.champion or 'none'} now"
    )
    return replace(promotion, reason=f"not promoted: {cause}", asked_until="")


def is_void(promotion: Promotion) -> bool:
    """Whether a question ended without an answer, and no other took its place: it is asked anew."""
    return (
        bool(promotion.asked_until)
        and Ledger.of(promotion.dataset).question is None
        and not latest(promotion).decided_by
    )
