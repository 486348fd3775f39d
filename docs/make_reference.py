"""Make the reference of the command line and of the settings from the code.

``python -m docs.make_reference`` writes both pages and renews the paths on the page
about recurrent networks; a test checks that all three are up to date.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from data.text.encoder import TokenSettings
from rnn_models.problem import find_problem, problem_names
from rnn_models.settings import TrainSettings
from tasks.settings import EvaluationSettings, PromotionSettings

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
STAGES: dict[str, tuple[type[Any], str]] = {
    "tokens": (TokenSettings, "How raw rows become ids."),
    "training": (TrainSettings, "The model and its training."),
    "evaluation": (EvaluationSettings, "How a model is scored."),
    "promotion": (PromotionSettings, "When a challenger becomes champion."),
}
INTRODUCTION = """# Settings

`docs/make_reference.py` makes this page from the settings classes. Set a value with
`--set stage.name=value` on the command line, under `settings` in a catalog entry, or
under `parameters: {settings: ...}` in `prefect.yaml`. `refrain run DATASET --settings`
shows the value of each setting for a dataset and its origin.
"""
LOCATION = re.compile(r"`(\w+)` \(`((?:rnn_models|tests)/)[\w/]+\.py`\)")


def command_line() -> str:
    """Make the page of all commands and options, as typer documents them."""
    command = [sys.executable, "-m", "typer", "refrain.app", "utils", "docs", "--name", "refrain"]
    # The width of the terminal must not change the page.
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    title = "# Command line\n\n`docs/make_reference.py` makes this page from the commands.\n"
    return title + done.stdout.partition("\n")[2].rstrip() + "\n"


def settings() -> str:
    """Make the page of all settings, a table for each stage."""
    parts = [INTRODUCTION]
    for stage, (kind, meaning) in STAGES.items():
        rows = [_setting_row(stage, declared) for declared in fields(kind)]
        head = [
            "| setting | type or choices | default | bounds | meaning |",
            "|---|---|---|---|---|",
        ]
        parts.append("\n".join([f"## {stage}", "", meaning, "", *head, *rows, ""]))
    return "\n".join([*parts, _problem_defaults()])


def _setting_row(stage: str, declared: Field[Any]) -> str:
    low = declared.metadata["low"]
    high = declared.metadata["high"]
    bounds = [f"at least {low:g}"] if low is not None else []
    bounds += [f"at most {high:g}"] if high is not None else []
    about = declared.metadata["about"].replace("|", "\\|")
    cells = [
        f"`{stage}.{declared.name}`",
        _kind(declared.type),
        _value(declared.default),
        ", ".join(bounds),
        about,
    ]
    return f"| {' | '.join(cells)} |"


def _kind(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else "mapping"


def _value(value: object) -> str:
    if value is None or value == "":
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _problem_defaults() -> str:
    """List the settings whose default differs for a problem."""
    rows = ["## Defaults of problems", "", "| problem | settings that differ |", "|---|---|"]
    for name in problem_names():
        defaults = find_problem(name).defaults
        changed = [
            f"`{declared.name}={getattr(defaults, declared.name)}`"
            for declared in fields(TrainSettings)
            if getattr(defaults, declared.name) != declared.default
        ]
        rows.append(f"| {name} | {', '.join(changed)} |")
    return "\n".join(rows) + "\n"


def lesson() -> str:
    """Renew the paths in the page about recurrent networks: each follows the name before it."""
    return LOCATION.sub(_located, (DOCS / "concepts" / "rnn.md").read_text(encoding="utf-8"))


def _located(found: re.Match[str]) -> str:
    definition = re.compile(rf"^\s*(def|class) {found[1]}\b", flags=re.MULTILINE)
    files = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / found[2]).rglob("*.py"))
        if definition.search(path.read_text(encoding="utf-8"))
    ]
    if not files:
        raise ValueError(f"docs/concepts/rnn.md names {found[1]}, which {found[2]} does not define")
    return f"`{found[1]}` (`{files[0]}`)"


PAGES: dict[str, Callable[[], str]] = {
    "reference/command-line.md": command_line,
    "reference/settings.md": settings,
    "concepts/rnn.md": lesson,
}


if __name__ == "__main__":
    for page, make in PAGES.items():
        (DOCS / page).write_text(make(), encoding="utf-8")
