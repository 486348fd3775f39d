"""Where the code and the user's project are: in a checkout, or installed from a wheel.

In a wheel, `data`, `tasks` and `flows` are packages inside `refrain` (setup.py moves them),
because other projects have packages of these names.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # holds data/, tasks/ and flows/, wherever they are
IS_CHECKOUT = (ROOT / "rnn_models").is_dir()  # in a wheel it is beside `refrain`
PACKAGE = "" if IS_CHECKOUT else "refrain."  # before the names of these packages
DISTRIBUTION = "refrain-rnn"  # the name of the wheel
CATALOG = "catalog.yaml"
DEPLOYMENTS = "prefect.yaml"
# What setup.py puts before the packages' names; without it, a module is as in a checkout.
PREFIX = re.compile(r"^(\s*(?:from|import) )refrain\.(?=(?:data|tasks|flows)\b)", re.MULTILINE)


def project() -> Path:
    """Folder of the user's project: its store, catalog and deployments are there.

    It is the current folder if that has a catalog, or if Refrain was installed from a wheel;
    else the checkout. ``prefect.yaml`` alone is no mark: every project that uses Prefect has one.
    """
    here = Path.cwd()
    return here if (here / CATALOG).is_file() or not IS_CHECKOUT else ROOT


def path_of_module(path: Path, root: Path = ROOT) -> Path:
    """Where a module is; ``path`` begins with its package, as in ``tasks/train.py``.

    In a wheel, ``rnn_models`` is beside ``refrain``: it is a library for others too.
    """
    if path.parts[0] == "rnn_models" and root == ROOT and not IS_CHECKOUT:
        return root.parent / path
    return root / path


def source_text(path: Path, root: Path = ROOT) -> str:
    """Source of a module, with the imports that it has in a checkout."""
    return PREFIX.sub(r"\1", path_of_module(path, root).read_text(encoding="utf-8"))
