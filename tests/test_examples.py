"""Every program in examples/ runs and prints its expected output."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXPECTED = {
    "csv_to_served_model": r"champion: version 1\n.*'label': 'pos'",
    "custom_metric": r"challenger: .*\nchampion: .*\ngain \+\d",
    "custom_problem": r"mean distance 0\.\d\d stars on 200 texts",
    "train_tagger": r"entity F1 (9\d\.\d|100\.0)",
}


def test_every_example_has_an_expected_output() -> None:
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_example_prints_its_expected_output(name: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / f"{name}.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(EXPECTED[name], done.stdout, flags=re.DOTALL), done.stdout


def test_the_tagger_example_has_sixty_lines_at_most() -> None:
    lines = (ROOT / "examples" / "train_tagger.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
