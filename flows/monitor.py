"""New rows and predictions of one dataset, against its champion's data."""

from prefect import flow

from tasks.maintenance.run_start import begin_run
from tasks.monitor import compare_with_champion, conclude, look_at_source
from tasks.monitoring.monitor_settings import MonitorSettings
from tasks.monitoring.report import Monitoring
from tasks.notices.hook import END_HOOKS
from tasks.run_form import DatasetName, HiddenText
from tasks.run_names import name_with_reason
from tasks.run_states import in_one_sentence

DEFAULTS = MonitorSettings()


@flow(flow_run_name=name_with_reason, **END_HOOKS)
@in_one_sentence
def monitor(
    dataset: DatasetName,
    settings: MonitorSettings = DEFAULTS,
    catalog: HiddenText = "",
    predictions: str = "",
) -> Monitoring:
    """Check whether the rows or the predictions of a dataset drifted, and how fresh the rows are.

    Args:
        dataset: Name of an entry of the catalog that has a champion.
        settings: What counts as drift, and how many rows are compared.
        catalog: Further catalog files, separated by colons.
        predictions: A folder that `refrain predict` wrote, to compare with the test split.
            Empty - rows only.
    """
    begin_run()
    fresh = look_at_source(dataset, catalog)
    found = compare_with_champion(fresh, settings, catalog, predictions)
    return conclude(found, fresh)
