"""Make the tables of docs/data.md from the code.

``python -m docs.make_tables`` writes them, and a test checks that they are up to date.
"""

import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path

from data.catalog.catalog import Dataset
from data.catalog.entry_keys import KEYS
from data.formats.base import all_formats
from data.ingestion.remedies import REMEDIES
from data.rows.check_settings import DEFAULTS, KINDS, CheckSettings

PAGE = Path(__file__).with_name("data.md")
MARKED = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end of table -->", flags=re.DOTALL)
CURES = {
    "duplicate": "nothing: each row is learned once",
    "leak": "nothing: the test split is protected "
    "(`checks: {leaks: keep}` only to repeat a published protocol)",
}


def kinds_table() -> str:
    """Make the table of kinds of faults, with their meaning and remedy."""
    rows = [
        f"| `{kind}` | {meaning} | {REMEDIES.get(kind) or CURES[kind]} |"
        for kind, meaning in KINDS.items()
    ]
    return "\n".join(["| kind | means | what to do |", "|---|---|---|", *rows])


def rules_table() -> str:
    """Make the table of rules, with the defaults of each shape of rows."""
    rows = []
    for rule in fields(CheckSettings):
        found = {shape: getattr(rules, rule.name) for shape, rules in DEFAULTS.items()}
        empty = rule.metadata["empty"]
        special = [
            f"{_shown(value, empty)} for {' and '.join(shape)}"
            for shape, value in found.items()
            if value != rule.default
        ]
        choices = (
            f" One of {', '.join(rule.metadata['choices'])}." if rule.metadata["choices"] else ""
        )
        defaults = "; ".join([_shown(rule.default, empty), *special])
        rows.append(f"| `{rule.name}` | {defaults} | {rule.metadata['about']}{choices} |")
    return "\n".join(["| rule | default | meaning |", "|---|---|---|", *rows])


def _shown(value: object, empty: str) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value or empty)


def formats_table() -> str:
    """Make the table of formats, with their rows and options."""
    rows = []
    for name, kind in all_formats().items():
        shapes = "; ".join(" and ".join(shape) for shape in kind.shapes)
        options = ", ".join(
            f"`{option}` {_option(default)}" for option, default in kind.options.items()
        )
        choices = "".join(
            f"; {option} is one of {', '.join(values)}" for option, values in kind.choices.items()
        )
        rows.append(f"| `{name}` | {shapes} | {options or '-'}{choices} |")
    return "\n".join(["| `kind` | rows | options and their defaults |", "|---|---|---|", *rows])


def _option(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return {"\t": "tab", " ": "space", "": "none"}.get(str(default), f"{default}")


def keys_table() -> str:
    """Make the table of the keys of a catalog entry."""
    needed = {
        f.name for f in fields(Dataset) if f.default is MISSING and f.default_factory is MISSING
    }
    rows = [
        f"| `{key}` | {'yes' if key in needed - {'columns'} else ''} | {meaning} |"
        for key, meaning in KEYS.items()
    ]
    return "\n".join(["| key | needed | meaning |", "|---|---|---|", *rows])


TABLES: dict[str, Callable[[], str]] = {
    "kinds": kinds_table,
    "rules": rules_table,
    "formats": formats_table,
    "keys": keys_table,
}


def with_tables(text: str) -> str:
    """Renew the tables of a page."""
    return MARKED.sub(
        lambda found: f"<!-- table: {found[1]} -->\n{TABLES[found[1]]()}\n<!-- end of table -->",
        text,
    )


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
