"""The installation: Python versions, repair of a broken environment, complete and exact locks."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from refrain import install

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    """A virtual environment with pip; each test leaves a usable one."""
    place = tmp_path_factory.mktemp("a folder") / ".venv"
    make = [sys._base_executable, "-m", "venv", "--without-pip", str(place)]
    subprocess.run(make, check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    pip = importlib.util.find_spec("pip")  # its own installer takes seconds
    assert pip
    assert pip.origin
    shutil.copytree(Path(pip.origin).parent, packages / "pip")
    return place


def pins(*locks):
    """Names and versions that locks pin."""
    text = "\n".join((ROOT / lock).read_text() for lock in locks)
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


@pytest.mark.case("E4")
@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13), (3, 14)])
def test_supported_python_versions_are_accepted(version):
    install.check_version(version, "python3")


@pytest.mark.case("E4")
@pytest.mark.parametrize("version", [(3, 10), (3, 15), (4, 0)])
def test_unsupported_python_raises_with_how_to_choose_one(version):
    with pytest.raises(
        install.InstallError,
        match=r"needs Python 3.11 to 3.14, and /usr/bin/python3 is \d.\d+.*PYTHON=",
    ):
        install.check_version(version, "/usr/bin/python3")


@pytest.mark.case("E1")
def test_intact_environment_is_kept_and_a_broken_one_is_created_again(venv):
    assert install.is_usable(venv)
    for pip in venv.glob("lib/python*/site-packages/pip"):
        pip.rename(pip.with_name("gone"))
    assert not install.is_usable(venv)
    install.make_environment(venv)
    assert install.is_usable(venv)
    assert not list(venv.glob("lib/python*/site-packages/gone"))


@pytest.mark.case("E1")
def test_environment_of_another_python_is_not_used(venv, monkeypatch):
    monkeypatch.setattr(install.sys, "version_info", (3, 99, 0))
    assert not install.is_usable(venv)


@pytest.mark.case("E1")
def test_python_without_venv_raises_with_the_package_and_leaves_nothing(tmp_path, monkeypatch):
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\nmkdir -p "$3/bin"; echo ensurepip is not available; exit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(install.sys, "_base_executable", str(python))
    with pytest.raises(
        install.InstallError, match=r"(?s)apt install python3-venv.*ensurepip is not available"
    ):
        install.make_environment(tmp_path / ".venv")
    assert not (tmp_path / ".venv").exists()


@pytest.mark.case("E1")
def test_failed_step_shows_the_last_lines_of_its_output(capsys):
    with pytest.raises(
        install.InstallError, match=r"(?s)Trying it failed with exit status 3:\nno such package"
    ):
        install.run(
            "Trying it", [sys.executable, "-c", "print('no such package'); raise SystemExit(3)"]
        )


@pytest.mark.case("E1")
def test_pip_installs_what_uv_cannot(monkeypatch, capsys):
    commands = []

    def run(title, command, settings=None):
        commands.append(command)
        if command[: len(install.UV)] == install.UV:
            raise install.InstallError("refrain: uv knows no such index")

    monkeypatch.setattr(install, "run", run)
    install.install_lock("requirements.lock")
    assert commands[1] == [*install.PIP, *install.EXACT, "requirements.lock"]
    assert "uv knows no such index" in capsys.readouterr().err


@pytest.mark.case("E1")
def test_uv_uses_the_index_of_pip(tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://mirror.example/simple\n")
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setattr(install, "PYTHON", Path(sys.executable))
    assert install.uv_settings()["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"


@pytest.mark.case("E1")
def test_each_lock_is_installed_without_resolving_or_building():
    assert {"--no-deps", "--only-binary", "--require-hashes"} <= set(install.EXACT)
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"COMPILE := .*--only-binary :all: --generate-hashes", makefile)
    assert f"uv=={pins('requirements-uv.lock')['uv']}" in makefile


@pytest.mark.case("E1")
def test_every_pin_has_hashes_and_is_in_one_lock_only():
    for lock in (*install.LOCKS.values(), "requirements-uv.lock"):
        for entry in re.split(r"^(?=[a-z])", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]:
            assert entry.count("--hash=sha256:") >= 1, entry.splitlines()[0]
    names = [set(pins(lock)) for lock in install.LOCKS.values()]
    assert not names[0] & names[1]
    assert not (names[0] | names[1]) & names[2]


def test_every_torch_build_and_its_dependencies_have_hashes():
    for lock in (install.TORCH_LOCK, install.CUDA_LOCK):
        for entry in re.split(r"^(?=[a-z])", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]:
            assert entry.count("--hash=sha256:") >= 1, entry.splitlines()[0]
    torch = pins(install.TORCH_LOCK)
    assert f"torch=={torch['torch']}" == install.TORCH
    assert not set(torch) & set(pins(install.CUDA_LOCK))
    assert not [name for name in torch if name.startswith(("nvidia", "cuda", "triton"))]
    others = pins(*install.LOCKS.values())
    for name, version in pins(install.TORCH_LOCK, install.CUDA_LOCK).items():
        assert others.get(name, version) == version, name


def test_licence_page_lists_every_runtime_package():
    page = (ROOT / "docs" / "reference" / "licences.md").read_text()
    missing = [
        name
        for name in pins("requirements.lock", install.TORCH_LOCK)
        if f"\n| {name} | " not in page
    ]
    assert missing == []


def test_installers_are_pinned_by_hash():
    assert set(pins("requirements-uv.lock")) == {"pip", "uv"}
    assert f"pip=={pins('requirements-uv.lock')['pip']}" in (ROOT / "Makefile").read_text()


def test_torch_build_of_another_index_is_accepted_by_its_hash_only(monkeypatch):
    lock = (ROOT / install.TORCH_LOCK).read_text()
    monkeypatch.setenv(install.BUILDS, "sha256:" + "a" * 64)
    entry = next(
        part
        for part in re.split(r"^(?=[a-z])", install.with_builds(lock), flags=re.M)
        if part.startswith("torch==")
    )
    for build in (*install.OTHER_BUILDS, "sha256:" + "a" * 64):
        assert f"--hash={build}" in entry


@pytest.mark.parametrize(("needs", "has_cuda"), [("jinja2 filelock", False), ("nvidia-nvtx", True)])
def test_cuda_packages_are_installed_for_a_build_that_needs_them(
    tmp_path, monkeypatch, needs, has_cuda
):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {needs}\n")
    python.chmod(0o755)
    commands = []
    monkeypatch.setattr(install, "VENV", tmp_path)
    monkeypatch.setattr(install, "PYTHON", python)
    monkeypatch.setattr(
        install, "run", lambda title, command, settings=None: commands.append(command)
    )
    install.install_torch()
    assert commands[0][-2:] == ["--requirement", str(tmp_path / install.TORCH_LOCK)]
    assert [install.CUDA_LOCK in command for command in commands[1:]] == [True] * has_cuda


@pytest.mark.case("E1")
def test_make_run_installs_no_tools_and_no_extras():
    assert not {"pytest", "mypy", "ruff", "moto", "music21", "boto3", "datasets"} & set(
        pins("requirements.lock")
    )
    assert {"music21", "psycopg", "datasets"} <= set(pins("requirements-extras.lock"))
    assert {"pytest", "mypy", "ruff"} <= set(pins("requirements-tools.lock"))


def test_locks_contain_every_dependency_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in ("all", "dev") for one in project["optional-dependencies"][extra]),
    ]
    locked = pins(*install.LOCKS.values())
    stale = [
        text
        for text in wanted
        if (one := Requirement(text)).name not in ("torch", "refrain-rnn")
        and not one.specifier.contains(locked.get(one.name, "0"), prereleases=True)
    ]
    assert stale == [], "run make lock"


@pytest.mark.case("A1")
def test_locked_sqlalchemy_works_with_the_prefect_scheduler():
    assert pins("requirements.lock")["sqlalchemy"].startswith("2.0.")
