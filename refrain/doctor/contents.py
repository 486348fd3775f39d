"""The store: open runs of dead processes, damaged files, moved aliases, times of the future."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from refrain.doctor.finding import ERROR, WARNING, Finding
from refrain.doctor.surroundings import Surroundings
from tasks.registry.registry_tables import DATABASE
from tasks.store.home import home

AHEAD_SECONDS = 120.0  # of a file's time before this clock: other machines differ by less
STAMPED = ("leases/*.json", "ledger/*/*.json", "logs/*.log", "snapshots/*.jsonl")


def check_stale_runs(seen: Surroundings) -> Iterator[Finding]:
    """Find runs in Prefect and MLflow that are open, though their process is gone."""
    from tasks.maintenance.stale_runs import find_flow_runs, find_mlflow_runs

    remedy = "the next flow run closes it; now: prefect deployment run reconcile/reconcile"
    if seen.api and not seen.prefect_fault:
        for line in find_flow_runs():
            yield Finding(WARNING, f"open in Prefect: {line}", remedy)
    if has_models():
        for line in find_mlflow_runs():
            yield Finding(WARNING, f"open in MLflow: {line}", remedy)


def has_models() -> bool:
    """Whether there is an MLflow to read: in the store, or on another machine."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI")) or (home() / DATABASE).exists()


def check_artifacts(seen: Surroundings) -> Iterator[Finding]:
    """Compare the files of the store with their recorded sizes and digests."""
    from tasks.maintenance.verify import find_damages

    begin = partial(seen.advance, "comparing files")
    damages = find_damages(begin, is_thorough=not seen.is_quick, with_versions=has_models())
    for item in damages:
        yield Finding(ERROR, item.fault, item.remedy or "refrain verify --set-aside")


def check_aliases(seen: Surroundings) -> Iterator[Finding]:
    """Compare the ledgers with the aliases in MLflow."""
    del seen
    from tasks.promotion.drift import find_drift
    from tasks.promotion.ledger import ledger_names
    from tasks.store.sealed import DamagedError

    if not has_models():
        return
    for name in ledger_names():
        try:
            lines = find_drift(name)
        except DamagedError:  # a damaged file is a finding of `artifacts`
            continue
        except ValueError as error:
            lines = [str(error)]
        for line in lines:
            remedy = f"refrain history {name}; refrain rollback {name} --to VERSION chooses one"
            yield Finding(WARNING, f"{name}: {line}", remedy)


def check_clock(seen: Surroundings) -> Iterator[Finding]:
    """Compare this machine's clock with the times in the store."""
    del seen
    latest, path = max(_times(), default=(0.0, home()))
    ahead = latest - time.time()
    if ahead > AHEAD_SECONDS:
        when = datetime.fromtimestamp(latest, UTC)
        yield Finding(
            WARNING,
            f"{path} is of {when:%Y-%m-%d %H:%M} UTC, {_shown(ahead)} after this machine's clock",
            "set the clock (timedatectl): schedules fire by it, and --as-of reads its dates",
        )


def _times() -> Iterator[tuple[float, Path]]:
    """List when files of the store were written, and when the last decisions were made."""
    for pattern in STAMPED:
        for path in home().glob(pattern):
            yield path.stat().st_mtime, path
    for folder in (home() / "ledger").glob("*/"):
        for path in sorted(folder.glob("*.json"))[-1:]:
            try:
                line = json.loads(path.read_text(encoding="utf-8"))
                yield datetime.fromisoformat(line["when"]).timestamp(), path
            except (ValueError, KeyError, TypeError):
                continue  # a damaged line is a finding of `artifacts`


def _shown(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
