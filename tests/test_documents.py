"""What the documents say is what the repository holds."""

import re
from pathlib import Path

import pytest
import yaml

from benchmarks.lib.figures import DOCUMENTS, ROOT, read, with_tables
from data.catalog.catalog import read_catalog
from tasks.settings import setting_names

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_tables_are_made_of_the_measured_figures(name: str) -> None:
    text = (ROOT / name).read_text()
    assert text == with_tables(text), "run python -m benchmarks.lib.figures"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks" / "results").glob("*.json")), ids=lambda path: path.stem
)
def test_every_figure_has_a_goal_a_command_and_a_commit(path: Path) -> None:
    for item in read(path.stem):
        assert all((item.command, item.commit, item.unit, item.date)), item
        assert item.better in ("higher", "lower")


def test_every_dataset_of_the_catalog_is_named_in_the_readme() -> None:
    assert [name for name in read_catalog() if f"`{name}`" not in README] == []


def test_every_setting_named_in_the_readme_exists() -> None:
    named = set(re.findall(r"--set (\w+\.\w+)=", README))
    assert named
    assert named <= set(setting_names())


def test_every_file_that_the_readme_links_exists() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_everything_that_the_page_on_rnns_names_stands_in_the_file_that_it_links() -> None:
    page = (ROOT / "docs" / "rnn.md").read_text()
    named = re.findall(r"\[`(\w+)`\]\(\.\./([\w./]+)\)", page)
    assert len(named) > 20
    assert [
        (name, file)
        for name, file in named
        if not re.search(rf"^(def|class) {name}\b", (ROOT / file).read_text(), re.M)
    ] == []
    assert [
        file for file in re.findall(r"\]\(\.\./([\w./]+)\)", page) if not (ROOT / file).exists()
    ] == []


def test_the_catalog_entry_in_the_readme_is_read_without_complaint(tmp_path: Path) -> None:
    blocks = [
        block
        for block in re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
        if "problem:" in block
    ]
    assert blocks
    for block in blocks:
        (tmp_path / "mine.yaml").write_text(block)
        assert read_catalog(tmp_path / "mine.yaml")


def test_the_deployment_in_the_readme_has_the_keys_of_prefect_yaml() -> None:
    block = next(
        block
        for block in re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
        if "cron:" in block
    )
    entry = yaml.safe_load(block.replace("<<: *retraining", "x: 1"))[0]
    assert {"name", "parameters", "schedules"} <= set(entry)
