"""Notices of the flow runs that ended, from what Prefect knows about them."""

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.utilities.urls import url_for

from data.sources.secret_references import hide_logins
from tasks.maintenance.stale_runs import find_runs
from tasks.notices.hidden_secrets import known_secrets
from tasks.notices.notice import FAILED, KINDS, Notice, sentence
from tasks.pages.run_pages import artifact_key
from tasks.registry.lineage import DASHBOARD

TAG = "notices"  # of a run of a terminal that shall have notices
ENDED = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED]
OF_SOURCE = ["Stale", "Unusual"]  # states of a task in a flow run that may end otherwise
PAGE = 200


def has_notices(run: FlowRun) -> bool:
    """Whether a flow run gets notices: it is of a deployment, or of a command that wants them."""
    return run.deployment_id is not None or TAG in run.tags


def notices_since(
    client: SyncPrefectClient, since: datetime, known: set[tuple[str, str]]
) -> list[Notice]:
    """Make the notices of all flow runs that ended since a time, but the known ones."""
    runs = [run for run in find_runs(client, ENDED, since=since) if has_notices(run)]
    sources = _source_states(client, runs)
    found = [
        (run, kind, reason)
        for run in sorted(runs, key=lambda run: run.end_time or since)
        for kind, reason in (_decisions(run) | sources.get(run.id, {})).items()
        if (str(run.id), kind) not in known
    ]
    secrets = known_secrets({_catalog(run) for run, _, _ in found}) if found else None
    return [
        _notice(client, run, kind, hide_logins(secrets.hide(reason)))
        for run, kind, reason in found
        if secrets
    ]


def _catalog(run: FlowRun) -> str:
    return str(run.parameters.get("catalog") or "")


def _decisions(run: FlowRun) -> dict[str, str]:
    """Return the kind of the last state, with its message; nothing for a state without news."""
    state = run.state
    if state is None:
        return {}
    is_failed = state.type in (StateType.FAILED, StateType.CRASHED)
    kind = KINDS.get(state.name or "") or (FAILED if is_failed else "")
    return {kind: state.message or ""} if kind else {}


def _source_states(
    client: SyncPrefectClient, runs: Iterable[FlowRun]
) -> dict[UUID, dict[str, str]]:
    """Find what tasks of flow runs say about their sources: kinds with their messages."""
    found: dict[UUID, dict[str, str]] = {}
    ids = [run.id for run in runs]
    state = TaskRunFilterState(name=TaskRunFilterStateName(any_=OF_SOURCE))
    for first in range(0, len(ids), PAGE):
        tasks = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids[first : first + PAGE])),
            task_run_filter=TaskRunFilter(state=state),
            limit=PAGE,
        )
        for task in tasks:
            if task.flow_run_id and task.state:
                kind = KINDS[str(task.state.name)]
                found.setdefault(task.flow_run_id, {})[kind] = task.state.message or ""
    return found


def _notice(client: SyncPrefectClient, run: FlowRun, kind: str, reason: str) -> Notice:
    flow = client.read_flow(run.flow_id).name
    dataset = str(run.parameters.get("dataset") or run.parameters.get("model") or "")
    when = run.expected_start_time or run.start_time or datetime.now(UTC)
    return Notice(
        time=datetime.now(UTC).isoformat(),
        kind=kind,
        dataset=dataset,
        flow=flow,
        deployment=_deployment(client, run),
        flow_run=str(run.id),
        scheduled=when.astimezone(UTC).isoformat(),
        message=sentence(kind, dataset or flow, flow, reason),
        links=_links(client, run, dataset),
    )


def _deployment(client: SyncPrefectClient, run: FlowRun) -> str:
    if run.deployment_id:
        with suppress(ObjectNotFound):  # deleted since
            return client.read_deployment(run.deployment_id).name
    return ""


def _links(client: SyncPrefectClient, run: FlowRun, dataset: str) -> dict[str, str]:
    """Find the pages of a flow run: its own, and that of its training in MLflow."""
    page = url_for("flow-run", str(run.id), default_base_url=DASHBOARD) or ""
    links = {"run": hide_logins(page).replace("***@", "")}
    found = client.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]),
            key=ArtifactFilterKey(any_=[artifact_key("mlflow", dataset)]),
        ),
        limit=1,
    )
    address = re.search(r"\((\S+)\)", str(found[0].data)) if found else None
    return links | ({"mlflow": address[1]} if address else {})
