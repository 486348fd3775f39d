"""Every command in docs/data.md runs, and its output is what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.lib.figures import ROOT
from data.catalog.catalog import read_catalog
from docs.make_tables import PAGE, with_tables
from tests.databases import begin_store

TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|yaml|output)\n(.*?)```", TEXT, flags=re.DOTALL)
MARK = "=== block"


def entries() -> str:
    return "".join(block for kind, block in BLOCKS if kind == "yaml")


@pytest.fixture(scope="module")
def screens(databases: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Run all blocks of commands in one shell; return each with its output."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "mine.yaml").write_text(entries(), encoding="utf-8")
    blocks = [block for kind, block in BLOCKS if kind == "sh"]
    script = "".join(f"echo '{MARK}'\n{block}" for block in blocks)
    unwanted = ("MLFLOW_TRACKING", "PREFECT_API", "REFRAIN_")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{ours['PATH']}"
    ours |= {
        "PATH": path,
        "REFRAIN": str(ROOT),
        "REFRAIN_HOME": str(begin_store(folder / "store", databases)),
        "COLUMNS": "200",
        "OMP_NUM_THREADS": "1",
    }
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        command,
        cwd=folder,
        env=ours,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return list(zip(blocks, done.stdout.split(MARK)[1:], strict=True))


def plain(text: str) -> str:
    return " ".join(text.replace("•", " ").split())


def test_every_command_works_and_prints_what_the_page_shows(screens: list[tuple[str, str]]) -> None:
    outputs = dict(screens)
    number = -1
    missing: list[tuple[str, str]] = []
    commands = [block for kind, block in BLOCKS if kind == "sh"]
    for kind, block in BLOCKS:
        number += kind == "sh"
        if kind == "output":
            screen = plain(outputs[commands[number]])
            missing += [
                (commands[number], line) for line in block.splitlines() if plain(line) not in screen
            ]
    assert missing == []


def test_page_has_an_entry_for_every_source_kind_without_network(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.yaml").write_text(entries(), encoding="utf-8")
    found = read_catalog(tmp_path / "mine.yaml")
    assert {entry.source.__class__.__name__ for entry in found.values()} == {"Files", "Sql"}
    assert {entry.problem for entry in found.values()} == {"sentiment", "ner", "translation"}


def test_tables_of_the_page_match_the_code() -> None:
    assert with_tables(TEXT) == TEXT, "run python -m docs.make_tables"
