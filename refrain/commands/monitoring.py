"""The command ``refrain monitor``: drift of rows and predictions, and the age of a source.

Heavy imports are inside the command, so that ``refrain --help`` answers at once.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from refrain.environment import prepare
from refrain.errors import plain_errors
from refrain.options import Catalog, Json, Name, check_names, joined, print_json

app = typer.Typer()
WARNED = 5  # exit status


@app.command()
def monitor(
    name: Name,
    predictions: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="A folder that `refrain predict` wrote; compared with the test split.",
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Change a setting of the monitor; repeatable."
        ),
    ] = None,
    catalog: Catalog = None,
    as_json: Json = False,
) -> None:
    """Compare new rows with the champion's, and report on drift and on the age of the source.

    The rows are those newer than the snapshot of the champion. The report has
    lengths, words, unknown words, characters, labels, duplicates, a classifier
    that tells new rows from older ones, and the champion's score on new rows.

    **Exit status**: 0 if nothing is wrong; 5 if something drifted or the source
    is stale or unusual; 1 if the report could not be made.

    **Examples**

        refrain monitor msra

        refrain monitor rotten_tomatoes --predictions answers --set min_psi=0.2
    """
    with plain_errors():
        check_names([name], catalog)
        prepare(PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL")
        from refrain.progress import show_progress
        from tasks.monitor import compare_with_champion, look_at_source
        from tasks.monitoring.monitor_settings import parse_monitor_settings
        from tasks.pages.monitor import monitor_text
        from tasks.task_states import directly

        settings = parse_monitor_settings(assignments or [])
        show_progress()
        fresh = directly(look_at_source, name, joined(catalog))
        folder = str(predictions) if predictions else None
        found = directly(compare_with_champion, fresh, settings, joined(catalog), folder)
    if as_json:
        print_json({**asdict(found), "drifted": found.drifted, "freshness": asdict(fresh)})
    else:
        from refrain.tables import show_page

        show_page(monitor_text(found, fresh))
    if found.drifted or fresh.warnings:
        raise SystemExit(WARNED)
