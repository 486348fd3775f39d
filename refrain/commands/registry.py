"""Commands about registered models: ``refrain history``, ``cost``, ``rollback``, ``replay``.

Heavy imports are inside the commands, so that ``refrain --help`` answers at
once. These commands need no engine: a rollback is urgent, and a replay is
followed in this terminal. The deployments ``rollback`` and ``replay`` do the
same in the dashboard.
"""

from typing import Annotated

import typer

from refrain.commands.data import FEW_TRIES
from refrain.completion import model_names
from refrain.environment import prepare
from refrain.errors import plain_errors
from refrain.options import Catalog, Json, joined, print_json

app = typer.Typer()
DIFFERS = 3  # exit status of a replay whose weights differ: 1 is an error, 2 a wrong option
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Name of a registered model (refrain models).",
        autocompletion=model_names,
    ),
]


@app.command()
def history(model: Model, as_json: Json = False) -> None:
    """List the champions of a model with dates and reasons, and any difference from MLflow.

    Each decision has a line: a promoted version, one that was not promoted, a
    rollback, an alias set by hand.
    """
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from tasks.promotion.drift import history as read_history

        found = read_history(model)
    if as_json:
        print_json(found)
        return
    from refrain.model_tables import show_history

    show_history(found)


@app.command()
def cost(model: Model, as_json: Json = False) -> None:
    """List the minutes of training of each decision, and the cost of each point gained.

    A point is one of the metric that decides, in favor of the new champion. A
    first champion replaces none and gains no points.
    """
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from tasks.promotion.cost import cost_of

        found = cost_of(model)
    if as_json:
        print_json(found)
        return
    from refrain.model_tables import show_cost

    show_cost(found)


@app.command()
def rollback(
    model: Model,
    version: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="VERSION", help="Version to restore instead of the previous champion."
        ),
    ] = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Reason, for the ledger.")] = "",
    as_json: Json = False,
) -> None:
    """Restore the previous champion of a model, and record the reason.

    A retraining never promotes the withdrawn version again; only a person can:
    `refrain rollback MODEL --to VERSION`.

    **Examples**

        refrain rollback rotten_tomatoes --why "reads irony as praise"

        refrain rollback rotten_tomatoes --to 3
    """
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from dataclasses import asdict

        from tasks.promotion.champions import describe_rollback, roll_back

        line = roll_back(model, version, why)
    print_json(asdict(line)) if as_json else print(describe_rollback(model, line))


@app.command()
def replay(
    model: Model,
    version: Annotated[
        str,
        typer.Argument(metavar="[VERSION]", help="A version number, or an alias such as previous."),
    ] = "champion",
    catalog: Catalog = None,
    as_json: Json = False,
) -> None:
    """Train a version again, and compare the weights bit by bit.

    Rows, settings and seed are those of the version. If weights differ, the
    report says how many, by how much, in which tensors, and what changed since
    the version was trained (libraries, code, processor, threads, device). The
    version is unchanged, and nothing is registered or promoted. An interrupted
    replay starts from the beginning.

    The exit status is 0 if all weights are identical, 3 if any differs, 1 if
    the version cannot be trained again.

    **Examples**

        refrain replay rotten_tomatoes

        refrain replay msra 3
    """
    with plain_errors():
        prepare(
            MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES,
            PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL",
        )
        from dataclasses import asdict

        from refrain.progress import show_progress
        from tasks.pages.replay import replay_text
        from tasks.replay import train_again
        from tasks.task_states import directly

        show_progress()
        made = directly(train_again, model, version, joined(catalog))
    if as_json:
        print_json(asdict(made))
    else:
        from refrain.tables import show_page

        show_page(replay_text(made))
    if not made.is_identical:
        raise SystemExit(DIFFERS)
