"""The repository measured: its lines, its language and its tests.

``python -m benchmarks.suite`` reads the files. ``--check`` also times ``make check``, ``--tests``
``make test``, and ``--replays FOLDER`` trains every registered model of a store again, such as one
that was made before a refactoring, and counts those whose weights are identical.
"""

import ast
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.lib.figures import ROOT, Figure, figure, main, require_clean_tree, write

PRODUCT = ("refrain", "flows", "tasks", "rnn_models", "data")
ALL = (*PRODUCT, "tests", "benchmarks", "examples", "docs")
COMMAND = "python -m benchmarks.suite"
WIDTH = 100
PRAGMA = re.compile(r"  # (type: ignore|noqa).*")  # after the code, as ruff counts


def files(folders: tuple[str, ...]) -> list[Path]:
    """List the Python files of some folders."""
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def is_unrelated_tuple(node: ast.AST) -> bool:
    """Whether a statement assigns several values at once, as in ``a, b = f(x), g(y)``."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.Tuple)
    )


def num_naming(problem: str) -> int:
    """Count the modules of the product that name a problem."""
    word = re.compile(rf"\b{problem}\b")
    return sum(bool(word.search(path.read_text(encoding="utf-8"))) for path in files(PRODUCT))


def lower(name: str, value: float, unit: str, goal: float, note: str, words: str = "") -> Figure:
    """Make a figure that should be low."""
    command = f"{COMMAND} {words}".rstrip()
    return figure(name, value, unit=unit, goal=goal, better="lower", command=command, note=note)


def measure_lines() -> list[Figure]:
    """Count what the house's rules forbid."""
    nodes = [node for path in files(ALL) for node in ast.walk(ast.parse(path.read_text()))]
    assignments = [node for node in nodes if isinstance(node, ast.Assign | ast.AnnAssign)]
    tuples = sum(map(is_unrelated_tuple, assignments))
    lines = [PRAGMA.sub("", line) for path in files(ALL) for line in path.read_text().splitlines()]
    skips = sum("# fmt: skip" in path.read_text() for path in files(PRODUCT))
    words = (ROOT / "tests" / "banned_words.txt").read_text().splitlines()
    banned = re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = sum(len(banned.findall(page.read_text(encoding="utf-8"))) for page in pages)
    readme = len((ROOT / "README.md").read_text(encoding="utf-8").splitlines())
    return [
        lower("tuple_assignments_percent", 100 * tuples / len(assignments), "%", 1, "of all"),
        lower(
            "long_lines", sum(len(line) > WIDTH for line in lines), "lines", 0, "over 100 columns"
        ),
        lower("fmt_skips", skips, "files", 0, "of the product that switch the formatter off"),
        lower("banned_words", found, "words", 0, "in README, CONTRIBUTING and docs"),
        lower("readme_lines", readme, "lines", 120, "of README.md"),
        lower("new_problem_files", num_naming("regression"), "files", 1, "that name `regression`"),
    ]


def measure_check() -> list[Figure]:
    """Time the quick checks."""
    started = time.monotonic()
    subprocess.run(["make", "check"], cwd=ROOT, check=True)
    seconds = time.monotonic() - started
    return [lower("check_seconds", seconds, "s", 90, "`make check`", "--check")]


def measure_tests() -> list[Figure]:
    """Time all checks and count the tests."""
    started = time.monotonic()
    done = subprocess.run(["make", "test"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    minutes = (time.monotonic() - started) / 60
    num = int(re.findall(r"(\d+) passed", done.stdout)[-1])
    command = f"{COMMAND} --tests"
    note = "that `make test` runs"
    return [
        lower("test_minutes", minutes, "min", 5, "`make test`", "--tests"),
        figure("tests", num, unit="tests", goal=1, better="higher", command=command, note=note),
    ]


def measure_replays(store: Path) -> list[Figure]:
    """Train the first version of every model of a store again."""
    environment = os.environ | {"REFRAIN_HOME": str(store)}
    program = [sys.executable, "-m", "refrain"]
    statuses = {}
    for folder in sorted((store / "ledger").iterdir()):
        command = [*program, "replay", folder.name, "1", "--json"]
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        statuses[folder.name] = done.returncode
    print(statuses)
    num = sum(status == 0 for status in statuses.values())
    return [
        figure(
            "replays_identical",
            num,
            unit="models",
            goal=len(statuses),
            better="higher",
            command=f"{COMMAND} --replays FOLDER",
            note="trained before the modules were moved, and trained again after it",
        )
    ]


if __name__ == "__main__":
    require_clean_tree()
    figures = measure_lines()
    if "--check" in sys.argv:
        figures += measure_check()
    if "--tests" in sys.argv:
        figures += measure_tests()
    if "--replays" in sys.argv:
        figures += measure_replays(Path(sys.argv[sys.argv.index("--replays") + 1]).resolve())
    write("suite", figures)
    main()
