"""The command line: ``refrain run``, ``models``, ``up``, and what the modules of commands add.

Heavy imports stand inside the commands, so that ``refrain --help`` answers at once.
"""

import io
import os
import sys
from typing import Annotated, Any

import typer

from refrain.commands import data, predict, project, registry, training
from refrain.commands.project import project_datasets
from refrain.environment import prepare
from refrain.errors import fail, plain_errors
from refrain.interruption import disarm, exit_status, stop_watching, was_interrupted, watch_signals
from refrain.options import (
    Assignments,
    Catalog,
    Json,
    Limit,
    changed,
    check_names,
    joined,
    print_json,
)

# What `refrain run` does without a dataset: three problems in about ten minutes on two cores.
MAIN_JOB: dict[str, dict[str, dict[str, Any]]] = {
    "rotten_tomatoes": {},
    "msra": {
        "tokens": {"limit": 23_000},
        "training": {"max_epochs": 2, "embedding_size": 100, "hidden_size": 100},
    },
    "tatoeba_en_fr": {
        "tokens": {"limit": 90_000, "vocabulary_size": 4_000},
        "training": {
            "max_epochs": 2,
            "embedding_size": 128,
            "hidden_size": 192,
            "batch_size": 32,  # with 64, attention began late for some seeds: one had 27.0 BLEU where it has 33.5 now
            "dropout": 0.05,
            "learning_rate": 4e-3,
        },
    },
}

NO_CHAMPION = 4  # exit status

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""Scheduled retraining of recurrent networks: from raw rows to a champion.

    Everything lies in one folder: REFRAIN_HOME, or `.refrain` in the repository.
    """,
)
Datasets = Annotated[
    list[str] | None,
    typer.Argument(metavar="[DATASET]...", help="Names from the catalog; none for the main job."),
]

app.add_typer(project.app)
app.add_typer(data.app)
app.add_typer(training.app)
app.add_typer(predict.app)
app.add_typer(registry.app)


@app.command()
def run(
    datasets: Datasets = None,
    assignments: Assignments = None,
    limit: Limit = None,
    catalog: Catalog = None,
    snapshot: Annotated[
        str | None,
        typer.Option(
            metavar="DIGEST", help="Retrain on an earlier snapshot (refrain snapshots DATASET)."
        ),
    ] = None,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Take a source that changed by more than its limits, once (refrain check DATASET).",
        ),
    ] = False,
    as_json: Json = False,
    require_champion: Annotated[
        bool,
        typer.Option(
            "--require-champion", help="End with status 4 if a dataset has no champion at the end."
        ),
    ] = False,
    settings: Annotated[
        bool,
        typer.Option("--settings", help="List all settings, or those of DATASET; retrain nothing."),
    ] = False,
) -> None:
    """Retrain datasets, one after the other: ingest, tokenize, train, evaluate, register, promote.

    In a project (see `refrain init`) it retrains all datasets of the project's catalog.
    Elsewhere, without a dataset, it does the main job: rotten_tomatoes (sentiment), msra
    (NER) and tatoeba_en_fr (translation), the last two on a limited number of
    training rows, so that all three take about ten minutes on two cores.

    What was done before from the same rows, settings and code is not done
    again, and what was killed goes on where it was. Ctrl-C saves and ends.

    **Exit status**: 0 if each dataset ended with a decision, whatever it was;
    1 if one failed, after the others were retrained; 4 with
    `--require-champion` if a dataset has no champion; 130 after Ctrl-C.

    **Examples**

        refrain run rotten_tomatoes

        refrain run twitter_ner --set training.max_epochs=20 --set training.hidden_size=64

        refrain run my_reviews --catalog my.yaml --limit 10000
    """
    if settings:
        with plain_errors():
            show_settings(
                datasets or [], changed(assignments, limit), joined(catalog), as_json=as_json
            )
        return
    with plain_errors():
        own = [] if datasets else project_datasets()
        names = datasets or own or list(MAIN_JOB)
        check_names(names, catalog)
        if snapshot and len(names) != 1:
            raise ValueError(
                f"--snapshot belongs to one dataset, got {len(names)}: {', '.join(names)}"
            )
        prepare(PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL")
        from tasks.settings import parse_settings

        chosen = {
            name: parse_settings(
                changed(assignments, limit), {} if datasets or own else MAIN_JOB[name]
            )
            for name in names
        }
        if snapshot:
            from tasks.ingestion.snapshot_log import History

            History.of(names[0]).find(snapshot)
        from refrain.retraining import retrain_all

        rows, failures = retrain_all(chosen, joined(catalog), snapshot, accept=accept)
    if as_json:
        print_json(rows)
    else:
        from refrain.tables import show_results

        show_results(rows)
    if failures:
        fail(
            "\n".join(
                [
                    f"{len(failures)} of {len(names)} datasets failed:",
                    *(f"  {n}: {m}" for n, m in failures.items()),
                ]
            )
        )
    if require_champion and (without := [row["dataset"] for row in rows if not row["champion"]]):
        typer.secho(f"refrain: no champion at the end: {', '.join(without)}", err=True)
        raise SystemExit(NO_CHAMPION)


def show_settings(
    datasets: list[str], assignments: list[str], catalog: str | None, *, as_json: bool
) -> None:
    """List all settings, or those of datasets with their values and where each comes from."""
    from dataclasses import asdict

    from tasks.dataset_settings import setting_rows
    from tasks.settings import parse_settings, setting_names

    if not datasets:
        names = setting_names()
        print_json(names) if as_json else print(
            "\n".join(f"{name:<28} {about}" for name, about in names.items())
        )
        return
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


@app.command()
def models(as_json: Json = False) -> None:
    """List the registered models, their champions and scores."""
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=data.FEW_TRIES)
        from refrain.tables import show_models
        from tasks.registry.versions import list_models

        found = list_models()
    if as_json:
        print_json(found)
        return
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
    for stream in (
        sys.stdout,
        sys.stderr,
    ):  # a screen that lacks a character shows another one in its place
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    watch_signals()
    try:
        app()
    except SystemExit:
        if was_interrupted():
            disarm()
            raise SystemExit(exit_status()) from None
        stop_watching()
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
