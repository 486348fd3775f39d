"""Pages of a flow run: valid keys for every name, and one function that publishes them."""

import re

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from data.catalog.catalog import NAME_CHARACTERS
from tasks.pages import run_pages
from tasks.pages.run_pages import artifact_key, publish
from tasks.store.installation import ROOT

NAMES = [
    "a_b",
    "a-b",
    "a.b",
    "A_b",
    "a__b",
    "a_b_",
    "Odd.Names-1",
    "odd_names_1",
    "reviews.v2",
    "my_reviews",
    "Reviews",
    "x" * NAME_CHARACTERS,
]


@pytest.mark.case("16")
@pytest.mark.parametrize("name", NAMES)
def test_page_key_has_only_lower_case_letters_digits_and_dashes(name: str) -> None:
    assert re.fullmatch(r"data-[a-z0-9-]*[a-z0-9]", artifact_key("data", name))


@pytest.mark.case("16")
def test_page_keys_of_different_names_differ() -> None:
    assert len({artifact_key("data", name) for name in NAMES}) == len(NAMES)
    assert artifact_key("promotion", "rotten_tomatoes") == "promotion-rotten-tomatoes"


def test_page_outside_a_flow_run_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[str] = []
    monkeypatch.setattr(
        run_pages, "create_markdown_artifact", lambda text, **_: published.append(text)
    )
    publish("data", "reviews", "# page", "no flow run")
    assert published == []


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


def test_pages_and_progress_are_published_by_one_module_each() -> None:
    paths = [
        path for folder in ("tasks", "flows", "refrain") for path in (ROOT / folder).rglob("*.py")
    ]
    callers = {path.stem for path in paths if "prefect.artifacts" in path.read_text()}
    assert callers == {"run_pages", "progress"}
