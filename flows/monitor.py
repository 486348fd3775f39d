"""New rows and predictions of one dataset, against its champion's data."""

from prefect import flow

from tasks.maintenance.interrupted_runs import cancelled_by_signal
from tasks.maintenance.run_start import begin_run
from tasks.monitor import compare_with_champion, conclude, look_at_source
from tasks.monitoring.monitor_settings import MonitorSettings
from tasks.monitoring.report import Monitoring

DEFAULTS = MonitorSettings()


@flow(flow_run_name="monitor-{dataset}", on_crashed=[cancelled_by_signal])
def monitor(
    dataset: str,
    settings: MonitorSettings = DEFAULTS,
    catalog: str | None = None,
    predictions: str | None = None,
) -> Monitoring:
    """Check whether the rows or the predictions of a dataset drifted, and how fresh the rows are.

    Args:
        dataset: Name of an entry of the catalog that has a champion.
        settings: What counts as drift, and how many rows are compared.
        catalog: Further catalog files, separated by colons.
        predictions: A folder that `refrain predict` wrote; compared with the test split.
    """
    begin_run()
    fresh = look_at_source(dataset, catalog)
    found = compare_with_champion(fresh, settings, catalog, predictions)
    return conclude(found, fresh)
