"""The installed packages: whether their versions fit Refrain and each other."""

import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from refrain.doctor.finding import ERROR, Finding
from refrain.doctor.surroundings import Surroundings
from tasks.store.installation import DISTRIBUTION, IS_CHECKOUT, ROOT

EFFECTS = {
    "fastapi": "Prefect's server rejects deployments or does not start, so no schedule fires",
    "sqlalchemy": "Prefect's scheduler fails on every pass, so no schedule fires",
    "mlflow": "models may not be registered or loaded",
    "prefect": "flows and schedules may not work",
}


def check_packages(seen: Surroundings) -> Iterator[Finding]:
    """Compare each installed package with what Refrain and its libraries need."""
    del seen
    own = own_requirements()
    for requirement in own:
        yield from _fault(requirement, "Refrain")
    for name in ("prefect", "mlflow"):  # the two that others are upgraded behind
        for requirement in requirements_of(name):
            if canonicalize_name(requirement.name) not in {
                canonicalize_name(each.name) for each in own
            }:
                yield from _fault(requirement, name)


def own_requirements() -> list[Requirement]:
    """Read what Refrain needs: of a checkout from its file, else from the installed package."""
    if IS_CHECKOUT:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        return [Requirement(line) for line in project["project"]["dependencies"]]
    return requirements_of(DISTRIBUTION)


def requirements_of(name: str) -> list[Requirement]:
    """Read what an installed package needs on this machine, without its extras."""
    try:
        found = [Requirement(line) for line in metadata.requires(name) or []]
    except metadata.PackageNotFoundError:
        return []
    return [each for each in found if not each.marker or each.marker.evaluate({"extra": ""})]


def _fault(requirement: Requirement, needed_by: str) -> Iterator[Finding]:
    """Compare a requirement with the installed version."""
    bounds = str(requirement.specifier) or "any version"
    remedy = f"{sys.executable} -m pip install '{requirement.name}{requirement.specifier}'"
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        text = f"{requirement.name} is not installed, and {needed_by} needs {bounds}"
        yield Finding(ERROR, text, remedy)
        return
    if not requirement.specifier.contains(version, prereleases=True):
        effect = EFFECTS.get(canonicalize_name(requirement.name), "")
        text = f"{requirement.name} is {version}, and {needed_by} needs {bounds}"
        yield Finding(
            ERROR,
            f"{text}: {effect}" if effect else text,
            f"{remedy}, and start `refrain up` again",
        )
