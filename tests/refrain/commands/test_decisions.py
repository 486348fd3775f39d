"""``refrain decide`` as a user types it: what waits, and an answer."""

import json
from typing import Any

import pytest

from refrain.commands import decisions
from tasks.promotion import answers
from tasks.promotion.ledger import Ledger
from tasks.registry import mlflow_client
from tests.refrain.commands.test_data import Screen, screen
from tests.tasks.promotion.test_questions import better
from tests.tasks.test_promote import champion, parity_checks, without_cards

__all__ = ["champion", "parity_checks", "screen", "without_cards"]
pytestmark = pytest.mark.usefixtures("mlflow_store")


@pytest.fixture
def version(champion: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch) -> str:
    """The number of a version that waits."""
    monkeypatch.setattr(answers, "keep_card", lambda *given: None)
    return better(champion)[1].version


def test_decide_lists_what_waits_and_names_the_commands(screen: Screen, version: str) -> None:
    output = screen.says("decide")
    assert f"made, version {version} waits for a person until" in output
    assert "refrain decide made promote, or refrain decide made keep" in output
    (found,) = json.loads(screen.says("decide", "--json"))
    assert (found["model"], found["version"]) == ("made", version)


def test_decide_promotes_and_the_ledger_and_the_history_name_the_person(
    screen: Screen, version: str
) -> None:
    output = screen.says("decide", "made", "promote", "--by", "Ada", "--why", "reads irony")
    assert output.strip() == f"made, version {version}: promoted by Ada: reads irony"
    assert mlflow_client.version_with_alias("made", "champion") == version
    assert Ledger.of("made").lines[-1].by == "Ada"
    assert "by Ada" in screen.says("history", "made")
    assert "No challenger waits" in screen.says("decide")


def test_decide_without_an_answer_and_a_prompt_decides_nothing(
    screen: Screen, version: str
) -> None:
    assert "refrain decide made promote" in screen.says("decide", "made")
    assert Ledger.of("made").question is not None


@pytest.mark.parametrize(("typed", "is_promoted"), [("promote", True), ("keep", False)])
def test_prompt_of_a_run_takes_the_answer(
    version: str, typed: str, is_promoted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.store.artifacts import Promotion

    line = Ledger.of("made").question
    assert line is not None
    waiting = Promotion.find("made", line.decision)
    assert waiting is not None
    assert decisions.ask_here(waiting) == waiting  # no terminal
    words = iter(["perhaps", typed, "because"])
    monkeypatch.setattr(decisions, "has_prompt", lambda: True)
    monkeypatch.setattr(decisions.typer, "prompt", lambda *given, **more: next(words))
    made = decisions.ask_here(waiting)
    assert (made.is_promoted, made.asked_until) == (is_promoted, "")
    assert made.reason.endswith(": because")


def test_decide_without_a_question_says_where_to_look(screen: Screen) -> None:
    assert "no version of made waits" in screen.says("decide", "made", "keep", status=1)
