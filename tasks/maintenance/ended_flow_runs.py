"""Flow runs that ended long ago, removed from Prefect's database with their logs and pages."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from tasks.promotion.ledger import KEPT, Ledger, ledger_names

BATCH = 50  # what Prefect deletes at once
ENDED = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]


def chosen(days: float) -> dict[str, Any]:
    """Describe the flow runs that ended before so many days; those of a champion stay."""
    before = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    decisions = [
        line.flow_run
        for name in ledger_names()
        for line in Ledger.of(name).lines
        if line.flow_run and line.event != KEPT
    ]
    return {
        "state": {"type": {"any_": ENDED}},
        "end_time": {"before_": before},
        "id": {"not_any_": decisions},
    }


def count_flow_runs(days: float) -> int:
    """Count the flow runs that ended before so many days."""
    with get_client(sync_client=True) as client:
        return int(_post(client, "/flow_runs/count", {"flow_runs": chosen(days)}))


def remove_flow_runs(days: float) -> int:
    """Remove the flow runs that ended before so many days; return how many."""
    where = chosen(days)
    with get_client(sync_client=True) as client:
        return sum(map(len, _batches(client, where)))


def _batches(client: SyncPrefectClient, where: dict[str, Any]) -> Iterator[list[str]]:
    while True:
        page = _post(client, "/flow_runs/filter", {"flow_runs": where, "limit": BATCH})
        ids = [run["id"] for run in page]
        if not ids:
            return
        _remove_pages(client, ids)
        body = {"flow_runs": {"id": {"any_": ids}}, "limit": BATCH}
        yield _post(client, "/flow_runs/bulk_delete", body)["deleted"]


def _remove_pages(client: SyncPrefectClient, ids: list[str]) -> None:
    """Remove the artifacts of flow runs, which Prefect would keep for ever."""
    where = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId.model_validate({"any_": ids}))
    while pages := client.read_artifacts(artifact_filter=where, limit=BATCH):
        for page in pages:
            client.delete_artifact(page.id)


def _post(client: SyncPrefectClient, path: Any, body: dict[str, Any]) -> Any:
    return client.request("POST", path, json=body).json()
