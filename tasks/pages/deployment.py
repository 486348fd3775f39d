"""The description of a retraining's deployment: what it does, and links to its pages."""

from collections.abc import Iterator
from urllib.parse import quote

from tasks.pages.run_pages import artifact_key
from tasks.registry.links import ui_page
from tasks.registry.mlflow_client import client

MARK = "\n\n---\n\n"  # between what prefect.yaml describes and the links


def deployment_text(description: str, dataset: str, *, prefect: str, mlflow: str) -> str:
    """Complete a description with links that stay right when the champion changes.

    A flow run must not renew it: with each change of a deployment, Prefect deletes its runs that
    wait for their turn.

    Args:
        description: Of ``prefect.yaml``, or with the links of an earlier call.
        dataset: That the deployment retrains.
        prefect: Address of the dashboard.
        mlflow: Address of MLflow's pages.
    """
    links = "\n".join(f"- {line}" for line in _links(dataset, prefect, mlflow))
    return f"{description.partition(MARK)[0]}{MARK}{links}"


def _links(dataset: str, prefect: str, mlflow: str) -> Iterator[str]:
    key = artifact_key("promotion", dataset)
    yield f"[Last decision and all earlier ones]({prefect}/v2/artifacts/key/{key})"
    model = ui_page(mlflow, f"models/{quote(dataset, safe='')}")
    yield f"[Champion and all versions]({model}); there are none before the first run"
    found = client().get_experiment_by_name(dataset)
    page = f"experiments/{found.experiment_id}/runs" if found else "experiments"
    yield f"[MLflow experiment]({ui_page(mlflow, page)})"
