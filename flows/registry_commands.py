"""Commands about registered models: ``refrain history`` and ``refrain rollback``.

Heavy imports stand inside the commands, so that ``refrain --help`` answers at
once. A rollback that is typed needs no engine: whoever goes back is in a
hurry. The deployment ``rollback`` does the same in the dashboard.
"""

from typing import Annotated

import typer

from flows.data_commands import FEW_TRIES
from flows.environment import prepare
from flows.errors import plain_errors
from flows.options import Json, print_json

app = typer.Typer()
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Name of a registered model (refrain models).")]


@app.command()
def history(model: Model, as_json: Json = False) -> None:
    """Show who was champion of a model when and why, and where MLflow says otherwise.

    A line for every decision: a version that was promoted, one that was not,
    a rollback, an alias that was set by hand.
    """
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from tasks.champions import history as read_history

        found = read_history(model)
    if as_json:
        print_json(found)
        return
    from flows.console import show_history

    show_history(found)


@app.command()
def rollback(
    model: Model,
    version: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="This version, not the previous champion.")
    ] = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="What is wrong, for the ledger.")] = "",
    as_json: Json = False,
) -> None:
    """Put the previous champion of a model back, and write that down.

    The version that goes is not promoted again by a retraining, only by hand:
    `refrain rollback MODEL --to VERSION`.

    **Examples**

        refrain rollback rotten_tomatoes --why "calls every irony praise"

        refrain rollback rotten_tomatoes --to 3
    """  # fmt: skip
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from dataclasses import asdict

        from tasks.champions import roll_back, told

        line = roll_back(model, version, why)
    print_json(asdict(line)) if as_json else print(told(model, line))
