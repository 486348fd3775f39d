"""Champions: promoted, kept, rolled back, and recovered after a crash or another program."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.rows.splits import SPLITS
from tasks.promotion import champions
from tasks.promotion.champions import ChampionChangedError, roll_back, settle, withdrawn
from tasks.promotion.drift import history
from tasks.promotion.ledger import FOUND, KEPT, PROMOTED, ROLLED_BACK, Ledger, give_up
from tasks.registry import mlflow_client
from tasks.store.artifacts import ModelVersion, Scores, Snapshot
from tests.tasks.trained import METRICS, registered, trained, versioned

pytestmark = pytest.mark.usefixtures("mlflow_store")
SCORES = Scores(
    dataset="made",
    digest="s",
    problem="sentiment",
    checkpoint="c",
    tokens="t",
    mlflow_run="",
    test_split="x",
    metrics=METRICS,
    baselines={},
)


def challenger(number: str) -> ModelVersion:
    return ModelVersion("made", number, "", "s")


def decide(
    number: str,
    champion: str | None,
    *,
    is_promoted: bool = True,
    why: str = "better",
    decision: str = "",
) -> tuple[bool, str]:
    return settle(
        challenger(number),
        champion,
        is_promoted=is_promoted,
        why=why,
        scores=SCORES,
        decision=decision or f"d{number}",
    )


def versions(num: int) -> list[str]:
    return [versioned("made", f"key {i}") for i in range(num)]


def promoted(num: int) -> list[str]:
    """Versions, each promoted over the previous one."""
    made = versions(num)
    for number, before in zip(made, [None, *made], strict=False):
        decide(number, before)
    return made


def aliases() -> tuple[str | None, str | None]:
    return mlflow_client.version_with_alias("made", "champion"), mlflow_client.version_with_alias(
        "made", "previous"
    )


def events() -> list[tuple[str, str, str, str]]:
    return [
        (line.event, line.version, line.champion, line.replaced) for line in Ledger.of("made").lines
    ]


def drift() -> list[str]:
    return list(history("made")["drift"])


def test_promotion_moves_the_aliases_and_writes_a_ledger_line() -> None:
    promoted(3)
    assert aliases() == ("3", "2")
    assert events() == [
        (PROMOTED, "1", "1", ""),
        (PROMOTED, "2", "2", "1"),
        (PROMOTED, "3", "3", "2"),
    ]
    last = Ledger.of("made").lines[-1]
    assert (last.number, last.previous, last.why, last.scores, last.decision) == (
        3,
        "2",
        "better",
        {"accuracy": 50.0},
        "d3",
    )
    assert drift() == []


def test_challenger_that_is_not_promoted_writes_one_ledger_line() -> None:
    versions(2)
    decide("1", None)
    for _ in range(2):
        assert decide("2", "1", is_promoted=False, why="not better") == (False, "not better")
    assert events() == [(PROMOTED, "1", "1", ""), (KEPT, "2", "1", "")]
    decide("2", "1", is_promoted=False, decision="with another policy")
    assert len(events()) == 3
    assert aliases() == ("1", None)


def test_promotion_raises_when_the_champion_changed_since_the_comparison() -> None:
    versions(3)
    decide("1", None)
    decide("2", "1")
    for is_promoted in (True, False):
        with pytest.raises(
            ChampionChangedError,
            match=r"version 3 was to replace version 1 as champion, .* is version 2: start",
        ):
            decide("3", "1", is_promoted=is_promoted)
    assert aliases() == ("2", "1")
    assert len(events()) == 2
    decide("3", "2")
    assert aliases() == ("3", "2")


def test_incomplete_version_never_becomes_champion() -> None:
    versions(1)
    decide("1", None)
    half = versioned("made", "half", is_complete=False)
    with pytest.raises(ValueError, match="made version 2 is not complete"):
        decide(half, "1")
    with pytest.raises(ValueError, match="made version 2 is not complete"):
        roll_back("made", half)
    with pytest.raises(ValueError, match="made has no version 9: there are 2, 1"):
        roll_back("made", "9")
    assert aliases() == ("1", None)
    assert (len(events()), drift()) == (1, [])


def test_decision_is_carried_out_once() -> None:
    promoted(2)
    assert decide("2", "2", why="decided after a crash") == (True, "better")
    assert decide("2", "2", is_promoted=False, why="worse than a baseline", decision="new") == (
        False,
        "worse than a baseline",
    )
    assert len(events()) == 2
    assert aliases() == ("2", "1")


def test_rollback_goes_back_one_champion_at_a_time_and_writes_ledger_lines() -> None:
    promoted(3)
    line = roll_back("made", why="praises irony")
    assert (line.event, line.champion, line.replaced, line.previous, line.why) == (
        ROLLED_BACK,
        "2",
        "3",
        "1",
        "praises irony",
    )
    assert line.scores == {"accuracy": 50.0}
    assert aliases() == ("2", "1")
    assert roll_back("made").previous == ""
    assert aliases() == ("1", None)
    with pytest.raises(
        ValueError, match=r"made has no previous champion: .*refrain rollback made --to VERSION"
    ):
        roll_back("made")
    assert [event for event, *_ in events()] == [PROMOTED] * 3 + [ROLLED_BACK] * 2
    assert drift() == []


def test_rollback_accepts_a_version() -> None:
    promoted(3)
    versioned("made", "never champion")
    with pytest.raises(ValueError, match="made version 3 is champion already"):
        roll_back("made", "3")
    assert roll_back("made", "1").previous == ""
    line = roll_back("made", "4")
    assert (line.champion, line.replaced, line.previous) == ("4", "1", "1")
    assert aliases() == ("4", "1")


def test_rollback_skips_a_deleted_champion() -> None:
    promoted(4)
    mlflow_client.delete_version("made", "2")
    assert roll_back("made").previous == "1"
    assert aliases() == ("3", "1")


def test_rolled_back_version_returns_only_by_hand() -> None:
    promoted(2)
    roll_back("made", why="praises irony")
    is_promoted, why = decide("2", "1", decision="again")
    assert not is_promoted
    assert why.startswith("not promoted: version 2 was rolled back (")
    assert why.endswith("praises irony); refrain rollback made --to 2 makes it champion by hand")
    assert events()[-1] == (KEPT, "2", "1", "")
    assert "praises irony" in withdrawn("made", "2")
    roll_back("made", "2")
    assert withdrawn("made", "2") == ""
    assert aliases() == ("2", "1")


def test_new_version_is_promoted_after_a_rollback() -> None:
    promoted(2)
    roll_back("made")
    new = versioned("made", "new")
    assert decide(new, "1") == (True, "better")
    assert aliases() == ("3", "1")


def test_simultaneous_promotions_lose_no_ledger_line() -> None:
    made = versions(4)

    def promote(numbers: list[str]) -> None:
        for turn in range(6):
            while True:
                try:
                    number = numbers[turn % 2]
                    decide(
                        number,
                        mlflow_client.version_with_alias("made", "champion"),
                        decision=f"{number}, turn {turn}",
                    )
                    break
                except ChampionChangedError:
                    continue

    threads = [
        threading.Thread(target=promote, args=(numbers,)) for numbers in (made[:2], made[2:])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = Ledger.of("made").lines
    assert sorted(line.decision for line in lines) == sorted(
        f"{i + 1}, turn {turn}" for i in range(4) for turn in range(i % 2, 6, 2)
    )
    assert [line.number for line in lines] == list(range(1, 13))
    assert [line.replaced for line in lines] == ["", *(line.champion for line in lines[:-1])]
    assert mlflow_client.version_with_alias("made", "champion") == lines[-1].champion
    assert drift() == []


def killed(*args: Any) -> None:
    raise KeyboardInterrupt


CRASHES: list[tuple[Any, str]] = [
    (mlflow_client, "set_alias"),
    (champions, "_move"),
    (Ledger, "finish"),
]


@pytest.mark.parametrize(("where", "what"), CRASHES)
@pytest.mark.parametrize("after", ["promotion", "rollback", "other"])
def test_change_interrupted_by_a_crash_is_completed_by_the_next_one(
    where: Any, what: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(2)
    versions_made = [versioned("made", "third"), versioned("made", "fourth")]
    with monkeypatch.context() as patch:
        patch.setattr(where, what, killed)
        with pytest.raises(KeyboardInterrupt):
            decide("3", "2")
    assert aliases()[0] in ("2", "3")
    assert any("line 3 was begun and not done" in sentence for sentence in drift())
    follow: dict[str, Callable[[], Any]] = {
        "promotion": lambda: decide("3", aliases()[0]),
        "rollback": lambda: roll_back("made", "1"),
        "other": lambda: decide(versions_made[1], "3"),
    }
    follow[after]()
    assert events()[2] == (PROMOTED, "3", "3", "2")
    assert (
        aliases() == {"promotion": ("3", "2"), "rollback": ("1", None), "other": ("4", "3")}[after]
    )
    assert len(events()) == (3 if after == "promotion" else 4)
    assert drift() == []


def test_change_interrupted_by_a_crash_is_dropped_after_another_decision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    promoted(2)
    versions_made = versions_of_two_more()
    with monkeypatch.context() as patch:
        patch.setattr(champions, "_move", killed)
        with pytest.raises(KeyboardInterrupt):
            decide(versions_made[0], "2")
    mlflow_client.set_alias("made", "champion", "1")
    decide(versions_made[1], "1")
    assert events()[2:] == [(FOUND, "1", "1", "2"), (PROMOTED, "4", "4", "1")]
    assert aliases() == ("4", "1")


def versions_of_two_more() -> list[str]:
    return [versioned("made", "third"), versioned("made", "fourth")]


def test_alias_moved_concurrently_is_not_recorded_as_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    promoted(1)
    versions_of_two_more()
    ours = mlflow_client.set_alias

    def overtaken(name: str, alias: str, number: str) -> None:
        ours(name, alias, number)
        ours(name, "champion", "3")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_client, "set_alias", overtaken)
        with pytest.raises(ChampionChangedError, match="is version 3"):
            decide("2", "1")
    assert aliases()[0] == "3"
    roll_back("made", "1")
    assert events() == [
        (PROMOTED, "1", "1", ""),
        (FOUND, "3", "3", "1"),
        (ROLLED_BACK, "1", "1", "3"),
    ]


def test_alias_set_in_mlflow_is_shown_and_then_recorded() -> None:
    promoted(2)
    versioned("made", "third")
    mlflow_client.set_alias("made", "champion", "3")
    assert drift() == [
        "in MLflow version 3 is champion, in the ledger version 2: set by hand, or from another "
        "store; "
        "the next decision or rollback writes it down"
    ]
    roll_back("made", "2")
    assert events()[2:] == [(FOUND, "3", "3", "2"), (ROLLED_BACK, "2", "2", "3")]
    assert drift() == []


def test_second_store_at_the_same_mlflow_sees_decisions_of_the_first(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(2)
    monkeypatch.setattr(mlflow_client, "CHOSEN_URI", f"sqlite:///{store / 'mlflow.db'}")
    with monkeypatch.context() as patch:
        patch.setenv("REFRAIN_HOME", str(tmp_path / "elsewhere"))
        roll_back("made", "1", "praises irony")
        assert events() == [(FOUND, "2", "2", ""), (ROLLED_BACK, "1", "1", "2")]
    assert drift()[0].startswith(
        "in MLflow version 1 is champion, in the ledger version 2: set by hand, or from another "
        "store"
    )
    assert "praises irony" in decide("2", "1", decision="again")[1]
    assert events()[2:] == [(FOUND, "1", "1", "2"), (KEPT, "2", "1", "")]


def test_champion_older_than_the_ledger_becomes_its_first_line(store: Path) -> None:
    snapshot = Snapshot(
        dataset="made", digest="0" * 16, rows={}, splits=dict.fromkeys(SPLITS, "x"), reasons={}
    )
    registered(trained(snapshot), "champion")
    versioned("made", "new")
    decide("2", "1")
    first, second = Ledger.of("made").lines
    assert (first.event, first.champion, first.why) == (
        FOUND,
        "1",
        "was champion before this ledger began",
    )
    assert first.scores == {"accuracy": 50.0}
    assert (second.event, second.replaced) == (PROMOTED, "1")
    assert aliases() == ("2", "1")


def test_history_reports_disagreement_of_mlflow_and_ledger(store: Path) -> None:
    assert history_error() == "there is no model 'made' in MLflow: none is registered yet"
    promoted(3)
    mlflow_client.set_alias("made", "previous", "1")
    assert drift() == ["in MLflow version 1 is previous, in the ledger version 2"]
    mlflow_client.set_version_tag("made", "3", "refrain.complete", "")
    (store / "ledger" / "made" / "000001.json").unlink()
    give_up("made")
    assert [sentence.split(":")[0] for sentence in drift()] == [
        "line 1 of the ledger is missing",
        "in MLflow version 1 is previous, in the ledger version 2",
        "version 3 is champion and not complete",
    ]


def history_error() -> str:
    with pytest.raises(ValueError, match="there is no model") as raised:
        history("made")
    return str(raised.value)
