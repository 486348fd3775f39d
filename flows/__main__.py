"""The command line: ``refrain run``, ``models``, ``up``, and what the modules of commands add.

Heavy imports stand inside the commands, so that ``refrain --help`` answers at once.
"""

import os
import sys
import time
from typing import Annotated, Any

import typer

from flows import data_commands, model_commands, predict_commands, registry_commands
from flows.environment import home, prepare
from flows.errors import plain_errors
from flows.options import Assignments, Catalog, Json, Limit, changed, joined, print_json

# What `refrain run` does without a dataset: three problems in about ten minutes on two cores.
MAIN_JOB: dict[str, dict[str, dict[str, Any]]] = {
    "rotten_tomatoes": {},
    "msra": {"tokens": {"limit": 23_000}, "training": {"max_epochs": 2, "embedding_size": 100, "hidden_size": 100}},
    "tatoeba_en_fr": {
        "tokens": {"limit": 90_000, "vocabulary_size": 4_000},  # 70,000 rows had 28.9 BLEU, 100,000 had 33.0
        "training": {
            "max_epochs": 2,
            "embedding_size": 128,
            "hidden_size": 192,
            "batch_size": 64,
            "dropout": 0.05,
            "learning_rate": 5e-3,
        },
    },
}

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
    list[str] | None, typer.Argument(metavar="[DATASET]...", help="Names from the catalog; none for the main job.")
]

app.add_typer(data_commands.app)
app.add_typer(model_commands.app)
app.add_typer(predict_commands.app)
app.add_typer(registry_commands.app)


@app.command()
def run(
    datasets: Datasets = None,
    assignments: Assignments = None,
    limit: Limit = None,
    catalog: Catalog = None,
    snapshot: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Retrain on an earlier snapshot (refrain snapshots DATASET).")
    ] = None,
    as_json: Json = False,
    settings: Annotated[bool, typer.Option("--settings", help="List all settings, and do nothing.")] = False,
) -> None:
    """Retrain datasets, one after the other: ingest, tokenize, train, evaluate, register, promote.

    Without a dataset it does the main job: rotten_tomatoes (sentiment), msra
    (NER) and tatoeba_en_fr (translation), the last two on a limited number of
    training rows, so that all three take about ten minutes on two cores.

    What was done before from the same rows, settings and code is not done
    again, and what was killed goes on where it was.

    **Examples**

        refrain run rotten_tomatoes

        refrain run twitter_ner --set training.max_epochs=20 --set training.hidden_size=64

        refrain run my_reviews --catalog my.yaml --limit 10000
    """  # fmt: skip
    if settings:
        _show_settings()
        return
    names = datasets or list(MAIN_JOB)
    with plain_errors():
        prepare(PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL")
        from tasks.listing import check_datasets
        from tasks.settings import parse_settings

        if snapshot and len(names) != 1:
            raise ValueError(f"--snapshot belongs to one dataset, got {len(names)}: {', '.join(names)}")
        check_datasets(names, joined(catalog))  # what is misspelt is said before anything starts
        if snapshot:
            from tasks.history import History

            History.of(names[0]).find(snapshot)
        chosen = {name: parse_settings(changed(assignments, limit), {} if datasets else MAIN_JOB[name]) for name in names}
        rows = _retrain_all(chosen, joined(catalog), snapshot)
        if as_json:
            print_json(rows)
        else:
            from flows.console import show_results

            show_results(rows)


def _retrain_all(chosen: dict[str, Any], catalog: str | None, snapshot: str | None) -> list[dict[str, Any]]:
    print(f"Everything lies in {home()}. Starting the engine, which takes some 20 seconds ...", file=sys.stderr)
    from flows.progress import show_progress
    from flows.retrain import retrain
    from tasks.report import summary
    from tasks.states import outcome

    show_progress()
    rows = []
    for name, settings in chosen.items():
        started = time.monotonic()
        promotion = outcome(retrain(name, settings, catalog, snapshot))
        rows.append(summary(promotion) | {"minutes": (time.monotonic() - started) / 60})
    return rows


def _show_settings() -> None:
    from tasks.settings import setting_names

    for name, about in setting_names().items():
        print(f"{name:<28} {about}")


@app.command()
def models(as_json: Json = False) -> None:
    """List the registered models, their champions and scores."""
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=data_commands.FEW_TRIES)
        from flows.console import show_models
        from tasks.versions import list_models

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
    from flows.up import serve

    with plain_errors():
        serve(prefect_port=prefect_port, mlflow_port=mlflow_port)


def main() -> None:
    """Run the command line; a closed pipe or Ctrl-C ends it without a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        print("\nrefrain: stopped; start the same command again to go on", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
