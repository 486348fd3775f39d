"""The documents agree with the repository, and the site builds strictly."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks.lib.figures import DOCUMENTS, ROOT, read, with_tables
from data.catalog.catalog import read_catalog
from docs.make_reference import DOCS, PAGES
from tasks.settings import setting_names

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE_FILES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
MAX_README_LINES, MAX_DECISION_LINES = 120, 10
MAX_IMAGE_BYTES = 300_000


def yaml_blocks(mark: str) -> list[str]:
    """Find the YAML blocks of the guides that contain a mark."""
    texts = [page.read_text(encoding="utf-8") for page in PAGE_FILES]
    blocks = [block for text in texts for block in re.findall(r"```yaml\n(.*?)```", text, re.S)]
    return [block for block in blocks if mark in block]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_tables_match_the_measured_figures(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text == with_tables(text), "run python -m benchmarks.lib.figures"


@pytest.mark.parametrize("page", PAGES)
def test_reference_matches_the_code(page: str) -> None:
    found = (DOCS / page).read_text(encoding="utf-8")
    assert found == PAGES[page](), "run python -m docs.make_reference"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks" / "results").glob("*.json")), ids=lambda path: path.stem
)
def test_every_figure_has_a_goal_a_command_and_a_commit(path: Path) -> None:
    for item in read(path.stem):
        assert all((item.command, item.commit, item.unit, item.date)), item
        assert item.better in ("higher", "lower")


def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    config = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    assert "strict = true" in config
    assert "invalid_links = true" in config
    assert "invalid_link_anchors = true" in config
    command = [Path(sys.executable).with_name("zensical"), "build", "--clean", "--strict"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert (ROOT / "build" / "site" / "reference" / "python" / "index.html").exists()


def test_every_page_of_the_site_is_in_the_navigation() -> None:
    config = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    expected = {page for page in pages if not re.match(r"decisions/\d", page)}
    assert set(re.findall(r'= "([\w/-]+\.md)"', config)) == expected


def test_every_dataset_of_the_catalog_is_on_the_catalog_page() -> None:
    page = (DOCS / "reference" / "datasets.md").read_text(encoding="utf-8")
    assert [name for name in read_catalog() if f"`{name}`" not in page] == []


def test_every_setting_in_a_command_exists() -> None:
    texts = "\n".join(page.read_text(encoding="utf-8") for page in PAGE_FILES)
    named = set(re.findall(r"--set '?([a-z]+\.[a-z_]+)=", texts)) - {"stage.name"}
    assert named
    assert named <= set(setting_names())


def test_every_file_that_the_readme_links_exists() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", PAGE_FILES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_module_that_a_page_names_exists(page: Path) -> None:
    folders = "benchmarks|data|docs|examples|flows|refrain|rnn_models|tasks|tests"
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{folders})/[a-z0-9_/]+\.(?:py|yaml|json))`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MAX_README_LINES


def test_images_are_small() -> None:
    images = list((DOCS / "images").glob("*.png"))
    assert images
    assert all(image.stat().st_size < MAX_IMAGE_BYTES for image in images)


def test_decisions_are_numbered_dated_and_listed() -> None:
    index = (DOCS / "decisions" / "index.md").read_text(encoding="utf-8")
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    for path in DECISIONS:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= MAX_DECISION_LINES, path.name
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", lines[2]), path.name
        assert f"]({path.name}) | {lines[2]} |" in index, path.name


@pytest.mark.parametrize("block", yaml_blocks("problem:"))
def test_every_catalog_entry_in_a_page_is_valid(block: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(block, encoding="utf-8")
    assert read_catalog(tmp_path / "mine.yaml")


def test_the_deployment_in_the_guide_has_the_keys_of_prefect_yaml() -> None:
    block = yaml_blocks("cron:")[0]
    entry = yaml.safe_load(block.replace("<<: *retraining", "x: 1"))[0]
    assert {"name", "parameters", "schedules"} <= set(entry)
