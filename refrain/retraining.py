"""Datasets retrained one after the other; a failure of one does not stop the others."""

import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prefect import tags

from flows.retrain import retrain
from refrain.commands.decisions import ask_here
from refrain.engine import engine
from refrain.progress import quiet, show_progress
from tasks.errors.known_errors import known_error
from tasks.maintenance.stale_runs import process_tag
from tasks.notices.ended_runs import TAG
from tasks.pages.promotion import summary
from tasks.run_form import changed_values
from tasks.settings import Settings
from tasks.store.artifacts import Promotion
from tasks.store.durable import write_text
from tasks.store.home import home
from tasks.store.leases import mine
from tasks.store.temporary import sweep_files
from tasks.task_states import outcome
from tasks.unchanged import find_promotion


def retrain_all(
    chosen: Mapping[str, Settings],
    catalog: str | None,
    snapshots: Mapping[str, str],
    *,
    accept: bool = False,
    notices: bool = False,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Retrain datasets, and start the engine only if a stage of one has changed.

    Args:
        chosen: The datasets with their settings.
        catalog: Further catalog files.
        snapshots: Digests of earlier snapshots to train on, by dataset.
        accept: Accept a source that changed by more than its limits.
        notices: Send notices, as runs of a deployment do.

    Returns:
        A row of results for each dataset that ended with a decision, in the
        order given, and the message of each one that failed.
    """
    rows: dict[str, dict[str, Any]] = {}
    failures: dict[str, str] = {}
    sweep_files()
    for name, settings in chosen.items():
        started = time.monotonic()
        with _recorded_failure(name, failures), quiet():
            if found := find_promotion(name, settings, catalog, snapshots.get(name), accept=accept):
                print(f"{name:<16} Unchanged at every stage", file=sys.stderr, flush=True)
                rows[name] = _row(ask_here(found), started)
    waiting = [name for name in chosen if name not in rows and name not in failures]
    if waiting:
        print(
            f"All data is in {home()}. Starting Prefect's engine, which takes about 20 seconds ...",
            file=sys.stderr,
        )
        with engine():
            show_progress()
            for name in waiting:
                started = time.monotonic()
                with _recorded_failure(name, failures):
                    # From the first moment of the flow run.
                    with tags(process_tag(mine().key), *([TAG] if notices else [])):
                        made = outcome(
                            retrain(
                                name,
                                changed_values(chosen[name]),
                                catalog or "",
                                snapshot=snapshots.get(name, ""),
                                accept=accept,
                            )
                        )
                    rows[name] = _row(ask_here(made), started)
    return [rows[name] for name in chosen if name in rows], failures


def _row(promotion: Promotion, started: float) -> dict[str, Any]:
    return summary(promotion) | {"minutes": (time.monotonic() - started) / 60}


@contextmanager
def _recorded_failure(name: str, failures: dict[str, str]) -> Iterator[None]:
    """Record the failure of a dataset instead of raising; write an internal error to a log."""
    try:
        yield
    except Exception as error:
        message = known_error(error)
        if message is None:
            now = time.strftime("%Y%m%d-%H%M%S")
            log = home() / "logs" / f"failed-{name}-{now}-{os.getpid()}.log"
            write_text(log, traceback.format_exc())
            message = (
                f"an error inside Refrain, {type(error).__name__}: {str(error)[:300]}. "
                f"The traceback is in {log}"
            )
        failures[name] = message
        print(f"{name:<16} failed: {message}", file=sys.stderr, flush=True)
