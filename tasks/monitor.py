"""The source and the predictions of a dataset against its champion's data: tasks of the monitor."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from rnn_models.evaluation.metrics import find_metric
from tasks.inference.prediction_folder import key_of_part
from tasks.ingestion.catalog_entries import checked_entry
from tasks.ingestion.snapshot import check_share, make_snapshot
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.ingestion.snapshot_writer import read_report
from tasks.ingestion.source_access import source_access
from tasks.monitoring.champion_inputs import Champion, find_champion
from tasks.monitoring.champion_score import loss_of, score_on
from tasks.monitoring.drift_measures import Measure, judged, measure_drift
from tasks.monitoring.events import DRIFTED, NEW_ROWS, announce
from tasks.monitoring.freshness import Freshness, check_freshness
from tasks.monitoring.logged_predictions import logged_samples
from tasks.monitoring.monitor_run import log_monitor
from tasks.monitoring.monitor_settings import MonitorSettings
from tasks.monitoring.new_rows import NewRows, find_new_rows, samples_of
from tasks.monitoring.report import Monitoring
from tasks.monitoring.staleness import report_freshness
from tasks.pages.monitor import monitor_text
from tasks.pages.run_pages import publish
from tasks.store.artifacts import Snapshot
from tasks.store.code import code_digest, digest
from tasks.task_states import completed, outcome, unchanged

log = logging.getLogger(__name__)


@task(task_run_name="look-at-{dataset}", cache_policy=NO_CACHE)
def look_at_source(dataset: str, catalog: str | None = None) -> Freshness:
    """Make the snapshot of the current rows, and check how fresh they are."""
    entry = checked_entry(dataset, catalog)
    snapshot, _ = make_snapshot(entry)
    check_share(entry, snapshot)
    fresh = check_freshness(entry)
    report_freshness(fresh)
    return completed(fresh, fresh.state, "; ".join(fresh.warnings)) if fresh.state else fresh


@task(task_run_name="compare-{fresh.dataset}", cache_policy=NO_CACHE)
def compare_with_champion(
    fresh: Freshness,
    settings: MonitorSettings,
    catalog: str | None = None,
    predictions: str | None = None,
) -> Monitoring:
    """Compare new rows and predictions with the data of the champion, and report on them."""
    champion = find_champion(fresh.dataset)
    folder = _folder_of(predictions)
    key = digest(
        champion and (champion.version, champion.snapshot.digest, champion.scores.digest),
        fresh.snapshot,
        asdict(settings),
        [key_of_part(path) for path in sorted(folder.glob("part-*.parquet"))] if folder else "",
        code_digest("tasks/monitor.py", libraries=("scipy", "scikit-learn")),
    )
    with Monitoring.once(fresh.dataset, key) as (found, _):
        if found is None:
            made = _made(key, fresh, champion, settings, catalog, folder)
            _announce(made, settings)
            found = made.commit()
            is_new = True
        else:
            is_new = False
    log.info("%s: %s", found.dataset, found.verdict)
    log_monitor(
        found.dataset,
        found.metrics | {"age_days": fresh.age_days, "quiet_slots": float(fresh.quiet_slots)},
        step=len(SnapshotLog.of(found.dataset).ingestions),
    )
    publish("monitor", found.dataset, monitor_text(found, fresh), found.verdict)
    concluded = conclude(found, fresh)
    return concluded if is_new or concluded is not found else unchanged(found)


def _folder_of(predictions: str | None) -> Path | None:
    if not predictions:
        return None
    folder = Path(predictions).expanduser().resolve()
    source_access().permissions.check_path(folder, f"the predictions {predictions}")
    return folder


def _made(
    key: str,
    fresh: Freshness,
    champion: Champion | None,
    settings: MonitorSettings,
    catalog: str | None,
    folder: Path | None,
) -> Monitoring:
    """Measure new rows and predictions; nothing where there is no champion."""
    about: dict[str, Any] = {"dataset": fresh.dataset, "digest": key, "snapshot": fresh.snapshot}
    if champion is None:
        return Monitoring(**about, version="", champion_snapshot="", num_new=0, compared=0)
    now = Snapshot.find(fresh.dataset, fresh.snapshot)
    assert now
    new = find_new_rows(now, champion.snapshot, checked_entry(fresh.dataset, catalog).roles)
    rows: list[Measure] = []
    score: dict[str, Any] = {}
    compared = 0
    if new.num >= settings.min_rows:
        rows, score, compared = _of_rows(new, champion, settings)
    logged = []
    if folder:
        samples = logged_samples(folder, champion.scores, champion.tokens, settings.max_rows, 0)
        logged = measure_drift(samples) if samples.new.num_rows >= settings.min_rows else []
    measures = [asdict(each) for each in judged([*rows, *logged], settings)]
    return Monitoring(
        **about,
        version=champion.version,
        champion_snapshot=champion.snapshot.digest,
        num_new=new.num,
        compared=compared,
        measures=measures[: len(rows)],
        logged=measures[len(rows) :],
        score=score,
        # A daily export may hold all earlier rows, so more duplicates are no drift.
        duplicates={"before": _duplicates(champion.snapshot), "now": _duplicates(now)},
    )


def _of_rows(
    new: NewRows, champion: Champion, settings: MonitorSettings
) -> tuple[list[Measure], dict[str, Any], int]:
    """Measure features of new rows, and the champion's score on them."""
    samples = samples_of(new, champion.snapshot, settings.max_rows)
    found = measure_drift(samples)
    table = new.table(settings.max_rows)
    score = score_on(table, champion.version, champion.scores, champion.tokens)
    found.append(loss_of(score, is_cost=find_metric(score["metric"]).is_cost))
    return found, score, samples.new.num_rows


def _duplicates(snapshot: Snapshot) -> float:
    """Compute the share of duplicates in the rows that were read for a snapshot."""
    report = read_report(snapshot)
    return float(report["reasons"].get("duplicate", 0) / max(1, report["read"]))


def _announce(made: Monitoring, settings: MonitorSettings) -> None:
    """Send the events of a report, once: a report is made once."""
    about = {"version": made.version, "snapshot": made.snapshot, "new_rows": made.num_new}
    if made.drifted:
        announce(DRIFTED, made.dataset, features=made.drifted, message=made.verdict, **about)
    if made.version and made.num_new >= settings.trigger_rows:
        announce(NEW_ROWS, made.dataset, message=made.verdict, **about)


def conclude(found: Monitoring, fresh: Freshness) -> Monitoring:
    """Finish with a state that tells: drift first, then a stale source."""
    # A flow holds the states of its tasks, and would end in Completed for any of them.
    made: Monitoring = outcome(found)
    source: Freshness = outcome(fresh)
    if made.drifted:
        return completed(made, "Drifted", made.verdict)
    if source.state:
        return completed(made, source.state, "; ".join(source.warnings))
    return made
