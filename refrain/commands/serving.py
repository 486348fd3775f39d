"""The command ``refrain serve``: a registered model over HTTP."""

import os
import sys
from typing import Annotated

import typer

from refrain.commands.data import FEW_TRIES
from refrain.completion import model_names
from refrain.environment import prepare
from refrain.errors import plain_errors

app = typer.Typer()
Host = Annotated[
    str, typer.Option(help="Address to listen on. Others than 127.0.0.1 have no password.")
]
LogFolder = Annotated[
    str,
    typer.Option(
        metavar="FOLDER",
        help="Write texts and answers there, as Parquet for refrain monitor; else nothing is.",
    ),
]
LogSize = Annotated[
    float, typer.Option(min=0.001, help="GB that the log may take; its oldest parts go.")
]


@app.command()
def serve(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="NAME (its champion), NAME@ALIAS or NAME/VERSION.",
            autocompletion=model_names,
        ),
    ],
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5001,
    host: Host = "127.0.0.1",
    megabytes: Annotated[float, typer.Option(min=0.001, help="The largest request, in MB.")] = 1.0,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="The longest that a request may take.")
    ] = 30.0,
    memory: Annotated[
        float, typer.Option(min=0.5, help="GB that requests may take beside the model.")
    ] = 4.0,
    log: LogFolder = "",
    log_gb: LogSize = 1.0,
) -> None:
    """Serve a registered model over HTTP, as MLflow does, with limits; Ctrl-C stops it.

    A request is JSON, nested at most 20 deep, or CSV. One that is too large, takes too long or too
    much memory gets a status of 400 to 499 and one sentence.
    """
    with plain_errors():
        prepare(MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES)
        from refrain.services import check_port
        from tasks.registry.mlflow_client import tracking_uri
        from tasks.registry.registered_model import find_model
        from tasks.store.installation import PACKAGE

        name, number = find_model(model)
        check_port(port, f"the model {name}", "--port")
        logged = log_settings(name, number, log, log_gb) if log else {}
        chosen = {
            "MLFLOW_TRACKING_URI": tracking_uri(),
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            # Its own limit would answer with status 504.
            "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": "86400",
            "REFRAIN_SERVED_MODEL": f"models:/{name}/{number}",
            "REFRAIN_REQUEST_MB": f"{megabytes:g}",
            "REFRAIN_REQUEST_SECONDS": f"{seconds:g}",
            "REFRAIN_REQUEST_MEMORY_GB": f"{memory:g}",
            # glibc gives the memory of large tensors back as soon as they are freed.
            "MALLOC_MMAP_THRESHOLD_": "1048576",
            "MALLOC_TRIM_THRESHOLD_": "1048576",
            "PYTHONSAFEPATH": "1",
        }
    print(f"{name} version {number}: http://{host}:{port}/invocations; Ctrl-C stops it", flush=True)
    app_name = f"{PACKAGE}tasks.serving.model_server:create_app"
    command = ["-m", "uvicorn", "--factory", app_name, "--host", host, "--port", str(port)]
    words = [sys.executable, *command, "--log-level", "warning"]
    os.execve(sys.executable, words, os.environ | chosen | logged)


def log_settings(name: str, number: str, folder: str, num_gigabytes: float) -> dict[str, str]:
    """Claim the folder of the prediction log; the variables that the server reads."""
    from tasks.registry.versions import PROBLEM, check_complete
    from tasks.serving.prediction_log import claim

    return {
        "REFRAIN_SERVED_PROBLEM": check_complete(name, number).tags[PROBLEM],
        "REFRAIN_SERVED_LOG": str(claim(folder, name)),
        "REFRAIN_SERVED_LOG_GB": f"{num_gigabytes:g}",
    }
