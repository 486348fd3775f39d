"""``refrain history`` and ``refrain rollback`` as a user types them, and their output."""

import json
from pathlib import Path

import pytest

from tasks.promotion.champions import settle
from tasks.registry import mlflow_client
from tasks.store.artifacts import ModelVersion
from tests.refrain.commands.test_data import Screen, screen
from tests.tasks.promotion.test_champions import SCORES
from tests.tasks.trained import logged, run_of, versioned

__all__ = ["screen"]
pytestmark = pytest.mark.usefixtures("mlflow_store")


@pytest.fixture
def three(mlflow_store: Path) -> None:
    """Three versions, two of which became champion."""
    decided = [
        (None, True, "beats bag_of_words"),
        ("1", True, "+2.00 [of a gain]"),
        ("2", False, "not better"),
    ]
    for number, (champion, is_promoted, why) in enumerate(decided, 1):
        challenger = ModelVersion("made", versioned("made", f"key {number}"), "", "s")
        settle(
            challenger,
            champion,
            is_promoted=is_promoted,
            why=why,
            scores=SCORES,
            decision=f"d{number}",
        )


def champion() -> str | None:
    return mlflow_client.version_with_alias("made", "champion")


@pytest.mark.usefixtures("three")
def test_history_shows_every_decision_and_the_champion(screen: Screen) -> None:
    output = screen.says("history", "made")
    assert all(
        part in output
        for part in (
            "promoted 1",
            "promoted 2",
            "in place of 1",
            "kept 3",
            "+2.00 [of a gain]",
            "accuracy 50.00",
        )
    )
    assert "made  in MLflow: champion is version 2, previous is version 1" in output
    report = json.loads(screen.says("history", "made", "--json"))
    assert [line["event"] for line in report["lines"]] == ["promoted", "promoted", "kept"]
    assert (report["aliases"], report["drift"]) == ({"champion": "2", "previous": "1"}, [])


@pytest.mark.usefixtures("three")
def test_history_shows_changes_made_outside_refrain(screen: Screen) -> None:
    mlflow_client.set_alias("made", "champion", "3")
    assert "in MLflow version 3 is champion, in the ledger version 2: set by hand" in screen.says(
        "history", "made"
    )


@pytest.mark.usefixtures("three")
def test_rollback_restores_the_previous_champion_and_prints_it(screen: Screen) -> None:
    output = screen.says("rollback", "made", "--why", "praises irony")
    assert output == (
        "made: version 1 is champion now, in place of version 2 (praises irony); "
        "there is none before it\n"
    )
    assert champion() == "1"
    assert "rolled back 1" in screen.says("history", "made")
    line = json.loads(screen.says("rollback", "made", "--to", "3", "--json"))
    assert (line["champion"], line["replaced"], line["previous"], line["why"]) == (
        "3",
        "1",
        "1",
        "by hand",
    )


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["rollback", "maed"], "there is no model 'maed' in MLflow: did you mean made?"),
        (["history", "maed"], "there is no model 'maed' in MLflow: did you mean made?"),
        (["rollback", "made", "--to", "9"], "made has no version 9: there are 3, 2, 1"),
        (["rollback", "made", "--to", "two"], "made has no version two: there are 3, 2, 1"),
        (["rollback", "made", "--to", "2"], "made version 2 is champion already"),
    ],
)
def test_invalid_request_is_one_line_and_changes_nothing(
    words: list[str], expected: str, screen: Screen
) -> None:
    output = screen.says(*words, status=1)
    assert output.startswith(f"refrain: {expected}")
    assert output.count("\n") == 1
    assert champion() == "2"


@pytest.mark.usefixtures("three")
def test_rollback_of_the_first_champion_raises(screen: Screen) -> None:
    screen.says("rollback", "made")
    assert "made has no previous champion: refrain history made shows" in screen.says(
        "rollback", "made", status=1
    )
    assert champion() == "1"


def test_history_without_a_decision_is_one_message(screen: Screen, store: Path) -> None:
    assert "there is no model 'made' in MLflow: none is registered yet" in screen.says(
        "history", "made", status=1
    )
    versioned("made", "key")
    assert "The ledger has no decision about made yet." in screen.says("history", "made")
    assert "no alias is set" in screen.says("history", "made")


def test_models_shows_a_champion_of_another_program(screen: Screen, store: Path) -> None:
    mlflow_client.create_version("theirs", logged("theirs"), run_of("theirs"), {"stage": "live"})
    mlflow_client.set_alias("theirs", "champion", "1")
    output = screen.says("models")
    assert [
        word
        for line in output.splitlines()
        if "theirs" in line
        for word in line.replace("│", " ").split()
    ] == [
        "theirs",
        "1",
        "1",
        "-",
        "-",
    ]


def test_help_of_prune_names_every_alias_that_keeps_artifacts(screen: Screen) -> None:
    output = " ".join(screen.says("prune", "--help").replace("│", " ").split())
    assert "of aliased versions only (champion, previous, challenger)" in output
