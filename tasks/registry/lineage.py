"""Where a version comes from: flow run, commit, libraries, and what it was made of; and the way there from the run page."""

import getpass
import json
import os
import platform
import re
import socket
import subprocess
from importlib.metadata import version

from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from tasks.store.artifacts import Checkpoint, TokenSet
from tasks.store.code import code_digest, digest, training_modules
from tasks.store.installation import ROOT

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
    """Id of the flow run at work and its page in the dashboard, both empty outside of one.

    The dashboard is where ``PREFECT_UI_URL`` says, else where
    ``PREFECT_API_URL`` does; a password in either is left out.
    """
    run_id = str(flow_run.id or "")
    url = url_for("flow-run", run_id, default_base_url=DASHBOARD) if run_id else ""
    return run_id, re.sub(r"//[^/@]*@", "//", url or "")


def person() -> str:
    """Who is at work on which machine."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def git_commit() -> str:
    """The commit of our code, ``-dirty`` behind it if files differ; empty if it was installed without its repository."""
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
    """Versions of Python and of what can move a number."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def training_digest(problem: str) -> str:
    """What names the code that a training of a problem runs, by itself: libraries are told apart."""
    return code_digest(*training_modules(problem))


def lineage_tags(checkpoint: Checkpoint, tokens: TokenSet, code: str) -> dict[str, str]:
    """What a version's tags say of where it comes from; without what is not known.

    Args:
        checkpoint: What it was made of.
        tokens: What that was trained on.
        code: Name of the package that it runs.
    """
    run_id, url = flow_run_now()
    told = {
        "refrain.flow_run": run_id,
        "refrain.flow_run_url": url,
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
    return {name: value for name, value in told.items() if value}
