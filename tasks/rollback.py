"""A rollback: the task of the flow, and its page."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.notices.notice import ROLLED_BACK
from tasks.pages.run_pages import publish
from tasks.promotion.champions import describe_rollback, roll_back
from tasks.promotion.ledger import Line
from tasks.registry.mlflow_client import version_link
from tasks.task_states import completed, outcome


@task(task_run_name="restore-{model}", cache_policy=NO_CACHE)
def restore(model: str, version: str, why: str) -> Line:
    """Make an earlier version champion again, and show it on the run page."""
    line = roll_back(model, version, why)
    link = version_link(model, line.champion)
    summary = describe_rollback(model, line)
    text = f"# {model}, version {line.champion}\n\n**{summary}**\n\n[in MLflow]({link})"
    publish("rollback", model, text, summary)
    return line


def rolled_back(line: Line) -> Line:
    """End a rollback with a state that has its name, and the champion as its message."""
    made: Line = outcome(line)
    return completed(made, ROLLED_BACK, f"version {made.champion} is champion now ({made.why})")
