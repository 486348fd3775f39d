"""The cost of a model: minutes of each decision, points gained, minutes per point."""

from pathlib import Path
from typing import Any

import pytest

from tasks.promotion.cost import cost_of
from tasks.promotion.ledger import FOUND, KEPT, PROMOTED, Ledger
from tasks.store.artifacts import Checkpoint, Promotion, Scores
from tests.tasks.trained import versioned

pytestmark = pytest.mark.usefixtures("mlflow_store")


def made(kind: type[Any], key: str, **fields: Any) -> None:
    with kind.making("made", key):
        kind(dataset="made", digest=key, **fields).commit()


def decision(key: str, training: str, champion: str, gain: float | None) -> None:
    """Store a promotion with its scores."""
    comparison = {} if gain is None else {"gain": gain}
    made(
        Scores,
        f"scores-{key}",
        problem="sentiment",
        checkpoint=training,
        tokens="",
        mlflow_run="",
        test_split="",
        metrics={},
        baselines={},
    )
    made(
        Promotion,
        key,
        version="1",
        is_promoted=True,
        reason="",
        metric="accuracy",
        challenger_score=80.0,
        champion_version=champion,
        champion_score=None,
        scores=f"scores-{key}",
        mlflow_run="",
        comparison=comparison,
    )


def training(key: str, minutes: float) -> None:
    numbers = {"epochs": 1, "best_epoch": 1, "num_parameters": 1}
    made(
        Checkpoint,
        key,
        problem="sentiment",
        tokens="",
        mlflow_run="",
        validation_loss=0.5,
        clipped_share=0.0,
        train_seconds=60 * minutes,
        settings={},
        **numbers,
    )


def written(event: str, version: str, key: str) -> None:
    ledger = Ledger.of("made")
    line = ledger.next_line(event, version, version, "", scores={}, decision=key)
    ledger.begin(line)
    ledger.finish(line)


def test_minutes_and_points_of_all_decisions_are_added_up(mlflow_store: Path) -> None:
    versioned("made", "key")
    training("t1", 3.0)
    training("t2", 5.0)
    decision("d1", "t1", "", None)
    decision("d2", "t2", "1", 2.0)
    decision("d3", "t2", "1", -1.0)
    decision("d4", "pruned", "2", 2.0)
    lines = [(PROMOTED, "1", "d1"), (PROMOTED, "2", "d2"), (KEPT, "3", "d3"), (KEPT, "4", "d4")]
    for event, version, key in [*lines, (FOUND, "1", "")]:
        written(event, version, key)
    found = cost_of("made")
    assert [line["minutes"] for line in found["decisions"]] == [3.0, 5.0, 0.0, None]
    assert [line["points"] for line in found["decisions"]] == [None, 2.0, 0.0, 0.0]
    assert (found["minutes"], found["points"], found["minutes_per_point"]) == (8.0, 2.0, 4.0)


def test_a_model_without_decisions_cost_nothing(mlflow_store: Path) -> None:
    versioned("made", "key")
    assert cost_of("made")["minutes_per_point"] is None
