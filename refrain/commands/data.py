"""Commands about rows: ``refrain datasets``, ``check``, ``snapshots``, ``forget`` and others.

Heavy imports are inside the commands, so that ``refrain --help`` answers at once.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from refrain.completion import dataset_names
from refrain.environment import prepare
from refrain.errors import fail, plain_errors
from refrain.options import Catalog, Json, Name, check_names, joined, print_json

app = typer.Typer()
FEW_TRIES = "2"  # instead of MLflow's seven, which take four minutes, while a person waits


@app.command()
def datasets(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATASET]",
            help="Show this dataset in detail.",
            autocompletion=dataset_names,
        ),
    ] = None,
    catalog: Catalog = None,
    as_json: Json = False,
) -> None:
    """List the datasets of the catalog, or show one in detail."""
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
    """Ingest a dataset as a retraining would, and report on its rows; train nothing.

    The report has rows, labels and entities, lengths, words that the training
    split lacks, duplicates, leaks, rejected rows with their reasons, and
    recommendations. The exit status is 1 if a retraining would stop here.
    """
    with plain_errors():
        check_names([name], catalog)
        prepare(PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL")
        from refrain.progress import show_progress
        from tasks.maintenance.snapshot_overview import check_dataset

        show_progress()
        checked = check_dataset(name, joined(catalog))
    if as_json:
        report = {
            "snapshot": checked.snapshot.digest,
            "is_new": checked.is_new,
            "fault": checked.fault,
            **checked.report,
        }
        print_json(report)
    else:
        from refrain.tables import show_page

        show_page(checked.page)
        print(f"With plots: {checked.path.as_uri()}")
    if checked.fault:
        fail(checked.fault)


@app.command()
def snapshots(name: Name, catalog: Catalog = None, as_json: Json = False) -> None:
    """List the snapshots of a dataset, and the model versions trained on each.

    `refrain run DATASET --snapshot DIGEST` retrains on an earlier one.
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
        list[str] | None,
        typer.Option("--text", metavar="TEXT", help="A text to remove; repeatable."),
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="KEY", help="The key of a row to remove; repeatable."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A file of texts, one per line.")
    ] = None,
    catalog: Catalog = None,
) -> None:
    """Add texts or keys to a dataset's removal list: later snapshots leave them out.

    A text is removed with all its copies, whatever their case and spacing. The
    list stores a hash of it only.
    """
    with plain_errors():
        check_names([name], catalog)
        prepare()
        from tasks.ingestion.catalog_entries import checked_entry
        from tasks.ingestion.removals import forget as add_to_list
        from tasks.ingestion.removals import holders, own_list
        from tasks.store.temporary import sweep_files

        named = [*(texts or []), *(_lines(file) if file else [])]
        if not named and not keys:
            raise ValueError("there is nothing to forget: give --text, --key or --file")
        entry = checked_entry(name, joined(catalog))
        new = add_to_list(entry, named, keys or [])
        sweep_files()  # a killed process may have left such a row in a temporary file
        old = holders(entry, named)
    print(f"{len(new)} new on the removal list {own_list(name)}")
    print(
        f"The next ingestion of {name} leaves them out: refrain check {name}, or refrain run {name}"
    )
    if old:
        print(
            "Snapshots that hold such a text until they are pruned (refrain prune): "
            + ", ".join(old)
        )
        print(f"Models that were trained on them: refrain snapshots {name}")
    elif named:
        print(
            "No snapshot in the store holds such a text. "
            "Only a whole text counts, in any case and spacing."
        )


def _lines(file: Path) -> list[str]:
    """Read the lines of a file that are not blank."""
    try:
        return [line for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file}: expected one text per line in UTF-8, "
            f"got {error.reason} at byte {error.start:,}"
        ) from None


@app.command()
def prune(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATASET]...",
            help="Only these datasets; all by default.",
            autocompletion=dataset_names,
        ),
    ] = None,
    days: Annotated[
        float,
        typer.Option(
            "--days", min=0, metavar="N", help="Keep everything written in the last N days."
        ),
    ] = 7.0,
    only_aliased: Annotated[
        bool,
        typer.Option(
            "--aliased",
            help="Keep the history of aliased versions only (champion, previous, challenger).",
        ),
    ] = False,
    is_sure: Annotated[bool, typer.Option("--yes", help="Remove without confirmation.")] = False,
    as_json: Json = False,
) -> None:
    """List what the store no longer needs, and remove it after a confirmation.

    The store keeps the newest snapshot of each dataset, with the partitions it
    grows from, and everything a registered version was made from. The versions
    themselves are in MLflow and stay.
    """
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from tasks.maintenance.prune import find_prunable
        from tasks.maintenance.prune import prune as remove

        find = partial(find_prunable, names or [], days=days, only_aliased=only_aliased)
        found = find()
        _show_prunable(found, as_json=as_json)
        if found and not is_sure and not as_json and _is_confirmed():
            # A version may have been registered in the meantime.
            still_prunable = find()
            found = [item for item in found if item in still_prunable]
            is_sure = True
        if found and is_sure:
            freed = remove(found) / 1e6
            stream = sys.stderr if as_json else sys.stdout
            print(f"removed {len(found)} folders, {freed:,.1f} MB", file=stream)
        elif found and not as_json:
            print("Nothing was removed; --yes removes them.")


@app.command()
def verify(
    is_setting_aside: Annotated[
        bool,
        typer.Option(
            "--set-aside",
            help="Move what is damaged to the folder damaged of the store, and go on without it.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare all files of the store with the sizes and digests that were recorded.

    It reads artifacts, snapshot logs, removal lists, ledgers and the files of
    registered versions. The exit status is 1 if one is damaged.
    """
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from refrain.progress_line import ProgressLine
        from tasks.maintenance.verify import find_damages, set_damages_aside

        with ProgressLine() as line:
            found = find_damages(partial(line.advance, "verifying"))
        moved = set_damages_aside(found) if is_setting_aside else []
    if as_json:
        print_json([{"path": str(item.path), "fault": item.fault} for item in found])
    else:
        for item in found:
            print(f"{item.fault}{f' ({item.remedy})' if item.remedy else ''}")
        print(f"{len(found)} damaged, {len(moved)} set aside" if found else "Nothing is damaged")
    if len(found) > len(moved):
        raise SystemExit(1)


def _show_prunable(found: Sequence[Any], *, as_json: bool) -> None:
    """Print the folders that can be removed, each with the reason and its size."""
    if as_json:
        print_json(
            [{"path": str(item.path), "why": item.why, "bytes": item.num_bytes} for item in found]
        )
        return
    from refrain.tables import show_prunable

    show_prunable(found)


def _is_confirmed() -> bool:
    """Ask for a confirmation, if there is a terminal to ask in."""
    return sys.stdin.isatty() and typer.confirm("Remove them?")
