"""The lineage of a version: flow run, commit, libraries and the artifacts it was made from."""

import getpass
import json
import os
import platform
import re
import socket
import subprocess
from importlib.metadata import version

from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from tasks.store.artifacts import Checkpoint, TokenSet
from tasks.store.code import code_digest, digest, training_modules
from tasks.store.installation import ROOT

FLOW_RUN_URL = "refrain.flow_run_url"  # a tag of runs and versions
DASHBOARD = "http://127.0.0.1:4200"  # where `refrain up` starts it, for a flow run without a server
LIBRARIES = (
    "torch",
    "numpy",
    "tokenizers",
    "safetensors",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "mlflow",
    "prefect",
)


def flow_run_now() -> tuple[str, str]:
    """Return the id of the current flow run and its dashboard page; both empty outside of one.

    The dashboard's address comes from ``PREFECT_UI_URL``, else from
    ``PREFECT_API_URL``, without a password.
    """
    run_id = str(flow_run.id or "")
    url = url_for("flow-run", run_id, default_base_url=DASHBOARD) if run_id else ""
    return run_id, re.sub(r"//[^/@]*@", "//", url or "")


def parent_flow_run() -> str:
    """Return the id of the flow run that started the current one; empty if none did."""
    context = FlowRunContext.get()
    now = context.flow_run if context else None
    # Only then: Prefect asks the server for it.
    return str(flow_run.parent_flow_run_id or "") if now and now.parent_task_run_id else ""


def person() -> str:
    """Return the user and the machine."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def git_commit() -> str:
    """Return the code's commit, with ``-dirty`` if files differ; empty without a repository."""
    where = _git("rev-parse", "--show-toplevel")
    return (
        _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
        if where == str(ROOT)
        else ""
    )


def _git(*words: str) -> str:
    try:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except OSError:  # no git on this machine
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def libraries() -> dict[str, str]:
    """Return the versions of Python and of the libraries that can change a number."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def training_digest(problem: str) -> str:
    """Digest the code that a training of a problem runs, without libraries."""
    return code_digest(*training_modules(problem))


def lineage_tags(checkpoint: Checkpoint, tokens: TokenSet, code: str) -> dict[str, str]:
    """Make the tags of a version's lineage, without unknown ones.

    Args:
        checkpoint: The version's checkpoint.
        tokens: The token set of the training.
        code: Name of the package that the version runs.
    """
    run_id, url = flow_run_now()
    tags = {
        "refrain.flow_run": run_id,
        FLOW_RUN_URL: url,
        "refrain.snapshot": tokens.snapshot,
        "refrain.tokens": tokens.digest,
        "refrain.checkpoint": checkpoint.digest,
        "refrain.settings": digest(tokens.settings, checkpoint.settings),
        "refrain.seed": str(checkpoint.settings.get("seed", "")),
        "refrain.code": code,
        "refrain.training_code": training_digest(checkpoint.problem),
        "refrain.machine": json.dumps(checkpoint.machine) if checkpoint.machine else "",
        "refrain.git_commit": git_commit(),
        "refrain.libraries": json.dumps(libraries()),
    }
    return {name: value for name, value in tags.items() if value}
