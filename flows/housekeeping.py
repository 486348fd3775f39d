"""The store and its databases, cleaned by a policy."""

from prefect import flow

from tasks.housekeeping import ended, keep_house
from tasks.maintenance.housekeeping import HousekeepingSettings, Swept
from tasks.maintenance.interrupted_runs import cancelled_by_signal
from tasks.maintenance.run_start import begin_run
from tasks.run_names import name_with_reason
from tasks.run_states import in_one_sentence

DEFAULTS = HousekeepingSettings()


@flow(flow_run_name=name_with_reason, on_crashed=[cancelled_by_signal])
@in_one_sentence
def housekeeping(settings: HousekeepingSettings = DEFAULTS, dry_run: bool = False) -> list[Swept]:
    """Remove what nobody needs from the store, from MLflow and from Prefect.

    Args:
        settings: After how many days each kind is removed; 0 keeps it. By default all are 0.
        dry_run: List what would be removed, and remove nothing.
    """
    begin_run()
    return ended(keep_house(settings, dry_run), settings, is_dry=dry_run)
