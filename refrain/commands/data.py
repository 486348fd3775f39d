"""Commands about rows: ``refrain datasets``, ``check``, ``snapshots``, ``forget``, ``prune``.

Heavy imports stand inside the commands, so that ``refrain --help`` answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from refrain.environment import prepare
from refrain.errors import fail, plain_errors
from refrain.options import Catalog, Json, Name, check_names, joined, print_json

app = typer.Typer()
FEW_TRIES = "2"  # of MLflow's seven, which take four minutes, while a person waits


@app.command()
def datasets(
    name: Annotated[
        str | None, typer.Argument(metavar="[DATASET]", help="Show all of this one.")
    ] = None,
    catalog: Catalog = None,
    as_json: Json = False,
) -> None:
    """List the datasets of the catalog, or show all of one."""
    from tasks.ingestion.dataset_list import describe_dataset, list_datasets

    with plain_errors():
        found = describe_dataset(name, joined(catalog)) if name else list_datasets(joined(catalog))
    if as_json:
        print_json(found)
        return
    from refrain.tables import show_dataset, show_datasets

    show_dataset(found) if isinstance(found, dict) else show_datasets(found)


@app.command()
def check(name: Name, catalog: Catalog = None, as_json: Json = False) -> None:
    """Read a dataset, as a retraining would, and say what is in it, without training.

    Rows, labels and entities, lengths, words unknown to train, copies, leaks,
    refused rows with reasons, and what to do. The exit status is 1 if a
    retraining would stop here.
    """
    with plain_errors():
        check_names([name], catalog)
        prepare(PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL")
        from refrain.progress import show_progress
        from tasks.maintenance.snapshot_overview import check_dataset

        show_progress()
        checked = check_dataset(name, joined(catalog))
    if as_json:
        told = {
            "snapshot": checked.snapshot.digest,
            "is_new": checked.is_new,
            "fault": checked.fault,
            **checked.report,
        }
        print_json(told)
    else:
        from refrain.tables import show_page

        show_page(checked.page)
        print(f"With plots: {checked.path.as_uri()}")
    if checked.fault:
        fail(checked.fault)


@app.command()
def snapshots(name: Name, catalog: Catalog = None, as_json: Json = False) -> None:
    """Show how a dataset grew, and which model versions were trained on what.

    `refrain run DATASET --snapshot DIGEST` retrains on an old one.
    """
    with plain_errors():
        check_names([name], catalog)
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from tasks.maintenance.snapshot_overview import list_snapshots

        found = list_snapshots(name)
    if as_json:
        print_json(found)
        return
    from refrain.tables import show_snapshots

    show_snapshots(name, found)


@app.command()
def forget(
    name: Name,
    texts: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="A text; may be repeated.")
    ] = None,
    keys: Annotated[
        list[str] | None, typer.Option("--key", metavar="KEY", help="A row's key; may be repeated.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A file of texts, one a line.")
    ] = None,
    catalog: Catalog = None,
) -> None:
    """Put texts or keys on a dataset's removal list: no later snapshot holds them.

    A text goes with all its copies, whatever their case and spacing, and is
    kept as a hash only.
    """
    with plain_errors():
        check_names([name], catalog)
        prepare()
        from tasks.ingestion.catalog_entries import checked_entry
        from tasks.ingestion.removals import forget as put_on_list
        from tasks.ingestion.removals import holders, own_list

        named = [*(texts or []), *(_lines(file) if file else [])]
        if not named and not keys:
            raise ValueError("nothing to forget was named: give --text, --key or --file")
        entry = checked_entry(name, joined(catalog))
        new = put_on_list(entry, named, keys or [])
        old = holders(entry, named)
    print(f"{len(new)} new on the removal list {own_list(name)}")
    print(
        f"The next ingestion of {name} leaves them out: refrain check {name}, or refrain run {name}"
    )
    if old:
        print(
            f"Snapshots that hold such a text until they are pruned (refrain prune): {', '.join(old)}"
        )
        print(f"Which models were trained on them: refrain snapshots {name}")
    elif named:
        print(
            "No snapshot in the store holds such a text. Only a whole text counts, in any case and spacing."
        )


def _lines(file: Path) -> list[str]:
    """The lines of a file that say something."""
    try:
        return [line for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file}: expected a text a line in UTF-8, got {error.reason} at byte {error.start:,}"
        ) from None


@app.command()
def prune(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DATASET]...", help="Only of these; none for all."),
    ] = None,
    days: Annotated[
        float,
        typer.Option(
            "--days", min=0, metavar="N", help="Keep what was written to in the last N days."
        ),
    ] = 7.0,
    only_aliased: Annotated[
        bool,
        typer.Option(
            "--aliased",
            help="Keep the past of versions with an alias only (champion, previous, challenger).",
        ),
    ] = False,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove from the store what nothing needs, and show it first.

    Needed is the newest snapshot of each dataset, with what it grows from, and
    all that any registered version was made of. Versions themselves are
    MLflow's and stay.
    """
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from tasks.maintenance.prune import find_prunable
        from tasks.maintenance.prune import prune as remove

        found = find_prunable(names or [], days=days, only_aliased=only_aliased)
        if as_json:
            listed = [
                {"path": str(item.path), "why": item.why, "bytes": item.num_bytes} for item in found
            ]
            print_json(listed)
        else:
            from refrain.tables import show_prunable

            show_prunable(found)
        if (
            found
            and not is_sure
            and not as_json
            and sys.stdin.isatty()
            and typer.confirm("Remove them?")
        ):
            again = find_prunable(
                names or [], days=days, only_aliased=only_aliased
            )  # a model may have come while you thought
            found, is_sure = [item for item in found if item in again], True
        if found and is_sure:
            print(
                f"removed {len(found)} folders, {remove(found) / 1e6:,.1f} MB",
                file=sys.stderr if as_json else sys.stdout,
            )
        elif found and not as_json:
            print("Nothing was removed; --yes removes them.")
