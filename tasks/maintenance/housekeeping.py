"""Housekeeping by policy: what each rule finds in the store and its databases, and its removal.

Nothing is removed until the policy names an age. Champions, all earlier champions
and what a replay of them needs stay, whatever the policy.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, fields

from pydantic import ConfigDict

from rnn_models.settings import check_setting, setting
from tasks.maintenance.databases import databases, free_bytes, give_back
from tasks.maintenance.deleted_objects import find_deleted, remove_deleted
from tasks.maintenance.ended_flow_runs import count_flow_runs, remove_flow_runs
from tasks.maintenance.old_versions import find_versions, remove_versions
from tasks.maintenance.prune import SECONDS_PER_DAY, find_prunable, prune
from tasks.registry.mlflow_client import is_ours
from tasks.store.home import home

OLD_LOG = re.compile(r"\.\d+\.log$|^failed-.*\.log$")  # a program may still write to any other
SPACE = "their space is given back by compact"


@dataclass(frozen=True, kw_only=True)
class HousekeepingSettings:
    """What is removed, and after how many days; 0 keeps it."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    version_days: float = setting(
        0.0, "Days that a version stays that never became champion.", low=0
    )
    versions_kept: int = setting(10, "Newest versions of each model that stay in any case.", low=1)
    artifact_days: float = setting(
        0.0, "Days that a snapshot or checkpoint stays that no version needs.", low=0
    )
    log_days: float = setting(0.0, "Days that the log of an ended program stays.", low=0)
    flow_run_days: float = setting(
        0.0, "Days that an ended flow run stays in Prefect, with its log and pages.", low=0
    )
    deleted_days: float = setting(
        0.0, "Days that deleted runs and models of MLflow can still be restored.", low=0
    )
    compact: bool = setting(False, "Give free pages of the databases back to the disk.")

    def __post_init__(self) -> None:
        for declared in fields(self):
            check_setting(declared, getattr(self, declared.name))

    @property
    def is_off(self) -> bool:
        """Whether nothing is removed."""
        days = (name for name in vars(self) if name.endswith("_days"))
        return not self.compact and not any(getattr(self, name) for name in days)


@dataclass(frozen=True)
class Swept:
    """What one rule found: how many, how many bytes, some of them by name, and what it left."""

    rule: str
    num: int
    num_bytes: int
    names: tuple[str, ...] = ()
    note: str = ""


def clean(settings: HousekeepingSettings, *, is_dry: bool) -> list[Swept]:
    """Apply each rule of a policy that is on.

    Args:
        settings: The policy.
        is_dry: Find only, and remove nothing.
    """
    rules: dict[str, Callable[[HousekeepingSettings, bool], Swept]] = {
        "log_days": old_logs,
        "flow_run_days": ended_runs,
        "version_days": old_versions,
        "deleted_days": deleted_objects,
        "artifact_days": unneeded_artifacts,
        "compact": free_pages,  # last: the others make pages free
    }
    return [rule(settings, is_dry) for name, rule in rules.items() if getattr(settings, name)]


def old_logs(settings: HousekeepingSettings, is_dry: bool) -> Swept:
    """Remove logs of programs that ended."""
    youngest = time.time() - settings.log_days * SECONDS_PER_DAY
    found = [
        path
        for path in sorted((home() / "logs").glob("*.log"))
        if OLD_LOG.search(path.name) and path.stat().st_mtime <= youngest
    ]
    num_bytes = sum(path.stat().st_size for path in found)
    for path in () if is_dry else found:
        path.unlink(missing_ok=True)
    return Swept("logs", len(found), num_bytes, tuple(path.name for path in found))


def ended_runs(settings: HousekeepingSettings, is_dry: bool) -> Swept:
    """Remove ended flow runs from Prefect; its database keeps their pages free for new ones."""
    work = count_flow_runs if is_dry else remove_flow_runs
    return Swept("flow runs", work(settings.flow_run_days), 0, note=SPACE)


def old_versions(settings: HousekeepingSettings, is_dry: bool) -> Swept:
    """Delete versions that never became champion; their files follow with `deleted_days`."""
    found = find_versions(settings.version_days, settings.versions_kept)
    if not is_dry:
        found = remove_versions(found)
    note = "their files are removed by deleted_days" if found else ""
    return Swept("versions", len(found), 0, tuple(map(str, found)), note)


def deleted_objects(settings: HousekeepingSettings, is_dry: bool) -> Swept:
    """Remove deleted runs and models of MLflow for good."""
    found = find_deleted(settings.deleted_days)
    num_bytes = sum(each.num_bytes for each in found)
    if not is_dry:
        remove_deleted(found)
    note = "" if is_ours() else "MLflow is not in this store: use mlflow gc there"
    return Swept("deleted in MLflow", len(found), num_bytes, tuple(map(str, found)), note)


def unneeded_artifacts(settings: HousekeepingSettings, is_dry: bool) -> Swept:
    """Remove artifacts that no version needs and no run has used lately."""
    found = find_prunable(days=settings.artifact_days)
    if not is_dry:
        prune(found)
    names = tuple(str(item.path.relative_to(home())) for item in found)
    return Swept("artifacts", len(found), sum(item.num_bytes for item in found), names)


def free_pages(settings: HousekeepingSettings, is_dry: bool) -> Swept:
    """Give the free pages of the databases back to the disk."""
    freed = {path: free_bytes(path) for path in databases()}
    left = {} if is_dry else {path: give_back(path) for path in freed}
    notes = "; ".join(note for note in left.values() if note)
    done = {path: size for path, size in freed.items() if not left.get(path)}
    return Swept("databases", len(done), sum(done.values()), tuple(p.name for p in done), notes)
