"""The command line: ``refrain run``, ``models``, ``up``, and the commands of ``refrain/commands``.

Heavy imports are inside the commands, so that ``refrain --help`` answers at once.
"""

import io
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from refrain.commands import (
    data,
    decisions,
    monitoring,
    operations,
    predict,
    project,
    registry,
    serving,
    training,
)
from refrain.commands import notices as notice_commands
from refrain.commands.project import project_datasets
from refrain.completion import dataset_names
from refrain.environment import own_process, prepare
from refrain.errors import fail, plain_errors
from refrain.garbage_collection import collect_rarely
from refrain.interruption import disarm, exit_status, stop_watching, was_interrupted, watch_signals
from refrain.main_job import main_job
from refrain.options import (
    Assignments,
    Catalog,
    Json,
    Limit,
    Notices,
    RequireChampion,
    changed,
    check_names,
    joined,
    print_json,
)

NO_CHAMPION = 4  # exit status

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""Scheduled retraining of recurrent networks: from raw rows to a champion.

    All data is in one folder: REFRAIN_HOME, or `.refrain` in the project.
    """,
)
Datasets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DATASET]...",
        help="Names from the catalog; none for the main job.",
        autocompletion=dataset_names,
    ),
]
Snapshot = Annotated[
    str | None,
    typer.Option(
        metavar="DIGEST", help="Retrain on an earlier snapshot (refrain snapshots DATASET)."
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="DATE", help="Retrain on the newest snapshot at the end of a day (UTC)."
    ),
]
Accept = Annotated[
    bool,
    typer.Option(
        "--accept",
        help="Accept a source that changed by more than its limits, once (refrain check DATASET).",
    ),
]
ListSettings = Annotated[
    bool,
    typer.Option("--settings", help="List all settings, or those of DATASET; retrain nothing."),
]

app.add_typer(project.app)
app.add_typer(data.app)
app.add_typer(training.app)
app.add_typer(predict.app)
app.add_typer(registry.app)
app.add_typer(decisions.app)
app.add_typer(serving.app)
app.add_typer(operations.app)
app.add_typer(monitoring.app)
app.add_typer(notice_commands.app)


@app.command()
def run(
    datasets: Datasets = None,
    assignments: Assignments = None,
    limit: Limit = None,
    catalog: Catalog = None,
    snapshot: Snapshot = None,
    as_of: AsOf = None,
    accept: Accept = False,
    as_json: Json = False,
    require_champion: RequireChampion = False,
    notices: Notices = False,
    settings: ListSettings = False,
) -> None:
    """Retrain datasets, one after the other: ingest, tokenize, train, evaluate, register, promote.

    In a project (see `refrain init`) it retrains all datasets of the project's catalog.
    Elsewhere, without a dataset, it does the main job: rotten_tomatoes (sentiment), msra
    (NER) and tatoeba_en_fr (translation), the last two on a limited number of
    training rows, so that all three take about ten minutes on two cores.

    A stage whose rows, settings and code are unchanged is not repeated, and an
    interrupted training resumes. Ctrl-C saves and ends.

    **Exit status**: 0 if each dataset ended with a decision, whatever it was;
    1 if one failed, after the others were retrained; 4 with
    `--require-champion` if a dataset has no champion; 130 after Ctrl-C.

    **Examples**

        refrain run rotten_tomatoes

        refrain run twitter_ner --set training.max_epochs=20 --set training.hidden_size=64

        refrain run my_reviews --catalog my.yaml --limit 10000
    """
    changes = changed(assignments, limit)
    with plain_errors():
        if settings:
            show_settings(datasets or [], changes, joined(catalog), as_json=as_json)
            return
        names = datasets or project_datasets()
        jobs: dict[str, dict[str, Any]] = {name: {} for name in names} or main_job()
        check_names(list(jobs), catalog)
        rows, failures = retrain_jobs(
            jobs, changes, joined(catalog), (snapshot, as_of), accept=accept, notices=notices
        )
    show_outcome(rows, failures, as_json=as_json)
    without = [row["dataset"] for row in rows if not row["champion"]]
    if require_champion and without:
        typer.secho(f"refrain: no champion at the end: {', '.join(without)}", err=True)
        raise SystemExit(NO_CHAMPION)


def retrain_jobs(
    jobs: Mapping[str, Mapping[str, Any]],
    changes: list[str],
    catalog: str | None,
    earlier: tuple[str | None, str | None],
    *,
    accept: bool,
    notices: bool = False,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Check the settings of all datasets, then retrain one after the other.

    Args:
        jobs: Datasets with their settings by stage.
        changes: Settings of the command line, as ``stage.name=value``.
        catalog: Further catalog files.
        earlier: Digest of the snapshot to train on, of a single dataset; or a date, of all.
        accept: Accept a source that changed by more than its limits.
        notices: Send notices, as runs of a deployment do.

    Returns:
        A row of results for each dataset that ended with a decision, and the
        message of each one that failed.
    """
    prepare(PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL")
    from tasks.ingestion.earlier_snapshots import earlier_snapshots
    from tasks.settings import parse_settings

    settings = {name: parse_settings(changes, values) for name, values in jobs.items()}
    snapshots = earlier_snapshots(list(jobs), *earlier)
    from refrain.retraining import retrain_all

    return retrain_all(settings, catalog, snapshots, accept=accept, notices=notices)


def show_outcome(rows: list[dict[str, Any]], failures: Mapping[str, str], *, as_json: bool) -> None:
    """Print the results, and end with an error if a dataset failed."""
    if as_json:
        print_json(rows)
    else:
        from refrain.tables import show_results

        show_results(rows)
    if failures:
        lines = [f"{len(failures)} of {len(rows) + len(failures)} datasets failed:"]
        lines += [f"  {name}: {message}" for name, message in failures.items()]
        fail("\n".join(lines))


def show_settings(
    datasets: list[str], assignments: list[str], catalog: str | None, *, as_json: bool
) -> None:
    """List all settings, or those of some datasets with their values and origins."""
    if not datasets:
        show_setting_names(as_json=as_json)
        return
    from dataclasses import asdict

    from tasks.dataset_settings import setting_rows
    from tasks.settings import parse_settings

    origins = {assignment.partition("=")[0]: "--set" for assignment in assignments}
    found = {
        name: setting_rows(name, parse_settings(assignments), catalog, origins) for name in datasets
    }
    if as_json:
        print_json({name: [asdict(row) for row in rows] for name, rows in found.items()})
        return
    from refrain.tables import show_setting_rows

    for name, rows in found.items():
        show_setting_rows(name, rows)


def show_setting_names(*, as_json: bool) -> None:
    """List all settings, each with its description."""
    from tasks.settings import setting_names

    names = setting_names()
    if as_json:
        print_json(names)
        return
    for name, about in names.items():
        print(f"{name:<28} {about}")


@app.command()
def models(as_json: Json = False) -> None:
    """List the registered models, their champions and scores."""
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=data.FEW_TRIES)
        from tasks.registry.registry_tables import stored_models

        found = stored_models()
        if found is None:
            from tasks.registry.version_lists import list_models

            found = list_models()
    if as_json:
        print_json(found)
        return
    from refrain.model_tables import show_models

    show_models(found)


@app.command()
def up(
    prefect_port: Annotated[int, typer.Option(help="Port of the Prefect dashboard.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow UI.")] = 5000,
) -> None:
    """Start the dashboards, a worker and the scheduled deployments; Ctrl-C stops all."""
    prepare()
    from refrain.up import serve

    with plain_errors():
        status = serve(prefect_port=prefect_port, mlflow_port=mlflow_port)
    raise SystemExit(status)


def main() -> None:
    """Run the command line; a closed pipe or Ctrl-C ends it without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character shows a replacement.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    collect_rarely()
    watch_signals()
    own_process()
    try:
        app()
    except SystemExit as ended:
        if was_interrupted():
            disarm()
            raise SystemExit(exit_status()) from None
        stop_watching(ended.code)
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
