"""A rollback: the task of the flow, and its page."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.pages.run_pages import publish
from tasks.promotion.champions import describe_rollback, roll_back
from tasks.promotion.ledger import Line
from tasks.registry.mlflow_client import version_link


@task(task_run_name="restore-{model}", cache_policy=NO_CACHE)
def restore(model: str, version: str, why: str) -> Line:
    """Make an earlier version champion again, and show it on the run page."""
    line = roll_back(model, version, why)
    link = version_link(model, line.champion)
    summary = describe_rollback(model, line)
    text = f"# {model}, version {line.champion}\n\n**{summary}**\n\n[in MLflow]({link})"
    publish("rollback", model, text, summary)
    return line
