"""The previous champion comes back: the task of the flow, and its page."""

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext

from tasks.champions import roll_back, told
from tasks.ledger import Line
from tasks.registry import version_link


@task(task_run_name="restore-{model}", cache_policy=NO_CACHE)
def restore(model: str, version: str | None, why: str) -> Line:
    """Make an earlier version champion again, and show it on the run page."""
    line = roll_back(model, version, why)
    if TaskRunContext.get():  # outside of a flow run there is no page
        text = (
            f"# {model}, version {line.champion}\n\n**{told(model, line)}**\n\n[in MLflow]({version_link(model, line.champion)})"
        )
        create_markdown_artifact(text, key=f"rollback-{model.replace('_', '-').lower()}", description=told(model, line))
    return line
