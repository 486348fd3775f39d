"""Versions that do not fit each other are found, with the effect and the command that mends it."""

from importlib import metadata

import pytest

from refrain.doctor.packages import check_packages, own_requirements
from refrain.doctor.surroundings import Surroundings


def test_the_installed_packages_fit_each_other() -> None:
    assert list(check_packages(Surroundings())) == []
    assert {"fastapi", "sqlalchemy", "torch"} <= {each.name for each in own_requirements()}


@pytest.mark.parametrize(
    ("name", "version", "effect"),
    [
        ("fastapi", "0.151.0", "so no schedule fires"),
        ("sqlalchemy", "2.1.0", "scheduler fails on every pass, so no schedule fires"),
        ("pandas", "4.0.0", "and Refrain needs"),
    ],
)
def test_a_version_out_of_bounds_is_an_error_with_its_effect(
    name: str, version: str, effect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = metadata.version
    monkeypatch.setattr(metadata, "version", lambda of: version if of == name else installed(of))
    (found,) = check_packages(Surroundings())
    assert found.text.startswith(f"{name} is {version}")
    assert effect in found.text
    assert f"pip install '{name}" in found.remedy


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = metadata.version

    def version(name: str) -> str:
        if name == "xxhash":
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata, "version", version)
    (found,) = check_packages(Surroundings())
    assert found.text == "xxhash is not installed, and Refrain needs >=3.5"
