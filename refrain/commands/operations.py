"""Commands about a running installation: ``refrain doctor`` and ``refrain open``.

Heavy imports are inside the commands, so that ``refrain --help`` answers at once.
"""

from typing import Annotated

import typer

from refrain.commands.data import FEW_TRIES
from refrain.environment import prepare
from refrain.errors import plain_errors
from refrain.options import Catalog, Json, Name, check_names, print_json

app = typer.Typer()


@app.command()
def doctor(
    is_quick: Annotated[
        bool,
        typer.Option("--quick", help="Compare only sizes of large files, not their digests."),
    ] = False,
    disk: Annotated[
        float, typer.Option("--disk-gb", min=0, metavar="N", help="Least free disk, in GB.")
    ] = 2.0,
    memory: Annotated[
        float, typer.Option("--memory-gb", min=0, metavar="N", help="Least free memory, in GB.")
    ] = 1.0,
    as_json: Json = False,
) -> None:
    """Look for faults of the installation, the servers, the schedules and the store.

    It checks versions that fit each other, servers and their logs, the worker,
    schedules that will fire, late and stale runs, damaged files, aliases, disk,
    memory, ports and the clock. Each finding has its remedy. It changes nothing.

    The exit status is 0 without a finding, 5 with warnings only, 1 with an error.
    """
    from refrain.doctor.surroundings import Surroundings, use_own_server
    from refrain.progress_line import ProgressLine

    with plain_errors():
        line = ProgressLine()
        seen = Surroundings(is_quick, disk, memory, line.advance)
        use_own_server(seen.up)
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from refrain.doctor.report import examine

        with line:
            report = examine(seen, lambda name: line.show(f"checking {name} ..."))
    if as_json:
        print_json(report.as_json())
    else:
        from refrain.doctor.screen import show_report

        show_report(report)
    raise SystemExit(report.status)


@app.command("open")
def open_dataset(name: Name, catalog: Catalog = None, as_json: Json = False) -> None:
    """Print and open the pages of a dataset in both dashboards of `refrain up`.

    They are its deployment in Prefect and its experiment in MLflow. Without a
    screen they are only printed.
    """
    from refrain.pages import open_pages, pages_of

    with plain_errors():
        check_names([name], catalog)
        found = pages_of(name)
    if as_json:
        print_json(found)
        return
    for label, address in found.items():
        print(f"{label:<7} {address}")
    open_pages(list(found.values()))
