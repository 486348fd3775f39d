"""The housekeeping flow: off until configured, and ended flow runs with their pages."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("engine", "mlflow_store")


def prefect(call: Any) -> Any:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return call(client)


def ended() -> Any:
    """A flow run that has ended, with a page."""
    from prefect import flow
    from prefect.artifacts import create_markdown_artifact
    from prefect.runtime import flow_run

    @flow
    def shown() -> str:
        create_markdown_artifact("text", key="of-an-ended-run")
        return str(flow_run.id)

    return shown()


def pages() -> list[Any]:
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    key = ArtifactFilter(key=ArtifactFilterKey(any_=["of-an-ended-run"]))
    return list(prefect(lambda client: client.read_artifacts(artifact_filter=key)))


def test_housekeeping_is_off_until_its_policy_is_set() -> None:
    from flows.housekeeping import housekeeping

    state = housekeeping(return_state=True)
    assert (state.name, state.is_completed()) == ("Off", True)
    assert "set days" in state.message


def test_ended_flow_runs_are_removed_with_their_pages_but_not_those_of_a_champion(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.exceptions import ObjectNotFound

    from flows.housekeeping import housekeeping
    from tasks.maintenance import ended_flow_runs
    from tasks.maintenance.housekeeping import HousekeepingSettings
    from tests.tasks.promotion.test_champions import promoted

    gone, decided = ended(), ended()
    monkeypatch.setattr("tasks.promotion.ledger.flow_run_now", lambda: (decided, ""))
    promoted(1)
    policy = HousekeepingSettings(flow_run_days=1e-9)
    listed = housekeeping(policy, dry_run=True, return_state=True)
    assert listed.name == "Dry run"
    assert prefect(lambda client: client.read_flow_run(gone))
    assert ended_flow_runs.count_flow_runs(30) == 0
    state = housekeeping(policy, return_state=True)
    assert state.name == "Cleaned"
    with pytest.raises(ObjectNotFound):
        prefect(lambda client: client.read_flow_run(gone))
    assert prefect(lambda client: client.read_flow_run(decided))
    assert [str(page.flow_run_id) for page in pages()] == [decided]
