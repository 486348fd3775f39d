"""Questions to a person: asked once, answered, ended by time, a newer one or a new champion."""

from typing import Any

import pytest

from tasks.promotion import answers, questions
from tasks.promotion.answers import settle
from tasks.promotion.champions import ChampionChangedError, roll_back
from tasks.promotion.ledger import ASKED, KEPT, PROMOTED, Ledger, Line
from tasks.promotion.questions import (
    NOBODY,
    ask,
    end_of_question,
    expire,
    is_void,
    latest,
    open_questions,
    settle_question,
)
from tasks.registry import mlflow_client
from tasks.store.artifacts import Promotion
from tests.tasks.promotion.test_champions import SCORES, challenger, promoted, versions
from tests.tasks.test_promote import (
    NUM,
    Made,
    champion,
    parity_checks,
    tags,
    with_faults,
    without_cards,
)

__all__ = ["champion", "parity_checks", "without_cards"]
pytestmark = pytest.mark.usefixtures("mlflow_store")


@pytest.fixture(autouse=True)
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "keep_card", lambda version, tokens, scores, promotion: None)


def asked(number: str, champion: str | None = None, *, hours: float = 1.0) -> Line:
    return ask(
        challenger(number),
        champion,
        why="the rule would promote it",
        until=end_of_question(hours),
        scores=SCORES,
        decision=f"d{number}",
    )


def waiting() -> list[tuple[str, str]]:
    return [(name, line.version) for name, line in open_questions()]


def champion_now() -> str | None:
    return mlflow_client.version_with_alias("made", "champion")


def test_question_moves_no_alias_and_is_asked_once() -> None:
    promoted(1)
    versions_made = versions(2)
    first = asked(versions_made[1], "1")
    assert asked(versions_made[1], "1") == first
    assert (first.event, first.champion, champion_now()) == (ASKED, "1", "1")
    assert waiting() == [("made", versions_made[1])]


def test_answer_promotes_and_the_ledger_has_the_person_and_the_reason() -> None:
    promoted(1)
    number = versions(2)[1]
    asked(number, "1")
    line = settle_question("made", f"d{number}", is_promoted=True, by="Ada", why="reads irony")
    assert line is not None
    assert (line.event, line.by, line.why) == (PROMOTED, "Ada", "promoted by Ada: reads irony")
    assert (champion_now(), line.previous, waiting()) == (number, "1", [])
    assert settle_question("made", f"d{number}", is_promoted=False, by="Bob") is None


def test_answer_to_keep_leaves_the_champion() -> None:
    promoted(1)
    number = versions(2)[1]
    asked(number, "1")
    line = settle_question("made", f"d{number}", is_promoted=False, by="Ada")
    assert line is not None
    assert (line.event, line.champion, champion_now()) == (KEPT, "1", "1")
    assert line.why == "not promoted, decided by Ada"


def test_question_past_its_end_keeps_the_champion_whatever_is_answered() -> None:
    promoted(1)
    number = versions(2)[1]
    asked(number, "1", hours=-1)
    assert waiting() == []
    line = settle_question("made", f"d{number}", is_promoted=True, by="Ada")
    assert line is not None
    assert (line.event, line.by, champion_now()) == (KEPT, NOBODY, "1")
    assert "nobody decided until" in line.why
    assert expire("made") is None


def test_newer_question_takes_the_place_of_an_older_one() -> None:
    promoted(1)
    _, second, third = versions(3)
    asked(second, "1")
    asked(third, "1")
    assert waiting() == [("made", third)]
    assert settle_question("made", f"d{second}", is_promoted=True, by="Ada") is None
    assert champion_now() == "1"


def test_version_that_is_kept_by_the_rule_leaves_an_older_question_open() -> None:
    from tests.tasks.promotion.test_champions import decide

    promoted(1)
    _, second, third = versions(3)
    asked(second, "1")
    decide(third, "1", is_promoted=False)
    assert waiting() == [("made", second)]


def test_rollback_ends_a_question() -> None:
    promoted(2)
    number = versions(3)[2]
    asked(number, "2")
    roll_back("made")
    assert waiting() == []
    assert settle_question("made", f"d{number}", is_promoted=True, by="Ada") is None


def test_question_about_a_comparison_with_an_earlier_champion_is_not_asked() -> None:
    promoted(2)
    with pytest.raises(ChampionChangedError):
        asked(versions(3)[2], "1")


def test_champion_restored_while_a_question_waits_is_the_previous_one() -> None:
    promoted(2)
    asked(versions(3)[2], "2")
    assert Ledger.of("made").reign == ["1", "2"]


def better(champion: dict[str, list[Any]], **settings: Any) -> tuple[Made, Any, Promotion]:
    """A version that the rule would promote, and the decision on it under policy ask."""
    made = Made("sentiment", with_faults("sentiment", range(40)), ["pos"] * NUM)
    old, new = made.register("champion"), made.register()
    champion[old.version] = with_faults("sentiment", range(60))
    return made, new, made.decided(new, policy="ask", **settings)


def test_policy_ask_leaves_a_better_challenger_waiting(champion: dict[str, list[Any]]) -> None:
    _, new, found = better(champion)
    assert not found.is_promoted
    assert found.asked_until
    assert "the rule would promote it: accuracy 90.00 against 85.00" in found.reason
    assert champion_now() == found.champion_version
    assert tags(new)["refrain.decision"] == "waits for a person"
    assert latest(found) == found


def test_policy_ask_asks_nobody_about_a_worse_challenger(champion: dict[str, list[Any]]) -> None:
    made = Made("sentiment", with_faults("sentiment", range(60)), ["pos"] * NUM)
    old, new = made.register("champion"), made.register()
    champion[old.version] = with_faults("sentiment", range(40))
    found = made.decided(new, policy="ask")
    assert (found.asked_until, waiting()) == ("", [])
    assert "it is worse" in found.reason


def test_repeated_run_finds_the_question_and_later_its_answer(
    champion: dict[str, list[Any]],
) -> None:
    made, new, found = better(champion)
    assert made.decided(new, policy="ask").asked_until == found.asked_until
    settled = settle(found, is_promoted=True, by="Ada", why="reads irony")
    assert (settled.is_promoted, settled.decided_by) == (True, "Ada")
    again = made.decided(new, policy="ask")
    assert (again.reason, again.aliases) == ("promoted by Ada: reads irony", ["champion"])
    recorded = tags(new)
    assert (recorded["refrain.decision"], recorded["refrain.decision.by"]) == ("promoted", "Ada")
    assert len([line for line in Ledger.of("made").lines if line.event == ASKED]) == 1


def test_kept_challenger_is_not_asked_about_again(champion: dict[str, list[Any]]) -> None:
    made, new, found = better(champion)
    settle(found, is_promoted=False, by="Ada")
    again = made.decided(new, policy="ask")
    assert (again.asked_until, again.decided_by) == ("", "Ada")
    assert waiting() == []


def test_question_without_an_answer_is_asked_anew_after_the_champion_returned(
    champion: dict[str, list[Any]],
) -> None:
    made, new, found = better(champion)
    other = made.register()
    roll_back("made", other.version)
    assert latest(found).reason.startswith("not promoted: the champion changed meanwhile")
    roll_back("made", found.champion_version)
    assert is_void(found)
    assert made.decided(new, policy="ask").asked_until
    assert waiting() == [("made", new.version)]


def test_expired_question_is_settled_by_the_next_decision(
    champion: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, new, _ = better(champion)
    monkeypatch.setattr(questions.Line, "has_ended", True)
    again = made.decided(new, policy="ask")
    assert again.decided_by == NOBODY
    assert Ledger.of("made").lines[-1].event == KEPT
