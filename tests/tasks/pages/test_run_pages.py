"""Pages of a flow run: valid keys for every name, and one function that publishes them."""

import re

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from tasks.pages.run_pages import artifact_key, publish
from tasks.store.code import ROOT

NAMES = ["reviews.v2", "my_reviews", "Reviews", "reviews", "my.reviews", "MY_reviews"]


@pytest.mark.parametrize("name", NAMES)
def test_a_key_has_only_lower_case_letters_digits_and_dashes(name: str) -> None:
    assert re.fullmatch(r"data-[a-z0-9-]*[a-z0-9]", artifact_key("data", name))


def test_each_name_has_a_key_of_its_own() -> None:
    assert len({artifact_key("data", name) for name in NAMES}) == len(NAMES)


def test_a_page_outside_of_a_flow_run_is_not_published() -> None:
    publish("data", "reviews", "# page", "no flow run")


def test_a_page_is_published_for_a_name_with_a_dot_an_underscore_and_a_capital(
    engine: None,
) -> None:
    name = "My_Reviews.v2"

    @task
    def show() -> None:
        publish("data", name, f"# {name}", "rows")

    @flow
    def showing() -> None:
        show()

    showing()
    key = artifact_key("data", name)
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        found = client.read_artifacts(artifact_filter=wanted)
    assert [artifact.data for artifact in found] == [f"# {name}"]


def test_no_other_module_publishes_pages() -> None:
    paths = [
        path for folder in ("tasks", "flows", "refrain") for path in (ROOT / folder).rglob("*.py")
    ]
    callers = [path for path in paths if "prefect.artifacts" in path.read_text()]
    assert [path.relative_to(ROOT).as_posix() for path in callers] == ["tasks/pages/run_pages.py"]
