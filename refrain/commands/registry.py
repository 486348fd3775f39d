"""Commands about registered models: ``refrain history``, ``rollback`` and ``replay``.

Heavy imports stand inside the commands, so that ``refrain --help`` answers at
once. What is typed needs no engine: whoever goes back is in a hurry, and a
replay is watched here. The deployments ``rollback`` and ``replay`` do the same
in the dashboard.
"""

from typing import Annotated

import typer

from refrain.commands.data import FEW_TRIES
from refrain.environment import prepare
from refrain.errors import plain_errors
from refrain.options import Catalog, Json, joined, print_json

app = typer.Typer()
DIFFERS = 3  # exit status of a replay whose weights are others: 1 is an error, 2 a wrong option
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name of a registered model (refrain models).")
]


@app.command()
def history(model: Model, as_json: Json = False) -> None:
    """Show who was champion of a model when and why, and where MLflow says otherwise.

    A line for every decision: a version that was promoted, one that was not,
    a rollback, an alias that was set by hand.
    """
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from tasks.promotion.drift import history as read_history

        found = read_history(model)
    if as_json:
        print_json(found)
        return
    from refrain.tables import show_history

    show_history(found)


@app.command()
def rollback(
    model: Model,
    version: Annotated[
        str | None,
        typer.Option("--to", metavar="VERSION", help="This version, not the previous champion."),
    ] = None,
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="What is wrong, for the ledger.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Put the previous champion of a model back, and write that down.

    The version that goes is not promoted again by a retraining, only by hand:
    `refrain rollback MODEL --to VERSION`.

    **Examples**

        refrain rollback rotten_tomatoes --why "calls every irony praise"

        refrain rollback rotten_tomatoes --to 3
    """
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from dataclasses import asdict

        from tasks.promotion.champions import roll_back, told

        line = roll_back(model, version, why)
    print_json(asdict(line)) if as_json else print(told(model, line))


@app.command()
def replay(
    model: Model,
    version: Annotated[
        str, typer.Argument(metavar="[VERSION]", help="Its number, or an alias such as previous.")
    ] = "champion",
    catalog: Catalog = None,
    as_json: Json = False,
) -> None:
    """Train a version again, and say whether its weights are the same to the last bit.

    Rows, settings and seed are the version's own. Where weights differ: how
    many, how far, in which tensor, and what is another now than when it was
    trained (libraries, code, processor, threads, device). The version stays as
    it is, and nothing is registered or promoted. What is stopped begins anew.

    The exit status is 0 if all weights are the same, 3 if any differs, 1 if it
    could not be trained again.

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
