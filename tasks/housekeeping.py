"""Housekeeping by policy: the task of the flow, and its page."""

import logging
from collections.abc import Iterator, Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.maintenance.housekeeping import HousekeepingSettings, Swept, clean
from tasks.pages.markdown import cell, table_row
from tasks.pages.run_pages import publish
from tasks.task_states import completed, outcome

log = logging.getLogger(__name__)
OFF = "the policy is empty, so nothing is removed: set days in the parameters of the deployment"
MOST_NAMES = 50


@task(task_run_name="housekeeping", cache_policy=NO_CACHE)
def keep_house(settings: HousekeepingSettings, is_dry: bool) -> list[Swept]:
    """Remove what the policy names, or only list it, and show it on the run page."""
    if settings.is_off:
        return ended([], settings, is_dry=is_dry)
    found = clean(settings, is_dry=is_dry)
    message = summary(found, is_dry=is_dry)
    log.info(message)
    publish("housekeeping", "store", page_text(found, message), message)
    return ended(found, settings, is_dry=is_dry)


def ended(result: list[Swept], settings: HousekeepingSettings, *, is_dry: bool) -> list[Swept]:
    """End a task or a flow run with a state that names what was done."""
    found: list[Swept] = outcome(result)
    if settings.is_off:
        return completed(found, "Off", OFF)
    return completed(found, "Dry run" if is_dry else "Cleaned", summary(found, is_dry=is_dry))


def summary(found: Sequence[Swept], *, is_dry: bool) -> str:
    """Describe what was removed in a line."""
    done = "would remove" if is_dry else "removed"
    counts = ", ".join(f"{each.num:,} {each.rule}" for each in found)
    return f"{done} {counts}: {sum(each.num_bytes for each in found) / 1e6:,.1f} MB"


def page_text(found: Sequence[Swept], message: str) -> str:
    """Write the page in Markdown."""
    return "\n".join([f"# {message}", "", *_rows(found), *_names(found)]) + "\n"


def _rows(found: Sequence[Swept]) -> Iterator[str]:
    yield "| rule | number | MB | note |"
    yield "|---|---:|---:|---|"
    for each in found:
        yield table_row(each.rule, [f"{each.num:,}", f"{each.num_bytes / 1e6:,.1f}", each.note])


def _names(found: Sequence[Swept]) -> Iterator[str]:
    for each in found:
        if each.names:
            more = len(each.names) - MOST_NAMES
            yield f"\n## {each.rule.capitalize()}\n"
            yield from (f"- {cell(name)}" for name in each.names[:MOST_NAMES])
            yield f"- and {more:,} more" if more > 0 else ""
