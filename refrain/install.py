"""Make ``.venv`` and install the locked packages. It needs the standard library only.

Packages come from three locks, one for each purpose: what ``make run`` needs, what optional sources
and formats need as well (``extras``), and the tools of the tests (``tools``). torch, pip and uv
have locks of their own. Each names every package it needs with its hashes, so nothing is resolved
here, and each package has a wheel, so nothing is built.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
OLDEST, NEWEST = (3, 11), (3, 14)
TORCH = "torch==2.13.0"
TORCH_LOCK = "requirements-torch.lock"  # PyPI's builds of torch by hash, and what each build needs
CUDA_LOCK = "requirements-cuda.lock"  # what a build for CUDA needs as well
# Builds of that version from elsewhere: pip chooses the one that its index has for this machine.
OTHER_BUILDS = (
    # 2.13.0+cpu, CPython 3.11, Linux on x86-64
    "sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",
)
BUILDS = "REFRAIN_TORCH_HASHES"  # further builds that the user trusts, with spaces between them
PYTHON = VENV / "bin/python"
PIP = [
    str(PYTHON),
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--only-binary",
    ":all:",
]
UV = [str(VENV / "bin/uv"), "pip", "install", "--quiet", "--python", str(PYTHON)]
EXACT = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement"]  # and a lock
LOCKS = {
    "ready": "requirements.lock",
    "extras": "requirements-extras.lock",
    "tools": "requirements-tools.lock",
}
NO_PIP = """\
refrain: {python} cannot make a virtual environment with pip in it.
On Debian and Ubuntu, install that part of Python: sudo apt install python3-venv
Then type the same command again. What Python wrote:
{output}"""


class InstallError(Exception):
    """An installation cannot go on; the message says why and what to do."""


def main() -> None:
    """Install for one purpose, and for those that it builds on."""
    parser = argparse.ArgumentParser(description="Make .venv and install the locked packages.")
    parser.add_argument("purpose", choices=list(LOCKS))
    purpose = parser.parse_args().purpose
    started = time.monotonic()
    try:
        check_version(sys.version_info[:2], sys.executable)
        if not is_usable(VENV):
            make_environment(VENV)
        for name in list(LOCKS)[: list(LOCKS).index(purpose) + 1]:
            if is_outdated(name):
                install(name)
    except InstallError as error:
        sys.exit(str(error))
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)


def check_version(version: tuple[int, ...], executable: str) -> None:
    """Accept the Pythons that the locks are made for.

    Raises:
        InstallError: Names the Python and how to choose another one.
    """
    if not OLDEST <= version <= NEWEST:
        oldest, newest, found = (".".join(map(str, part)) for part in (OLDEST, NEWEST, version))
        raise InstallError(
            f"refrain: needs Python {oldest} to {newest}, and {executable} is {found}. "
            "Name another one: make PYTHON=python3.12 run"
        )


def is_usable(venv: Path) -> bool:
    """Check that a virtual environment works: its Python starts, has pip and this version."""
    question = "import sys, pip; print(*sys.version_info[:2])"
    try:
        done = subprocess.run(
            [venv / "bin/python", "-c", question], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.split() == [
        str(part) for part in sys.version_info[:2]
    ]


def make_environment(venv: Path) -> None:
    """Make a virtual environment, in place of a broken one.

    Raises:
        InstallError: If this Python cannot; nothing half-made is left.
    """
    if venv.exists():
        step(f"Removing {venv}, which is incomplete or of another Python")
        shutil.rmtree(venv)
    python = (
        getattr(sys, "_base_executable", "") or sys.executable
    )  # not that of the environment itself
    step(f"Making {venv} with Python {'.'.join(map(str, sys.version_info[:3]))}")
    done = subprocess.run(
        [python, "-m", "venv", str(venv)], capture_output=True, text=True, check=False
    )
    if done.returncode or not is_usable(venv):
        shutil.rmtree(venv, ignore_errors=True)
        raise InstallError(NO_PIP.format(python=python, output=(done.stdout + done.stderr).strip()))


def is_outdated(name: str) -> bool:
    """Tell whether a lock, or what decides how it is installed, is newer than its installation."""
    mark = VENV / name
    locks = [LOCKS[name], *((TORCH_LOCK, CUDA_LOCK) if name == "ready" else ())]
    inputs = [*(ROOT / lock for lock in locks), ROOT / "pyproject.toml", Path(__file__)]
    return not mark.exists() or any(path.stat().st_mtime > mark.stat().st_mtime for path in inputs)


def install(name: str) -> None:
    """Install one lock; with the first one also pip, torch and this repository itself."""
    if name == "ready":
        run("Installing pip and uv, the installers", [*PIP, *EXACT, "requirements-uv.lock"])
    install_lock(LOCKS[name])
    if name == "ready":
        install_torch()
        run("Installing this repository", [*UV, "--no-deps", "--editable", "."], uv_settings())
    run("Checking that all versions agree", [str(PYTHON), "-m", "pip", "check"])
    (VENV / name).touch()


def install_torch() -> None:
    """Install the build of torch that pip's index has, by its hash, and what this build needs.

    Raises:
        InstallError: If the hash is not known; with the variable that accepts it.
    """
    lock = VENV / TORCH_LOCK
    lock.write_text(with_builds((ROOT / TORCH_LOCK).read_text(encoding="utf-8")), encoding="utf-8")
    try:
        run(f"Installing {TORCH}", [*PIP, *EXACT, str(lock)])
    except InstallError as error:
        advice = (
            f"If the index has another build of torch that you trust, name its hash: "
            f"{BUILDS}=sha256:... make run"
        )
        raise InstallError(
            f"{error}\n{advice}" if "HASH" in str(error).upper() else str(error)
        ) from None
    question = "from importlib.metadata import requires; print(*requires('torch') or ())"
    needed = subprocess.run(
        [PYTHON, "-c", question], capture_output=True, text=True, check=True
    ).stdout
    if "nvidia" in needed:
        install_lock(CUDA_LOCK)


def with_builds(lock: str) -> str:
    """Add the hashes of other builds to those of torch in a lock."""
    builds = [*OTHER_BUILDS, *os.environ.get(BUILDS, "").split()]
    lines = "".join(f"    --hash={build} \\\n" for build in builds)
    return lock.replace(f"{TORCH} \\\n", f"{TORCH} \\\n{lines}")


def install_lock(lock: str) -> None:
    """Install a lock with uv, or with pip where uv fails: pip is slower and reads its settings."""
    try:
        run(f"Installing {lock}", [*UV, *EXACT, lock], uv_settings())
    except InstallError as error:
        print(
            f"{error}\nTrying the same with pip, which takes some minutes.",
            file=sys.stderr,
            flush=True,
        )
        run(f"Installing {lock}", [*PIP, *EXACT, lock])


def uv_settings() -> dict[str, str]:
    """Give uv the index and certificate of pip, whose settings it does not read; its own win."""
    command = [str(PYTHON), "-m", "pip", "config", "--disable-pip-version-check", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (line.partition("=") for line in done.stdout.splitlines())
    found = {key.rpartition(".")[2]: value.strip("'\"") for key, _, value in lines}
    wanted = {"UV_DEFAULT_INDEX": found.get("index-url"), "SSL_CERT_FILE": found.get("cert")}
    return {name: value for name, value in wanted.items() if value and name not in os.environ}


def run(
    title: str, command: Sequence[str], settings: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Run one step, and print what it does and how long it took.

    Raises:
        InstallError: With the last lines that the command printed.
    """
    step(title, end=" ")
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print("failed", flush=True)
        output = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise InstallError(f"refrain: {title} failed with exit status {done.returncode}:\n{output}")
    print(f"{time.monotonic() - started:.0f} s", flush=True)


def step(text: str, end: str = "\n") -> None:
    """Print one line of progress."""
    print(f"{text} ...", end=end, flush=True)


if __name__ == "__main__":
    main()
