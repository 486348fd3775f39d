"""The rollback deployment, and a task that is retried after a concurrent change."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("engine", "mlflow_store")


def promoted(num: int) -> None:
    from tests.tasks.promotion.test_champions import promoted

    promoted(num)


def markdown(key: str) -> list[Any]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    with get_client(sync_client=True) as client:
        return client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        )


def test_rollback_flow_restores_the_previous_champion_and_is_in_the_ledger(store: Path) -> None:
    from flows.rollback import rollback
    from tasks.promotion.ledger import Ledger
    from tasks.registry import mlflow_client
    from tasks.task_states import outcome

    promoted(2)
    done = outcome(rollback("made", "", "praises irony"))
    line = Ledger.of("made").lines[-1]
    assert line == done
    assert (line.champion, line.why) == ("1", "praises irony")
    assert line.flow_run_url.endswith(f"/runs/flow-run/{line.flow_run}")
    assert mlflow_client.version_with_alias("made", "champion") == "1"
    (page,) = markdown("rollback-made")
    assert str(page.flow_run_id) == line.flow_run
    assert "version 1 is champion now, in place of version 2 (praises irony)" in page.data


def test_promotion_is_compared_again_after_a_concurrent_change() -> None:
    from prefect import flow, task

    from tasks.promotion.champions import settle, was_overtaken
    from tasks.promotion.ledger import Ledger
    from tests.tasks.promotion.test_champions import SCORES, challenger
    from tests.tasks.trained import versioned

    promoted(2)
    versioned("made", "third")
    compared = iter(["1", "2"])  # the first time with who was champion before

    @task(retries=3, retry_condition_fn=was_overtaken)
    def compare() -> tuple[bool, str]:
        return settle(
            challenger("3"),
            next(compared),
            is_promoted=True,
            why="better",
            scores=SCORES,
            decision="d3",
        )

    @flow
    def compared_anew() -> tuple[bool, str]:
        return compare()

    assert compared_anew() == (True, "better")
    assert (Ledger.of("made").champion, len(Ledger.of("made").lines)) == ("3", 3)


def test_other_promotion_failure_is_not_retried() -> None:
    from prefect import flow, task

    from tasks.promotion.champions import was_overtaken

    tries = []

    @task(retries=3, retry_condition_fn=was_overtaken)
    def fail() -> None:
        tries.append(1)
        raise ValueError("made has no version 9")

    @flow
    def failing() -> None:
        fail()

    with pytest.raises(ValueError, match="no version 9"):
        failing()
    assert tries == [1]
