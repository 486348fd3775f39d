"""Write docs/reference/licences.md: the licence of every package that is installed at run time.

The licences are those that the installed packages state. ``python -m docs.make_licences``.
"""

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "licences.md"
LOCKS = ("requirements.lock", "requirements-torch.lock")
PIN = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
SHORT_CHARACTERS = 60  # some packages state the whole text of their licence
HEAD = """\
# Licences

What the packages of the run-time locks state. A package without a licence here is one of another
platform or Python; see its page on the package index. Packages for CUDA are not listed.

| package | licence |
|---|---|
"""


def licence_of(name: str) -> str:
    """Return the licence that an installed package states; empty if it is not installed."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return ""
    if expression := found.get("License-Expression"):
        return str(expression)
    classifiers = (each.split(" :: ") for each in found.get_all("Classifier") or ())
    kinds = [parts[-1] for parts in classifiers if parts[0] == "License" and len(parts) > 2]
    line = (found.get("License") or "").strip().partition("\n")[0]
    is_name = 0 < len(line) <= SHORT_CHARACTERS and not line.startswith("Copyright")
    return ", ".join(kinds) or (line if is_name else "see its files")


def page() -> str:
    """Make the page."""
    names = {name for lock in LOCKS for name, _ in PIN.findall((ROOT / lock).read_text())}
    return HEAD + "".join(f"| {name} | {licence_of(name)} |\n" for name in sorted(names))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
