"""Pages of a Prefect flow run: one function publishes them, under valid keys for any name."""

import hashlib
import re

from prefect.artifacts import create_markdown_artifact
from prefect.context import TaskRunContext


def is_in_run() -> bool:
    """Tell whether a task of a flow run calls, which has a page to show something on."""
    return TaskRunContext.get() is not None


def publish(kind: str, name: str, text: str, description: str) -> None:
    """Show a page of Markdown on the run page; do nothing outside of a flow run.

    Args:
        kind: Kind of page, such as ``promotion``.
        name: The dataset or model.
        text: Markdown.
        description: One line for lists.
    """
    if is_in_run():
        create_markdown_artifact(text, key=artifact_key(kind, name), description=description)


def artifact_key(kind: str, name: str) -> str:
    """Return the key of a page: lower-case letters, digits and dashes, unique for each name.

    Example:
        >>> artifact_key("data", "rotten_tomatoes")
        'data-rotten-tomatoes'
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    is_plain = re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name) is not None
    return (
        f"{kind}-{plain}"
        if is_plain
        else f"{kind}-{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    )
